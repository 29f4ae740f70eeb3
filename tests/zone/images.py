"""Master-file text -> record stream -> compiled zone, by dnspython and the compiler alone."""

from __future__ import annotations

import dns.name
import dns.zonefile

from pippin.engine import records
from pippin.engine.compile import compile_zone
from pippin.zone.zone import Zone

SEED = 0x0123456789ABCDEF


def stream_of(text, origin):
    """The records of `text` in the order written, each with its line (no parentheses, no $INCLUDE)."""
    origin = dns.name.from_text(origin) if isinstance(origin, str) else origin
    stream = bytearray()
    owner = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        if line[0] not in " \t":
            owner = line.split()[0]
        full = line if line[0] not in " \t" else f"{owner} {line}"
        for rrset in dns.zonefile.read_rrsets(
            full, origin=origin, relativize=False, default_ttl=3600, rdclass=None
        ):
            for rdata in rrset:
                records.append(
                    stream, rrset.name.to_wire(), rrset.rdtype, rrset.ttl, rdata.to_wire(), 0, number, 1
                )
    return stream


def compile_text(text, origin):
    """(image, findings) of a zone given as text."""
    origin = dns.name.from_text(origin) if isinstance(origin, str) else origin
    return compile_zone(stream_of(text, origin), origin.canonicalize().to_wire(), SEED)


def compiled(text, origin):
    """The compiled Zone of a text without errors."""
    image, findings = compile_text(text, origin)
    assert [code for code, _ in findings if code != "no-apex-ns"] == []
    return Zone(image)
