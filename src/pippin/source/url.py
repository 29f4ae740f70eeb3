"""Which database: a URL as everybody writes it, and never its password where somebody could read it.

Imports nothing large, for every command line goes through here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 1.0

SCHEMES = ("sqlite", "postgresql", "postgres", "mariadb", "mysql")
REDIS_SCHEMES = ("redis", "rediss", "unix", "valkey", "valkeys")

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9]*)(?:\+[a-z0-9_]+)?://(?P<rest>.*)", re.DOTALL)
_SECRET_OPTION = re.compile(r"([?&][a-z_]*(?:password|passwd|pass|secret|token)=)[^&]*", re.IGNORECASE)


class DatabaseError(Exception):
    """The database cannot be used just now, or not at all. The message is for the operator and has no secrets."""


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """A database, and how often to look at it. As text it shows everything but the secrets."""

    url: str = field(repr=False)
    interval: float = field(default=INTERVAL, compare=False)
    """Seconds between two looks, where the database does not tell of changes by itself."""

    def __str__(self) -> str:
        return masked(self.url)

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0].partition("+")[0]

    @property
    def is_redis(self) -> bool:
        return self.scheme in REDIS_SCHEMES


def is_database(text: str) -> bool:
    """Whether this is the URL of a database, Redis included, and no file name."""
    match = _URL.fullmatch(text)
    return match is not None and match["scheme"] in SCHEMES + REDIS_SCHEMES


def masked(url: str) -> str:
    """The URL without what must not be seen: `postgresql://pdns:***@db.example/pdns`."""
    head, slashes, rest = url.partition("://")
    if not slashes:
        return url
    # A password may have any character but / ? #, also an @: what counts is the last one before those.
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    who, at, where = authority.rpartition("@")
    user, colon, _ = who.partition(":")
    shown = f"{user}{colon and ':***'}{at}{where}{rest[len(authority) :]}"
    return head + slashes + _SECRET_OPTION.sub(r"\1***", shown)


def parse_url(text: str, folder: Path | None = None, interval: float = INTERVAL) -> DatabaseURL:
    """Check and normalise a URL; `DatabaseError` says what is wrong. A relative SQLite path starts at `folder`."""
    match = _URL.fullmatch(text.strip())
    if match is None or match["scheme"] not in SCHEMES + REDIS_SCHEMES:
        raise DatabaseError(
            f"{masked(text)!r} is no database URL; right would be sqlite:///zones.db, "
            "postgresql://user:password@host/name, mysql://user:password@host/name or redis://:password@host/0"
        )
    if match["scheme"] in REDIS_SCHEMES:
        from pippin.source.redis.url import normalised

        return DatabaseURL(normalised(text), interval)
    scheme, rest = match["scheme"], match["rest"]
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not rest.startswith("/") or not path or path.startswith((":", "?")):
            raise DatabaseError(f"{text!r} names no file; right would be sqlite:///zones.db or sqlite:////var/lib/zones.db")
        return DatabaseURL("sqlite:///" + os.path.abspath(os.path.join(folder or ".", path)), interval)
    scheme = {"postgres": "postgresql", "mariadb": "mysql"}.get(scheme, scheme)
    return DatabaseURL(f"{scheme}://{rest}", interval)
