"""The engine's answer from what has been looked up, and the names that this leads to.

The compiled engine answers from the zone of what was looked up in a hundredth of the time that the algorithm of
`zone/answer.py` takes. It does not know that some names are only missing because nobody has looked them up. So who asks
it has to look at those that its answer leads to (the target of an alias, a mail server's address), and ask again if one
was not known. What the engine leaves to the slow path goes to that algorithm here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from threading import Lock
from typing import NamedTuple

import dns.rcode
import dns.rdatatype

from pippin.engine.compile import compile_zone
from pippin.engine.path import CLIENT_SIZE, HIT, Options, Responder
from pippin.engine.records import HEADER
from pippin.query.reply import Reply
from pippin.source.live import Looked

EMPTY = 65534
"""A type no record has (private use, RFC 6895 section 3.1): its mark makes the node of a name that owns nothing."""

SIGNED = frozenset({dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3, dns.rdatatype.NSEC3PARAM})
"""Types of signed zones, which cannot be looked up name by name."""

_HOST_AT = {
    dns.rdatatype.NS: 0,
    dns.rdatatype.MX: 2,
    dns.rdatatype.SRV: 6,
    dns.rdatatype.SVCB: 2,
    dns.rdatatype.HTTPS: 2,
}
"""Types with a target whose addresses go along, and where in the rdata it stands."""

_META = range(128, dns.rdatatype.ANY)
"""Types that are no data (RFC 6895 section 3.1)."""

_CLIENT = bytes(CLIENT_SIZE)
_QUESTION = Struct(">HHHHHH")
_RECORD = Struct(">HHIH")  # type, class, TTL, length
_AA, _TC = 4, 2
_ROOT = b"\0"


class Lead(NamedTuple):
    """A name that an answer leads to, in lower-case wire format."""

    name: bytes
    is_alias: bool
    """The question goes on there, and wildcards and other zones count. Else it is a host whose addresses go along."""


class LiveEngine:
    """A `Responder` that has one zone at a time, for as long as one question takes. For any number of threads."""

    def __init__(self) -> None:
        self._responder = Responder(Options())
        self._lock = Lock()

    def answer(self, image: bytes, origin: bytes, name: bytes, qtype: int) -> tuple[Reply, list[Lead]] | None:
        """The reply to a question for `name` (lower-case wire format) from the only zone there is, and where it leads.

        None: the engine has none.
        """
        if qtype in _META or (qtype == dns.rdatatype.DS and name == origin):
            return None
        query = _QUESTION.pack(0, 0, 1, 0, 0, 0) + name + qtype.to_bytes(2, "big") + b"\0\1"
        responder = self._responder
        with self._lock:
            responder.map(image)
            responder.place(0)
            try:
                verdict, message = responder.answer_stream(query, _CLIENT, 0)
            finally:
                responder.remove(origin)
        return _read(message, len(query), qtype) if verdict == HIT else None


def prepared(looks: Iterable[Looked], origin: bytes) -> bytes | None:
    """The image of what has been looked up; None if something is wrong with it."""
    streams: list[bytes] = []
    bare: list[bytes] = []
    for looked in looks:
        if looked.unreadable:
            return None
        stream, at = looked.records, 0
        while at < len(stream):
            length, rdtype, _, size, _, _, _, _ = HEADER.unpack_from(stream, at)
            if rdtype in SIGNED:
                return None
            at += HEADER.size + length + size
        streams.append(stream)
        bare += looked.empty
    marks = [(owner, EMPTY) for owner in sorted(set(bare))]
    image, findings = compile_zone(b"".join(streams), origin, 0, b"", marks)
    return image if all(len(finding) > 2 for finding in findings) else None  # those are about marks


def _read(message: bytes, start: int, qtype: int) -> tuple[Reply, list[Lead]] | None:
    """The reply that `compose` would make of the same answer. None for one that is no answer, or is cut short."""
    _, flags, _, answers, authorities, additionals = _QUESTION.unpack_from(message)
    records = answers + authorities + additionals
    if not records or flags >> 8 & _TC:
        return None
    follows = qtype not in (dns.rdatatype.CNAME, dns.rdatatype.ANY)
    leads: list[Lead] = []
    glue_required = False
    lowest = 0xFFFFFFFF
    at = start
    for number in range(records):
        while 0 < (length := message[at]) < 0xC0:
            at += 1 + length
        at += 2 if length else 1
        rdtype, _, ttl, size = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        lowest = min(lowest, ttl)
        if number < answers + authorities:
            if rdtype == dns.rdatatype.CNAME and follows:
                leads.append(Lead(_name(message, at), True))
            elif rdtype == dns.rdatatype.DNAME:
                return None
            elif (host_at := _HOST_AT.get(rdtype)) is not None:
                leads.append(Lead(_name(message, at + host_at), False))
                glue_required = glue_required or number >= answers
        at += size
    reply = Reply(
        message[start:],
        answers,
        authorities,
        additionals,
        rcode=flags & 15,
        authoritative=bool(flags >> 8 & _AA),
        glue_required=glue_required,
        ttl=lowest,
    )
    return reply, leads


def _name(message: bytes, at: int) -> bytes:
    """A name that the engine wrote, so pointers lead back and end."""
    labels = []
    while length := message[at]:
        if length >= 0xC0:
            at = (length & 0x3F) << 8 | message[at + 1]
            continue
        labels.append(message[at : at + 1 + length])
        at += 1 + length
    return b"".join(labels).lower() + _ROOT  # no length is a letter
