"""Rows to a record stream: lines as `statements.py` makes them, checked for what could make two of one, and scanned.

A database holds anything. A line break or an open parenthesis in a column must not reach into the next row, so every
line is known to be one record before the scanner sees it. What is wrong is reported with table, row and reason.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace

from pippin.engine.generate import shown
from pippin.engine.scan import MAX_ERRORS, Scanner
from pippin.source.loaded import Dependency, Loaded
from pippin.source.masterfile import MasterFile
from pippin.source.sql.statements import ID_MARK, MARK
from pippin.zone.problem import Problem

ROOT = b"\0"
BATCH = 20_000
"""Rows scanned in one piece."""

SOA_DEFAULTS = ("0", "10800", "3600", "604800", "3600")
"""What PowerDNS fills up an SOA with that lacks its last numbers (serial, refresh, retry, expire, minimum)."""

_PLAIN = bytes(
    byte for byte in range(0x20, 0x7F) if chr(byte) not in '"\\;()@$'
)  # what never needs a look: these have no meaning of their own in a master file
_NAME = re.compile(r'(?:[!#%-\'*-:<-?A-\[\]-~]|\\[0-9]{3}|\\[!-/:-~]|(?P<special>["();@$]))+')
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_LINE = re.compile(
    r'[!#%-\'*-:<-?A-\[\]-~]+\t[0-9]+ IN [A-Za-z0-9-]+\t(?:[ !#-\'*-:<-?A-\[\]-~]|\\[0-9]{3}|\\[!-/:-~]'
    r'|"(?:[^"\\\x00-\x1f]|\\[!-~])*")+ ;[0-9]+'
)  # fmt: skip
"""A line that is one record, whatever it says: nothing special outside quotes, and all quotes closed."""
_UNQUOTED_SPECIAL = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|(?P<special>[^ !#-\'*-:<-~]|(?<!\S)@(?!\S))')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

NOT_RECORDS = {
    "LUA": "LUA records are programs for PowerDNS; write a policy in Python, and disable or delete this row",
    "ALIAS": "ALIAS is a type of PowerDNS alone; write a policy, or A and AAAA records, and disable or delete this row",
}


class Rows:
    """The rows of one zone. `add` them in order, then `loaded`."""

    def __init__(self, database: str, domain: int, origin: bytes, version: str = "") -> None:
        self._database = database
        self._domain = domain
        self._origin = origin
        self._version = version
        self._scanner = Scanner(MasterFile(database, Dependency(database, 0, 0)), ROOT)
        self._texts: list[bytes] = []
        self._first: list[int] = []
        """The line number that each of the texts begins with."""
        self._lines = 0
        self._problems: list[Problem] = []
        self._waiting: list[str] = []

    def add(self, lines: Iterable[str]) -> None:
        """Lines of `statements.py`."""
        self._waiting += lines
        while len(self._waiting) >= BATCH:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            self._scan(batch)

    def add_text(self, text: str, count: int) -> bool:
        """The same, `count` lines joined by line breaks. False: they cannot be told apart, and nothing was added."""
        if text.count("\n") != count - 1:
            return False
        raw = text.encode("utf-8", "surrogateescape")
        if MARK in text or not _is_plain(raw, count):
            self._scan(text.split("\n"))
        else:
            self._scan_text(raw, count)
        return True

    def loaded(self) -> Loaded:
        if self._waiting:
            self._scan(self._waiting)
        problems = self._problems
        left_out = len(problems) - MAX_ERRORS + self._scanner.unreported()
        if left_out > 0:
            del problems[MAX_ERRORS:]
            problems.append(Problem(self._zone_place(), 0, 0, f"{left_out} more errors are not shown"))
        return Loaded(
            self._origin,
            self._scanner.take(),
            (self._database,),
            (),
            tuple(problems),
            version=self._version,
            locate=self._locate,
        )

    def _scan(self, lines: list[str]) -> None:
        for number, line in [(number, line) for number, line in enumerate(lines) if MARK in line]:
            lines[number] = self._examined(line)  # the SOA, nearly always, and nothing else
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        if not _is_plain(text, len(lines)):
            for number, line in enumerate(lines):
                if line and _LINE.fullmatch(line) is None:
                    lines[number] = self._examined(line)
            text = "\n".join(lines).encode("utf-8", "surrogateescape")
        self._scan_text(text, len(lines))

    def _scan_text(self, text: bytes, count: int) -> None:
        """Lines that are one record each."""
        first = self._lines
        self._texts.append(text)
        self._first.append(first)
        self._lines += count
        known = len(self._scanner.errors())
        self._scanner.scan(text, 0, first + 1)
        if wrong := self._scanner.errors()[known:]:
            lines = text.decode("utf-8", "surrogateescape").split("\n")
            for _, line_number, _, message in wrong:
                self._wrong(lines[line_number - 1 - first], message)

    def _examined(self, line: str) -> str:
        """The line, as the scanner may have it; an empty one, and a problem, if it cannot be helped."""
        name, _, rest = line.partition("\t")
        head, _, rest = rest.partition("\t")
        content, _, row = rest.rpartition(ID_MARK)
        ttl, _, kind = head.partition(" IN ")
        try:
            if _WORD.fullmatch(kind) is None or not ttl.lstrip("-").isdigit():
                raise ValueError(f"'{_shown(kind.replace(MARK, ' '))}' is not a record type")
            name = _checked_name(name)
            content = _checked_content(content, kind.upper())
        except ValueError as error:
            self._wrong(line, str(error))
            return ""
        return f"{name}\t{head}\t{content}{ID_MARK}{row}"

    def _wrong(self, line: str, message: str) -> None:
        head = line.partition("\t")[2].partition("\t")[0]
        ttl, _, kind = head.partition(" IN ")
        if ttl.startswith("-"):
            message = f"the TTL is {ttl}; it is a number of seconds from 0 to 2147483647 (RFC 2181 section 8)"
        elif kind and _WORD.fullmatch(kind) is None:
            message = f"'{_shown(kind.replace(MARK, ' '))}' is not a record type"
        message = NOT_RECORDS.get(kind.upper(), message)
        self._problems.append(Problem(f"{self._database} records.id", int(line.rpartition(ID_MARK)[2]), 0, message))

    def _locate(self, problem: Problem) -> Problem:
        """A problem that `zone.check` found, with the row in the place of the line."""
        if not problem.line:
            return replace(problem, file=self._zone_place())
        which = bisect_right(self._first, problem.line - 1) - 1
        text = self._texts[which].split(b"\n")[problem.line - 1 - self._first[which]]
        return replace(problem, file=f"{self._database} records.id", line=int(text.rpartition(b";")[2]), column=0)

    def _zone_place(self) -> str:
        return f"{self._database} domains.id:{self._domain}"


def _is_plain(text: bytes, count: int) -> bool:
    """Two tabs, a semicolon and a line break in each line; and no line that begins without a name."""
    special = text.translate(None, _PLAIN)
    return len(special) == 4 * count - 1 and b"\n\t" not in text and text[:1] != b"\t"


def _checked_name(name: str) -> str:
    """An owner name; what a master file would take for something else gets its backslash."""
    if name in ("", MARK):
        raise ValueError("the name is missing" if name else "the name is empty; that of the root zone is '.'")
    if (match := _NAME.fullmatch(name)) is None:
        raise ValueError(
            f"'{_shown(name.replace(MARK, ' '))}' is not a name; it has characters that are written as \\DDD"
        )
    return name if match["special"] is None else re.sub(r'\\.|["();@$]', _with_backslash, name)


def _with_backslash(found: re.Match[str]) -> str:
    return found[0] if len(found[0]) == 2 else "\\" + found[0]


def _checked_content(content: str, kind: str) -> str:
    text = content.replace(MARK, "").strip()
    if not text:
        raise ValueError("the content is missing")
    if _CONTROL.search(text):
        raise ValueError(f"'{_shown(text)}' has a line break or a control character in it; write it as \\DDD")
    if kind in ("TXT", "SPF") and text[0] != '"':
        raise ValueError(f"the text begins without a quote; write \"{_shown(text)}\" with the quotes")
    special = next((found["special"] for found in _UNQUOTED_SPECIAL.finditer(text) if found["special"]), None)
    if special is not None:
        what = _WORDS.get(special, f"a '{_shown(special)}' outside quotes")
        raise ValueError(f"'{_shown(text)}' has {what}")
    if text.endswith("\\") and not text.endswith("\\\\"):
        raise ValueError(f"'{_shown(text)}' ends in the middle of an escape")
    return _whole_soa(text) if kind == "SOA" else text


_WORDS = {
    '"': "a quote that is never closed",
    "@": "an @ for the zone, as only files may have it; write the name",
}


def _whole_soa(text: str) -> str:
    """Old databases have an @ in the mailbox, and leave out numbers that PowerDNS fills up."""
    fields = text.split()
    if len(fields) < 2:
        raise ValueError(f"'{_shown(text)}' is not an SOA; it begins with the names of a server and of a mailbox")
    fields[1] = fields[1].replace("@", ".")
    return " ".join([*fields, *SOA_DEFAULTS[max(0, len(fields) - 2) :]])


def _shown(text: str) -> str:
    return shown(text.encode("utf-8", "surrogateescape"))
