"""Redis: keeps what it is given in memory only."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.server import HOST, START_SECONDS, Server, free_port, program


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    """Run an empty redis-server on a loopback port."""
    redis = program("redis-server", "redis-server")
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        log = Path(name) / "server.log"
        command = [redis, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", name]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=name, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        server = Server(process, port, log)
        try:
            end = time.monotonic() + START_SECONDS
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"redis-server did not start:\n{server.log()}")
                time.sleep(0.02)
            yield server
        finally:
            server.stop()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
