"""Corners that generated worlds reach seldom or never: the engine agrees with the oracle, or leaves them to it."""

from __future__ import annotations

import pytest

from tests.agreement.harness import World
from tests.agreement.worlds import DS_RDATA, Question

APEX = "z. SOA ns.z. host.z. 1 2 3 4 300\nz. NS ns.z.\nns.z. A 192.0.2.1\n"
MANY = "".join(f"cut.z. NS n{i}.cut.z.\nn{i}.cut.z. A 192.0.2.{i}\n" for i in range(100))
MAIL = "".join(f"m.z. MX 10 n{i}.z.\nn{i}.z. A 192.0.2.{i}\n" for i in range(100))


def aliases(count):
    return "".join(f"c{i}.z. CNAME c{i + 1}.z.\n" for i in range(count))


@pytest.mark.parametrize(
    ("texts", "name", "rdtype"),
    [
        ({"z.": APEX + MANY}, "x.cut.z.", "A"),
        ({"z.": APEX + MAIL}, "m.z.", "MX"),
        ({"z.": APEX + "d.z. DNAME other.\ng.d.z. A 192.0.2.9\ncut.z. NS g.d.z.\ncut.z. NS ns.z."}, "cut.z.", "A"),
        ({"z.": APEX + "s.z. HTTPS 0 .\ns.z. A 192.0.2.9"}, "s.z.", "HTTPS"),
        ({"z.": APEX + "*.s.z. HTTPS 1 .\n*.s.z. A 192.0.2.9"}, "x.s.z.", "HTTPS"),
        ({"z.": APEX + "*.s.z. HTTPS 1 .\n*.s.z. A 192.0.2.9"}, "*.s.z.", "HTTPS"),
        (
            {"z.": APEX + f"a.z. NS ns.other.\na.z. DS {DS_RDATA}", "a.z.": "a.z. SOA n. h. 1 2 3 4 5\na.z. NS n."},
            "a.z.",
            "DS",
        ),
        (
            {"z.": APEX + "b.z. NS ns.other.", "a.b.z.": "a.b.z. SOA n. h. 1 2 3 4 5\na.b.z. NS n."},
            "a.b.z.",
            "DS",
        ),
        (
            {
                "z.": APEX + "a.z. NS ns.other.",
                "a.z.": "a.z. SOA n. h. 1 2 3 4 5\na.z. NS n.\nc.a.z. CNAME a.z.",
            },
            "c.a.z.",
            "DS",
        ),
        ({"z.": APEX + aliases(40)}, "c0.z.", "A"),
        ({"z.": APEX + aliases(15) + "c15.z. A 192.0.2.9"}, "c0.z.", "A"),
        ({"z.": APEX + aliases(16) + "c16.z. A 192.0.2.9"}, "c0.z.", "A"),
        ({"z.": APEX + "w.z. CNAME x.y.\n", "y.": "y. SOA n. h. 1 2 3 4 5\ny. NS n.\n*.y. A 192.0.2.9"}, "w.z.", "A"),
        ({"z.": APEX + "d.z. DNAME " + ".".join(["l" * 60] * 4)}, f"{'x' * 60}.d.z.", "A"),
        ({"z.": APEX + '\\000.z. TXT "zero octet"\n\\001.z. TXT "one"'}, "\\000.z.", "TXT"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dnssec_ok", [False, True])
def test_corner(texts, name, rdtype, dnssec_ok):
    world = World(texts)
    question = Question(name, rdtype, dnssec_ok)
    oracle = world.oracle(question)
    assert world.engine(question) in (None, oracle)
