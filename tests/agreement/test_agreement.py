"""Oracle and engine give the same replies, for generated zones and questions.

PIPPIN_AGREEMENT=N asks about N worlds per test instead of the usual handful; every world gets dozens of questions.
"""

from __future__ import annotations

import os

import dns.message
import dns.name
import dns.rdatatype
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from pippin.zone.answer import Zones
from tests.agreement.harness import World, show
from tests.agreement.proofs import Unproved, validate
from tests.agreement.signing import Nsec, Nsec3, sign
from tests.agreement.worlds import policies, questions, worlds
from tests.zone.standin import DictZone

USUAL = 60
WORLDS = int(os.environ.get("PIPPIN_AGREEMENT", USUAL))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]

many_worlds = settings(
    max_examples=WORLDS,
    deadline=None,
    # CI asks the same every time and shows a failure as it is; who asks for more gets new worlds, and waits for
    # the smallest that fails.
    derandomize=WORLDS == USUAL,
    phases=PHASES if WORLDS == USUAL else [*PHASES, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

signatures = st.one_of(
    st.just(Nsec()),
    st.builds(Nsec3, st.integers(0, 2), st.sampled_from([b"", b"\xab\xcd"]), st.booleans()),
)


def agree(texts, asked, marks=(), not_ready=()):
    world = World(texts, marks, not_ready)
    stand_ins = Zones([DictZone(text, origin, world.placed[origin]) for origin, text in texts.items()])
    for origin in not_ready:
        stand_ins.deepest(dns.name.from_text(origin)).is_ready = False
    for question in asked:
        oracle = world.oracle(question)
        engine = world.engine(question)
        event("slow" if engine is None else "hit")
        assert engine is None or engine == oracle, show(texts, question, engine, oracle, marks)
        second = world.oracle(question, stand_ins)
        assert oracle == second, show(texts, question, oracle, second, marks)


@many_worlds
@given(st.data())
def test_unsigned_zones(data):
    texts = data.draw(worlds())
    agree(texts, data.draw(questions(texts)))


@many_worlds
@given(st.data())
def test_zones_with_policies(data):
    """Also for the questions that policies answer: both give what the zone itself says, which PASS falls back to."""
    texts = data.draw(worlds())
    marks = data.draw(policies(texts))
    agree(texts, data.draw(questions(texts, marks)), marks)


@many_worlds
@given(st.data())
def test_zones_that_are_not_ready(data):
    texts = data.draw(worlds())
    not_ready = data.draw(st.sets(st.sampled_from(sorted(texts)), min_size=1))
    agree(texts, data.draw(questions(texts)), not_ready=not_ready)


@many_worlds
@given(st.data())
def test_signed_zones(data):
    texts = data.draw(worlds())
    texts = {origin: sign(text, origin, data.draw(signatures)) for origin, text in texts.items()}
    agree(texts, data.draw(questions(texts)))


@many_worlds
@given(st.data())
def test_signed_replies_prove_what_they_say(data):
    texts = data.draw(worlds())
    texts = {origin: sign(text, origin, data.draw(signatures)) for origin, text in texts.items()}
    world = World(texts)
    for question in data.draw(questions(texts, dnssec_ok=st.just(True))):
        message = dns.message.from_wire(world.oracle_wire(question), one_rr_per_rrset=True)
        try:
            validate(
                message,
                dns.name.from_text(question.name),
                dns.rdatatype.from_text(question.rdtype),
                world.zones,
            )
        except Unproved as unproved:
            raise AssertionError(f"{unproved}\n{message}{show(texts, question, None, None)}") from unproved
