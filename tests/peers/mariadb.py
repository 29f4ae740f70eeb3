"""MariaDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.database import DatabaseServer, running_database
from tests.peers.namespaces import Machine
from tests.peers.server import HOST, program


@contextmanager
def running_mariadb(machine: Machine | None = None) -> Iterator[DatabaseServer]:
    """On loopback, or at all addresses of a machine; root may come from there alone."""
    install, mariadbd = program("mariadb-install-db", "mariadb-server"), program("mariadbd", "mariadb-server")

    def prepare(folder: Path, port: int) -> Sequence[str]:
        return [
            *(install, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}", "--skip-test-db"),
            *("--auth-root-authentication-method=normal", "--innodb-flush-log-at-trx-commit=2"),
        ]

    def serve(folder: Path, port: int) -> Sequence[str]:
        return [
            *(mariadbd, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/socket"),
            f"--tmpdir={folder}",  # a server that starts removes what looks left over there, also what another one uses
            *(f"--port={port}", f"--bind-address={'*' if machine else HOST}", f"--pid-file={folder}/pid"),
            *("--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=2", "--skip-log-bin"),
        ]

    with running_database(f"mysql://root@{HOST}:{{port}}/{{database}}", prepare, serve, machine=machine) as server:
        yield server
