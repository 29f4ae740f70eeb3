"""Plans as values: how they are made, print, compare, and what is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings

import pippin
from pippin import (
    DROP,
    NODATA,
    PASS,
    SERVFAIL,
    HTTPCheck,
    Plan,
    PlanError,
    Pool,
    Record,
    Target,
    alias,
    all_of,
    cname,
    first,
    records,
    rotate,
    sticky,
    weighted,
)
from pippin.policy.plans import as_plan
from tests.policy.plans_of_all_kinds import plans

EU = Pool("eu", {"192.0.2.10": 3, "192.0.2.11": 1})
US = Pool("us", ["198.51.100.10", "198.51.100.11"])


@settings(deadline=None)
@given(plans)
def test_repr_is_the_call_that_makes_the_plan(plan: Plan) -> None:
    names = {name: getattr(pippin, name) for name in pippin.__all__}
    again = eval(repr(plan), names)
    assert again == plan
    assert hash(again) == hash(plan)
    assert str(again) == str(plan)


def test_plans_print_readably() -> None:
    assert str(EU.or_else(US, NODATA)) == (
        "pool eu (3 x 192.0.2.10, 192.0.2.11), or else pool us (198.51.100.10, 198.51.100.11), or else NODATA"
    )
    assert str(weighted({"192.0.2.1": 3, cname("cdn.example.net"): 1})) == (
        "one by weight of (3 x 192.0.2.1, 1 x CNAME cdn.example.net)"
    )
    assert str(sticky(US, v4=16)) == (
        "one, the same for each /16 or /56, of (pool us (198.51.100.10, 198.51.100.11))"
    )
    assert (
        repr(first(2, "192.0.2.1", US))
        == "first(2, '192.0.2.1', Pool('us', ['198.51.100.10', '198.51.100.11']))"
    )
    assert repr([NODATA, DROP, PASS]) == "[NODATA, DROP, PASS]"
    assert repr(records("MX", "10 a.", ttl=5)) == "all_of(Record('10 a.', 'MX', ttl=5))"
    assert repr(alias("www.example.com", ttl=5)) == "alias('www.example.com', ttl=5)"


def test_order_of_failover_is_flat() -> None:
    assert (
        EU.or_else(US).or_else("192.0.2.9")
        == EU.or_else(US, "192.0.2.9")
        == EU.or_else(US.or_else("192.0.2.9"))
    )


def test_functions_that_take_pools_apart_apply_to_each_arm() -> None:
    assert rotate(EU.or_else(US)) == rotate(EU).or_else(rotate(US))
    assert weighted(EU.or_else(US), 2) == weighted(EU, 2).or_else(weighted(US, 2))
    assert sticky(EU.or_else(SERVFAIL)) == sticky(EU).or_else(SERVFAIL)


def test_what_policies_may_return() -> None:
    assert as_plan("192.0.2.1") == Record("192.0.2.1")
    assert as_plan(["192.0.2.1", EU]) == all_of("192.0.2.1", EU)
    assert as_plan(ipaddress.ip_address("192.0.2.1")) == Record("192.0.2.1")
    with pytest.raises(PlanError, match="return NODATA for an empty answer"):
        as_plan(None)
    with pytest.raises(PlanError, match="7 is no plan; return a Pool"):
        as_plan(7)
    with pytest.raises(PlanError, match=r"\[\] is no plan"):
        as_plan([])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: all_of(), "all_of of nothing; NODATA is the empty answer"),
        (lambda: all_of(["192.0.2.1"]), "takes plans, one after the other"),
        (lambda: all_of(NODATA, "192.0.2.1"), "NODATA in all_of: an answer is an outcome or has records"),
        (lambda: all_of(EU.or_else(US), "192.0.2.1"), r"weighted\(\{a.or_else\(b\): 1\}\)"),
        (lambda: first(0, EU), "n=0 is no number of answers"),
        (lambda: weighted({EU: -1}), "weight -1: an integer is right"),
        (lambda: weighted({EU: 0.5}), "weight 0.5: an integer is right"),
        (lambda: weighted({}), "takes a Pool, or plans with weights"),
        (lambda: weighted(Record("192.0.2.1")), "takes a Pool, or plans with weights"),
        (lambda: sticky(EU, v4=33), "prefix lengths are 0 to 32"),
        (lambda: Record("192.0.2.300", "A"), "'192.0.2.300' is no IPv4 address"),
        (lambda: Record("x", "ANY"), "a type that only questions and messages have"),
        (lambda: Record("x", "QQQ"), "'QQQ' is no record type"),
        (lambda: Record("192.0.2.1", ttl=-1), "ttl=-1: seconds"),
        (lambda: cname("a..b"), r"'a..b' is no CNAME data"),
        (lambda: Pool("a b", []), "no name for a pool"),
        (lambda: Pool("a", "192.0.2.1"), r"right would be \['192.0.2.1'\]"),
        (lambda: Pool("a", ["192.0.2.1", "192.0.2.1"]), "target a/192.0.2.1 is there twice"),
        (lambda: Pool("a", ["2001:db8::1", "2001:DB8:0::1"]), "target a/2001:db8::1 is there twice"),
        (lambda: Pool("a", [], empty="opne"), "empty='opne' is none of 'open', 'nodata'"),
        (lambda: Pool("a", [7]), "target 7: the text of a record's data"),  # type: ignore[list-item]
        (lambda: Pool("a", {Target("192.0.2.1"): 3}), "has a weight of its own"),  # type: ignore[dict-item]
        (lambda: Target("192.0.2.1", check_address="web"), "check_address='web' is no address"),
        (lambda: Target("192.0.2.1", capacity=0), "capacity=0: more than 0 is right"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_be_right(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PlanError, match=message):
        make()


def test_pool_gives_its_targets_what_they_do_not_have() -> None:
    check, own = HTTPCheck("/a"), HTTPCheck("/b")
    pool = Pool(
        "p",
        ["192.0.2.1", Target("192.0.2.2", 2, check=own, check_address="10.0.0.2")],
        check=check,
        capacity=9,
    )
    assert [target.check for target in pool.targets] == [check, own]
    assert [target.key for target in pool.targets] == ["p/192.0.2.1", "p/192.0.2.2"]
    assert [target.address for target in pool.targets] == ["192.0.2.1", "10.0.0.2"]
    assert [target.capacity for target in pool.targets] == [9, 9]
    assert Pool("n", ["web.example.com"]).targets[0].address is None
    assert eval(repr(pool), vars(pippin)) == pool


def test_pool_counts_what_is_up() -> None:
    class Health:
        def up(self, target: str, /) -> bool:
            return target != "eu/192.0.2.10"

    assert EU.up_count(Health()) == 1
    assert [target.data for target in EU.up(Health())] == ["192.0.2.11"]


def test_everything_exported_is_there() -> None:
    for name in pippin.__all__:
        assert getattr(pippin, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Polices'"):
        pippin.Polices  # noqa: B018
