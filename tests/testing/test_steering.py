"""Policies in the server of a test: set and replaced while it runs, with targets that fail when the test says so."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from pippin import Client, Health, Plan, Policies, Pool
from pippin.testing import DNSServer, ZoneError
from pippin.testing.steering import policies_in, pools_of

EU = Pool("eu", ["192.0.2.10", "192.0.2.11"], empty="nodata")
US = Pool("us", ["198.51.100.10"])
POLICIES = Policies(networks={"europe": ["203.0.113.0/24", "127.1.0.0/16"]})


@POLICIES.answer("www.example.com", "A", ttl=20)
def www(client: Client) -> Plan:
    near, far = (EU, US) if client.network == "europe" else (US, EU)
    return near.or_else(far)


@POLICIES.answer("*.shop.example.com", "A")
def shop(health: Health) -> Plan | str:
    return "192.0.2.99" if (health.load("us/198.51.100.10") or 0) > 0.5 else US


@pytest.fixture
def server(dns_server: DNSServer) -> DNSServer:
    dns_server.zone("example.com", "static A 192.0.2.1\nalias CNAME www")
    dns_server.policies = POLICIES
    return dns_server


def one(server: DNSServer, name: str = "www.example.com", **how: str) -> str:
    return str(server.ask(name, **how).answer[0][0])


def test_policies_answer_for_clients_from_anywhere(server: DNSServer) -> None:
    assert one(server) == "198.51.100.10"
    assert one(server, subnet="203.0.113.0/24") in ("192.0.2.10", "192.0.2.11")
    assert one(server, source="127.1.2.3") in ("192.0.2.10", "192.0.2.11")
    assert one(server, "a.b.shop.example.com") == "198.51.100.10"
    assert one(server, "static.example.com") == "192.0.2.1"
    assert server.ask("www.example.com").answer[0].ttl == 20
    assert server.ask("www.example.com", "AAAA").rcode() == dns.rcode.NOERROR


def test_drained_targets_stay_out_where_a_pool_fails_open(server: DNSServer) -> None:
    server.health.fail("us/198.51.100.10")
    assert one(server) in ("192.0.2.10", "192.0.2.11")
    assert one(server, "a.shop.example.com") == "198.51.100.10", "it fails open"
    server.health.drain("us/198.51.100.10")
    assert server.ask("a.shop.example.com").answer == []
    server.health.recover()
    assert one(server) == one(server, "a.shop.example.com") == "198.51.100.10"


def test_targets_fail_and_recover(server: DNSServer) -> None:
    server.health.fail("us/198.51.100.10", EU.targets[0])
    assert one(server) == "192.0.2.11"
    assert not server.health.up("us/198.51.100.10")
    server.health.recover("us/198.51.100.10")
    assert one(server) == "198.51.100.10"
    server.health.fail(*EU.targets, *US.targets)
    assert server.ask("www.example.com").answer == []
    server.health.recover()
    assert one(server) == "198.51.100.10"
    server.health.set_load("us/198.51.100.10", 0.75)
    assert one(server, "x.shop.example.com") == "192.0.2.99"
    server.health.set_load("us/198.51.100.10", None)
    assert one(server, "x.shop.example.com") == "198.51.100.10"
    with pytest.raises(LookupError, match=r"there is no target 'eu/1'; there are eu/192\.0\.2\.10, "):
        server.health.fail("eu/1")


def test_policies_are_replaced_while_the_server_runs(server: DNSServer) -> None:
    other = Policies()
    other.answer("new.example.com", "A")(lambda: "192.0.2.77")
    assert one(server) == "198.51.100.10"
    server.policies = other
    assert server.ask("www.example.com").rcode() == dns.rcode.NXDOMAIN
    assert one(server, "new.example.com") == "192.0.2.77"
    server.policies = [POLICIES, other]
    assert one(server) == "198.51.100.10"
    assert one(server, "new.example.com") == "192.0.2.77"
    server.policies = None
    assert server.ask("new.example.com").rcode() == dns.rcode.NXDOMAIN
    assert server.policies == []


def test_zones_may_come_after_the_policies(dns_server: DNSServer) -> None:
    dns_server.policies = POLICIES
    assert dns_server.ask("www.example.com").rcode() == dns.rcode.REFUSED
    dns_server.zone("example.com")
    assert one(dns_server) == "198.51.100.10"
    dns_server.add("www.example.com", "TXT", "text")
    assert one(dns_server) == "198.51.100.10"


def test_policy_where_none_can_be_is_refused(server: DNSServer) -> None:
    with pytest.raises(ZoneError, match=r"www\.example\.com"):
        server.zone("example.com", "www CNAME static")
    assert one(server) == "198.51.100.10"


def test_faults_of_names_that_policies_answer(server: DNSServer) -> None:
    for _ in range(2):  # worked out, and remembered
        with server.fail("www.example.com"):
            assert server.ask("www.example.com").rcode() == dns.rcode.SERVFAIL
        with server.delay("www.example.com", 0.05):
            assert one(server) == "198.51.100.10"
        with server.truncate("www.example.com"):
            assert server.ask("www.example.com").flags & dns.flags.TC
        query = dns.message.make_query("www.example.com", "A")
        with server.timeout("www.example.com"), pytest.raises(dns.exception.Timeout):
            dns.query.udp(query, server.host, 0.05, server.port)


def test_module_of_a_policy_file_is_all_that_is_needed(dns_server: DNSServer) -> None:
    dns_server.zone("example.com")
    dns_server.policies = sys.modules[__name__]
    assert one(dns_server) == "198.51.100.10"
    with pytest.raises(ValueError, match="has no Policies"):
        dns_server.policies = ModuleType("empty")


def test_pools_are_found_where_functions_see_them() -> None:
    local, bound = Pool("local", ["192.0.2.1"]), Pool("bound", ["192.0.2.2"])
    tables = {"a": Pool("table", ["192.0.2.3"])}
    policies = Policies()

    @policies.answer("a.example.com", "A")
    def nested() -> Plan:
        return local.or_else(tables["a"])

    def given(client: Client, pool: Pool) -> Plan:
        return pool

    policies.answer("b.example.com", "A")(partial(given, pool=bound))
    assert {pool.name for pool in pools_of([policies])} == {"local", "bound", "table", "eu", "us"}
    assert policies_in([POLICIES, [policies]]) == [POLICIES, policies]  # type: ignore[list-item]
