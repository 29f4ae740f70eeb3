"""The one door for zone data: what was prepared is published. An error rejects the change whole.

In: a zone read, compiled and checked (`control/prepare.py`). Out: an `Outcome` that says what is served from its
place now and everything that was found wrong. Whatever happens, the zone that was published last stays published
until a better one replaces it; also over a restart, if the store is kept. Each image carries a note of the files it
was made from: a zone whose files have not changed is taken from the store as it is.

A zone that some place names but none has a good version of is published as not ready: it gets SERVFAIL, not REFUSED,
and is never asked of other servers.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pippin import __version__
from pippin.control.marks import NO_MARKS, Mark, Marks, misplaced
from pippin.control.places import Place
from pippin.engine import layout
from pippin.engine.not_ready import not_ready_image
from pippin.source.loaded import Dependency
from pippin.source.names import name_of
from pippin.store import StoreError
from pippin.zone.problem import Problem, Severity

if TYPE_CHECKING:
    from pippin.store import Store


class _Note(msgspec.Struct, frozen=True, array_like=True):
    """What a compiled zone remembers about where it came from; paths are absolute."""

    place: str
    origin: str | None
    files: tuple[tuple[str, int, int], ...]
    """Path, size and modification time (ns) as they were when the file was read."""
    compiled_by: str
    """The version of Pippin; another one may read files, and lay out answers, in another way."""
    marks: str = ""
    """`Marks.digest` of what policies answer for in it."""
    version: str = ""
    """`Loaded.version`, for sources without files."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A zone found in the store when it was opened."""

    origin: bytes
    serial: int
    records: int
    note: _Note


@dataclass(frozen=True, slots=True)
class Prepared:
    """A zone read, compiled and checked, not published. `image` is None if there was an error."""

    place: Place
    origin: bytes
    """Lower-case wire format; b"" if not even that could be found out."""
    image: bytes | memoryview | None
    serial: int
    records: int
    problems: tuple[Problem, ...]
    dependencies: tuple[Dependency, ...]
    warned: bool = True
    """False: errors were looked for, warnings were not, the zone is too large."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of reading one place."""

    place: Place
    origin: bytes
    published: bool
    serial: int
    """Of what is served now."""
    records: int
    problems: tuple[Problem, ...]
    dependencies: tuple[Dependency, ...]
    warned: bool = True
    """False: errors were looked for, warnings were not, the zone is too large."""
    since: float = 0.0
    """Unix time from which on this server has served this version; 0: it does not."""

    @property
    def zone_name(self) -> str:
        return name_of(self.origin) if self.origin else str(self.place)


class Changes:
    """What is served from where. One caller at a time: zones are published one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seed = store.seed
        self._served: dict[Place, Outcome] = {}
        self._place_of: dict[bytes, Place] = {}
        self._named: dict[Place, bytes] = {}
        """The zones of places that serve none."""
        self._named_by: Counter[bytes] = Counter()
        self._not_ready = {origin for origin in store.zones() if _is_not_ready(store.image(origin))}
        self._stored = dict(_stored_in(store))
        self.marks: Marks = NO_MARKS
        """What policies answer for, in the zones published from now on."""
        self.rank: Callable[[Place], int] = lambda place: 0
        """Which of two places with the same zone counts: the one with the lower rank; if equal, the first to come."""

    def served(self) -> Iterable[Outcome]:
        """The last outcome of every place whose zone is served."""
        return self._served.values()

    def places(self) -> set[Place]:
        return set(self._served)

    def owner(self, origin: bytes) -> Place | None:
        """The place whose zone of that name is served."""
        return self._place_of.get(origin)

    def image(self, place: Place) -> bytes | None:
        """A copy of what is served from this place; None if nothing is."""
        served = self._served.get(place)
        image = self._store.image(served.origin) if served is not None else None
        return None if image is None else bytes(image)

    def is_not_ready(self, origin: bytes) -> bool:
        """There is no version of that zone, and it gets SERVFAIL."""
        return origin in self._not_ready

    def stored(self, database: Place) -> dict[Place, str]:
        """The zones that an earlier run left in the store from this database, and their versions."""
        found = [key for key in self._stored if key[0] == database.source and key[1] is not None]
        return {Place(database.path, key[1], database.database): self._stored[key].note.version for key in found}

    def keep(self, place: Place) -> Outcome | None:
        """What the store holds from this place; None: it has to be read.

        That is if its files, the policies that answer in it, or Pippin itself have changed since. Whether a database
        has is for the caller to find out.
        """
        stored = self._stored.pop(_key(place), None)
        if stored is None or stored.origin in self._place_of:
            return None
        files = tuple(Dependency(*file) for file in stored.note.files)
        kept = Outcome(
            place, stored.origin, True, stored.serial, stored.records, (), files, since=time.time()
        )
        self._serve(kept)  # also if its files have changed: until they are read, this is what there is to serve
        if stored.note.compiled_by != __version__ or stored.note.marks != self.marks.digest(stored.origin):
            return None
        return kept if _are_unchanged(files) else None

    def apply(self, new: Prepared) -> Outcome:
        """Publish what was prepared, or say why not."""
        outcome = self._apply(new)
        self._name(new.place, b"" if new.place in self._served else new.origin)
        self._settle(new.origin)
        return outcome

    def _apply(self, new: Prepared) -> Outcome:
        owner, old = self._place_of.get(new.origin), self._served.get(new.place)
        other = None if owner == new.place else owner
        if other is not None and (new.image is None or self.rank(other) <= self.rank(new.place)):
            what = f"zone {name_of(new.origin)} is served from {owner} already; the first one listed wins"
            return _rejected(new, old, Problem(new.place.path, 0, 0, what))
        if new.image is None:
            return _rejected(new, old)
        try:
            self._store.publish(new.origin, new.image)
        except (StoreError, OSError) as error:
            what = f"zone {name_of(new.origin)} cannot be published: {error}"
            return _rejected(new, old, Problem(new.place.path, 0, 0, what))
        if old is not None and old.origin != new.origin:
            self.withdraw(new.place)
        if other is not None:
            del self._served[other]
            self._name(other, new.origin)
        outcome = Outcome(
            new.place,
            new.origin,
            True,
            new.serial,
            new.records,
            new.problems,
            new.dependencies,
            new.warned,
            time.time(),
        )
        self._serve(outcome)
        return outcome

    def misplaced(self, marks: Iterable[Mark]) -> dict[Mark, Problem]:
        """Which of these marks no zone that is published now answers for, and why."""
        return misplaced(marks, self._store.image)

    def withdraw_strangers(self) -> list[str]:
        """Stop serving what an earlier run left in the store and no place claims; the names of those zones."""
        self._stored.clear()
        known = self._place_of.keys() | self._named_by.keys()
        strangers = [origin for origin in self._store.zones() if origin not in known]
        for origin in strangers:
            self._store.withdraw(origin)
        self._not_ready.difference_update(strangers)
        return [name_of(origin) for origin in strangers]

    def _serve(self, outcome: Outcome) -> None:
        self._served[outcome.place] = outcome
        self._place_of[outcome.origin] = outcome.place
        self._not_ready.discard(outcome.origin)

    def withdraw(self, place: Place) -> Outcome | None:
        """Stop serving what came from a place; what that was, None if nothing."""
        self._name(place, b"")
        outcome = self._served.pop(place, None)
        if outcome is not None:
            del self._place_of[outcome.origin]
            if not self._settle(outcome.origin):
                self._store.withdraw(outcome.origin)
        return outcome

    def _name(self, place: Place, origin: bytes) -> None:
        """A place that serves nothing names this zone; b"" for none."""
        if before := self._named.pop(place, b""):
            self._named_by[before] -= 1
            if not self._named_by[before]:
                del self._named_by[before]
                self._settle(before)
        if origin:
            self._named[place] = origin
            self._named_by[origin] += 1

    def _settle(self, origin: bytes) -> bool:
        """Publish a zone that is named and not served as not ready, and no other one; whether this one is.

        If there is no room for it, it is REFUSED until the next attempt.
        """
        wanted = origin in self._named_by and origin not in self._place_of
        if wanted and origin not in self._not_ready:
            with suppress(StoreError, OSError):
                self._store.publish(origin, not_ready_image(origin, self.seed))
                self._not_ready.add(origin)
        elif not wanted and origin in self._not_ready:
            self._store.withdraw(origin)
            self._not_ready.discard(origin)
        return origin in self._not_ready


def _rejected(new: Prepared, old: Outcome | None, *why: Problem) -> Outcome:
    serial, records = (old.serial, old.records) if old else (0, 0)
    since = old.since if old else 0.0
    return Outcome(
        new.place, new.origin, False, serial, records, (*new.problems, *why), new.dependencies, since=since
    )


def note_for(place: Place, dependencies: Iterable[Dependency], marks: str = "", version: str = "") -> bytes:
    """The note that a compiled zone carries about where it came from; `marks` is the digest of its own."""
    files = tuple((os.path.abspath(file.path), file.size, file.mtime_ns) for file in dependencies)
    return msgspec.json.encode(_Note(*_key(place), files, __version__, marks, version))


def _key(place: Place) -> tuple[str, str | None]:
    return place.source, place.origin


def _stored_in(store: Store) -> Iterator[tuple[tuple[str, str | None], _Stored]]:
    """The zones in a store by where they came from. A note that is none of ours is no reason to stop."""
    for origin in store.zones():
        image = store.image(origin)
        if image is None:
            continue
        header = layout.read_header(image)
        if header.flags & layout.NOT_READY:
            continue
        try:
            note = msgspec.json.decode(image[header.note : header.note + header.note_length], type=_Note)
        except msgspec.DecodeError:
            continue
        yield (note.place, note.origin), _Stored(origin, header.serial, header.records, note)


def _is_not_ready(image: memoryview | None) -> bool:
    return image is not None and bool(image[layout.H_FLAGS] & layout.NOT_READY)


def _are_unchanged(files: Iterable[Dependency]) -> bool:
    for file in files:
        try:
            status = os.stat(file.path)
        except OSError:
            return False
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            return False
    return True


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)
