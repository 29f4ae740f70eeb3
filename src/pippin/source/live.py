"""Sources that are asked while questions wait: the interface that SQL and Redis look-ups have in common.

A look-up is asked twice: which of these names are zones, and what stands at these names of one zone. What an answer
needs beyond that (which names to ask for, wildcards, cuts, chains) is worked out above, the same for every source.

All methods block and are called by up to `LiveSettings.concurrency` threads at once. Names are absolute, in
lower-case wire format, like everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from msgspec import Struct

from pippin.source.url import DatabaseURL, masked
from pippin.zone.problem import Problem

NAMES_LIMIT = 1024
"""Names that one call of `LookUp.records` asks for at the most; a question's own way up takes 254 at the most."""

RECORDS_LIMIT = 20_000
"""Records that one call of `LookUp.records` gives at the most. More are an error: no message could carry them."""


class LiveSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker is told about one live source. The URL may have a password in it, which is never shown."""

    url: str
    concurrency: int = 8
    timeout: float = 0.5
    cache_ttl: float = 20.0
    stale: float = 86400.0

    def __repr__(self) -> str:
        return f"LiveSettings({masked(self.url)!r})"


class LookUpError(Exception):
    """The source could not be asked, or did not answer in time. The message is for the operator and has no secrets."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        """It is there, but took too long: a lock, a slow disk. False: it is away, or cannot be used at all."""


@dataclass(frozen=True, slots=True)
class LiveZone:
    """A zone that the source has. `id` is what the source knows it by, and means nothing to anybody else."""

    origin: bytes
    id: Hashable


class Unreadable(NamedTuple):
    """A record that could not be read."""

    owner: bytes
    """As asked for."""
    type: int
    """Which type it was to be: NS and DNAME are missed by the names below too. 0: it is not known, so no such type."""
    problem: Problem
    """What is wrong with it, place included."""


def _as_it_is(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True)
class Looked:
    """What stands at the names asked for."""

    records: bytes
    """A record stream (`pippin.engine.records`), in the source's order. Only owners asked for, only records that could
    be read; `Record.line` is whatever `locate` understands."""
    empty: tuple[bytes, ...] = ()
    """Names asked for that exist, though they own nothing, because there are names below (RFC 4592 section 2.2.2).
    Those that have records are no mistake here."""
    unreadable: tuple[Unreadable, ...] = ()
    locate: Callable[[Problem], Problem] = _as_it_is
    """As `Loaded.locate`: puts the true place into a problem found later about one of the records."""
    origins: tuple[bytes, ...] | None = None
    """Names asked for that are origins of other zones, if that can be told for nothing: then nobody asks `zones`
    whether a name below a zone is one itself. None: it cannot, and `zones` is asked for each new name."""


class LookUp(Protocol):
    """Everything raises `LookUpError` and nothing else, after about `LiveSettings.timeout` seconds at the latest if the
    source can be limited at all. The next call tries anew."""

    def zones(self, names: Sequence[bytes]) -> Sequence[LiveZone]:
        """Those of these names that are origins of zones to be served, deepest first."""

    def records(self, zone: LiveZone, names: Sequence[bytes]) -> Looked:
        """What stands at these names (each once, at most `NAMES_LIMIT`) in this zone, which may be gone by now."""

    def close(self) -> None:
        """Cut all connections; no call comes after."""


def open_look_up(settings: LiveSettings) -> LookUp:
    """Connects to nothing yet. `LookUpError` if the driver is missing or the URL cannot be used."""
    # Drivers take a tenth of a second to import.
    if DatabaseURL(settings.url).is_redis:
        from pippin.source.redis.look_up import RedisLookUp

        return RedisLookUp(settings)
    from pippin.source.sql.look_up import SQLLookUp

    return SQLLookUp(settings)
