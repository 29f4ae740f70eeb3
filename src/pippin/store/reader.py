"""A worker's side of a store: follow the log, place zones in the Responder, hand out images to the slow path."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pippin.engine import layout
from pippin.engine.counters import C_LOG_POSITION, COUNTERS
from pippin.store.log import HEADER_SIZE, MOVED, PLACE, Log
from pippin.store.store import _SUPERBLOCK, COUNTERS_SIZE, MAGIC, StoreError


class Placing(Protocol):
    """What a Reader tells about zones: `pippin.engine.path.Responder`."""

    def map(self, memory: object) -> None: ...
    def place(self, base: int) -> None: ...
    def remove(self, origin: bytes) -> None: ...


class Reader:
    """Follows one store. `follow` is cheap when there is no news: one load and one comparison."""

    def __init__(self, folder: str | Path, worker: int = 0) -> None:
        self._folder = Path(folder)
        fd = os.open(self._folder / "zones", os.O_RDONLY)
        try:
            magic, self.seed, capacity = _SUPERBLOCK.unpack(os.pread(fd, _SUPERBLOCK.size, 0))
            if magic != MAGIC:
                raise StoreError(f"{self._folder / 'zones'} is not a zone store")
            self._map = mmap.mmap(fd, capacity, access=mmap.ACCESS_READ)
        finally:
            os.close(fd)
        self._zones = memoryview(self._map)
        self._counters = self._open_counters(worker)
        # Nothing read yet: from here on the writer keeps what this reader may still see.
        self._counters[C_LOG_POSITION] = 0
        self._pins: dict[object, int] = {}
        self._mapped = False
        self._live: dict[bytes, int] = {}  # where each zone's image begins
        self._images: dict[bytes, memoryview] = {}
        self._log = self._newest_log()
        self._position = HEADER_SIZE

    def _open_counters(self, worker: int) -> memoryview:
        fd = os.open(self._folder / "counters", os.O_RDWR)
        try:
            whole = memoryview(mmap.mmap(fd, 0)).cast("Q")
        finally:
            os.close(fd)
        start = worker * COUNTERS_SIZE // 8
        return whole[start : start + len(COUNTERS)]

    def _newest_log(self) -> Log:
        while True:
            number = max(int(path.suffix[1:]) for path in self._folder.glob("log.*"))
            with contextlib.suppress(FileNotFoundError):  # a newer one came and this one went in between
                return Log(self._folder / f"log.{number}")

    def counters(self) -> memoryview:
        """This worker's counters, for its Responder: 64-bit integers in the order of `pippin.engine.counters`."""
        return self._counters

    def follow(self, responder: Placing) -> None:
        """Bring `responder` up to the log's end."""
        end = self._log.end
        if end != self._position or not self._mapped:
            self._catch_up(responder, end)

    def _catch_up(self, responder: Placing, end: int) -> None:
        if not self._mapped:
            responder.map(self._zones)
            self._mapped = True
        news, end = self._news(end)
        # A zone that was placed and removed meanwhile is not looked at: its bytes may be another's by now.
        for origin, base in news.items():
            old = self._live.get(origin)
            if base == old:
                continue
            self._images.pop(origin, None)
            if base is None:
                del self._live[origin]
                responder.remove(origin)
            else:
                self._live[origin] = base
                responder.place(base)
        self._position = end
        self._report()

    def _news(self, end: int) -> tuple[dict[bytes, int | None], int]:
        """Where zones named in the log since last time lie now, None for those that are gone; and the log's end."""
        news: dict[bytes, int | None] = {}
        start = self._position
        while self._fold(news, start, end):
            # The log goes on under the next number, with everything that is live and nothing else.
            self._log.close()
            self._log = self._newest_log()
            start, end = HEADER_SIZE, self._log.end
            news = dict.fromkeys(self._live)
        return news, end

    def _fold(self, news: dict[bytes, int | None], start: int, end: int) -> bool:
        """Apply log entries to `news`; True if the log goes on under the next number."""
        for entry in self._log.entries(start, end):
            if entry.operation == MOVED:
                return True
            news[entry.origin] = entry.base if entry.operation == PLACE else None
        return False

    def zone_image(self, origin: bytes) -> memoryview | None:
        """The image of the zone with that origin (lower-case wire format), the same object while it is the same."""
        image = self._images.get(origin)
        if image is None and (base := self._live.get(origin)) is not None:
            size = layout.read_header(self._zones[base:]).size
            image = self._images[origin] = self._zones[base : base + size]
        return image

    @contextlib.contextmanager
    def pinned(self) -> Iterator[None]:
        """Images seen now stay readable until the end of the block, whatever is published meanwhile."""
        pin = object()
        self._pins[pin] = self._log.position(self._position)
        try:
            yield
        finally:
            del self._pins[pin]
            self._report()

    def _report(self) -> None:
        """Tell the writer how far this reader is: what was freed before that may be used again."""
        position = self._log.position(self._position)
        self._counters[C_LOG_POSITION] = min(self._pins.values(), default=position)
