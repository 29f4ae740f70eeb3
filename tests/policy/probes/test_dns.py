"""DNS checks against a server of Pippin's own, inside this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pippin.policy.checks import DNSCheck
from pippin.policy.probes import dns as probe
from pippin.policy.probes.unhealthy import Unhealthy
from pippin.serve.in_process import InProcessServer
from tests.policy.probes.servers import run
from tests.store.images import image_of

ADDRESS = "127.0.0.1"


@pytest.fixture
def port() -> Iterator[int]:
    with InProcessServer() as server:
        server.publish(image_of("a.example.", server.seed, 7))
        yield server.addresses[0].port


def ask(port: int, name: str, rdtype: str, **options: Any) -> str:
    try:
        return run(probe.check(DNSCheck(name, rdtype, port=port, **options), ADDRESS))
    except Unhealthy as error:
        return str(error)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rcode_decides(port: int, transport: str) -> None:
    assert ask(port, "a.example", "SOA", transport=transport) == "NOERROR"
    assert ask(port, "nothing.a.example", "A", transport=transport) == "NXDOMAIN"
    assert ask(port, "nothing.a.example", "A", transport=transport, rcode="nxdomain") == "NXDOMAIN"
    assert ask(port, "elsewhere.test", "A", transport=transport) == "REFUSED"


def test_record_decides_where_one_is_named(port: int) -> None:
    found = ask(port, "a.example", "NS", answer="ns.elsewhere.test.")
    assert found.startswith("NOERROR, ")
    nameserver = found.removeprefix("NOERROR, ").split(", ")[0]
    assert ask(port, "a.example", "NS", answer=nameserver) == "NOERROR"
    assert ask(port, "a.example", "AAAA", answer="2001:db8::1") == "NOERROR, no records"


def test_reply_that_is_none_is_told() -> None:
    async def test() -> None:
        class Babble(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, address: Any) -> None:
                self.transport.sendto(data[:2] + b"\xff" * 30, address)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Babble, local_addr=(ADDRESS, 0))
        port = transport.get_extra_info("sockname")[1]
        with pytest.raises(Unhealthy, match=r"^no DNS reply: "):
            await probe.check(DNSCheck("a.example", port=port), ADDRESS)
        transport.close()

    run(test())


def test_name_that_cannot_be_asked_for_is_told() -> None:
    assert ask(53, "a" * 64 + ".example", "A").startswith("no DNS reply: ")
