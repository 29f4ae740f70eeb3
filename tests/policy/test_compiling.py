"""Plans in the engine's form, and the impossible answers that are refused there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pippin.engine.memo import PolicyMemo
from pippin.policy.compiling import MAX_NODES, Compiler, compile_plan, uses_alias
from pippin.policy.plans import (
    NODATA,
    Plan,
    PlanError,
    Record,
    alias,
    all_of,
    cname,
    first,
    records,
    rotate,
    sticky,
    weighted,
)
from pippin.policy.pools import Pool, Target
from pippin.policy.rdata import AAAA, TXT, A, parse
from pippin.store.health import ROW_SIZE

MX = 15
EU = Pool("eu", {"192.0.2.10": 3, "192.0.2.11": 1, "2001:db8::10": 1})
US = Pool("us", ["198.51.100.10"], empty="servfail")
ROWS = {"eu/192.0.2.10": 0, "eu/192.0.2.11": 1, "eu/2001:db8::10": 2, "us/198.51.100.10": 3}


def record(data: str, row: int = -1, ttl: int = -1, rdtype: int = A) -> tuple[object, ...]:
    return ("record", rdtype, parse(rdtype, data), ttl, row)


EU_A = ("weighted", 1, ((3, record("192.0.2.10", 0)), (1, record("192.0.2.11", 1))))


@pytest.mark.parametrize(
    ("plan", "compiled"),
    [
        (Record("192.0.2.1"), record("192.0.2.1")),
        (Record("192.0.2.1", ttl=7), record("192.0.2.1", ttl=7)),
        (EU, ("open", EU_A)),
        (US, ("else", (record("198.51.100.10", 3), ("outcome", 6)))),
        (EU.or_else(US), ("else", (EU_A, record("198.51.100.10", 3), ("outcome", 6)))),
        (US.or_else(EU), ("open", ("else", (record("198.51.100.10", 3), EU_A)))),
        (EU.or_else(NODATA), ("else", (EU_A, ("outcome", 1)))),
        (
            all_of(EU, "192.0.2.1"),
            ("all", (record("192.0.2.10", 0), record("192.0.2.11", 1), record("192.0.2.1"))),
        ),
        (all_of(EU, all_of(EU)), ("open", ("all", (record("192.0.2.10", 0), record("192.0.2.11", 1))))),
        (first(1, EU), ("open", ("first", 1, (record("192.0.2.10", 0), record("192.0.2.11", 1))))),
        (rotate(EU), ("open", ("rotate", 0, (record("192.0.2.10", 0), record("192.0.2.11", 1))))),
        (sticky(EU, v4=16), ("open", ("sticky", 1, 16, 56, EU_A[2]))),
        (
            sticky({EU: 2, "192.0.2.1": 0, cname("a"): 1}),
            ("sticky", 1, 24, 56, ((2, ("sticky", 1, 24, 56, EU_A[2])), (1, record("a", rdtype=5)))),
        ),
        (weighted({EU: 3, US: 0}), ("else", (EU_A, ("outcome", 6)))),
        (Pool("no", []), ("all", ())),
    ],
)
def test_compiled_form(plan: Plan, compiled: object) -> None:
    assert compile_plan(plan, A, ROWS) == compiled
    health = bytearray(ROW_SIZE * len(ROWS))
    memo = PolicyMemo(health, 1)
    memo.learn(memo.add(30, 10, 10_000), (), compile_plan(plan, A, ROWS))  # which checks what it is given


def test_target_without_a_row_is_always_available() -> None:
    assert compile_plan(EU, AAAA, {}) == record("2001:db8::10", rdtype=AAAA)


@pytest.mark.parametrize(
    ("plan", "rdtype", "message"),
    [
        (Record("web.example.com"), A, r"return cname\('web.example.com'\)"),
        (Pool("p", ["web.example.com"]), AAAA, "no IPv6 address, which AAAA data is"),
        (Record("192.0.2.1"), MX, "'192.0.2.1' is no MX data"),
        (all_of(cname("a"), cname("b")), A, "an answer with a CNAME has nothing else"),
        (rotate(Pool("p", [Target("a.", type="CNAME"), Target("b.", type="CNAME")])), A, "draw one of them"),
        (
            all_of(weighted({NODATA: 1, "192.0.2.1": 1}), "192.0.2.2"),
            A,
            "an outcome or has records, not both",
        ),
        (
            all_of(weighted({"192.0.2.1": 1, "192.0.2.2": 1}), "192.0.2.2"),
            A,
            "A data could be twice in one answer",
        ),
        (alias("www.example.com"), A, "needs the server's zones, and there are none here"),
    ],
)
def test_impossible_answer_is_refused(plan: Plan, rdtype: int, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        compile_plan(plan, rdtype, {})


def test_one_cname_may_be_drawn_from_several() -> None:
    pool = Pool("p", [Target("a.", type="CNAME"), Target("b.", type="CNAME")])
    assert compile_plan(pool, TXT, {})[0] == "weighted"
    assert compile_plan(rotate(pool, n=1), TXT, {})[0] == "rotate"


def test_typed_records_answer_questions_of_their_type_only() -> None:
    plan = all_of(records("MX", "10 mail.example.com"), records("A", "192.0.2.1"))
    assert compile_plan(plan, MX, {}) == record("10 mail.example.com.", rdtype=MX)
    assert compile_plan(plan, A, {}) == record("192.0.2.1")
    assert compile_plan(plan, TXT, {}) == ("outcome", 1)


def test_size_and_depth_are_bounded() -> None:
    large = Pool("large", [f"10.0.{number >> 8}.{number & 255}" for number in range(MAX_NODES)])
    with pytest.raises(PlanError, match="the plan has 4,097 parts, at most 4,096 are possible"):
        compile_plan(large, A, {})
    deep: Plan = EU
    for _ in range(20):
        deep = weighted({deep: 1, "192.0.2.1": 1})
    with pytest.raises(PlanError, match="more than 14 levels deep"):
        compile_plan(deep, A, {})


def test_deepest_plan_is_taken_by_the_engine() -> None:
    deep: Plan = EU
    for _ in range(13):
        deep = weighted({deep: 1, "192.0.2.1": 1})
    memo = PolicyMemo(bytearray(ROW_SIZE * len(ROWS)), 1)
    memo.learn(memo.add(30, 10, 100_000), (), compile_plan(deep, A, ROWS))


def test_alias_is_what_the_zones_say() -> None:
    def resolve(name: str, rdtype: int) -> Sequence[tuple[int, bytes]] | None:
        return {"a": [(60, b"\1\1\1\1")], "b": [(60, b"\1\1\1\1"), (50, b"\1\1\1\2")], "none": []}.get(name)

    assert compile_plan(alias("a"), A, {}, resolve) == ("record", A, b"\1\1\1\1", 60, -1)
    assert compile_plan(alias("b", ttl=5), A, {}, resolve)[1][1] == ("record", A, b"\1\1\1\2", 5, -1)
    assert compile_plan(alias("none").or_else("192.0.2.1"), A, {}, resolve) == record("192.0.2.1")
    with pytest.raises(PlanError, match=r"c is in no zone served here; cname\('c'\) leads resolvers there"):
        compile_plan(alias("c"), A, {}, resolve)


def test_compiler_keeps_what_no_zone_can_change() -> None:
    answers = [[(60, b"\1\1\1\1")], [(60, b"\1\1\1\2")]]
    compiler = Compiler(ROWS)
    plan = EU.or_else(alias("a"))
    assert uses_alias(plan)
    assert uses_alias(Pool("p", [], empty=alias("a")))
    assert compiler.compile(EU, A) is compiler.compile(Pool("eu", EU.targets), A)
    first_time = compiler.compile(plan, A, lambda name, rdtype: answers[0])
    assert compiler.compile(plan, A, lambda name, rdtype: answers[1]) != first_time
