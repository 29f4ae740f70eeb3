"""The worker processes: started early as fresh interpreters, told to answer once zones are published, kept alive.

Starting an interpreter takes longer than publishing small zones, so workers start while zones are being read and
wait for `answer`. One that dies is replaced, at once the first time, then with growing pauses; the others never
notice. Its sockets stay open meanwhile, so nothing sent to it is lost unless the pause gets long; then they are
closed, and the kernel gives its clients to the others.

New code comes into a worker by a new process on the same sockets. Both answer for a moment; then the old one is told to
drain. What has arrived is in the sockets' queues, from which either takes it, so nothing is lost on the way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from pippin.serve.listen import Address, ListenError, bind
from pippin.serve.options import Socket, WorkerOptions

log = structlog.get_logger(__name__)

HEALTHY_AFTER = 60.0
"""Seconds after which a worker that dies counts as having been fine."""

PAUSE_FIRST, PAUSE_MOST = 0.25, 30.0
"""Seconds before a worker that keeps dying is started again: doubling from the first to the most."""

PAUSE_WITH_SOCKETS = 1.0
"""Pauses longer than this give up the dead worker's sockets."""

GIVE_UP_AFTER = 5
"""Deaths of a worker that has never answered, after which serving is given up: it will not do better next time."""

ANSWER_PATIENCE = 30.0
"""Seconds for a process that is to take over until it answers: importing may be slow where much is going on."""

WORD_PATIENCE = 1.0
"""Seconds for a worker to say how it is doing."""

LONGEST_LINE = 64 << 20
"""Octets of what a worker says at once: the statistics of thousands of policies are the longest."""

KILL_AFTER = 2.0
"""Seconds beyond the drain timeout before a worker that does not end is killed."""


class WorkerFailure(Exception):
    """Workers cannot be started at all; why, they have said themselves."""


class _Life:
    """One worker process, from its start to its end. It learns its options when it may answer, and not before."""

    def __init__(self, page: int, sockets: list[tuple[Address, socket.socket, socket.socket]]) -> None:
        self.page = page
        self._inherited: list[Socket] = []
        for address, udp, tcp in sockets:
            self._inherited.append(Socket(udp.fileno(), "udp", address.is_wildcard))
            self._inherited.append(Socket(tcp.fileno(), "tcp", address.is_wildcard))
        self.answering = asyncio.Event()
        self.problems: tuple[str, ...] = ()
        """Why it ended without answering, if it could say so."""
        self._has_options = False
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._channel, theirs = socket.socketpair()
        try:
            self.process = _spawn(theirs, [sock for _, udp, tcp in sockets for sock in (udp, tcp)])
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self._writer: asyncio.StreamWriter | None = None

    async def run(
        self, may_answer: asyncio.Event, options: Callable[[], WorkerOptions], answers: Callable[[], None]
    ) -> int:
        """Lead it until it ends; how it ended, as `subprocess` says it. `answers` is called when it begins to."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel, limit=LONGEST_LINE)
        try:
            starter = asyncio.create_task(self._start_when(may_answer, options))
            try:
                await self._listen(reader, answers)
            finally:
                starter.cancel()
            # The worker's end of the socket is closed: it is dead, or about to be.
            return await asyncio.to_thread(self._reap, options().drain_timeout + KILL_AFTER)
        finally:
            self.answering.clear()
            self._writer.close()

    def tell(self, command: str) -> bool:
        """Send a command; False if there is nobody to take it."""
        if not self._has_options and self._writer is not None:
            self._writer.close()  # it waits for them, and understands that there will be none
            return True
        return self._send({"do": command})

    async def ask(self, what: str) -> Any:
        """What it says when it is told `what`; None if it does not say anything in time."""
        future = self._asked.get(what)
        if future is None:
            future = self._asked[what] = asyncio.get_running_loop().create_future()
            if not self.answering.is_set() or not self.tell(what):
                future.set_result(None)
        done, _ = await asyncio.wait((future,), timeout=WORD_PATIENCE)
        if self._asked.get(what) is future:
            del self._asked[what]
        return future.result() if done else None

    def _send(self, message: object) -> bool:
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(msgspec.json.encode(message) + b"\n")
        return True

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()

    def _reap(self, patience: float) -> int:
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    async def _start_when(self, may_answer: asyncio.Event, options: Callable[[], WorkerOptions]) -> None:
        await may_answer.wait()
        self._send(msgspec.structs.replace(options(), index=self.page, sockets=tuple(self._inherited)))
        self._has_options = True
        self.tell("start")

    async def _listen(self, reader: asyncio.StreamReader, answers: Callable[[], None]) -> None:
        try:
            while line := await reader.readline():
                match msgspec.json.decode(line):
                    case {"event": "answering"}:
                        self.answering.set()
                        answers()
                    case {"event": "failed", "problems": problems}:
                        self.problems = tuple(problems)
                    case {"event": what, **rest} if what in self._asked:
                        self._asked.pop(what).set_result(rest.get(what))
        except ConnectionError:
            return  # killed in the middle of a word


class WorkerSlot:
    """One worker's place: its sockets, its process, and what is known about it.

    `pages` are the two pages of the store's counters that its processes count in by turns; `occupied` and `vacated` are
    called with a page when one begins to and when it has ended.
    """

    def __init__(
        self,
        addresses: list[Address],
        options: WorkerOptions,
        pages: tuple[int, int] | None = None,
        occupied: Callable[[int], None] = lambda page: None,
        vacated: Callable[[int], None] = lambda page: None,
    ) -> None:
        self._addresses = addresses
        self.options = options
        """What a process is told when it begins to answer."""
        self.pages = pages or (options.index, options.index)
        self._occupied, self._vacated = occupied, vacated
        self._sockets: list[tuple[Address, socket.socket, socket.socket]] = []
        self._life: _Life | None = None
        self._next: _Life | None = None
        self._next_options = options
        self._ends: dict[_Life, asyncio.Task[int]] = {}
        self._stopping = False
        self._has_answered = False
        self.restarts = 0
        self.answering = asyncio.Event()
        self.gone = asyncio.Event()
        """Set when the worker has ended for good."""

    @property
    def pid(self) -> int | None:
        return None if self._life is None else self._life.process.pid

    def bind(self) -> list[Address]:
        """Open the sockets; the addresses with the ports they got."""
        if not self._sockets:
            self._sockets = [bind(address) for address in self._addresses]
            self._addresses = [address for address, _, _ in self._sockets]
        return self._addresses

    def close_sockets(self) -> None:
        for _, udp, tcp in self._sockets:
            udp.close()
            tcp.close()
        self._sockets.clear()

    async def keep(self, may_answer: asyncio.Event) -> None:
        """Run a worker, and another when it dies, until `stop`. WorkerFailure if not one gets as far as answering."""
        deaths = 0
        while not self._stopping:
            started = time.monotonic()
            life = None
            try:
                life = self._life = self._life or self._begin(lambda: self.options, may_answer)
                how = _how(await self._ends[life])
            except (OSError, ListenError) as error:
                how = str(error)  # out of descriptors or memory, or its port was taken meanwhile
            if life is not self._life:  # another process has taken over, and this one was told to end
                deaths = 0
                continue
            self._life = None
            self.answering.clear()
            if self._stopping:
                break
            deaths = 1 if time.monotonic() - started > HEALTHY_AFTER else deaths + 1
            pause = 0.0 if deaths == 1 else min(PAUSE_FIRST * 2 ** (deaths - 2), PAUSE_MOST)
            if deaths >= GIVE_UP_AFTER and not self._has_answered:
                if life is not None and life.problems:
                    how = "\n".join(life.problems)
                raise WorkerFailure(
                    f"worker {self.options.index} died {deaths} times before it answered: {how}"
                )
            log.error("a worker died, starting another", worker=self.options.index, died=how, pause=pause)
            self.restarts += 1
            if pause > PAUSE_WITH_SOCKETS:
                self.close_sockets()
            await asyncio.sleep(pause)
        await asyncio.gather(*self._ends.values(), return_exceptions=True)
        self.gone.set()

    async def prepare(self, options: WorkerOptions, may_answer: asyncio.Event) -> None:
        """Start another process on the same sockets and wait until it answers beside the one that does so far.

        WorkerFailure if it does not come to that. Afterwards `take_over` or `abandon`, failed or not.
        """
        if len(self._ends) > 1:  # the last one to be replaced is still answering what it had received
            await asyncio.wait(self._ends.values(), return_when=asyncio.FIRST_COMPLETED)
        try:
            life = self._next = self._begin(lambda: options, may_answer)
            self._next_options = options
        except (OSError, ListenError) as error:
            raise WorkerFailure(f"worker {options.index} cannot be started: {error}") from error
        end = self._ends[life]
        answers = asyncio.create_task(life.answering.wait())
        await asyncio.wait((end, answers), timeout=ANSWER_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        answers.cancel()
        if life.problems:
            raise WorkerFailure("\n".join(life.problems))
        if not life.answering.is_set():
            how = _how(await end) if end.done() else f"not a word for {ANSWER_PATIENCE:.0f} s"
            raise WorkerFailure(f"a new worker {options.index} does not answer: {how}")

    def take_over(self) -> None:
        """The process prepared is the worker from now on; the old one answers what it has received, and ends."""
        assert self._next is not None
        old, self._life, self._next = self._life, self._next, None
        self.options = self._next_options
        if old is not None:
            self._let_go(old)
        self.answering.set()

    def abandon(self) -> None:
        """Everything stays as it is; a process that was prepared ends."""
        if self._next is not None:
            self._let_go(self._next)
            self._next = None

    async def ask(self, what: str) -> Any:
        """What the worker says about `policies` or `forwarding`; None if it does not (yet)."""
        return None if self._life is None else await self._life.ask(what)

    def stop(self, command: str) -> None:
        """End the worker by `drain` or `stop` and don't start another."""
        self._stopping = True
        for life in self._ends:
            life.tell(command)
        if not self._ends:
            self.gone.set()  # between two lives

    def end(self) -> None:
        """Kill what still runs and close everything."""
        self._stopping = True
        for life in self._ends:
            life.kill()
        self.close_sockets()

    def _begin(self, options: Callable[[], WorkerOptions], may_answer: asyncio.Event) -> _Life:
        self.bind()
        taken = {life.page for life in self._ends}
        page = next(page for page in self.pages if page not in taken)
        self._occupied(page)
        life = _Life(page, self._sockets)
        self._ends[life] = asyncio.create_task(self._lead(life, may_answer, options))
        return life

    async def _lead(
        self, life: _Life, may_answer: asyncio.Event, options: Callable[[], WorkerOptions]
    ) -> int:
        try:
            return await life.run(may_answer, options, lambda: self._on_answering(life))
        finally:
            del self._ends[life]
            self._vacated(life.page)

    def _on_answering(self, life: _Life) -> None:
        self._has_answered = True
        if life is self._life:
            self.answering.set()

    def _let_go(self, life: _Life) -> None:
        if not life.tell("drain"):
            life.kill()
        patience = self.options.drain_timeout + KILL_AFTER
        asyncio.get_running_loop().call_later(patience, life.kill)


def worker_count(wanted: int) -> int:
    """0 means one for each core this process may run on."""
    return wanted or len(os.sched_getaffinity(0))


def _spawn(control: socket.socket, sockets: list[socket.socket]) -> subprocess.Popen[bytes]:
    # -P: no module from the folder we happen to stand in may take the place of one of ours
    command = [sys.executable, "-P", "-m", "pippin.serve.worker", str(control.fileno())]
    fds = [control.fileno(), *(sock.fileno() for sock in sockets)]
    return subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL)


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit {status}"
