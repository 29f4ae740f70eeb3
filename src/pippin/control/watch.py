"""Watching files: which zones have to be read again because something they were made of has changed.

By asking for size, time and inode once a second: that works on every file system, needs no handle per file, and
a pass over 100,000 files takes a fifth of a second; passes then come at longer intervals, so that watching never
costs more than `SHARE` of a core. What inotify tells (`control/inotify.py`) is acted on between the passes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pippin.control.places import Place
from pippin.source.loaded import Dependency

INTERVAL = 1.0
"""Seconds between two passes."""

SHARE = 0.05
"""Of one core, at most."""

SHARE_WITH_EVENTS = 0.01
"""The same where inotify tells of changes first, and passes find what it cannot see."""

SLICE = 2000
"""Files looked at in one go, about 5 ms: what is urgent need not wait for a whole pass."""

SETTLE = 0.2
"""Seconds a changed file has to stay the same before it is read: editors and copying write in pieces."""

SETTLE_PASSES = 25
"""After so many times `SETTLE` a file that never stays the same is read as it is."""


class _Look(NamedTuple):
    """How a file looked; all zero: it was not there."""

    size: int
    mtime_ns: int
    inode: int


_ABSENT = _Look(0, 0, 0)


class Watcher:
    """Remembers how files looked when they were read. Not thread-safe: one caller at a time."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}
        self._users: dict[str, set[Place]] = {}
        self._files: dict[Place, tuple[str, ...]] = {}
        self.has_events = False
        self.interval = INTERVAL
        """Seconds to wait before the next pass."""

    def follow(self, place: Place, dependencies: Iterable[Dependency]) -> None:
        """`place` was read from these files, looking like this; this replaces what was followed for it before."""
        self.forget(place)
        paths = {}
        for file in dependencies:
            # What was read counts, not what is there now: a change between the two must be noticed.
            paths[file.path] = _Look(file.size, file.mtime_ns, _look_at(file.path).inode)
        if place.path not in paths:
            paths[place.path] = _look_at(place.path)
        for path, look in paths.items():
            self._looks[path] = look
            self._users.setdefault(path, set()).add(place)
        self._files[place] = tuple(paths)

    def forget(self, place: Place) -> None:
        for path in self._files.pop(place, ()):
            users = self._users[path]
            users.discard(place)
            if not users:
                del self._users[path], self._looks[path]

    def places_of(self, path: str) -> set[Place]:
        """The places that were read from this file, if it looks other than it did then."""
        return (
            set(self._users[path]) if path in self._users and _look_at(path) != self._looks[path] else set()
        )

    def slices(self) -> Iterator[list[str]]:
        """All files, a slice at a time, for a pass with pauses; sets `interval`."""
        paths = list(self._looks)
        started = time.process_time()
        yield from (paths[at : at + SLICE] for at in range(0, len(paths), SLICE))
        share = SHARE_WITH_EVENTS if self.has_events else SHARE
        self.interval = max(INTERVAL, (time.process_time() - started) / share)

    def changed(self, paths: Iterable[str] | None = None, *, settle: bool = False) -> list[Place]:
        """The places that have to be read again, of all or of those made of the files named.

        `settle`: wait until files in motion stay the same.
        """
        if paths is None:
            paths = list(self._looks)
        moved = {path for path in paths if path in self._looks and _look_at(path) != self._looks[path]}
        if not moved:
            return []
        if settle:
            self._settle(sorted(moved))
        places = {place for path in moved for place in self._users.get(path, ())}
        return sorted(places, key=str)

    def _settle(self, paths: Sequence[str]) -> None:
        looks = [_look_at(path) for path in paths]
        for _ in range(SETTLE_PASSES):
            time.sleep(SETTLE)
            before, looks = looks, [_look_at(path) for path in paths]
            if looks == before:
                return


def _look_at(path: str) -> _Look:
    try:
        status = os.stat(path)
    except OSError:
        return _ABSENT
    return _Look(status.st_size, status.st_mtime_ns, status.st_ino)
