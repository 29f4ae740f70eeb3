"""A few threads for work that blocks, with a bounded line in front of them.

They are daemons: one that hangs in a driver must not keep the process from ending. One that hangs is busy, and no
other takes its place, for the database behind it has enough to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Threads:
    """Up to `count` threads, started when they are first needed. Jobs run in the order they came and must not raise."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._started = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._unfinished = 0

    def submit(self, job: Job) -> None:
        with self._lock:
            self._unfinished += 1
            if self._started < min(self._count, self._unfinished):
                self._started += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._started}", daemon=True).start()
        self._jobs.put(job)

    def close(self) -> None:
        """Threads end after what they do now and what waits; nobody waits for them."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            finally:
                with self._lock:
                    self._unfinished -= 1
