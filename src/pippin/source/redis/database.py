"""One Redis: which zones it has, their records, and which have changed. `source/database.py` is the contract.

It is told of changes in two ways: by whoever publishes the origin, and by Redis itself where keyspace notifications
are switched on. Neither need be, so the list of versions is looked at all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import dns.exception

from pippin.engine.generate import shown
from pippin.source.database import Domain, Id, Version, wire
from pippin.source.loaded import Loaded
from pippin.source.names import name_of
from pippin.source.redis.connection import explained, open_client
from pippin.source.redis.layout import (
    DELETED,
    EVERYTHING,
    PLAIN,
    channel,
    zone_key,
    zones_key,
)
from pippin.source.redis.url import parsed
from pippin.source.redis.values import Fields
from pippin.source.url import DatabaseError, DatabaseURL
from pippin.zone.problem import Problem

if TYPE_CHECKING:
    from redis import Redis

THE_LIST = ""
"""What `take` says when the list of zones has changed; no zone is called that."""

MANY_ZONES = 1000
"""Zones told of at once from which on the list is compared instead."""

MESSAGES_AT_A_TIME = 10_000
"""What is heard, more or less, before something is done about it."""

ZONES_AT_A_TIME, NAMES_AT_A_TIME = 1000, 20_000
"""What is asked for in one go: so many zones, and of zones so many that they have together as many names, or one."""

NAME_LIMIT = 1024
"""Octets of a name in the list, or published, that is looked at. The longest name of all takes 1,009."""

PLAIN_NAME_LIMIT = 253
"""Octets of the longest name without escapes (RFC 1035 section 3.1: 255 in wire format)."""

T = TypeVar("T")


class RedisDatabase:
    """Opens at the first call."""

    tells_all = False
    names_deleted = True
    counts_changes = True

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._where = parsed(url.url)
        self._client: Redis = open_client(self._where)
        self._listener: Any = None

    def close(self) -> None:
        if self._listener is not None:
            self._listener.disconnect()
            self._listener = None
        self._client.connection_pool.disconnect()

    # ---- which zones, and in which version

    def domains(self) -> list[Domain]:
        self._check_master()
        with explained(self._where, str(self.url)):
            listed: Any = self._client.hgetall(zones_key(self._where))
        return [_domain(name, value) for name, value in listed.items()]

    def _check_master(self) -> None:
        """A master that was cut off from its Sentinels does not know that there is another one by now."""
        if not self._where.service or self._listener is None:
            return
        from redis.exceptions import RedisError

        pool: Any = self._client.connection_pool
        try:
            master = pool.get_master_address()
        except (RedisError, OSError):
            return  # as long as the Redis itself is there
        listening_to = (self._listener.host, self._listener.port)
        if master != listening_to:
            raise DatabaseError(f"{self.url}: the Sentinels name another master now")

    def problem_of(self, domain: Domain) -> Problem:
        return Problem(f"{self.url} {zones_key(self._where)} {domain.name}", 0, 0, domain.problem)

    def versions(self, only: Sequence[Id] | None = None) -> dict[Id, Version]:
        names = list(map(str, only)) if only is not None else None
        versions: dict[Id, Version] = {}
        if names is None:
            listed = {domain.name: domain.token for domain in self.domains() if _is_zone(domain)}
        else:
            listed = self._tokens([name for name in names if name])
        for some in _parts(list(listed), ZONES_AT_A_TIME):
            sizes = self._each("HLEN", some)
            for name, size in zip(some, sizes, strict=True):
                versions[name] = Version(size if isinstance(size, int) else -1, False, listed[name])
        return versions

    def _tokens(self, names: list[str]) -> dict[str, str]:
        tokens = {}
        for some in _parts(names, ZONES_AT_A_TIME):
            with explained(self._where, str(self.url)):
                values: Any = self._client.hmget(zones_key(self._where), some)
            tokens.update(
                {name: _token(value) for name, value in zip(some, values, strict=True) if value not in (None, DELETED)}
            )
        return tokens

    def glances(self) -> dict[Id, tuple[Any, ...]]:
        """Versions come with `domains`."""
        return {}

    def is_quiet(self) -> bool:
        return False

    # ---- records

    def read(
        self, domains: Iterable[tuple[Domain, str]], *, everything: bool = False
    ) -> Iterator[tuple[Domain, Loaded]]:
        wanted = list(domains)
        for some in self._by_size(wanted) if len(wanted) > 1 else [wanted]:
            hashes = self._each("HGETALL", [domain.name for domain, _ in some])
            while some:
                (domain, token), found = some.pop(0), hashes.pop(0)
                yield domain, self._loaded(domain, token, found)

    def _by_size(self, domains: list[tuple[Domain, str]]) -> Iterator[list[tuple[Domain, str]]]:
        for some in _parts(domains, ZONES_AT_A_TIME):
            part: list[tuple[Domain, str]] = []
            names = 0
            for one, size in zip(some, self._each("HLEN", [domain.name for domain, _ in some]), strict=True):
                count = size if isinstance(size, int) else 0
                if part and names + count > NAMES_AT_A_TIME:
                    yield part
                    part, names = [], 0
                part.append(one)
                names += count
            if part:
                yield part

    def _loaded(self, domain: Domain, token: str, found: Any) -> Loaded:
        place, origin = f"{self.url} {zone_key(self._where, domain.name)}", wire(domain.name)
        if not isinstance(found, dict):
            problem = "it is no hash; delete the key, and load the zone again"
        elif not found:
            problem = "there is no such hash, though the list has the zone; load it again, or delete it from the list"
        else:
            fields = Fields(place, origin, token)
            fields.add(found.items())
            return fields.loaded()
        return Loaded(origin, b"", (place,), (), (Problem(place, 0, 0, problem),), version=token)

    def _each(self, command: str, names: Sequence[str]) -> list[Any]:
        """One command about each of these zones; None where its key is no hash."""
        from redis.exceptions import ResponseError

        with explained(self._where, str(self.url)):
            pipeline: Any = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.execute_command(command, zone_key(self._where, name))
            results: list[Any] = pipeline.execute(raise_on_error=False)
            for number, result in enumerate(results):
                if isinstance(result, ResponseError) and str(result).startswith("WRONGTYPE"):
                    results[number] = None
                elif isinstance(result, Exception):
                    raise result
        return results

    # ---- being told

    def read_changed(self, domain: Domain, image: bytes) -> Loaded | None:
        """Redis tells of zones only."""
        return None

    def listen(self) -> bool:
        """False if one may not subscribe to the channel. Keyspace notifications are welcome where they can be had."""
        keyspace = f"__keyspace@{self._where.db}__:"
        with explained(self._where, str(self.url)):
            self._listener = self._client.connection_pool.make_connection()
            self._listener.connect()
            if not self._subscribe("SUBSCRIBE", channel(self._where)):
                self._listener.disconnect()
                self._listener = None
                return False
            self._subscribe("PSUBSCRIBE", keyspace + zone_key(self._where, "*"))
            self._subscribe("SUBSCRIBE", keyspace + zones_key(self._where))
        return True

    def _subscribe(self, command: str, name: str) -> bool:
        from redis.exceptions import NoPermissionError

        try:
            self._listener.send_command(command, name)
            self._listener.read_response(disconnect_on_error=False)
        except NoPermissionError:
            return False
        return True

    def fileno(self) -> int:
        # The driver shows its socket nowhere else; without it changes would be noticed at the next look only.
        connected = getattr(self._listener, "_sock", None)
        return -1 if connected is None else int(connected.fileno())

    def take(self) -> set[Id] | None:
        told: set[Id] = set()
        is_all = is_there = False
        heard = 0
        with explained(self._where, str(self.url)):
            self._listener.send_command("PING")  # what was sent before the reply comes first; and is anybody there?
            # What came in one piece with the reply has been read from the socket, and would not make it readable again.
            while not is_there or (heard < MESSAGES_AT_A_TIME and self._listener.can_read(timeout=0)):
                heard += 1
                kind, *what = self._listener.read_response()
                is_there |= kind == b"pong"
                if kind not in (b"message", b"pmessage"):
                    continue
                origin = self._origin_in(kind, what)
                is_all |= origin == EVERYTHING or len(told) >= MANY_ZONES
                if origin is not None and not is_all:
                    told.add(origin)
        return None if is_all else told

    def _origin_in(self, kind: bytes, what: list[Any]) -> str | None:
        """Anybody may write to a channel."""
        if kind == b"pmessage":
            key = what[1].partition(b"__:")[2]
            return _text(key[len(zone_key(self._where, "")) :])
        name, data = what
        if name != channel(self._where).encode():
            return THE_LIST
        return _text(data.strip().lower().removesuffix(b".") or data)


def _domain(name: bytes, value: bytes) -> Domain:
    text = _text(name)
    if text is None:
        return Domain(shown(name), shown(name), "that is no domain name")
    if value == DELETED:
        return Domain(text, text, is_deleted=True)
    if PLAIN.fullmatch(name) is not None and len(name) <= PLAIN_NAME_LIMIT:
        return Domain(text, text, token=_token(value))
    try:
        right = name_of(wire(text))
    except (dns.exception.DNSException, UnicodeError) as error:
        return Domain(text, text, f"'{text}' is no domain name: {error}")
    if right != text or not text:
        problem = f"'{text}' is written in another way than zones are looked up; right would be {right}"
        return Domain(text, text, problem)
    return Domain(text, text, token=_token(value))


def _is_zone(domain: Domain) -> bool:
    return not domain.problem and not domain.is_deleted


def _token(value: bytes) -> str:
    """A version, whatever it is, as a text that is neither empty nor long."""  # isalnum of bytes: ASCII only
    return f"v{value.decode()}" if len(value) <= 64 and value.isalnum() else hashlib.sha256(value).hexdigest()


def _text(name: bytes) -> str | None:
    if len(name) > NAME_LIMIT:
        return None
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        return None


def _parts(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
