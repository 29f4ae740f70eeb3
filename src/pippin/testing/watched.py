"""A worker whose questions are noted, and whose answers go wrong where a test wants it.

Between the worker and its engine stands `WatchedResponder`, which looks at every question and overrules the engine's
verdict: DROP for silence, HIT with another reply, and SLOW for what shall be late; that goes the way of slow answers,
and is held back at its end. The worker for users has nothing of this.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pippin.engine.path import DROP, HIT, SLOW, Batch, Responder, client_address
from pippin.query.pipeline import Deliver, Outcome
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve.options import WorkerOptions
from pippin.serve.worker import Worker
from pippin.store import Reader
from pippin.testing.faults import Effect, Faults

LATE_KEPT = 10_000
"""Different questions that may be in work while their answers shall be late; those of more come in time."""

Asked: TypeAlias = tuple[bytes, tuple[str, int]]
"""A packet and its client."""


@dataclass(frozen=True, slots=True)
class Spoiled(Reply):
    """A reply that is complete as it is."""

    message: bytes = b""


class WatchedResponder:
    """A Responder that `faults` is told of; what isn't written here is the engine's own."""

    def __init__(self, responder: Responder, faults: Faults) -> None:
        self._responder = responder
        self._faults = faults
        self._late: dict[Asked, list[Effect]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._responder, name)

    def answer(self, batch: Batch, count: int, now: int) -> int:
        """As the engine, and then as the test wants it."""
        self._responder.answer(batch, count, now)
        _, _, replies, lengths, _, verdicts = batch.buffers()
        place = batch.sizes()[2]
        for i in range(count):
            if verdicts[i] == DROP:
                continue
            asked = batch.query(i), client_address(batch.client(i))
            effect = self._faults.notice(asked[0], asked[1][0], Transport.UDP)
            if effect is None:
                continue
            if effect.silent:
                verdicts[i] = DROP
            elif effect.delay:
                self._put_off(asked, effect)
                verdicts[i] = SLOW
            elif effect.message is not None:
                replies[i * place : i * place + len(effect.message)] = effect.message
                lengths[i] = len(effect.message)
                verdicts[i] = HIT
        return verdicts.count(SLOW, 0, count)

    def answer_stream(self, query: bytes, client: bytes, now: int) -> tuple[int, bytes]:
        """DROP would close the connection, which is no timeout: silence is a slow answer that never comes."""
        verdict, reply = self._responder.answer_stream(query, client, now)
        if verdict == DROP:
            return verdict, reply
        asked = query, client_address(client)
        effect = self._faults.notice(asked[0], asked[1][0], Transport.TCP)
        if effect is None:
            return verdict, reply
        if effect.silent or effect.delay:
            self._put_off(asked, effect)
            return SLOW, b""
        return (verdict, reply) if effect.message is None else (HIT, effect.message)

    def effect_on(self, query: Query) -> Effect | None:
        """What shall happen to a slow answer; asked once for each question, and forgotten with that."""
        asked = query.wire, query.client
        effects = self._late.get(asked)
        if effects is None:
            return None
        effect = effects.pop(0)
        if not effects:
            del self._late[asked]
        return effect

    def _put_off(self, asked: Asked, effect: Effect) -> None:
        if len(self._late) < LATE_KEPT:
            # A list, for clients repeat a question octet by octet.
            self._late.setdefault(asked, []).append(effect)


class WatchedWorker(Worker):
    """The worker of `DNSServer`."""

    def __init__(self, options: WorkerOptions, reader: Reader, faults: Faults) -> None:
        super().__init__(options, reader)
        self._watched = WatchedResponder(self._responder, faults)
        self._responder = cast(Responder, self._watched)
        self._tcp.answer = self._watched.answer_stream

    def _deliver_packet(self, query: Query, outcome: Outcome) -> None:
        self._deliver_as_wanted(super()._deliver_packet, query, outcome)

    def _deliver_stream(self, query: Query, outcome: Outcome) -> None:
        self._deliver_as_wanted(super()._deliver_stream, query, outcome)

    def _deliver_as_wanted(self, deliver: Deliver, query: Query, outcome: Outcome) -> None:
        effect = self._watched.effect_on(query)
        if effect is None:
            deliver(query, outcome)
        elif not effect.silent:
            if effect.message is not None:
                outcome = Spoiled(b"", 0, 0, 0, message=effect.message)
            asyncio.get_running_loop().call_later(effect.delay, deliver, query, outcome)

    def _finish(self, query: bytes, client: bytes, now: int, reply: Reply, *, stream: bool) -> bytes:
        if isinstance(reply, Spoiled):
            return reply.message
        return super()._finish(query, client, now, reply, stream=stream)
