"""The control process' side of one checker process: start it, hear what it says, ask it, end it.

What it does and says is in `pippin.policy.checker` and `pippin.policy.protocol`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable

import msgspec
import structlog

from pippin.policy.protocol import (
    Begin,
    Command,
    Declared,
    Event,
    Failed,
    Flip,
    Override,
    Settled,
    States,
    Status,
    Stop,
    TargetState,
    Warned,
)

log = structlog.get_logger(__name__)

DECLARE_PATIENCE = 60.0
"""Seconds for importing the policy files."""

ANSWER_PATIENCE = 5.0
"""Seconds for a word about the targets."""

STOP_PATIENCE = 2.0
"""Seconds from being told to stop to being killed."""

LONGEST_LINE = 64 << 20


class PolicyFailure(Exception):
    """The policies cannot be used. Each of `problems` is complete: `file:line: what`, maybe with a traceback."""

    def __init__(self, problems: Iterable[str], modules: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        self.modules = tuple(modules)
        """Files that were imported, and may be what has to be mended."""
        super().__init__("\n".join(self.problems))


class CheckerGone(Exception):
    """There is nobody to answer."""


class CheckerProcess:
    """One checker, from `start` to its end."""

    def __init__(self) -> None:
        self.settled = asyncio.Event()
        """Set when every target has its first result, or the process has ended."""
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._asked: deque[asyncio.Future[tuple[TargetState, ...]]] = deque()
        self._end: asyncio.Task[int] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._end and not self._end.done() else None

    async def start(self, begin: Begin) -> Declared:
        """Have it load the policy files; it checks their targets from then on. Raises `PolicyFailure`."""
        ours, theirs = socket.socketpair()
        try:
            self._process = _spawn(theirs)
        except OSError as error:
            ours.close()
            raise PolicyFailure([f"the checker cannot be started: {error.strerror or error}"]) from error
        finally:
            theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
        self._writer.write(msgspec.json.encode(begin) + b"\n")
        try:
            async with asyncio.timeout(DECLARE_PATIENCE):
                first = await _event(reader)
        except TimeoutError:
            self.kill()
            await self._abort()
            slow = f"{', '.join(begin.files)}: not imported after {DECLARE_PATIENCE:.0f} s; does it wait for something?"
            raise PolicyFailure([slow]) from None
        except BaseException:  # cancelled, or it talks nonsense
            self.kill()
            await self._abort()
            raise
        if isinstance(first, Declared):
            self._end = asyncio.create_task(self._listen(reader))
            return first
        await self._abort()
        if isinstance(first, Failed):
            raise PolicyFailure(first.problems, first.modules)
        raise PolicyFailure([f"{', '.join(begin.files)}: importing ended the process ({_how(self._process)})"])

    async def wait_end(self) -> str:
        """Until it has ended; how."""
        assert self._end is not None
        await asyncio.shield(self._end)
        return _how(self._process)

    async def states(self) -> tuple[TargetState, ...]:
        """All targets. Raises `CheckerGone`."""
        return await self._ask(Status())

    async def override(self, target: str, to: str) -> tuple[TargetState, ...]:
        """`up`, `down`, `drain` or `auto`; all targets as they are then. Raises `CheckerGone`."""
        return await self._ask(Override(target, to))

    async def stop(self) -> None:
        """End it, and wait for that."""
        if self._end is None:
            return
        self._tell(Stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_PATIENCE):
                await asyncio.shield(self._end)
        self.kill()
        await asyncio.shield(self._end)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    async def _ask(self, command: Command) -> tuple[TargetState, ...]:
        future: asyncio.Future[tuple[TargetState, ...]] = asyncio.get_running_loop().create_future()
        if self._end is None or self._end.done() or not self._tell(command):
            raise CheckerGone
        self._asked.append(future)
        try:
            async with asyncio.timeout(ANSWER_PATIENCE):
                return await future
        except TimeoutError:
            raise CheckerGone from None

    def _tell(self, command: Command) -> bool:
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(msgspec.json.encode(command) + b"\n")
        return True

    async def _listen(self, reader: asyncio.StreamReader) -> int:
        assert self._process is not None
        try:
            while (event := await _event(reader)) is not None:
                self._hear(event)
            return await asyncio.to_thread(_reap, self._process)
        finally:
            self.settled.set()
            while self._asked:
                future = self._asked.popleft()
                if not future.done():
                    future.set_exception(CheckerGone())
            if self._writer is not None:
                self._writer.close()

    def _hear(self, event: Event) -> None:
        match event:
            case Settled():
                self.settled.set()
            case Flip(target, up, why):
                if up:
                    log.info("target is up", target=target, reason=why)
                else:
                    log.warning("target is down", target=target, reason=why)
            case Warned(target, what, why):
                log.warning(what, target=target, reason=why)
            case States(targets) if self._asked:
                future = self._asked.popleft()
                if not future.done():  # else whoever asked has stopped waiting
                    future.set_result(targets)

    async def _abort(self) -> None:
        assert self._process is not None
        if self._writer is not None:
            self._writer.close()
        await asyncio.to_thread(_reap, self._process)


async def _event(reader: asyncio.StreamReader) -> Event | None:
    """What the checker says next; None if it is gone."""
    try:
        line = await reader.readline()
    except ConnectionError:
        return None  # killed in the middle of a word
    return msgspec.json.decode(line, type=Event) if line.endswith(b"\n") else None


def _spawn(control: socket.socket) -> subprocess.Popen[bytes]:
    # -P: no module from the folder we happen to stand in may take the place of one of ours
    command = [sys.executable, "-P", "-m", "pippin.policy.checker", str(control.fileno())]
    return subprocess.Popen(command, pass_fds=[control.fileno()], stdin=subprocess.DEVNULL)


def _reap(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _how(process: subprocess.Popen[bytes] | None) -> str:
    status = process.poll() if process is not None else None
    if status is not None and status < 0:
        return f"signal {-status}"
    return f"exit {status}"
