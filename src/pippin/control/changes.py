"""The one door for zone data: load, compile, check, publish. An error rejects the change whole.

In: a `Place`. Out: an `Outcome` that says what is served from it now and everything that was found wrong. Whatever
happens, the zone that was published last stays published until a better one replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.name

from pippin.control.places import Place
from pippin.engine.compile import compile_zone
from pippin.source.files import load
from pippin.source.loaded import Dependency
from pippin.zone.check import check
from pippin.zone.problem import Problem, Severity
from pippin.zone.zone import Zone

if TYPE_CHECKING:
    from pippin.store import Store


@dataclass(frozen=True, slots=True)
class Prepared:
    """A zone read, compiled and checked, not published. `image` is None if there was an error."""

    place: Place
    origin: bytes
    """Lower-case wire format; b"" if not even that could be found out."""
    image: bytes | None
    serial: int
    records: int
    problems: tuple[Problem, ...]
    dependencies: tuple[Dependency, ...]


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

    @property
    def zone_name(self) -> str:
        return name_of(self.origin) if self.origin else str(self.place)


def prepare(place: Place, seed: int) -> Prepared:
    """Everything before publishing; `pippin check` is this and nothing else. `seed` is the store's."""
    loaded = load(place.path, place.origin)
    image, problems = None, list(loaded.problems)
    if loaded.origin and loaded.records:
        image, findings = compile_zone(loaded.records, loaded.origin, seed)
        broken = has_errors(problems)
        if (
            broken
        ):  # what is wrong with the records that could be read; what the zone lacks may be in the others
            findings = [(code, offset) for code, offset in findings if offset >= 0]
        problems += check(
            loaded.records,
            loaded.origin,
            loaded.files,
            findings,
            is_master_file=loaded.is_master_file,
            warnings=not broken,
        )
    if not image or has_errors(problems):
        return Prepared(place, loaded.origin, None, 0, 0, tuple(sorted(problems)), loaded.dependencies)
    zone = Zone(image)
    records = zone.statistics().records
    return Prepared(
        place, loaded.origin, image, zone.serial, records, tuple(sorted(problems)), loaded.dependencies
    )


class Changes:
    """What is served from where. One caller at a time: zones are published one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._served: dict[Place, Outcome] = {}
        self._place_of: dict[bytes, Place] = {}

    def served(self) -> Iterable[Outcome]:
        """The last outcome of every place whose zone is served."""
        return self._served.values()

    def places(self) -> set[Place]:
        return set(self._served)

    def apply(self, place: Place) -> Outcome:
        """Read a place and publish what it holds, or say why not."""
        new = prepare(place, self._store.seed)
        problems = new.problems
        owner = self._place_of.get(new.origin)
        if owner is not None and owner != place:
            what = f"zone {name_of(new.origin)} is served from {owner} already; the first one listed wins"
            return Outcome(
                place, new.origin, False, 0, 0, (*problems, Problem(place.path, 0, 0, what)), new.dependencies
            )
        old = self._served.get(place)
        if new.image is None:
            serial, records = (old.serial, old.records) if old else (0, 0)
            return Outcome(place, new.origin, False, serial, records, problems, new.dependencies)
        if old is not None and old.origin != new.origin:
            self.withdraw(place)
        self._store.publish(new.origin, new.image)
        outcome = Outcome(place, new.origin, True, new.serial, new.records, problems, new.dependencies)
        self._served[place] = outcome
        self._place_of[new.origin] = place
        return outcome

    def withdraw(self, place: Place) -> Outcome | None:
        """Stop serving what came from a place; what that was, None if nothing."""
        outcome = self._served.pop(place, None)
        if outcome is not None:
            del self._place_of[outcome.origin]
            self._store.withdraw(outcome.origin)
        return outcome


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def name_of(origin: bytes) -> str:
    """A zone's name as people write it: `example.com`, `.` for the root."""
    return dns.name.from_wire(origin, 0)[0].to_text(omit_final_dot=True)
