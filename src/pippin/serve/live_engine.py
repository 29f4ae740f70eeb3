"""The engine's answer from what one look-up has given.

Most questions are for a name that owns what is asked for, or that is not there: nothing else has a say in those, and
the compiled engine answers them from the zone of what was looked up, in a hundredth of the time that the algorithm of
`zone/answer.py` takes. What leads on to other names (aliases, delegations, types with targets) it leaves to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from threading import Lock

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

_LEADING_ON = frozenset(
    {
        dns.rdatatype.CNAME,
        dns.rdatatype.DNAME,
        dns.rdatatype.NS,
        dns.rdatatype.MX,
        dns.rdatatype.SRV,
        dns.rdatatype.SVCB,
        dns.rdatatype.HTTPS,
    }
)
"""In an answer section these take more names to answer: the next of a chain, or targets whose addresses go along."""

_META = range(128, dns.rdatatype.ANY)
"""Types that are no data (RFC 6895 section 3.1)."""

_CLIENT = bytes(CLIENT_SIZE)
_QUESTION = Struct(">HHHHHH")
_RECORD = Struct(">HHIH")  # type, class, TTL, length
_AA_TC, _AA = 6, 4


class LiveEngine:
    """A `Responder` that has one zone at a time, for as long as one question takes. For any number of threads."""

    def __init__(self) -> None:
        self._responder = Responder(Options())
        self._lock = Lock()

    def answer(self, image: bytes, origin: bytes, name: bytes, qtype: int) -> Reply | None:
        """The reply to a question for `name`, lower-case wire format, from the only zone there is at or above it.

        None: it takes more than the name, the names above it and the wildcards there.
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
        return _reply(message, len(query)) if verdict == HIT else None


def prepared(looked: Looked, origin: bytes) -> bytes | None:
    """The image of what one look-up has given; None if something is wrong with it."""
    if looked.unreadable:
        return None
    marks: Sequence[tuple[bytes, int]] = [(owner, EMPTY) for owner in sorted(set(looked.empty))]
    stream, at = looked.records, 0
    while at < len(stream):
        length, rdtype, _, size, _, _, _, _ = HEADER.unpack_from(stream, at)
        if rdtype in SIGNED:
            return None
        at += HEADER.size + length + size
    image, findings = compile_zone(stream, origin, 0, b"", marks)
    return image if all(len(finding) > 2 for finding in findings) else None  # those are about marks


def _reply(message: bytes, start: int) -> Reply | None:
    """What `compose` would make of the same answer. None if it is no answer of authority, or leads on."""
    _, flags, _, answers, authorities, additionals = _QUESTION.unpack_from(message)
    if flags >> 8 & _AA_TC != _AA:
        return None
    at = start
    lowest = 0xFFFFFFFF
    for number in range(answers + authorities + additionals):
        while 0 < (length := message[at]) < 0xC0:
            at += 1 + length
        at += 2 if length else 1
        rdtype, _, ttl, size = _RECORD.unpack_from(message, at)
        if number < answers and rdtype in _LEADING_ON:
            return None
        lowest = min(lowest, ttl)
        at += _RECORD.size + size
    return Reply(message[start:], answers, authorities, additionals, rcode=flags & 15, ttl=lowest)
