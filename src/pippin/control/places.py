"""Places: where zones are read from, as the operator names them. A folder stands for the zone files in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pippin.control.settings import Settings

ZONE_FILE_ENDINGS = frozenset({".zone", ".csv", ".db", ".signed"})
"""What makes a file in a folder a zone. Others are left alone: includes, keys, journals, what editors leave behind."""


@dataclass(frozen=True, slots=True)
class Place:
    """One source of one zone. Without `origin` the file itself says which zone it is."""

    path: str
    origin: str | None = None

    def __str__(self) -> str:
        return self.path if self.origin is None else f"{self.origin}={self.path}"


def parse_place(argument: str) -> Place:
    """`FILE`, `FOLDER` or `ORIGIN=FILE`. A file that exists under the whole name is meant as it is."""
    origin, equals, path = argument.partition("=")
    if not equals or "/" in origin or Path(argument).exists():
        return Place(argument)
    return Place(path, origin)


def places_in(settings: Settings) -> Iterator[Place]:
    """The places a configuration names, in its order: single zones first, then the folder."""
    for zone in settings.zone:
        yield Place(zone.file, zone.origin)
    if settings.zones is not None:
        yield Place(settings.zones)


def expand(places: Iterable[Place]) -> list[Place]:
    """Replace folders by the zone files in them, sorted by name. What does not exist stays, for `load` to report."""
    expanded: dict[Place, None] = {}
    for place in places:
        if os.path.isdir(place.path):
            expanded.update(dict.fromkeys(Place(path) for path in sorted(_zone_files_in(place.path))))
        else:
            expanded[place] = None
    return list(expanded)


def _zone_files_in(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_zone_file(entry.name) and entry.is_file():
                yield entry.path


def is_zone_file(path: str) -> bool:
    """Whether a file in a folder is a zone, going by its name."""
    return os.path.splitext(path)[1] in ZONE_FILE_ENDINGS
