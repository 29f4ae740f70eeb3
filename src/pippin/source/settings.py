"""What `[[source]]` can say: where zones come from that are in no file.

Values and their checks only; the control process reads this without any database driver.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from pippin.source.live import LiveSettings
from pippin.source.url import INTERVAL, DatabaseError, masked, parse_url


class SourceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[source]]`. Exactly one of the first three says where it is."""

    url: Annotated[
        str | None,
        Meta(
            description="A database with PowerDNS' tables: `postgresql://user:password@host/name`, `mysql://…`, "
            "`sqlite:///zones.db`; or a Redis: `redis://:password@host/0`. All its zones are served."
        ),
    ] = None
    url_file: Annotated[
        str | None, Meta(description="A file that has the URL in it, for URLs with a password.")
    ] = None
    url_env: Annotated[str | None, Meta(description="An environment variable that has the URL in it.")] = None
    interval: Annotated[
        float,
        Meta(
            ge=0.05,
            description="Seconds between two looks for changes, where the database does not tell of them by itself.",
        ),
    ] = INTERVAL
    mode: Annotated[
        Literal["load", "live"],
        Meta(
            description="`load`: all zones are read into memory and followed. `live`: names are looked up when they "
            "are asked for, for data too large for memory."
        ),
    ] = "load"
    concurrency: Annotated[
        int, Meta(ge=1, le=256, description="Live: look-ups at a time, and connections, of each worker.")
    ] = 8
    timeout: Annotated[
        float, Meta(ge=0.01, le=10, description="Live: seconds that a question waits for a look-up.")
    ] = 0.5
    cache_ttl: Annotated[
        float,
        Meta(
            ge=1,
            description="Live: seconds that answers are remembered at most, if their TTL is not shorter: how late a "
            "change in the database shows.",
        ),
    ] = 20
    stale: Annotated[
        float,
        Meta(
            ge=0,
            description="Live: seconds that an answer may be given again while the database is away (RFC 8767); 0: "
            "never.",
        ),
    ] = 86400

    @property
    def live(self) -> LiveSettings:
        """What workers are told of a source whose mode is `live`."""
        assert self.url is not None  # reading the settings has put it there
        return LiveSettings(self.url, self.concurrency, self.timeout, self.cache_ttl, self.stale)

    def __repr__(self) -> str:
        return f"SourceSettings(url={masked(self.url or '')!r}, interval={self.interval!r})"


def problems(sources: tuple[SourceSettings, ...]) -> Iterator[tuple[str, str]]:
    """What types cannot tell: (key, message)."""
    for source in sources:
        given = [name for name in ("url", "url_file", "url_env") if getattr(source, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            yield "source", f"say where it is with one of url, url_file and url_env; found: {found}"


def resolved(
    sources: tuple[SourceSettings, ...], folder: Path, environment: Mapping[str, str] = os.environ
) -> tuple[SourceSettings, ...]:
    """With `url` as `places` wants it, wherever it came from. `DatabaseError` has no secrets in it."""
    return tuple(
        msgspec.structs.replace(source, url=parse_url(_text_of(source, folder, environment), folder).url)
        for source in sources
    )


def _text_of(source: SourceSettings, folder: Path, environment: Mapping[str, str]) -> str:
    if source.url_file is not None:
        path = folder / source.url_file
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise DatabaseError(f"url_file: {path} cannot be read: {why}") from None
    if source.url_env is not None:
        if not environment.get(source.url_env):
            raise DatabaseError(f"url_env: there is no environment variable {source.url_env}")
        return environment[source.url_env].strip()
    assert source.url is not None  # `problems` has seen to that
    return source.url
