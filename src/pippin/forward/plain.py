"""Most replies, read as bytes: a tenth of what it costs to make objects of their records and bytes of those again.

A reply has its records where the reply to the client will have them, for the question before them is as long. So what
is believed is copied as it is, if it stands at the front: the answer section, when it is a chain of aliases from the
question's name and the RRset asked for and nothing else; the SOA after it, when it is a negative answer.

Anything that is not like this, odd or wrong or merely rare, is not judged here (None) but in `accept`.
"""

from __future__ import annotations

from struct import Struct, error

from pippin.forward.accepted import Accepted, IsElsewhere, Limits
from pippin.zone.answer import CHAIN_LIMIT

_COUNTS = Struct("!HHH")
_RECORD = Struct("!HHHIH")
"""A record whose owner is a pointer."""
_AFTER_OWNER = Struct("!HHIH")
_OPTION = Struct("!HH")
_U32 = Struct("!I")

_QUESTION_AT = 12
_POINTER = 0xC000
_NAME_LIMIT = 255
_TTL_SIGN = 1 << 31  # RFC 2181 section 8
_SOA_NUMBERS = 20
_RRSIG_LEAST = 20
_AD = 0x20
_IN, _CNAME, _SOA, _OPT, _RRSIG = 1, 5, 6, 41, 46
_PROOFS = frozenset({_RRSIG, 47, 50})
_EDE = 15

_SIZES = {1: 4, 28: 16}
"""Types of a fixed size: A, AAAA."""
_NAME_AT = {2: 0, 5: 0, 12: 0, 15: 2}
"""Types that end in a name, and where it begins: NS, CNAME, PTR, MX."""


class _NotPlain(Exception):
    pass


def read_plainly(
    reply: bytes, name: bytes, qtype: int, dnssec_ok: bool, is_elsewhere: IsElsewhere, limits: Limits
) -> Accepted | None:
    """What is believed of a reply that `wire.mismatch` has nothing against; None if it is none of the plain ones."""
    try:
        return _Reading(reply, name, limits).accepted(qtype, dnssec_ok, is_elsewhere)
    except (_NotPlain, IndexError, error):
        return None


class _Reading:
    def __init__(self, reply: bytes, name: bytes, limits: Limits) -> None:
        self.reply = reply
        self.name = name
        self.limits = limits
        self.start = self.at = _QUESTION_AT + len(name) + 4
        self.ttl = limits.ttl
        self.ttls: list[tuple[int, int]] = []
        """Where they stand in the reply, and what they are to be."""
        self.labels: set[int] = set()
        """Where names have labels: what a compression pointer may lead to."""
        at = 0
        while name[at]:
            self.labels.add(_QUESTION_AT + at)
            at += 1 + name[at]

    def accepted(self, qtype: int, dnssec_ok: bool, is_elsewhere: IsElsewhere) -> Accepted:
        reply = self.reply
        rcode = reply[3] & 15
        answers, authorities, additionals = _COUNTS.unpack_from(reply, 6)
        aliases, is_complete = self.chain(answers, qtype, dnssec_ok, is_elsewhere)
        if rcode not in (0, 3) or (is_complete and rcode):
            raise _NotPlain
        kept = 0
        if not is_complete:
            if not authorities:
                raise _NotPlain
            self.denial(aliases[-1] if aliases else self.name)
            kept = 1
        end = self.at
        for _ in range(authorities - kept):
            rdtype = self.skip()
            if dnssec_ok and rdtype in _PROOFS:
                raise _NotPlain
        ede = self.extended_error(additionals)
        return Accepted(
            self.body(end),
            answers,
            kept,
            tuple(place - self.start for place, _ in self.ttls),
            rcode,
            ede,
            self.ttl,
            bool(reply[3] & _AD),
            tuple(aliases),
            None,
        )

    def chain(
        self, answers: int, qtype: int, dnssec_ok: bool, is_elsewhere: IsElsewhere
    ) -> tuple[list[bytes], bool]:
        """Read the answer section: the aliases in it, and whether it comes to the RRset asked for."""
        reply = self.reply
        owner = _POINTER | _QUESTION_AT
        aliases: list[bytes] = []
        is_complete = False
        for _ in range(answers):
            found, rdtype, rdclass, ttl, length = _RECORD.unpack_from(reply, self.at)
            data = self.at + _RECORD.size
            end = data + length
            if found != owner or rdclass != _IN or end > len(reply):
                raise _NotPlain
            if rdtype == qtype:
                self.check(rdtype, data, end)
                is_complete = True
            elif rdtype == _CNAME and not is_complete and data < 0x4000:
                target, after = self.name_at(data)
                if (
                    after != end
                    or target == self.name
                    or target in aliases
                    or len(aliases) >= CHAIN_LIMIT - 1
                    or is_elsewhere(target)
                ):
                    raise _NotPlain
                aliases.append(target)
                owner = _POINTER | data
            elif not (
                rdtype == _RRSIG
                and dnssec_ok
                and is_complete
                and length >= _RRSIG_LEAST
                and reply[data] << 8 | reply[data + 1] == qtype
            ):
                raise _NotPlain
            self.see_ttl(self.at + 6, ttl, self.limits.ttl)
            self.at = end
        return aliases, is_complete

    def check(self, rdtype: int, data: int, end: int) -> None:
        """Rdata of a type that is known here is what it has to be."""
        if rdtype in _SIZES:
            if end - data != _SIZES[rdtype]:
                raise _NotPlain
        elif rdtype not in _NAME_AT or self.name_at(data + _NAME_AT[rdtype])[1] != end:
            raise _NotPlain

    def denial(self, name: bytes) -> None:
        """Read the SOA of a zone that the name can be in; it must come first (RFC 2308 sections 2 and 5)."""
        owner, at = self.name_at(self.at)
        rdtype, rdclass, ttl, length = _AFTER_OWNER.unpack_from(self.reply, at)
        data = at + _AFTER_OWNER.size
        end = data + length
        if rdtype != _SOA or rdclass != _IN or end > len(self.reply) or not _is_within(name, owner):
            raise _NotPlain
        _, after = self.name_at(data)
        _, after = self.name_at(after)
        if after + _SOA_NUMBERS != end:
            raise _NotPlain
        (minimum,) = _U32.unpack_from(self.reply, end - 4)
        self.see_ttl(at + 4, ttl, min(minimum, *self.limits))
        self.at = end

    def see_ttl(self, place: int, ttl: int, limit: int) -> None:
        ttl = 0 if ttl >= _TTL_SIGN else min(ttl, limit)
        self.ttls.append((place, ttl))
        self.ttl = min(self.ttl, ttl)

    def skip(self) -> int:
        """Pass a record; its type."""
        at = self.at
        while (length := self.reply[at]) and length < 0xC0:
            at += 1 + length
        at += 2 if length else 1
        self.at = at + _AFTER_OWNER.size + (self.reply[at + 8] << 8 | self.reply[at + 9])
        if self.at > len(self.reply):
            raise _NotPlain
        return self.reply[at] << 8 | self.reply[at + 1]

    def extended_error(self, additionals: int) -> int:
        """The info-code in the OPT record (RFC 8914); -1 for none."""
        ede = -1
        for _ in range(additionals):
            before = self.at
            self.skip()
            if self.reply[before : before + 3] != b"\0\0" + bytes([_OPT]):
                continue
            if self.reply[before + 5]:
                raise _NotPlain  # the upper bits of an rcode
            at = before + 11
            while at < self.at:
                code, length = _OPTION.unpack_from(self.reply, at)
                if code == _EDE and length >= 2 and ede < 0:
                    ede = self.reply[at + 4] << 8 | self.reply[at + 5]
                at += _OPTION.size + length
            if at != self.at:
                raise _NotPlain
        return ede

    def name_at(self, at: int) -> tuple[bytes, int]:
        """The name there in lower case without compression, and the place after it.

        Pointers lead to labels that have been read before: then they do so in the copy too, and come to an end.
        """
        reply, labels = self.reply, []
        size, after = 1, -1
        new = []
        while length := reply[at]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | reply[at + 1]
                if target not in self.labels:
                    raise _NotPlain
                if after < 0:
                    after = at + 2
                at = target
                continue
            size += 1 + length
            if length > 63 or size > _NAME_LIMIT:
                raise _NotPlain
            if after < 0:
                new.append(at)
            labels.append(reply[at : at + 1 + length])
            at += 1 + length
        self.labels.update(new)
        return b"".join(labels).lower() + b"\0", at + 1 if after < 0 else after

    def body(self, end: int) -> bytes:
        """What is believed, TTLs as they are to be."""
        body = self.reply[self.start : end]
        if all(self.reply[place : place + 4] == _U32.pack(ttl) for place, ttl in self.ttls):
            return body
        changed = bytearray(body)
        for place, ttl in self.ttls:
            _U32.pack_into(changed, place - self.start, ttl)
        return bytes(changed)


def _is_within(name: bytes, zone: bytes) -> bool:
    """Whether a name is at or below another one; both in lower-case wire format."""
    at = 0
    while len(name) - at > len(zone):
        at += 1 + name[at]
    return name[at:] == zone
