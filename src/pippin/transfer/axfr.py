"""Zone transfers out: AXFR (RFC 5936), and IXFR (RFC 1995) answered with the whole zone or its SOA alone.

In: a query for AXFR or IXFR. Out: over TCP a stream of messages, SOA first and last; over UDP, or for a client that
may not, a plain reply. A zone that changes during a transfer does not change the transfer: the image it started
with stays mapped.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from struct import Struct

import dns.flags
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA

from pippin.engine.unpack import MESSAGE_LIMIT, Unpacker
from pippin.query.pipeline import FORMERR, Outcome, Stream
from pippin.query.query import Malformed, Query, Transport
from pippin.query.reply import Reply
from pippin.zone.zone import Zone

TRANSFERS_AT_ONCE = 16
"""Transfers of one worker that make messages at the same time; more wait for their turn."""

FORBIDDEN = Reply(b"", 0, 0, 0, rcode=dns.rcode.REFUSED, authoritative=False, ede=18)
"""With EDE "Prohibited" (RFC 8914 section 4.19)."""

NOTAUTH = Reply(b"", 0, 0, 0, rcode=dns.rcode.NOTAUTH, authoritative=False)

NOT_READY = Reply(b"", 0, 0, 0, rcode=dns.rcode.SERVFAIL, authoritative=False, ede=14)
"""With EDE "Not Ready" (RFC 8914 section 4.15): the zone has no version yet."""

_HEADER = Struct("!HHHHHH")
_QUESTION = Struct("!HH")
_FIXED = Struct("!HHIH")
_OPT = b"\0" + Struct("!HHIH").pack(dns.rdatatype.OPT, 1232, 0, 0)

ZoneOf = Callable[[dns.name.Name], Zone | None]
Pinned = Callable[[], AbstractContextManager[object]]
"""While it is entered, images of zones stay what they are."""


class TransferOut:
    """Handles AXFR and IXFR queries. `zone_of` gives the zone with exactly this origin."""

    def __init__(
        self, zone_of: ZoneOf, allow: tuple[str, ...], pinned: Pinned = nullcontext, *, others: Reply = NOTAUTH
    ) -> None:
        """`others`: the answer for zones that are not loaded.

        By itself NOTAUTH (RFC 5936 section 2.2.1: a transfer is of a zone, by its very name); REFUSED where there are
        zones that are only looked up name by name.
        """
        self._zone_of = zone_of
        self._others = others
        self._pinned = pinned
        self._allow = tuple(ipaddress.ip_network(network) for network in allow)
        self._turns = asyncio.Semaphore(TRANSFERS_AT_ONCE)

    async def handle(self, query: Query) -> Outcome | None:
        if query.type not in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
            return None
        if query.rdclass != dns.rdataclass.IN or not self._may(query.client[0]):
            return FORBIDDEN
        if query.type == dns.rdatatype.AXFR and query.transport is Transport.UDP:
            return FORMERR  # RFC 5936 section 4.2: AXFR over UDP is not defined
        zone = self._zone_of(query.name)
        if zone is None:
            return self._others
        if not zone.is_ready:
            return NOT_READY
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
                # The zone of now, which the pin holds; not that of before the wait.
                zone = self._zone_of(query.name)
                if zone is None or not zone.is_ready:
                    return  # withdrawn meanwhile: the client sees that the transfer never began
                for message in _compose(zone, query):
                    yield message
                    await asyncio.sleep(0)  # the sockets' turn


def _compose(zone: Zone, query: Query) -> Iterator[bytes]:
    """The messages of one transfer, each with header, question and OPT as in every other one."""
    opt = _OPT if query.has_edns else b""
    question = query.name_wire + _QUESTION.pack(query.type, query.rdclass)
    head = bytes(_HEADER.size) + question
    unpacker = Unpacker(zone.image)
    while True:
        message, records = unpacker.message(head, MESSAGE_LIMIT - len(opt))
        if not records:
            return
        header = _HEADER.pack(query.id, dns.flags.QR | dns.flags.AA, 1, records, 0, int(bool(opt)))
        yield header + message[_HEADER.size :] + opt


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
