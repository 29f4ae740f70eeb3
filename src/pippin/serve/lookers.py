"""Who looks names up for a worker: a process of its own, or threads of this one.

Look-ups are work for the interpreter as much as for the database. In threads of the worker they would hold its lock,
and packets that can be answered by copying would wait for it: so a worker has a process beside it, a lower priority,
and threads there. What one look-up is, and what comes of it, is the same for both.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import msgspec
import structlog

from pippin.query.reply import Reply
from pippin.serve.live_answers import LiveAnswers
from pippin.serve.live_threads import Threads
from pippin.source.live import LiveSettings, LookUp, LookUpError, open_look_up
from pippin.zone.problem import Problem

log = structlog.get_logger(__name__)

START_SECONDS = 30.0
"""Until the process has imported everything: slow where much is going on."""

START_AGAIN = 1.0
"""Seconds between two starts of a process that dies."""

NICENESS = 5
"""Answers that are ready go before those that have to be looked up first."""

_LENGTH = 4

Found: TypeAlias = Reply | LookUpError | None
"""What came of a look-up; None: no zone has the name."""


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """One look-up. Times are those of `time.monotonic`, which is the same in all processes of a machine."""

    number: int
    name: bytes
    type: int
    begin_by: float
    """Later nobody waits any more, and it need not begin."""
    deadline: float
    """Later it goes no further."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What came of look-up `number`."""

    number: int
    found: Found | Exception
    origin: bytes = b""
    """The zone that the name is in."""


Land: TypeAlias = Callable[[Landing], None]


class Looker(Protocol):
    """Looks up up to `LiveSettings.concurrency` names at a time, in the order they were asked for."""

    async def start(self, land: Land) -> None:
        """`land` is called in the loop that runs now, once for each look-up. `LookUpError`: it will never work."""

    def ask(self, wanted: Wanted) -> None: ...

    def close(self) -> None:
        """Nothing lands any more."""


class InThreads:
    """In threads of this process. `look_up` is closed in the end."""

    def __init__(self, settings: LiveSettings, look_up: LookUp) -> None:
        self._answers = LiveAnswers(look_up, _report)
        self._threads = Threads("look-up", settings.concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._land: Land | None = None

    async def start(self, land: Land) -> None:
        self._loop = asyncio.get_running_loop()
        self._land = land

    def ask(self, wanted: Wanted) -> None:
        self._threads.submit(partial(self._look_up, wanted))

    def close(self) -> None:
        self._land = None
        self._threads.submit(self._answers.close)
        self._threads.close()

    def _look_up(self, wanted: Wanted) -> None:
        landing = look_up(self._answers, wanted)
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._hand_over, landing)
        except RuntimeError:
            return  # the loop has ended meanwhile, and with it everybody who waited

    def _hand_over(self, landing: Landing) -> None:
        if self._land is not None:
            self._land(landing)


class _Sent(msgspec.Struct, frozen=True, array_like=True):
    """A landing on its way between processes."""

    number: int
    reply: Reply | None
    error: str = ""
    timed_out: bool = False
    is_bug: bool = False
    origin: bytes = b""


class InProcess(asyncio.Protocol):
    """In a process of its own, which is started again when it dies."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self._decoder = msgspec.msgpack.Decoder(_Sent)
        self._encoder = msgspec.msgpack.Encoder()
        self._land: Land = _nobody
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._received = bytearray()
        self._flying: set[int] = set()
        self._ready: asyncio.Future[str] | None = None
        self._start_at = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._is_over = False

    async def start(self, land: Land) -> None:
        self._land = land
        await self._start()

    def ask(self, wanted: Wanted) -> None:
        self._flying.add(wanted.number)
        if self._transport is None:
            self._fail("the process that looks names up has died, and is being started again")
            self._start_again()
            return
        self._transport.write(_framed(self._encoder.encode(wanted)))

    def close(self) -> None:
        """The process ends when its socket closes."""
        self._is_over = True
        self._land = _nobody
        if self._starting is not None:
            self._starting.cancel()
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        at = 0
        while len(received) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(received[at : at + _LENGTH], "big")
            if len(received) < end:
                break
            self._on_message(received[at + _LENGTH : end])
            at = end
        del received[:at]

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._ready is not None and not self._ready.done():
            self._ready.set_result("the process that looks names up ended at its start")
        if self._process is not None:
            self._process.kill()
            threading.Thread(target=self._process.wait, daemon=True).start()
        if self._is_over:
            return
        log.error("a process that looks names up died, starting another", source=str(self._settings))
        self._fail("the process that looks names up has died")
        self._start_again()

    # Inside

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        # -P: no module from the folder we happen to stand in may take the place of one of ours
        command = [sys.executable, "-P", "-m", "pippin.serve.lookers", str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        finally:
            theirs.close()
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        self._received.clear()
        transport, _ = await loop.create_connection(lambda: self, sock=ours)
        transport.write(_framed(self._encoder.encode(self._settings)))
        try:
            async with asyncio.timeout(START_SECONDS):
                error = await self._ready
        except TimeoutError:
            error = f"the process that looks names up did not start within {START_SECONDS:g} s"
        if error:
            self._is_over = True
            transport.close()
            raise LookUpError(error)
        self._transport = transport

    def _start_again(self) -> None:
        now = time.monotonic()
        if self._is_over or now < self._start_at or (self._starting is not None and not self._starting.done()):
            return
        self._start_at = now + START_AGAIN
        self._starting = asyncio.get_running_loop().create_task(self._start_once_more())

    async def _start_once_more(self) -> None:
        try:
            await self._start()
        except (LookUpError, OSError) as error:
            self._is_over = False
            log.error("a process that looks names up cannot be started", error=str(error))

    def _on_message(self, message: bytes | bytearray) -> None:
        sent = self._decoder.decode(message)
        if sent.number < 0:
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(sent.error)
            return
        self._flying.discard(sent.number)
        found: Found | Exception = sent.reply
        if sent.is_bug:
            found = RuntimeError(sent.error)
        elif sent.error:
            found = LookUpError(sent.error, timed_out=sent.timed_out)
        self._land(Landing(sent.number, found, sent.origin))

    def _fail(self, why: str) -> None:
        loop = asyncio.get_running_loop()
        for number in self._flying:
            loop.call_soon(self._land, Landing(number, LookUpError(f"{self._settings}: {why}")))
        self._flying.clear()


def look_up(answers: LiveAnswers, wanted: Wanted) -> Landing:
    """Blocks. Whatever goes wrong is in the landing."""
    if time.monotonic() >= wanted.begin_by:
        return Landing(wanted.number, LookUpError("nobody waits any more", timed_out=True))
    try:
        reply = answers.answer(wanted.name, wanted.type, wanted.deadline)
    except Exception as error:  # noqa: BLE001 - raised again where somebody waits, for the pipeline's door
        return Landing(wanted.number, error)
    return Landing(wanted.number, reply, answers.origin_of(wanted.name) if reply is not None else b"")


def _nobody(landing: Landing) -> None:
    """Where look-ups land when nobody is left to wait for them."""


def _report(problem: Problem) -> None:
    log.error("a record cannot be used, questions that depend on it get SERVFAIL", problem=str(problem))


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(_LENGTH, "big") + message


# The process


class _Process:
    """The other end of `InProcess`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._messages = sock.makefile("rb")
        self._encoder = msgspec.msgpack.Encoder()
        self._lock = threading.Lock()

    def run(self) -> None:
        settings = msgspec.msgpack.decode(self._read(), type=LiveSettings)
        try:
            answers = LiveAnswers(open_look_up(settings), _report)
        except LookUpError as error:
            self._send(_Sent(-1, None, str(error)))
            return
        self._send(_Sent(-1, None))
        threads = Threads("look-up", settings.concurrency)
        decoder = msgspec.msgpack.Decoder(Wanted)
        while message := self._read():
            threads.submit(partial(self._look_up, answers, decoder.decode(message)))

    def _look_up(self, answers: LiveAnswers, wanted: Wanted) -> None:
        landing = look_up(answers, wanted)
        found = landing.found
        if isinstance(found, Exception):
            is_bug = not isinstance(found, LookUpError)
            error = f"{type(found).__name__}: {found}" if is_bug else str(found)
            sent = _Sent(wanted.number, None, error, getattr(found, "timed_out", False), is_bug)
        else:
            sent = _Sent(wanted.number, found, origin=landing.origin)
        self._send(sent)

    def _send(self, sent: _Sent) -> None:
        message = _framed(self._encoder.encode(sent))
        try:
            with self._lock:
                self._sock.sendall(message)
        except OSError:
            return  # the worker is gone; `run` notices

    def _read(self) -> bytes:
        """One message; b"" at the end."""
        try:
            length = self._messages.read(_LENGTH)
            return self._messages.read(int.from_bytes(length, "big")) if len(length) == _LENGTH else b""
        except OSError:
            return b""


def main() -> None:
    from pippin.serve import logs

    logs.configure()
    # What ends the worker ends this, by its socket.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    _Process(socket.socket(fileno=int(sys.argv[1]))).run()
    os._exit(0)  # threads may hang in a driver


if __name__ == "__main__":
    main()

