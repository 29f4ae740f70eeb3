"""RFC 1035 master files: `engine.scan` reads them; here is what it asks for: rare record types, and more files."""

from __future__ import annotations

import os

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from pippin.engine.generate import shown
from pippin.engine.scan import MAX_COUNTED, Host, Scanner
from pippin.engine.words import type_table
from pippin.source.loaded import Dependency, Loaded
from pippin.source.reading import read_file, reason
from pippin.zone.problem import Problem, Severity

MAX_INCLUDES = 10_000
"""Files one zone may include, each as often as it does: `engine.scan` bounds the depth, and this the breadth."""

MAX_PATH = 4096
"""Characters of a path that a message shows: all that Linux allows."""

WITHOUT_NS = b"; a zone without NS records"
"""How the export of a CSV zone begins that has none, so that it can be read again. Any other master file without
NS records is refused: there they have been forgotten."""

FILE_ENDINGS = (".zone", ".db", ".txt", ".signed", ".csv")

TYPES = {dns.rdatatype.to_text(number): int(number) for number in dns.rdatatype.RdataType if number}
TYPE_TABLE = type_table(TYPES)


class MasterFile(Host):
    """The files of one zone, and dnspython's knowledge of record types."""

    types = TYPES
    table = TYPE_TABLE

    def __init__(self, path: str, dependency: Dependency) -> None:
        self.files = [path]
        self.dependencies = [dependency]
        self._parents = [-1]

    def rare(self, rdtype: int, text: str, origin: bytes) -> bytes:
        try:
            rdata = dns.rdata.from_text(
                dns.rdataclass.IN,
                dns.rdatatype.RdataType.make(rdtype),
                text,
                dns.name.from_wire(origin, 0)[0] if origin else None,
                relativize=False,
            )
            return wire_of(rdata)
        except dns.exception.DNSException as error:
            raise ValueError(str(error)) from None

    def generic(self, rdtype: int, wire: bytes) -> bytes:
        try:
            rdata = dns.rdata.from_wire(
                dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), wire, 0, len(wire)
            )
            return wire_of(rdata)
        except dns.exception.DNSException as error:
            raise ValueError(str(error) or type(error).__name__) from None

    def include(self, path: str, file: int) -> tuple[int, bytes]:
        """A relative path starts at the folder of the including file, so that a zone's files can move together."""
        found = os.path.join(os.path.dirname(self.files[file]), path)
        if len(self.files) > MAX_INCLUDES:
            raise ValueError(f"the zone includes more than {MAX_INCLUDES} files")
        parent = file
        while parent >= 0:
            if self.files[parent] == found:
                raise ValueError(
                    f"'{shown(os.fsencode(found), MAX_PATH)}' includes itself; remove one of the $INCLUDE lines"
                )
            parent = self._parents[parent]
        try:
            text, dependency = read_file(found)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            if isinstance(error, OSError):
                self.dependencies.append(Dependency(found, 0, 0))  # so that its appearing is noticed
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise ValueError(f"'{shown(os.fsencode(found), MAX_PATH)}' is not included: {why}") from None
        if dependency not in self.dependencies:
            self.dependencies.append(dependency)
        self.files.append(found)
        self._parents.append(file)
        return len(self.files) - 1, text


def wire_of(rdata: dns.rdata.Rdata) -> bytes:
    """Uncompressed wire format."""
    wire = rdata.to_wire()
    assert wire is not None  # only None when written to a file object
    return wire


def load(path: str, origin: bytes | None = None) -> Loaded:
    """Read a master file. The zone is `origin` (wire format), or what the file says, or what its name says.

    The file says it with the owner of its SOA record; where that or another relative name needs an origin first, it
    is the first $ORIGIN, else the file name.
    """
    fallback = name_from_path(path)
    try:
        text, dependency = read_file(path)
    except OSError as error:
        return Loaded(origin or fallback, b"", (path,), (), (Problem(path, 0, 0, reason(error)),))
    host = MasterFile(path, dependency)
    scanner = Scanner(host, origin or b"", fallback)
    scanner.scan(text)
    problems = problems_of(scanner, host.files)
    zone = scanner.zone() or fallback
    if not zone:
        problems.append(Problem(path, 0, 0, "the zone's name is not known; write $ORIGIN on top of the file"))
    elif origin is None and fallback and zone != fallback and zone.endswith(fallback):
        twice = dns.name.from_wire(zone, 0)[0]
        if zone == fallback[:-1] + fallback:
            message = (
                f"the zone is named {twice}, its own name twice over; the SOA owner may lack its last dot"
            )
            problems.append(Problem(path, 0, 0, message, Severity.WARNING))
    return Loaded(
        zone.lower(),
        scanner.take(),
        tuple(host.files),
        tuple(host.dependencies),
        tuple(problems),
        is_master_file=not text.startswith(WITHOUT_NS),
    )


def problems_of(scanner: Scanner, files: list[str]) -> list[Problem]:
    """What a scanner found wrong, with the names of the files."""
    problems = [
        Problem(files[file], line, column, message) for file, line, column, message in scanner.errors()
    ]
    unreported = scanner.unreported()
    if unreported:
        message = f"{unreported} more errors are not shown"
        if unreported >= MAX_COUNTED:
            message += ", and the text after them was not read"
        problems.append(Problem(files[0], 0, 0, message))
    return problems


def name_from_path(path: str) -> bytes:
    """The zone a file name stands for: `example.com.zone`, `example.com` and `db.example.com`; b"" if none."""
    name = os.path.basename(path)
    stem, ending = os.path.splitext(name)
    if ending in FILE_ENDINGS:
        name, ending = stem, os.path.splitext(stem)[1]
        if ending in FILE_ENDINGS:  # example.com.zone.signed
            name = os.path.splitext(name)[0]
    name = name.removeprefix("db.")
    try:
        return dns.name.from_text(name, dns.name.root).canonicalize().to_wire() or b""
    except dns.exception.DNSException:
        return b""
