"""The control process' side of a store: publish and withdraw zones, use space again, recover after a restart."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import uuid
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from pippin.engine import layout
from pippin.engine.counters import C_LOG_POSITION, COUNTERS
from pippin.store.log import LOG_CAPACITY, MOVED, PLACE, REMOVE, Entry, Log, Torn, entry_size

MAGIC = b"PIPSTOR1"
CAPACITY = 1 << 36
"""Address space for images: 64 GiB. The file is sparse, only what is written takes room."""

PAGE = 4096
COUNTERS_SIZE = PAGE
"""One worker's counters; a page each, so that no two workers write the same cache line."""

PUNCH_FROM = 1 << 20
"""Freed extents from this size on are given back to the file system at once."""

LOG_SLACK = 1 << 20
"""A log is written anew when it is this much longer than twice what it would be."""

_SUPERBLOCK = Struct("<8sQQ")


class StoreError(Exception):
    """The folder cannot be used as a store; the message says what to do."""


class StoreFull(StoreError):
    """No room for another image."""


class Store:
    """Many compiled zones in one folder. One process at a time; `Reader`s in any number follow."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StoreError(
                f"{folder} is in use by another server; stop that one or give this one its own folder"
            ) from None
        self._live: dict[bytes, Entry] = {}
        self._live_log = 0  # bytes of a log of nothing but what is live
        self._free: dict[int, list[int]] = {}
        self._waiting: deque[tuple[int, int, int]] = deque()  # (position, base, size), oldest first
        self._left_logs: deque[Path] = deque()  # which some reader may still have to finish
        try:
            self._open_zones()
            self._open_log()
            self._counters = self._open_counters(workers)
            self._occupied = frozenset(range(workers))  # replaced whole: another thread may be publishing
        except BaseException:
            os.close(self._lock)
            raise
        self._find_free()

    @classmethod
    def open(cls, folder: str | Path, workers: int) -> Store:
        """Open or create the store in `folder` for that many workers. StoreError if it is in use or cannot be one."""
        try:
            return cls(Path(folder), workers)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be a zone store: {error.filename or folder}: {error.strerror}; "
                "name a folder that is empty, or new, and may be written"
            ) from error

    seed: int
    """What names are hashed with: compile zones with it, make queries' Options with it."""

    # ---- opening

    def _open_counters(self, workers: int) -> memoryview:
        """A page for each worker, all zero. The file never shrinks: workers of the last run may still count in it."""
        size = COUNTERS_SIZE * max(workers, 1)
        fd = os.open(self._folder / "counters", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            os.posix_fallocate(fd, 0, size)
            counters = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        counters[:] = bytes(size)
        return memoryview(counters).cast("Q")[: COUNTERS_SIZE // 8 * workers]

    def _open_zones(self) -> None:
        path = self._folder / "zones"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        head = os.pread(self._fd, _SUPERBLOCK.size, 0)
        if not head.strip(b"\0"):  # new, or its writer was killed before the first word
            try:
                os.ftruncate(self._fd, CAPACITY)
            except OSError as error:
                raise StoreError(
                    f"{path}: no sparse file of {CAPACITY >> 30} GiB here ({error.strerror}); "
                    "lift the file size limit or choose another folder"
                ) from error
            self.seed = secrets.randbits(64)
            for old in self._folder.glob("log.*"):
                old.unlink()
            head = _SUPERBLOCK.pack(MAGIC, self.seed, CAPACITY)
            os.pwrite(self._fd, head, 0)
        if len(head) < _SUPERBLOCK.size or not head.startswith(MAGIC):
            raise StoreError(f"{path} is not a zone store; choose an empty folder")
        _, self.seed, self._capacity = _SUPERBLOCK.unpack(head)
        self._map = mmap.mmap(self._fd, self._capacity)

    def _open_log(self) -> None:
        """Replay the newest log; what does not check out is left out, its source will be read again."""
        logs = sorted(self._folder.glob("log.*"), key=lambda path: int(path.suffix[1:]))
        boot_id = uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
        self._log = self._open_newest(logs)
        for path in logs:
            if path != self._log.path:
                _lead_on(path)
                path.unlink()
        try:
            fold(self._live, self._log.entries())
        except Torn as torn:
            self._log.cut(torn.args[0])
        # Without a crash of the operating system the page cache has kept what was written.
        suspect = self._log.boot_id != boot_id
        for origin, entry in list(self._live.items()):
            if not self._is_sound(entry, suspect):
                del self._live[origin]
                self._log.append(REMOVE, origin)
        self._log.boot_id = boot_id
        self._live_log = sum(map(entry_size, self._live))

    def _open_newest(self, logs: list[Path]) -> Log:
        """A log gets its name when it is complete, so the newest counts; one that is damaged starts anew."""
        newest = logs[-1] if logs else self._folder / "log.1"
        try:
            return Log(newest, writable=True)
        except ValueError:
            newest.unlink()
            return Log(newest, writable=True)

    def _is_sound(self, entry: Entry, suspect: bool) -> bool:
        image = memoryview(self._map)[entry.base : entry.base + entry.size]
        try:
            header = layout.read_header(image)
            if header.size != entry.size or header.seed != self.seed or layout.origin(image) != entry.origin:
                return False
            return not suspect or zlib.crc32(image) == entry.checksum
        except ValueError:
            return False
        finally:
            image.release()

    def _find_free(self) -> None:
        """Room between the images that are live. Workers that outlived the last run may still look at it."""
        at = PAGE
        for entry in sorted(self._live.values(), key=lambda entry: entry.base):
            self._give_back(at, entry.base - at)
            at = entry.base + room_for(entry.size)
        self._end = at
        self._tidy()

    # ---- publishing

    def publish(self, origin: bytes, image: bytes | memoryview) -> None:
        """Serve `image` as the zone `origin` (lower-case wire format) from now on; readers see it at their next batch.

        Costs the writing of this image. StoreFull if there is no room.
        """
        view = memoryview(image)
        size = len(view)
        base = self._allocate(size)
        checksum = zlib.crc32(view)
        try:
            written = 0
            while written < size:
                written += os.pwrite(self._fd, view[written : written + (1 << 30)], base + written)
            end = self._log.append(PLACE, origin, base, size, checksum)
        except OSError as error:
            self._free.setdefault(room_for(size), []).append(base)
            raise StoreFull(f"{self._folder}: {size} bytes can't be written ({error.strerror})") from error
        old = self._live.get(origin)
        self._live[origin] = Entry(PLACE, checksum, base, size, origin, end)
        if old is None:
            self._live_log += entry_size(origin)
        else:
            self._waiting.append((self._log.position(end), old.base, old.size))
        self._tidy()

    def withdraw(self, origin: bytes) -> None:
        """Serve the zone no more. KeyError if it isn't served, StoreFull if that can't be written down."""
        old = self._live[origin]
        try:
            end = self._log.append(REMOVE, origin)
        except OSError as error:
            raise StoreFull(f"{self._log.path} can't be written ({error.strerror})") from error
        del self._live[origin]
        self._live_log -= entry_size(origin)
        self._waiting.append((self._log.position(end), old.base, old.size))
        self._tidy()

    def zones(self) -> Iterator[bytes]:
        """Origins of all published zones."""
        return iter(list(self._live))

    def image(self, origin: bytes) -> memoryview | None:
        """The published image of a zone. Valid until the zone is next published or withdrawn: copy what you keep."""
        entry = self._live.get(origin)
        return memoryview(self._map)[entry.base : entry.base + entry.size].toreadonly() if entry else None

    def counters(self, worker: int) -> dict[str, int]:
        """One worker's counters by name."""
        start = worker * COUNTERS_SIZE // 8
        return dict(zip(COUNTERS, self._counters[start : start + len(COUNTERS)], strict=True))

    def occupy(self, worker: int) -> None:
        """A `Reader` is about to use this page: from now on what it may see is kept. At first all are occupied."""
        self._counters[worker * COUNTERS_SIZE // 8 + C_LOG_POSITION] = 0
        self._occupied |= {worker}

    def vacate(self, worker: int) -> None:
        """No `Reader` uses this page any more; what it has counted stays."""
        self._occupied -= {worker}

    def statistics(self) -> dict[str, int]:
        """Zones, bytes of their images, bytes waiting to be used again, length of the log."""
        return {
            "zones": len(self._live),
            "bytes": sum(entry.size for entry in self._live.values()),
            "waiting": sum(size for _, _, size in self._waiting),
            "log": self._log.end,
        }

    def close(self) -> None:
        """Let go of the files; what is published stays published for the next `open`."""
        self._log.close()
        self._map.close()
        self._counters.release()
        os.close(self._fd)
        os.close(self._lock)

    # ---- space

    def _allocate(self, size: int) -> int:
        room = room_for(size)
        if places := self._free.get(room):
            return places.pop()
        base = self._end
        if base + room > self._capacity:
            raise StoreFull(f"{self._folder / 'zones'} is full: {size} bytes don't fit any more")
        self._end = base + room
        return base

    def _give_back(self, base: int, room: int) -> None:
        """Room to be used again; a remainder that fits no class exactly is cut into those that it does."""
        while room >= SMALLEST:
            fitting = room_for(room)
            if fitting > room:
                fitting = next_smaller(room)
            self._waiting.append((self._log.position(self._log.end), base, fitting))
            base += fitting
            room -= fitting

    def _tidy(self) -> None:
        """Use space again that no reader can see any more; write a log anew that has become long."""
        seen = self._read_up_to()
        while self._waiting and self._waiting[0][0] <= seen:
            _, base, size = self._waiting.popleft()
            if size >= PUNCH_FROM:
                first, last = -(-base // PAGE) * PAGE, (base + size) // PAGE * PAGE
                with contextlib.suppress(OSError):  # a file system without holes: the room is used again all the same
                    self._map.madvise(mmap.MADV_REMOVE, first, last - first)
            self._free.setdefault(room_for(size), []).append(base)
        while self._left_logs and seen >= (int(self._left_logs[0].suffix[1:]) + 1) * LOG_CAPACITY:
            self._left_logs.popleft().unlink(missing_ok=True)
        if self._log.end > LOG_SLACK + 2 * self._live_log:
            self._rewrite_log()

    def _read_up_to(self) -> int:
        """The position that every reader has passed; the end if there are none."""
        stride = COUNTERS_SIZE // 8
        positions = [self._counters[worker * stride + C_LOG_POSITION] for worker in self._occupied]
        return min(positions, default=self._log.position(self._log.end))

    def _rewrite_log(self) -> None:
        """Start the next log with what is live; readers go on there when they come to MOVED.

        It is written under another name and gets its own when it is complete. If there is no room for it now, the
        old one goes on.
        """
        old = self._log
        path = self._folder / f"log.{old.number + 1}"
        unfinished = self._folder / f"unfinished-log.{old.number + 1}"
        unfinished.unlink(missing_ok=True)
        try:
            new = Log(unfinished, writable=True)
            for origin, entry in self._live.items():
                new.append(PLACE, origin, entry.base, entry.size, entry.checksum)
            new.boot_id = old.boot_id
            unfinished.rename(path)
            new.path = path
            old.append(MOVED, b"")
        except OSError:
            unfinished.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            return
        self._log = new
        self._left_logs.append(old.path)
        old.close()


def fold(live: dict[bytes, Entry], entries: Iterator[Entry]) -> bool:
    """Apply log entries to a table of live zones; True if the log goes on under the next number."""
    for entry in entries:
        if entry.operation == PLACE:
            live[entry.origin] = entry
        elif entry.operation == REMOVE:
            live.pop(entry.origin, None)
        elif entry.operation == MOVED:
            return True
    return False


def _lead_on(path: Path) -> None:
    """Make sure that readers of a log that has been left find the next one: its writer may not have come to that."""
    with contextlib.suppress(ValueError, OSError):  # damaged or no room: its readers keep what they have
        log = Log(path, writable=True)
        try:
            if not any(entry.operation == MOVED for entry in log.entries()):
                log.append(MOVED, b"")
        finally:
            log.close()


SMALLEST = 64


def room_for(size: int) -> int:
    """The room an image of that size gets: the next of eight steps between powers of two, so that freed room fits."""
    if size <= SMALLEST:
        return SMALLEST
    step = max(SMALLEST // 8, 1 << ((size - 1).bit_length() - 4))
    return -(-size // step) * step


def next_smaller(room: int) -> int:
    """The largest class that is not above `room`."""
    step = max(SMALLEST // 8, 1 << ((room - 1).bit_length() - 4))
    return max(SMALLEST, room // step * step)
