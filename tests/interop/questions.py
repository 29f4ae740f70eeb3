"""Which questions a zone is asked in comparisons, and what of a reply is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.zone

TYPES = (
    *("A", "AAAA", "NS", "SOA", "CNAME", "DNAME", "MX", "TXT", "SRV", "HTTPS"),
    *("DS", "NSEC", "ANY", "TYPE65400"),
)
MISSING_LABELS = (b"0-missing", b"zz-missing", b"*")
TEXT_SHOWN = 80
HASHED_NAMES_ASKED = 3  # owner names of NSEC3 records are all alike


@dataclass(frozen=True, order=True)
class Question:
    """One name, absolute, and one type."""

    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType

    def __str__(self) -> str:
        return f"{self.name} {dns.rdatatype.to_text(self.rdtype)}"


def names(zone: dns.zone.Zone) -> list[dns.name.Name]:
    """Every owner, every empty non-terminal, and names that don't exist below and beside each of them."""
    origin = zone.origin
    assert origin is not None
    found: set[dns.name.Name] = set()
    hashed = 0
    for owner, node in zone.nodes.items():
        if any(rdataset.rdtype == dns.rdatatype.NSEC3 for rdataset in node):
            hashed += 1
            if hashed > HASHED_NAMES_ASKED:
                continue
        name = owner.derelativize(origin)
        while name.is_subdomain(origin):
            found.add(name)
            name = name.parent()
    for name in tuple(found):
        for label in MISSING_LABELS:
            if len(name.to_wire()) < 200:
                found.add(dns.name.Name((label, *name.labels)))
    found.add(dns.name.Name((b"a", b"b", b"c", *origin.labels)))
    return sorted(found)


def questions(zone: dns.zone.Zone, types: tuple[str, ...] = TYPES) -> Iterator[Question]:
    """Names times types."""
    for name in names(zone):
        for rdtype in types:
            yield Question(name, dns.rdatatype.from_text(rdtype))


Records = frozenset[tuple[dns.name.Name, dns.rdatatype.RdataType, int, bytes]]
"""A section as a set: (owner, type, TTL, rdata with names in lower case)."""


@dataclass(frozen=True)
class Meaning:
    """What a reply says, without what is free to differ (ids, order, name case, compression)."""

    rcode: dns.rcode.Rcode
    authoritative: bool
    answer: Records
    authority: Records
    additional: Records

    def besides(self, other: Meaning) -> str:
        """This reply's header, and what its sections have that the other's don't."""
        lines = [f"{dns.rcode.to_text(self.rcode)}{' AA' if self.authoritative else ''}"]
        for title in ("answer", "authority", "additional"):
            lines += [f"  {title}: {line}" for line in texts(getattr(self, title) - getattr(other, title))]
        return "\n".join(lines)


def texts(records: Records) -> list[str]:
    """Records readable and in order, RRset by RRset."""
    ordered = sorted((name, rdtype, ttl, data) for name, rdtype, ttl, data in records)
    result = []
    for (name, rdtype, ttl), group in groupby(ordered, key=lambda record: record[:3]):
        rdatas = [dns.rdata.from_wire(1, rdtype, data, 0, len(data)).to_text() for *_, data in group]
        result += [f"{name} {ttl} {dns.rdatatype.to_text(rdtype)} {text[:TEXT_SHOWN]}" for text in rdatas]
    return result


def records(section: list[dns.rrset.RRset]) -> Records:
    """A section as a set."""
    return frozenset(
        (rrset.name.canonicalize(), rrset.rdtype, rrset.ttl, rdata.to_digestable())
        for rrset in section
        for rdata in rrset
    )


def meaning(reply: dns.message.Message) -> Meaning:
    """What a reply says."""
    return Meaning(
        reply.rcode(),
        bool(reply.flags & dns.flags.AA),
        records(reply.answer),
        records(reply.authority),
        records(reply.additional),
    )
