"""Zones with policies, corner by corner: what the engine says beside a policy's own answers is what the oracle says."""

from __future__ import annotations

import dns.name
import dns.rdatatype
import pytest

from tests.agreement.harness import World
from tests.agreement.worlds import Question
from tests.zone.test_policies import MARKS, TEXT

NAMES = [
    "example.", "both.example.", "new.example.", "the.example.", "in.the.example.", "deep.in.the.example.",
    "x.deep.in.the.example.", "cdn.example.", "*.cdn.example.", "x.cdn.example.", "x.y.cdn.example.",
    "taken.cdn.example.", "x.taken.cdn.example.", "alias.example.", "long.example.", "to-new.example.",
    "to-wild.example.", "svc.example.", "x.tree.example.", "cut.example.", "x.cut.example.", "nothing.example.",
]  # fmt: skip
TYPES = ["A", "AAAA", "TXT", "MX", "HTTPS", "CNAME", "ANY", "NS", "SOA", "DS"]
BELOW_A_DNAME = "x.tree.example."


@pytest.fixture(scope="module")
def world():
    return World({"example.": "\n".join(_absolute(TEXT))}, MARKS)


def _absolute(text):
    """Lines as the harness reads them, without `@`."""
    return [
        line.replace("@ ", "example. ", 1) if line.startswith("@") else line for line in text.splitlines()
    ]


def is_a_policys(world, name, rdtype):
    owner = world.views[0].policy_owner(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))
    return owner is not None


@pytest.mark.parametrize("dnssec_ok", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_engine_and_oracle_agree_beside_policies(world, name, dnssec_ok):
    for rdtype in TYPES:
        question = Question(name, rdtype, dnssec_ok)
        engine, oracle = world.engine(question), world.oracle(question)
        assert engine in (None, oracle), question
        leaves_it = is_a_policys(world, name, rdtype) or name == BELOW_A_DNAME
        assert leaves_it or engine is not None or rdtype == "DS", f"{question} needs no slow path"


def test_all_marks_are_placed(world):
    assert world.placed == {"example.": MARKS}


def test_policy_in_the_zone_below_is_answered_there():
    """The zone above has a mark for the same name and leaves it out: its own answers know nothing of it."""
    texts = {
        "z.": "z. SOA ns.z. host.z. 1 2 3 4 300\nz. NS ns.z.\na.z. NS ns.z.\nto.z. CNAME www.a.z.\nns.z. A 192.0.2.1\n",
        "a.z.": "a.z. SOA ns.z. host.z. 1 2 3 4 300\na.z. NS ns.z.\nwww.a.z. A 192.0.2.2\nto.a.z. CNAME www.a.z.\n",
    }
    world = World(texts, [("www.a.z.", "A")])
    assert world.placed == {"z.": [], "a.z.": [("www.a.z.", "A")]}
    for name in ("to.z.", "to.a.z."):
        question = Question(name, "A", False)
        oracle = world.oracle(question)
        assert [(owner, rdtype) for owner, _, rdtype, _ in oracle.answer] == [(name, "CNAME")]
        assert world.engine(question) in (None, oracle)
