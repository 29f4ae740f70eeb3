"""Question -> entry: from the cache, from a look-up that is under way already, or from upstreams.

Equal questions are merged into one. What nobody could answer is remembered for a while too (RFC 9520). While
upstreams are silent, what is past its time is better than nothing (RFC 8767): it is given after STALE_AFTER seconds
of waiting, and at once while a failure is fresh. A name that is asked for near the end of its time is asked anew
before it ends.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import dns.name
import dns.rcode

from pippin.forward.accept import accept, wire_of
from pippin.forward.accepted import Accepted, Limits
from pippin.forward.cache import CacheStatistics, Entry, MessageCache
from pippin.forward.group import Group, NothingWorks
from pippin.forward.local import LOCAL_ZONES
from pippin.forward.settings import ForwardSettings, parse_upstream
from pippin.forward.upstream import Upstream, UpstreamStatistics
from pippin.forward.wire import Question
from pippin.query.reply import Reply

if TYPE_CHECKING:
    from pippin.forward.shared import SharedCache, SharedStatistics

STALE_AFTER = 1.8
"""Seconds a client waits for fresh data before it gets stale data (RFC 8767 section 5)."""

STALE_TTL = 30
STALE_RETRY = 30.0
"""Seconds before upstreams are tried again for a name they failed for (RFC 8767 section 5, failure recheck)."""

STALE_KEEP = 5
"""Seconds the engine may repeat a stale answer without asking here: fresh data must not wait for long."""

ALIAS_KEEP = 10
"""The same for an answer with aliases: when a zone with one of their targets begins to be served, that must show."""

STALE_ANSWER, STALE_NXDOMAIN = 3, 19
"""Extended DNS errors (RFC 8914 sections 4.4 and 4.20)."""

FAILURE_MOST = 300
"""RFC 9520 section 3.2: a failure is not to be remembered for longer than 5 minutes."""

PREFETCH_FROM = 10
"""TTLs below this many seconds are not worth asking ahead for."""

PREFETCH_PART = 10
"""The last tenth of an answer's time is when it is asked for anew; the engine, which counts whole seconds, may find
that it has begun up to a second before it has."""

REFRESHES = 64
"""Look-ups under way that no client waits for."""

OVERFLOW = Entry(b"", 0, 0, dns.rcode.SERVFAIL, -1, False, 0.0, 0, failed=True)


@dataclass(frozen=True, slots=True)
class ForwardStatistics:
    """Since the start; `in_flight` and the cache's sizes are as of now."""

    questions: int
    hits: int
    merged: int
    asked: int
    failed: int
    failures_repeated: int
    stale: int
    prefetched: int
    overflowed: int
    in_flight: int
    cache: CacheStatistics
    shared: SharedStatistics | None
    upstreams: tuple[UpstreamStatistics, ...]


class Forwarder:
    """Belongs to the event loop that runs when it is made. `clock` is Unix time."""

    def __init__(self, settings: ForwardSettings, *, clock: Callable[[], float] = time.time) -> None:
        """OSError if `tls_ca` cannot be read; everything else of the settings must have been checked."""
        self._settings = settings
        self._clock = clock
        self._cache = MessageCache(settings.cache_size, settings.cache_bytes)
        self._tls: ssl.SSLContext | None = None
        self._upstreams: dict[str, Upstream] = {}
        self._routes: dict[bytes, Group | None] = {wire_of(zone): None for zone in LOCAL_ZONES}
        if settings.upstreams:
            self._routes[b"\0"] = self._group(settings.upstreams)
        for suffix, upstreams in settings.suffix.items():
            key = wire_of(dns.name.from_text(suffix.removesuffix(".") + "."))
            self._routes[key] = self._group(upstreams) if upstreams else None
        self._shared: SharedCache | None = None
        self._origins: dict[bytes, bytes] = {}
        if settings.shared_cache is not None:
            self._share(settings.shared_cache)
        self._limits = Limits(settings.max_ttl, settings.max_negative_ttl)
        self._flights: dict[Question, asyncio.Future[Entry]] = {}
        self._unattended: set[asyncio.Task[Entry]] = set()
        self._refreshes = 0
        self._questions = self._hits = self._merged = self._asked = self._failed = 0
        self._failures_repeated = self._stale = self._prefetched = self._overflowed = 0

    def route(self, name: bytes) -> tuple[bytes, Group | None] | None:
        """The longest suffix that the name (lower-case wire format) is at or below, and whom to ask there: None for
        nobody, it stays here. None altogether if nothing is configured for such names."""
        at = 0
        while True:
            suffix = name[at:]
            if suffix in self._routes:
                return suffix, self._routes[suffix]
            if not name[at]:
                return None
            at += 1 + name[at]

    def remembered(self, question: Question) -> Entry | None:
        """What the cache has that is still fresh, failures not included."""
        entry = self._cache.get(question)
        return None if entry is None or entry.failed or entry.left(self._clock()) <= 0 else entry

    async def look_up(self, question: Question) -> tuple[Entry, bool]:
        """The entry for a question whose `route` has upstreams, and whether it is stale. Their failures are entries."""
        self._questions += 1
        now = self._clock()
        entry = self._cache.get(question)
        if entry is not None and entry.left(now) > 0:
            self._hits += 1
            self._failures_repeated += entry.failed
            self._prefetch(question, entry, now)
            return entry, False
        stale = entry if entry is not None and self._may_be_stale(entry, now) else None
        if stale is not None and now < stale.retry_at:
            self._stale += 1
            return stale, True
        flight = self._flights.get(question)
        if flight is not None:
            self._merged += 1
        elif len(self._flights) >= self._settings.in_flight + REFRESHES:
            self._overflowed += 1
            return (OVERFLOW, False) if stale is None else (stale, True)
        elif stale is None:
            return await self._fly(question), False
        else:
            flight = self._send_off(question)
        await asyncio.wait([flight], timeout=None if stale is None else STALE_AFTER)
        if not flight.done():
            assert stale is not None
            stale.retry_at = self._clock() + max(0.0, self._settings.patience - STALE_AFTER)
            self._stale += 1
            return stale, True
        fresh = flight.result()
        if fresh.failed and stale is not None:
            self._stale += 1
            return stale, True
        return fresh, False

    async def refresh(self, question: Question) -> Entry | None:
        """What is remembered, asked anew first if it is near its end; None if it was not remembered any more."""
        entry = self._cache.get(question)
        now = self._clock()
        if entry is None or entry.left(now) <= 0:
            return None
        if (flight := self._prefetch(question, entry, now)) is not None:
            await asyncio.wait([flight])
            return self._cache.get(question)
        return entry

    def reply(self, entry: Entry, is_stale: bool) -> Reply:
        """The reply that an entry makes now, and how long the engine may give it without asking here."""
        now = self._clock()
        if is_stale:
            ede = STALE_NXDOMAIN if entry.rcode == dns.rcode.NXDOMAIN else STALE_ANSWER
            return entry.reply(now, keep=STALE_KEEP, stale_ttl=STALE_TTL, ede=ede)
        keep = int(entry.stored + entry.ttl) - int(now)  # the engine's seconds
        if entry.aliases:
            keep = min(keep, ALIAS_KEEP)
        return entry.reply(now, keep=max(0, keep))

    async def close(self) -> None:
        for task in self._unattended:
            task.cancel()
        if self._shared is not None:
            await self._shared.close()
        for group in self._routes.values():
            if group is not None:
                group.close()

    def statistics(self) -> ForwardStatistics:
        return ForwardStatistics(
            self._questions,
            self._hits,
            self._merged,
            self._asked,
            self._failed,
            self._failures_repeated,
            self._stale,
            self._prefetched,
            self._overflowed,
            len(self._flights),
            self._cache.statistics(),
            None if self._shared is None else self._shared.statistics(),
            tuple(upstream.statistics() for upstream in self._upstreams.values()),
        )

    def _group(self, texts: tuple[str, ...]) -> Group:
        """An upstream that is named in several groups is one: what is learnt about it counts in all."""
        settings = self._settings
        found = []
        for text in texts:
            address = parse_upstream(text)
            if address.protocol == "tls" and self._tls is None:
                self._tls = ssl.create_default_context(cafile=settings.tls_ca)
                self._tls.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 section 3.1
            upstream = self._upstreams.get(str(address))
            if upstream is None:
                upstream = Upstream(address, self._tls, random_case=settings.random_case)
                self._upstreams[str(address)] = upstream
            found.append(upstream)
        return Group(tuple(found), settings.mode)

    def _share(self, url: str) -> None:
        # Not on top: who shares nothing needs no client for Redis.
        from pippin.forward.shared import SharedCache, origin_of

        self._shared = SharedCache(url, trust_ad=self._settings.trust_ad, clock=self._clock)
        for suffix, group in self._routes.items():
            if group is not None:
                addresses = (str(upstream.address) for upstream in group.upstreams)
                self._origins[suffix] = origin_of(suffix, addresses)

    def _send_off(self, question: Question) -> asyncio.Task[Entry]:
        """A look-up that goes on whether or not anybody waits for it."""
        task = asyncio.get_running_loop().create_task(self._fly(question))
        self._unattended.add(task)
        task.add_done_callback(self._unattended.discard)
        return task

    async def _fly(self, question: Question) -> Entry:
        """Look up, for whoever asks the same meanwhile too."""
        flight = self._flights[question] = asyncio.get_running_loop().create_future()
        try:
            entry = await self._fetch(question)
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # seen, whether or not somebody else waits
            raise
        else:
            flight.set_result(entry)
            return entry
        finally:
            flight.cancel()  # if the look-up was: then so are those who wait
            del self._flights[question]

    def _prefetch(self, question: Question, entry: Entry, now: float) -> asyncio.Task[Entry] | None:
        """Begin to ask anew for an entry that is near its end, if it is and nobody does."""
        if (
            not self._settings.prefetch
            or entry.failed
            or entry.ttl < PREFETCH_FROM
            or (entry.left(now) - 1) * PREFETCH_PART >= entry.ttl
            or now < entry.retry_at
            or question in self._flights
            or self._refreshes >= REFRESHES
        ):
            return None
        self._prefetched += 1
        self._refreshes += 1
        flight = self._send_off(question)
        flight.add_done_callback(self._refreshed)
        return flight

    def _refreshed(self, _: asyncio.Task[Entry]) -> None:
        self._refreshes -= 1

    def _may_be_stale(self, entry: Entry, now: float) -> bool:
        return not entry.failed and entry.left(now) > -self._settings.serve_stale

    async def _fetch(self, question: Question) -> Entry:
        found = self.route(question.name)
        assert found is not None
        suffix, group = found
        assert group is not None
        if self._shared is not None and (told := await self._shared.get(self._origins[suffix], question)) is not None:
            known = self._cache.get(question)
            if known is None or known.stored != told.stored:  # else it is the one that is to be replaced
                self._cache.put(question, told)
                return told
        self._asked += 1
        is_elsewhere = partial(self._is_elsewhere, suffix)
        read = partial(accept, question=question, is_elsewhere=is_elsewhere, limits=self._limits)
        try:
            accepted, upstream = await group.ask(question, read, self._settings.patience)
        except NothingWorks as error:
            return self._remember_failure(question, error.ede)
        entry = self._entry(accepted, self._settings.trust_ad or upstream.is_trusted)
        if entry.ttl:
            self._cache.put(question, entry)
            if self._shared is not None:
                self._shared.put(self._origins[suffix], question, entry)
        else:
            self._cache.discard(question)
        return entry

    def _is_elsewhere(self, suffix: bytes, name: bytes) -> bool:
        """Somebody else than the upstreams of `suffix` is to be asked for this name."""
        found = self.route(name)
        return found is not None and found[0] != suffix and found[1] is not self._routes[suffix]

    def _entry(self, accepted: Accepted, trusted: bool) -> Entry:
        return Entry(
            accepted.body,
            accepted.answers,
            accepted.authorities,
            accepted.rcode,
            accepted.ede,
            accepted.authentic and trusted,
            self._clock(),
            accepted.ttl,
            accepted.aliases,
            accepted.follow,
            places=accepted.places,
        )

    def _remember_failure(self, question: Question, ede: int) -> Entry:
        """RFC 9520: for a while nobody is asked again. An answer that may still be used stays."""
        self._failed += 1
        now = self._clock()
        known = self._cache.get(question)
        ttl = self._settings.failure_ttl
        if known is not None and known.failed and known.left(now) > -2 * known.ttl:
            ttl = min(FAILURE_MOST, 2 * known.ttl)
        failure = Entry(b"", 0, 0, dns.rcode.SERVFAIL, ede, False, now, ttl, failed=True)
        if known is not None and (known.left(now) > 0 or self._may_be_stale(known, now)):
            known.retry_at = now + STALE_RETRY
        else:
            self._cache.put(question, failure)
        return failure

