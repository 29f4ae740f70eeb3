"""The upstreams for a suffix: whom to ask first, whom next, and the first good answer wins.

A question goes to one upstream. When that is silent for longer than it usually takes, the next one is asked as
well, and both are listened to; when it fails, the next one is asked at once. One that rests comes last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain

import structlog

from pippin.forward.accepted import Accepted, Useless
from pippin.forward.datagram import Exchange
from pippin.forward.settings import Mode
from pippin.forward.upstream import Upstream, is_complete
from pippin.forward.wire import Question

log = structlog.get_logger(__name__)

ASKED_EACH = 2
"""Times that one upstream is asked the same question; RFC 9520 section 3.1 allows three."""

NO_REACHABLE_AUTHORITY = 22
"""Extended DNS error (RFC 8914 section 4.23): nobody answered."""

QUIET_SECONDS = 60.0
"""Between two lines in the log that the same upstream fails: one that loses every third packet would fill it."""

Read = Callable[[bytes], Accepted]
"""From a reply to what is believed of it; raises `Useless`."""


class NothingWorks(Exception):
    """No upstream had an answer. `ede` says why, as far as it is known."""

    def __init__(self, ede: int) -> None:
        super().__init__("no upstream had an answer")
        self.ede = ede


class Group:
    """Upstreams that are good for the same names."""

    def __init__(self, upstreams: tuple[Upstream, ...], mode: Mode) -> None:
        self._upstreams = upstreams
        self._mode = mode
        self._turn = 0
        self._probes: set[asyncio.Task[None]] = set()
        self._told: set[Upstream] = set()
        self._quiet_until: dict[Upstream, float] = {}

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        return self._upstreams

    async def ask(self, question: Question, read: Read, patience: float) -> tuple[Accepted, Upstream]:
        """What the first upstream with a good answer says. Raises `NothingWorks` after `patience` seconds at most."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._probe(question, patience)
        plan: Iterator[tuple[Upstream | None, float]]
        plan = order = self._plan()
        running: dict[asyncio.Task[Accepted], Upstream] = {}
        ede = NO_REACHABLE_AUTHORITY
        # Nearly always the first one answers over UDP, at once and for good, which takes no task.
        upstream, wait = next(order)
        exchange = self._begin(upstream, question)
        if exchange is not None:
            reply = await self._reply_to(exchange, min(wait, patience))
            if reply is not None and is_complete(reply, exchange.query):
                exchange.close()
                self._answered(upstream, began)
                try:
                    return read(reply), upstream
                except Useless as error:
                    ede = self._explain(error, ede)
            else:
                task = loop.create_task(self._ask_one(upstream, question, read, exchange, began))
                task.add_done_callback(lambda _: exchange.close())  # it may be cancelled before it has begun
                running[task] = upstream
                if exchange.reply.done():
                    plan = chain([(None, wait)], plan)  # it is asked in another way now
                else:
                    self._missed(upstream)
        elif upstream.address.protocol != "udp":
            plan = chain([(upstream, wait)], plan)
        return await self._race(question, read, began + patience, plan, running, ede)

    async def _race(
        self,
        question: Question,
        read: Read,
        deadline: float,
        plan: Iterator[tuple[Upstream | None, float]],
        running: dict[asyncio.Task[Accepted], Upstream],
        ede: int,
    ) -> tuple[Accepted, Upstream]:
        """Ask one after the other as planned, and listen to all of them."""
        loop = asyncio.get_running_loop()
        late = set(running)
        try:
            while (left := deadline - loop.time()) > 0:
                upstream, wait = next(plan, (None, left))
                if upstream is not None:
                    running[loop.create_task(self._ask_one(upstream, question, read))] = upstream
                elif not running:
                    break
                done, silent = await asyncio.wait(
                    running, timeout=min(wait, left), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    upstream = running.pop(task)
                    error = task.exception()
                    if error is None:
                        return task.result(), upstream
                    ede = self._explain(error, ede)
                if not done:
                    for task in silent - late:
                        self._missed(running[task])
                    late |= silent
        finally:
            for task in running:
                task.cancel()
        raise NothingWorks(ede)

    def close(self) -> None:
        for task in self._probes:
            task.cancel()
        for upstream in self._upstreams:
            upstream.close()

    def _begin(self, upstream: Upstream, question: Question) -> Exchange | None:
        try:
            return upstream.begin(question)
        except OSError as error:
            self._missed(upstream, error)
            return None

    async def _reply_to(self, exchange: Exchange, seconds: float) -> bytes | None:
        try:
            return await exchange.wait(seconds)
        except asyncio.CancelledError:
            exchange.close()
            raise

    def _plan(self) -> Iterator[tuple[Upstream, float]]:
        """Whom to ask, in order, each with the seconds to wait before the next; waiting gets longer each round."""
        order = self._order()
        for turn in range(ASKED_EACH):
            for upstream in order:
                yield upstream, upstream.wait * (1 << turn)

    def _order(self) -> list[Upstream]:
        upstreams = list(self._upstreams)
        if self._mode == "rotate":
            self._turn = (self._turn + 1) % len(upstreams)
            upstreams = upstreams[self._turn :] + upstreams[: self._turn]
        elif self._mode == "fastest":
            upstreams.sort(key=lambda upstream: upstream.smoothed)
        upstreams.sort(
            key=lambda upstream: not upstream.is_healthy
        )  # stable: the order above stays otherwise
        for other in upstreams[1:]:
            other.passed_over()
        return upstreams

    async def _ask_one(
        self,
        upstream: Upstream,
        question: Question,
        read: Read,
        exchange: Exchange | None = None,
        began: float | None = None,
    ) -> Accepted:
        """`exchange`: the question has been sent already, when it was `began`."""
        if began is None:
            began = asyncio.get_running_loop().time()
        try:
            reply = await upstream.ask(question, exchange)
        except OSError as error:
            self._missed(upstream, error)
            raise
        self._answered(upstream, began)
        return read(reply)

    def _answered(self, upstream: Upstream, began: float) -> None:
        upstream.succeeded(asyncio.get_running_loop().time() - began)
        if upstream in self._told:
            self._told.discard(upstream)
            log.info("an upstream answers again", upstream=str(upstream.address))

    def _missed(self, upstream: Upstream, error: OSError | None = None) -> None:
        now = asyncio.get_running_loop().time()
        upstream.missed(now, unreachable=error is not None)
        if not upstream.is_healthy and upstream not in self._told and now >= self._quiet_until.get(upstream, 0.0):
            self._told.add(upstream)
            self._quiet_until[upstream] = now + QUIET_SECONDS
            why = "silent" if error is None else f"{type(error).__name__}: {error}"
            log.warning(
                "an upstream fails and is asked last for a while", upstream=str(upstream.address), why=why
            )

    def _explain(self, error: BaseException, ede: int) -> int:
        """The extended error to report, after one more failure: what an upstream said is better than our own."""
        if isinstance(error, Useless):
            return error.ede if error.ede >= 0 else -1 if ede == NO_REACHABLE_AUTHORITY else ede
        if isinstance(error, OSError):
            return ede
        raise error

    def _probe(self, question: Question, patience: float) -> None:
        """Ask those whose rest is over the same question, beside the way of the answer."""
        loop = asyncio.get_running_loop()
        for upstream in self._upstreams:
            if upstream.is_due(loop.time()):
                task = loop.create_task(self._probe_one(upstream, question, patience))
                self._probes.add(task)
                task.add_done_callback(self._probes.discard)

    async def _probe_one(self, upstream: Upstream, question: Question, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._ask_one(upstream, question, _believe_nothing)
        except (OSError, Useless):
            if not upstream.is_healthy:
                upstream.missed(asyncio.get_running_loop().time())


def _believe_nothing(reply: bytes) -> Accepted:
    raise Useless("a probe")
