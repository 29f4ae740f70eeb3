"""Places: where zones are read from, as the operator names them.

A folder stands for the zone files in it, a database for the zones in its tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pippin.control.settings import Settings
from pippin.source.url import DatabaseURL, is_database, parse_url

ZONE_FILE_ENDINGS = frozenset({".zone", ".csv", ".db", ".signed"})
"""What makes a file in a folder a zone. Others are left alone: includes, keys, journals, what editors leave behind."""


@dataclass(frozen=True, slots=True)
class Place:
    """One source of one zone. Without `origin` the file itself says which zone it is."""

    path: str
    origin: str | None = None
    database: DatabaseURL | None = None
    """Where this is a zone of a database, or, without `origin`, all of them; `path` is then the URL as it is shown."""

    @property
    def source(self) -> str:
        """What to call it: the absolute path of a file, or a database."""
        return self.path if self.database else os.path.abspath(self.path)

    @property
    def is_whole_database(self) -> bool:
        return self.database is not None and self.origin is None

    def __str__(self) -> str:
        return self.path if self.origin is None or self.database is not None else f"{self.origin}={self.path}"


def parse_place(argument: str) -> Place:
    """`FILE`, `FOLDER`, `ORIGIN=FILE` or the URL of a database (else `DatabaseError`).

    A file that exists under the whole name is meant as it is.
    """
    if is_database(argument):
        return database_place(parse_url(argument))
    origin, equals, path = argument.partition("=")
    if not equals or "/" in origin or Path(argument).exists():
        return Place(argument)
    return Place(path, origin)


def database_place(url: DatabaseURL) -> Place:
    return Place(str(url), None, url)


def places_in(settings: Settings) -> Iterator[Place]:
    """The places a configuration names: single zones first, then the folder, then other sources; each in its order."""
    for zone in settings.zone:
        yield Place(zone.file, zone.origin)
    if settings.zones is not None:
        yield Place(settings.zones)
    for source in settings.source:
        if source.mode == "live":
            continue  # nothing of it is loaded; workers ask it themselves
        assert source.url is not None  # reading the settings has put it there
        yield database_place(parse_url(source.url, interval=source.interval))


def expand(places: Iterable[Place]) -> list[Place]:
    """Replace folders by the zone files in them, sorted by name. What does not exist stays, for `load` to report.

    Databases stay too: they have to be asked.
    """
    expanded: dict[Place, None] = {}
    for place in places:
        if place.database is None and os.path.isdir(place.path):
            expanded.update(dict.fromkeys(Place(path) for path in sorted(_zone_files_in(place.path))))
        else:
            expanded[place] = None
    return list(expanded)


def only_named(places: Iterable[Place], zone: str) -> list[Place]:
    """Of databases only this zone; of everything else all, for files say themselves which zone they are."""
    name = zone.lower().removesuffix(".") or "."
    whole = [replace(place, origin=name) if place.is_whole_database else place for place in places]
    return [place for place in whole if place.database is None or place.origin == name]


def _zone_files_in(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_zone_file(entry.name) and entry.is_file():
                yield entry.path


def is_zone_file(path: str) -> bool:
    """Whether a file in a folder is a zone, going by its name."""
    return os.path.splitext(path)[1] in ZONE_FILE_ENDINGS
