"""The server under test, as a user starts it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.server import HOST, Server, Zone, running


@contextmanager
def serving(zones: Sequence[Zone], *options: str) -> Iterator[Server]:
    """Run `pippin serve` with these zones, one worker, and further command-line options."""

    def configure(folder: Path, port: int) -> list[str]:
        files = [f"{zone.name}={zone.file}" for zone in zones]
        listen = ["--listen", f"{HOST}:{port}", "--workers", "1"]
        return [sys.executable, "-m", "pippin", "serve", *files, *listen, *options]

    with running(configure, [zone.name for zone in zones]) as server:
        yield server
