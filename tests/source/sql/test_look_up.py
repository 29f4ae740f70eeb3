"""Names looked up one by one in PowerDNS' tables, in every database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest
import sqlalchemy as sql

from pippin.engine.records import iterate
from pippin.source.live import LiveSettings, LiveZone, LookUpError
from pippin.source.sql.look_up import SQLLookUp
from tests.peers.database import DatabaseServer
from tests.source.sql.tables import Tables


def wire(text: str) -> bytes:
    return dns.name.from_text(text).canonicalize().to_wire() or b""


def above(text: str) -> list[bytes]:
    name = dns.name.from_text(text)
    return [wire(str(name.split(depth)[1])) for depth in range(len(name), 0, -1)]


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    tables = Tables(database_url, triggers=False)
    yield tables
    tables.close()


@pytest.fixture
def look_up(tables: Tables) -> Iterator[SQLLookUp]:
    look_up = SQLLookUp(LiveSettings(tables.url, concurrency=2, timeout=10))
    yield look_up
    look_up.close()


def zone_of(look_up: SQLLookUp, text: str) -> LiveZone:
    return next(zone for zone in look_up.zones(above(text)) if zone.origin == wire(text))


def owners(look_up: SQLLookUp, zone: LiveZone, *names: str) -> list[tuple[str, int]]:
    found = look_up.records(zone, [wire(name) for name in names])
    assert not found.unreadable
    return [(str(dns.name.from_wire(record.owner, 0)[0]), record.type) for record in iterate(found.records)]


def test_zones_are_found_deepest_first(tables: Tables, look_up: SQLLookUp) -> None:
    tables.add_zone("one.test")
    tables.add_zone("deep.one.test")
    tables.add_zone("two.test")
    assert [zone.origin for zone in look_up.zones(above("www.deep.one.test"))] == above("deep.one.test")[:2]
    assert look_up.zones(above("www.three.test")) == []


def test_zones_that_are_hidden_where_they_are_loaded_are_hidden_here(tables: Tables, look_up: SQLLookUp) -> None:
    number = tables.add_zone("off.test")
    tables.do("UPDATE records SET disabled = true WHERE type = 'SOA' AND domain_id = :n", n=number)
    tables.do("INSERT INTO domains (id, name, type) VALUES (8, 'later.test', 'SLAVE'), (9, 'empty.test', 'NATIVE')")
    assert look_up.zones(above("off.test")) == look_up.zones(above("later.test")) == []
    assert [zone.id for zone in look_up.zones(above("empty.test"))] == [9]


def test_only_the_names_asked_for_come_in_the_order_of_their_rows(tables: Tables, look_up: SQLLookUp) -> None:
    tables.add_zone("one.test", ("www.one.test", "A", "192.0.2.9"), ("www.one.test", "AAAA", "2001:db8::1"))
    zone = zone_of(look_up, "one.test")
    assert owners(look_up, zone, "www.one.test", "nothing.one.test") == [("www.one.test.", kind) for kind in (1, 1, 28)]


def test_name_of_two_zones_gives_the_rows_of_the_one(tables: Tables, look_up: SQLLookUp) -> None:
    tables.add_zone("one.test", ("deep.one.test", "NS", "ns.deep.one.test"))
    tables.add_zone("deep.one.test")
    assert owners(look_up, zone_of(look_up, "one.test"), "deep.one.test") == [("deep.one.test.", 2)]
    assert owners(look_up, zone_of(look_up, "deep.one.test"), "deep.one.test") == [
        ("deep.one.test.", 6),
        ("deep.one.test.", 2),
    ]


def test_empty_non_terminal_is_a_row_without_a_type(tables: Tables, look_up: SQLLookUp) -> None:
    empty = [("b.one.test", None, None), ("c.one.test", None, None)]
    number = tables.add_zone("one.test", *empty, ("d.one.test", "", "x"))
    tables.do("UPDATE records SET disabled = true WHERE name = 'c.one.test' AND domain_id = :n", n=number)
    zone = zone_of(look_up, "one.test")
    found = look_up.records(zone, [wire(f"{label}.one.test") for label in "abcd"])
    assert found.empty == (wire("b.one.test"),)
    assert found.records == b""


@pytest.mark.parametrize(
    ("in_table", "name"),
    [
        ("_sip._tcp.one.test", "_sip._tcp.one.test"),
        ("*.one.test", "*.one.test"),
        (r"a\.b.one.test", r"a\.b.one.test"),
        (r"a\\b.one.test", r"a\\b.one.test"),
        (r"a\032b.one.test", r"a\032b.one.test"),
        ("a(b);c.one.test", r"a\(b\)\;c.one.test"),
        (r"\195\164.one.test", r"\195\164.one.test"),
    ],
)
def test_names_are_written_as_powerdns_writes_them(
    tables: Tables, look_up: SQLLookUp, in_table: str, name: str
) -> None:
    number = tables.add_zone("one.test")
    tables.add(number, in_table, "A", "192.0.2.1")
    found = look_up.records(zone_of(look_up, "one.test"), [wire(name)])
    assert [record.owner for record in iterate(found.records)] == [wire(name)]


def test_name_that_the_database_takes_for_the_same_is_another_one(tables: Tables, look_up: SQLLookUp) -> None:
    """MariaDB compares without accents and blanks at the end."""
    number = tables.add_zone("one.test")
    tables.add(number, "caf\u00e9.one.test", "A", "192.0.2.1")
    tables.add(number, "tea.one.test ", "A", "192.0.2.1")
    found = look_up.records(zone_of(look_up, "one.test"), [wire("cafe.one.test"), wire("tea.one.test")])
    assert (found.records, found.unreadable) == (b"", ())


def test_rows_that_are_wrong_are_told_with_owner_type_and_place(tables: Tables, look_up: SQLLookUp) -> None:
    number = tables.add_zone(
        "one.test",
        ("a.one.test", "A", "garbage"),
        ("a.one.test", "A", "192.0.2.1"),
        ("b.one.test", "NS", 'a "quote'),
        ("c.one.test", "LUA", "A \"ifportup(443, {'192.0.2.1'})\""),
    )
    zone = zone_of(look_up, "one.test")
    found = look_up.records(zone, [wire(f"{label}.one.test") for label in "abc"])
    assert [record.owner for record in iterate(found.records)] == [wire("a.one.test")]
    assert [(owner, kind) for owner, kind, _ in sorted(found.unreadable)] == [
        (wire("a.one.test"), 1),
        (wire("b.one.test"), 2),
        (wire("c.one.test"), 0),
    ]
    rows = dict(tables.ask("SELECT name, id FROM records WHERE domain_id = :n AND content <> '192.0.2.1'", n=number))
    for owner, _, problem in found.unreadable:
        assert problem.file.endswith("records.id")
        assert problem.line == rows[dns.name.from_wire(owner, 0)[0].to_text(omit_final_dot=True)]


def test_too_many_rows_at_a_name_are_not_all_read(
    tables: Tables, look_up: SQLLookUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pippin.source.sql.look_up.RECORDS_LIMIT", 10)
    number = tables.add_zone("one.test")
    tables.add_all(number, [("many.one.test", "A", f"192.0.2.{n}") for n in range(20)])
    found = look_up.records(zone_of(look_up, "one.test"), [wire("many.one.test")])
    assert [unreadable.owner for unreadable in found.unreadable] == [wire("many.one.test")]
    assert "more than 10 rows at many.one.test" in found.unreadable[0].problem.message


def test_old_schemas_are_read(tmp_path: Path) -> None:
    tables = Tables(f"sqlite:///{tmp_path / 'old.db'}", old=True)
    tables.add_zone("one.test")
    look_up = SQLLookUp(LiveSettings(tables.url))
    assert owners(look_up, zone_of(look_up, "one.test"), "www.one.test") == [("www.one.test.", 1)]
    look_up.close()
    tables.close()


@pytest.mark.parametrize("which", ["rows_named", "zones_named"])
def test_no_look_up_reads_a_whole_table(tables: Tables, look_up: SQLLookUp, which: str) -> None:
    """Nor all rows of a zone, which may be most of the table."""
    numbers = [tables.add_zone(f"zone{n}.test") for n in range(200)]
    tables.add_all(numbers[0], [(f"h{n}.zone0.test", "A", "192.0.2.1") for n in range(5000)])
    dialect = tables.engine.dialect.name
    with tables.engine.begin() as connection:
        for table in ("records", "domains"):
            connection.exec_driver_sql(f"ANALYZE TABLE {table}" if dialect == "mysql" else f"ANALYZE {table}")
    zone_of(look_up, "zone0.test")
    assert look_up._statements is not None
    explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "

    def explained(connection: Any, cursor: Any, text: str, parameters: Any, *more: Any) -> tuple[str, Any]:
        return explain + text, parameters

    sql.event.listen(look_up._engine, "before_cursor_execute", explained, retval=True)
    names = {"names": ["h1.zone0.test", "*.zone0.test", "zone0.test", "zone1.test"]}
    with look_up._engine.connect() as connection:
        limit = {"limit": 10} if which == "rows_named" else {}
        rows = connection.execute(getattr(look_up._statements, which), names | limit)
        plan = [tuple(row) for row in rows.cursor.fetchall()]
    text = " ".join(str(field) for row in plan for field in row)
    if dialect == "mysql":
        assert all(row[3] in ("range", "ref", "const", "eq_ref") for row in plan), text
    else:
        assert "Seq Scan on records" not in text, text
        assert "SCAN records" not in text, text
        assert "name_idx" in text or "nametype_idx" in text, text


def test_locked_tables_are_too_slow_and_not_away(tables: Tables) -> None:
    number = tables.add_zone("one.test")
    look_up = SQLLookUp(LiveSettings(tables.url, timeout=0.3))
    zone = zone_of(look_up, "one.test")
    assert zone.id == number
    locks = {
        "postgresql": "LOCK TABLE records, domains IN ACCESS EXCLUSIVE MODE",
        "mysql": "LOCK TABLES records WRITE, domains WRITE",
        "sqlite": "BEGIN EXCLUSIVE",
    }
    with tables.engine.connect() as connection:
        connection.exec_driver_sql(locks[tables.engine.dialect.name])
        began = time.monotonic()
        with pytest.raises(LookUpError) as caught:
            look_up.records(zone, [wire("www.one.test")])
        assert caught.value.timed_out, caught.value
        assert time.monotonic() - began < 5
        if tables.engine.dialect.name == "mysql":
            connection.exec_driver_sql("UNLOCK TABLES")
        connection.rollback()
    assert owners(look_up, zone, "www.one.test") == [("www.one.test.", 1)]
    look_up.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_connections_that_were_cut_are_opened_anew(kind: str, request: pytest.FixtureRequest) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    tables = Tables(server.new_database(), triggers=False)
    tables.add_zone("one.test")
    look_up = SQLLookUp(LiveSettings(tables.url, timeout=5))
    zone = zone_of(look_up, "one.test")
    tables.close()
    server.kill()
    with pytest.raises(LookUpError) as caught:
        look_up.records(zone, [wire("www.one.test")])
    assert not caught.value.timed_out
    assert "correct-horse" not in str(caught.value)
    server.start()
    assert owners(look_up, zone, "www.one.test") == [("www.one.test.", 1)]
    look_up.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_that_was_started_again_is_not_missed(kind: str, request: pytest.FixtureRequest) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    tables = Tables(server.new_database(), triggers=False)
    tables.add_zone("one.test")
    look_up = SQLLookUp(LiveSettings(tables.url, timeout=5))
    zone = zone_of(look_up, "one.test")
    look_up._idle += [look_up._connection() for _ in range(3)]
    tables.close()
    server.kill()
    server.start()
    assert owners(look_up, zone, "www.one.test") == [("www.one.test.", 1)]
    assert len(look_up._idle) == 1
    look_up.close()
    assert not look_up._idle


def test_what_is_no_such_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    engine = sql.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE something (id INTEGER)")
    look_up = SQLLookUp(LiveSettings(f"sqlite:///{path}"))
    with pytest.raises(LookUpError, match="there is no table domains"):
        look_up.zones(above("one.test"))
    with pytest.raises(LookUpError, match="no database URL"):
        SQLLookUp(LiveSettings("nonsense"))
