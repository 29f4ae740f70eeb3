"""Why a question gets the answer it gets: the way from the name to what decides, what that looked at, what comes out.

Nothing is asked of a server. The policy is run here, with the facts that the question would have; `health` says how
targets are, and where it knows that from. What is enumerated is the same compiled plan that a worker would draw from.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import dns.exception
import dns.name

from pippin.engine.memo import F_CAPTURED, F_CLIENT, F_HEALTH, F_LOAD, F_TREE
from pippin.policy.compiling import compile_plan
from pippin.policy.evaluate import traceback_of
from pippin.policy.given import GivenFacts, Lookups, client_network
from pippin.policy.load import Loaded
from pippin.policy.loops import names_led_to, refuse_loop
from pippin.policy.outcomes import enumerate_compiled
from pippin.policy.plans import PASS, Outcome, Plan, PlanError, Sticky
from pippin.policy.policies import Policy
from pippin.policy.pools import Pool, Target, pools_in
from pippin.policy.rdata import type_number
from pippin.policy.trial import Trial, Trials
from pippin.policy.way import Way, captured, find_way, lines_of, records_of
from pippin.zone.answer import Zones, answer


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom, and when."""

    name: str
    type: str
    client: str
    """Address or network."""
    resolver: str | None = None
    """Asks for the client, and tells its network (EDNS Client Subnet); None: the client asks by itself."""
    at: float | None = None
    """Unix time; None: now."""
    is_tcp: bool = False
    dnssec_ok: bool = False


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """How a target is, as far as anybody knows."""

    available: bool = True
    source: str = "assumed"
    age: float | None = None
    """Seconds since it is so."""
    reason: str = ""
    load: float | None = None
    """The share of its capacity in use."""
    in_use: bool = True
    """False: set down by hand, so that not even a plan that fails open takes it."""


ASSUMED_UP = TargetHealth()


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the policy looked at; all of them together are the key under which its plan is remembered."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class HealthInput:
    """A target that the answer depends on."""

    target: str
    available: bool
    source: str
    age: float | None
    reason: str
    load: float | None
    is_read: bool
    """The policy itself looked at it; else only the draw does."""


@dataclass(frozen=True, slots=True)
class PossibleAnswer:
    """One answer, and how likely it is; over all clients and queries where choices are sticky or in turn."""

    probability: float
    records: tuple[str, ...]
    """Type and data; none for an outcome."""
    outcome: str
    """`NODATA`, `NXDOMAIN`, …; "" for records."""
    ttl: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one answer. Fields that do not apply are empty."""

    name: str
    type: str
    client: str
    resolver: str | None
    at: float
    path: tuple[str, ...]
    """From the question to what decides, a sentence each."""
    policy: str = ""
    place: str = ""
    """`file:line` of the function."""
    facts: tuple[Fact, ...] = ()
    health: tuple[HealthInput, ...] = ()
    plan: str = ""
    """To be read by people."""
    expression: str = ""
    """The same as Python."""
    answers: tuple[PossibleAnswer, ...] = ()
    ttl: int = 0
    scope: int = 0
    """Bits of the client's address that the answer depends on (RFC 7871 section 7.2.1)."""
    memo: bool = True
    """Whether the plan is remembered under `facts`."""
    seconds: float = 0.0
    """That the policy took, which includes whatever it did for the first time."""
    error: str = ""
    """Why the policy has no plan, with its traceback; the server answers `fallback`."""
    fallback: str = ""
    zone_answer: tuple[str, ...] = ()
    """Where a zone decides: its records, or what it says instead."""


class Explainer:
    """Explains questions to policies and zones that are loaded. `close` it in the thread it was made in."""

    def __init__(
        self, loaded: Loaded, zones: Zones | None, lookups: Lookups, health: Mapping[str, TargetHealth]
    ) -> None:
        """Without `zones` a policy is found by its name alone."""
        self._loaded = loaded
        self._zones = zones
        self._lookups = lookups
        self._targets = {target.key: target for target in loaded.targets}
        self._health = {key: health.get(key, _assumed(target)) for key, target in self._targets.items()}
        self._trials = Trials()

    def close(self) -> None:
        self._trials.close()

    def explain(self, question: Question) -> Explanation:
        """Raises ValueError for a question that nobody can ask."""
        number = type_number(question.type)
        try:
            name = dns.name.from_text(question.name)
        except dns.exception.DNSException as error:
            raise ValueError(f"{question.name!r} is no domain name: {error}") from error
        network = client_network(question.client)
        at = time.time() if question.at is None else question.at
        way = find_way(self._loaded, self._zones, name, number)
        begun = Explanation(
            name=name.to_text(omit_final_dot=True).lower(),
            type=question.type.upper(),
            client=str(network.network_address if network.prefixlen == network.max_prefixlen else network),
            resolver=question.resolver,
            at=at,
            path=tuple(way.path),
            zone_answer=tuple(way.zone_answer),
        )
        if way.policy is None:
            return begun
        facts = GivenFacts(
            network,
            at,
            resolver=question.resolver,
            lookups=self._lookups,
            health=_Known(self._health),
            targets=self._targets,
            is_tcp=question.is_tcp,
            dnssec_ok=question.dnssec_ok,
            qtype=number,
            captured=captured(way.name, way.policy.name),
        )
        return self._decide(begun, way, facts, number)

    def _decide(self, begun: Explanation, way: Way, facts: GivenFacts, rdtype: int) -> Explanation:
        policy = way.policy
        assert policy is not None
        trial = self._trials.run(policy, facts)
        explained = replace(
            begun,
            policy=str(policy),
            place=str(policy.place),
            facts=tuple(Fact(read.name, read.value, read.source) for read in trial.reads),
            ttl=policy.options.ttl,
            memo=policy.options.memo,
            seconds=trial.seconds,
            fallback=str(policy.options.fallback),
        )
        if trial.plan is None:
            assert trial.error is not None
            return replace(
                explained,
                error=traceback_of(trial.error),
                health=tuple(self._health_inputs(None, trial)),
                scope=self._scope(None, trial, facts),
            )
        explained = replace(
            explained,
            plan=str(trial.plan),
            expression=repr(trial.plan),
            health=tuple(self._health_inputs(trial.plan, trial)),
            scope=self._scope(trial.plan, trial, facts),
        )
        try:
            name_was_read = any(kind == F_CAPTURED for kind, *_ in trial.path)
            refuse_loop(names_led_to(trial.plan), policy.name, way.name, rdtype, self._zones, name_was_read)
            answers = tuple(self._answers(trial.plan, policy, rdtype))
        except PlanError as error:
            return replace(explained, error=f"PlanError: {error}")
        if any(possible.outcome == PASS.name for possible in answers) and self._zones is not None:
            passed = lines_of(answer(self._zones, way.name, rdtype, False))
            explained = replace(explained, zone_answer=tuple(passed))
        return replace(explained, answers=answers)

    def _answers(self, plan: Plan, policy: Policy, rdtype: int) -> Iterator[PossibleAnswer]:
        rows = {key: row for row, key in enumerate(self._targets)}
        available = [self._health[key].available for key in self._targets]
        in_use = [self._health[key].in_use for key in self._targets]
        compiled = compile_plan(plan, rdtype, rows, self._alias)
        possible = enumerate_compiled(compiled, available.__getitem__, in_use=in_use.__getitem__)
        for probability, drawn in possible:
            if isinstance(drawn, Outcome):
                yield PossibleAnswer(float(probability), (), drawn.name, policy.options.ttl)
            else:
                ttl = min(policy.options.ttl if record.ttl is None else record.ttl for record in drawn)
                records = tuple(f"{record.type} {record}" for record in drawn)
                yield PossibleAnswer(float(probability), records, "", ttl)

    def _health_inputs(self, plan: Plan | None, trial: Trial) -> Iterator[HealthInput]:
        keys = list(self._targets)
        read = {keys[a] for kind, a, _, _ in trial.path if kind in (F_HEALTH, F_LOAD)}
        drawn = set() if plan is None else {target.key for pool in all_pools(plan) for target in pool.targets}
        for key in keys:
            if key in read or key in drawn:
                state = self._health[key]
                yield HealthInput(
                    key, state.available, state.source, state.age, state.reason, state.load, key in read
                )

    def _scope(self, plan: Plan | None, trial: Trial, facts: GivenFacts) -> int:
        """The deepest look at the client's address; none if that is the source address, which needs no scope."""
        is_v4 = facts.address.version == 4
        depths = [0]
        for kind, a, b, _ in trial.path:
            if kind == F_CLIENT:
                depths.append(a if is_v4 else b)
            elif kind == F_TREE:
                depths.append(self._lookups.depth(b, facts.address))
        if plan is not None:
            depths += (each.v4 if is_v4 else each.v6 for each in _parts(plan) if isinstance(each, Sticky))
        return max(depths)

    def _alias(self, name: str, rdtype: int) -> list[tuple[int, bytes]] | None:
        return None if self._zones is None else records_of(self._zones, name, rdtype)


class _Known:
    """What is known about targets, as policies ask for it."""

    def __init__(self, health: Mapping[str, TargetHealth]) -> None:
        self._health = health

    def up(self, target: str) -> bool:
        return self._health[target].available

    def load(self, target: str) -> float | None:
        return self._health[target].load


def all_pools(plan: Plan) -> Iterator[Pool]:
    """Every pool in a plan, and those that stand in where one of them is empty."""
    for pool in pools_in(plan):
        yield pool
        if pool.empty is not None:
            yield from all_pools(pool.empty)


def _parts(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.children():
        yield from _parts(child)


def _assumed(target: Target) -> TargetHealth:
    return ASSUMED_UP if target.check is not None else TargetHealth(source="no check")
