"""The pytest plugin (entry point `pippin`): fixtures only, and no import of anything but pytest before one is used.

def test_my_client_asks_again(dns_server):
    dns_server.zone("example.com", "www A 192.0.2.1")
    dns_server.fail("www.example.com", times=1)
    assert my_client.look_up("www.example.com", server=dns_server.address) == ["192.0.2.1"]
    assert len(dns_server.queries) == 2
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pippin.policy.client import Client
    from pippin.testing.policies import FakeClock, FakeHealth
    from pippin.testing.server import DNSServer


@pytest.fixture
def dns_server() -> Iterator[DNSServer]:
    """A DNS server of this test's own on a free port of 127.0.0.1, UDP and TCP; without zones to begin with."""
    from pippin.testing.server import DNSServer

    with DNSServer() as server:
        yield server


@pytest.fixture
def dns_zone(dns_server: DNSServer) -> Callable[..., DNSServer]:
    """`dns_zone("example.com", "www A 192.0.2.1")` serves a zone from `dns_server`, which it returns."""

    def serve(origin: str, text: str = "") -> DNSServer:
        dns_server.zone(origin, text)
        return dns_server

    return serve


@pytest.fixture
def policy_client() -> Callable[..., Client]:
    """`policy_client("203.0.113.9", country="DE")` is a client to call a policy with."""
    from pippin.testing.policies import policy_client

    return policy_client


@pytest.fixture
def policy_health() -> FakeHealth:
    """The `health` of a policy: everything is up until `policy_health.fail("eu/192.0.2.10")`."""
    from pippin.testing.policies import FakeHealth

    return FakeHealth()


@pytest.fixture
def policy_clock() -> FakeClock:
    """The `now` of a policy, which a test sets: `policy_clock.set("2026-12-24 18:00")`."""
    from pippin.testing.policies import FakeClock

    return FakeClock()
