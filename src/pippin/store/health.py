"""The health table: one small mapped file that says which targets of policies are available just now.

One process writes it (the checker), everybody else maps it read-only. A row for each target, 16 octets:

    0  available     1 it may be answered with, 0 not. All that drawing an answer looks at: one octet, one load
    1  checked       what checks found: UNKNOWN, UP, DOWN
    2  override      what an operator wants: NO_OVERRIDE, FORCED_UP, FORCED_DOWN, DRAINED; drawing looks at it where
                     nothing is available, for it then takes what checks found down, but not what is down by hand
    3  reserved
    4  load          32 bits, thousandths of the target's capacity in use; LOAD_UNKNOWN
    8  since         64 bits, Unix time in ms when `available` last changed

`available` is made of the two after it: an override decides, else the check, and what nobody has checked yet counts
as available. Which row is whose is not written here; the control process tells everybody.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from pathlib import Path
from struct import Struct
from typing import NamedTuple

ROW_SIZE = 16
ROWS_LIMIT = 1 << 16
"""Targets of one server: a mebibyte of table."""

UNKNOWN, UP, DOWN = range(3)
NO_OVERRIDE, FORCED_UP, FORCED_DOWN, DRAINED = range(4)
LOAD_UNKNOWN = 0xFFFFFFFF

_AVAILABLE, _CHECKED, _OVERRIDE = 0, 1, 2
_ROW = Struct("<BBBxIQ")


class HealthError(Exception):
    """The file is no health table, or another process writes it."""


class HealthRow(NamedTuple):
    """What the table says about one target."""

    available: bool
    checked: int
    override: int
    load: int
    since: int


class HealthTable:
    """A mapped table; `create` or `open` it. `memory` is for those that read single octets of it."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory
        self._octets = memoryview(memory)
        self._loads = self._octets.cast("I")
        self._times = self._octets.cast("Q")

    @classmethod
    def create(cls, path: str | Path, rows: int) -> HealthTable:
        """A new table, writable, everything unknown. FileExistsError if the file is there; OSError without room."""
        if rows > ROWS_LIMIT:
            raise HealthError(f"{path}: {rows:,} targets, at most {ROWS_LIMIT:,} are possible")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            # Room is taken now: a full disk has to be an error here, not a SIGBUS at the first flip.
            os.posix_fallocate(fd, 0, max(rows, 1) * ROW_SIZE)  # an empty file cannot be mapped
            row = _ROW.pack(1, UNKNOWN, NO_OVERRIDE, LOAD_UNKNOWN, 0)
            os.pwrite(fd, row * max(rows, 1), 0)
            return cls._map(fd, path, writable=True)
        finally:
            os.close(fd)

    @classmethod
    def open(cls, path: str | Path, *, writable: bool = False) -> HealthTable:
        """A table that is there. Raises `HealthError`, OSError."""
        fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        try:
            return cls._map(fd, path, writable)
        finally:
            os.close(fd)

    @classmethod
    def _map(cls, fd: int, path: str | Path, writable: bool) -> HealthTable:
        size = os.fstat(fd).st_size
        if not size or size % ROW_SIZE or size > ROWS_LIMIT * ROW_SIZE:
            raise HealthError(f"{path} is not a health table")
        if writable:
            try:  # held by the map, which keeps the open file; it ends with its process at the latest
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK:
                    raise
                raise HealthError(f"{path}: another process writes it") from None
        return cls(mmap.mmap(fd, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ))

    def __len__(self) -> int:
        """Rows; a table made for none has one that means nothing."""
        return len(self._octets) // ROW_SIZE

    def row(self, row: int) -> HealthRow:
        available, checked, override, load, since = _ROW.unpack_from(self._octets, row * ROW_SIZE)
        return HealthRow(bool(available), checked, override, load, since)

    def set_checked(self, row: int, up: bool | None, now_ms: int) -> bool:
        """What checks found; None: unknown again. True if the target became available, or ceased to be."""
        self._octets[row * ROW_SIZE + _CHECKED] = UNKNOWN if up is None else UP if up else DOWN
        return self._decide(row, now_ms)

    def set_override(self, row: int, override: int, now_ms: int) -> bool:
        """What an operator wants; True if the target became available, or ceased to be."""
        self._octets[row * ROW_SIZE + _OVERRIDE] = override
        return self._decide(row, now_ms)

    def set_load(self, row: int, permille: int | None) -> None:
        """Thousandths of the capacity in use, None if that is not known. More than four million is four million."""
        known = LOAD_UNKNOWN if permille is None else max(0, min(permille, LOAD_UNKNOWN - 1))
        self._loads[row * ROW_SIZE // 4 + 1] = known

    def restore(self, row: int, known: HealthRow) -> None:
        """What another table said about this target, as if it had been found out here."""
        _ROW.pack_into(self._octets, row * ROW_SIZE, *known)

    def close(self) -> None:
        """Unmap the table; nobody may look at `memory` any more."""
        self._loads.release()
        self._times.release()
        self._octets.release()
        self.memory.close()

    def _decide(self, row: int, now_ms: int) -> bool:
        start = row * ROW_SIZE
        override = self._octets[start + _OVERRIDE]
        checked = self._octets[start + _CHECKED]
        available = checked != DOWN if override == NO_OVERRIDE else override == FORCED_UP
        if available == bool(self._octets[start + _AVAILABLE]):
            return False
        self._times[start // 8 + 1] = now_ms
        self._octets[start + _AVAILABLE] = available
        return True
