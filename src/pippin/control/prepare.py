"""A zone before it is published: read, compiled, checked. Knows nothing of what is served.

Apart from `control/changes.py`, for what it imports takes longer than serving what the store already holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pippin.control.changes import Prepared, has_errors, note_for
from pippin.control.marks import ANOTHER_ZONES, NO_MARKS, Marks
from pippin.control.places import Place
from pippin.engine import layout
from pippin.engine.compile import compile_zone
from pippin.source.files import load
from pippin.source.loaded import Loaded
from pippin.zone.check import check
from pippin.zone.problem import Problem

WARNED_SIZE = 2 << 20
"""Octets of records (about 50,000 of them) up to which warnings are looked for without being asked: 0.3 s. For a
million records it would take several times as long as reading and compiling them."""


def prepare(place: Place, seed: int, *, thorough: bool = False, marks: Marks = NO_MARKS) -> Prepared:
    """Everything before publishing; `pippin check` is this and nothing else. `seed` is the store's.

    `marks` are those of all policies; the zone takes its own.

    Errors are always found, warnings only in zones up to `WARNED_SIZE` unless `thorough`.
    """
    return prepare_loaded(place, _load(place), seed, thorough=thorough, marks=marks)


def prepare_each(
    places: Iterable[Place], seed: int, *, thorough: bool = False, marks: Marks = NO_MARKS
) -> Iterator[Prepared]:
    """`prepare` for each place, and for each zone of a whole database, which is read in one go."""
    for place, loaded in load_each(places):
        yield prepare_loaded(place, loaded, seed, thorough=thorough, marks=marks)


def load_each(places: Iterable[Place]) -> Iterator[tuple[Place, Loaded]]:
    """The records of each place, and of each zone of a whole database."""
    for place in places:
        if place.database is None or place.origin is not None:
            yield place, _load(place)
            continue
        from pippin.source.database import load_all

        for name, loaded in load_all(place.database):
            yield replace(place, origin=name or None), loaded


def _load(place: Place) -> Loaded:
    if place.database is None or place.origin is None:
        return load(place.path, place.origin)
    # Not on top: who has no database needs no driver.
    from pippin.source.database import load_zone

    return load_zone(place.database, place.origin)


def prepare_loaded(
    place: Place, loaded: Loaded, seed: int, *, thorough: bool = False, marks: Marks = NO_MARKS
) -> Prepared:
    """The same for a zone that has been read already."""
    image, problems = None, list(loaded.problems)
    warned = thorough or len(loaded.records) <= WARNED_SIZE
    if loaded.origin and loaded.records:
        own = marks.of(loaded.origin)
        note = note_for(place, loaded.dependencies, marks.digest(loaded.origin), loaded.version)
        image, findings = compile_zone(loaded.records, loaded.origin, seed, note, own)
        findings = [finding for finding in findings if finding[0] not in ANOTHER_ZONES]
        broken = has_errors(problems)
        if broken:
            # What is wrong with the records that could be read; what the zone lacks may be in the others.
            findings = [finding for finding in findings if finding[1] >= 0]
        problems += map(
            loaded.locate,
            check(
                loaded.records,
                loaded.origin,
                loaded.files,
                findings,
                is_master_file=loaded.is_master_file,
                warnings=not broken and warned,
                marks=own,
            ),
        )
    elif not problems:
        problems.append(Problem(place.path, 0, 0, "there are no records; a zone begins with its SOA record"))
    if not image or has_errors(problems):
        return Prepared(place, loaded.origin, None, 0, 0, tuple(sorted(problems)), loaded.dependencies)
    header = layout.read_header(image)
    return Prepared(
        place,
        loaded.origin,
        image,
        header.serial,
        header.records,
        tuple(sorted(problems)),
        loaded.dependencies,
        warned,
    )
