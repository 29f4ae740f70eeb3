"""A PostgreSQL for measurements, with the tables that Pippin reads, and zones as rows of them.

It runs as it is installed, safe against loss of power like anybody's, in a temporary folder and on loopback.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from bench.measure import NoStart, free_port
from bench.peers.peer import ZoneFile
from bench.peers.pippin import Pippin
from bench.zones import Plan, ipv4

USER, PASSWORD = "bench", "bench"
START_SECONDS = 60.0

Row = tuple[int, str, str, str, int, int | None]
"""domain_id, name, type, content, ttl, prio."""


class PostgreSQL:
    """A running server; `url` is its one database."""

    def __init__(self, port: int) -> None:
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"

    def connect(self) -> Any:
        """A psycopg connection that commits each statement by itself."""
        import psycopg  # not everybody who measures has it

        return psycopg.connect(self.url, autocommit=True)

    def fill(self, zones: Iterable[tuple[str, Iterable[Row]]]) -> None:
        """Make the tables and triggers anew, and put these zones in: name and rows, the n-th with domain_id n."""
        from pippin.source.sql import schema
        from pippin.source.url import parse_url

        domains = []
        with self.connect() as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            schema.create(parse_url(self.url), with_triggers=False)
            with connection.cursor() as cursor, connection.transaction():
                cursor.execute("ALTER TABLE records DROP CONSTRAINT records_domain_id_fkey")
                with cursor.copy("COPY records (domain_id, name, type, content, ttl, prio) FROM STDIN") as copy:
                    for number, (name, rows) in enumerate(zones, 1):
                        domains.append((number, name))
                        for row in rows:
                            copy.write_row(row)
                with cursor.copy("COPY domains (id, name) FROM STDIN") as copy:
                    for domain in domains:
                        copy.write_row(domain)
                cursor.execute(
                    "ALTER TABLE records ADD CONSTRAINT records_domain_id_fkey "
                    "FOREIGN KEY (domain_id) REFERENCES domains (id) ON DELETE CASCADE"
                )
            schema.create(parse_url(self.url))
            connection.execute("VACUUM ANALYZE")


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """`NoStart` if it is not installed or does not start."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not folders:
        raise NoStart("PostgreSQL is not installed (Debian: apt install postgresql)")
    port = free_port()
    with TemporaryDirectory(prefix="bench-postgresql-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        initdb = [folders[-1] / "initdb", "-D", folder / "data", "-U", USER, f"--pwfile={folder}/password"]
        encoding = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        command = [*_as_nobody(), *map(str, initdb), *encoding]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if made.returncode:
            raise NoStart(f"initdb: {made.stderr.strip()[-300:]}")
        settings = ["--listen_addresses=127.0.0.1", f"--unix_socket_directories={folder}", "--max_wal_size=4GB"]
        serve = [folders[-1] / "postgres", "-D", folder / "data", "-p", port]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*_as_nobody(), *map(str, serve), *settings],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            server = PostgreSQL(port)
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.terminate()  # "smart": waits for nobody but sessions, and those of measurements are over
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "env", "HOME=/nonexistent"]


def _wait(server: PostgreSQL, process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise NoStart("psycopg is not installed") from None
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoStart(f"PostgreSQL: {error}: {log.read_text(errors='replace')[-300:]}") from None
            time.sleep(0.05)
        else:
            return


class DatabasePippin(Pippin):
    """Zones from a database instead of files; `zones` only says what they are called."""

    url: ClassVar[str]

    def prepare(self) -> None:
        (self.folder / "state").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        command = list(super().command())
        zones = self.zones
        assert isinstance(zones, ZoneFile)
        command[command.index(f"{zones.origin}={zones.path}")] = self.url
        return command


def serving(url: str) -> type[DatabasePippin]:
    """Pippin over this database."""
    return type("DatabasePippin", (DatabasePippin,), {"url": url})


def rows_of(plan: Plan, domain: int = 1) -> Iterator[Row]:
    """The rows of a zone, in the order of the lines of its file."""
    origin, ttl = plan.origin, 3600
    for line in plan.lines():
        name, _, rest = line.partition(" ")
        if name[0] == "$":
            continue
        _, kind, content = rest.split(" ", 2)
        owner = origin if name == "@" else f"{name}.{origin}"
        prio = None
        if kind == "MX":
            number, _, content = content.partition(" ")
            prio = int(number)
        if kind in ("NS", "CNAME", "MX"):
            content = f"{content}.{origin}"
        elif kind == "SOA":
            server, mailbox, numbers = content.split(" ", 2)
            content = f"{server}.{origin} {mailbox}.{origin} {numbers}"
        yield domain, owner, kind, content, ttl, prio


def small_zone_rows(origin: str, domain: int, records: int) -> Iterator[Row]:
    """A zone of ten records as a hoster has many of, and hosts up to `records`."""
    address = ipv4(domain)
    soa = f"ns1.{origin} hostmaster.{origin} 2026010101 7200 3600 1209600 300"
    yield domain, origin, "SOA", soa, 3600, None
    for number in (1, 2):
        yield domain, origin, "NS", f"ns{number}.{origin}", 3600, None
        yield domain, f"ns{number}.{origin}", "A", f"192.0.2.{number}", 3600, None
    yield domain, origin, "A", address, 3600, None
    yield domain, f"www.{origin}", "CNAME", origin, 3600, None
    yield domain, origin, "MX", f"mail.{origin}", 3600, 10
    yield domain, f"mail.{origin}", "A", address, 3600, None
    yield domain, origin, "TXT", '"v=spf1 mx -all"', 3600, None
    for number in range(records - 10):
        yield domain, f"host-{number}.{origin}", "A", ipv4(domain * 100 + number), 3600, None
