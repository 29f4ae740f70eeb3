"""Watching files: which zones have to be read again because something they were made of has changed.

By asking for size, time and inode once a second: that works on every file system, needs no handle per file, and
a pass over 100,000 files takes a fifth of a second; passes then come at longer intervals, so that watching never
costs more than `SHARE` of a core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pippin.control.places import Place
from pippin.source.loaded import Dependency

INTERVAL = 1.0
"""Seconds between two passes."""

SHARE = 0.05
"""Of one core, at most."""

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
        self.interval = INTERVAL
        """Seconds to wait before the next pass."""

    def follow(self, place: Place, dependencies: Iterable[Dependency]) -> None:
        """`place` was read from these files, looking like this; this replaces what was followed for it before."""
        self.forget(place)
        paths = {place.path: _look_at(place.path)}
        for file in dependencies:
            look = _look_at(file.path)
            # What was read counts, not what is there now: a change between the two must be noticed.
            paths[file.path] = _Look(file.size, file.mtime_ns, look.inode)
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

    def changed(self, *, settle: bool = False) -> list[Place]:
        """The places that have to be read again; `settle`: wait until files in motion stay the same."""
        started = time.monotonic()
        moved = {path for path, look in list(self._looks.items()) if _look_at(path) != look}
        self.interval = max(INTERVAL, (time.monotonic() - started) / SHARE)
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
