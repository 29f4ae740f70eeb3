"""What policies read, and what of it ends up in the memo's key."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Mapping

import pytest

from pippin.engine import memo
from pippin.policy.client import Client, Health, Name, Now, parameters
from pippin.policy.clock import UnknownZone
from pippin.policy.facts import FactError, Found, Recorder
from pippin.policy.networks import Networks
from pippin.policy.pools import Pool


class Facts:
    """One query, by its values."""

    client = bytes([192, 0, 2, 77])
    resolver = bytes.fromhex("20010db8") + bytes(11) + b"\7"
    subnet_given = True
    is_tcp = False
    has_edns = True
    dnssec_ok = False
    qtype = 28
    captured = b"\1a\3b.c"
    generation = 9
    up = True

    def find(self, field: str) -> Found:
        if field == "city":
            return Found(0, 3, -1, None, "db")
        if field == "asn":
            return Found(1, 4, 64496, 64496, "db")
        return Found(0, 0, 5, field.upper(), "db")

    def health(self, target: str) -> tuple[int, bool]:
        if target == "none":
            raise FactError("there is no target 'none'")
        return 3, self.up

    def load(self, target: str) -> tuple[int, int]:
        return {"idle": (4, 0), "busy": (5, 1234), "unknown": (6, -1)}[target]

    def clock(self, zone: str, grain: str) -> tuple[int, int]:
        number = ("UTC", "Europe/Prague").index(zone) * 4 + ("minute", "hour", "weekday", "date").index(grain)
        return number, 739_000 if grain == "date" else 7


def given(owner: str = "*.cdn.example.com") -> tuple[Recorder, Client, Name, Now, Health]:
    recorder, given = parameters(Facts(), owner)
    client, name, now, health = given["client"], given["name"], given["now"], given["health"]
    assert isinstance(client, Client)
    assert isinstance(name, Name)
    assert isinstance(now, Now)
    assert isinstance(health, Health)
    return recorder, client, name, now, health


READS: Mapping[str, tuple[Callable[[Client, Name, Now, Health], object], object, tuple[object, ...], str]] = {
    "client.address": (
        lambda c, n, t, h: c.address,
        ipaddress.ip_address("192.0.2.77"),
        (memo.F_CLIENT, 32, 128, b"\4\xc0\0\2\x4d"),
        "192.0.2.77",
    ),
    "client.subnet(v4=20, v6=48)": (
        lambda c, n, t, h: c.subnet(20, 48),
        ipaddress.ip_network("192.0.0.0/20"),
        (memo.F_CLIENT, 20, 48, b"\4\xc0\0\0"),
        "192.0.0.0/20",
    ),
    "client.resolver": (
        lambda c, n, t, h: c.resolver,
        ipaddress.ip_address("2001:db8::7"),
        (memo.F_RESOLVER, 32, 128, b"\6" + Facts.resolver),
        "2001:db8::7",
    ),
    "client.resolver_subnet(v4=24, v6=33)": (
        lambda c, n, t, h: c.resolver_subnet(v6=33),
        ipaddress.ip_network("2001:db8::/33"),
        (memo.F_RESOLVER, 24, 33, b"\6\x20\1\x0d\xb8\0"),
        "2001:db8::/33",
    ),
    "client.country": (lambda c, n, t, h: c.country, "COUNTRY", (memo.F_TREE, 0, 0, 5), "COUNTRY"),
    "client.continent": (lambda c, n, t, h: c.continent, "CONTINENT", (memo.F_TREE, 0, 0, 5), "CONTINENT"),
    "client.region": (lambda c, n, t, h: c.region, "REGION", (memo.F_TREE, 0, 0, 5), "REGION"),
    "client.network": (lambda c, n, t, h: c.network, "NETWORK", (memo.F_TREE, 0, 0, 5), "NETWORK"),
    "client.city": (lambda c, n, t, h: c.city, None, (memo.F_TREE, 0, 3, -1), "unknown"),
    "client.asn": (lambda c, n, t, h: c.asn, 64496, (memo.F_TREE, 1, 4, 64496), "64496"),
    "client.transport": (lambda c, n, t, h: c.transport, "udp", (memo.F_TRANSPORT, 0, 0, 0), "udp"),
    "client.edns": (lambda c, n, t, h: c.edns, True, (memo.F_EDNS, 0, 0, 1), "yes"),
    "client.dnssec_ok": (lambda c, n, t, h: c.dnssec_ok, False, (memo.F_DNSSEC_OK, 0, 0, 0), "no"),
    "client.subnet_given": (lambda c, n, t, h: c.subnet_given, True, (memo.F_SUBNET_GIVEN, 0, 0, 1), "yes"),
    "name.type": (lambda c, n, t, h: n.type, "AAAA", (memo.F_QTYPE, 0, 0, 28), "AAAA"),
    "name.captured": (
        lambda c, n, t, h: n.captured,
        ("a", r"b\.c"),
        (memo.F_CAPTURED, 0, 0, b"\1a\3b.c"),
        r"a.b\.c",
    ),
    "now.hour": (lambda c, n, t, h: t.hour, 7, (memo.F_TIME, 1, 0, 7), "7"),
    "now.minute": (lambda c, n, t, h: t.minute, 7, (memo.F_TIME, 0, 0, 7), "7"),
    "now.weekday": (lambda c, n, t, h: t.weekday, 7, (memo.F_TIME, 2, 0, 7), "7"),
    "now.at('Europe/Prague').date": (
        lambda c, n, t, h: t.at("Europe/Prague").date,
        datetime.date.fromordinal(739_000),
        (memo.F_TIME, 7, 0, 739_000),
        "2024-04-24",
    ),
    "health.up('eu/192.0.2.1')": (
        lambda c, n, t, h: h.up(Pool("eu", ["192.0.2.1"]).targets[0]),
        True,
        (memo.F_HEALTH, 3, 0, 1),
        "up",
    ),
    "health.load('busy', step=0.25)": (
        lambda c, n, t, h: h.load("busy", 0.25),
        1.0,
        (memo.F_LOAD, 5, 250, 4),
        "1.0",
    ),
    "health.load('idle', step=0.1)": (
        lambda c, n, t, h: h.load("idle"),
        0.0,
        (memo.F_LOAD, 4, 100, 0),
        "0.0",
    ),
    "health.load('unknown', step=0.1)": (
        lambda c, n, t, h: h.load("unknown"),
        None,
        (memo.F_LOAD, 6, 100, -1),
        "unknown",
    ),
}


@pytest.mark.parametrize("name", READS)
def test_value_step_and_words_of_each_fact(name: str) -> None:
    look, value, step, text = READS[name]
    recorder, *parameters = given()
    assert look(*parameters) == value
    assert recorder.path == [step]
    assert [(read.name, read.value, read.step) for read in recorder.reads] == [(name, text, step)]


def test_what_is_read_twice_is_one_step_and_the_same_value() -> None:
    facts = Facts()
    recorder = Recorder(facts)
    health = Health(recorder)
    assert health.up("a") is True
    facts.up = False  # while the policy awaits something
    assert health.up("a") is True
    assert len(recorder.path) == 1


def test_steps_are_in_the_order_of_reading() -> None:
    recorder, client, _, now, health = given()
    assert (now.hour, client.country, health.up("a"), client.country) == (7, "COUNTRY", True, "COUNTRY")
    assert [step[0] for step in recorder.path] == [memo.F_TIME, memo.F_TREE, memo.F_HEALTH]


def test_family_alone_is_two_values() -> None:
    recorder, client, *_ = given()
    assert client.ip_version == 4
    assert recorder.path == [(memo.F_CLIENT, 0, 0, b"\4")]


def test_whole_name_of_a_wildcard_policy_is_what_it_captured() -> None:
    recorder, _, name, *_ = given()
    assert str(name) == name.text == r"a.b\.c.cdn.example.com"
    assert [step[0] for step in recorder.path] == [memo.F_CAPTURED]
    recorder, _, name, *_ = given("www.example.com")
    assert name.text == "www.example.com"
    assert recorder.path == []


def test_alias_depends_on_the_zones() -> None:
    recorder = Recorder(Facts())
    resolve = recorder.alias(lambda name, rdtype: [(60, b"\1\1\1\1")])
    assert recorder.path == []
    assert resolve("a", 1) == [(60, b"\1\1\1\1")]
    assert recorder.path == [(memo.F_GENERATION, 0, 0, 9)]


def test_what_cannot_be_read_is_told() -> None:
    _, client, _, now, health = given()
    with pytest.raises(FactError, match="there is no target 'none'"):
        health.up("none")
    with pytest.raises(ValueError, match="v4=33, v6=56: prefix lengths are 0 to 32"):
        client.subnet(33)
    with pytest.raises(ValueError, match="step=0: a share of the capacity is right"):
        health.load("idle", 0)
    with pytest.raises(UnknownZone, match="no time zone 'Prague'"):
        now.at("Prague")


@pytest.mark.parametrize("address", ["192.0.2.77", "2001:db8:1:2:3:4:5:6"])
def test_steps_are_such_as_the_engine_can_look_up(address: str) -> None:
    facts = Facts()
    facts.client = ipaddress.ip_address(address).packed
    recorder, given = parameters(facts, "*.example.com")
    client = given["client"]
    assert isinstance(client, Client)
    networks = Networks({})
    engine = memo.PolicyMemo(bytearray(16 * 10), 1)
    for _ in range(2):
        engine.add_tree(networks.memory, networks.node_count, 32, 6)
    for _ in range(8):
        engine.add_clock(lambda unix: (7, unix + 1))
    for bits in (0, 1, 8, 13, 24, 32):
        client.subnet(bits, 3 * bits)
    for look, *_ in READS.values():
        look(*(given[name] for name in ("client", "name", "now", "health")))  # type: ignore[arg-type]
    engine.learn(engine.add(30, 10, 100_000), recorder.path, ("outcome", 1))  # raises for what is none
