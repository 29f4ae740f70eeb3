"""A Redis in which several machines share what they were told, so that one asks and all know.

Every use has little time and may fail: then the question goes to the upstreams as if there were no Redis, which is
left in peace for a while. What comes out of it is checked like a packet: somebody else may have written it.

An answer is stored under the upstreams that it came from (a machine with others must not take it for theirs), name,
type, DO and CD, for as long as it is fresh; failures and stale answers are not shared.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import dns.exception
import dns.name
import msgspec
import structlog
from msgspec import Struct
from redis import asyncio as redis
from redis.exceptions import RedisError

from pippin.forward.accept import wire_of
from pippin.forward.cache import Entry, ttl_places
from pippin.forward.wire import Question

log = structlog.get_logger(__name__)

ASK_SECONDS = 0.1
"""For one answer of Redis; an upstream may well be quicker than a Redis that takes longer."""

CONNECTIONS = 8
WRITES_WAITING = 256
"""Answers on their way to Redis at a time; more are not shared."""

FAILURES_BEFORE_REST = 3
REST_FIRST, REST_MOST = 1.0, 30.0
"""Seconds for which Redis is not used after it failed: doubling from the first to the most."""

BODY_LIMIT = 65000
"""Octets of a message that are neither header nor question."""

_PREFIX = b"pippin:forward:1:"


class _Stored(Struct, array_like=True, frozen=True):
    body: bytes
    answers: int
    authorities: int
    rcode: int
    ede: int
    authentic: bool
    stored: float
    ttl: int
    aliases: tuple[bytes, ...]
    follow: bytes | None


@dataclass(frozen=True, slots=True)
class SharedStatistics:
    """Since the start; `resting` is as of now."""

    found: int
    missed: int
    written: int
    failed: int
    unreadable: int
    resting: bool


class SharedCache:
    """Belongs to the event loop that runs when it is first used. `clock` is Unix time."""

    def __init__(self, url: str, *, trust_ad: bool, clock: Callable[[], float]) -> None:
        """Connects to nothing yet. ValueError if the URL is none for Redis."""
        self._clock = clock
        self._keeps_ad = trust_ad or is_private(url)
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ASK_SECONDS,
            socket_timeout=ASK_SECONDS,
            socket_connect_timeout=ASK_SECONDS,
        )
        self._redis = redis.Redis(connection_pool=pool)
        self._writes: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._rest = REST_FIRST
        self._rest_until = 0.0
        self._found = self._missed = self._written = self._failed = self._unreadable = 0

    async def get(self, origin: bytes, question: Question) -> Entry | None:
        """What some machine was told by the upstreams that `origin` names; None if none was, or Redis is away."""
        if not self._is_usable():
            return None
        try:
            async with asyncio.timeout(ASK_SECONDS):
                value = await self._redis.get(_name(origin, question))
        except (RedisError, OSError) as error:
            self._fail(error)
            return None
        self._succeed()
        entry = None if value is None else self._read(value)
        if entry is None:
            self._missed += 1
        else:
            self._found += 1
        return entry

    def put(self, origin: bytes, question: Question, entry: Entry) -> None:
        """Share an entry, without waiting."""
        if self._is_usable() and len(self._writes) < WRITES_WAITING and entry.left(self._clock()) >= 1:
            task = asyncio.get_running_loop().create_task(self._write(_name(origin, question), entry))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        for task in self._writes:
            task.cancel()
        await self._redis.aclose()

    def statistics(self) -> SharedStatistics:
        return SharedStatistics(
            self._found,
            self._missed,
            self._written,
            self._failed,
            self._unreadable,
            time.monotonic() < self._rest_until,
        )

    async def _write(self, name: bytes, entry: Entry) -> None:
        value = msgspec.msgpack.encode(
            _Stored(
                entry.body,
                entry.answers,
                entry.authorities,
                entry.rcode,
                entry.ede,
                entry.authentic,
                entry.stored,
                entry.ttl,
                entry.aliases,
                entry.follow,
            )
        )
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self._redis.set(name, value, ex=max(1, int(entry.left(self._clock()))))
        except (RedisError, OSError) as error:
            self._fail(error)
        else:
            self._succeed()
            self._written += 1

    def _read(self, value: bytes) -> Entry | None:
        """None for what is no entry, or no fresh one by our clock."""
        try:
            stored = msgspec.msgpack.decode(value, type=_Stored)
            entry = Entry(
                stored.body,
                stored.answers,
                stored.authorities,
                stored.rcode,
                stored.ede,
                stored.authentic and self._keeps_ad,
                min(stored.stored, self._clock()),  # another machine's clock may be ahead
                stored.ttl,
                tuple(map(_checked, stored.aliases)),
                None if stored.follow is None else _checked(stored.follow),
                places=ttl_places(stored.body, stored.answers + stored.authorities),
            )
        except (msgspec.DecodeError, dns.exception.DNSException, ValueError):
            self._unreadable += 1
            return None
        possible = 0 <= stored.rcode < 16 and 0 < stored.ttl < 1 << 31 and len(stored.body) <= BODY_LIMIT
        if not possible or min(stored.answers, stored.authorities) < 0:
            self._unreadable += 1
            return None
        return entry if entry.left(self._clock()) > 0 else None

    def _is_usable(self) -> bool:
        return time.monotonic() >= self._rest_until

    def _succeed(self) -> None:
        if self._failures >= FAILURES_BEFORE_REST:
            log.info("the shared cache works again")
        self._failures = 0
        self._rest = REST_FIRST

    def _fail(self, error: Exception) -> None:
        self._failed += 1
        self._failures += 1
        if self._failures == FAILURES_BEFORE_REST:
            log.warning(
                "the shared cache fails, going on without it", error=f"{type(error).__name__}: {error}"
            )
        if self._failures >= FAILURES_BEFORE_REST and self._is_usable():
            self._rest_until = time.monotonic() + self._rest
            self._rest = min(REST_MOST, 2 * self._rest)


def origin_of(suffix: bytes, upstreams: Iterable[str]) -> bytes:
    """What tells answers of these upstreams from those of others."""
    text = suffix + b"\0" + "\0".join(sorted(upstreams)).encode()
    return hashlib.sha256(text).digest()[:12]


def is_private(url: str) -> bool:
    """Nobody on the way to this Redis can change what it says: TLS, this machine."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in ("rediss", "unix"):
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def _name(origin: bytes, question: Question) -> bytes:
    flags = question.dnssec_ok | question.checking_disabled << 1
    return _PREFIX + origin + bytes([flags]) + question.type.to_bytes(2, "big") + question.name


def _checked(name: bytes) -> bytes:
    """A name in wire format, in lower case. `dns.exception.DNSException` if it is none."""
    return wire_of(dns.name.from_wire(name, 0)[0])
