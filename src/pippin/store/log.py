"""The log of a store: which image was placed where, which zone removed, in order.

Header (64 bytes):  magic "PIPLOG1\\0" | end: 64 bits, the offset after the last valid entry | boot id, 16 bytes
Entry:  length, 16 bits | operation, 8 bits | 0 | checksum of the image | base, 64 bits | size, 64 bits | origin

Only the control process appends; it writes the entry first and `end` after it, as one aligned 64-bit store. A log
that has become long is written anew under the next number, and ends with MOVED.
"""

from __future__ import annotations

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


class Entry(NamedTuple):
    """One step of the log. `end` is the offset after it."""

    operation: int
    checksum: int
    base: int
    size: int
    origin: bytes
    end: int


class Log:
    """One log file, mapped; `append` is for its single writer."""

    def __init__(self, path: Path, writable: bool = False) -> None:
        self.path = path
        fd = os.open(path, (os.O_RDWR | os.O_CREAT) if writable else os.O_RDONLY, 0o640)
        try:
            new = os.fstat(fd).st_size == 0
            if writable:
                os.ftruncate(fd, LOG_CAPACITY)
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            self._map = mmap.mmap(fd, LOG_CAPACITY, access=access)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        if new and writable:
            self._map[:8] = MAGIC
            self._words[1] = HEADER_SIZE
        if self._map[:8] != MAGIC:
            raise ValueError(f"{path} is not a store's log")

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
        """Add an entry and make it valid; the new end. OverflowError when the log is full."""
        at = self.end
        entry = _ENTRY.pack(_ENTRY.size + len(origin), operation, checksum, base, size) + origin
        if at + len(entry) > LOG_CAPACITY:
            raise OverflowError(f"{self.path} is full")
        self._map[at : at + len(entry)] = entry
        self._words[1] = at + len(entry)
        return at + len(entry)

    def entries(self, start: int = HEADER_SIZE, end: int | None = None) -> Iterator[Entry]:
        """The valid entries from one offset that `end` or an entry gave to another (or the end)."""
        if end is None:
            end = self.end
        while start < end:
            length, operation, checksum, base, size = _ENTRY.unpack_from(self._map, start)
            origin = self._map[start + _ENTRY.size : start + length]
            start += length
            yield Entry(operation, checksum, base, size, origin, start)

    def close(self) -> None:
        """Unmap the file."""
        self._words.release()
        self._map.close()
