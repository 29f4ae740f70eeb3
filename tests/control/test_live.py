"""A server that looks names up in databases: killed, locked, full of garbage, flooded; and static zones beside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.edns
import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from pippin.source.sql.connection import open_engine
from pippin.source.url import parse_url
from tests.control.running import Running, running, wait_until, write_zone
from tests.databases import database_url, mariadb, postgresql
from tests.peers.database import DatabaseServer
from tests.source.sql.tables import Tables

__all__ = ["database_url", "mariadb", "postgresql"]

WWW = "UPDATE records SET content = :address WHERE name = :name AND type = 'A'"
CACHE_TTL = 1


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    tables = Tables(database_url)
    yield tables
    tables.close()


def write_configuration(
    folder: Path, *urls: str, more: str = "", source: str = "timeout = 5", ttl: int = CACHE_TTL
) -> str:
    """Live sources beside a zone from a file, `static`; with more patience than they have by themselves."""
    write_zone(folder / "static.zone", "static")
    sources = (
        f'[[source]]\nurl = "{url}"\nmode = "live"\ncache_ttl = {ttl}\n{source}\n' for url in urls
    )
    text = more + '[[zone]]\nfile = "static.zone"\norigin = "static"\n' + "".join(sources)
    (folder / "pippin.toml").write_text(text)
    return str(folder / "pippin.toml")


def reply_of(server: Running, name: str, rdtype: str = "A", timeout: float = 5) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0)
    return dns.query.udp(query, "127.0.0.1", timeout, server.port)


def shown(reply: dns.message.Message) -> str:
    """Rcode, EDE and the last address."""
    parts = [dns.rcode.to_text(reply.rcode())]
    parts += [f"EDE {option.code}" for option in reply.options if isinstance(option, dns.edns.EDEOption)]
    parts += [str(reply.answer[-1][0])] if reply.answer else []
    return " ".join(parts)


def live_of(server: Running) -> dict[str, Any]:
    ((source,),) = [worker["live"] for worker in server.status()["workers"]]
    return dict(source)


def test_names_are_looked_up_and_changes_show_when_their_time_is_over(tmp_path: Path, tables: Tables) -> None:
    tables.add_zone("one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        reply = reply_of(server, "www.one.test")
        assert shown(reply) == "NOERROR 192.0.2.10"
        assert reply.flags & dns.flags.AA
        assert not reply.flags & dns.flags.RA
        assert reply.answer[0].ttl == 300  # the record's own, however long it is remembered here
        assert server.address_of("www.one.test", tcp=True) == "192.0.2.10"
        assert shown(reply_of(server, "nothing.one.test")) == "NXDOMAIN"
        assert shown(reply_of(server, "www.two.test")) == "REFUSED EDE 20"
        tables.do(WWW, address="192.0.2.20", name="www.one.test")
        tables.add_zone("two.test")
        wait_until(lambda: server.address_of("www.one.test") == "192.0.2.20", "the change shows")
        wait_until(lambda: server.address_of("www.two.test") == "192.0.2.10", "the new zone is served")
        transfer = dns.message.make_query("one.test", "AXFR")
        assert dns.query.tcp(transfer, "127.0.0.1", 5, server.port).rcode() == dns.rcode.REFUSED
        assert server.address_of("www.static") == "192.0.2.10"
        counted = live_of(server)
        assert counted["looked_up"] >= 5
        assert counted["away_since"] == 0


def test_what_is_remembered_costs_no_look_up(tmp_path: Path) -> None:
    tables = Tables(f"sqlite:///{tmp_path / 'zones.db'}")
    tables.add_zone("one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url, ttl=60)) as server:
        for _ in range(20):
            for name in ("www.one.test", "nothing.one.test", "www.two.test"):
                reply_of(server, name)
        assert live_of(server)["looked_up"] == 3
        assert server.status()["workers"][0]["counters"]["cache_hits"] > 50
    tables.close()


class Load:
    """Asks for names by turns, all the time, and keeps what came."""

    def __init__(self, port: int, names: list[str]) -> None:
        self.found: Counter[tuple[str, str]] = Counter()
        self.slowest = 0.0
        self._is_over = False
        self._thread = threading.Thread(target=self._run, args=(port, names))

    def _run(self, port: int, names: list[str]) -> None:
        while not self._is_over:
            for name in names:
                began = time.monotonic()
                query = dns.message.make_query(name, "A", use_edns=0)
                try:
                    found = shown(dns.query.udp(query, "127.0.0.1", 3, port))
                except dns.exception.Timeout:
                    found = "nothing"
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.found[name, found] += 1

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._is_over = True
        self._thread.join()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_database_that_is_killed_under_load_and_comes_back(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Known names go on with stale answers (RFC 8767), unknown ones get SERVFAIL, and no answer is ever wrong."""
    database: DatabaseServer = request.getfixturevalue(kind)
    tables = Tables(database.new_database())
    tables.add_zone("one.test")
    names = ["www.one.test", "nothing.one.test", "www.static"]
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        for name in names:
            reply_of(server, name)
        with Load(server.port, names) as load:
            time.sleep(2 * CACHE_TTL)
            tables.close()
            database.kill()
            try:
                away = wait_until(lambda: live_of(server)["away_since"] and live_of(server), "it is noticed")
                assert away["error"]
                assert "correct-horse" not in away["error"]
                wait_until(lambda: shown(reply_of(server, "www.one.test")) == "NOERROR EDE 3 192.0.2.10", "it is stale")
                assert reply_of(server, "www.one.test").answer[0].ttl == 30
                assert shown(reply_of(server, "other.one.test")) == "SERVFAIL EDE 23"
            finally:
                database.start()
            tables.do(WWW, address="192.0.2.20", name="www.one.test")
            wait_until(lambda: shown(reply_of(server, "www.one.test")) == "NOERROR 192.0.2.20", "it is back")
            assert shown(reply_of(server, "nothing.one.test")) in ("NXDOMAIN", "NXDOMAIN EDE 19")
        allowed = {
            "www.one.test": {"NOERROR 192.0.2.10", "NOERROR EDE 3 192.0.2.10", "NOERROR 192.0.2.20"},
            "nothing.one.test": {"NXDOMAIN", "NXDOMAIN EDE 19"},
            "www.static": {"NOERROR 192.0.2.10"},
        }
        assert {(name, found) for name, found in load.found if found not in allowed[name]} == set()
        assert load.found.total() > 50
        assert live_of(server)["stale"] > 0
        assert "a live source is away" in server.output
        assert "a live source is back" in server.output
    tables.close()


@contextmanager
def locked(tables: Tables) -> Iterator[None]:
    engine = open_engine(parse_url(tables.url), write=True)
    locks = {
        "postgresql": "LOCK TABLE records, domains IN ACCESS EXCLUSIVE MODE",
        "mysql": "LOCK TABLES records WRITE, domains WRITE",
        "sqlite": "BEGIN EXCLUSIVE",
    }
    with engine.connect() as connection:
        connection.exec_driver_sql(locks[engine.dialect.name])
        yield
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql("UNLOCK TABLES")
        connection.rollback()
    engine.dispose()


def test_locked_table_gives_stale_answers_in_time_and_holds_up_nothing_else(tmp_path: Path, tables: Tables) -> None:
    tables.add_zone("one.test")
    configuration = write_configuration(tmp_path, tables.url, source="timeout = 0.3\nconcurrency = 2")
    with running(tmp_path, "-c", configuration) as server:
        wait_until(lambda: shown(reply_of(server, "www.one.test")) == "NOERROR 192.0.2.10", "it is known")
        time.sleep(CACHE_TTL + 0.1)
        with locked(tables), Load(server.port, ["www.static"]) as load:
            began = time.monotonic()
            assert shown(reply_of(server, "www.one.test")) == "NOERROR EDE 3 192.0.2.10"
            assert shown(reply_of(server, "other.one.test")) in ("SERVFAIL EDE 22", "SERVFAIL EDE 23")
            assert time.monotonic() - began < 3
            assert live_of(server)["timeouts"] >= 1
        assert set(load.found) == {("www.static", "NOERROR 192.0.2.10")}
        assert load.slowest < 1
        wait_until(lambda: shown(reply_of(server, "www.one.test")) == "NOERROR 192.0.2.10", "the lock is gone")
        wait_until(lambda: shown(reply_of(server, "other.one.test")) == "NXDOMAIN", "also for what was not known")


def test_garbage_spoils_its_own_name_and_is_reported_once(tmp_path: Path, tables: Tables) -> None:
    tables.add_zone("one.test", ("bad.one.test", "A", "garbage"), ("bad.one.test", "A", "192.0.2.5"))
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        ((row,),) = tables.ask("SELECT id FROM records WHERE content = 'garbage'")
        for _ in range(3):
            assert shown(reply_of(server, "bad.one.test")) == "SERVFAIL EDE 24"
            assert shown(reply_of(server, "bad.one.test", "TXT")) == "SERVFAIL EDE 24"
            assert shown(reply_of(server, "www.one.test")) == "NOERROR 192.0.2.10"
        assert server.output.count(f"records.id:{row}: 'garbage' is not an IPv4 address") == 1
        tables.do("UPDATE records SET content = '192.0.2.6' WHERE content = 'garbage'")
        wait_until(lambda: reply_of(server, "bad.one.test").rcode() == dns.rcode.NOERROR, "it is right again")


def test_flood_of_random_names_is_dropped_and_counted_and_static_zones_are_unharmed(
    tmp_path: Path, tables: Tables
) -> None:
    tables.add_zone("one.test")
    # A small queue, so that it is full whatever the machine can do.
    configuration = write_configuration(tmp_path, tables.url, more="queue_size = 64\n", source="concurrency = 2")
    with running(tmp_path, "-c", configuration) as server:
        query = bytearray(dns.message.make_query("xxxxxxxx.one.test", "A", use_edns=False).to_wire())
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flooding,
            Load(server.port, ["www.static", "alias.static"]) as load,
        ):
            flooding.connect(("127.0.0.1", server.port))
            for number in range(10_000):
                query[13:21] = f"{number:08x}".encode()
                flooding.send(query)
                if number % 5 == 0:
                    time.sleep(0.001)
        answers = {found for _, found in load.found}
        assert {"NOERROR 192.0.2.10", "NOERROR www.elsewhere.test."} <= answers
        assert answers <= {"NOERROR 192.0.2.10", "NOERROR www.elsewhere.test.", "nothing"}
        # Where nothing came, the kernel had no room: the uncompiled engine is slower than this client.
        assert sum(count for (_, found), count in load.found.items() if found == "nothing") <= 2
        wait_until(lambda: not live_of(server)["waiting"], "the flood is over")
        assert server.status()["workers"][0]["counters"]["queue_dropped"] > 0
        wait_until(lambda: shown(reply_of(server, "www.one.test")) == "NOERROR 192.0.2.10", "names are answered again")


def test_process_that_looks_up_is_started_again_when_it_dies(tmp_path: Path) -> None:
    tables = Tables(f"sqlite:///{tmp_path / 'zones.db'}")
    tables.add_zone("one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        assert shown(reply_of(server, "www.one.test")) == "NOERROR 192.0.2.10"
        worker = server.status()["workers"][0]["pid"]
        children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        time.sleep(CACHE_TTL + 0.1)
        assert shown(reply_of(server, "www.one.test")) in ("NOERROR EDE 3 192.0.2.10", "NOERROR 192.0.2.10")
        assert shown(reply_of(server, "www.static")) == "NOERROR 192.0.2.10"
        wait_until(lambda: shown(reply_of(server, "other.one.test")) == "NXDOMAIN", "there is another one")
        assert "a process that looks names up died" in server.output
        server.process.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    tables.close()


def test_loaded_and_live_side_by_side(tmp_path: Path) -> None:
    loaded, live = (Tables(f"sqlite:///{tmp_path / name}.db") for name in ("loaded", "live"))
    loaded.add_zone("one.test")
    live.add_zone("one.test", ("other.one.test", "A", "192.0.2.99"))
    live.add_zone("two.test")
    more = f'[[source]]\nurl = "{loaded.url}"\ninterval = 0.1\n'
    configuration = write_configuration(tmp_path, live.url)
    Path(configuration).write_text(Path(configuration).read_text() + more)
    with running(tmp_path, "-c", configuration) as server:
        assert shown(reply_of(server, "other.one.test")) == "NXDOMAIN"  # what is loaded goes first
        assert shown(reply_of(server, "www.two.test")) == "NOERROR 192.0.2.10"
        loaded.add_zone("two.test", ("www.two.test", "A", "192.0.2.30"))
        loaded.do("DELETE FROM records WHERE name = 'www.two.test' AND content = '192.0.2.10'")
        wait_until(lambda: shown(reply_of(server, "www.two.test")) == "NOERROR 192.0.2.30", "it is loaded")
    loaded.close()
    live.close()


def test_commands_tell_of_live_sources(tmp_path: Path, postgresql: DatabaseServer) -> None:
    tables = Tables(postgresql.new_database())
    tables.add_zone("one.test")
    configuration = write_configuration(tmp_path, tables.url)
    where = f"postgresql://pippin:***@127.0.0.1:{postgresql.port}/"

    def pippin(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pippin", *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    with running(tmp_path, "-c", configuration) as server:
        reply_of(server, "www.one.test")
        assert f"live  {where}" in server.output
        control = ("--control", str(server.control))
        assert "there  looked_up 1  remembered 1" in pippin("status", *control)
        assert "live, looked up on demand" in pippin("zone", "list", *control)
        status = str(server.status())
    output = pippin("check", "-c", configuration)
    assert "live, can be asked, ok" in output
    assert "correct-horse" not in output + server.output + status
    tables.close()


def test_driver_that_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "pymysql.py").write_text("raise ModuleNotFoundError(\"No module named 'pymysql'\", name='pymysql')\n")
    configuration = write_configuration(tmp_path, "mysql://user:secret@127.0.0.1/pdns")
    with pytest.raises(AssertionError, match="the driver pymysql is not installed") as caught:  # noqa: SIM117
        with running(tmp_path, "-c", configuration, PYTHONPATH=f"{tmp_path}:{':'.join(sys.path)}"):
            pass
    assert "secret" not in str(caught.value)

