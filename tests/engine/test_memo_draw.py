"""What is drawn from plans: only what the plan allows, as often as it says. Both engines."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import uncompiled_twin
from tests.engine.plan_model import POSITION, Memo, State, a, chi_square, outcomes, set_client

ROWS = 4
ALIAS = ("record", 5, b"\3www\7example\0", -1, -1)


@pytest.fixture
def memo(engine_module):
    return Memo(engine_module("memo"))


@pytest.fixture
def make(engine_module):
    return lambda **options: Memo(engine_module("memo"), **options)


def seen(memo: Memo, plan, times: int) -> Counter:
    memo.learn([], plan)
    return Counter((memo.draw(), tuple(memo.last()))[1] for _ in range(times))


WEIGHTS = {1: 5, 2: 3, 3: 1, 4: 1}
WEIGHTED = tuple((weight, a(last)) for last, weight in WEIGHTS.items())


def test_weighted_draws_follow_the_weights(memo):
    counts = seen(memo, ("weighted", 1, WEIGHTED), 20_000)
    assert chi_square(counts, {(i,): w / 10 for i, w in WEIGHTS.items()}) < 16.27, "p < 0.001, 3 degrees"


def test_weighted_draws_without_replacement(memo):
    expected = {
        (i, j): w / 10 * v / (10 - w) for i, w in WEIGHTS.items() for j, v in WEIGHTS.items() if i != j
    }
    counts = seen(memo, ("weighted", 2, WEIGHTED), 20_000)
    assert chi_square(counts, expected) < 31.26, "p < 0.001, 11 degrees"


def test_weights_count_among_what_is_available(memo):
    plan = ("weighted", 1, ((2, a(1, 0)), (1, a(2, 1)), (1, ("all", (a(3, 2), a(4, 3))))))
    memo.learn([], plan)
    memo.set_up({1, 3})
    counts = Counter((memo.draw(), tuple(memo.last()))[1] for _ in range(8000))
    assert chi_square(counts, {(2,): 0.5, (4,): 0.5}) < 10.83


def test_a_weight_of_zero_is_never_drawn(memo):
    assert set(seen(memo, ("weighted", 2, ((0, a(1)), (1, a(2)))), 50)) == {(2,)}
    memo.learn([], ("weighted", 1, ((0, a(1)),)))
    assert memo.draw() == State(1)
    memo.learn([], ("sticky", 1, 24, 56, ((0, a(1)), (1, a(2)))))
    for octet in range(50):
        set_client(memo.memo.ask, f"10.0.{octet}.1")
        assert memo.draw().records == ((1, bytes([192, 0, 2, 2])),)


def test_the_largest_weights(memo):
    top = 2**32 - 1
    counts = seen(memo, ("weighted", 1, ((top, a(1)), (top, a(2)))), 4000)
    assert chi_square(counts, {(1,): 0.5, (2,): 0.5}) < 10.83
    memo.learn([], ("sticky", 1, 32, 128, ((top, a(1)), (1, a(2)))))
    for octet in range(50):
        set_client(memo.memo.ask, f"10.0.0.{octet}")
        memo.draw()
        assert memo.last() == [1]


def test_rotation_begins_one_further_each_time(memo):
    memo.learn([], ("rotate", 0, tuple(a(i) for i in range(5))))
    first = [(memo.draw(), memo.last())[1] for _ in range(10)]
    begin = first[0][0]
    assert first == [[(begin + turn + i) % 5 for i in range(5)] for turn in range(10)]


def test_rotation_is_even_whoever_else_asks(memo):
    """Clients that come in turn, with memos of their own, each see all addresses."""
    plan = ("rotate", 1, (a(1), a(2)))
    seen = {0: [], 1: []}
    for transport in (0, 1):
        memo.learn([(4, 0, 0, transport)], ("all", (a(9, -1, transport), plan)))
    for turn in range(40):
        memo.memo.ask[19] = turn & 1
        memo.draw()
        seen[turn & 1].append(memo.last()[1])
    assert {len(set(last)) for last in seen.values()} == {2}


def test_rotations_begin_anywhere(make):
    begins = set()
    for seed in range(20):
        memo = make(seed=seed)
        memo.learn([], ("rotate", 1, (a(0), a(1), a(2))))
        memo.draw()
        begins.add(memo.last()[0])
    assert begins == {0, 1, 2}


PAIR, OTHERS = ("rotate", 0, (a(1), a(2))), ("rotate", 0, (a(3), a(4)))
TRIPLE = ("rotate", 0, (a(5), a(6), a(7)))


@pytest.mark.parametrize(
    ("plan", "count"),
    [
        (("all", (PAIR, OTHERS)), 4),
        (("all", (PAIR, TRIPLE, OTHERS)), 12),
        (("rotate", 0, (PAIR, OTHERS)), 8),
        (("rotate", 0, (PAIR, OTHERS, TRIPLE)), 36),
        (("rotate", 2, (PAIR, OTHERS, TRIPLE)), 16),
        (("rotate", 1, (PAIR, OTHERS, TRIPLE)), 7),
        (("rotate", 0, (a(9), PAIR)), 4),
    ],
)
def test_rotations_in_one_answer_do_not_turn_together(memo, plan, count):
    """Every order of the one is seen with every order of the others, equally often (of the same first one)."""
    memo.learn([], plan)
    counts = Counter(draw.records for draw in (memo.draw() for _ in range(400 * count)))
    assert len(counts) == count
    by_length = Counter(len(records) for records in counts)
    for length, number in by_length.items():
        some = {records: times for records, times in counts.items() if len(records) == length}
        expected = dict.fromkeys(some, 1 / number)
        # p < 0.0001 for as many degrees (Wilson and Hilferty 1931)
        degrees = max(1, number - 1)
        limit = degrees * (1 - 2 / (9 * degrees) + 3.72 * math.sqrt(2 / (9 * degrees))) ** 3
        assert chi_square(some, expected) < limit


def test_rotation_of_rotations_by_one_is_exactly_even(memo):
    """Only one of them is in each answer, so each turns when it is its turn."""
    memo.learn([], ("rotate", 1, tuple(("rotate", 1, (a(2 * i), a(2 * i + 1))) for i in range(2))))
    drawn = [(memo.draw(), memo.last()[0])[1] for _ in range(8)]
    assert drawn[:4] == drawn[4:]
    assert sorted(drawn[:4]) == [0, 1, 2, 3]


def clients(count: int, version: int = 4) -> list[str]:
    if version == 4:
        return [f"{10 + i // 65536}.{i // 256 % 256}.{i % 256}.1" for i in range(count)]
    return [f"2001:db8:{i:x}::1" for i in range(count)]


@pytest.mark.parametrize("version", [4, 6])
def test_sticky_choices_follow_the_weights(memo, version):
    memo.learn([], ("sticky", 1, 24, 56, WEIGHTED))
    counts = Counter()
    for client in clients(5000, version):
        set_client(memo.memo.ask, client)
        memo.draw()
        counts[memo.last()[0]] += 1
    assert chi_square(counts, {i: w / 10 for i, w in WEIGHTS.items()}) < 16.27


def test_a_target_that_goes_moves_its_own_clients_only(memo):
    memo.learn([], ("sticky", 1, 24, 56, tuple((1, a(i, i)) for i in range(4))))
    chosen = {}
    for up in ({0, 1, 2, 3}, {0, 2, 3}):
        memo.set_up(up)
        for client in clients(500):
            set_client(memo.memo.ask, client)
            memo.draw()
            chosen.setdefault(client, []).append(memo.last()[0])
    moved = [before for before, after in chosen.values() if before != after]
    assert set(moved) == {1}
    assert 80 < len(moved) < 170
    assert {after for before, after in chosen.values() if before == 1} == {0, 2, 3}


def test_a_target_that_comes_takes_clients_only_to_itself(memo):
    chosen = {}
    for targets in (range(4), range(5)):
        memo.learn([], ("sticky", 2, 24, 56, tuple((1, a(i, i)) for i in reversed(targets))))
        for client in clients(300):
            set_client(memo.memo.ask, client)
            memo.draw()
            chosen.setdefault(client, []).append(memo.last())
    for before, after in chosen.values():
        assert [i for i in after if i != 4] == before[: 2 - (4 in after)]


def test_clients_of_a_prefix_stick_together(memo):
    memo.learn([], ("sticky", 1, 20, 48, tuple((1, a(i)) for i in range(200))))
    for prefix in (["10.1.16.1", "10.1.31.255"], ["2001:db8:1::", "2001:db8:1:ffff::1"]):
        chosen = set()
        for client in prefix:
            set_client(memo.memo.ask, client)
            memo.draw()
            chosen.add(memo.last()[0])
        assert len(chosen) == 1


def test_every_server_makes_the_same_sticky_choice(make):
    """Whatever its seed: secondaries and other workers give a client the same address. These were chosen once."""
    chosen = []
    for seed in (1, 2):
        memo = make(seed=seed)
        memo.learn([], ("sticky", 1, 32, 128, tuple((1 + i % 3, a(i)) for i in range(10))))
        for client in [*clients(12), *clients(12, 6)]:
            set_client(memo.memo.ask, client)
            memo.draw()
            chosen.append(memo.last()[0])
    assert chosen == STICKY * 2


STICKY = [1, 4, 5, 3, 2, 4, 0, 5, 5, 3, 8, 1, 3, 2, 9, 9, 1, 2, 4, 6, 9, 4, 2, 7]


def test_logarithms(engine_module):
    table = engine_module("memo")._logarithms()
    assert len(table) == 257
    assert all(abs(value / 2**24 - math.log2(1 + i / 256)) < 2**-23 for i, value in enumerate(table))


def test_first_and_else(memo):
    memo.set_up({1, 3})
    targets = tuple(a(i, i) for i in range(4))
    assert seen(memo, ("first", 1, targets), 3) == {(1,): 3}
    assert seen(memo, ("first", 5, targets), 3) == {(1, 3): 3}
    assert seen(memo, ("else", (targets[0], ("all", targets[2:]), a(9))), 3) == {(3,): 3}


def test_when_nothing_is_available_open_takes_everything_and_counts(memo):
    pool = ("all", (a(1, 1), a(2, 2)))
    memo.learn([], ("open", pool))
    memo.set_up({2})
    memo.draw()
    assert (memo.last(), memo.statistics["fail_open"]) == ([2], 0)
    memo.set_up(set())
    memo.draw()
    assert (memo.last(), memo.statistics["fail_open"]) == ([1, 2], 1)
    memo.learn([], pool)
    assert memo.draw() == State(1)
    assert memo.statistics["fail_open"] == 1
    memo.learn([], ("else", (pool, a(3))))
    memo.draw()
    assert memo.last() == [3]


def test_open_leaves_out_what_was_set_down_by_hand(memo):
    """Checks may be wrong; an operator who drains a target means it."""
    memo.learn([], ("open", ("all", tuple(a(i, i) for i in range(5)))))
    memo.set_up(set(), by_hand={2, 3})
    memo.draw()
    assert (memo.last(), memo.statistics["fail_open"]) == ([0, 1, 4], 1)
    memo.set_up(set(range(5)), by_hand={2, 3})
    memo.draw()
    assert (memo.last(), memo.statistics["fail_open"]) == ([0, 1, 4], 1)
    memo.set_up(set(), by_hand=set(range(5)))
    assert memo.draw() == State(1), "nothing is left, and that is what was asked for"
    assert memo.statistics["fail_open"] == 1


def test_open_in_a_choice_leaves_out_what_was_set_down_by_hand(memo):
    pools = tuple((1, ("open", ("weighted", 1, ((1, a(i, i)), (1, a(i + 1, i + 1)))))) for i in (0, 2))
    memo.set_up(set(), by_hand={0, 1, 2})
    assert set(seen(memo, ("weighted", 1, pools), 50)) == {(3,)}


@pytest.mark.parametrize(("override", "drawn"), [(0, [1]), (1, [1]), (2, []), (3, [])])
def test_open_by_override(memo, override, drawn):
    """As `store/health.py` numbers them: none, up, down, drained."""
    memo.learn([], ("open", a(1, 1)))
    memo.set_up(set())
    memo.health[16 + 2] = override
    memo.draw()
    assert memo.last() == drawn


def test_open_in_a_choice_is_always_available(memo):
    """As its target is, in the worst case; what is beside it keeps to the health table."""
    memo.set_up(set())
    counts = seen(memo, ("weighted", 1, ((1, ("open", a(1, 1))), (1, a(2, 2)))), 20)
    assert counts == {(1,): 20}
    assert memo.statistics["fail_open"] == 20


@pytest.mark.parametrize("kind", range(1, 7))
def test_outcomes(memo, kind):
    memo.learn([], ("else", (a(1, 1), ("outcome", kind))))
    memo.set_up(set())
    assert memo.draw() == State(kind)
    assert memo.draw_plan(("outcome", kind)) == State(kind)


def test_what_is_drawn_first_decides(memo):
    memo.learn([], ("all", (("outcome", 2), a(1))))
    assert memo.draw() == State(2)
    memo.learn([], ("all", (a(1), ("outcome", 2), ALIAS, a(2))))
    memo.draw()
    assert memo.last() == [1, 2]


def test_nothing_stands_beside_an_alias(memo):
    """RFC 2181 section 10.1."""
    memo.learn([], ("all", (ALIAS, a(1), ALIAS)))
    assert memo.draw() == State(0, ((5, ALIAS[2]),))


def test_a_record_is_there_once(memo):
    """RFC 2181 section 5."""
    assert seen(memo, ("all", (a(1), a(2), ("first", 1, (a(1),)), a(3))), 2) == {(1, 2, 3): 2}


def test_records_have_the_lowest_ttl_drawn(memo):
    """RFC 2181 section 5.2."""
    memo.learn([], ("first", 2, (a(1, 1, 300), a(2, 2), a(3, 3, 0x7FFFFFFF))))
    memo.draw()
    assert [ttl for _, ttl, _ in memo.records()] == [30, 30]
    memo.set_up({1, 3})
    memo.draw()
    assert [ttl for _, ttl, _ in memo.records()] == [300, 300]
    memo.set_up({3})
    memo.draw()
    assert [ttl for _, ttl, _ in memo.records()] == [0x7FFFFFFF]


def test_a_body_is_no_longer_than_a_message(memo):
    text = [("record", 16, bytes([i]) * 5000, -1, -1) for i in range(20)]
    last = ("record", 16, b"small", -1, -1)
    memo.learn([], ("all", (*text, last)))
    memo.draw()
    assert [rdata[:1] for *_, rdata in memo.records()] == [bytes([i]) for i in range(13)] + [b"s"]
    memo.learn([], ("record", 16, bytes(65535 - 12), -1, -1))
    assert len(memo.draw().records) == 1


def test_scope_of_sticky_choices(memo):
    """They count wherever in the plan they are: prefixes that overlap may not have answers of different scopes."""
    plan = ("else", (a(1), ("sticky", 1, 24, 56, ((1, a(2)),)), ("sticky", 1, 20, 60, ((1, a(3)),))))
    memo.learn([], plan)
    memo.draw()
    assert memo.scope == 24
    set_client(memo.memo.ask, "2001:db8::1")
    memo.draw()
    assert memo.scope == 60
    memo.draw_plan(a(1))
    assert memo.scope == 0
    memo.draw_plan(a(1), [(1, 16, 48, b"\6" + bytes(6)), (2, 32, 128, b"\6" + bytes(16))])
    assert memo.scope == 48


# ---- everything a plan may be, against the model


def plans() -> st.SearchStrategy:
    records = st.one_of(
        st.builds(a, st.integers(0, 5), st.integers(-1, ROWS - 1), st.sampled_from([-1, 60])),
        st.builds(lambda kind: ("outcome", kind), st.integers(1, 6)),
        st.just(ALIAS),
    )

    def around(child):
        children = st.lists(child, max_size=4).map(tuple)
        weighted = st.lists(st.tuples(st.integers(0, 3), child), max_size=4).map(tuple)
        n = st.integers(1, 3)
        return st.one_of(
            st.tuples(st.just("all"), children),
            st.tuples(st.just("else"), children),
            st.tuples(st.just("first"), n, children),
            st.tuples(st.just("rotate"), st.integers(0, 3), children),
            st.tuples(st.just("weighted"), n, weighted),
            st.tuples(st.just("sticky"), n, st.just(24), st.just(56), weighted),
            st.tuples(st.just("open"), child),
        )

    return st.recursive(records, around, max_leaves=8)


SETS = st.sets(st.integers(0, ROWS - 1))
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@pytest.mark.parametrize("engine_module", ["uncompiled", "compiled"], indirect=True)
def test_what_is_drawn_is_what_the_plan_allows(engine_module):
    module = engine_module("memo")

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(plans(), SETS, SETS, st.lists(ADDRESSES, min_size=1, max_size=8))
    @example(("open", ("weighted", 1, ())), set(), set(), ["192.0.2.1"])
    @example(("open", ("all", (a(0, 0), a(1, 1)))), set(), {1}, ["192.0.2.1"])
    def check(plan, up, by_hand, addresses):
        memo = Memo(module, rows=ROWS)
        memo.set_up(up, by_hand)
        memo.learn([], plan)
        allowed = outcomes(plan, up, by_hand)
        for address in addresses:
            set_client(memo.memo.ask, address)
            assert memo.draw() in allowed
            assert memo.draw_plan(plan) in allowed

    check()


def test_compiled_and_uncompiled_draw_the_same(engine_module):
    compiled, uncompiled = engine_module("memo"), uncompiled_twin("memo")
    if compiled is uncompiled:
        pytest.skip("one of them is enough")

    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(plans(), SETS, SETS, st.lists(ADDRESSES, min_size=1, max_size=8))
    def check(plan, up, by_hand, addresses):
        twins = [Memo(module, rows=ROWS) for module in (compiled, uncompiled)]
        for memo in twins:
            memo.set_up(up, by_hand)
            memo.learn([], plan)
        for address in addresses:
            results = []
            for memo in twins:
                set_client(memo.memo.ask, address)
                result = memo.memo.draw(POSITION, 0)
                size = int.from_bytes(memo.memo.ask[308:312], "little")
                results.append((result, memo.memo.ask[:], memo.memo.drawn[:size]))
            assert results[0] == results[1]

    check()


# ---- what is no plan


@pytest.mark.parametrize(
    "plan",
    [
        None,
        [],
        (),
        ("nothing",),
        ("record", 1, b"", -1),
        ("record", 0, b"", -1, -1),
        ("record", 1, "text", -1, -1),
        ("record", 1, bytes(65535), -1, -1),
        ("record", 1, b"", -2, -1),
        ("record", 1, b"", 2**31, -1),
        ("record", 1, b"", -1, 8),
        ("record", 1, bytearray(4), -1, -1),
        ("all", [a(1)]),
        ("all", a(1)),
        ("first", 0, (a(1),)),
        ("first", 4097, (a(1),)),
        ("weighted", 1, (a(1),)),
        ("weighted", 1, ((-1, a(1)),)),
        ("weighted", 1, ((2**32, a(1)),)),
        ("weighted", 1, ((0.5, a(1)),)),
        ("rotate", -1, (a(1),)),
        ("sticky", 1, 33, 56, ((1, a(1)),)),
        ("sticky", 1, 24, 129, ((1, a(1)),)),
        ("open", (a(1),)),
        ("open",),
        ("outcome", 0),
        ("outcome", 7),
        ("outcome", "NODATA"),
        (("outcome", 1),),
        ("all", tuple(a(i % 250) for i in range(4096))),
    ],
    ids=lambda plan: f"{plan!r:.50}",
)
def test_what_is_no_plan_is_refused(memo, plan):
    with pytest.raises(ValueError, match=r"plan|children|weight|rdata"):
        memo.learn([], plan)
    with pytest.raises(ValueError, match=r"plan|children|weight|rdata"):
        memo.draw_plan(plan)
    assert memo.draw() is None
    assert memo.statistics["entries"] == 0


def test_depth_is_bounded(memo):
    plan = a(1)
    for _ in range(15):
        plan = ("all", (plan,))
    memo.learn([], plan)
    assert memo.draw().records
    for _ in range(100_000):
        plan = ("all", (plan,))
    with pytest.raises(ValueError, match="deeper"):
        memo.learn([], plan)


def test_as_many_nodes_as_can_be(make):
    memo = make(size=1 << 22)
    memo.learn([], ("weighted", 4096, tuple((1, a(i % 250, i % 8)) for i in range(4095))))
    assert len(memo.draw().records) == 250
