"""Plans mean what they say: every answer with its probability, against a second definition, and against the engine."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.engine.memo import ASK_BITS, ASK_FAMILY, OUT_LENGTH, PolicyMemo
from pippin.policy.compiling import Compiled, compile_plan
from pippin.policy.outcomes import Possibility, enumerate_compiled
from pippin.policy.plans import NODATA, OUTCOMES, Plan, PlanError, all_of, first, rotate, sticky, weighted
from pippin.policy.pools import Pool
from pippin.policy.rdata import AAAA, TXT, A
from pippin.store.health import DRAINED, NO_OVERRIDE, ROW_SIZE
from tests.policy.plans_of_all_kinds import EU, NONE, SIX, TARGETS, US, meaning, plans

downs = st.sets(st.sampled_from(TARGETS)).map(frozenset)
SLOW_MACHINES = [HealthCheck.too_slow]
"""Plans are made of plans; how long that takes depends on who else has the core."""
ROWS = {key: row for row, key in enumerate(TARGETS)}


@settings(max_examples=400, deadline=None, suppress_health_check=SLOW_MACHINES)
@given(plans, st.sampled_from([A, AAAA]), downs, downs)
def test_outcomes_are_what_the_plan_means(
    plan: Plan, rdtype: int, down: frozenset[str], drained: frozenset[str]
) -> None:
    try:
        compiled = compile_plan(plan, rdtype, ROWS)
    except PlanError:  # an impossible answer
        return
    found = enumerated(compiled, down, drained)
    assert sum(share for share, _ in found) == 1
    assert all(share > 0 for share, _ in found)
    assert {answer: share for share, answer in found} == meaning(plan, rdtype, down, drained)


def enumerated(compiled: Compiled, down: frozenset[str], drained: frozenset[str]) -> list[Possibility]:
    return enumerate_compiled(
        compiled, lambda row: TARGETS[row] not in down | drained, in_use=lambda row: TARGETS[row] not in drained
    )


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW_MACHINES)
@given(plans, downs, downs, st.integers(0, 1000))
def test_the_engine_draws_nothing_else(
    plan: Plan, down: frozenset[str], drained: frozenset[str], seed: int
) -> None:
    try:
        compiled = compile_plan(plan, A, ROWS)
    except PlanError:
        return
    shares = {answer: share for share, answer in enumerated(compiled, down, drained)}
    likely = {answer for answer, share in shares.items() if share > 0.2}
    health = bytearray(ROW_SIZE * len(TARGETS))
    for key, row in ROWS.items():
        health[ROW_SIZE * row] = key not in down | drained
        health[ROW_SIZE * row + 2] = DRAINED if key in drained else NO_OVERRIDE
    memo = PolicyMemo(health, seed)
    memo.ask[ASK_FAMILY], memo.ask[ASK_BITS] = 4, 32
    policy = memo.add(30, 10, 100_000)
    seen = set()
    for number in range(120):  # an answer with a share above 0.2 is missed once in 4e11 times
        memo.ask[0:4] = (number * 2654435761 % 2**32).to_bytes(
            4, "big"
        )  # other clients: sticky choices differ
        seen.add(drawn(memo, memo.draw_plan(policy, compiled, 0)))
    assert seen <= shares.keys()
    # Of two choices with the same records rendezvous hashing takes the first.
    if "'sticky'" not in str(compiled):
        assert likely <= seen


def drawn(memo: PolicyMemo, verdict: int) -> object:
    """The answer in the memo's output, as `enumerate_compiled` gives it."""
    if verdict >> 16:
        return OUTCOMES[verdict >> 16]
    body = bytes(memo.drawn[: int.from_bytes(memo.ask[OUT_LENGTH : OUT_LENGTH + 4], "little")])
    records = []
    at = 0
    while at < len(body):
        length = int.from_bytes(body[at + 10 : at + 12], "big")
        records.append(".".join(map(str, body[at + 12 : at + 12 + length])))
        at += 12 + length
    return tuple(records) or NODATA


def test_probabilities_are_exact() -> None:
    assert EU.outcomes() == [(Fraction(3, 4), ("192.0.2.10",)), (Fraction(1, 4), ("192.0.2.11",))]
    assert weighted({EU: 3, US: 1}).outcomes() == [
        (Fraction(9, 16), ("192.0.2.10",)),
        (Fraction(3, 16), ("192.0.2.11",)),
        (Fraction(1, 8), ("198.51.100.10",)),
        (Fraction(1, 8), ("198.51.100.11",)),
    ]
    three = Pool("three", {"192.0.2.1": 1, "192.0.2.2": 1, "192.0.2.3": 2})
    assert weighted(three, n=2).outcomes()[0] == (Fraction(1, 4), ("192.0.2.3", "192.0.2.1"))
    assert sum(p for p, _ in sticky(three, n=3).outcomes()) == 1


def test_first_is_a_primary_with_stand_ins() -> None:
    plan = first(1, US)
    assert plan.outcomes() == [(1, ("198.51.100.10",))]
    assert plan.outcomes(down={"us/198.51.100.10"}) == [(1, ("198.51.100.11",))]


def test_rotation_begins_with_each_in_turn() -> None:
    assert rotate(US).outcomes() == [
        (Fraction(1, 2), ("198.51.100.10", "198.51.100.11")),
        (Fraction(1, 2), ("198.51.100.11", "198.51.100.10")),
    ]


def test_empty_pool_fails_open_unless_it_says_otherwise() -> None:
    eu_down = {"eu/192.0.2.10", "eu/192.0.2.11"}
    us_down = {"us/198.51.100.10", "us/198.51.100.11"}
    assert EU.outcomes(down=eu_down) == EU.outcomes()
    assert [str(answer) for _, answer in US.outcomes(down=us_down)] == ["SERVFAIL"]
    assert EU.or_else(US).outcomes(down=eu_down | us_down)[0].answer == US.outcomes(down=us_down)[0].answer
    assert (
        US.or_else(EU).outcomes(down=eu_down | us_down) == US.outcomes()
    )  # EU is last and open: as if all were up
    assert EU.or_else(NODATA).outcomes(down=eu_down) == [(1, NODATA)]


def test_what_is_drained_stays_so_when_a_plan_fails_open() -> None:
    both = {"eu/192.0.2.10", "eu/192.0.2.11"}
    assert EU.outcomes(down=both, drained={"eu/192.0.2.10"}) == [(1, ("192.0.2.11",))]
    assert EU.outcomes(down={"eu/192.0.2.11"}, drained={"eu/192.0.2.10"}) == [(1, ("192.0.2.11",))]
    assert EU.outcomes(drained=both) == [(1, NODATA)]
    assert EU.or_else(US).outcomes(drained={"eu/192.0.2.10"}) == [(1, ("192.0.2.11",))]
    with pytest.raises(TypeError, match="drained is a set of targets"):
        EU.outcomes(drained="eu/192.0.2.10")


def test_drained_pool_gives_way() -> None:
    drained = Pool("drained", {"192.0.2.1": 0, "192.0.2.2": 0}, empty="refused")
    assert drained.or_else(US).outcomes() == US.outcomes()
    assert [str(answer) for _, answer in drained.outcomes()] == ["REFUSED"]
    assert NONE.outcomes() == [(1, NODATA)]


def test_pool_without_the_asked_family_is_an_empty_answer_and_no_reason_to_go_on() -> None:
    dual = Pool("dual", ["192.0.2.50", "2001:db8::50"])
    assert US.or_else(dual).outcomes("AAAA") == [(1, NODATA)]
    assert weighted({US: 1, dual: 1}).outcomes("AAAA") == [
        (Fraction(1, 2), NODATA),
        (Fraction(1, 2), ("2001:db8::50",)),
    ]
    assert all_of(US, dual).outcomes("AAAA") == [(1, ("2001:db8::50",))]


def test_records_know_their_target_and_type() -> None:
    record = SIX.outcomes("AAAA")[0].answer
    assert isinstance(record, tuple)
    assert (record[0], record[0].type, record[0].target) == ("2001:db8::1", "AAAA", "six/2001:db8::1")


def test_text_is_of_the_type_asked_for() -> None:
    assert all_of("hello world").outcomes("TXT") == [(1, ('"hello world"',))]
    assert enumerate_compiled(compile_plan(EU, TXT, {}), lambda row: True)[0].answer == ('"192.0.2.10"',)


def test_unknown_target_is_named() -> None:
    with pytest.raises(PlanError, match=r"'eu/1' is no target of this plan; it has eu/192"):
        EU.outcomes(down={"eu/1"})
    with pytest.raises(TypeError, match=r"right would be \{.eu/1.\}"):
        EU.outcomes(down="eu/1")


def test_too_many_answers_are_refused() -> None:
    large = Pool("large", [f"192.0.2.{number}" for number in range(12)])
    with pytest.raises(PlanError, match="more than 20,000 different answers"):
        weighted(large, n=8).outcomes()
