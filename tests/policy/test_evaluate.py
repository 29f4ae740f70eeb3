"""Budgets and rests: nothing that a policy does may stop the others, nor reach into the server."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pippin.policy import evaluate
from pippin.policy.evaluate import (
    FAILURES_TO_REST,
    REST_FIRST,
    REST_MOST,
    Breaker,
    Overrun,
    Watchdog,
    place_of,
    traceback_of,
)
from pippin.policy.plans import PlanError, as_plan

BUDGET = 0.01
LIMIT = 5.0
"""Seconds that nothing here may take, whatever else the machine does."""


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog()
    # What an alarm interrupts may be a destructor that the collector runs, of objects that other tests left; Python
    # reports that, and the next alarm ends the function, but pytest's reporting would be interrupted by it too.
    gc.collect()
    gc.disable()
    yield watchdog
    gc.enable()
    watchdog.close()


def loop_forever() -> None:
    while True:
        pass


def loop_that_catches_everything() -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001 - what it is about
            pass


def loop_of_tries() -> None:
    while True:
        try:  # noqa: SIM105
            sum(range(10))
        except:  # noqa: E722
            pass


def loop_nested() -> None:
    for _ in itertools.count():
        try:
            try:
                loop_that_catches_everything()
            finally:
                loop_of_tries()
        except BaseException:  # noqa: BLE001
            continue


def sleeper() -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    "function",
    [loop_forever, loop_that_catches_everything, loop_of_tries, loop_nested, sleeper],
    ids=lambda function: function.__name__,
)
def test_whatever_does_not_end_is_ended(watchdog: Watchdog, function: Callable[[], None]) -> None:
    result = watchdog.evaluate(function, BUDGET)
    assert isinstance(result.error, Overrun)
    assert result.overran
    assert result.seconds < LIMIT
    assert sys.gettrace() is None


def test_time_in_which_others_have_the_core_does_not_count(watchdog: Watchdog) -> None:
    """A machine that is busy: eight processes want one core, so what takes 20 ms of it takes some 160."""
    cores = os.sched_getaffinity(0)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(7)]
    try:
        for pid in (0, *(process.pid for process in busy)):
            os.sched_setaffinity(pid, {min(cores)})
        time.sleep(0.2)
        results = [watchdog.evaluate(partial(run_for, 0.02), 0.1) for _ in range(4)]
    finally:
        os.sched_setaffinity(0, cores)
        for process in busy:
            process.kill()
            process.wait()
    assert [(result.value, result.overran) for result in results] == [(42, False)] * 4, results
    assert max(result.seconds for result in results) > 0.1


def run_for(seconds: float) -> int:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return 42


def test_a_value_comes_back(watchdog: Watchdog) -> None:
    result = watchdog.evaluate(lambda: 42, 1.0)
    assert (result.value, result.error, result.overran) == (42, None, False)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_is_raised_stays_inside(watchdog: Watchdog, error: BaseException) -> None:
    def fail() -> None:
        raise error

    result = watchdog.evaluate(fail, 1.0)
    assert result.error is error
    assert not result.overran


def test_an_alarm_near_the_end_never_reaches_the_server(watchdog: Watchdog) -> None:
    """Functions that take just about their budget: each either returns or overruns, and nothing else is hit."""
    outcomes = {"value": 0, "overrun": 0}
    deadline = time.monotonic() + 1.0
    for step in itertools.count():
        until = time.perf_counter() + 0.0004 + (step % 50) * 4e-6

        def spin(until: float = until) -> int:
            while time.perf_counter() < until:
                pass
            return 1

        result = watchdog.evaluate(spin, 0.0005)
        outcomes["overrun" if isinstance(result.error, Overrun) else "value"] += 1
        if time.monotonic() > deadline:
            break
    assert outcomes["value"]
    assert outcomes["overrun"]


def test_alarms_that_interrupt_each_other_do_not_reach_the_server_either(
    watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the next one comes while the last is still at work; here that is most of the time."""
    monkeypatch.setattr(evaluate, "INTERVAL", 5e-5)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        result = watchdog.evaluate(partial(sum, range(100)), 1e-5)
        assert result.value == 4950 or isinstance(result.error, Overrun)
        assert not watchdog._running
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_late_alarm_does_nothing(watchdog: Watchdog) -> None:
    signal.raise_signal(signal.SIGALRM)
    assert watchdog.evaluate(lambda: 1, 1.0).value == 1


def test_alarm_is_given_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    watchdog = Watchdog()
    assert signal.getsignal(signal.SIGALRM) != before
    watchdog.close()
    assert signal.getsignal(signal.SIGALRM) == before


def test_outside_the_main_thread_an_overrun_is_measured() -> None:
    results = []

    def run() -> None:
        results.append(Watchdog().evaluate(lambda: time.sleep(0.05) or 7, 0.01))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LIMIT)
    assert (results[0].value, results[0].overran, results[0].error) == (7, True, None)


async def waits() -> int:
    await asyncio.sleep(0.001)
    return 5


async def waits_for_ever() -> None:
    await asyncio.Event().wait()


async def loops_after_waiting() -> None:
    await asyncio.sleep(0)
    while True:
        pass


async def will_not_be_cancelled() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:  # noqa: BLE001
            while True:
                pass


async def fails_after_waiting() -> None:
    await asyncio.sleep(0)
    raise LookupError("nothing there")


def test_coroutine_may_wait(watchdog: Watchdog) -> None:
    result = asyncio.run(watchdog.evaluate_async(waits, 2.0))
    assert (result.value, result.error, result.overran) == (5, None, False)


@pytest.mark.parametrize("function", [waits_for_ever, loops_after_waiting, will_not_be_cancelled])
def test_coroutine_that_does_not_end_is_ended(watchdog: Watchdog, function: Callable[[], object]) -> None:
    result = asyncio.run(watchdog.evaluate_async(function, BUDGET))  # type: ignore[arg-type]
    assert result.overran
    assert result.error is not None
    assert result.seconds < LIMIT


def test_coroutine_that_fails(watchdog: Watchdog) -> None:
    result = asyncio.run(watchdog.evaluate_async(fails_after_waiting, 2.0))
    assert isinstance(result.error, LookupError)
    assert not result.overran


def test_others_go_on_while_a_coroutine_waits(watchdog: Watchdog) -> None:
    async def main() -> list[object]:
        jobs = [watchdog.evaluate_async(waits, 2.0) for _ in range(20)]
        return [result.value for result in await asyncio.gather(*jobs)]

    assert asyncio.run(main()) == [5] * 20


def test_the_server_may_still_cancel(watchdog: Watchdog) -> None:
    async def main() -> None:
        task = asyncio.create_task(watchdog.evaluate_async(waits_for_ever, 60.0))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_place_and_traceback_are_the_policys(watchdog: Watchdog) -> None:
    def fail() -> None:
        raise ValueError("no such country")

    for error in (
        watchdog.evaluate(fail, 1.0).error,
        asyncio.run(watchdog.evaluate_async(fails_after_waiting, 1.0)).error,
        watchdog.evaluate(loop_forever, BUDGET).error,
    ):
        assert error is not None
        assert place_of(error).startswith(__file__)
        assert "src/pippin" not in traceback_of(error)


def test_an_error_that_is_not_raised_in_the_policy_has_no_place_in_it(watchdog: Watchdog) -> None:
    error = watchdog.evaluate(partial(as_plan, None), 1.0).error
    assert isinstance(error, PlanError)
    assert place_of(error) == ""
    assert traceback_of(error).startswith("pippin.policy.plans.PlanError: None is no plan")


def test_five_failures_in_a_row_make_a_rest() -> None:
    breaker = Breaker()
    assert [breaker.failed(10.0) for _ in range(FAILURES_TO_REST)] == [0.0] * 4 + [10.0 + REST_FIRST]
    assert breaker.rests(10.5)
    assert not breaker.rests(11.0)


def test_each_failed_trial_doubles_the_rest_up_to_a_minute() -> None:
    breaker, now, rests = Breaker(), 0.0, []
    for _ in range(FAILURES_TO_REST - 1):
        breaker.failed(now)
    for _ in range(9):
        until = breaker.failed(now)
        rests.append(until - now)
        now = until
    assert rests == [1, 2, 4, 8, 16, 32, REST_MOST, REST_MOST, REST_MOST]


def test_one_success_ends_the_count() -> None:
    breaker = Breaker()
    for _ in range(20):
        for _ in range(FAILURES_TO_REST - 1):
            assert breaker.failed(0.0) == 0.0
        breaker.succeeded()
    assert not breaker.rests(0.0)


def test_place_of_an_overrun_is_that_of_the_first_alarm_not_of_one_on_the_way_out() -> None:
    def interrupted() -> None:
        try:
            raise Overrun("the time budget is used up")
        finally:
            leave()

    def leave() -> None:
        raise Overrun("again")

    with pytest.raises(Overrun) as caught:
        interrupted()
    assert place_of(caught.value) == f"{__file__}:{interrupted.__code__.co_firstlineno + 2}"
