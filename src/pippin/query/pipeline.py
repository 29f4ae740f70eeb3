"""The slow path: a bounded queue, parallel handlers, the first answer wins.

In: queries the engine could not answer by copying. Out: for each one exactly one call of the function that came
with it, with a `Reply`, a `Stream`, or a `Silence`. A full queue drops the query, and counts it.

Exceptions stop here (the other door is the engine's own parsing): `Malformed` becomes FORMERR, anything else
SERVFAIL. Each place that raises is logged once, not once a query: a flood of bad questions must not become a
flood of log lines.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import dns.rcode
import structlog

from pippin.query.query import Malformed, Query
from pippin.query.reply import Reply

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer of several messages (AXFR): complete DNS messages without length prefix, for TCP only."""

    messages: AsyncIterator[bytes]


class Silence:
    """No reply at all."""


Outcome: TypeAlias = Reply | Stream | Silence
Handler: TypeAlias = Callable[[Query], Awaitable[Outcome | None]]
"""None: another handler may know."""
Deliver: TypeAlias = Callable[[Query, Outcome], None]

FORMERR = Reply(b"", 0, 0, 0, rcode=dns.rcode.FORMERR, authoritative=False)
SERVFAIL = Reply(b"", 0, 0, 0, rcode=dns.rcode.SERVFAIL, authoritative=False)
REFUSED = Reply(b"", 0, 0, 0, rcode=dns.rcode.REFUSED, authoritative=False)

STARTS_PER_TURN = 8
"""Queries taken from the queue before the event loop sees to the sockets again. A zone question costs about
0.2 ms here, so packets that can be answered by copying wait for 2 ms at most behind a flood of those that can't."""

CONCURRENCY = 256
"""Queries in work at a time."""

PLACES_REMEMBERED = 1000
"""Places of failures that are told apart; later ones are counted without a log line."""


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """What happened since the start; `waiting` and `running` are as of now."""

    accepted: int
    dropped: int
    failed: int
    malformed: int
    waiting: int
    running: int


class Pipeline:
    """Runs `handlers` in order for each query, at most `concurrency` queries at a time.

    Belongs to the event loop that runs when the first query is offered.
    """

    def __init__(
        self, handlers: tuple[Handler, ...], *, queue_size: int = 4096, concurrency: int = CONCURRENCY
    ) -> None:
        self._handlers = handlers
        self._queue_size = queue_size
        self._concurrency = concurrency
        self._waiting: deque[tuple[Query, Deliver]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._turn_is_due = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._places: set[str] = set()
        self._accepted = self._dropped = self._failed = self._malformed = 0

    def offer(self, query: Query, deliver: Deliver) -> bool:
        """Queue a query; `deliver(query, outcome)` is called later. False: the queue is full, the query is gone."""
        if len(self._waiting) >= self._queue_size:
            self._dropped += 1
            return False
        self._accepted += 1
        self._waiting.append((query, deliver))
        self._idle.clear()
        self._schedule()
        return True

    async def wait_idle(self) -> None:
        """Wait until nothing waits and nothing runs."""
        await self._idle.wait()

    def close(self) -> None:
        """Forget what waits and cancel what runs; their clients hear nothing."""
        self._waiting.clear()
        for task in self._running:
            task.cancel()

    def statistics(self) -> PipelineStatistics:
        return PipelineStatistics(
            self._accepted,
            self._dropped,
            self._failed,
            self._malformed,
            len(self._waiting),
            len(self._running),
        )

    def _schedule(self) -> None:
        if not self._turn_is_due and self._waiting and len(self._running) < self._concurrency:
            self._turn_is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        loop = asyncio.get_running_loop()
        for _ in range(min(STARTS_PER_TURN, len(self._waiting), self._concurrency - len(self._running))):
            query, deliver = self._waiting.popleft()
            task = loop.create_task(self._serve(query, deliver))
            self._running.add(task)
            task.add_done_callback(self._done)
        self._schedule()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._schedule()
        if not self._waiting and not self._running:
            self._idle.set()

    async def _serve(self, query: Query, deliver: Deliver) -> None:
        deliver(query, await self._handle(query))

    async def _handle(self, query: Query) -> Outcome:
        try:
            for handler in self._handlers:
                if (outcome := await handler(query)) is not None:
                    return outcome
        except Malformed:
            self._malformed += 1
            return FORMERR
        except Exception as error:  # noqa: BLE001 - the door: whatever a handler does, its client gets SERVFAIL
            self._failed += 1
            self._report(query, error)
            return SERVFAIL
        return REFUSED  # nobody feels responsible for the name

    def _report(self, query: Query, error: Exception) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}:{frame.lineno}"
        if place in self._places or len(self._places) >= PLACES_REMEMBERED:
            return
        self._places.add(place)
        log.error(
            "a handler failed, its client got SERVFAIL; the same place is not logged again",
            place=place,
            function=frame.name,
            error=f"{type(error).__name__}: {error}",
            client=query.client[0],
            query=query.wire.hex(),
        )
