"""The CSV of the original Pippin: names and what they point to, without types.

    apple.tree,apple-vm apple.tree.com 2016071114 28800 7200 604800 86400
    aaa.apple.tree,192.168.4.100
    ccc.apple.tree,aaa.apple.tree
    apple.tree,MX,3600,10 mail.apple.tree

The first row is the SOA: the zone, and mname, rname, serial, refresh, retry, expire, minimum. In every other row an
IPv4 address makes an A record, an IPv6 address an AAAA record, anything else a CNAME. The longer form
`name,type,ttl,content` takes every type, its content as in a master file; an empty TTL, like that of the short
form, is the SOA minimum. All names are absolute, with or without the last dot. A field may be quoted as spreadsheets
do it (RFC 4180); blank lines and lines that begin with `#` count for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import dns.name

from pippin.engine.generate import shown
from pippin.engine.records import record_at
from pippin.engine.scan import MAX_ERRORS, Scanner
from pippin.source.loaded import Loaded
from pippin.source.masterfile import MasterFile, problems_of
from pippin.source.reading import read_file, reason
from pippin.zone.problem import Problem

ROOT = b"\0"
FALLBACK_TTL = 3600
"""For the rows under an SOA row that is wrong: the zone is refused, but their own errors are still looked for."""

_NOT_IN_NAMES = re.compile(r'(?<!\\)[\s;()"]')
_SHORT_ROW = re.compile(r'([^\s;,()"\\$#][^\s;,()"\\]*),([^\s;,()"\\]+)\r?')
"""The rows that nearly every file is made of. `_fields` finds the same in them, and takes longer."""
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9./]+")
_TEXT_TYPES = frozenset({"TXT", "SPF"})


class Field(NamedTuple):
    """One field of a row, and the column it begins at."""

    text: str
    column: int


@dataclass(slots=True)
class _Aliases:
    """Who is an alias and who isn't, to find CNAMEs that loop or have company."""

    targets: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


def load(path: str, origin: bytes | None = None) -> Loaded:
    """Read a CSV zone. With `origin`, its first row must be of that zone."""
    try:
        text, dependency = read_file(path)
    except OSError as error:
        problem = Problem(path, 0, 0, reason(error))
        return Loaded(origin or b"", b"", (path,), (), (problem,), is_master_file=False)
    host = MasterFile(path, dependency)
    reader = _Reader(path, Scanner(host, ROOT))
    reader.read(text)
    problems = reader.problems + problems_of(reader.scanner, [path])
    problems.sort(key=lambda problem: (problem.line == 0, problem.line, problem.column))
    records = reader.scanner.take()
    zone = record_at(records, 0).owner.lower() if reader.has_soa else origin or b""
    if origin is not None and zone != origin:
        name, given = (dns.name.from_wire(wire, 0)[0] for wire in (zone, origin))
        problems.append(
            Problem(path, 1, 1, f"the file is the zone {name}, but it is given as the zone {given}")
        )
    return Loaded(zone, records, (path,), (dependency,), tuple(problems), is_master_file=False)


class _Reader:
    """Turns rows into lines of a master file, for the scanner to read, and puts its errors back into the CSV."""

    def __init__(self, path: str, scanner: Scanner) -> None:
        self.path = path
        self.scanner = scanner
        self.has_soa = False
        self.problems: list[Problem] = []
        self._errors = scanner.errors()
        self._aliases = _Aliases()
        self._zone_text = ""

    def read(self, text: bytes) -> None:
        first = True
        lines = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
        for number, line in enumerate(lines, 1):
            if short := _SHORT_ROW.fullmatch(line) if not first else None:
                fields = [Field(short[1], 1), Field(short[2], short.start(2) + 1)]
            else:
                row = line.rstrip()
                if not row or row.lstrip().startswith("#"):
                    continue
                fields = self._fields(number, row)
            if first:
                first = False
                self._soa_row(number, fields)
            elif fields:
                self._row(number, fields)
        if first:
            self._wrong(
                0,
                0,
                "the file is empty; its first row is zone,mname rname serial refresh retry expire minimum",
            )
        self._find_loops()

    def _soa_row(self, line: int, fields: list[Field]) -> None:
        wanted = "the first row is zone,mname rname serial refresh retry expire minimum"
        self._zone_text = _key(fields[0].text) if fields else ""
        if len(fields) > 2:
            self._wrong(line, fields[2].column, f"the row has {len(fields)} fields; {wanted}")
        elif fields and self._is_name(line, fields[0]):
            values = fields[1].text.split()
            if len(values) != 7:
                self._wrong(line, fields[1].column, f"the SOA has {len(values)} values; {wanted}")
            elif "@" in values[1]:
                rather = values[1].replace("@", ".")
                self._wrong(
                    line, fields[1].column, f"the mailbox is written with a dot for the @; write '{rather}'"
                )
            else:
                self.has_soa = self._scan(line, fields[0], " IN SOA ", fields[1])
        if not self.has_soa:
            self.scanner.use_default_ttl(FALLBACK_TTL)

    def _row(self, line: int, fields: list[Field]) -> None:
        name, content = fields[0], fields[-1]
        if len(fields) == 3:
            self._wrong(
                line, fields[2].column, "the row has 3 fields; a row is name,content or name,type,ttl,content"
            )
            return
        if not self._is_name(line, name):
            return
        if not content.text:
            self._wrong(line, content.column, "an address or a target name is missing after the comma")
            return
        if not self._in_zone(name.text):
            message = (
                f"'{_shown(name.text)}' is outside the zone; its names end in '{_shown(self._zone_text)}'"
            )
            self._wrong(line, name.column, message)
        if len(fields) == 4:
            kind, ttl = fields[1].text.upper(), fields[2].text
            if not self._is_word(line, fields[1], "type") or not self._is_word(line, fields[2], "TTL"):
                return
            if ttl and not ttl[0].isdigit():
                self._wrong(
                    line,
                    fields[2].column,
                    f"'{_shown(ttl)}' is not a TTL; it is a number of seconds, or empty",
                )
                return
            written = self._scan(
                line, name, " ", fields[2], f" IN {kind} ", content, kind_at=fields[1].column
            )
        else:
            kind = _kind_of(content.text)
            if kind == "CNAME" and not self._is_name(line, content):
                return
            written = self._scan(line, name, f" IN {kind} ", content)
        if written:
            self._remember(line, name, kind, content)

    def _scan(self, line: int, *parts: Field | str, kind_at: int = 0) -> bool:
        """Scan the parts as one record. Its errors move to the columns the parts have in the CSV."""
        text = "".join([part.text if isinstance(part, Field) else part for part in parts])
        known = len(self._errors) + self.scanner.unreported()
        # A name that begins with $ would be a directive.
        self.scanner.scan(
            (("\\" if text[0] == "$" else "") + text).encode("utf-8", "surrogateescape"), 0, line
        )
        if len(self._errors) + self.scanner.unreported() == known:
            return True
        places: list[tuple[int, int]] = []
        start = 1
        for part in parts:
            if isinstance(part, Field):
                places.append((start, part.column))
                start += len(part.text)
            else:
                if kind_at and part != " ":
                    places.append((start + len(" IN "), kind_at))
                start += len(part)
        for i in range(known, len(self._errors)):
            file, at, column, message = self._errors[i]
            begin, place = max((p for p in places if p[0] <= column), default=places[0])
            self._errors[i] = (file, at, place + max(0, column - begin), message)
        return False

    def _remember(self, line: int, name: Field, kind: str, content: Field) -> None:
        """Note what a CNAME must not have beside it."""
        owner = _key(name.text)
        aliases = self._aliases
        clash = None
        if kind == "CNAME":
            target = _key(content.text)
            if owner in aliases.others or (owner == self._zone_text):
                clash = "has a CNAME beside other data"
            elif aliases.targets.setdefault(owner, (target, line, content.column))[0] != target:
                clash = "has a second CNAME"
        elif kind not in ("RRSIG", "NSEC"):
            aliases.others.add(owner)
            if owner in aliases.targets:
                clash = "has a CNAME beside other data"
        if clash:
            message = f"'{_shown(name.text)}' {clash}; a name with a CNAME has nothing else (RFC 1034 section 3.6.2)"
            self._wrong(line, name.column, message)

    def _find_loops(self) -> None:
        """Each CNAME chain that comes back to where it was is an error, at the first of its rows."""
        targets = self._aliases.targets
        done: set[str] = set()
        for start in targets:
            chain: dict[str, None] = {}
            name = start
            while name in targets and name not in done and name not in chain:
                chain[name] = None
                name = targets[name][0]
            if name in chain:
                loop = list(chain)
                loop = loop[loop.index(name) :]
                first = min(range(len(loop)), key=lambda i: targets[loop[i]][1])
                loop = loop[first:] + loop[: first + 1]
                _, line, column = targets[loop[0]]
                way = " -> ".join(loop if len(loop) <= 9 else [*loop[:8], "..."])
                message = f"CNAME loop: {_shown(way)}; the chain must end at a name with an address"
                self._wrong(line, column, message)
            done.update(chain)

    def _fields(self, line: int, row: str) -> list[Field]:
        """name and content, or name, type, TTL and content (which may have commas); [] if that is not so."""
        fields: list[Field] = []
        at = 0
        while at <= len(row):
            end = _field_end(row, at)
            if len(fields) == 3:
                end = len(row)
            text = row[at:end]
            column = at + len(text) - len(text.lstrip()) + 1
            text = text.strip()
            fields.append(Field(text, column))
            at = end + 1
        while len(fields) > 2 and not fields[-1].text.strip(","):
            fields.pop()  # spreadsheets fill short rows up with commas
        if len(fields) == 1:
            message = (
                f"'{_shown(fields[0].text)}' has no comma; a row is name,content or name,type,ttl,content"
            )
            self._wrong(line, fields[0].column, message)
            return []
        keep = len(fields) == 4 and fields[1].text.strip('"').upper() in _TEXT_TYPES
        return [_unquoted(part, keep and i == 3) for i, part in enumerate(fields)]

    def _is_name(self, line: int, name: Field) -> bool:
        if not name.text:
            self._wrong(
                line, name.column, "a name is missing; a row is name,content or name,type,ttl,content"
            )
            return False
        return self._is_word(line, name, "name")

    def _is_word(self, line: int, word: Field, what: str) -> bool:
        bad = _NOT_IN_NAMES.search(word.text)
        if bad:
            message = f"'{_shown(word.text)}' is not a {what}; it has {bad[0]!r} in it"
            self._wrong(line, word.column + bad.start(), message)
        return bad is None

    def _in_zone(self, name: str) -> bool:
        # Names with escapes are left to the compiler, which compares them as wire.
        key = _key(name)
        return (
            "\\" in key
            or key == self._zone_text
            or key.endswith("." + self._zone_text)
            or not self._zone_text
        )

    def _wrong(self, line: int, column: int, message: str) -> None:
        if len(self.problems) < MAX_ERRORS:
            self.problems.append(Problem(self.path, line, column, message))


def _field_end(row: str, at: int) -> int:
    """Where the field that begins at `at` ends: a comma outside quotes, or the end of the row."""
    start = at
    while start < len(row) and row[start] in " \t":
        start += 1
    if start < len(row) and row[start] == '"':
        quote = row.find('"', start + 1)
        while quote >= 0 and row[quote + 1 : quote + 2] == '"':
            quote = row.find('"', quote + 2)
        start = quote if quote >= 0 else start
    comma = row.find(",", start)
    return comma if comma >= 0 else len(row)


def _unquoted(part: Field, is_text: bool) -> Field:
    """Take spreadsheet quotes off. Text content that is one plain quoted string keeps them: they are the string's."""
    text = part.text
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return part
    inner = text[1:-1]
    if '"' in inner.replace('""', "") or (is_text and '""' not in inner):
        return part
    return Field(inner.replace('""', '"'), part.column + 1)


def _kind_of(content: str) -> str:
    """What the short form means. Digits and dots are never a target: no top-level domain is a number."""
    if _LOOKS_LIKE_IPV4.fullmatch(content):
        return "A"
    return "AAAA" if ":" in content else "CNAME"


def _key(name: str) -> str:
    """A name as it is compared: case-blind, without the last dot."""
    return name.lower().removesuffix(".")


def _shown(text: str) -> str:
    return shown(text.encode("utf-8", "surrogateescape"))
