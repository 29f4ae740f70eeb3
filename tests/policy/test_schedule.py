"""When targets go up and down: thresholds, first results, timeouts, loads; with coroutine checks that do as told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pippin.policy import schedule as module
from pippin.policy.checks import Check, CommandCheck, CoroutineCheck, JSONLoad
from pippin.policy.protocol import TargetState
from pippin.policy.schedule import Schedule, Watched
from pippin.store.health import HealthTable
from tests.policy.probes.servers import http, listening, run, saying, unused_port

KEY = "eu/192.0.2.1"
ADDRESS = "192.0.2.1"


class Told:
    """What a schedule tells."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        self._noticed = noticed
        self.flips: list[tuple[str, bool, str]] = []
        self.warnings: list[tuple[str, str, str]] = []

    def flipped(self, *flip: Any) -> None:
        self.flips.append(flip)
        self._noticed()

    def warned(self, *warning: Any) -> None:
        self.warnings.append(warning)


class Script:
    """A check whose results are written down beforehand; the last one stays."""

    def __init__(self, *results: bool) -> None:
        self.results = list(results)
        self.runs = 0

    async def __call__(self, address: str) -> bool:
        self.runs += 1
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    def check(self, **options: Any) -> CoroutineCheck:
        return CoroutineCheck(self, **{"every": 0.01, "timeout": 5, **options})


@asynccontextmanager
async def scheduled(
    folder: Path,
    *watched: Watched,
    known: Callable[[HealthTable], object] = lambda table: None,
    noticed: Callable[[], None] = lambda: None,
) -> AsyncIterator[tuple[Schedule, Told]]:
    table = HealthTable.create(folder / "health.1", len(watched))
    known(table)
    told = Told(noticed)
    schedule = Schedule(table, watched, told.flipped, told.warned, random.Random(1))
    schedule.start()
    try:
        yield schedule, told
    finally:
        await schedule.stop()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def only(schedule: Schedule) -> TargetState:
    (state,) = schedule.states()
    return state


def test_first_result_counts_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        check = Script(False).check(every=60, fall=5)
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, check)) as (schedule, told):
            assert only(schedule).available
            assert only(schedule).checked == "unknown"
            await schedule.wait_settled()
            assert (only(schedule).available, only(schedule).checked) == (False, "down")
            assert told.flips == [(KEY, False, only(schedule).reason)]

    run(test())


def test_target_that_is_well_from_the_start_is_no_news(tmp_path: Path) -> None:
    async def test() -> None:
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, Script(True).check())) as (schedule, told):
            await schedule.wait_settled()
            state = only(schedule)
            assert (state.checked, state.since, told.flips) == ("up", 0, [])
            assert state.latency >= 0
            assert state.last_check > 0

    run(test())


def test_down_after_fall_failures_in_a_row_and_up_after_rise_successes(tmp_path: Path) -> None:
    results = [True, False, False, True, False, False, False, True, False, True, True, True]
    script = Script(*results)
    flipped_after: list[int] = []

    def notice() -> None:
        flipped_after.append(script.runs)

    async def test() -> None:
        check = script.check(fall=3, rise=2)
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, check), noticed=notice):
            await until(lambda: script.runs > len(results))

    run(test())
    assert flipped_after == [7, 11]


def test_state_from_before_is_left_only_over_the_thresholds(tmp_path: Path) -> None:
    script = Script(True)

    async def test() -> None:
        def known(table: HealthTable) -> None:
            table.set_checked(0, False, 1000)

        watched = Watched(KEY, ADDRESS, script.check(rise=3))
        async with scheduled(tmp_path, watched, known=known) as (schedule, told):
            await schedule.wait_settled()
            assert (only(schedule).available, only(schedule).since) == (False, 1.0)
            await until(lambda: told.flips)
            assert script.runs == 3

    run(test())


def test_check_that_takes_too_long_is_a_failure(tmp_path: Path) -> None:
    async def hangs(address: str) -> bool:
        await asyncio.sleep(60)
        return True

    async def test() -> None:
        check = CoroutineCheck(hangs, timeout=0.02, every=60)
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, check)) as (schedule, told):
            await schedule.wait_settled()
            assert told.flips == [(KEY, False, "timed out")]
            assert only(schedule).latency == -1

    run(test())


def test_override_decides_until_it_is_taken_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, Script(True).check())) as (schedule, _):
            await schedule.wait_settled()
            for word, available in (("down", False), ("up", True), ("drain", False), ("auto", True)):
                schedule.override(KEY, word)
                assert (only(schedule).available, only(schedule).override) == (available, word)
            with pytest.raises(KeyError):
                schedule.override("eu/192.0.2.2", "down")

    run(test())


def test_target_without_a_check_is_available_and_holds_up_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with scheduled(tmp_path, Watched(KEY, "")) as (schedule, _):
            await schedule.wait_settled()
            assert (only(schedule).available, only(schedule).checked, only(schedule).check) == (True, "unknown", "")

    run(test())


def test_no_more_checks_run_at_once_than_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKS_AT_ONCE", 3)
    running = most = done = 0

    async def counts(address: str) -> bool:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done += 1
        return True

    async def test() -> None:
        check = CoroutineCheck(counts, every=60, timeout=5)
        targets = [Watched(f"eu/192.0.2.{number}", f"192.0.2.{number}", check) for number in range(12)]
        async with scheduled(tmp_path, *targets) as (schedule, _):
            await schedule.wait_settled()
            assert (most, done) == (3, 12)
            assert schedule.waited == 9

    run(test())


def test_stopping_ends_what_is_running(tmp_path: Path) -> None:
    async def test() -> None:
        before = asyncio.all_tasks()
        check = CommandCheck(["sleep", "60"], timeout=60)
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, check)):
            await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == before

    run(test())


def test_fault_of_a_check_itself_says_nothing_about_the_target(tmp_path: Path) -> None:
    class Unheard(Check):
        pass

    async def test() -> None:
        async with scheduled(tmp_path, Watched(KEY, ADDRESS, Unheard(every=60))) as (schedule, told):
            await schedule.wait_settled()
            assert (only(schedule).available, only(schedule).checked) == (True, "unknown")
            assert "nobody knows how to run" in only(schedule).reason
            ((target, what, trace),) = told.warnings
            assert (target, what) == (KEY, "a check failed by a fault of its own")
            assert "TypeError" in trace

    run(test())


def test_load_is_a_share_of_the_capacity(tmp_path: Path) -> None:
    async def test() -> None:
        async with listening(saying(http(b'{"connections": 150}'))) as port:
            load = JSONLoad("/", "/connections", port=port, every=60)
            watched = Watched(KEY, "127.0.0.1", load=load, capacity=200)
            async with scheduled(tmp_path, watched) as (schedule, _):
                assert only(schedule).load == -1
                await until(lambda: only(schedule).load >= 0)
                assert only(schedule).load == 0.75

    run(test())


def test_load_that_cannot_be_read_for_three_periods_is_unknown(tmp_path: Path) -> None:
    async def test() -> None:
        port = await unused_port()
        load = JSONLoad("/", "", port=port, every=0.05)

        def known(table: HealthTable) -> None:
            table.set_load(0, 500)

        async with scheduled(tmp_path, Watched(KEY, "127.0.0.1", load=load), known=known) as (schedule, told):
            await until(lambda: told.warnings)
            assert only(schedule).load == 0.5, "one failure is no reason to forget"
            await until(lambda: only(schedule).load < 0)
            assert told.warnings == [(KEY, "load cannot be read", "connection refused")], "told once"

    run(test())
