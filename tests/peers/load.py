"""Load from dnsperf beside a test, and what came of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from bench import dnsperf
from tests.peers.server import program


class Load:
    """dnsperf asks 127.0.0.1:`port` these questions, `rate` in a second, for `seconds`, while the test goes on."""

    def __init__(self, folder: Path, port: int, questions: Iterable[str], rate: float, seconds: float) -> None:
        program("dnsperf", "dnsperf")
        folder.mkdir()
        stream = folder / "questions"
        stream.write_text("".join(f"{question}\n" for question in questions))
        self._outcome: dnsperf.Outcome | None = None
        self._error: Exception | None = None
        arguments = (port, stream, seconds, os.sched_getaffinity(0), folder)
        self._thread = threading.Thread(target=self._run, args=(arguments, rate))
        self._thread.start()

    def _run(self, arguments: tuple[int, Path, float, set[int], Path], rate: float) -> None:
        try:
            self._outcome = dnsperf.run(*arguments, rate=rate)
        except Exception as error:  # noqa: BLE001 - told to who waits
            self._error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> dnsperf.Outcome:
        """All of it, once it is over."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome
