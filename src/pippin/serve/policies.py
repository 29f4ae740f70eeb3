"""Policies on the slow path: what the memo does not know is worked out here, once, and taught to it.

In: a question at a name and type that a zone leaves to a policy. Out: the reply that the receive loop will give from
now on to every question with the same facts. The policy runs with a recording client under its time budget; one that
raises, overruns or returns what is no plan gets its declared fallback, with an extended DNS error, and one that keeps
failing rests. Nothing that a policy does reaches another policy, or ends the worker.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, cast

import dns.name
import dns.rcode
import structlog
from msgspec import Struct

from pippin.engine.memo import (
    ANSWER,
    ASK_CAPTURED,
    ASK_CAPTURED_LENGTH,
    ASK_GENERATION,
    DROP,
    F_CAPTURED,
    NXDOMAIN,
    OUT_EDE,
    OUT_LENGTH,
    OUT_SCOPE,
    PASS,
    REFUSED,
    SERVFAIL,
    PolicyMemo,
)
from pippin.engine.path import Responder, client_from
from pippin.policy.client import parameters
from pippin.policy.compiling import Compiled, Compiler
from pippin.policy.evaluate import Breaker, Result, Watchdog, place_of, traceback_of
from pippin.policy.facts import Recorder, Step
from pippin.policy.loops import refuse_loop
from pippin.policy.plans import PlanError, as_plan
from pippin.policy.policies import MAX_BUDGET, Policy
from pippin.policy.way import records_of
from pippin.query.compose import compose
from pippin.query.pipeline import Outcome, Silence
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve.facts import QueryFacts, Tables
from pippin.serve.zones import PublishedZones
from pippin.zone.answer import Answer, answer

log = structlog.get_logger(__name__)

MEMO_ENTRIES = 16_384
"""Answers that a policy's memo holds; making room means looking at all of them, which takes 5 ms then."""

MEMO_BYTES = 16 << 20
"""Octets that a policy's memo holds."""

EVALUATIONS_AT_ONCE = 16
"""Evaluations of one policy that may be waiting for something (a database, say) at the same time."""

EVALUATIONS_DUE = 64
"""Questions that may wait for one of those to end; more get the fallback. A policy whose database hangs must leave
room in the pipeline for others."""

FIRST_RUN = 10
"""Times its budget that a policy's first evaluation in a worker may take: it may import and connect, workers start all
at once after a change, and there is no last good plan yet to fall back on."""

PLACES_REMEMBERED = 100
"""Places of failures of one policy that are told apart; later ones are counted without a log line."""

OTHER_ERROR = 0
"""Extended DNS error "Other" (RFC 8914 section 4.1), of answers that stand in for the policy's own."""

_SERVFAIL_PLAN: Compiled = ("outcome", SERVFAIL)
_SILENCE = Silence()
_ONE = b"\0\1"


class PolicyStatistics(Struct, frozen=True):
    """What a policy has done in one worker since the worker's start; `entries`, `bytes` and `resting` are as of now."""

    name: str
    type: str
    hits: int
    """Answers from the memo."""
    evaluations: int
    failures: int
    """Evaluations that raised, or returned what is no plan; overruns that were interrupted are among them."""
    overruns: int
    """Evaluations that took longer than the budget."""
    fallbacks: int
    crowded: int
    """Of the fallbacks those because too many evaluations were waiting for something."""
    fail_open: int
    """Answers with targets taken as available because none was."""
    rests: int
    """Times that it failed so often that it was left alone for a while."""
    resting: bool
    audits: int
    impure: int
    """Audits in which it answered differently under the same facts."""
    conflicts: int
    """Evaluations that read other facts than earlier ones with the same values before them."""
    forgotten: int
    """Evaluations whose plan depends on too many facts to be remembered."""
    entries: int
    bytes: int
    evicted: int
    distinct: dict[str, int]
    """How many values of each fact the memo holds."""


class Decided(NamedTuple):
    """What an evaluation came to: a plan in the engine's form, and the facts that it depends on."""

    plan: Compiled
    path: Sequence[Step]


@dataclass(slots=True)
class Standing:
    """A policy as this worker knows it: where its memo is, how it has been doing."""

    policy: Policy
    rdtype: int
    index: int
    breaker: Breaker = field(default_factory=Breaker)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(EVALUATIONS_AT_ONCE))
    due: int = 0
    last: Compiled = _SERVFAIL_PLAN
    places: set[str] = field(default_factory=set)
    own_draws: int = 0
    """Draws that the memo counts as hits, but followed an evaluation."""
    # As in `PolicyStatistics`:
    evaluations: int = 0
    failures: int = 0
    overruns: int = 0
    fallbacks: int = 0
    crowded: int = 0
    forgotten: int = 0
    audits: int = 0
    impure: int = 0

    @property
    def budget(self) -> float:
        """Seconds for the next evaluation."""
        declared = self.policy.options.budget
        return declared if self.evaluations else min(FIRST_RUN * declared, MAX_BUDGET)


class PolicyAnswers:
    """The handler for questions that zones leave to policies. One for each worker, made in the thread it runs in."""

    def __init__(
        self,
        policies: Sequence[Policy],
        memo: PolicyMemo,
        responder: Responder,
        zones: PublishedZones,
        compiler: Compiler,
        tables: Tables,
    ) -> None:
        self._memo = memo
        self._responder = responder
        self._zones = zones
        self._compiler = compiler
        self._tables = tables
        self._watchdog = Watchdog()
        self._standings = tuple(self._enter(policy) for policy in policies)
        self._by_owner = {(each.policy.owner, each.rdtype): each for each in self._standings}
        self._at: dict[int, Standing | None] = {}
        self._generation = -1

    def _enter(self, policy: Policy) -> Standing:
        index = self._memo.add(policy.options.ttl, MEMO_ENTRIES if policy.options.memo else 0, MEMO_BYTES)
        return Standing(policy, policy.rdtype, index)

    @property
    def standings(self) -> Sequence[Standing]:
        return self._standings

    def close(self) -> None:
        self._watchdog.close()

    def statistics(self) -> list[PolicyStatistics]:
        """Walks through all memos."""
        now = time.monotonic()
        return [self._statistics(standing, now) for standing in self._standings]

    def _statistics(self, standing: Standing, now: float) -> PolicyStatistics:
        memo = self._memo.statistics(standing.index)
        return PolicyStatistics(
            name=standing.policy.name,
            type=standing.policy.type,
            hits=memo["hits"] - standing.own_draws,
            evaluations=standing.evaluations,
            failures=standing.failures,
            overruns=standing.overruns,
            fallbacks=standing.fallbacks + memo["rested"],
            crowded=standing.crowded,
            fail_open=memo["fail_open"],
            rests=standing.breaker.times_opened,
            resting=standing.breaker.rests(now),
            audits=standing.audits,
            impure=standing.impure,
            conflicts=memo["conflicts"],
            forgotten=standing.forgotten,
            entries=memo["entries"],
            bytes=memo["bytes"],
            evicted=memo["evicted"],
            distinct={self._tables.name_of(*fact): count for fact, count in memo["distinct"].items()},
        )

    async def handle(self, query: Query) -> Outcome | None:
        """The policy's reply; None where no policy is to answer."""
        position, standing = self._ask(query)
        if standing is None:
            return None
        if query.wire[10:12] > _ONE:
            query.message  # noqa: B018 - raises Malformed, if what is there beside OPT is nonsense
        now = int(time.time())
        if (known := self._draw_known(standing, position, now)) is not None:
            return self._reply(query, known)
        if standing.breaker.rests(time.monotonic()):
            return self._stand_in(query, standing, now)
        if standing.policy.is_async:
            return await self._handle_async(query, standing)
        evaluate = partial(self._evaluate, standing, bytes(self._memo.ask), now)
        result = self._watchdog.evaluate(evaluate, standing.budget)
        return self._conclude(query, standing, position, result, now)

    async def _handle_async(self, query: Query, standing: Standing) -> Outcome | None:
        """Others may change everything at each `await`, so the question is put into `ask` again after it."""
        if standing.due >= EVALUATIONS_DUE:
            standing.crowded += 1
            return self._stand_in(query, standing, int(time.time()))
        standing.due += 1
        try:
            async with standing.turns:
                position, _ = self._ask(query)
                if (known := self._draw_known(standing, position, int(time.time()))) is not None:
                    return self._reply(query, known)
                evaluate = partial(self._evaluate_async, standing, bytes(self._memo.ask), int(time.time()))
                result = await self._watchdog.evaluate_async(evaluate, standing.budget)
        finally:
            standing.due -= 1
        position, now_there = self._ask(query)
        if now_there is not standing:
            position = 0
        return self._conclude(query, standing, position, result, int(time.time()))

    # ---- for `policy_watch`

    def run_again(self, standing: Standing, ask: bytes) -> Result[Decided]:
        """What a policy (no coroutine) says now to a question that the memo answered."""
        evaluate = partial(self._evaluate, standing, ask, int(time.time()))
        return self._watchdog.evaluate(evaluate, standing.policy.options.budget)

    def is_current(self, ask: bytes) -> bool:
        """Whether no zone has changed since a question was written down."""
        asked = int.from_bytes(ask[ASK_GENERATION : ASK_GENERATION + 4], "little")
        return asked == self._responder.generation() & 0xFFFFFFFF

    # ---- where a question leads

    def _ask(self, query: Query) -> tuple[int, Standing | None]:
        """Put the question into the memo's `ask`: the entry that leaves it to a policy, and whose that is.

        The memo is told where policies stand, once for each version of the zones.
        """
        position = self._responder.write_ask(
            query.wire, client_from(*query.client), query.transport is not Transport.UDP
        )
        if not position:
            return 0, None
        generation = self._responder.generation()
        if generation != self._generation:
            self._at.clear()
            self._generation = generation
        if position not in self._at:
            standing = self._at[position] = self._look_up(query)
            if standing is not None:  # also one that is not remembered, for its rests
                self._memo.link(position, standing.index)
        return position, self._at[position]

    def _look_up(self, query: Query) -> Standing | None:
        """None for a zone made for other policy files than these, at the moment of a reload."""
        zone = self._zones.find(query.name, query.type)
        owner = None if zone is None else zone.policy_owner(query.name, query.type)
        return None if owner is None else self._by_owner.get((owner.canonicalize().to_wire() or b"", query.type))

    # ---- running a policy, under the watchdog

    def _evaluate(self, standing: Standing, ask: bytes, now: int) -> Decided:
        recorder, facts = parameters(QueryFacts(self._tables, ask, now), standing.policy.name)
        return self._compile(standing, ask, recorder, standing.policy.call(facts))

    async def _evaluate_async(self, standing: Standing, ask: bytes, now: int) -> Decided:
        recorder, facts = parameters(QueryFacts(self._tables, ask, now), standing.policy.name)
        returned = await cast(Awaitable[object], standing.policy.call(facts))
        return self._compile(standing, ask, recorder, returned)

    def _compile(self, standing: Standing, ask: bytes, recorder: Recorder, returned: object) -> Decided:
        plan = as_plan(returned)
        compiled = self._compiler.compile(plan, standing.rdtype, recorder.alias(self._alias))
        if names := self._compiler.names_led_to(plan):
            self._refuse_loop(standing.policy, names, ask, recorder.path)
        return Decided(compiled, recorder.path)

    def _refuse_loop(self, policy: Policy, names: Iterable[str], ask: bytes, path: Sequence[Step]) -> None:
        asked = policy.owner
        if policy.name.startswith("*."):
            asked = ask[ASK_CAPTURED : ASK_CAPTURED + ask[ASK_CAPTURED_LENGTH]] + asked[2:]
        name_was_read = any(kind == F_CAPTURED for kind, *_ in path)
        refuse_loop(names, policy.name, dns.name.from_wire(asked, 0)[0], policy.rdtype, self._zones, name_was_read)

    # ---- from a result to an answer

    def _conclude(
        self, query: Query, standing: Standing, position: int, result: Result[Decided], now: int
    ) -> Outcome:
        standing.evaluations += 1
        standing.overruns += result.overran
        decided = result.value
        if decided is None:
            assert result.error is not None
            self._note_failure(standing, result.error, now)
            return self._stand_in(query, standing, now)
        standing.breaker.succeeded()
        self._memo.wake(standing.index)
        standing.last = decided.plan
        if standing.policy.options.memo and position and self._learn(standing, decided, now):
            drawn = self._memo.draw(position, now)
            if drawn >= 0:
                standing.own_draws += 1
                return self._reply(query, drawn)
        return self._reply(query, self._memo.draw_plan(standing.index, decided.plan, now, decided.path))

    def _draw_known(self, standing: Standing, position: int, now: int) -> int | None:
        """A draw from the memo, which may have learned the answer since the question was put into the queue."""
        drawn = self._memo.draw(position, now, True) if standing.policy.options.memo else -1
        return drawn if drawn >= 0 else None

    def _learn(self, standing: Standing, decided: Decided, now: int) -> bool:
        try:
            # What a policy awaited is no fact that the memo could look at, so that holds for a TTL.
            until = now + standing.policy.options.ttl if standing.policy.is_async else 0
            self._memo.learn(standing.index, decided.path, decided.plan, -1, until)
        except ValueError as error:  # it depends on more facts than the memo keeps for one answer
            standing.forgotten += 1
            if standing.forgotten == 1:
                log.warning(
                    "a policy's answer cannot be remembered, it is run for each such query",
                    policy=str(standing.policy),
                    place=standing.policy.place,
                    reason=error,
                )
            return False
        return True

    def _stand_in(self, query: Query, standing: Standing, now: int) -> Outcome:
        standing.fallbacks += 1
        drawn = self._memo.draw_plan(standing.index, self._fallback(standing), now)
        return self._reply(query, drawn, OTHER_ERROR)

    def _fallback(self, standing: Standing) -> Compiled:
        """The plan to answer with when the policy has none."""
        match standing.policy.options.fallback:
            case "last":
                return standing.last
            case "zone":
                return ("outcome", PASS)
            case "servfail":
                return _SERVFAIL_PLAN
            case plan:
                try:
                    return self._compiler.compile(plan, standing.rdtype, self._alias)
                except PlanError as error:
                    self._report(standing, error)
                    return _SERVFAIL_PLAN

    def _note_failure(self, standing: Standing, error: BaseException, now: int) -> None:
        """Count, log what is new, and let the policy rest if it keeps failing.

        While it rests the receive loop answers what it had learned, and else with the fallback.
        """
        standing.failures += 1
        self._report(standing, error)
        moment = time.monotonic()
        until = standing.breaker.failed(moment)
        if not until:
            return
        rest = until - moment
        log.warning(
            "a policy keeps failing and is not run for a while",
            policy=str(standing.policy),
            seconds=round(rest),
            fallback=standing.policy.options.fallback,
        )
        ends = math.ceil(time.time() + rest)
        self._memo.rest(standing.index, self._fallback(standing), OTHER_ERROR, now, ends)

    def _report(self, standing: Standing, error: BaseException) -> None:
        place = place_of(error) or str(standing.policy.place)
        # Where an overrun is noticed is chance.
        key = place if isinstance(error, Exception) else type(error).__name__
        if key in standing.places or len(standing.places) >= PLACES_REMEMBERED:
            return
        standing.places.add(key)
        log.error(
            "a policy failed, its fallback is answered; the same place is not logged again",
            policy=str(standing.policy),
            place=place,
            error=f"{type(error).__name__}: {error}",
            fallback=standing.policy.options.fallback,
        )
        way = traceback_of(error).splitlines()
        for line in way if len(way) > 1 else ():
            log.error("  " + line)

    # ---- replies

    def _reply(self, query: Query, drawn: int, ede: int = -1) -> Outcome:
        """What the memo drew last, as the receive loop would say it (`Responder._steer`)."""
        ask, kind = self._memo.ask, drawn >> 16
        scope = ask[OUT_SCOPE]
        if ede < 0:
            ede = int.from_bytes(ask[OUT_EDE : OUT_EDE + 2], "little") - 1
        if kind == ANSWER:
            length = int.from_bytes(ask[OUT_LENGTH : OUT_LENGTH + 4], "little")
            return Reply(bytes(self._memo.drawn[:length]), drawn & 0xFFFF, 0, 0, scope=scope, ede=ede)
        if kind == DROP:
            return _SILENCE
        if kind in (REFUSED, SERVFAIL):
            rcode = dns.rcode.REFUSED if kind == REFUSED else dns.rcode.SERVFAIL
            return Reply(b"", 0, 0, 0, rcode=rcode, authoritative=False, scope=scope, ede=ede)
        if kind == PASS:
            found = answer(self._zones, query.name, query.type, query.dnssec_ok)
        else:
            found = self._negative(query, dns.rcode.NXDOMAIN if kind == NXDOMAIN else dns.rcode.NOERROR)
        reply = compose(query.name_wire, query.type, found)
        return replace(reply, ttl=0, scope=scope, ede=ede if ede >= 0 else reply.ede)

    def _negative(self, query: Query, rcode: dns.rcode.Rcode) -> Answer:
        """No records, and the SOA to cache that for min(its TTL, MINIMUM) (RFC 2308 section 3)."""
        zone = self._zones.find(query.name, query.type)
        if zone is None:
            return Answer(dns.rcode.SERVFAIL, aa=False)  # withdrawn while the policy waited
        soa = zone.soa.copy()  # type: ignore[no-untyped-call]
        soa.ttl = min(zone.soa.ttl, zone.soa[0].minimum)
        return Answer(rcode, authority=[soa])

    # ---- what policies ask for

    def _alias(self, name: str, rdtype: int) -> list[tuple[int, bytes]] | None:
        return records_of(self._zones, name, rdtype)
