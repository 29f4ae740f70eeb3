"""PostgreSQL."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.database import DatabaseServer, running_database
from tests.peers.namespaces import Machine
from tests.peers.server import HOST, program

USER, PASSWORD = "pippin", "correct-horse"


def _program(name: str) -> str:
    """Debian keeps these out of the way, a folder for each version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = [path / name for path in folders if os.access(path / name, os.X_OK)]
    return str(found[-1]) if found else program(name, "postgresql")


@contextmanager
def running_postgresql(machine: Machine | None = None) -> Iterator[DatabaseServer]:
    """On loopback, or at all addresses of a machine, for everybody who has a password."""
    initdb, postgres = _program("initdb"), _program("postgres")

    def prepare(folder: Path, port: int) -> Sequence[str]:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        return [
            *(initdb, "-D", f"{folder}/data", "-U", USER, f"--pwfile={folder}/password", "--auth=scram-sha-256"),
            *("--no-sync", "--encoding=UTF8", "--locale=C"),
        ]

    def serve(folder: Path, port: int) -> Sequence[str]:
        if machine is not None:
            (folder / "data" / "pg_hba.conf").write_text("host all all all scram-sha-256\n")
        listen = "*" if machine else HOST
        settings = {"listen_addresses": listen, "fsync": "off", "unix_socket_directories": str(folder)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [postgres, "-D", f"{folder}/data", "-p", str(port), *options]

    url = f"postgresql://{USER}:{PASSWORD}@{HOST}:{{port}}/{{database}}"
    # SIGQUIT is its own word for a crash; after SIGKILL its children would go on.
    with running_database(url, prepare, serve, kill_signal=signal.SIGQUIT, machine=machine) as server:
        yield server
