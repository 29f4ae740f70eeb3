"""Where traffic goes: shares of plans, what a failure moves, when, and what it overloads or leaves empty."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from pippin.policy.checks import TCPCheck
from pippin.policy.plans import NXDOMAIN, PASS, Plan, all_of, as_plan, cname, first, rotate, weighted
from pippin.policy.pools import Pool, Target
from pippin.policy.simulate import AFTER_TTLS, Run, Simulation, moved_share, seconds_to_notice, simulate
from pippin.policy.traffic import Traffic

CHECK = TCPCheck(80, every=4, timeout=1, fall=2)  # noticed after 7 s
EU = Pool("eu", {"192.0.2.10": 3, "192.0.2.11": 1}, check=CHECK, capacity=100)
US = Pool("us", ["198.51.100.10"], check=CHECK, capacity=150)
BARE = Pool("bare", ["203.0.113.1"], empty="nodata")
TARGETS = {target.key: target for pool in (EU, US, BARE) for target in pool.targets}
POLICIES = [("www.example.com", "A")]


def asks(network: str, weight: float, name: str | None = None, rdtype: str | None = None) -> Traffic:
    return Traffic(ipaddress.ip_network(network), weight, name, rdtype)


def of(plan: object, ttl: int = 10) -> Callable[[Traffic, frozenset[str]], Run]:
    return lambda asked, down: Run(as_plan(plan), ttl)


def shares(simulation: Simulation) -> dict[str, float]:
    return {share.target: share.traffic for share in simulation.before.targets if share.traffic}


CLIENTS = [asks("10.0.0.0/8", 80), asks("2001:db8::/32", 40)]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (EU, {"eu/192.0.2.10": 90, "eu/192.0.2.11": 30}),
        (EU.or_else(US), {"eu/192.0.2.10": 90, "eu/192.0.2.11": 30}),
        (weighted({EU: 1, US: 1}), {"eu/192.0.2.10": 45, "eu/192.0.2.11": 15, "us/198.51.100.10": 60}),
        (all_of(EU, US), {"eu/192.0.2.10": 40, "eu/192.0.2.11": 40, "us/198.51.100.10": 40}),
        (rotate(EU, n=1), {"eu/192.0.2.10": 60, "eu/192.0.2.11": 60}),
        (first(1, EU), {"eu/192.0.2.10": 120}),
        ("192.0.2.99", {"192.0.2.99": 120}),
        (cname("cdn.example.net"), {"cdn.example.net.": 120}),
        (PASS, {"the zone's records": 120}),
    ],
)
def test_shares_follow_from_the_plan(plan: Plan, expected: dict[str, float]) -> None:
    simulation = simulate(CLIENTS, POLICIES, of(plan), TARGETS, [])
    assert simulation.total == 120
    assert shares(simulation) == pytest.approx(expected)
    assert simulation.before.empty == ()


def test_different_plans_for_different_clients() -> None:
    def near(asked: Traffic, down: frozenset[str]) -> Run:
        return Run(EU if asked.network.version == 4 else US, 30)

    simulation = simulate(CLIENTS, POLICIES, near, TARGETS, [])
    assert shares(simulation) == {"eu/192.0.2.10": 60, "eu/192.0.2.11": 20, "us/198.51.100.10": 40}


def test_targets_without_traffic_are_listed() -> None:
    simulation = simulate(CLIENTS, POLICIES, of(US), TARGETS, [])
    assert [share.target for share in simulation.before.targets] == list(TARGETS)


def test_targets_over_their_capacity() -> None:
    simulation = simulate([asks("10.0.0.0/8", 160)], POLICIES, of(EU.or_else(US)), TARGETS, list(TARGETS))
    assert [share.target for share in simulation.before.over] == ["eu/192.0.2.10"]
    one, other, us, _ = simulation.failures
    assert [share.target for share in one.after.over] == ["eu/192.0.2.11"]
    assert [share.target for share in other.after.over] == ["eu/192.0.2.10"]
    assert [share.target for share in us.after.over] == ["eu/192.0.2.10"]


def test_failure_moves_what_the_target_had_and_nothing_else() -> None:
    simulation = simulate(
        CLIENTS, POLICIES, of(EU.or_else(US)), TARGETS, ["eu/192.0.2.10", "us/198.51.100.10"]
    )
    lost, untouched = simulation.failures
    assert lost.moved == pytest.approx(90)
    assert {share.target: share.traffic for share in lost.after.targets if share.traffic} == {
        "eu/192.0.2.11": 120
    }
    assert untouched.moved == 0
    assert untouched.after == simulation.before


def test_policy_that_asks_for_health_is_run_again() -> None:
    runs = []

    def www(asked: Traffic, down: frozenset[str]) -> Run:
        runs.append(down)
        looked = frozenset({"eu/192.0.2.10"})
        return Run(US if down & looked else EU, 30, looked)

    simulation = simulate(CLIENTS, POLICIES, www, TARGETS, list(TARGETS))
    assert {
        share.target: share.traffic for share in simulation.failures[0].after.targets if share.traffic
    } == {"us/198.51.100.10": 120}
    assert simulation.failures[0].moved == 120
    assert runs == [frozenset()] * 2 + [frozenset({"eu/192.0.2.10"})] * 2


def test_moves_as_caches_expire_after_the_failure_was_noticed() -> None:
    """Noticed after 7 s; of a TTL of 10 s 3 s are left in the first one: so much of the caches has expired."""
    simulation = simulate(CLIENTS, POLICIES, of(EU.or_else(US), ttl=10), TARGETS, ["eu/192.0.2.10"])
    (failure,) = simulation.failures
    assert failure.notice == 7
    assert failure.moved_after == pytest.approx((0.3, 1.0, 1.0))
    (slow,) = simulate(CLIENTS, POLICIES, of(EU, ttl=1), TARGETS, ["eu/192.0.2.10"]).failures
    assert slow.moved_after == pytest.approx((0.0, 0.0, 1.0))
    assert AFTER_TTLS == (1, 5, 30)


def test_each_name_counts_in_its_own_ttl() -> None:
    def run(asked: Traffic, down: frozenset[str]) -> Run:
        return Run(EU.or_else(US), 10 if asked.name == "www.example.com" else 70)

    policies = [("www.example.com", "A"), ("ftp.example.com", "A")]
    (failure,) = simulate(CLIENTS, policies, run, TARGETS, ["eu/192.0.2.10"]).failures
    assert failure.moved == pytest.approx(180)
    assert failure.moved_after[0] == pytest.approx((0.3 + 0.9) / 2)


def test_target_that_nobody_checks_never_fails_for_anyone() -> None:
    (failure,) = simulate(CLIENTS, POLICIES, of(BARE.or_else(US)), TARGETS, ["bare/203.0.113.1"]).failures
    assert failure.notice is None
    assert failure.moved == 120
    assert failure.moved_after == (0.0, 0.0, 0.0)


def test_failing_open_moves_nothing() -> None:
    (failure,) = simulate(CLIENTS, POLICIES, of(US), TARGETS, ["us/198.51.100.10"]).failures
    assert failure.moved == 0
    assert {share.target: share.traffic for share in failure.after.targets if share.traffic} == {
        "us/198.51.100.10": 120
    }


def test_what_is_drained_gets_nothing_before_and_after() -> None:
    drained = frozenset({"eu/192.0.2.10"})
    simulation = simulate(CLIENTS, POLICIES, of(EU.or_else(US)), TARGETS, ["eu/192.0.2.11"], drained)
    assert shares(simulation) == {"eu/192.0.2.11": 120}
    (failure,) = simulation.failures
    assert {share.target: share.traffic for share in failure.after.targets if share.traffic} == {
        "us/198.51.100.10": 120
    }
    (open_to_what_is_left,) = simulate(CLIENTS, POLICIES, of(EU), TARGETS, ["eu/192.0.2.11"], drained).failures
    assert open_to_what_is_left.moved == 0
    both = drained | {"eu/192.0.2.11"}
    assert simulate(CLIENTS, POLICIES, of(EU), TARGETS, [], both).before.empty[0].why == "NODATA"


def test_names_with_empty_answers() -> None:
    (failure,) = simulate(CLIENTS, POLICIES, of(BARE), TARGETS, ["bare/203.0.113.1"]).failures
    assert [(lost.name, lost.type, lost.why, lost.traffic) for lost in failure.after.empty] == [
        ("www.example.com", "A", "NODATA", 120)
    ]
    simulation = simulate(
        CLIENTS, [("www.example.com", "AAAA")], of(weighted({US: 1, NXDOMAIN: 1})), TARGETS, []
    )
    assert {(lost.type, lost.why): lost.traffic for lost in simulation.before.empty} == {
        ("AAAA", "NODATA"): 60,
        ("AAAA", "NXDOMAIN"): 60,
    }


def test_failing_policies_are_empty_with_their_reason() -> None:
    def broken(asked: Traffic, down: frozenset[str]) -> Run:
        return Run(None, 30, why="ZeroDivisionError: division by zero")

    simulation = simulate(CLIENTS, POLICIES, broken, TARGETS, ["eu/192.0.2.10"])
    assert [(lost.why, lost.traffic) for lost in simulation.before.empty] == [
        ("ZeroDivisionError: division by zero", 120)
    ]
    assert simulation.failures[0].moved == 0


def test_impossible_plans_are_empty_with_what_is_wrong() -> None:
    simulation = simulate(CLIENTS, [("www.example.com", "MX")], of(US), TARGETS, [])
    assert [lost.why for lost in simulation.before.empty] == [
        "'198.51.100.10' is no MX data: expecting an integer"
    ]


def test_traffic_by_name_and_type() -> None:
    def run(asked: Traffic, down: frozenset[str]) -> Run:
        if asked.name == "other.example.com":
            raise KeyError(asked.name)
        return Run(US if asked.type == "A" else as_plan("10 mail.example.com"), 30)

    traffic = [
        asks("10.0.0.0/8", 1, "www.example.com"),  # A, if it does not say
        asks("10.0.0.0/8", 2, "other.example.com", "A"),
        asks("10.0.0.0/8", 4, None, "A"),
        asks("10.0.0.0/8", 8, None, "AAAA"),
        asks("10.0.0.0/8", 16),
    ]
    policies = [("www.example.com", "A"), ("mail.example.com", "MX")]
    simulation = simulate(traffic, policies, run, TARGETS, [])
    assert simulation.unanswered == 2
    assert simulation.total == 1 + 4 + 16 + 16
    assert shares(simulation) == {"us/198.51.100.10": 21, "10 mail.example.com.": 16}
    assert [(lost.name, lost.type, lost.traffic) for lost in simulation.before.empty] == []


@pytest.mark.parametrize(
    ("seconds", "ttl", "notice", "share"),
    [
        (0, 10, 0.0, 0.0),
        (5, 10, 0.0, 0.5),
        (10, 10, 0.0, 1.0),
        (6, 10, 7.0, 0.0),
        (30, 0, 7.0, 1.0),
        (99, 1, None, 0.0),
    ],
)
def test_moved_share(seconds: float, ttl: int, notice: float | None, share: float) -> None:
    assert moved_share(seconds, ttl, notice) == share


def test_seconds_to_notice() -> None:
    assert seconds_to_notice(CHECK) == 7.0
    assert seconds_to_notice(Target("192.0.2.1").check) is None
