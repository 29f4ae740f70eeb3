"""The worker processes: started early as fresh interpreters, told to answer once zones are published, kept alive.

Starting an interpreter takes longer than publishing small zones, so workers start while zones are being read and
wait for `answer`. One that dies is replaced, at once the first time, then with growing pauses; the others never
notice. Its sockets stay open meanwhile, so nothing sent to it is lost unless the pause gets long; then they are
closed, and the kernel gives its clients to the others.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

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

KILL_AFTER = 2.0
"""Seconds beyond the drain timeout before a worker that does not end is killed."""


class WorkerFailure(Exception):
    """Workers cannot be started at all; why, they have said themselves."""


class WorkerSlot:
    """One worker's place: its sockets, its process, and what is known about it."""

    def __init__(self, addresses: list[Address], options: WorkerOptions) -> None:
        self._addresses = addresses
        self._options = options
        self._sockets: list[tuple[Address, socket.socket, socket.socket]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._stopping = False
        self._has_answered = False
        self.restarts = 0
        self.answering = asyncio.Event()
        self.gone = asyncio.Event()
        """Set when the worker has ended for good."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

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
            try:
                self.bind()
                how = _how(await self._live(may_answer))
            except (
                OSError,
                ListenError,
            ) as error:  # out of descriptors or memory, or its port was taken meanwhile
                how = str(error)
            if self._stopping:
                break
            deaths = 1 if time.monotonic() - started > HEALTHY_AFTER else deaths + 1
            pause = 0.0 if deaths == 1 else min(PAUSE_FIRST * 2 ** (deaths - 2), PAUSE_MOST)
            if deaths >= GIVE_UP_AFTER and not self._has_answered:
                raise WorkerFailure(
                    f"worker {self._options.index} died {deaths} times before it answered: {how}"
                )
            log.error("a worker died, starting another", worker=self._options.index, died=how, pause=pause)
            self.restarts += 1
            if pause > PAUSE_WITH_SOCKETS:
                self.close_sockets()
            await asyncio.sleep(pause)
        self.gone.set()

    def tell(self, command: str) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(msgspec.json.encode({"do": command}) + b"\n")

    def stop(self, command: str) -> None:
        """End the worker by `drain` or `stop` and don't start another."""
        self._stopping = True
        self.tell(command)
        if self._process is None or self._process.poll() is not None:
            self.gone.set()  # between two lives

    def end(self) -> None:
        """Kill what still runs and close everything."""
        self._stopping = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self.close_sockets()

    async def _live(self, may_answer: asyncio.Event) -> int:
        """One worker's life; how it ended, as `subprocess` says it."""
        ours, theirs = socket.socketpair()
        self._process = _spawn(theirs, [sock for _, udp, tcp in self._sockets for sock in (udp, tcp)])
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            self._writer.write(msgspec.json.encode(self._current_options()) + b"\n")
            starter = asyncio.create_task(self._start_when(may_answer))
            try:
                await self._listen(reader)
            finally:
                starter.cancel()
            # The worker's end of the socket is closed: it is dead, or about to be.
            return await asyncio.to_thread(self._reap, self._process)
        finally:
            self.answering.clear()
            self._writer.close()

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(self._options.drain_timeout + KILL_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _current_options(self) -> WorkerOptions:
        sockets = []
        for address, udp, tcp in self._sockets:
            sockets.append(Socket(udp.fileno(), "udp", address.is_wildcard))
            sockets.append(Socket(tcp.fileno(), "tcp", address.is_wildcard))
        return msgspec.structs.replace(self._options, sockets=tuple(sockets))

    async def _start_when(self, may_answer: asyncio.Event) -> None:
        await may_answer.wait()
        self.tell("start")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                if msgspec.json.decode(line)["event"] == "answering":
                    self._has_answered = True
                    self.answering.set()
        except ConnectionError:
            return  # killed in the middle of a word


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
