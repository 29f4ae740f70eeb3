"""The handler of questions that leave this server: who may ask, what is never asked, and chains between both worlds.

Names in served zones are answered from the zones, whatever upstreams say, also as the target of an upstream's CNAME.
A chain that leads out of a served zone is followed for clients that may and that want it (RD).

    not in `allow_forward`    REFUSED, EDE "Prohibited"
    ANY and other meta-types  REFUSED, EDE "Not Supported": nothing that could be remembered comes of them
    RD = 0                    what is remembered, else REFUSED (RFC 1034 section 4.3.1)
    names that must not leak  answered here (`local`)
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from struct import Struct

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from pippin.forward.accept import wire_of
from pippin.forward.cache import Entry
from pippin.forward.forwarder import Forwarder, ForwardStatistics
from pippin.forward.local import answer_locally
from pippin.forward.settings import ForwardSettings
from pippin.forward.wire import CD, HEADER, QR, Question
from pippin.query.compose import compose
from pippin.query.pipeline import SERVFAIL
from pippin.query.query import Query
from pippin.query.reply import Reply
from pippin.zone.answer import CHAIN_LIMIT, Answer, Zones, answer

CLIENTS_REMEMBERED = 4096
"""Addresses whose permission need not be worked out again."""

PROHIBITED, NOT_SUPPORTED, NOT_AUTHORITATIVE = 18, 21, 20
"""Extended DNS errors (RFC 8914)."""

_META = frozenset({0, dns.rdatatype.OPT, *range(128, 256)})
"""RFC 6895 section 3.1: types that no record has, and OPT."""

_QUESTION = Struct("!HH")


@dataclass(frozen=True, slots=True)
class ForwardingStatistics:
    """Questions refused, by reason, since the start; what the forwarder did with the others."""

    prohibited: int
    not_supported: int
    not_remembered: int
    local: int
    waiting: int
    forwarder: ForwardStatistics


class Forwarding:
    """Answers what lies outside `zones`. `handle` gives None for what the zones answer alone."""

    def __init__(
        self, settings: ForwardSettings, zones: Zones, *, clock: Callable[[], float] = time.time
    ) -> None:
        """As `Forwarder`."""
        self._zones = zones
        self._forwarder = Forwarder(settings, clock=clock)
        self._limit = settings.in_flight
        self._allowed = tuple(ipaddress.ip_network(network) for network in settings.allow_forward)
        self._may = lru_cache(CLIENTS_REMEMBERED)(self._is_allowed)
        self._waiting = 0
        self._prohibited = self._not_supported = self._not_remembered = self._local = 0

    async def handle(self, query: Query) -> Reply | None:
        if query.rdclass != dns.rdataclass.IN:
            return None
        name = query.name_wire.lower()
        is_recursive = bool(query.wire[2] & 1)
        allowed = self._may(query.client[0])
        if self._zones.has(name):
            return await self._continue(query) if is_recursive and allowed else None
        if not allowed:
            self._prohibited += 1
            return _refused(PROHIBITED)
        if query.type in _META:
            self._not_supported += 1
            return _refused(NOT_SUPPORTED)
        if self._forwarder.route(name) is None:
            return None  # such names are not forwarded at all
        question = _question(query)
        if is_recursive:
            return await self._bounded(question)
        entry = self._forwarder.remembered(question)
        if entry is None:
            self._not_remembered += 1
            return _refused(NOT_AUTHORITATIVE)
        return replace(self._forwarder.reply(entry, False), ttl=0)

    async def refresh(self, query: Query) -> Reply | None:
        """A newer reply for a question whose remembered one ends soon; None to leave it as it is."""
        entry = await self._forwarder.refresh(_question(query))
        return self._forwarder.reply(entry, False) if entry is not None and self._is_whole(entry) else None

    async def close(self) -> None:
        await self._forwarder.close()

    def statistics(self) -> ForwardingStatistics:
        return ForwardingStatistics(
            self._prohibited,
            self._not_supported,
            self._not_remembered,
            self._local,
            self._waiting,
            self._forwarder.statistics(),
        )

    async def _continue(self, query: Query) -> Reply | None:
        """A question about a served zone: for us only if its chain of aliases leads out of all of them."""
        found = answer(self._zones, query.name, query.type, query.dnssec_ok)
        target = self._way_out(found, query.type)
        if target is None or self._forwarder.route(wire_of(target)) is None:
            return compose(query.name_wire, query.type, found)
        return await self._bounded(_question(query))

    async def _bounded(self, question: Question) -> Reply:
        if self._waiting >= self._limit:
            return SERVFAIL
        self._waiting += 1
        try:
            return await self._resolve(question)
        finally:
            self._waiting -= 1

    async def _resolve(self, question: Question) -> Reply:
        route = self._forwarder.route(question.name)
        if route is not None and route[1] is not None and not self._zones.has(question.name):
            entry, is_stale = await self._forwarder.look_up(question)
            if self._is_whole(entry):
                return self._forwarder.reply(entry, is_stale)
        return await self._walk(question)

    async def _walk(self, question: Question) -> Reply:
        """A chain with parts from several places, each asked for its own. Not to be remembered as a whole: a change
        of a zone, or of who may ask, must show at once. The parts are."""
        whole: Reply | None = None
        result = Answer()
        authentic = True
        seen = {question.name}
        at: bytes | None = question.name
        while at is not None:
            part, at, reply = await self._step(question._replace(name=at))
            if whole is None:
                whole = reply
            authentic = authentic and reply.authentic
            if part.rcode == dns.rcode.SERVFAIL:
                return replace(SERVFAIL, ede=part.ede, recursion_available=True)
            result.answer += part.answer
            result.authority += part.authority
            result.rcode = part.rcode
            result.ede = max(result.ede, part.ede)
            if at in seen or len(seen) >= CHAIN_LIMIT:
                break
            if at is not None:
                seen.add(at)
        assert whole is not None
        result.aa = whole.authoritative
        reply = compose(question.name, question.type, result)
        return replace(reply, ttl=0, recursion_available=True, authentic=authentic, forwarded=True)

    async def _step(self, question: Question) -> tuple[Answer, bytes | None, Reply]:
        """The part of a chain that one place answers, the name where it goes on, and the part as a reply."""
        name, qtype, dnssec_ok, _ = question
        if self._zones.has(name):
            found = answer(self._zones, _name(name), qtype, dnssec_ok)
            target = self._way_out(found, qtype)
            return found, None if target is None else wire_of(target), compose(name, qtype, found)
        route = self._forwarder.route(name)
        if route is None:
            return Answer(aa=False), None, SERVFAIL
        suffix, group = route
        if group is None:
            self._local += 1
            found = answer_locally(_name(name), qtype, _name(suffix))
            return found, None, compose(name, qtype, found)
        entry, is_stale = await self._forwarder.look_up(question)
        reply = self._forwarder.reply(entry, is_stale)
        part = _unpack(question, reply)
        for alias in entry.aliases:
            if self._zones.has(alias):
                return _before(part, _name(alias)), alias, reply
        return part, entry.follow, reply

    def _is_whole(self, entry: Entry) -> bool:
        """Nobody else has a say in it: its chain of aliases neither goes on elsewhere nor leads into a zone."""
        return entry.follow is None and not any(map(self._zones.has, entry.aliases))

    def _way_out(self, found: Answer, qtype: int) -> dns.name.Name | None:
        """Where an answer from the zones ends in an alias for a name outside them, or in one that is not ready."""
        if qtype in (dns.rdatatype.CNAME, dns.rdatatype.ANY) or found.rcode != dns.rcode.NOERROR:
            return None
        aliases = [rrset for rrset in found.answer if rrset.rdtype == dns.rdatatype.CNAME]
        if not aliases or any(rrset.rdtype == qtype for rrset in found.answer):
            return None
        target: dns.name.Name = aliases[-1][0].target
        zone = self._zones.deepest(target)
        return None if zone is not None and zone.is_ready else target

    def _is_allowed(self, client: str) -> bool:
        address = ipaddress.ip_address(client.partition("%")[0])
        return any(address in network for network in self._allowed)


def _refused(ede: int) -> Reply:
    return Reply(b"", 0, 0, 0, rcode=dns.rcode.REFUSED, authoritative=False, ede=ede)


def _question(query: Query) -> Question:
    disabled = bool((query.wire[2] << 8 | query.wire[3]) & CD)
    return Question(query.name_wire.lower(), query.type, query.dnssec_ok, disabled)


def _unpack(question: Question, reply: Reply) -> Answer:
    """The records of a reply that was composed for this question."""
    header = HEADER.pack(0, QR | reply.rcode, 1, reply.answers, reply.authorities, 0)
    wire = header + question.name + _QUESTION.pack(question.type, dns.rdataclass.IN) + reply.body
    message = dns.message.from_wire(wire)
    return Answer(
        dns.rcode.Rcode(reply.rcode),
        aa=False,
        answer=message.answer,
        authority=message.authority,
        ede=reply.ede,
    )


def _before(part: Answer, target: dns.name.Name) -> Answer:
    """A chain up to the alias that leads to `target`, which somebody else answers for."""
    kept: list[dns.rrset.RRset] = []
    is_over = False
    for rrset in part.answer:
        is_signature = rrset.rdtype == dns.rdatatype.RRSIG
        if is_over and not is_signature:
            break
        kept.append(rrset)
        is_over = is_over or (rrset.rdtype == dns.rdatatype.CNAME and rrset[0].target == target)
    return Answer(aa=False, answer=kept, ede=part.ede)


def _name(wire: bytes) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]
