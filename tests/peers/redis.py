"""Redis: empty and forgetful, or one that keeps what it is given, with what belongs around it (Sentinels, replicas)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.server import HOST, START_SECONDS, Server, free_port, program

SERVER = os.environ.get("REDIS_SERVER", "redis-server")
"""The program; that of Valkey does as well."""

SERVICE = "zones"
"""What the Sentinels call the Redis they watch."""


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    """Run an empty redis-server on a loopback port."""
    redis = program(SERVER, "redis-server")
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


class RedisServer:
    """One that can be killed and started again; what was written stays, unless it forgets."""

    def __init__(self, folder: Path, *options: str, forgets: bool = False, ready: bytes = b"+PONG") -> None:
        self.port = free_port()
        self.folder = folder
        self._ready = ready
        keeping = ["--appendonly", "no"] if forgets else ["--appendonly", "yes", "--appendfsync", "always"]
        self._command = [
            *(program(SERVER, "redis-server"), "--port", str(self.port), "--bind", HOST),
            *("--dir", str(folder), "--save", "", *keeping, *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        end = time.monotonic() + START_SECONDS
        while not _answers(self.port, self._ready):
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"redis-server did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections and questions, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def do(self, *words: str | bytes | int) -> Any:
        """One command and its reply."""
        import redis

        with redis.Redis(port=self.port, socket_timeout=10) as client:
            return client.execute_command(*words)  # type: ignore[no-untyped-call]


@contextmanager
def running_redis(*options: str, forgets: bool = False, ready: bytes = b"+PONG") -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        server = RedisServer(Path(name), *options, forgets=forgets, ready=ready)
        try:
            server.start()
            yield server
        finally:
            server.kill()


class Sentinels:
    """A Redis, a replica of it, and three Sentinels that watch both."""

    def __init__(self, servers: list[RedisServer], sentinels: list[RedisServer]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def master(self) -> RedisServer:
        """The one that the first Sentinel calls master."""
        _, port = self.sentinels[0].do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))


@contextmanager
def running_sentinels() -> Iterator[Sentinels]:
    with ExitStack() as stack:
        first = stack.enter_context(running_redis())
        second = stack.enter_context(running_redis("--replicaof", HOST, str(first.port)))
        watching = []
        for _ in range(3):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peer-")))
            sentinel = RedisServer(folder)
            (folder / "sentinel.conf").write_text(
                f"port {sentinel.port}\nbind {HOST}\ndir {folder}\n"
                f"sentinel monitor {SERVICE} {HOST} {first.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 1500\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
            )
            sentinel._command = [program(SERVER, "redis-server"), str(folder / "sentinel.conf"), "--sentinel"]
            stack.callback(sentinel.kill)
            sentinel.start()
            watching.append(sentinel)
        sentinels = Sentinels([first, second], watching)
        _wait_until_they_know_each_other(sentinels)
        yield sentinels


def _wait_until_they_know_each_other(sentinels: Sentinels) -> None:
    end = time.monotonic() + START_SECONDS
    for sentinel in sentinels.sentinels:
        while True:
            words = sentinel.do("SENTINEL", "MASTER", SERVICE)
            known = words if isinstance(words, dict) else dict(zip(words[::2], words[1::2], strict=True))
            known = {_text(name): _text(value) for name, value in known.items()}
            if known["num-slaves"] == "1" and known["num-other-sentinels"] == "2":
                break
            if time.monotonic() > end:
                pytest.fail(f"the Sentinels do not find each other: {known}")
            time.sleep(0.1)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _answers(port: int, ready: bytes = b"+PONG") -> bool:
    try:
        with socket.create_connection((HOST, port), 0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(ready)
    except OSError:
        return False
