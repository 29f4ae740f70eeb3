"""Where a Redis is: `redis://user:password@host:port/db`, TLS as `rediss://`, `unix:///path`, and by Sentinels.

Imports no driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from pippin.source.url import DatabaseError

PORT, SENTINEL_PORT = 6379, 26379

PREFIX = "pippin"

ALIASES = {"valkey": "redis", "valkeys": "rediss"}

_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
_OPTIONS = ("prefix", "db", *_TLS_OPTIONS, *_SENTINEL_OPTIONS)

_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^:\[\]/@\s]+)(?::(?P<port>[0-9]{1,5}))?")
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,100}")

_RIGHT = (
    "right would be redis://host, redis://user:password@host:6379/0, rediss://…, unix:///run/redis.sock?db=0 or "
    "redis+sentinel://host1:26379,host2:26379/service/0"
)


@dataclass(frozen=True, slots=True)
class RedisURL:
    """The parts of a URL."""

    hosts: tuple[tuple[str, int], ...]
    """One; of Sentinels any number; none for a Unix socket."""
    service: str
    """What the Sentinels call the Redis; empty: `hosts` is the Redis itself."""
    path: str
    """Of the Unix socket."""
    db: int
    username: str | None
    password: str | None = field(repr=False)
    prefix: str
    is_tls: bool
    options: dict[str, str] = field(repr=False)
    """Those for TLS and for Sentinels that are given, named as in the URL."""

    @property
    def secrets(self) -> list[str]:
        """Longest first."""
        return sorted(filter(None, (self.password, self.options.get("sentinel_password"))), key=len, reverse=True)


def normalised(text: str) -> str:
    """A URL that is right, `valkey` written as `redis`; else `DatabaseError`, which has no secrets in it."""
    scheme, _, rest = text.strip().partition("://")
    name, plus, driver = scheme.partition("+")
    url = f"{ALIASES.get(name, name)}{plus}{driver}://{rest}"
    parsed(url)
    return url


def parsed(url: str) -> RedisURL:
    """`DatabaseError` for what is no URL of a Redis; no part of it is repeated there, for it may be a password."""
    scheme, _, rest = url.partition("://")
    name, _, driver = scheme.partition("+")
    if driver not in ("", "sentinel") or (driver and name == "unix"):
        raise DatabaseError(f"{scheme}:// is no scheme for Redis; {_RIGHT}")
    rest, _, query = rest.partition("?")
    options = _options(query, name == "rediss", bool(driver))
    # A password may have any character but / ?, also an @: what counts is the last one before those.
    authority, slash, path = rest.partition("/")
    who, at, where = authority.rpartition("@")
    user, colon, password = who.partition(":")
    if at and not colon:
        raise DatabaseError(f"the URL has a user and no password, or a password without a colon before it; {_RIGHT}")
    hosts: tuple[tuple[str, int], ...] = ()
    service, database = "", options.pop("db", "")
    if name == "unix":
        if where or not path:
            raise DatabaseError(f"the URL names no Unix socket; {_RIGHT}")
    else:
        default = SENTINEL_PORT if driver else PORT
        hosts = tuple(_host(one, default) for one in (where or "localhost").split(","))
        if driver:
            service, _, path = path.partition("/")
            if not service:
                raise DatabaseError(f"the URL does not say what the Sentinels call the Redis; {_RIGHT}")
        elif len(hosts) > 1:
            raise DatabaseError(f"several hosts are for Sentinels only, a cluster is not supported; {_RIGHT}")
        database = path.rstrip("/") or database
    if not re.fullmatch("[0-9]{0,5}", database):
        raise DatabaseError(f"the number of the database is not a number; {_RIGHT}")
    prefix = options.pop("prefix", PREFIX)
    if _PREFIX.fullmatch(prefix) is None:
        raise DatabaseError("the prefix has characters other than letters, digits and . _ : -")
    return RedisURL(
        hosts,
        unquote(service),
        unquote(slash + path) if name == "unix" else "",
        int(database or 0),
        unquote(user) or None,
        unquote(password) or None,
        prefix,
        name == "rediss",
        options,
    )


def _options(query: str, is_tls: bool, has_sentinels: bool) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            raise DatabaseError(f"the URL has an option that there is not; there are {', '.join(_OPTIONS)}")
        if (name in _TLS_OPTIONS and not is_tls) or (name in _SENTINEL_OPTIONS and not has_sentinels):
            raise DatabaseError(f"the option {name} is for {'rediss://' if name in _TLS_OPTIONS else 'Sentinels'} only")
    return options


def _host(text: str, default: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or default) < 65536:
        raise DatabaseError(f"the URL has something that is no host; {_RIGHT}")
    return match["host"].strip("[]"), int(match["port"] or default)
