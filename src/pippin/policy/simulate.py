"""Where the traffic goes, per target: as it is, and after each of some targets has failed.

Nothing is sent anywhere. Every client network is put to the policies, and the plans that come out are enumerated with
their probabilities; what is drawn for sticky choices and rotations is the mean over all clients.

Two assumptions are made about the world, and should be said where the figures are shown:

- An answer with several records sends each of them the same share of its clients.
- A failed target is noticed by its check after `notice` seconds: `fall` checks have to fail, the first of them half a
  period after the failure in the mean, and the last may take its whole timeout. From then on resolvers ask again as
  their caches expire, and what they hold expires evenly spread over one TTL. So of the traffic that has to move,
  a share of `(t - notice) / TTL` has moved at time t, at least none and at most all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pippin.policy.checks import Check
from pippin.policy.outcomes import outcomes
from pippin.policy.plans import PASS, Outcome, Plan, PlanError
from pippin.policy.pools import Pool, Target, pools_in
from pippin.policy.traffic import Traffic

AFTER_TTLS = (1, 5, 30)
"""TTLs after a failure at which the share that has moved is told."""

PASSED = "the zone's records"


class Run(NamedTuple):
    """What a policy came to for a client."""

    plan: Plan | None
    """None: it failed, and the server would give its fallback."""
    ttl: int
    asked_health: frozenset[str] = frozenset()
    """Targets whose health the policy itself looked at: with another health it might have come to something else."""
    why: str = ""
    """Why there is no plan."""


Evaluate = Callable[[Traffic, frozenset[str]], Run]
"""Runs the policy for `Traffic.name` and `type`, with some targets down. KeyError if there is none."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one target gets."""

    target: str
    """`pool/address`, or the data of a record that is no target."""
    traffic: float
    capacity: float | None

    @property
    def is_over(self) -> bool:
        return self.capacity is not None and self.traffic > self.capacity


@dataclass(frozen=True, slots=True)
class Empty:
    """Traffic that gets no record."""

    name: str
    type: str
    why: str
    """`NODATA`, `NXDOMAIN`, `REFUSED`, `SERVFAIL`, `DROP`, or why the policy has failed."""
    traffic: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Where all traffic goes."""

    targets: tuple[Share, ...]
    empty: tuple[Empty, ...]

    @property
    def over(self) -> tuple[Share, ...]:
        """Targets that get more than the capacity they have declared."""
        return tuple(share for share in self.targets if share.is_over)


@dataclass(frozen=True, slots=True)
class Failure:
    """One target fails."""

    target: str
    after: Spread
    """When everything has moved. Plans that fail open go on giving out the target itself."""
    moved: float
    """Traffic that goes elsewhere than before."""
    notice: float | None
    """Seconds until the check has noticed; None: nobody ever does, for the target is not checked."""
    moved_after: tuple[float, ...]
    """Of `moved`, the share that has moved after `AFTER_TTLS`; each name counts in its own TTL."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The outcome. Traffic is in the unit of the weights that were given."""

    total: float
    before: Spread
    failures: tuple[Failure, ...]
    unanswered: float
    """Traffic for names and types without a policy: not in any figure."""
    drained: tuple[str, ...] = ()
    """Targets that were set down by hand in all of this."""


class _Group:
    """Traffic that one plan answers, and which of it has to be looked at again when a target fails."""

    __slots__ = ("members", "traffic")

    def __init__(self) -> None:
        self.traffic = 0.0
        self.members: list[Traffic] = []


_Where = dict[str | tuple[str, str, str], float]
"""Shares by target, or by (name, type, why there is none)."""


def simulate(
    traffic: Iterable[Traffic],
    policies: Sequence[tuple[str, str]],
    evaluate: Evaluate,
    targets: Mapping[str, Target],
    failing: Sequence[str],
    drained: frozenset[str] = frozenset(),
) -> Simulation:
    """Spread `traffic` over `targets`, and again without each of `failing`.

    `policies` are the (name, type) that traffic without a name stands for: so much for each of them. `drained` are
    targets set down by hand, before and after.
    """
    return _World(evaluate, targets, drained).simulate(traffic, policies, failing)


def seconds_to_notice(check: Check | None) -> float | None:
    """How long a failed target goes unnoticed, in the mean; None: for ever."""
    return None if check is None else (check.fall - 0.5) * check.every + check.timeout


class _World:
    def __init__(self, evaluate: Evaluate, targets: Mapping[str, Target], drained: frozenset[str]) -> None:
        self._evaluate = evaluate
        self._drained = drained
        self._targets = targets
        self._spreads: dict[tuple[Plan, str, str, frozenset[str]], _Where] = {}

    def simulate(
        self, traffic: Iterable[Traffic], policies: Sequence[tuple[str, str]], failing: Sequence[str]
    ) -> Simulation:
        groups: dict[tuple[str, str, Run], _Group] = defaultdict(_Group)
        unanswered = 0.0
        for asked in _named(traffic, policies):
            try:
                run = self._evaluate(asked, self._drained)
            except KeyError:
                unanswered += asked.weight
                continue
            assert asked.name is not None
            assert asked.type is not None
            group = groups[asked.name, asked.type, run]
            group.traffic += asked.weight
            if run.asked_health:
                group.members.append(asked)
        before: _Where = defaultdict(float)
        for (name, rdtype, run), group in groups.items():
            _add(before, self._where(run, name, rdtype, frozenset()), group.traffic)
        return Simulation(
            sum(group.traffic for group in groups.values()),
            self._spread(before),
            tuple(self._fail(target, groups) for target in failing),
            unanswered,
            tuple(sorted(self._drained)),
        )

    def _fail(self, target: str, groups: Mapping[tuple[str, str, Run], _Group]) -> Failure:
        down = frozenset({target})
        notice = seconds_to_notice(self._targets[target].check)
        after: _Where = defaultdict(float)
        moved = 0.0
        moved_after = [0.0] * len(AFTER_TTLS)
        for (name, rdtype, run), group in groups.items():
            was = self._where(run, name, rdtype, frozenset())
            if target in run.asked_health:
                now: _Where = defaultdict(float)
                for member in group.members:
                    where = self._where(self._evaluate(member, down | self._drained), name, rdtype, down)
                    _add(now, where, member.weight / group.traffic if group.traffic else 0.0)
            else:
                now = self._where(run, name, rdtype, down)
            _add(after, now, group.traffic)
            moving = group.traffic * sum(max(0.0, share - was.get(key, 0.0)) for key, share in now.items())
            moved += moving
            for index, ttls in enumerate(AFTER_TTLS):
                moved_after[index] += moving * moved_share(ttls * run.ttl, run.ttl, notice)
        shares = tuple(part / moved if moved else 0.0 for part in moved_after)
        return Failure(target, self._spread(after), moved, notice, shares)

    def _where(self, run: Run, name: str, rdtype: str, down: frozenset[str]) -> _Where:
        """Shares of one plan's traffic, 1 in all."""
        if run.plan is None:
            return {(name, rdtype, run.why): 1.0}
        members = {target.key for pool in _all_pools(run.plan) for target in pool.targets}
        used = down & members
        key = run.plan, name, rdtype, used
        where = self._spreads.get(key)
        if where is None:
            try:
                possibilities = outcomes(run.plan, rdtype, down=used, drained=self._drained & members)
            except PlanError as error:
                return {(name, rdtype, str(error)): 1.0}
            where = self._spreads[key] = defaultdict(float)
            for probability, answer in possibilities:
                if answer == PASS:
                    where[PASSED] += float(probability)
                elif isinstance(answer, Outcome):
                    where[name, rdtype, answer.name] += float(probability)
                else:
                    for record in answer:
                        where[record.target or str(record)] += float(probability) / len(answer)
        return where

    def _spread(self, where: _Where) -> Spread:
        shares = dict.fromkeys(self._targets, 0.0)
        empty = []
        for key, amount in where.items():
            if isinstance(key, str):
                shares[key] = amount
            elif amount:
                empty.append(Empty(*key, amount))
        return Spread(
            tuple(
                Share(key, amount, self._targets[key].capacity if key in self._targets else None)
                for key, amount in shares.items()
            ),
            tuple(sorted(empty, key=lambda lost: (-lost.traffic, lost.name, lost.type))),
        )


def moved_share(seconds: float, ttl: int, notice: float | None) -> float:
    """The share of caches that have asked again `seconds` after a failure, by the model above."""
    if notice is None or seconds < notice:
        return 0.0
    return 1.0 if not ttl else min(1.0, (seconds - notice) / ttl)


def _named(traffic: Iterable[Traffic], policies: Sequence[tuple[str, str]]) -> Iterable[Traffic]:
    for asked in traffic:
        for name, rdtype in policies:
            if asked.name is None and asked.type in (None, rdtype):
                yield replace(asked, name=name, type=rdtype)
        if asked.name is not None:
            yield asked if asked.type is not None else replace(asked, type="A")


def _add(where: _Where, other: Mapping[str | tuple[str, str, str], float], amount: float) -> None:
    for key, share in other.items():
        where[key] += share * amount


def _all_pools(plan: Plan) -> Iterable[Pool]:
    for pool in pools_in(plan):
        yield pool
        if pool.empty is not None:
            yield from _all_pools(pool.empty)
