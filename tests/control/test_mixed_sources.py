"""A file, PostgreSQL and MariaDB at once: the first one listed wins, zones that two have are reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.running import Running, running, wait_until, write_zone
from tests.databases import mariadb, postgresql
from tests.peers.database import DatabaseServer
from tests.source.sql.tables import SOA, Tables

__all__ = ["mariadb", "postgresql"]

WWW = "UPDATE records SET content = :address WHERE name = :name AND type = 'A'"
ZONE_FILE = '[[zone]]\nfile = "both.zone"\n'


@pytest.fixture
def first(postgresql: DatabaseServer) -> Iterator[Tables]:
    tables = Tables(postgresql.new_database())
    yield tables
    tables.close()


@pytest.fixture
def second(mariadb: DatabaseServer) -> Iterator[Tables]:
    tables = Tables(mariadb.new_database())
    yield tables
    tables.close()


def write_configuration(folder: Path, *tables: Tables, more: str = "") -> None:
    sources = "".join(f'[[source]]\nurl = "{one.url}"\ninterval = 0.1\n' for one in tables)
    (folder / "pippin.toml").write_text(more + sources)


def fill(first: Tables, second: Tables, folder: Path) -> None:
    """`both.test` is everywhere, `sql.test` in both databases, the others in one place each."""
    write_zone(folder / "both.zone", "both.test", serial=7, address="192.0.2.10")
    for tables, own, address in ((first, "first.test", "192.0.2.20"), (second, "second.test", "192.0.2.30")):
        for zone in ("both.test", "sql.test", own):
            tables.add_zone(zone)
            tables.do(WWW, address=address, name=f"www.{zone}")


def listed(server: Running) -> dict[tuple[str, str], dict[str, Any]]:
    """By zone, and the beginning of the source."""
    zones = server.do(do="zones")["zones"]
    return {(zone["zone"], zone["source"].partition(":")[0]): zone for zone in zones}


def pippin(server: Running, *arguments: str) -> str:
    command = [sys.executable, "-m", "pippin", *arguments, "--control", str(server.control)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment).stdout


def test_first_listed_source_wins_and_all_are_reported(tmp_path: Path, first: Tables, second: Tables) -> None:
    fill(first, second, tmp_path)
    write_configuration(tmp_path, first, second, more=ZONE_FILE)
    with running(tmp_path, "-c", "pippin.toml") as server:
        served = {name: server.address_of(f"www.{name}.test") for name in ("both", "sql", "first", "second")}
        assert served == {"both": "192.0.2.10", "sql": "192.0.2.20", "first": "192.0.2.20", "second": "192.0.2.30"}
        zones = listed(server)
        assert {key for key, zone in zones.items() if zone["published"]} == {
            ("both.test", "both.zone"),
            ("sql.test", "postgresql"),
            ("first.test", "postgresql"),
            ("second.test", "mysql"),
        }
        beaten = {key: zone["problems"] for key, zone in zones.items() if not zone["published"]}
        assert set(beaten) == {("both.test", "postgresql"), ("both.test", "mysql"), ("sql.test", "mysql")}
        for (name, _), problems in beaten.items():
            (problem,) = [one for one in problems if "the first one listed wins" in one]
            winner = "both.zone" if name == "both.test" else "postgresql://"
            assert f"zone {name} is served from {winner}" in problem
            assert problem in server.output
        assert {zones[key]["state"] for key in beaten} == {"another source"}
        assert zones["both.test", "both.zone"]["serial"] == 7


def test_zone_list_shows_where_each_zone_is_from_and_how_it_is(tmp_path: Path, first: Tables, second: Tables) -> None:
    fill(first, second, tmp_path)
    second.add_zone("broken.test", ("x.broken.test", "A", "garbage"))
    write_configuration(tmp_path, first, second, more=ZONE_FILE)
    with running(tmp_path, "-c", "pippin.toml") as server:
        first.do("UPDATE records SET content = :soa WHERE type = 'SOA'", soa=SOA.format(zone="sql.test", serial=9))
        wait_until(lambda: listed(server)["first.test", "postgresql"]["serial"] == 9, "the new serial is there")
        first.do("UPDATE records SET content = 'garbage' WHERE name = 'www.first.test'")
        wait_until(lambda: not listed(server)["first.test", "postgresql"]["published"], "the garbage is noticed")
        lines = pippin(server, "zone", "list").splitlines()
        assert lines[0].split() == ["zone", "source", "serial", "records", "age", "state"]
        shown = {tuple(line.split()[:2]): line.split()[2:] for line in lines[1:]}
        urls = {one.url.partition(":")[0]: one.url.replace("correct-horse", "***") for one in (first, second)}
        serial, records, age, unit, *state = shown["first.test", urls["postgresql"]]
        assert (serial, records, unit, " ".join(state)) == ("9", "4", "s", "old version served")
        assert int(age) < 60
        assert shown["second.test", urls["mysql"]][-1] == "ok"
        assert shown["both.test", "both.zone"][:2] == ["7", "5"]
        assert shown["broken.test", urls["mysql"]][:2] == ["0", "0"]
        as_json = json.loads(pippin(server, "zone", "list", "--json"))
        assert len(as_json) == len(shown) == 8
        assert "correct-horse" not in str(as_json) + str(lines)
        status = pippin(server, "status")
        assert all(url in status for url in urls.values())
        assert "not as they are there" in status


def test_next_source_takes_over_in_order(tmp_path: Path, first: Tables, second: Tables) -> None:
    fill(first, second, tmp_path)
    write_configuration(tmp_path, first, second, more=ZONE_FILE)
    with running(tmp_path, "-c", "pippin.toml") as server:
        assert server.address_of("www.both.test") == "192.0.2.10"
        first.do("DELETE FROM domains WHERE name = 'sql.test'")
        wait_until(lambda: server.address_of("www.sql.test") == "192.0.2.30", "MariaDB serves it")
        first.add_zone("sql.test")
        wait_until(lambda: server.address_of("www.sql.test") == "192.0.2.10", "PostgreSQL has it back")
        write_configuration(tmp_path, second, first, more=ZONE_FILE)
        server.do(do="reload")
        assert server.address_of("www.both.test") == "192.0.2.10"
        write_configuration(tmp_path, second, first)
        server.do(do="reload")
        wait_until(lambda: server.address_of("www.both.test") == "192.0.2.30", "what is listed first now has it")
