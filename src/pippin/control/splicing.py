"""A large zone of which few names have changed: the rows of those are read, all others taken from what is served.

What is served is a base for that only if it is known to be what the database held, but for what the database has told
of since. So a base is what was last prepared from the database, without a fault, and is found to be served, to the
last byte. Whenever anything is in doubt there is none, and the whole zone is read.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pippin.control.changes import Prepared
from pippin.control.marks import Marks
from pippin.control.places import Place

if TYPE_CHECKING:
    from pippin.source.database import Database, Domain

FEWEST, MOST = 20_000, 300_000
"""Records of zones that are worth it, and that are prepared in this process at all."""


class Bases:
    """Checksums of what was last prepared of each zone that may be a base."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}

    def clear(self) -> None:
        """Nobody knows what the database will not have told."""
        self._sums.clear()

    def note(self, name: str, prepared: Prepared) -> None:
        """This is what the zone is like now, if it could be prepared."""
        self._sums.pop(name, None)
        if prepared.image is not None and FEWEST <= prepared.records < MOST:
            self._sums[name] = zlib.crc32(prepared.image)

    def may_be(self, name: str) -> bool:
        return name in self._sums

    def is_base(self, name: str, image: bytes) -> bool:
        """Whether what is served is what was noted."""
        return self._sums.get(name) == zlib.crc32(image)


def splice(
    database: Database, domain: Domain, place: Place, image: bytes, seed: int, marks: Marks
) -> Prepared | None:
    """The zone as it is now, from `image` and the rows that have changed. None: read it all, also where there is
    something to be said about it, for that needs the places of all rows.
    """
    from pippin.control.prepare import prepare_loaded

    loaded = database.read_changed(domain, image)
    if loaded is None:
        return None
    prepared = prepare_loaded(place, loaded, seed, marks=marks)
    return None if prepared.image is None or prepared.problems else prepared
