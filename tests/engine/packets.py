"""Packets for tests of the path: queries byte for byte, and a responder with a few zones."""

from __future__ import annotations

import struct

import dns.name
import dns.rdatatype

from tests.zone.images import SEED, compile_text

NOW = 1_800_000_000

ZONE = """
@ SOA ns host 7 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::2
*.wild TXT "wild"
alias CNAME www
far CNAME www.other.
tree DNAME www
sub NS ns.sub
sub NS a.very.long.name.for.a.server.sub
ns.sub A 192.0.2.3
a.very.long.name.for.a.server.sub AAAA 2001:db8::3
""" + "\n".join(f'big TXT "{i:02}{"x" * 98}"' for i in range(20))


def wire(name):
    return dns.name.from_text(name).to_wire()


def opt(options=b"", size=1232, version=0, flags=0):
    return struct.pack("!BHHBBHH", 0, 41, size, 0, version, flags, len(options)) + options


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def query(name="www.example.", rdtype="A", edns=b"", *, id=0xABCD, flags=0x0100, rdclass=1, counts=None):  # noqa: A002
    """One question; `edns` is a whole OPT record (`opt`), or nothing."""
    counts = counts or (1, 0, 0, 1 if edns else 0)
    question = wire(name) + struct.pack("!HH", dns.rdatatype.from_text(rdtype), rdclass)
    return struct.pack("!HH4H", id, flags, *counts) + question + edns


def responder(path, *zones, counters=None, **options):
    """A Responder that serves `ZONE` as example., or the (origin, text) pairs given."""
    made = path.Responder(path.Options(seed=SEED, **options), counters)
    memory, bases = bytearray(), []
    for origin, text in zones or (("example.", ZONE),):
        image, findings = compile_text(text.strip(), origin)
        assert not findings
        bases.append(len(memory))
        memory += image + bytes(-len(image) % 8)
    made.map(bytes(memory))
    for base in bases:
        made.place(base)
    return made
