"""A server that follows databases: what is committed is served, and what goes wrong with a database stops no answer."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
import sqlalchemy as sql

from pippin.control.following import Watched
from pippin.serve.loop import run_loop
from pippin.source.sql.connection import open_engine
from pippin.source.url import parse_url
from tests.control.running import Running, running, wait_until, write_zone
from tests.databases import database_url, mariadb, postgresql
from tests.peers.database import DatabaseServer
from tests.source.sql.tables import SOA, Tables

__all__ = ["database_url", "mariadb", "postgresql"]

WWW = "UPDATE records SET content = :address WHERE name = :name AND type = 'A'"


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    tables = Tables(database_url)
    yield tables
    tables.close()


def write_configuration(folder: Path, *urls: str, more: str = "", interval: float = 0.1) -> str:
    sources = (f'[[source]]\nurl = "{url}"\ninterval = {interval}\n' for url in urls)
    text = 'listen = ["127.0.0.1:0"]\n' + more + "".join(sources)
    (folder / "pippin.toml").write_text(text)
    return str(folder / "pippin.toml")


@contextmanager
def another_running(folder: Path, *arguments: str) -> Iterator[Running]:
    """A second server of a test, with a log of its own."""
    (folder / "again").mkdir()
    with running(folder / "again", *arguments) as server:
        yield server


def rcode_of(server: Running, name: str) -> dns.rcode.Rcode:
    query = dns.message.make_query(name, "SOA")
    return dns.query.udp(query, "127.0.0.1", 2, server.port).rcode()


def wait_address(server: Running, name: str, address: str) -> None:
    wait_until(lambda: server.address_of(name) == address, f"{name} is {address}")


def state_of(server: Running) -> dict[str, Any]:
    (database,) = server.do(do="status")["databases"]
    return dict(database)


def zones_of(server: Running) -> dict[str, dict[str, Any]]:
    return {zone["zone"]: zone for zone in server.do(do="zones")["zones"]}


def test_changes_are_served_whoever_tells_of_them(tmp_path: Path, tables: Tables) -> None:
    tables.add_zone("one.test")
    two = tables.add_zone("two.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        assert server.address_of("www.one.test") == "192.0.2.10"
        tables.do(WWW, address="192.0.2.20", name="www.one.test")  # no other serial, no other number of records
        wait_address(server, "www.one.test", "192.0.2.20")
        tables.add_zone("three.test")
        wait_address(server, "www.three.test", "192.0.2.10")
        tables.do("UPDATE records SET disabled = true WHERE type = 'SOA' AND domain_id = :n", n=two)
        wait_until(lambda: rcode_of(server, "two.test") == dns.rcode.REFUSED, "the disabled zone is refused")
        tables.do("UPDATE records SET disabled = false WHERE type = 'SOA' AND domain_id = :n", n=two)
        wait_address(server, "www.two.test", "192.0.2.10")
        tables.do("DELETE FROM records WHERE domain_id = :n", n=two)
        tables.do("DELETE FROM domains WHERE id = :n", n=two)
        wait_until(lambda: rcode_of(server, "two.test") == dns.rcode.REFUSED, "the deleted zone is refused")
        tables.do("UPDATE domains SET name = 'renamed.test' WHERE name = 'three.test'")
        tables.do("UPDATE records SET name = replace(name, 'three.test', 'renamed.test')")
        wait_address(server, "www.renamed.test", "192.0.2.10")
        assert rcode_of(server, "three.test") == dns.rcode.REFUSED
        assert server.address_of("www.one.test") == "192.0.2.20"
        assert state_of(server)["state"] == "connected"
        following = state_of(server)["following"]
        assert following == "notifications" if "postgresql" in tables.url else "looking" in following


def test_without_triggers_the_serial_is_polled(tmp_path: Path, database_url: str) -> None:
    tables = Tables(database_url, triggers=False)
    tables.add_zone("one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        assert "looking" in state_of(server)["following"]
        tables.do("UPDATE records SET content = :soa WHERE type = 'SOA'", soa=SOA.format(zone="one.test", serial=2))
        wait_until(lambda: zones_of(server)["one.test"]["serial"] == 2, "the new serial is served")
        tables.add_zone("two.test")
        wait_address(server, "www.two.test", "192.0.2.10")
        tables.do(WWW, address="192.0.2.20", name="www.two.test")
        assert server.do(do="reload")["ok"]  # looks at all rows; by itself that takes half a minute
        assert server.address_of("www.two.test") == "192.0.2.20"


def test_garbage_keeps_the_last_good_version_of_its_zone_alone(tmp_path: Path, tables: Tables) -> None:
    bad = tables.add_zone("bad.test")
    tables.add_zone("good.test")
    tables.add_zone("never.test", ("never.test", "A", "garbage"))
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        assert rcode_of(server, "never.test") == dns.rcode.SERVFAIL
        tables.add_zone("gone.test", ("gone.test", "A", "garbage"))
        wait_until(lambda: rcode_of(server, "gone.test") == dns.rcode.SERVFAIL, "the broken zone is noticed")
        assert zones_of(server)["gone.test"]["state"] == "not ready"
        tables.do("DELETE FROM domains WHERE name = 'gone.test'")
        wait_until(lambda: rcode_of(server, "gone.test") == dns.rcode.REFUSED, "the broken zone is gone")
        tables.add(bad, "x.bad.test", "A", "garbage")
        tables.do(WWW, address="192.0.2.20", name="www.bad.test")
        tables.do(WWW, address="192.0.2.20", name="www.good.test")
        wait_address(server, "www.good.test", "192.0.2.20")
        wait_until(lambda: not zones_of(server)["bad.test"]["published"], "the garbage is noticed")
        assert server.address_of("www.bad.test") == "192.0.2.10"
        ((row,),) = tables.ask("SELECT id FROM records WHERE name = 'x.bad.test'")
        (problem,) = zones_of(server)["bad.test"]["problems"]
        assert f"records.id:{row}: 'garbage' is not an IPv4 address" in problem
        assert problem in server.output
        assert state_of(server)["rejected"] == 2
        tables.do("DELETE FROM records WHERE name = 'x.bad.test'")
        wait_address(server, "www.bad.test", "192.0.2.20")
        tables.do("UPDATE records SET content = '192.0.2.30' WHERE name = 'never.test' AND type = 'A'")
        wait_until(lambda: rcode_of(server, "never.test") == dns.rcode.NOERROR, "the zone made right is served")


class Load:
    """Asks all the time, and counts what was not answered as it should have been."""

    def __init__(self, port: int, name: str, address: str) -> None:
        self.asked = self.wrong = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._run, args=(port, name, address))

    def _run(self, port: int, name: str, address: str) -> None:
        while not self._is_over:
            self.asked += 1
            try:
                reply = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", 2, port)
            except dns.exception.Timeout:
                self.wrong += 1
                continue
            self.wrong += [rdata.address for rrset in reply.answer for rdata in rrset] != [address]

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._is_over = True
        self._thread.join()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_database_that_is_killed_stops_no_answer(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    database: DatabaseServer = request.getfixturevalue(kind)
    tables = Tables(database.new_database())
    tables.add_zone("one.test")
    tables.add_zone("two.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        with Load(server.port, "www.one.test", "192.0.2.10") as load:
            tables.close()
            database.kill()
            try:
                away = wait_until(lambda: state_of(server)["state"] == "away" and state_of(server), "it is noticed")
                assert away["error"]
                assert abs(time.time() - away["behind_since"]) < 30
                assert not server.do(do="reload")["ok"]
            finally:
                database.start()
            tables.do(WWW, address="192.0.2.20", name="www.two.test")
            wait_address(server, "www.two.test", "192.0.2.20")
        assert load.asked > 10
        assert load.wrong == 0
        assert state_of(server)["state"] == "connected"
        assert state_of(server)["behind_since"] is None
        assert "database is away" in server.output
    tables.close()


def test_connection_that_is_cut_misses_nothing(tmp_path: Path, postgresql: DatabaseServer) -> None:
    tables = Tables(postgresql.new_database())
    tables.add_zone("one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        tables.do(WWW, address="192.0.2.11", name="www.one.test")
        wait_address(server, "www.one.test", "192.0.2.11")
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'pippin' AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        for number in range(5):
            tables.ask(cut)
            tables.do(WWW, address=f"192.0.2.{20 + number}", name="www.one.test")  # while nobody listens
            wait_address(server, "www.one.test", f"192.0.2.{20 + number}")
    tables.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
def test_locked_table_holds_up_no_other_zone(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    sqlite = f"sqlite:///{tmp_path}/zones.db"
    url = sqlite if kind == "sqlite" else request.getfixturevalue(kind).new_database()
    tables = Tables(url)
    tables.add_zone("one.test")
    zone = write_zone(tmp_path / "file.zone", "file")
    configuration = write_configuration(tmp_path, url, more='[[zone]]\nfile = "file.zone"\n')
    with running(tmp_path, "-c", configuration) as server:
        engine = open_engine(parse_url(url), write=True)
        with engine.connect() as locking:
            if kind == "postgresql":
                locking.execute(sql.text("UPDATE records SET ttl = 7"))
                locking.execute(sql.text("LOCK TABLE records, domains IN ACCESS EXCLUSIVE MODE"))
            elif kind == "mariadb":
                locking.execute(sql.text("LOCK TABLES records WRITE, domains WRITE, pippin_changes WRITE"))
            else:
                locking.exec_driver_sql("BEGIN EXCLUSIVE")
            write_zone(zone, "file", serial=2, address="192.0.2.99")
            wait_address(server, "www.file", "192.0.2.99")
            assert server.address_of("www.one.test") == "192.0.2.10"
            locking.execute(sql.text("UPDATE records SET content = '192.0.2.20' WHERE name = 'www.one.test'"))
            locking.commit()
            if kind == "mariadb":
                locking.execute(sql.text("UNLOCK TABLES"))
        wait_address(server, "www.one.test", "192.0.2.20")
        engine.dispose()
    tables.close()


def test_database_that_is_away_at_the_start_is_served_from_the_store(
    tmp_path: Path, postgresql: DatabaseServer
) -> None:
    tables = Tables(postgresql.new_database())
    tables.add_zone("one.test")
    tables.add_zone("two.test")
    configuration = write_configuration(tmp_path, tables.url, more='state = "state"\n')
    with running(tmp_path, "-c", configuration):
        pass
    tables.close()
    postgresql.kill()
    try:
        with another_running(tmp_path, "-c", configuration) as server:
            assert server.address_of("www.one.test") == "192.0.2.10"
            assert state_of(server)["state"] == "away"
            assert zones_of(server)["one.test"]["published"]
            postgresql.start()
            tables.do("DELETE FROM domains WHERE name = 'two.test'")
            tables.do(WWW, address="192.0.2.20", name="www.one.test")
            wait_address(server, "www.one.test", "192.0.2.20")
            wait_until(lambda: rcode_of(server, "two.test") == dns.rcode.REFUSED, "what was deleted is gone")
    finally:
        postgresql.kill()
        postgresql.start()
    tables.close()


def test_restart_reads_only_what_has_changed(tmp_path: Path, tables: Tables) -> None:
    for number in range(5):
        zone = f"zone{number}.test"
        tables.add_zone(zone, (zone, "NS", f"missing.{zone}"))
    configuration = write_configuration(tmp_path, tables.url, more='state = "state"\n')
    with running(tmp_path, "-c", configuration):
        pass
    tables.do(WWW, address="192.0.2.20", name="www.zone3.test")
    with another_running(tmp_path, "-c", configuration) as server:
        assert server.address_of("www.zone3.test") == "192.0.2.20"
        assert server.address_of("www.zone2.test") == "192.0.2.10"
        read = [zone for zone in zones_of(server).values() if zone["problems"]]  # only reading gives the warning
        assert [zone["zone"] for zone in read] == ["zone3.test"]


def test_server_starts_though_its_only_database_is_away(tmp_path: Path) -> None:
    database = tmp_path / "zones.db"
    server = Running(tmp_path, ["-c", write_configuration(tmp_path, f"sqlite:///{database}")], {})
    try:
        wait_until(lambda: "answering on" in server.output, "it answers")
        assert rcode_of(server, "one.test") == dns.rcode.REFUSED
        assert "No such file" in state_of(server)["error"]
        other = Tables(f"sqlite:///{tmp_path}/new.db")
        other.add_zone("one.test")
        other.close()
        (tmp_path / "new.db").rename(database)
        wait_until(lambda: rcode_of(server, "one.test") == dns.rcode.NOERROR, "the new database is read")
    finally:
        server.process.terminate()
        server.process.wait(20)


def test_file_of_a_database_can_be_replaced(tmp_path: Path) -> None:
    for name, address in (("zones.db", "192.0.2.10"), ("new.db", "192.0.2.20")):
        tables = Tables(f"sqlite:///{tmp_path}/{name}")
        tables.add_zone("one.test")
        tables.do(WWW, address=address, name="www.one.test")
        tables.close()
    with running(tmp_path, "-c", write_configuration(tmp_path, f"sqlite:///{tmp_path}/zones.db")) as server:
        (tmp_path / "new.db").rename(tmp_path / "zones.db")
        wait_address(server, "www.one.test", "192.0.2.20")


def test_first_listed_source_wins_and_the_next_takes_over(tmp_path: Path) -> None:
    first, second = (Tables(f"sqlite:///{tmp_path}/{name}.db") for name in ("first", "second"))
    for tables, address in ((first, "192.0.2.20"), (second, "192.0.2.30")):
        tables.add_zone("both.test")
        tables.do(WWW, address=address, name="www.both.test")
    write_zone(tmp_path / "both.zone", "both.test", address="192.0.2.10")
    zone = '[[zone]]\nfile = "both.zone"\n'
    configuration = write_configuration(tmp_path, first.url, second.url, more=zone)
    with running(tmp_path, "-c", configuration) as server:
        assert server.address_of("www.both.test") == "192.0.2.10"
        zones = server.do(do="zones")["zones"]
        assert [zone["published"] for zone in zones] == [True, False, False]
        assert all("both.zone already" in str(zone["problems"]) for zone in zones[1:])
        (tmp_path / "both.zone").unlink()
        write_configuration(tmp_path, first.url, second.url)
        server.do(do="reload")
        wait_address(server, "www.both.test", "192.0.2.20")
        first.do("DELETE FROM domains")
        wait_address(server, "www.both.test", "192.0.2.30")
        first.do("DELETE FROM records")
        first.add_zone("both.test")
        wait_address(server, "www.both.test", "192.0.2.10")
        assert "is served from" in server.output
        write_zone(tmp_path / "both.zone", "both.test", address="192.0.2.10")
        first.do(WWW, address="192.0.2.40", name="www.both.test")
        wait_address(server, "www.both.test", "192.0.2.40")
        write_configuration(tmp_path, second.url)
        server.do(do="reload")
        wait_address(server, "www.both.test", "192.0.2.30")
        assert len(server.do(do="status")["databases"]) == 1


def test_all_domains_gone_at_once_are_kept(tmp_path: Path, tables: Tables) -> None:
    for number in range(12):
        tables.add_zone(f"zone{number}.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, tables.url)) as server:
        tables.do("DELETE FROM records")
        tables.do("DELETE FROM domains")
        wait_until(lambda: "all 12 domains are gone" in state_of(server)["error"], "it is said")
        assert server.address_of("www.zone5.test") == "192.0.2.10"
        tables.add_zone("new.test")
        wait_until(lambda: rcode_of(server, "zone5.test") == dns.rcode.REFUSED, "the others are gone indeed")
        wait_address(server, "www.new.test", "192.0.2.10")


def test_password_is_shown_nowhere(tmp_path: Path, postgresql: DatabaseServer) -> None:
    tables = Tables(postgresql.new_database())
    tables.add_zone("bad.test", ("x.bad.test", "A", "garbage"))
    tables.add_zone("good.test")
    (tmp_path / "url").write_text(tables.url + "\n")
    (tmp_path / "pippin.toml").write_text('[[source]]\nurl_file = "url"\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        tables.do("ALTER TABLE records RENAME TO elsewhere")
        tables.do("NOTIFY pippin, '*'")
        wait_until(lambda: state_of(server)["error"], "the error is noticed")
        said = server.output + str(server.do(do="zones")) + str(server.do(do="status"))
        assert "postgresql://pippin:***@127.0.0.1" in said
        assert "correct-horse" not in said
    tables.close()


def test_commands_take_databases(tmp_path: Path) -> None:
    def pippin(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pippin", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)

    made = pippin("database", "init", "sqlite:///zones.db")
    assert "table records: created" in made.stdout, made.stderr
    tables = Tables(f"sqlite:///{tmp_path}/zones.db")
    tables.add_zone("good.test")
    checked = pippin("check", "--database", "sqlite:///zones.db")
    assert (checked.returncode, "zone good.test, 4 records, ok" in checked.stdout) == (0, True)
    exported = pippin("zone", "export", "good.test", "sqlite:///zones.db")
    assert "www.good.test.\t300\tIN\tA\t192.0.2.10" in exported.stdout
    tables.add_zone("bad.test", ("x.bad.test", "A", "garbage"))
    checked = pippin("check", "sqlite:///zones.db")
    assert (checked.returncode, "records.id:9: 'garbage'" in checked.stdout) == (1, True)
    assert pippin("serve", "--database", "zones.db").returncode == 2
    assert pippin("check", "--database", "sqlite:///nowhere.db").returncode == 1
    tables.close()


def test_descriptor_that_its_owner_closes_is_not_mixed_up_with_the_next_file_of_that_number() -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        number = ours.fileno()
        told = asyncio.Event()
        watched = Watched(number, told.set)
        ours.close()  # as a driver does in its thread when a connection fails
        one, other = socket.socketpair()
        assert number in (one.fileno(), other.fileno())
        reader, writer = await asyncio.open_connection(sock=one if one.fileno() == number else other)
        theirs.close()
        async with asyncio.timeout(5):
            await told.wait()
        watched.end()
        rest = other if one.fileno() == number else one
        rest.sendall(b"still there\n")
        async with asyncio.timeout(5):
            assert await reader.readline() == b"still there\n"
        writer.close()
        rest.close()

    run_loop(run())
