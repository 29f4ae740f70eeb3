"""The same server inside one process, for tests and notebooks: one worker in a thread, any free port.

with InProcessServer() as server:
    server.publish(image)                    # compiled with `server.seed`
    dns.query.udp(query, "127.0.0.1", port=server.addresses[0].port)
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import msgspec

from pippin.engine import layout
from pippin.serve.listen import Address, bind, parse_address
from pippin.serve.loop import run_loop
from pippin.serve.options import Socket, WorkerOptions
from pippin.serve.worker import Worker
from pippin.store import Reader, Store

STOP_TIMEOUT = 5.0
"""Seconds for the worker's thread to end."""


class InProcessServer:
    """A running server; close it, or use it as a context manager.

    `listen` are addresses as on the command line; port 0 finds a free one, `addresses` says which. Options are
    those of `WorkerOptions` (`version`, `udp_size`, `tcp_idle_timeout`, …). Not for use from several threads.
    """

    def __init__(self, listen: Iterable[str] = ("127.0.0.1:0",), **options: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pippin-")
        self._store = Store.open(self._folder.name, 1)
        self.seed = self._store.seed
        """What zones have to be compiled with."""
        self._bound = [bind(parse_address(text)) for text in listen]
        self.addresses: tuple[Address, ...] = tuple(address for address, _, _ in self._bound)
        sockets = [
            Socket(sock.fileno(), kind, address.is_wildcard)
            for address, udp, tcp in self._bound
            for kind, sock in (("udp", udp), ("tcp", tcp))
        ]
        base = WorkerOptions(0, tuple(sockets), self._folder.name, secrets.token_bytes(16), drain_timeout=0.2)
        self._options = msgspec.structs.replace(base, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._failure: BaseException | None = None
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="pippin", daemon=True)
        self._thread.start()
        started.wait()
        if self._failure is not None:
            self.close()
            raise self._failure

    def publish(self, image: bytes) -> None:
        """Serve a compiled zone from now on, instead of an older version if there is one."""
        self._store.publish(layout.origin(image), image)

    def withdraw(self, origin: bytes) -> None:
        """Stop serving a zone (lower-case wire format). KeyError if it is not served."""
        self._store.withdraw(origin)

    def counters(self) -> dict[str, int]:
        """What the worker has counted (`pippin.engine.counters`)."""
        return self._store.counters(0)

    def close(self) -> None:
        if self._loop is not None and self._over is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(STOP_TIMEOUT)
        for _, udp, tcp in self._bound:
            udp.close()
            tcp.close()
        self._bound.clear()
        self._folder.cleanup()

    def __enter__(self) -> InProcessServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, started: threading.Event) -> None:
        try:
            run_loop(self._serve(started))
        except OSError as error:  # what starting can fail with; raised again where the server was wanted
            self._failure = error
        finally:
            started.set()

    def _make_worker(self, reader: Reader) -> Worker:
        """Called in the worker's thread. `pippin.testing` has a worker that also notes and spoils."""
        return Worker(self._options, reader)

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        worker = self._make_worker(Reader(self._folder.name))
        await worker.start()
        started.set()
        await self._over.wait()
        await worker.drain(self._options.drain_timeout)
