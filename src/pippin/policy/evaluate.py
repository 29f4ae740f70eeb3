"""Running a policy so that it cannot harm others: a time budget for each evaluation, a rest for one that keeps failing.

In: a function of the user's and seconds. Out: what it returned, or why it did not. It refuses to know what a policy
is asked and what becomes of its plan.

The budget holds against endless Python loops too: in a process's main thread a timer signal raises `Overrun` inside
the function. Python delivers signals to the main thread alone, so elsewhere (a server inside a test's process) an
overrun is found out when the function has returned, and nothing can stop one that never does. Nor can anything stop
code in C that does not return to Python.

What counts is time in which the function ran or waited for something. On a machine where more wants to run than there
are cores, the time that its process stood in the queue is no fault of the function's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

FAILURES_TO_REST = 5
"""Failures in a row after which a policy rests."""

REST_FIRST, REST_MOST = 1.0, 60.0
"""Seconds of rest: from the first, doubling after each trial that fails, to the most."""

MOST_TIMES = 10
"""Times its budget that an evaluation may take by the wall clock, however long its process had to wait for a core."""

USED_UP = 0.9
"""Of the budget: less is left than is worth another alarm."""

SCHEDULE_SIZE = 100
"""Octets of `/proc/thread-self/schedstat`: three numbers, the second the nanoseconds in the run queue."""

INTERVAL = 0.001
"""Seconds between two interruptions of a function that caught the first one."""


class Overrun(BaseException):
    """An evaluation has used up its time. No `Exception`: a policy's own `except Exception` must not stop it."""


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What an evaluation came to: a `value`, or the `error` that it ended with (an overrun too)."""

    value: T | None
    error: BaseException | None
    overran: bool
    """It took longer than its budget. With a `value` where it could not be interrupted and returned after all."""
    seconds: float


class Watchdog:
    """Runs functions under a time budget, one at a time. Made in the thread that will use it; `close` it there."""

    def __init__(self) -> None:
        self.can_interrupt = threading.current_thread() is threading.main_thread()
        self._running = False
        self._alarms = 0
        self._budget = 0.0
        self._began = self._queued = 0.0
        self._schedule = -1
        self._tracer = sys.gettrace()
        if self.can_interrupt:
            with contextlib.suppress(OSError):
                self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
            self._before = signal.signal(signal.SIGALRM, self._alarm)

    def close(self) -> None:
        """Give SIGALRM back to whoever had it."""
        if self.can_interrupt:
            signal.signal(signal.SIGALRM, self._before)
            self.can_interrupt = False
            if self._schedule >= 0:
                os.close(self._schedule)
                self._schedule = -1

    def evaluate(self, function: Callable[[], T], budget: float) -> Result[T]:
        """Call `function`; whatever it raises is in the result. `budget` in seconds."""
        started = time.perf_counter()
        value, error = None, None
        try:
            value = self._run(function, budget)
        except BaseException as raised:  # noqa: BLE001 - the door: a policy's sys.exit() must not end a worker
            error = raised
        seconds = time.perf_counter() - started
        return Result(value, error, self._overran(error, seconds, budget), seconds)

    async def evaluate_async(
        self, function: Callable[[], Coroutine[Any, Any, T]], budget: float
    ) -> Result[T]:
        """The same for a coroutine function: waiting counts, and no step between two waits may exceed the budget."""
        started = time.perf_counter()
        value, error = None, None
        limit = asyncio.timeout(budget)
        try:
            async with limit:
                value = await _Watched(self, function, budget)
        except BaseException as raised:  # the door, as above
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # not the policy's: the server ends
            error = raised
            if isinstance(raised, TimeoutError) and limit.expired():
                waited = raised.__cause__ or raised.__context__ or raised
                error = Overrun("waiting used up the time budget").with_traceback(waited.__traceback__)
        seconds = time.perf_counter() - started
        return Result(value, error, self._overran(error, seconds, budget), seconds)

    def _overran(self, error: BaseException | None, seconds: float, budget: float) -> bool:
        return isinstance(error, Overrun) or (not self.can_interrupt and seconds > budget)

    def _run(self, function: Callable[[], T], budget: float) -> T:
        """Call `function` with the timer set.

        The alarm raises only where a frame below this one is interrupted (`_alarm`), so between the function's end
        and the timer's there is no moment at which it could raise into the server.
        """
        if not self.can_interrupt:
            return function()
        self._alarms = 0
        self._budget = budget
        self._began, self._queued = time.perf_counter(), self._in_queue()
        self._running = True
        try:
            signal.setitimer(signal.ITIMER_REAL, max(budget, 1e-6), INTERVAL)
            return function()
        finally:
            self._running = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            if self._alarms > 1:
                sys.settrace(self._tracer)

    def _alarm(self, _number: int, frame: FrameType | None) -> None:
        interrupted = frame
        while interrupted is not None and interrupted.f_code in _ALARM:
            interrupted = (
                interrupted.f_back
            )  # on a busy machine an alarm finds the one before it still at work
        if not self._running or interrupted is None or interrupted.f_code is _RUN:
            return
        if not self._alarms and self._stood_in_the_queue():
            return
        self._alarms += 1
        if self._alarms > 1:
            if self._alarms == 2:
                self._tracer = sys.gettrace()  # a debugger's, or that of coverage
            self._trace(frame)
        raise Overrun("the time budget is used up")

    def _stood_in_the_queue(self) -> bool:
        """Whether some of the time was not the function's; then as much is given to it again."""
        passed = time.perf_counter() - self._began
        left = self._budget - (passed - (self._in_queue() - self._queued))
        if left < (1 - USED_UP) * self._budget or passed > MOST_TIMES * self._budget:
            return False
        signal.setitimer(signal.ITIMER_REAL, max(left, INTERVAL), INTERVAL)
        return True

    def _in_queue(self) -> float:
        """Seconds that this thread could have run in, if there had been a core for it; 0 where nobody tells."""
        if self._schedule < 0:
            return 0.0
        return int(os.pread(self._schedule, SCHEDULE_SIZE, 0).split()[1]) / 1e9

    def _trace(self, frame: FrameType | None) -> None:
        """Make the next line of every frame of the policy raise as well, `except BaseException: pass` itself included.

        A loop around such a statement would swallow each alarm in turn: the time it spends elsewhere is too short to
        be hit. Python drops a tracing function that raises, so each alarm sets it anew.
        """
        sys.settrace(_ignore_calls)
        while frame is not None and frame.f_code is not _RUN:
            frame.f_trace = _raise_at_line
            frame = frame.f_back


_RUN = Watchdog._run.__code__
_ALARM = tuple(
    function.__code__
    for function in (Watchdog._alarm, Watchdog._trace, Watchdog._stood_in_the_queue, Watchdog._in_queue)
)


def _ignore_calls(_frame: FrameType, _event: str, _argument: object) -> None:
    return None


def _raise_at_line(_frame: FrameType, event: str, _argument: object) -> Any:
    if event == "line":
        raise Overrun("the time budget is used up")
    return _raise_at_line


class _Watched(Generic[T]):
    """Awaits a coroutine with each of its steps under the timer."""

    def __init__(
        self, watchdog: Watchdog, function: Callable[[], Coroutine[Any, Any, T]], budget: float
    ) -> None:
        self._watchdog = watchdog
        self._function = function
        self._budget = budget

    def __await__(self) -> Generator[Any, Any, T]:
        run, budget = self._watchdog._run, self._budget
        coroutine = run(self._function, budget)
        step: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731 - the next step, another one each time
        try:
            while True:
                try:
                    awaited = run(step, budget)
                except StopIteration as end:
                    value: T = end.value
                    return value
                try:
                    received = yield awaited
                except BaseException as thrown:  # noqa: BLE001 - handed on: it is the coroutine's, CancelledError mostly
                    step = _thrower(coroutine, thrown)
                else:
                    step = _sender(coroutine, received)
        finally:
            coroutine.close()


def _sender(coroutine: Coroutine[Any, Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: coroutine.send(value)


def _thrower(coroutine: Coroutine[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: coroutine.throw(error)


class Breaker:
    """Whether a policy is worth trying. Times are those of one clock, which the caller reads."""

    def __init__(self) -> None:
        self._failures = 0
        self._rest = REST_FIRST
        self._until = 0.0
        self.times_opened = 0

    def failed(self, now: float) -> float:
        """Note a failure; the time until which the policy rests from now on, 0.0 if it goes on."""
        self._failures += 1
        if self._failures < FAILURES_TO_REST:
            return 0.0
        self._until = now + self._rest
        self._rest = min(2 * self._rest, REST_MOST)
        self.times_opened += 1
        return self._until

    def succeeded(self) -> None:
        self._failures = 0
        self._rest = REST_FIRST
        self._until = 0.0

    def rests(self, now: float) -> bool:
        """After a rest one failure is enough for the next, which is twice as long."""
        return now < self._until

    @property
    def resting_until(self) -> float:
        return self._until


def place_of(error: BaseException) -> str:
    """`file:line` where an error was raised, in the policy's code or what that called; "" if it was not there."""
    while isinstance(error, Overrun) and isinstance(error.__context__, Overrun):
        error = error.__context__  # the alarm came again on the way out: the first one tells where the time went
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def traceback_of(error: BaseException) -> str:
    """The traceback as Python prints it, without the frames of this server that lead to the policy."""
    shown = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = shown
    while link is not None:
        way = itertools.dropwhile(_is_ours, link.stack)
        link.stack = traceback.StackSummary.from_list([frame for frame in way if frame.filename != __file__])
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "".join(shown.format()).rstrip()


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_PACKAGE)


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
