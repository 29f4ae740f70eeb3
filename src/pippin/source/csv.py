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

Rows become lines of a master file, for the scanner to read, and its errors are put back into the CSV. What is wrong
with records among each other is for the compiler to find, but CNAME loops, which only a CSV is refused for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import dns.exception
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
BATCH = 10_000
"""Rows handed to the scanner in one piece."""

_SHORT_ROW = re.compile(r'([^\s;,()"\\$#][^\s;,()"\\]*),([^\s;,()"\\]+)\r?')
"""The rows that nearly every file is made of. `_fields` finds the same in them, and takes longer."""
_NOT_IN_NAMES = re.compile(r'(?<!\\)[\s;()"]')
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9./]+")
_TEXT_TYPES = frozenset({"TXT", "SPF"})


class Field(NamedTuple):
    """One field of a row, and the column it begins at."""

    text: str
    column: int


def load(path: str, origin: bytes | None = None) -> Loaded:
    """Read a CSV zone. With `origin`, its first row must be of that zone."""
    try:
        text, dependency = read_file(path)
    except OSError as error:
        problem = Problem(path, 0, 0, reason(error))
        return Loaded(origin or b"", b"", (path,), (), (problem,), is_master_file=False)
    reader = _Reader(path, Scanner(MasterFile(path, dependency), ROOT))
    reader.read(text)
    problems = reader.problems + problems_of(reader.scanner, [path])
    problems.sort(key=lambda problem: (problem.line == 0, problem.line, problem.column))
    records = reader.scanner.take()
    zone = record_at(records, 0).owner.lower() if reader.has_soa else origin or reader.zone_as_written()
    if origin is not None and zone != origin:
        name, given = (dns.name.from_wire(wire, 0)[0] for wire in (zone, origin))
        problems.append(
            Problem(path, 1, 1, f"the file is the zone {name}, but it is given as the zone {given}")
        )
    return Loaded(zone, records, (path,), (dependency,), tuple(problems), is_master_file=False)


class _Reader:
    """One pass over the rows."""

    def __init__(self, path: str, scanner: Scanner) -> None:
        self.path = path
        self.scanner = scanner
        self.problems: list[Problem] = []
        self.has_soa = False
        self._zone = ""
        self._errors = scanner.errors()
        self._batch: list[str] = []
        self._batch_line = 1
        self._aliases: dict[str, tuple[str, int, int]] = {}

    def read(self, text: bytes) -> None:
        lines = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
        first = next((i for i, line in enumerate(lines) if not _is_empty(line)), None)
        if first is None:
            self._wrong(
                0,
                0,
                "the file is empty; its first row is zone,mname rname serial refresh retry expire minimum",
            )
            return
        self._soa_row(first + 1, self._fields(first + 1, lines[first].rstrip()))
        self._rows(lines, first + 1)
        self._find_loops()

    def zone_as_written(self) -> bytes:
        """The zone of an SOA row that is wrong elsewhere; b"" if it is wrong here."""
        try:
            return dns.name.from_text(self._zone, dns.name.root).canonicalize().to_wire() or b""
        except dns.exception.DNSException:
            return b""

    def _soa_row(self, line: int, fields: Sequence[Field]) -> None:
        wanted = "the first row is zone,mname rname serial refresh retry expire minimum"
        if len(fields) > 2:
            self._wrong(line, fields[2].column, f"the row has {len(fields)} fields; {wanted}")
        elif fields and self._is_name(line, fields[0]):
            self._zone = fields[0].text
            values = fields[1].text.split()
            if len(values) != 7:
                self._wrong(line, fields[1].column, f"the SOA has {len(values)} values; {wanted}")
            elif "@" in values[1]:
                rather = _shown(values[1].replace("@", "."))
                self._wrong(
                    line, fields[1].column, f"the mailbox is written with a dot for the @; write '{rather}'"
                )
            else:
                self.has_soa = self._scan(line, fields[0], " IN SOA ", fields[1])
        if not self.has_soa:
            self.scanner.use_default_ttl(FALLBACK_TTL)

    def _rows(self, lines: list[str], start: int) -> None:
        batch = self._batch
        self._batch_line = start + 1
        for i in range(start, len(lines)):
            if short := _SHORT_ROW.fullmatch(lines[i]):
                name, content = short[1], short[2]
                kind = _kind_of(content)
                batch.append(f"{name} IN {kind} {content}")
                if kind == "CNAME":
                    self._remember(name, content, i + 1, short.start(2) + 1)
                if len(batch) < BATCH:
                    continue
            elif _is_empty(lines[i]):
                batch.append("")  # so that the lines of the batch are those of the file
                continue
            self._flush()
            self._batch_line = i + 2
            if not short:
                fields = self._fields(i + 1, lines[i].rstrip())
                if fields:
                    self._row(i + 1, fields)
        self._flush()

    def _flush(self) -> None:
        """Scan the batch. What comes after the name is further to the left in the CSV."""
        known = len(self._errors)
        self.scanner.scan("\n".join(self._batch).encode("utf-8", "surrogateescape"), 0, self._batch_line)
        for i in range(known, len(self._errors)):
            file, line, column, message = self._errors[i]
            name, kind, _ = re.split(" IN | ", self._batch[line - self._batch_line], maxsplit=2)
            if column > len(name):
                column -= len(f" IN {kind} ") - len(",")
            self._errors[i] = (file, line, column, message)
        self._batch.clear()

    def _row(self, line: int, fields: Sequence[Field]) -> None:
        """A row that is not as plain as most."""
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
            self._scan(line, name, " ", fields[2], " IN ", fields[1], " ", content)
        else:
            kind = _kind_of(content.text)
            if kind == "CNAME" and not self._is_word(line, content, "name"):
                return
            self._scan(line, name, f" IN {kind} ", content)
        if kind == "CNAME":
            self._remember(name.text, content.text, line, content.column)

    def _scan(self, line: int, *parts: Field | str) -> bool:
        """Scan the parts as one record. Its errors move to the columns the parts have in the CSV."""
        known = len(self._errors)
        unreported = self.scanner.unreported()
        text = "".join([part.text if isinstance(part, Field) else part for part in parts])
        # A name that begins with $ would be a directive.
        self.scanner.scan(
            (("\\" if text[0] == "$" else "") + text).encode("utf-8", "surrogateescape"), 0, line
        )
        places: list[tuple[int, int]] = []
        start = 1
        for part in parts:
            if isinstance(part, Field):
                places.append((start, part.column))
                start += len(part.text)
            else:
                start += len(part)
        for i in range(known, len(self._errors)):
            file, at, column, message = self._errors[i]
            begin, place = max((p for p in places if p[0] <= column), default=places[0])
            self._errors[i] = (file, at, place + max(0, column - begin), message)
        return len(self._errors) == known and self.scanner.unreported() == unreported

    def _remember(self, name: str, target: str, line: int, column: int) -> None:
        self._aliases.setdefault(_key(name), (_key(target), line, column))

    def _find_loops(self) -> None:
        """Each CNAME chain that comes back to where it was is an error, at the first of its rows."""
        aliases = self._aliases
        done: set[str] = set()
        for start in aliases:
            chain: dict[str, None] = {}
            name = start
            while name in aliases and name not in done and name not in chain:
                chain[name] = None
                name = aliases[name][0]
            if name in chain:
                loop = list(chain)
                loop = loop[loop.index(name) :]
                first = min(range(len(loop)), key=lambda i: aliases[loop[i]][1])
                loop = loop[first:] + loop[: first + 1]
                _, line, column = aliases[loop[0]]
                way = " -> ".join(_shown(name) for name in (loop if len(loop) <= 9 else [*loop[:8], "..."]))
                self._wrong(line, column, f"CNAME loop: {way}; the chain must end at a name with an address")
            done.update(chain)

    def _fields(self, line: int, row: str) -> list[Field]:
        """name and content, or name, type, TTL and content (which may have commas); [] if that is not so."""
        fields: list[Field] = []
        at = 0
        while at <= len(row):
            end = len(row) if len(fields) == 3 else _field_end(row, at)
            text = row[at:end]
            column = at + len(text) - len(text.lstrip()) + 1
            fields.append(Field(text.strip(), column))
            at = end + 1
        while len(fields) > 2 and not fields[-1].text.strip(","):
            fields.pop()  # spreadsheets fill short rows up with commas
        if len(fields) == 1:
            message = (
                f"'{_shown(fields[0].text)}' has no comma; a row is name,content or name,type,ttl,content"
            )
            self._wrong(line, fields[0].column, message)
            return []
        is_text = len(fields) == 4 and fields[1].text.strip('"').upper() in _TEXT_TYPES
        return [_unquoted(part, is_text and i == 3) for i, part in enumerate(fields)]

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

    def _wrong(self, line: int, column: int, message: str) -> None:
        if len(self.problems) < MAX_ERRORS:
            self.problems.append(Problem(self.path, line, column, message))


def _is_empty(line: str) -> bool:
    text = line.lstrip()
    return not text or text[0] == "#"


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
