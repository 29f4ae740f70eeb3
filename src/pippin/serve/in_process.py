"""The same server inside one process, for tests and notebooks: one worker in a thread, any free port.

with InProcessServer() as server:
    server.publish(image)                    # compiled with `server.seed`
    dns.query.udp(query, "127.0.0.1", port=server.addresses[0].port)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from pippin.engine import layout
from pippin.policy.policies import Policies
from pippin.policy.pools import Pool
from pippin.serve.listen import Address, bind, parse_address
from pippin.serve.loop import run_loop
from pippin.serve.options import Socket, WorkerOptions
from pippin.serve.policies import PolicyStatistics
from pippin.serve.steering import PolicySet, policy_set_of
from pippin.serve.worker import Worker
from pippin.store import Reader, Store
from pippin.store.health import HealthTable

T = TypeVar("T")

STOP_TIMEOUT = 5.0
"""Seconds for the worker's thread to end."""


class InProcessServer:
    """A running server; close it, or use it as a context manager.

    `listen` are addresses as on the command line; port 0 finds a free one, `addresses` says which. Options are
    those of `WorkerOptions` (`version`, `udp_size`, `tcp_idle_timeout`, …). Not for use from several threads.

    `policies` answer where zones leave that to them (the `marks` of `compile_zone`). Nothing checks the targets of
    `pools`: they are available until `health` says otherwise. Nothing interrupts a policy here either, which only
    a process's main thread could; its budget is measured.
    """

    def __init__(
        self,
        listen: Iterable[str] = ("127.0.0.1:0",),
        *,
        policies: Policies | Iterable[Policies] = (),
        pools: Iterable[Pool] = (),
        **options: Any,
    ) -> None:
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
        self._health_files = itertools.count()
        self._policies = self._policy_set(policies, pools)
        self._worker: Worker | None = None
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

    def set_policies(self, policies: Policies | Iterable[Policies], pools: Iterable[Pool] = ()) -> None:
        """Answer from these policies from now on, and from none of those before."""
        given = self._policies = self._policy_set(policies, pools)
        self._in_worker(lambda worker: worker.set_policies(given))

    def policy_statistics(self) -> list[PolicyStatistics]:
        """How each policy has been doing."""
        return self._in_worker(lambda worker: worker.policy_statistics())

    @property
    def health(self) -> HealthTable:
        """How targets are; `health_rows` has the row of each, by `<pool>/<address>`."""
        return self._policies.health

    @property
    def health_rows(self) -> Mapping[str, int]:
        return self._policies.rows

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

    def _policy_set(self, policies: Policies | Iterable[Policies], pools: Iterable[Pool]) -> PolicySet:
        given = (policies,) if isinstance(policies, Policies) else tuple(policies)
        return policy_set_of(given, pools, Path(self._folder.name) / f"health.{next(self._health_files)}")

    def _in_worker(self, what: Callable[[Worker], T]) -> T:
        """Do something in the worker's thread."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def do() -> None:
            assert self._worker is not None
            try:
                done.set_result(what(self._worker))
            except Exception as error:  # noqa: BLE001 - it goes to who asked, in the other thread
                done.set_exception(error)

        assert self._loop is not None
        self._loop.call_soon_threadsafe(do)
        return done.result(STOP_TIMEOUT)

    def _make_worker(self, reader: Reader) -> Worker:
        """Called in the worker's thread. `pippin.testing` has a worker that also notes and spoils."""
        return Worker(self._options, reader)

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        worker = self._worker = self._make_worker(Reader(self._folder.name))
        worker.set_policies(self._policies)
        await worker.start()
        started.set()
        await self._over.wait()
        await worker.drain(self._options.drain_timeout)
