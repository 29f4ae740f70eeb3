"""A database server that a test runs for itself: in a temporary folder, on loopback, never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sql

from tests.peers.namespaces import Machine
from tests.peers.server import free_port

START_SECONDS = 60.0
STOP_SECONDS = 10.0
NOBODY = "nobody"

Command = Callable[[Path, int], Sequence[str]]

_numbers = count(1)


class DatabaseServer:
    """One that can be killed and started again; its data stay."""

    def __init__(
        self, folder: Path, url: str, command: Command, *, kill_signal: signal.Signals, prefix: Sequence[str] = ()
    ) -> None:
        self.port = free_port()
        self._url = url
        self._folder = folder
        self._command = [*prefix, *as_nobody(), *command(folder, self.port)]
        self._kill_signal = kill_signal
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return self._url.format(port=self.port, database=database)

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        engine = self._engine()
        while True:
            try:
                with engine.connect():
                    break
            except sql.exc.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{error}\n{(self._folder / 'log').read_text(errors='replace')}")
                time.sleep(0.05)
        engine.dispose()

    def kill(self) -> None:
        """At once, like a crash: connections are cut, and nothing is written any more."""
        if self._process is not None:
            self._process.send_signal(self._kill_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test{next(_numbers)}"
        engine = self._engine()
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return self.url(name)

    def _engine(self) -> sql.Engine:
        target = sql.make_url(self.url("postgres" if "postgresql" in self._url else "mysql"))
        driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[target.drivername]
        return sql.create_engine(target.set(drivername=driver), isolation_level="AUTOCOMMIT")


@contextmanager
def running_database(
    url: str,
    prepare: Command,
    serve: Command,
    *,
    kill_signal: signal.Signals = signal.SIGKILL,
    machine: Machine | None = None,
) -> Iterator[DatabaseServer]:
    """A server of which `prepare` makes the folder of data and `serve` is the command line, both of (folder, port).

    Without `machine` it listens on loopback; with it, at all addresses of that machine, and the caller is `inside`.
    """
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        folder = Path(name)
        if as_nobody():
            shutil.chown(folder, NOBODY)
        command = [*as_nobody(), *prepare(folder, 0)]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stdout + made.stderr
        prefix = machine.command if machine else ()
        server = DatabaseServer(folder, url, serve, kill_signal=kill_signal, prefix=prefix)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def as_nobody() -> list[str]:
    """Database servers refuse to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(NOBODY)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "env", "HOME=/nonexistent"]
