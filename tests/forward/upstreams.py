"""An upstream that does what a test says: it may lie, stay silent, be slow, or go away.

    async with Upstream(script) as upstream:
        settings = ForwardSettings(upstreams=(upstream.text,))

A script is called for each question with an `Asked` and sends as many replies as it likes, whenever it likes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rrset

HOST = "127.0.0.1"


@dataclass
class Asked:
    """One question as it came, and the way back."""

    query: dns.message.Message
    wire: bytes
    over: str
    """"udp" or "tcp"."""
    source_port: int
    send: Callable[[bytes], None]

    @property
    def name(self) -> str:
        return self.query.question[0].name.to_text().lower()

    def reply(self, *records: str, rcode: int = 0, authority: tuple[str, ...] = ()) -> dns.message.Message:
        """A reply with these records, each a line of a master file with absolute names."""
        reply = dns.message.make_response(self.query, recursion_available=True)
        reply.set_rcode(dns.rcode.Rcode(rcode))
        reply.answer = [rrset_of(line) for line in records]
        reply.authority = [rrset_of(line) for line in authority]
        return reply

    def give(self, *records: str, rcode: int = 0, authority: tuple[str, ...] = ()) -> None:
        self.send(self.reply(*records, rcode=rcode, authority=authority).to_wire(max_size=65535))


Script = Callable[[Asked], None]


def rrset_of(line: str) -> dns.rrset.RRset:
    name, ttl, rdclass, rdtype, rdata = line.split(maxsplit=4)
    return dns.rrset.from_text(name, int(ttl), rdclass, rdtype, rdata)


def address_for_all(asked: Asked) -> None:
    """The script of an honest resolver, for which every name has an address."""
    asked.give(f"{asked.name} 300 IN A 192.0.2.1")


def silent(asked: Asked) -> None:
    """The script of an upstream that hears and says nothing."""


class Upstream:
    """A DNS server on UDP and TCP of one loopback port, in the test's own event loop."""

    def __init__(self, script: Script = address_for_all, port: int = 0, host: str = HOST) -> None:
        self.script = script
        self.host = host
        self.port = port
        self.asked: list[Asked] = []
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0

    @property
    def text(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        udp, tcp = _same_port(self.host, self.port)
        self.port = udp.getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._tcp = await asyncio.start_server(self._connected, sock=tcp)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._udp is not None
        assert self._tcp is not None
        self._udp.close()
        self._tcp.close()
        self.close_connections()
        await asyncio.sleep(0)

    def close_connections(self) -> None:
        for writer in self._writers:
            writer.close()

    def hear(self, wire: bytes, over: str, port: int, send: Callable[[bytes], None]) -> None:
        asked = Asked(dns.message.from_wire(wire), wire, over, port, send)
        self.asked.append(asked)
        self.script(asked)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        port = writer.get_extra_info("peername")[1]

        def send(wire: bytes) -> None:
            if not writer.is_closing():
                writer.write(len(wire).to_bytes(2, "big") + wire)

        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                self.hear(await reader.readexactly(size), "tcp", port, send)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            self._writers.discard(writer)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        def send(wire: bytes) -> None:
            assert self._transport is not None
            if not self._transport.is_closing():
                self._transport.sendto(wire, addr)

        self._upstream.hear(data, "udp", addr[1], send)


def _same_port(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(100):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind((host, port))
            tcp.bind((host, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            continue
        return udp, tcp
    raise OSError("no port free for UDP and TCP")
