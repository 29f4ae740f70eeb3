"""Zone text -> record stream -> compiled zone, by dnspython and the compiler alone."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from pippin.engine import records
from pippin.engine.compile import compile_zone
from pippin.zone.zone import Zone

SEED = 0x0123456789ABCDEF
DEFAULT_TTL = 3600


def parse(text, origin):
    """(line, owner, TTL, rdata) of lines `owner [TTL] [IN] type rdata`; nothing is dropped or checked."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split(None, 1)
        if not fields or fields[0].startswith(";"):
            continue
        owner = dns.name.from_text(fields[0], origin)
        ttl = DEFAULT_TTL
        first, rest = fields[1].split(None, 1)
        if first.isdigit():
            ttl, (first, rest) = int(first), rest.split(None, 1)
        if first == "IN":
            first, rest = rest.split(None, 1)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, first, rest, origin=origin, relativize=False)
        yield number, owner, ttl, rdata


def stream_of(text, origin):
    """The records of `text` in the order written, each with its line, column 1."""
    stream = bytearray()
    for number, owner, ttl, rdata in parse(text, dns.name.from_text(origin)):
        records.append(stream, owner.to_wire(), rdata.rdtype, ttl, rdata.to_wire(), 0, number, 1)
    return stream


def marks_of(marks):
    """Marks (owner, type) given as text, as the compiler takes them."""
    return [
        (dns.name.from_text(owner).canonicalize().to_wire(), int(dns.rdatatype.from_text(rdtype)))
        for owner, rdtype in marks
    ]


def compile_text(text, origin, marks=()):
    """(image, findings) of a zone given as text, and of marks."""
    wire = dns.name.from_text(origin).canonicalize().to_wire()
    return compile_zone(stream_of(text, origin), wire, SEED, b"", marks_of(marks))


def compiled(text, origin, marks=()):
    """The compiled Zone of a text without errors."""
    image, findings = compile_text(text, origin, marks)
    assert [code for code, _ in findings if code != "no-apex-ns"] == []
    return Zone(image)
