"""The records of zones as tests write them: master-file text, with SOA and NS added where they are left out."""

from __future__ import annotations

from copy import copy

import dns.exception
import dns.name
import dns.rdatatype

from pippin.engine import records
from pippin.engine.records import Record
from pippin.engine.scan import Scanner
from pippin.source.loaded import Dependency
from pippin.source.masterfile import MasterFile, problems_of
from pippin.zone.problem import Problem

TTL = 300
"""Of records that are written without one: long enough for caches to show that they cache."""

SOA = f"@ {TTL} SOA ns.invalid. hostmaster.invalid. 1 7200 3600 1209600 60"
NS = f"@ {TTL} NS ns.invalid."
"""For zones that come without: `.invalid` never leads anywhere (RFC 6761 section 6.4)."""

_SERIAL_AT = -20  # in the rdata of a SOA record, five integers stand at the end


class ZoneError(ValueError):
    """Records that no zone can have; the message has a line for each mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ZoneText:
    """One zone that a test builds and changes."""

    def __init__(self, origin: str, text: str = "") -> None:
        self.origin = name_wire(origin)
        self._shown = f"zone {origin}"
        self._records = self._scan(text)
        types_at_apex = {record.type for record in self._records if record.owner.lower() == self.origin}
        if dns.rdatatype.SOA not in types_at_apex:
            self._records = self._scan(SOA) + self._records
        if dns.rdatatype.NS not in types_at_apex:
            self._records += self._scan(NS)

    def copy(self) -> ZoneText:
        """The same records, to be changed without changing these."""
        other = copy(self)
        other._records = list(self._records)
        return other

    def add(self, text: str) -> None:
        """Further lines of the master file."""
        self._records += self._scan(text)
        self._raise_serial()

    def remove(self, owner: str, rdtype: str | None, rdata: str | None) -> int:
        """Remove what a name has of a type; how many records that were."""
        wire = name_wire(owner)
        unwanted: Record | None = None
        if rdata is not None:
            unwanted = self._scan(f"{absolute(owner)} {rdtype} {rdata}")[0]
        number = None if rdtype is None else dns.rdatatype.from_text(rdtype)
        kept = [
            record
            for record in self._records
            if record.owner.lower() != wire
            or number not in (None, record.type)
            or (unwanted is not None and record.rdata != unwanted.rdata)
        ]
        removed = len(self._records) - len(kept)
        self._records = kept
        self._raise_serial()
        return removed

    def stream(self) -> bytearray:
        """The record stream for the compiler."""
        stream = bytearray()
        for record in self._records:
            records.append(
                stream,
                record.owner,
                record.type,
                record.ttl,
                record.rdata,
                record.file,
                record.line,
                record.column,
            )
        return stream

    @property
    def files(self) -> tuple[str, ...]:
        """What the stream's records say that they come from."""
        return (self._shown,)

    def _scan(self, text: str) -> list[Record]:
        host = MasterFile(self._shown, Dependency(self._shown, 0, 0))
        scanner = Scanner(host, self.origin)
        scanner.scan(f"$TTL {TTL}\n".encode())
        scanner.scan(text.encode())
        if problems := problems_of(scanner, host.files):
            raise ZoneError(problems)
        return list(records.iterate(scanner.take()))

    def _raise_serial(self) -> None:
        for index, record in enumerate(self._records):
            if record.type == dns.rdatatype.SOA:
                end = len(record.rdata) + _SERIAL_AT
                serial = int.from_bytes(record.rdata[end : end + 4], "big") + 1 & 0xFFFFFFFF
                rdata = record.rdata[:end] + serial.to_bytes(4, "big") + record.rdata[end + 4 :]
                self._records[index] = record._replace(rdata=rdata)


def name_wire(name: str) -> bytes:
    """Lower-case wire format of a name, with or without its last dot."""
    try:
        wire = dns.name.from_text(name, dns.name.root).canonicalize().to_wire()
    except dns.exception.DNSException as error:
        raise ValueError(f"{name!r} is no domain name: {error}") from error
    assert wire is not None
    return wire


def absolute(name: str) -> str:
    return name.removesuffix(".") + "."
