"""What every source returns: one zone's records as a stream, where they came from, and what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pippin.zone.problem import Problem


@dataclass(frozen=True, slots=True)
class Dependency:
    """A file that was read, as it was when it was opened: enough to tell later whether it changed."""

    path: str
    size: int
    mtime_ns: int


def _as_it_is(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome of reading one zone. `records` is to be used only if no problem is an error."""

    origin: bytes
    """Absolute, lower-case, uncompressed wire format."""
    records: bytes | bytearray
    """A record stream (`pippin.engine.records`); `Record.file` indexes `files`."""
    files: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    problems: tuple[Problem, ...]
    is_master_file: bool = True
    """False for a CSV, and the export of one: NS records are not expected there, only warned about if missing."""
    version: str = ""
    """For sources without files: equal versions, equal records. Empty: not known."""
    locate: Callable[[Problem], Problem] = _as_it_is
    """Puts the true place into a problem whose line is that of a record: a row of a table, say."""
