"""What a policy answered is remembered under the facts it looked at, and under nothing else. Both engines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import uncompiled_twin
from tests.engine.plan_model import NOW, POSITION, Memo, State, a, set_client

CLIENT, RESOLVER, TREE, TRANSPORT, EDNS, DNSSEC_OK, GIVEN, QTYPE, CAPTURED, HEALTH, LOAD, TIME, GENERATION = range(
    1, 14
)


@pytest.fixture
def module(engine_module):
    return engine_module("memo")


@pytest.fixture
def memo(module):
    return Memo(module)


@pytest.fixture
def make(module):
    return lambda **options: Memo(module, **options)


def answer(memo: Memo, now: int = NOW) -> int | None:
    """The last octet of the address drawn, or None if it has to be learned."""
    return memo.last()[0] if memo.draw(now) else None


def transport(value: int) -> tuple[int, int, int, int]:
    return (TRANSPORT, 0, 0, value)


# ---- where policies are


def test_a_position_without_a_policy(memo):
    assert memo.memo.draw(POSITION + 1, NOW) == -1
    assert memo.memo.draw(0, NOW) == -1


def test_a_policy_that_has_not_run(memo):
    assert memo.draw() is None


def test_links_follow_the_zone(memo):
    memo.learn([], a(1))
    memo.memo.unlink_all()
    assert memo.draw() is None
    memo.memo.link(POSITION, memo.policy)
    assert answer(memo) == 1, "moved, not forgotten"


def test_policies_have_memos_of_their_own(memo):
    other = memo.memo.add(300, 10, 10_000)
    memo.memo.link(1 << 40, other)
    memo.learn([], a(1))
    memo.memo.learn(other, [], a(1))
    assert memo.memo.draw(1 << 40, NOW) == 1
    assert memo.records() == [(1, 300, bytes([192, 0, 2, 1]))]
    memo.memo.forget(other)
    assert memo.memo.draw(1 << 40, NOW) == -1
    assert answer(memo) == 1
    memo.memo.forget()
    assert memo.draw() is None
    assert memo.statistics["bytes"] == memo.statistics["entries"] == 0


def test_each_policy_has_its_ttl_for_plans_that_are_not_remembered(memo):
    other = memo.memo.add(300, 10, 10_000)
    for policy, ttl in ((memo.policy, 30), (other, 300)) * 2:
        memo.memo.draw_plan(policy, a(1), NOW)
        assert memo.records()[0][1] == ttl


@pytest.mark.parametrize(
    "wrong",
    [
        lambda memo: memo.memo.link(1, 1),
        lambda memo: memo.memo.link(1, -1),
        lambda memo: memo.memo.learn(1, [], a(1)),
        lambda memo: memo.memo.draw_plan(1, a(1), NOW),
        lambda memo: memo.memo.forget(1),
        lambda memo: memo.memo.statistics(1),
        lambda memo: memo.memo.add(-1, 1, 1),
        lambda memo: memo.memo.add(1 << 31, 1, 1),
    ],
)
def test_what_is_not_there(memo, wrong):
    with pytest.raises(ValueError, match=r"policy|TTL"):
        wrong(memo)


# ---- facts


def test_the_layout_of_what_is_asked(module, memo):
    """Others write it by these numbers."""
    assert len(memo.memo.ask) == module.ASK_SIZE == 312
    assert memo.memo.ask is memo.memo.ask
    assert len(memo.memo.drawn) == 65535
    assert module.ASK_CAPTURED + 255 < module.OUT_SCOPE


@pytest.mark.parametrize(
    ("fact", "value", "place", "octets", "others"),
    [
        (TRANSPORT, 1, 19, b"\1", b"\0"),
        (EDNS, 1, 20, b"\1", b"\2"),
        (EDNS, 0, 20, b"\2", b"\3"),
        (DNSSEC_OK, 1, 20, b"\3", b"\1"),
        (GIVEN, 1, 18, b"\1", b"\0"),
        (QTYPE, 0x0102, 22, b"\2\1", b"\1\2"),
        (GENERATION, 0x01020384, 44, b"\x84\3\2\1", b"\x85\3\2\1"),
        (CAPTURED, b"\3a\xffz", 41, b"\4" + bytes(6) + b"\3a\xffz", b"\4" + bytes(6) + b"\3a\xffy"),
        (CAPTURED, b"", 41, b"\0" + bytes(6) + b"\3abc", b"\1" + bytes(6) + b"\3abc"),
        (CAPTURED, b"\xfe" + b"x" * 254, 41, b"\xff" + bytes(6) + b"\xfe" + b"x" * 254, b"\xfe"),
    ],
)
def test_facts_about_the_query(memo, fact, value, place, octets, others):
    memo.learn([(fact, 0, 0, value)], a(1))
    memo.memo.ask[place : place + len(octets)] = octets
    assert answer(memo) == 1
    assert memo.scope == 0
    memo.memo.ask[place : place + len(others)] = others
    assert memo.draw() is None


@pytest.mark.parametrize(
    ("bits", "value", "inside", "outside"),
    [
        ((24, 56), b"\4\xc6\x33\x64", ["198.51.100.0", "198.51.100.255"], ["198.51.101.0", "198.51.99.255"]),
        ((23, 56), b"\4\xc6\x33\x64", ["198.51.100.0", "198.51.101.255"], ["198.51.102.0", "198.51.99.255"]),
        ((32, 128), b"\4\xc6\x33\x64\7", ["198.51.100.7"], ["198.51.100.6", "2001:db8::"]),
        ((0, 0), b"\4", ["0.0.0.0", "255.255.255.255"], ["::", "ffff::"]),
        ((0, 0), b"\6", ["::", "ffff::"], ["0.0.0.0"]),
        ((1, 1), b"\6\x80", ["8000::", "ffff::"], ["::", "128.0.0.0"]),
        ((24, 56), b"\6\x20\x01\x0d\xb8\0\0\1", ["2001:db8:0:1ff::"], ["2001:db8:0:2ff::", "32.1.13.184"]),
        ((24, 57), b"\6\x20\x01\x0d\xb8\0\0\1\x80", ["2001:db8:0:1ff::"], ["2001:db8:0:17f::"]),
        ((24, 64), b"\6\x20\x01\x0d\xb8\0\0\0\0", ["2001:db8::", "2001:db8::ffff"], ["2001:db8:0:1::", "::"]),
        ((24, 65), b"\6" + bytes(8) + b"\x80", ["::8000:0:0:0", "::ffff:0:0:1"], ["::7fff:0:0:0", "0.0.0.0"]),
        ((32, 128), b"\6" + bytes(15) + b"\1", ["::1"], ["::2", "::", "0.0.0.1", "1::1"]),
        ((32, 127), b"\6" + bytes(15) + b"\2", ["::2", "::3"], ["::1", "::4"]),
    ],
)
def test_facts_about_addresses(memo, bits, value, inside, outside):
    depth = bits[value[0] == 6]
    memo.learn([(CLIENT, *bits, value)], a(1))
    for address in inside:
        set_client(memo.memo.ask, address)
        assert answer(memo) == 1
        assert memo.scope == depth
    for address in outside:
        set_client(memo.memo.ask, address)
        assert memo.draw() is None
    memo.learn([(RESOLVER, *bits, value)], a(2))
    for address in inside + outside:
        memo.memo.ask[24:41] = memo.memo.ask[0:17]
        set_client(memo.memo.ask, address)
        memo.memo.ask[24:41] = memo.memo.ask[0:17]
        assert answer(memo) == (2 if address in inside else None)
        if address in inside:
            assert memo.scope == 0, "the resolver that asks is not what the answer is cached under"


def test_families_never_meet(memo):
    """Whatever the prefix, the octets of an IPv4 address are not those of an IPv6 one."""
    memo.learn([(CLIENT, 32, 32, b"\4\x20\x01\x0d\xb8")], a(4))
    memo.learn([(CLIENT, 32, 32, b"\6\x20\x01\x0d\xb8")], a(6))
    for address, last in (("32.1.13.184", 4), ("2001:db8::", 6)):
        set_client(memo.memo.ask, address)
        assert answer(memo) == last


def test_bits_that_are_not_known_count_as_zero(memo):
    memo.learn([(CLIENT, 32, 128, b"\4\xc6\x33\x64\0")], a(1))
    memo.learn([(CLIENT, 32, 128, b"\6\x20\x01\x0d\xb8" + bytes(12))], a(2))
    set_client(memo.memo.ask, "198.51.100.77", 24)
    assert answer(memo) == 1
    assert memo.scope == 32
    set_client(memo.memo.ask, "198.51.100.77", 26)
    assert memo.draw() is None
    set_client(memo.memo.ask, "2001:db8::7", 56)
    assert answer(memo) == 2
    set_client(memo.memo.ask, "198.51.100.0", 255)
    assert answer(memo) == 1


def test_the_scope_is_the_deepest_fact_on_the_way(memo):
    memo.learn([(CLIENT, 8, 16, b"\4\xc6"), (CLIENT, 24, 48, b"\4\xc6\x33\x64"), (CLIENT, 16, 32, b"\4\xc6\x33")], a(1))
    memo.learn([(CLIENT, 8, 16, b"\4\x0a")], a(2))
    assert (answer(memo), memo.scope) == (1, 24)
    set_client(memo.memo.ask, "10.0.0.1")
    assert (answer(memo), memo.scope) == (2, 8), "this client's answer depends on less"


def test_health_and_load(memo):
    memo.learn([(HEALTH, 2, 0, 1), (LOAD, 3, 250, 2)], a(1))
    memo.learn([(HEALTH, 2, 0, 1), (LOAD, 3, 250, -1)], a(2))
    memo.learn([(HEALTH, 2, 0, 0)], a(3))
    for load, last in ((500, 1), (749, 1), (0xFFFFFFFF, 2), (750, None), (499, None), (0xFFFFFFFE, None)):
        memo.health[16 * 3 + 4 : 16 * 3 + 8] = load.to_bytes(4, "little")
        assert answer(memo) == last
    memo.health[32] = 0
    assert answer(memo) == 3


def test_time_is_asked_for_again_when_it_is_over(memo):
    asked = []

    def hour(now):
        asked.append(now)
        return now // 3600 % 24, (now // 3600 + 1) * 3600

    clock = memo.memo.add_clock(hour)
    for value in range(24):
        memo.learn([(TIME, clock, 0, value)], a(value))
    start = NOW // 86400 * 86400
    times = [start, start + 1, start + 3599, start + 3600, start + 3601, start + 86399, start + 7]
    assert [answer(memo, now) for now in times] == [0, 0, 0, 1, 1, 23, 0]
    assert asked == [start, start + 3600, start + 86399, start + 7], "also when the time was set back"


@pytest.mark.parametrize(
    "fact",
    [
        (0, 0, 0, 0),
        (14, 0, 0, 0),
        (CLIENT, 33, 56, b"\4" + bytes(5)),
        (CLIENT, 24, 129, b"\4" + bytes(3)),
        (CLIENT, 24, 56, b"\4" + bytes(4)),
        (CLIENT, 24, 56, b"\6" + bytes(6)),
        (CLIENT, 24, 56, b"\5" + bytes(3)),
        (CLIENT, 24, 56, b""),
        (CLIENT, 24, 56, 4),
        (TREE, 0, 0, 1),
        (CAPTURED, 0, 0, "text"),
        (HEALTH, 8, 0, 1),
        (HEALTH, -1, 0, 1),
        (LOAD, 0, 0, 1),
        (TIME, 0, 0, 1),
        (QTYPE, 0, 0, b"A"),
        (QTYPE, 1 << 40, 0, 1),
        ("qtype", 0, 0, 1),
    ],
)
def test_what_is_no_fact_is_refused(memo, fact):
    with pytest.raises(ValueError, match="no fact"):
        memo.learn([fact], a(1))
    assert memo.statistics["entries"] == memo.statistics["bytes"] == 0


def test_paths_are_bounded(memo):
    memo.learn([(QTYPE, i, 0, 0) for i in range(64)], a(1))
    assert answer(memo) == 1
    with pytest.raises(ValueError, match="65 facts"):
        memo.learn([(QTYPE, i, 0, 0) for i in range(65)], a(1))


# ---- the tree


def test_which_fact_is_read_next_may_depend_on_the_last(memo):
    memo.learn([transport(0), (EDNS, 0, 0, 1)], a(1))
    memo.learn([transport(0), (EDNS, 0, 0, 0)], a(2))
    memo.learn([transport(1), (QTYPE, 0, 0, 1)], a(3))
    memo.memo.ask[22] = 1
    seen = []
    for flags, way in ((1, 0), (0, 0), (0, 1)):
        memo.memo.ask[20], memo.memo.ask[19] = flags, way
        seen.append(answer(memo))
    assert seen == [1, 2, 3]
    assert memo.statistics["distinct"] == {(TRANSPORT, 0, 0): 2, (EDNS, 0, 0): 2, (QTYPE, 0, 0): 1}


def test_values_of_a_fact_are_counted_once_wherever_they_are(memo):
    for first in range(3):
        for second in range(2):
            memo.learn([(QTYPE, 0, 0, first), transport(second)], a(1))
    assert memo.statistics["distinct"] == {(QTYPE, 0, 0): 3, (TRANSPORT, 0, 0): 2}
    assert memo.statistics["entries"] == 6


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([[]], [transport(0)]),
        ([[transport(0)], [transport(1)]], [(EDNS, 0, 0, 0)]),
        ([[transport(0), (EDNS, 0, 0, 0)]], [transport(0)]),
        ([[transport(0), (EDNS, 0, 0, 0)]], [transport(0), (QTYPE, 0, 0, 0)]),
        ([[transport(0)]], []),
    ],
)
def test_a_policy_that_changed_its_mind_is_learned_anew_and_counted(memo, before, after):
    """The same values before, another fact now: it depends on something that is no fact."""
    for path in before:
        memo.learn(path, a(1))
    memo.learn(after, a(2))
    assert answer(memo) == 2
    assert memo.statistics["conflicts"] == 1
    assert memo.statistics["entries"] == 1


def test_the_same_place_again_is_no_conflict(memo):
    memo.learn([transport(0)], a(1))
    held = memo.statistics["bytes"]
    memo.learn([transport(0)], a(2))
    assert answer(memo) == 2
    assert memo.statistics == {
        "hits": 1, "learned": 2, "entries": 1, "bytes": held, "evicted": 0, "fail_open": 0, "conflicts": 0,
        "rested": 0,
        "distinct": {(TRANSPORT, 0, 0): 1},
    }  # fmt: skip


def test_until(memo):
    memo.learn([], a(1), 23, NOW + 10)
    assert answer(memo, NOW + 9) == 1
    assert memo.ede == 23
    assert memo.draw(NOW + 10) is None
    memo.learn([], a(2))
    assert answer(memo, NOW + 10) == 2
    assert memo.ede == -1


def test_one_question_goes_to_renew_an_answer_and_others_get_the_old_one(memo):
    memo.learn([], a(1), -1, NOW + 10)
    assert answer(memo, NOW + 10) is None, "this one"
    assert [answer(memo, NOW + 10), answer(memo, NOW + 11)] == [1, 1]
    assert memo.memo.draw(POSITION, NOW + 11, True) == -1, "who asks for what is fresh"
    assert answer(memo, NOW + 12) is None, "it was too long"
    assert answer(memo, NOW + 12) is None
    memo.learn([], a(2), -1, NOW + 20)
    assert answer(memo, NOW + 19) == 2
    assert answer(memo, NOW + 20) is None
    assert answer(memo, NOW + 20) == 2


def test_extended_errors(memo):
    for code in (0, 0xFFFE):
        memo.learn([], a(1), code)
        memo.draw()
        assert memo.ede == code
    memo.draw_plan(a(1))
    assert memo.ede == -1
    with pytest.raises(ValueError, match="extended"):
        memo.learn([], a(1), 0xFFFF)


def test_while_a_policy_rests_what_is_not_known_has_an_answer(memo):
    memo.learn([transport(0)], a(1))
    memo.memo.rest(memo.policy, a(9), 0, NOW, NOW + 10)
    assert (answer(memo), memo.ede) == (1, -1), "what was learned stays in use"
    memo.memo.ask[19] = 1
    assert (answer(memo), memo.ede) == (9, 0)
    assert (memo.statistics["hits"], memo.statistics["rested"], memo.statistics["entries"]) == (1, 1, 1)
    assert answer(memo, NOW + 9) == 9
    assert answer(memo, NOW + 10) is None
    assert answer(memo, NOW - 1) is None, "a clock that was set back does not make it longer"
    memo.learn([transport(1)], a(2))
    assert answer(memo) == 2


def test_a_policy_that_has_never_worked_rests_too(memo):
    memo.memo.rest(memo.policy, ("outcome", 6), 0, NOW, NOW + 10)
    assert (memo.draw(), memo.ede) == (State(6), 0)
    memo.memo.wake(memo.policy)
    assert memo.draw() is None


def test_a_rest_is_one_policys(memo):
    other = memo.memo.add(30, 10, 10_000)
    memo.memo.rest(other, a(9), 0, NOW, NOW + 10)
    assert memo.draw() is None
    memo.memo.link(POSITION + 1, other)
    assert memo.memo.draw(POSITION + 1, NOW) == 1


def test_the_answer_of_a_rest_depends_on_what_was_looked_at_on_the_way(memo):
    """Of other clients the memo may know an answer."""
    memo.learn([(CLIENT, 20, 48, b"\4\xcb\0\x70")], a(1))
    memo.memo.rest(memo.policy, a(9), 0, NOW, NOW + 10)
    assert (answer(memo), memo.scope) == (9, 20)


@pytest.mark.parametrize(("plan", "ede"), [(None, 0), (("nothing",), 0), (a(1), -2), (a(1), 0xFFFF)])
def test_what_is_no_answer_is_no_rest(memo, plan, ede):
    with pytest.raises(ValueError, match=r"plan|extended"):
        memo.memo.rest(memo.policy, plan, ede, NOW, NOW + 10)
    assert memo.draw() is None


def test_equal_plans_are_held_once(memo):
    memo.learn([(QTYPE, 0, 0, 0)], ("weighted", 1, ((1, a(1)), (2, a(2)))))
    first = memo.statistics["bytes"]
    for value in range(1, 10):
        memo.learn([(QTYPE, 0, 0, value)], ("weighted", 1, ((1, a(1)), (2, a(2)))))
    same = memo.statistics["bytes"]
    memo.learn([(QTYPE, 0, 0, 10)], ("weighted", 1, ((1, a(1)), (2, a(3)))))
    other = memo.statistics["bytes"]
    assert (same - first) / 9 < 300 < other - same


# ---- bounds


def test_the_least_recently_drawn_go_an_eighth_at_a_time(make):
    memo = make(entries=16)

    def draw(value: int) -> int | None:
        memo.memo.ask[22] = value
        return answer(memo)

    for value in range(16):
        memo.learn([(QTYPE, 0, 0, value)], a(value))
    assert draw(0) == 0
    assert draw(2) == 2
    memo.learn([(QTYPE, 0, 0, 16)], a(16))
    assert memo.statistics["evicted"] == 3
    assert memo.statistics["entries"] == 14
    assert [value for value in range(17) if draw(value) is None] == [1, 3, 4]


def test_octets_are_bounded(make):
    memo = make(entries=1000, size=20_000)
    for value in range(200):
        memo.learn([(QTYPE, 0, 0, value)], a(value))
        assert memo.statistics["bytes"] <= 20_000
        memo.memo.ask[22] = value
        assert answer(memo) == value, "what was learned last stays"
    assert memo.statistics["evicted"] > 150


def test_a_plan_larger_than_the_memo_is_not_kept_and_drives_nobody_out(make):
    memo = make(size=20_000)
    memo.learn([transport(0)], a(1))
    memo.learn([transport(1)], ("record", 16, bytes(20_000), -1, -1))
    assert answer(memo) == 1
    memo.memo.ask[19] = 1
    assert memo.draw() is None


@pytest.mark.parametrize("limits", [{"entries": 0}, {"size": 0}])
def test_turned_off(make, limits):
    memo = make(**limits)
    memo.learn([], a(1))
    assert memo.draw() is None
    assert memo.statistics["learned"] == 0
    assert memo.draw_plan(a(1)).records


def test_one_entry(make):
    memo = make(entries=1)
    for value in range(5):
        memo.learn([transport(value)], a(value))
        memo.memo.ask[19] = value
        assert answer(memo) == value
    assert memo.statistics["entries"] == 1


PATHS = st.lists(st.integers(0, 2), max_size=3).map(lambda values: [(QTYPE, i, 0, v) for i, v in enumerate(values)])
STEPS = st.lists(st.tuples(PATHS, st.integers(0, 3)), max_size=60)


@settings(deadline=None, derandomize=True)
@given(STEPS)
def test_what_it_says_it_holds_is_what_it_holds(steps):
    """Whatever was learned, drawn, contradicted and driven out: the same as a fresh memo of what is left."""
    module = uncompiled_twin("memo")
    memo = Memo(module, entries=7, size=9000)

    def leaves(step, path=()):
        if step.plan is not None:
            yield path, step.plan.source
        for key, child in (step.children or {}).items():
            yield from leaves(child, (*path, (step.kind, step.a, step.b, key)))

    for path, last in steps:
        memo.learn(path, a(last))
        memo.draw()
        left = list(leaves(memo.memo.policies[0].root))
        held = memo.statistics
        assert held["entries"] == len(left) <= 7
        fresh = Memo(module)
        for known, plan in left:
            fresh.learn(list(known), plan)
        assert held["bytes"] == fresh.statistics["bytes"] <= 9000
        assert held["distinct"] == fresh.statistics["distinct"]
        assert set(memo.memo.policies[0].plans) == {plan for _, plan in left}
    memo.memo.forget()
    assert memo.statistics["bytes"] == 0


OPERATIONS = st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=150)


@pytest.mark.parametrize("engine_module", ["uncompiled", "compiled"], indirect=True)
def test_who_goes_first_against_a_model(engine_module):
    module = engine_module("memo")

    @settings(deadline=None, derandomize=True, max_examples=50)
    @given(OPERATIONS)
    def check(operations):
        memo = Memo(module, entries=10)
        known: dict[int, None] = {}  # in the order of their last use
        for learns, value in operations:
            memo.memo.ask[22] = value
            if learns:
                memo.learn([(QTYPE, 0, 0, value)], a(value))
                known.pop(value, None)
                known[value] = None
                if len(known) > 10:
                    for oldest in list(known)[: -(-len(known) // 8)]:
                        del known[oldest]
            else:
                assert (answer(memo) is not None) == (value in known)
                if value in known:
                    del known[value]
                    known[value] = None

    check()


# ---- samples


def test_every_so_many_hits_one_is_kept_for_another_look(make):
    memo = make(audit_every=3)
    plan = ("weighted", 1, ((1, a(1)),))
    memo.learn([], plan)
    for port in range(7):
        memo.memo.ask[22] = port
        memo.draw()
    samples = memo.memo.audits()
    assert [(policy, ask[22], sample) for policy, ask, sample in samples] == [(0, 2, plan), (0, 5, plan)]
    assert all(type(ask) is bytes and len(ask) == 312 for _, ask, _ in samples)
    assert memo.memo.audits() == []


def test_samples_waiting_are_bounded(make):
    memo = make(audit_every=1)
    memo.learn([], a(1))
    for _ in range(100):
        memo.draw()
    assert len(memo.memo.audits()) == 16
    memo.draw()
    assert len(memo.memo.audits()) == 1


def test_an_answer_that_stands_in_for_the_policys_own_is_no_sample(make):
    memo = make(audit_every=1)
    memo.learn([], a(1), 0)
    memo.draw()
    memo.learn([], a(1), -1, NOW + 10)
    memo.draw()
    assert memo.memo.audits() == []


def test_no_samples(make):
    memo = make(audit_every=0)
    memo.learn([], a(1))
    for _ in range(10):
        memo.draw()
    assert memo.memo.audits() == []


# ---- plans that are not remembered


def test_plans_that_are_not_remembered_still_take_turns(memo):
    plan = ("rotate", 1, (a(1), a(2), a(3)))
    assert {memo.draw_plan(plan).records for _ in range(3)} == {((1, bytes([192, 0, 2, i])),) for i in (1, 2, 3)}
    assert memo.statistics["entries"] == memo.statistics["hits"] == 0


def test_plans_that_are_not_remembered_do_not_pile_up():
    memo = Memo(uncompiled_twin("memo"))
    for i in range(1000):
        assert memo.draw_plan(("record", 1, i.to_bytes(4, "big"), -1, -1)) == State(0, ((1, i.to_bytes(4, "big")),))
        assert len(memo.memo.unmemoized) <= 256


def test_addresses_do_not_fill_one_place(module):
    """Prefixes whose numbers have one hash in Python (equal modulo 2**61 - 1) are found as fast as any."""
    for bits in (64, 128):
        hashes = set()
        memo = Memo(uncompiled_twin("memo"))
        for i in range(8):
            number = i * (2**61 - 1)
            memo.learn([(CLIENT, 32, bits, b"\6" + number.to_bytes(bits // 8, "big"))], a(1))
        hashes = {hash(key) for key in memo.memo.policies[0].root.children}
        assert len(hashes) == 8
