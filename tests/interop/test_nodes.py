"""Several nodes over one database, each on a machine of its own: what is committed once is served by all of them, one
that is cut off goes on answering and says that it is behind, and nothing is lost, however the network behaves.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from tests.control.running import Running, running, wait_until
from tests.peers.database import DatabaseServer
from tests.peers.mariadb import running_mariadb
from tests.peers.namespaces import Machine, network
from tests.peers.postgresql import running_postgresql
from tests.source.sql.tables import Tables

NAMES = ("one", "two", "three")
WWW = "UPDATE records SET content = :address WHERE name = :name AND type = 'A'"
SEEN_WITHIN = 10.0
"""Seconds until a change is served everywhere. It is to be 2, on a machine that does not run other tests beside."""
NOTICED_WITHIN = 15.0
"""Seconds until a node knows that its database is away, also if packets vanish without a word. On an idle machine 7."""

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "scale-out.md"
GRANTS = dict(zip(("postgresql", "mariadb"), re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL), strict=True))
"""What users are told to give their nodes, is what the nodes here have."""


class Node:
    """A server on a machine."""

    def __init__(self, machine: Machine, server: Running) -> None:
        self.machine = machine
        self.server = server

    def address_of(self, name: str) -> str:
        with self.machine.inside():
            return self.server.address_of(name)

    def database(self) -> dict[str, Any]:
        (database,) = self.server.status()["databases"]
        return dict(database)

    def is_away(self) -> bool:
        return bool(self.database()["state"] == "away")

    def wait_address(self, name: str, address: str) -> None:
        wait_until(lambda: self.address_of(name) == address, f"{self.machine.name} has {address} for {name}")

    def pippin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pippin", *arguments, "--control", str(self.server.control)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class Site:
    """A database and the machines around it."""

    def __init__(self, kind: str, machines: dict[str, Machine], database: DatabaseServer) -> None:
        self.kind = kind
        self.machines = machines
        self.database = database
        self._users = 0

    def tables(self) -> Tables:
        """An empty database with the tables, to be used `inside` its machine, and a user that may read."""
        tables = Tables(self.database.new_database())
        self._users += 1
        user, database = f"reader{self._users}", sql.make_url(tables.url).database
        statements = GRANTS[self.kind].replace("pippin_node", user).replace(" dns.", f" {database}.")
        for statement in filter(None, map(str.strip, statements.split(";"))):
            tables.do(statement)
        return tables

    def url(self, tables: Tables) -> str:
        """As the nodes have it."""
        there = sql.make_url(tables.url).set(
            username=f"reader{self._users}", password="only-to-read", host=self.machines["database"].address
        )
        return there.render_as_string(hide_password=False)

    @contextmanager
    def nodes(self, folder: Path, tables: Tables, names: Sequence[str] = NAMES) -> Iterator[list[Node]]:
        with ExitStack() as stack:
            yield [stack.enter_context(self.node(folder, tables, name)) for name in names]

    @contextmanager
    def node(self, folder: Path, tables: Tables, name: str) -> Iterator[Node]:
        """Starts again from what it had, if it was there before."""
        place = folder / name
        place.mkdir(exist_ok=True)
        (place / "log").unlink(missing_ok=True)
        source = f'[[source]]\nurl = "{self.url(tables)}"\ninterval = 0.5\n'
        (place / "pippin.toml").write_text(f'state = "state"\n{source}')
        machine = self.machines[name]
        with running(place, "-c", "pippin.toml", prefix=machine.command) as server:
            yield Node(machine, server)


@pytest.fixture(scope="module")
def machines() -> Iterator[dict[str, Machine]]:
    with network("database", *NAMES) as machines:
        yield machines


@pytest.fixture(scope="module")
def postgresql_site(machines: dict[str, Machine]) -> Iterator[Site]:
    with machines["database"].inside(), running_postgresql(machines["database"]) as database:
        yield Site("postgresql", machines, database)


@pytest.fixture(scope="module")
def mariadb_site(machines: dict[str, Machine]) -> Iterator[Site]:
    with machines["database"].inside(), running_mariadb(machines["database"]) as database:
        yield Site("mariadb", machines, database)


@pytest.fixture(params=["postgresql", "mariadb"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The test runs on the database's machine: what it writes does not cross the network."""
    site: Site = request.getfixturevalue(f"{request.param}_site")
    with site.machines["database"].inside():
        yield site
    for machine in site.machines.values():
        machine.find_packets()
        machine.plug_in()


class Watch:
    """Asks a node for one name all the time. Its address counts the commits: it must never go back."""

    def __init__(self, node: Node, name: str) -> None:
        self.asked = self.unanswered = 0
        self.wrong: list[str] = []
        self._node = node
        self._name = name
        self._is_over = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        last = 0
        with self._node.machine.inside():
            while not self._is_over:
                address = self._node.server.address_of(self._name)
                self.asked += 1
                if not address:
                    self.unanswered += 1
                    continue
                number = number_of(address)
                if number < last:
                    self.wrong.append(f"{address} after {address_of(last)}")
                last = max(last, number)
                time.sleep(0.005)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._is_over = True
        self._thread.join()

    def check(self) -> None:
        assert self.asked > 10
        assert (self.wrong, self.unanswered) == ([], 0)


def address_of(number: int) -> str:
    """The address that stands for the n-th commit."""
    return f"10.1.{number >> 8}.{number & 255}"


def number_of(address: str) -> int:
    """Which commit an address stands for; -1: none."""
    head, _, tail = address.partition("10.1.")
    high, _, low = tail.partition(".")
    return int(high) << 8 | int(low) if not head and tail else -1


def cut_by_vanishing(machine: Machine) -> Callable[[], None]:
    machine.lose_packets()
    return machine.find_packets


def cut_by_link(machine: Machine) -> Callable[[], None]:
    machine.unplug()
    return machine.plug_in


def test_change_committed_once_is_served_by_all_nodes(tmp_path: Path, site: Site) -> None:
    tables = site.tables()
    tables.add_zone("one.test")
    tables.add_zone("two.test")
    with site.nodes(tmp_path, tables) as nodes:
        slowest = 0.0
        for number in range(1, 11):
            tables.do(WWW, address=address_of(number), name="www.one.test")
            committed = time.monotonic()
            for node in nodes:
                node.wait_address("www.one.test", address_of(number))
            slowest = max(slowest, time.monotonic() - committed)
        assert slowest < SEEN_WITHIN
        tables.add_zone("three.test")
        tables.do("DELETE FROM domains WHERE name = 'two.test'")
        for node in nodes:
            node.wait_address("www.three.test", "192.0.2.10")
            node.wait_address("www.two.test", "REFUSED")
        serials = [{zone["zone"]: zone["serial"] for zone in node.server.do(do="zones")["zones"]} for node in nodes]
        assert serials == [{"one.test": 1, "three.test": 1}] * len(nodes)
        assert all(node.database()["behind_since"] is None for node in nodes)
    tables.close()


@pytest.mark.parametrize("cut", [cut_by_vanishing, cut_by_link])
def test_node_that_is_cut_off_goes_on_and_catches_up(
    tmp_path: Path, site: Site, cut: Callable[[Machine], Callable[[], None]]
) -> None:
    tables = site.tables()
    for zone in ("one.test", "two.test", "gone.test"):
        tables.add_zone(zone)
    with site.nodes(tmp_path, tables, ["one", "two"]) as (here, there), Watch(there, "ns1.one.test") as watch:
        tables.do(WWW, address=address_of(1), name="www.one.test")
        there.wait_address("www.one.test", address_of(1))
        rejoin = cut(there.machine)
        since = time.time()
        try:
            tables.do(WWW, address=address_of(2), name="www.one.test")
            here.wait_address("www.one.test", address_of(2))
            assert there.address_of("www.one.test") == address_of(1)
            wait_until(there.is_away, "it is noticed")
            assert time.time() - since < NOTICED_WITHIN
            status = there.database()
            assert abs(status["behind_since"] - since) < NOTICED_WITHIN
            assert status["error"]
            assert not here.is_away()
            shown = there.pippin("status", "--max-behind", "0.1")
            assert (shown.returncode, "away, perhaps behind since" in shown.stdout) == (1, True)
            assert there.pippin("status", "--max-behind", "3600").returncode == 0
            assert here.pippin("status", "--max-behind", "0.1").returncode == 0
            tables.add_zone("new.test")
            tables.do("DELETE FROM domains WHERE name = 'gone.test'")
            tables.do(WWW, address=address_of(3), name="www.two.test")
            here.wait_address("www.two.test", address_of(3))
            assert there.address_of("www.two.test") == "192.0.2.10"
            assert there.address_of("www.gone.test") == "192.0.2.10"
        finally:
            rejoin()
        there.wait_address("www.one.test", address_of(2))
        there.wait_address("www.two.test", address_of(3))
        there.wait_address("www.new.test", "192.0.2.10")
        there.wait_address("www.gone.test", "REFUSED")
        wait_until(lambda: not there.is_away(), "it is connected again")
        assert there.database()["behind_since"] is None
        tables.do(WWW, address=address_of(4), name="www.one.test")
        there.wait_address("www.one.test", address_of(4))
    assert (watch.unanswered, watch.asked > 10) == (0, True)
    tables.close()


def test_database_that_is_killed_takes_no_node_with_it(tmp_path: Path, site: Site) -> None:
    tables = site.tables()
    tables.add_zone("one.test")
    tables.do(WWW, address=address_of(1), name="www.one.test")
    with site.nodes(tmp_path, tables) as nodes, ExitStack() as stack:
        watches = [stack.enter_context(Watch(node, "www.one.test")) for node in nodes]
        tables.close()
        site.database.kill()
        try:
            for node in nodes:
                wait_until(node.is_away, "it is noticed")
        finally:
            site.database.start()
        tables.do(WWW, address=address_of(2), name="www.one.test")
        for node in nodes:
            node.wait_address("www.one.test", address_of(2))
            wait_until(lambda node=node: not node.is_away(), "it is connected again")
    for watch in watches:
        watch.check()
    tables.close()


def test_node_started_while_the_database_is_away_serves_what_it_had(tmp_path: Path, site: Site) -> None:
    tables = site.tables()
    tables.add_zone("one.test")
    tables.do(WWW, address=address_of(1), name="www.one.test")
    with site.nodes(tmp_path, tables, ["one"]) as (one,):
        with site.node(tmp_path, tables, "two"):
            pass
        tables.close()
        site.database.kill()
        try:
            with site.node(tmp_path, tables, "two") as two:
                assert two.address_of("www.one.test") == address_of(1)
                assert two.is_away()
                site.database.start()
                tables.do(WWW, address=address_of(2), name="www.one.test")
                for node in (one, two):
                    node.wait_address("www.one.test", address_of(2))
        finally:
            site.database.kill()
            site.database.start()
    tables.close()


def test_nothing_is_lost_whoever_is_cut_off_when(tmp_path: Path, postgresql_site: Site) -> None:
    site = postgresql_site
    with site.machines["database"].inside():
        tables = site.tables()
        tables.add_zone("one.test")
        tables.do(WWW, address=address_of(0), name="www.one.test")
        number = 0
        with site.nodes(tmp_path, tables) as nodes, ExitStack() as stack:
            watches = [stack.enter_context(Watch(node, "www.one.test")) for node in nodes]
            for turn in range(6):
                machine = nodes[turn % len(nodes)].machine
                cut = (cut_by_vanishing, cut_by_link)[turn % 2]
                rejoin = cut(machine)
                for _ in range(5):
                    number += 1
                    tables.do(WWW, address=address_of(number), name="www.one.test")
                    time.sleep(0.02 * turn)
                rejoin()
                number += 1
                tables.do(WWW, address=address_of(number), name="www.one.test")
            for node in nodes:
                node.wait_address("www.one.test", address_of(number))
        for watch in watches:
            watch.check()
        tables.close()
