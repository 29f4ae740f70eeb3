"""Zone transfers out: AXFR (RFC 5936), and IXFR (RFC 1995) answered with the whole zone or its SOA alone.

In: a query for AXFR or IXFR. Out: over TCP a stream of messages, SOA first and last; over UDP, or for a client that
may not, a plain reply. A zone that changes during a transfer does not change the transfer: the image it started
with stays mapped.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from struct import Struct

import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA

from pippin.query.pipeline import FORMERR, Outcome, Stream
from pippin.query.query import Malformed, Query, Transport
from pippin.query.reply import Reply
from pippin.zone.zone import Zone

MESSAGE_SIZE = 16384
"""Octets after which a message is full. Compression pointers reach 16383, so larger messages compress no better."""

RECORDS_PER_TURN = 16
"""Records read from the zone before the sockets get their turn; one takes up to 0.1 ms."""

TRANSFERS_AT_ONCE = 16
"""Transfers of one worker that make messages at the same time; more wait for their turn."""

FORBIDDEN = Reply(b"", 0, 0, 0, rcode=dns.rcode.REFUSED, authoritative=False, ede=18)
"""With EDE "Prohibited" (RFC 8914 section 4.19)."""

NOTAUTH = Reply(b"", 0, 0, 0, rcode=dns.rcode.NOTAUTH, authoritative=False)

_LONGEST_MESSAGE = 65535 - 11
"""Octets a length prefix can count (RFC 1035 section 4.2.2), less the OPT record."""

_HEADER = Struct("!HHHHHH")
_FIXED = Struct("!HHIH")
_OPT = b"\0" + Struct("!HHIH").pack(dns.rdatatype.OPT, 1232, 0, 0)

ZoneOf = Callable[[dns.name.Name], Zone | None]
Pinned = Callable[[], AbstractContextManager[object]]
"""While it is entered, images of zones stay what they are."""


class TransferOut:
    """Handles AXFR and IXFR queries. `zone_of` gives the zone with exactly this origin."""

    def __init__(self, zone_of: ZoneOf, allow: tuple[str, ...], pinned: Pinned = nullcontext) -> None:
        self._zone_of = zone_of
        self._pinned = pinned
        self._allow = tuple(ipaddress.ip_network(network) for network in allow)
        self._turns = asyncio.Semaphore(TRANSFERS_AT_ONCE)

    async def handle(self, query: Query) -> Outcome:
        if query.type not in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
            return None
        if query.rdclass != dns.rdataclass.IN or not self._may(query.client[0]):
            return FORBIDDEN
        if query.type == dns.rdatatype.AXFR and query.transport is Transport.UDP:
            return FORMERR  # RFC 5936 section 4.2: AXFR over UDP is not defined
        zone = self._zone_of(query.name)
        if zone is None:
            return NOTAUTH  # RFC 5936 section 2.2.1: a transfer is of a zone, by its very name
        if query.type == dns.rdatatype.IXFR and (
            not _is_behind(_serial_in(query), zone.serial) or query.transport is Transport.UDP
        ):
            # RFC 1995 section 2: over UDP "the server's current version" tells the client to come again over
            # TCP; and to a client that has it already, the SOA alone says so.
            return _soa_alone(zone)
        return Stream(self._messages(query))

    def _may(self, client: str) -> bool:
        address = ipaddress.ip_address(client.partition("%")[0])
        return any(address in network for network in self._allow)

    async def _messages(self, query: Query) -> AsyncIterator[bytes]:
        async with self._turns:
            with self._pinned():
                zone = self._zone_of(
                    query.name
                )  # the one of now, which the pin holds; not that of before the wait
                if zone is None:
                    return  # withdrawn meanwhile: the client sees that the transfer never began
                for message in _compose(zone, query):
                    if message is not None:
                        yield message
                    await asyncio.sleep(0)  # the sockets' turn


def _compose(zone: Zone, query: Query) -> Iterator[bytes | None]:
    """The messages of one transfer: as many records as fit in each, the SOA first and last. None: not done yet."""
    message = _Message(query)
    soa = (zone.origin, zone.soa.ttl, zone.soa[0])
    for number, record in enumerate(chain(zone.records(), (soa,)), 1):
        if not number % RECORDS_PER_TURN:
            yield None
        if not message.add(*record):
            yield message.finish()
            message = _Message(query)
            message.add(*record)
    yield message.finish()


class _Message:
    """One message of a transfer: header, question and OPT as in every other one, as many records as fit."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._records = 0
        self._file = io.BytesIO()
        self._file.write(bytes(_HEADER.size))
        self._file.write(query.name_wire)
        self._file.write(query.type.to_bytes(2, "big") + query.rdclass.to_bytes(2, "big"))
        self._compress: dict[dns.name.Name, int] = {query.name: _HEADER.size}

    def add(self, name: dns.name.Name, ttl: int, rdata: dns.rdata.Rdata) -> bool:
        """Append a record. False: the message is full, or this record is too long for what is left of it."""
        file = self._file
        start = file.tell()
        if start >= MESSAGE_SIZE:
            return False
        name.to_wire(file, self._compress)
        place = file.tell()
        file.write(_FIXED.pack(rdata.rdtype, rdata.rdclass, ttl, 0))
        rdata.to_wire(file, self._compress)
        end = file.tell()
        file.seek(place + 8)
        file.write((end - place - _FIXED.size).to_bytes(2, "big"))
        file.seek(end)
        if end > _LONGEST_MESSAGE and self._records:
            file.truncate(start)
            file.seek(start)
            return False
        self._records += 1
        return True

    def finish(self) -> bytes:
        has_opt = self._query.has_edns
        if has_opt:
            self._file.write(_OPT)
        flags = dns.flags.QR | dns.flags.AA
        wire = self._file.getbuffer()
        _HEADER.pack_into(wire, 0, self._query.id, flags, 1, self._records, 0, int(has_opt))
        return bytes(wire)


def _serial_in(query: Query) -> int:
    """The client's version: the SOA in the authority section (RFC 1995 section 3)."""
    for rrset in query.message.authority:
        for rdata in rrset:
            if isinstance(rdata, SOA) and rrset.name == query.name:
                return rdata.serial
    raise Malformed("an IXFR query must have the client's SOA in its authority section")


def _is_behind(client: int, server: int) -> bool:
    """RFC 1982 section 3.2: whether the client's serial is older."""
    return client != server and (server - client) % (1 << 32) < (1 << 31)


def _soa_alone(zone: Zone) -> Reply:
    rdata = zone.soa[0].to_wire()
    assert rdata is not None
    fixed = _FIXED.pack(dns.rdatatype.SOA, dns.rdataclass.IN, zone.soa.ttl, len(rdata))
    return Reply(b"\xc0\x0c" + fixed + rdata, 1, 0, 0)
