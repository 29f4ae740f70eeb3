"""Fields of a hash to a record stream: lines checked for what could make two of one, and scanned.

A Redis holds anything. What stands in one line of a value must not reach into the next, so every line is known to be
one record before the scanner sees it. What is wrong is reported with hash, field, line of the value and reason.
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
from pippin.source.redis.layout import NO_NS, NOTE, PLAIN, problem_of
from pippin.zone.problem import Problem

VALUE_LIMIT = 1 << 20
"""Octets of one value; the records of a name that fit into messages never need as many."""

_LINE = re.compile(
    rb"[0-9]+[ \t]+(?:[Ii][Nn][ \t]+)?(?!(?:[Ii][Nn]|[Cc][Hh]|[Hh][Ss])[ \t])[A-Za-z][A-Za-z0-9-]*[ \t]"
    rb'(?:[\t !#-\'*-:<-\[\]-~]++|\\[0-9]{3}|\\[!-/:-~]|"(?:[^"\\\x00-\x1f]++|\\[ -~])*+")++'
)  # possessive: what has matched is not tried in other ways
"""A line that is one record, whatever it says: TTL and type are there, nothing special outside quotes, all closed."""
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_UNQUOTED_SPECIAL = re.compile(rb'"(?:[^"\\]|\\.)*"|\\.|(?P<special>[^\t !#-\'*-:<-\[\]-~])', re.DOTALL)
_HEAD = re.compile(rb"[0-9]+[ \t]+(?:[Ii][Nn][ \t]+)?[A-Za-z][A-Za-z0-9-]*(?P<rest>[ \t]+[^ \t].*)?", re.DOTALL)
_AS_IN = "a line is TTL, type and data, as in: 300 A 192.0.2.1"
_TTL = re.compile(rb"[0-9]+(?:[ \t]|$)")
_CLASS = re.compile(rb"[0-9]+[ \t]+(?:[Ii][Nn][ \t]+)?(?:[Ii][Nn]|[Cc][Hh]|[Hh][Ss])[ \t]", re.DOTALL)


class Fields:
    """The fields of one zone, or some of them. `add` them, then `loaded`."""

    def __init__(self, place: str, origin: bytes, version: str = "") -> None:
        """`place` is what to call the hash; `origin` is in wire format."""
        self._place = place
        self._origin = origin
        self._version = version
        self._fields: list[bytes] = []
        self._starts: list[int] = []
        self._lines: list[bytes] = []
        self._problems: list[Problem] = []
        self._unreadable: list[tuple[bytes, bytes]] = []
        self._has_no_ns = False

    def add(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        is_plain, is_record, lines = PLAIN.fullmatch, _LINE.fullmatch, self._lines
        for field, value in fields:
            if is_plain(field) is None and not self._is_name(field):
                continue
            if not value:
                continue
            self._fields.append(field)
            self._starts.append(len(lines))
            if len(value) <= VALUE_LIMIT and is_record(value) is not None:
                lines.append(field + b"\t" + value)
            else:
                self._take(field, value)

    def _is_name(self, field: bytes) -> bool:
        if field[:1] == NOTE:
            self._has_no_ns |= field == NO_NS
            return False
        if problem := problem_of(field):
            self._wrong(field, 0, problem)
        return not problem

    def _take(self, field: bytes, value: bytes) -> None:
        if len(value) > VALUE_LIMIT:
            self._wrong(field, 0, f"the value has {len(value):,} octets, more than {VALUE_LIMIT:,}")
            return
        for number, line in enumerate(value.split(b"\n"), 1):
            text = line.strip(b" \t\r")
            if _LINE.fullmatch(text) is not None:
                self._lines.append(field + b"\t" + text)
                continue
            self._lines.append(b"")  # so that lines keep their numbers
            if text:
                self._wrong(field, number, _reason(text), text)

    def _wrong(self, field: bytes, line: int, message: str, text: bytes = b"") -> None:
        self._problems.append(Problem(self._place_of(field), line, 0, message))
        self._unreadable.append((field, text))

    def loaded(self) -> Loaded:
        """The records there are, and everything that is wrong. May be called once."""
        scanner = Scanner(MasterFile(self._place, Dependency(self._place, 0, 0)), self._origin)
        scanner.scan(b"\n".join(self._lines))
        for _, line, column, message in scanner.errors():
            self._problems.append(self._located(Problem("", line, column, message)))
            self._unreadable.append(self._field_and_text(line))
        problems = self._problems
        left_out = len(problems) - MAX_ERRORS + scanner.unreported()
        if left_out > 0:
            problems = [*problems[:MAX_ERRORS], Problem(self._place, 0, 0, f"{left_out} more errors are not shown")]
        return Loaded(
            self._origin,
            scanner.take(),
            (self._place,),
            (),
            tuple(problems),
            is_master_file=not self._has_no_ns,
            version=self._version,
            locate=self._located,
        )

    def unreadable(self) -> list[tuple[bytes, bytes, Problem]]:
        """After `loaded`: the field and the line of each problem, as far as there is one."""
        return [(*what, problem) for what, problem in zip(self._unreadable, self._problems, strict=True)]

    def _located(self, problem: Problem) -> Problem:
        """A problem with the line of the text that was scanned, with the place in Redis instead."""
        if not problem.line:
            return replace(problem, file=self._place)
        index = bisect_right(self._starts, problem.line - 1) - 1
        field = self._fields[index]
        line, column = problem.line - self._starts[index], max(0, problem.column - len(field) - 1)
        return replace(problem, file=self._place_of(field), line=line, column=column)

    def _field_and_text(self, line: int) -> tuple[bytes, bytes]:
        field = self._fields[bisect_right(self._starts, line - 1) - 1]
        return field, self._lines[line - 1][len(field) + 1 :]

    def _place_of(self, field: bytes) -> str:
        return f"{self._place} {shown(field)}"


def _reason(text: bytes) -> str:
    """Why a line is not one record."""
    if _CONTROL.search(text):
        return f"'{shown(text)}' has a control character in it; write it as \\DDD"
    if _TTL.match(text) is None:
        return f"'{shown(text)}' does not begin with a TTL in seconds; {_AS_IN}"
    if _CLASS.match(text):
        return f"'{shown(text)}' has a class; {_AS_IN}"
    head = _HEAD.fullmatch(text)
    if head is None:
        return f"'{shown(text)}' has no type after its TTL; {_AS_IN}"
    if not head["rest"]:
        return f"'{shown(text)}' has no data after its type"
    special = next((found["special"] for found in _UNQUOTED_SPECIAL.finditer(text) if found["special"]), None)
    if special == b'"':
        return f"'{shown(text)}' has a quote that is never closed"
    if special == b"\\":
        return f"'{shown(text)}' ends in the middle of an escape"
    if special is not None:
        return f"'{shown(text)}' has a '{shown(special)}' outside quotes; write it as \\DDD, or text in quotes"
    return f"'{shown(text)}' has an escape that is none; after a backslash come a character or three digits"
