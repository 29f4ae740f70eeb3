"""When each target is asked, and when it goes up and down: from start-up on, at once, then every few seconds.

In: targets with their checks. Out: the health table, and a call for each flip. How a target is asked is the probes'
business.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pippin.policy.checks import Check, CommandCheck, JSONLoad, PrometheusLoad
from pippin.policy.probes.load import read
from pippin.policy.probes.run import Prober
from pippin.policy.probes.unhealthy import Unhealthy, reason
from pippin.policy.protocol import TargetState
from pippin.store.health import (
    DOWN,
    DRAINED,
    FORCED_DOWN,
    FORCED_UP,
    LOAD_UNKNOWN,
    NO_OVERRIDE,
    UNKNOWN,
    UP,
    HealthTable,
)

CHECKS_AT_ONCE = 256
"""Checks that may run at the same time; more wait, and are counted. Each is a connection."""

COMMANDS_AT_ONCE = 16
"""Checks by command among them; each is a process."""

JITTER = 0.1
"""Share of a period by which it is made longer or shorter, so that checks don't march in step."""

LOAD_PERIODS = 3
"""A load that could not be read for so many periods is unknown."""

CHECKED = {UNKNOWN: "unknown", UP: "up", DOWN: "down"}
OVERRIDES = {"auto": NO_OVERRIDE, "up": FORCED_UP, "down": FORCED_DOWN, "drain": DRAINED}
_OVERRIDE_NAMES = {number: name for name, number in OVERRIDES.items()}


@dataclass(frozen=True, slots=True)
class Watched:
    """A target, and how to find out how it is."""

    key: str
    """`<pool>/<address>`."""
    address: str
    """Where to ask; clients may be given another one."""
    check: Check | None = None
    load: JSONLoad | PrometheusLoad | None = None
    capacity: float = 1.0
    """What a figure of `load` is a share of."""


@dataclass(slots=True)
class _Course:
    """How one target has been doing."""

    watched: Watched
    row: int
    streak: int = 0
    """Results in a row that contradict the state it is in."""
    reason: str = ""
    latency: float = -1.0
    last_check: float = 0.0
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Schedule:
    """Checks targets from `start` to `stop`; the table's rows are in the order of `watched`.

    `flipped(key, up, reason)` is called when checks find that a target went up or down, `warned(key, what, reason)`
    when something else is wrong.
    """

    def __init__(
        self,
        table: HealthTable,
        watched: Iterable[Watched],
        flipped: Callable[[str, bool, str], None],
        warned: Callable[[str, str, str], None],
        rng: random.Random | None = None,
    ) -> None:
        self._table = table
        self._courses = {target.key: _Course(target, row) for row, target in enumerate(watched)}
        self._flipped, self._warned = flipped, warned
        self._random = rng or random.Random()
        self._prober = Prober()
        self._places = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._command_places = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self.waited = 0
        """Checks that began late because too many were running."""

    def start(self) -> None:
        for course in self._courses.values():
            if course.watched.check is None:
                course.settled.set()
            else:
                self._tasks.append(asyncio.create_task(self._keep_checking(course, course.watched.check)))
            if course.watched.load is not None:
                self._tasks.append(asyncio.create_task(self._keep_reading(course, course.watched.load)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def wait_settled(self) -> None:
        """Until every target that is checked has had its first result."""
        for course in self._courses.values():
            await course.settled.wait()

    def override(self, key: str, to: str) -> None:
        """`up`, `down`, `drain`, or `auto` for what checks find. KeyError if there is no such target, or word."""
        self._table.set_override(self._courses[key].row, OVERRIDES[to], now_ms())

    def states(self) -> tuple[TargetState, ...]:
        """All targets as they are now."""
        return tuple(self._state(course) for course in self._courses.values())

    def _state(self, course: _Course) -> TargetState:
        row = self._table.row(course.row)
        return TargetState(
            target=course.watched.key,
            available=row.available,
            checked=CHECKED[row.checked],
            override=_OVERRIDE_NAMES[row.override],
            since=row.since / 1000,
            reason=course.reason,
            latency=course.latency,
            last_check=course.last_check,
            load=-1.0 if row.load == LOAD_UNKNOWN else row.load / 1000,
            check=f"{course.watched.check!r} at {course.watched.address}" if course.watched.check else "",
        )

    # --- checks

    async def _keep_checking(self, course: _Course, check: Check) -> None:
        is_first = True
        while True:
            began = time.monotonic()
            await self._check_once(course, check)
            course.settled.set()
            # The first pause is any part of a period: targets that were all asked at once are not from then on.
            period = check.every * (self._random.random() if is_first else self._jitter())
            is_first = False
            await asyncio.sleep(max(0.0, began + period - time.monotonic()))

    def _jitter(self) -> float:
        return 1 + JITTER * (2 * self._random.random() - 1)

    async def _check_once(self, course: _Course, check: Check) -> None:
        places = self._command_places if isinstance(check, CommandCheck) else self._places
        self.waited += places.locked()
        async with places:
            began = time.monotonic()
            try:
                async with asyncio.timeout(check.timeout):
                    found = await self._prober.run(check, course.watched.address, course.watched.key)
            except (Unhealthy, OSError) as error:  # TimeoutError is one
                self._note(course, check, False, reason(error))
            except Exception as error:  # noqa: BLE001 - the door for mistakes of ours, which must not end all checks
                # They say nothing about the target, so it stays what it is.
                course.reason = f"the check itself failed: {type(error).__name__}: {reason(error)}"
                self._warned(course.watched.key, "a check failed by a fault of its own", traceback.format_exc())
            else:
                course.latency = time.monotonic() - began
                self._note(course, check, True, found)
            course.last_check = time.time()

    def _note(self, course: _Course, check: Check, up: bool, why: str) -> None:
        course.reason = why
        if not up:
            course.latency = -1.0
        was = self._table.row(course.row).checked
        if was == (UP if up else DOWN):
            course.streak = 0
            return
        course.streak += 1
        if was == UNKNOWN or course.streak >= (check.rise if up else check.fall):
            course.streak = 0
            self._table.set_checked(course.row, up, now_ms())
            if was != UNKNOWN or not up:  # that a new target is well is no news
                self._flipped(course.watched.key, up, why)

    # --- load

    async def _keep_reading(self, course: _Course, load: JSONLoad | PrometheusLoad) -> None:
        read_last = time.monotonic()
        told = ""
        while True:
            began = time.monotonic()
            try:
                async with self._places, asyncio.timeout(load.timeout):
                    figure = await read(load, course.watched.address)
            except (Unhealthy, OSError) as error:
                if began - read_last >= LOAD_PERIODS * load.every:
                    self._table.set_load(course.row, None)
                if (why := reason(error)) != told:
                    self._warned(course.watched.key, "load cannot be read", why)
                    told = why
            else:
                self._table.set_load(course.row, round(1000 * figure / course.watched.capacity))
                read_last, told = began, ""
            await asyncio.sleep(max(0.0, began + load.every * self._jitter() - time.monotonic()))


def now_ms() -> int:
    """Unix time in milliseconds, as the table wants it."""
    return time.time_ns() // 1_000_000
