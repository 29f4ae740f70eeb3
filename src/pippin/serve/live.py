"""The handler of names in live sources: looked up when they are asked for, remembered, and given again while the source
is away.

    remembered and fresh         given at once (the engine's answer cache has had it, but for another DO or CD bit)
    being looked up              joined: equal questions are one look-up
    too many look-ups wait       dropped, and counted; given stale if there is something
    time limit over              stale, else SERVFAIL; what comes late is remembered for the next
    source away                  stale at once, else SERVFAIL; it is tried again once a second
    no zone has the name         the next source; after the last one whoever comes next, or REFUSED

Extended DNS errors (RFC 8914): 3 "Stale Answer" and 19 "Stale NXDOMAIN Answer"; without anything stale 23 "Network
Error" if the source is away, 22 "No Reachable Authority" if it is there but too slow; 24 "Invalid Data" for rows that
are wrong.

Live zones lie below loaded ones: a name at or below the origin of a zone that is loaded is never looked up.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import dns.rcode
import dns.rdataclass
import structlog

from pippin.forward.cache import ttl_places
from pippin.query.pipeline import REFUSED, SERVFAIL, Outcome, Silence
from pippin.query.query import Malformed, Query
from pippin.query.reply import Reply
from pippin.serve.live_answers import INVALID_DATA, suffixes
from pippin.serve.lookers import Found, InProcess, Landing, Looker, Wanted
from pippin.source.live import LiveSettings, LookUpError
from pippin.source.url import masked
from pippin.zone.answer import Zones

log = structlog.get_logger(__name__)

IN_LINE = 1024
"""Questions of one worker that wait for look-ups; more are dropped. Those at the end of the line would hardly be
answered within the time limit, and they take no places from questions that need no look-up."""

LATE = 4
"""Time limits after which a look-up goes no further. Its client has got another answer by then, but the next one may
have the use of it."""

SILENCE = 1.0
"""Seconds without an answer from a source after which one that is too slow counts as away. One that has more to do than
it can do goes on answering."""

RETRY = 1.0
"""Seconds between two attempts to reach a source that is away."""

STALE_TTL = 30
"""RFC 8767 section 4: TTL of stale records."""

FAILURE_KEEP = 1
"""Seconds the engine may repeat a stale answer, or that there is none, without asking here."""

WRONG_KEEP = 5
"""The same for rows that are wrong and for names in no zone: somebody may be about to put that right."""

REFRESH_FROM = 2.0
"""Seconds that must have passed since an answer was looked up for another look-up ahead of its end."""

ORIGINS_KEPT = 65536
"""Zones that have been seen in a source, to be known while it is away."""

ENTRY_OVERHEAD = 600
"""Octets that a remembered answer costs beside its name and body."""

STALE_ANSWER, STALE_NXDOMAIN, NOT_AUTHORITATIVE, NO_REACHABLE_AUTHORITY, NETWORK_ERROR = 3, 19, 20, 22, 23

DROPPED = Silence()

Key = tuple[bytes, int]
"""Name (lower-case wire format) and type. Nothing else matters: the data are not signed."""


@dataclass(frozen=True, slots=True)
class LiveStatistics:
    """Since the start, of one source; `remembered`, `waiting` and what follows are as of now."""

    source: str
    questions: int
    repeated: int
    """Questions answered from what was remembered here."""
    merged: int
    looked_up: int
    no_zone: int
    """Look-ups that found no zone for the name."""
    invalid: int
    """Look-ups whose rows were wrong."""
    timeouts: int
    failures: int
    stale: int
    """Stale answers given."""
    dropped: int
    waiting: int
    away_since: float
    """Unix time; 0: it is there."""
    error: str
    remembered: int
    """Answers, of all sources together; `evicted` to make room."""
    octets: int
    evicted: int


@dataclass(slots=True)
class _Entry:
    reply: Reply
    stored: float
    until: float
    """Fresh before this; then stale, until its source says that is too long."""
    stale_until: float


class _Flight:
    """One look-up and all who wait for it."""

    __slots__ = ("key", "number", "result", "timer")

    def __init__(self, number: int, key: Key, result: asyncio.Future[Found], timer: asyncio.TimerHandle) -> None:
        self.number = number
        self.key = key
        self.result = result
        self.timer = timer


class Live:
    """All live sources of a worker. Belongs to the event loop that runs when it is made."""

    def __init__(
        self,
        settings: tuple[LiveSettings, ...],
        zones: Zones,
        *,
        is_last: bool = True,
        entries: int = 65536,
        octets: int = 32 << 20,
        clock: Callable[[], float] = time.time,
        looker: Callable[[LiveSettings], Looker] = InProcess,
    ) -> None:
        """`zones` are those loaded. `is_last`: nobody else knows names that are in no zone."""
        self._zones = zones
        self._is_last = is_last
        self._clock = clock
        self._memory = _Memory(entries, octets)
        self._sources = tuple(_Source(one, self._memory, clock, looker(one)) for one in settings)

    async def start(self) -> None:
        """`LookUpError` if a source can never be asked: a driver is missing."""
        await asyncio.gather(*(source.start() for source in self._sources))

    def admits(self, query: Query) -> bool:
        """False: it would be dropped, so it need not stand in the queue first; it has been counted.

        A flood of names to look up must not keep others waiting in front of the handlers.
        """
        if not self._is_last or not all(source.is_full for source in self._sources):
            return True
        try:
            key = _key(query)
        except Malformed:
            return True  # the pipeline has an answer to that
        if self._zones.has(key[0]) or any(source.knows(key) for source in self._sources):
            return True
        self._sources[0].dropped += 1
        return False

    async def handle(self, query: Query) -> Outcome | None:
        key = _key(query)
        if query.rdclass != dns.rdataclass.IN or self._zones.has(key[0]):
            return None
        failed: Outcome | None = None
        for source in self._sources:
            found = await source.answer(key)
            if found is not None:
                if not _is_failure(found) or source.may_have(key):
                    return found
                # It may have no zone for this name at all. So another one that does is asked before giving up.
                failed = failed or found
        if failed is not None or not self._is_last:
            return failed
        return replace(REFUSED, ede=NOT_AUTHORITATIVE, ttl=WRONG_KEEP)

    async def refresh(self, query: Query) -> Reply | None:
        """A newer reply for a question whose remembered one is in use and ends soon; None to leave it as it is."""
        key = _key(query)
        if self._zones.has(key[0]):
            return None
        for source in self._sources:
            if source.knows(key):
                return await source.refresh(key)
        return None

    def close(self) -> None:
        for source in self._sources:
            source.close()

    @property
    def most_waiting(self) -> int:
        """Questions that may wait at the same time."""
        return IN_LINE * len(self._sources)

    @property
    def dropped(self) -> int:
        return sum(source.dropped for source in self._sources)

    def statistics(self) -> list[LiveStatistics]:
        return [source.statistics() for source in self._sources]


class _Source:
    """One live source: the look-ups under way, and whether it is there."""

    def __init__(
        self,
        settings: LiveSettings,
        memory: _Memory,
        clock: Callable[[], float],
        looker: Looker,
    ) -> None:
        self._settings = settings
        self._name = masked(settings.url)
        self._memory = memory
        self._clock = clock
        self._looker = looker
        self._flights: dict[Key, _Flight] = {}
        self._by_number: dict[int, _Flight] = {}
        """Those not landed yet, in the order they took off."""
        self._origins: OrderedDict[bytes, None] = OrderedDict()
        self._waiting = 0
        self._slow_in_a_row = 0
        self._away_since = self._retry_at = self._heard_at = 0.0
        self._error = ""
        self.dropped = 0
        self._questions = self._repeated = self._merged = self._looked_up = self._no_zone = self._invalid = 0
        self._timeouts = self._failures = self._stale = self._looked_for = 0

    async def start(self) -> None:
        await self._looker.start(self._land)

    async def answer(self, key: Key) -> Outcome | None:
        """None: it has no zone for this name."""
        self._questions += 1
        now = self._clock()
        entry = self._memory.get((self, key))
        if entry is not None and now < entry.until:
            self._repeated += 1
            return replace(entry.reply, ttl=max(1, int(entry.until - now)))
        flight = self._flights.get(key)
        if flight is not None:
            self._merged += 1
        elif self._away_since and now < self._retry_at:
            return self._instead(entry, now, NETWORK_ERROR)
        if self.is_full:
            return self._instead(entry, now, None)
        if flight is None:
            flight = self._take_off(key, now)
        self._waiting += 1
        try:
            found = await flight.result
        finally:
            self._waiting -= 1
        if isinstance(found, LookUpError):
            return self._instead(entry, self._clock(), NO_REACHABLE_AUTHORITY if found.timed_out else NETWORK_ERROR)
        return found

    @property
    def is_full(self) -> bool:
        """No more questions may wait."""
        return self._waiting >= IN_LINE

    def knows(self, key: Key) -> bool:
        """There is an answer, fresh or stale."""
        return self._memory.get((self, key)) is not None

    def may_have(self, key: Key) -> bool:
        """Whether a zone for this name has been seen here, however long ago."""
        return self.knows(key) or any(suffix in self._origins for suffix in suffixes(key[0]))

    async def refresh(self, key: Key) -> Reply | None:
        now = self._clock()
        entry = self._memory.get((self, key))
        if entry is None or now < entry.stored + REFRESH_FROM or self._away_since or self._waiting >= IN_LINE // 2:
            return None
        found = await (self._flights.get(key) or self._take_off(key, now)).result
        return found if isinstance(found, Reply) else None

    def close(self) -> None:
        self._looker.close()

    def statistics(self) -> LiveStatistics:
        return LiveStatistics(
            self._name,
            self._questions,
            self._repeated,
            self._merged,
            self._looked_up,
            self._no_zone,
            self._invalid,
            self._timeouts,
            self._failures,
            self._stale,
            self.dropped,
            self._waiting,
            self._away_since,
            self._error,
            *self._memory.sizes(),
        )

    # Look-ups

    def _take_off(self, key: Key, now: float) -> _Flight:
        if self._away_since:
            self._retry_at = now + RETRY  # this one tries; the others needn't
        loop = asyncio.get_running_loop()
        self._looked_for += 1
        number, limit, began = self._looked_for, self._settings.timeout, time.monotonic()
        flight = _Flight(number, key, loop.create_future(), loop.call_later(limit, self._give_up, number))
        self._flights[key] = self._by_number[number] = flight
        self._looker.ask(Wanted(number, *key, began + limit, began + LATE * limit))
        return flight

    def _give_up(self, number: int) -> None:
        """The time limit is over. What the look-up finds later is remembered all the same."""
        flight = self._by_number[number]
        if flight.result.done():
            return
        self._timeouts += 1
        flight.result.set_result(LookUpError("no answer in time", timed_out=True))
        # They begin in the order in which they took off, so the others have only stood in line.
        if number in islice(self._by_number, self._settings.concurrency):
            self._be_patient()

    def _land(self, landing: Landing) -> None:
        flight = self._by_number.pop(landing.number)
        del self._flights[flight.key]
        flight.timer.cancel()
        found = landing.found
        if isinstance(found, LookUpError):
            if not found.timed_out:
                self._failures += 1
                self._is_away(str(found))
            elif not flight.result.done():
                self._timeouts += 1
                self._be_patient()
        elif isinstance(found, Exception):
            self._failures += 1
            if not flight.result.done():
                flight.result.set_exception(found)
            return
        else:
            self._looked_up += 1
            self._is_back()
            if landing.origin:
                self._origins[landing.origin] = None
                self._origins.move_to_end(landing.origin)
                if len(self._origins) > ORIGINS_KEPT:
                    self._origins.popitem(last=False)
            found = self._remember(flight.key, found)
        if not flight.result.done():
            flight.result.set_result(found)

    def _remember(self, key: Key, found: Reply | None) -> Reply | None:
        """What to answer, with the time that the engine may keep it."""
        if found is None:
            self._no_zone += 1
            self._memory.discard((self, key))
            return None
        if found.rcode == dns.rcode.SERVFAIL:
            self._invalid += 1
            return replace(found, ttl=WRONG_KEEP)
        now = self._clock()
        keep = min(found.ttl, self._settings.cache_ttl)
        reply = replace(found, ttl=int(keep))
        self._memory.put((self, key), _Entry(reply, now, now + keep, now + keep + self._settings.stale))
        return reply

    def _instead(self, entry: _Entry | None, now: float, ede: int | None) -> Outcome:
        """The answer where there is no fresh one: stale, or SERVFAIL, or without `ede` nothing."""
        if entry is not None and now < entry.stale_until:
            self._stale += 1
            return _stale(entry.reply)
        if ede is None:
            self.dropped += 1
            return DROPPED
        return replace(SERVFAIL, ede=ede, ttl=FAILURE_KEEP)

    # Whether it is there

    def _be_patient(self) -> None:
        """A look-up has taken too long. If all of them do, there is no use in waiting for each."""
        self._slow_in_a_row += 1
        is_silent = self._clock() >= self._heard_at + SILENCE
        if is_silent and self._slow_in_a_row >= self._settings.concurrency:
            self._is_away(f"{self._name}: no answer within {self._settings.timeout} s, {self._slow_in_a_row} times")

    def _is_away(self, error: str) -> None:
        self._error = error
        if self._away_since:
            return
        self._away_since = self._clock()
        self._retry_at = self._away_since + RETRY
        log.error("a live source is away, giving stale answers where there are any", error=error)

    def _is_back(self) -> None:
        self._slow_in_a_row = 0
        self._heard_at = self._clock()
        if not self._away_since:
            return
        seconds = round(self._clock() - self._away_since, 1)
        log.info("a live source is back", source=self._name, away_for=seconds)
        self._away_since = 0.0
        self._error = ""


class _Memory:
    """Answers looked up earlier, fresh and stale; the least recently used go first."""

    def __init__(self, entries: int, octets: int) -> None:
        self._entries: OrderedDict[tuple[_Source, Key], _Entry] = OrderedDict()
        self._limit = entries
        self._octet_limit = octets
        self._octets = 0
        self._evicted = 0

    def get(self, key: tuple[_Source, Key]) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: tuple[_Source, Key], entry: _Entry) -> None:
        self.discard(key)
        self._entries[key] = entry
        self._octets += _cost(key, entry)
        while self._entries and (len(self._entries) > self._limit or self._octets > self._octet_limit):
            self._octets -= _cost(*self._entries.popitem(last=False))
            self._evicted += 1

    def discard(self, key: tuple[_Source, Key]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._octets -= _cost(key, entry)

    def sizes(self) -> tuple[int, int, int]:
        """Answers, octets, and how many had to make room."""
        return len(self._entries), self._octets, self._evicted


def _cost(key: tuple[_Source, Key], entry: _Entry) -> int:
    return len(key[1][0]) + len(entry.reply.body) + ENTRY_OVERHEAD


def _stale(reply: Reply) -> Reply:
    body = bytearray(reply.body)
    for place in ttl_places(reply.body, reply.answers + reply.authorities + reply.additionals):
        ttl = min(STALE_TTL, int.from_bytes(body[place : place + 4], "big"))
        body[place : place + 4] = ttl.to_bytes(4, "big")
    ede = STALE_NXDOMAIN if reply.rcode == dns.rcode.NXDOMAIN else STALE_ANSWER
    return replace(reply, body=bytes(body), ede=ede, ttl=FAILURE_KEEP)


def _is_failure(outcome: Outcome) -> bool:
    """Whether it is for want of the source that there is no answer."""
    if not isinstance(outcome, Reply):
        return True
    return outcome.rcode == dns.rcode.SERVFAIL and outcome.ede != INVALID_DATA


def _key(query: Query) -> Key:
    return query.name_wire.lower(), query.type
