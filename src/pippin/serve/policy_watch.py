"""What is looked at beside answering: whether policies are what they promise, and whether databases are newer.

A policy's answer may depend on nothing but the facts it reads; else it is remembered wrongly. So a few of the memo's
hits are run again, and what comes out otherwise is reported. So is a policy that reads a fact of so many values that
its memo has no room for them. Each report is logged once a minute at most, and counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from pippin.engine.memo import F_GENERATION, F_HEALTH, F_LOAD, F_TIME, PolicyMemo
from pippin.policy.facts import Step
from pippin.serve.facts import Tables
from pippin.serve.policies import PolicyAnswers, Standing

log = structlog.get_logger(__name__)

AUDITS_PER_TICK = 2
"""Hits run again between two looks at the sockets; others that were sampled meanwhile are not."""

AUDIT_LAG = 2.0
"""Seconds within which what changed may have changed between a hit and its audit."""

REPORT_EVERY = 60.0
"""Seconds between two reports of the same thing."""

DATABASES_EVERY = 2.0
"""Seconds between two looks at the files of databases."""

EVALUATIONS_TO_LOOK = 1024
"""Evaluations of a policy after which its memo is worth a look, which takes milliseconds if it is full."""


class PolicyWatch:
    """Called by a worker's tick, a few times a second."""

    def __init__(self, answers: PolicyAnswers, memo: PolicyMemo, tables: Tables) -> None:
        self._answers = answers
        self._memo = memo
        self._tables = tables
        self._reported: dict[tuple[str, int], float] = {}
        self._looked_at: dict[int, tuple[float, int, int]] = {}
        self._refreshed = 0.0
        self._next_refresh = time.monotonic() + DATABASES_EVERY

    def tick(self) -> None:
        now = time.monotonic()
        if now >= self._next_refresh:
            self._next_refresh = now + DATABASES_EVERY
            self._refresh(now)
        for index, ask, plan in self._memo.audits()[:AUDITS_PER_TICK]:
            self._audit(self._answers.standings[index], ask, plan, now)
        for standing in self._answers.standings:
            self._look_at_memo(standing, now)

    def _refresh(self, now: float) -> None:
        changed, wrong = self._tables.refresh()
        for path in changed:
            log.info("database replaced", database=path)
            self._refreshed = now
        for problem in wrong:
            log.error("a database cannot be replaced", problem=problem)

    def _audit(self, standing: Standing, ask: bytes, plan: object, now: float) -> None:
        if now - self._refreshed < AUDIT_LAG or standing.policy.is_async or standing.breaker.rests(now):
            return
        result = self._answers.run_again(standing, ask)
        if result.value is None or self._may_have_changed(result.value.path, ask):
            return  # a failure is the business of the queries that meet it
        standing.audits += 1
        if result.value.plan == plan:
            return
        standing.impure += 1
        if self._is_due("impure", standing, now):
            log.error(
                "a policy answers differently under the same facts, so it is remembered wrongly; it depends on "
                "something else: random numbers (use plans with weights), the clock (use `now`), or data that changes "
                "(use memo=False)",
                policy=str(standing.policy),
                place=str(standing.policy.place),
                facts=self._tables.text_of(result.value.path) or "none",
                times=standing.impure,
            )

    def _may_have_changed(self, path: Sequence[Step], ask: bytes) -> bool:
        """Whether a fact may have another value now than when the memo was asked."""
        for kind, a, _, _ in path:
            if kind == F_LOAD:
                return True
            if kind == F_HEALTH and self._tables.flipped_since(a, time.time() - AUDIT_LAG):
                return True
            if kind == F_TIME and self._tables.ticked_since(a, int(time.time() - AUDIT_LAG)):
                return True
            if kind == F_GENERATION and not self._answers.is_current(ask):
                return True
        return False

    def _look_at_memo(self, standing: Standing, now: float) -> None:
        since, evaluations, evicted = self._looked_at.get(standing.index, (0.0, 0, 0))
        if now - since < REPORT_EVERY or standing.evaluations - evaluations < EVALUATIONS_TO_LOOK:
            return
        memo = self._memo.statistics(standing.index)
        self._looked_at[standing.index] = now, standing.evaluations, memo["evicted"]
        if memo["evicted"] == evicted or not memo["distinct"]:
            return
        fact, values = max(memo["distinct"].items(), key=lambda item: item[1])
        log.warning(
            "a policy has more different answers to remember than its memo holds; the fact with the most values "
            "should be read more coarsely (a subnet for an address, a country for a city), or not at all",
            policy=str(standing.policy),
            place=str(standing.policy.place),
            fact=self._tables.name_of(*fact),
            values=values,
            entries=memo["entries"],
            evicted=memo["evicted"] - evicted,
        )

    def _is_due(self, what: str, standing: Standing, now: float) -> bool:
        key = (what, standing.index)
        if now - self._reported.get(key, -REPORT_EVERY) < REPORT_EVERY:
            return False
        self._reported[key] = now
        return True
