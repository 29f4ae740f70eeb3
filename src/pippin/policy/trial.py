"""One run of a policy outside the server: what it came to, and what it looked at on the way."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from pippin.policy.client import parameters
from pippin.policy.evaluate import Watchdog
from pippin.policy.facts import Facts, Read, Step
from pippin.policy.plans import Plan, as_plan
from pippin.policy.policies import Policy

BUDGET = 10.0
"""Seconds. The policy's own budget is for a server that has run it before; here it may import and connect first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run came to: a plan, or the error that it ended with."""

    plan: Plan | None
    error: BaseException | None
    path: tuple[Step, ...]
    """The facts under which the memo would keep the plan, in order of reading."""
    reads: tuple[Read, ...]
    """The same for people."""
    seconds: float

    @property
    def why(self) -> str:
        """The error in a line."""
        return "" if self.error is None else f"{type(self.error).__name__}: {self.error}"


class Trials:
    """Runs policies; `close` it in the thread it was made in."""

    def __init__(self) -> None:
        self._watchdog = Watchdog()

    def run(self, policy: Policy, facts: Facts) -> Trial:
        """Run a policy once. Whatever goes wrong in it is in the result."""
        recorder, given = parameters(facts, policy.name)
        if policy.is_async:
            run = partial(_plan_later, policy.call, given)
            result = asyncio.run(self._watchdog.evaluate_async(run, BUDGET))
        else:
            result = self._watchdog.evaluate(partial(_plan_now, policy.call, given), BUDGET)
        return Trial(result.value, result.error, tuple(recorder.path), tuple(recorder.reads), result.seconds)

    def close(self) -> None:
        self._watchdog.close()


def _plan_now(call: Callable[[Any], object], given: Any) -> Plan:
    return as_plan(call(given))


async def _plan_later(call: Callable[[Any], object], given: Any) -> Plan:
    returned = call(given)
    return as_plan(await cast(Awaitable[object], returned) if inspect.isawaitable(returned) else returned)
