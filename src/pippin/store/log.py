"""The log of a store: which image was placed where, which zone removed, in order.

Header (64 bytes):  magic "PIPLOG1\\0" | end: 64 bits, the offset after the last valid entry | boot id, 16 bytes
Entry:  length, 16 bits | operation, 8 bits | 0 | checksum of the image | base, 64 bits | size, 64 bits | origin

Only the control process appends; it writes the entry first and `end` after it, as one aligned 64-bit store. A log
that has become long is written anew under the next number, and ends with MOVED.

A *position* is a place in all logs there ever were: number times LOG_CAPACITY plus offset. It only grows, so what
a reader reports means the same before and after it has moved on to the next log.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

MAGIC = b"PIPLOG1\0"
HEADER_SIZE = 64
PLACE = 1
REMOVE = 2
MOVED = 3

_ENTRY = Struct("<HBxIQQ")
LOG_CAPACITY = 1 << 30
"""Address space of one log. The file is sparse; at 45 bytes an entry this is twenty million changes."""

ROOM_AHEAD = 1 << 16
"""Bytes made sure of ahead of the end: a full disk has to be an OSError, not a SIGBUS while writing to the map."""


class Entry(NamedTuple):
    """One step of the log. `end` is the offset after it."""

    operation: int
    checksum: int
    base: int
    size: int
    origin: bytes
    end: int


def entry_size(origin: bytes) -> int:
    """Bytes of an entry about the zone `origin`."""
    return _ENTRY.size + len(origin)


class Torn(ValueError):
    """The log holds something that is no entry; the first argument is its offset."""


class Log:
    """One log file, mapped; `append` is for its single writer."""

    def __init__(self, path: Path, writable: bool = False) -> None:
        """Open the log, `writable` also creates it. ValueError if the file is something else."""
        self.path = path
        self._secured = 0
        fd = os.open(path, (os.O_RDWR | os.O_CREAT) if writable else os.O_RDONLY, 0o640)
        try:
            if writable:
                os.ftruncate(fd, LOG_CAPACITY)
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            self._map = mmap.mmap(fd, LOG_CAPACITY, access=access)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        if writable and self._map[:8] == bytes(8):  # new, or its writer was killed before the first word
            self._secure(HEADER_SIZE)
            self._words[1] = HEADER_SIZE
            self._map[:8] = MAGIC
        if self._map[:8] != MAGIC or not HEADER_SIZE <= self.end <= LOG_CAPACITY:
            self.close()
            raise ValueError(f"{path} is not a store's log")

    @property
    def number(self) -> int:
        """Which log this is; the next one has the next number."""
        return int(self.path.suffix[1:])

    def position(self, offset: int) -> int:
        """The position of an offset in this log."""
        return self.number * LOG_CAPACITY + offset

    @property
    def end(self) -> int:
        """The offset after the last valid entry; one load, so it may be asked for at every batch."""
        return self._words[1]

    @property
    def boot_id(self) -> bytes:
        """Which start of the operating system the log was last written under."""
        return self._map[16:32]

    @boot_id.setter
    def boot_id(self, value: bytes) -> None:
        self._map[16:32] = value

    def append(self, operation: int, origin: bytes, base: int = 0, size: int = 0, checksum: int = 0) -> int:
        """Add an entry and make it valid; the new end. OSError when log or disk are full: nothing has changed then."""
        at = self.end
        entry = _ENTRY.pack(_ENTRY.size + len(origin), operation, checksum, base, size) + origin
        if at + len(entry) > LOG_CAPACITY:
            raise OSError(errno.EFBIG, "the log is full", str(self.path))
        self._secure(at + len(entry))
        self._map[at : at + len(entry)] = entry
        self._words[1] = at + len(entry)
        return at + len(entry)

    def entries(self, start: int = HEADER_SIZE, end: int | None = None) -> Iterator[Entry]:
        """The valid entries from one offset that `end` or an entry gave to another (or the end).

        `Torn` at one that cannot be: a crash of the operating system may have kept the end and lost what is before.
        """
        if end is None:
            end = self.end
        while start < end:
            if start + _ENTRY.size > LOG_CAPACITY:
                raise Torn(start)
            length, operation, checksum, base, size = _ENTRY.unpack_from(self._map, start)
            if length < _ENTRY.size or start + length > end or operation not in (PLACE, REMOVE, MOVED):
                raise Torn(start)
            origin = self._map[start + _ENTRY.size : start + length]
            start += length
            yield Entry(operation, checksum, base, size, origin, start)

    def cut(self, end: int) -> None:
        """Forget the entries from an offset on."""
        self._words[1] = end

    def _secure(self, end: int) -> None:
        """Have the file system set room aside up to `end` and some way further."""
        if end > self._secured:
            more = min(end + ROOM_AHEAD, LOG_CAPACITY)
            fd = os.open(self.path, os.O_RDWR)
            try:
                os.posix_fallocate(fd, 0, more)
            finally:
                os.close(fd)
            self._secured = more

    def close(self) -> None:
        """Unmap the file."""
        self._words.release()
        self._map.close()
