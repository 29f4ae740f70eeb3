"""Everything that a worker has for policies, put together: what to answer from, the memo, the handler, the watch."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pippin.engine.memo import PolicyMemo
from pippin.engine.path import Responder
from pippin.policy.compiling import Compiler
from pippin.policy.geo import Geo, GeoError
from pippin.policy.load import load
from pippin.policy.networks import Networks, merge
from pippin.policy.policies import Policies, Policy
from pippin.policy.pools import Pool
from pippin.policy.protocol import DeclaredPolicy
from pippin.query.pipeline import Outcome
from pippin.query.query import Query
from pippin.serve.facts import Tables
from pippin.serve.options import WorkerOptions
from pippin.serve.policies import PolicyAnswers, PolicyStatistics
from pippin.serve.policy_watch import PolicyWatch
from pippin.serve.zones import PublishedZones
from pippin.store.health import HealthError, HealthTable


class PoliciesUnusable(Exception):
    """Policy files that cannot be answered from; the arguments are the problems, each complete in itself."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """What policies a worker answers from, and what they look at."""

    policies: Sequence[Policy]
    networks: Networks
    geo: Geo
    health: HealthTable
    rows: Mapping[str, int]
    """Row of the health table by target, `<pool>/<address>`."""


def load_policies(options: WorkerOptions) -> PolicySet:
    """Import the files that `options` names. Raises `PoliciesUnusable`, also if they are not what was checked."""
    loaded = load(options.policies, options.sources)
    if loaded.has_errors:
        raise PoliciesUnusable(*map(str, loaded.problems))
    found = {(policy.owner, policy.rdtype) for policy in loaded.policies}
    if found != {(declared.owner, declared.rdtype) for declared in options.declared}:
        raise PoliciesUnusable(_changed(options.declared, loaded.policies))
    if options.health_file is None:
        raise PoliciesUnusable("there is no health table")
    try:
        health = HealthTable.open(options.health_file)
        return PolicySet(loaded.policies, loaded.networks, Geo(loaded.geo), health, options.health_rows)
    except (HealthError, GeoError, OSError) as error:
        raise PoliciesUnusable(str(error)) from error


def _changed(declared: Iterable[DeclaredPolicy], policies: Iterable[Policy]) -> str:
    then = {f"{each.name} {each.type}" for each in declared}
    now = {str(policy) for policy in policies}
    return (
        "the policy files declare other names now than when they were checked: "
        f"more: {', '.join(sorted(now - then)) or 'none'}; less: {', '.join(sorted(then - now)) or 'none'}"
    )


def policy_set_of(given: Iterable[Policies], pools: Iterable[Pool], health_file: Path) -> PolicySet:
    """The same from objects, with a health table of its own in which every target is unknown, so available.

    Raises `PoliciesUnusable` for databases that cannot be used.
    """
    given = tuple(given)
    keys = dict.fromkeys(target.key for pool in pools for target in pool.targets)
    rows = {key: row for row, key in enumerate(keys)}
    try:
        geo = Geo(dict.fromkeys(path for policies in given for path in policies.geo))
    except GeoError as error:
        raise PoliciesUnusable(str(error)) from error
    return PolicySet(
        tuple(policy for policies in given for policy in policies),
        merge(policies.networks for policies in given),
        geo,
        HealthTable.create(health_file, len(rows)),
        rows,
    )


class Steering:
    """A worker's policies at work. Made, used and closed in the thread of the worker."""

    def __init__(self, given: PolicySet, responder: Responder, zones: PublishedZones) -> None:
        memo = PolicyMemo(given.health.memory, secrets.randbits(64))
        tables = Tables(memo, given.networks, given.geo, given.health, given.rows)
        self._answers = PolicyAnswers(
            given.policies,
            memo,
            responder,
            zones,
            Compiler(given.rows),
            tables,
        )
        self._watch = PolicyWatch(self._answers, memo, tables)
        responder.set_memo(memo)

    async def handle(self, query: Query) -> Outcome | None:
        """The reply of a policy; None where no policy is to answer."""
        return await self._answers.handle(query)

    def tick(self) -> None:
        """What has to be looked at from time to time; a few milliseconds at most."""
        self._watch.tick()

    def statistics(self) -> list[PolicyStatistics]:
        """How each policy has been doing. Walks through all memos."""
        return self._answers.statistics()

    def close(self) -> None:
        self._answers.close()
