"""Policies in unit tests: called as the functions they are, with clients, targets and times that tests make up."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path

import pytest

from pippin.policy.client import Client, Health, Name, Now
from pippin.policy.facts import FactError
from pippin.policy.plans import Plan
from pippin.policy.policies import Policies
from pippin.policy.pools import Pool
from pippin.testing import FakeClock, FakeHealth, looked_at, policy_client, policy_name

EU = Pool("eu", {"192.0.2.10": 3, "192.0.2.11": 1})
US = Pool("us", ["198.51.100.10"])
POLICIES = Policies(networks={"office": ["10.0.0.0/8", "2001:db8::/32"]})


@POLICIES.answer("www.example.com", "A")
def www(client: Client) -> Plan:
    near, far = (EU, US) if client.continent == "EU" else (US, EU)
    return near.or_else(far)


@POLICIES.answer("*.shop.example.com", "A")
def shop(client: Client, name: Name, now: Now, health: Health) -> Plan | str:
    if client.network == "office":
        return "192.0.2.99"
    if now.at("Europe/Berlin").hour >= 18 or name.captured == ("late",):
        return US
    return EU if EU.up_count(health) and (health.load(EU.targets[0]) or 0) < 0.8 else US


def test_policy_is_called_as_a_function() -> None:
    assert www(policy_client(continent="EU")) == EU.or_else(US)
    assert www(policy_client(continent=None)) == US.or_else(EU)


def test_clients_have_what_was_given() -> None:
    client = policy_client(
        "203.0.113.9",
        country="DE",
        continent="EU",
        region="BE",
        city="Berlin",
        asn=64496,
        network="office",
        transport="tcp",
        edns=False,
        dnssec_ok=True,
    )
    assert client.address == client.resolver == IPv4Address("203.0.113.9")
    assert (client.country, client.continent, client.region, client.city) == ("DE", "EU", "BE", "Berlin")
    assert (client.asn, client.network, client.transport) == (64496, "office", "tcp")
    assert (client.edns, client.dnssec_ok, client.subnet_given, client.ip_version) == (False, True, False, 4)


def test_client_behind_a_resolver() -> None:
    client = policy_client("2001:db8:1::/48", resolver="192.0.2.53")
    assert client.subnet_given
    assert client.subnet(v6=56) == IPv6Network("2001:db8:1::/56")
    assert client.resolver == IPv4Address("192.0.2.53")
    assert looked_at(client) == ["client.subnet_given", "client.subnet(v4=24, v6=56)", "client.resolver"]


def test_what_was_not_given_is_no_default() -> None:
    client = policy_client()
    for field in ("country", "network", "asn"):
        with pytest.raises(FactError, match=f"client.{field} is not known"):
            getattr(client, field)


def test_networks_of_the_policy_file_are_looked_into() -> None:
    assert policy_client("10.1.2.3", policies=POLICIES).network == "office"
    assert policy_client("2001:db8::1", policies=POLICIES).network == "office"
    assert policy_client("192.0.2.1", policies=POLICIES).network is None
    assert policy_client("10.1.2.3", policies=POLICIES, network="home").network == "home"


def test_all_that_a_policy_may_ask_for() -> None:
    clock, health = FakeClock("2026-06-01 12:00"), FakeHealth()
    client = policy_client("192.0.2.1", policies=POLICIES)

    def plan(name: str = "www.shop.example.com") -> object:
        return shop(client, policy_name(name, "*.shop.example.com"), clock, health)

    assert plan() == EU
    assert plan("late.shop.example.com") == US
    clock.advance(hours=4)  # 18:00 in Berlin, in summer
    assert plan() == US
    clock.set("2026-06-01 17:59+02:00")
    assert plan() == EU
    health.fail(EU.targets[0])
    assert plan() == EU
    health.fail("eu/192.0.2.11")
    assert plan() == US
    health.recover()
    health.set_load("eu/192.0.2.10", 0.95)
    assert plan() == US
    health.set_load("eu/192.0.2.10", None)
    assert plan() == EU
    assert looked_at(client) == ["client.network"]


def test_health_that_a_test_makes_up() -> None:
    health = FakeHealth(down=["eu/192.0.2.10"], load={"us/198.51.100.10": 0.77})
    assert not health.up("eu/192.0.2.10")
    assert health.up(EU.targets[1])
    assert health.load("us/198.51.100.10") == 0.7
    assert health.load(US.targets[0], step=0.25) == 0.75
    assert health.load("eu/192.0.2.10") is None
    health.recover("eu/192.0.2.10")
    assert health.up(EU.targets[0])


def test_clock_that_a_test_moves() -> None:
    clock = FakeClock("2026-12-31 23:30")
    assert (clock.hour, clock.minute, clock.weekday, clock.date) == (23, 30, 3, datetime.date(2026, 12, 31))
    assert clock.at("Asia/Tokyo").date == datetime.date(2027, 1, 1)
    clock.advance(minutes=29, seconds=60)
    assert (clock.hour, clock.date) == (0, datetime.date(2027, 1, 1))
    clock.set(datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC))
    assert clock.at("Europe/Berlin").hour == 14
    with pytest.raises(ValueError, match="is no time"):
        clock.set("six o'clock")


def test_names_of_wildcards() -> None:
    name = policy_name("A.b.CDN.example.com.", "*.cdn.example.com", rdtype="AAAA")
    assert (name.text, name.captured, name.type) == ("a.b.cdn.example.com", ("a", "b"), "AAAA")
    assert policy_name("www.example.com").captured == ()
    with pytest.raises(ValueError, match="is not below"):
        policy_name("cdn.example.com", "*.cdn.example.com")


def test_fixtures(
    policy_client: Callable[..., Client], policy_health: FakeHealth, policy_clock: FakeClock
) -> None:
    policy_clock.set("2026-01-01 10:00")
    policy_health.fail(*EU.targets)
    client = policy_client(network=None)
    assert (
        shop(client, policy_name("a.shop.example.com", "*.shop.example.com"), policy_clock, policy_health)
        == US
    )


def test_databases_of_the_policy_file_are_looked_into(tmp_path: Path) -> None:
    mmdb_writer = pytest.importorskip("mmdb_writer")
    from netaddr import IPSet

    writer = mmdb_writer.MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
    writer.insert_network(
        IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "DE"}, "continent": {"code": "EU"}}
    )
    writer.to_db_file(str(tmp_path / "country.mmdb"))
    policies = Policies(geo=tmp_path / "country.mmdb")
    assert policy_client("203.0.113.9", policies=policies).country == "DE"
    assert policy_client("192.0.2.1", policies=policies).country is None
    assert www(policy_client("203.0.113.9", policies=policies)) == EU.or_else(US)
