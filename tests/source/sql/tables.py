"""A database with PowerDNS' tables, for a test to fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from pippin.source.sql import schema
from pippin.source.sql.connection import open_engine
from pippin.source.url import parse_url

OLD_SCHEMA = """
CREATE TABLE domains (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL, master VARCHAR(20), last_check INTEGER,
    type VARCHAR(6) NOT NULL, notified_serial INTEGER, account VARCHAR(40));
CREATE TABLE records (id INTEGER PRIMARY KEY, domain_id INTEGER, name VARCHAR(255), type VARCHAR(6),
    content VARCHAR(255), ttl INTEGER, prio INTEGER, change_date INTEGER);
"""
"""As PowerDNS 2.9 had it: no `disabled`, no `auth`, no `options`."""

SOA = "ns1.{zone} hostmaster.{zone} {serial} 7200 3600 1209600 300"


class Tables:
    """`url` is the database; every method commits."""

    def __init__(self, url: str, *, triggers: bool = True, old: bool = False) -> None:
        self.url = url
        self.engine = open_engine(parse_url(url), write=True)
        if old:
            with self.engine.begin() as connection:
                for statement in OLD_SCHEMA.split(";"):
                    if statement.strip():
                        connection.exec_driver_sql(statement)
        else:
            self.made = schema.create(parse_url(url), with_triggers=triggers)
        self._old = old

    def do(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sql.text(statement), values)

    def ask(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sql.text(statement), values)]

    def add_zone(
        self, zone: str, *more: tuple[Any, ...], serial: int = 1, kind: str = "NATIVE", number: int = 0
    ) -> int:
        """A zone with SOA, NS and `www`, and more rows (name, type, content[, ttl[, prio]]); its id."""
        number = number or (self.ask("SELECT coalesce(max(id), 0) + 1 FROM domains")[0][0])
        rows: list[tuple[Any, ...]] = [
            (zone, "SOA", SOA.format(zone=zone, serial=serial)),
            (zone, "NS", f"ns1.{zone}"),
            (f"ns1.{zone}", "A", "192.0.2.1"),
            (f"www.{zone}", "A", "192.0.2.10"),
            *more,
        ]
        with self.engine.begin() as connection:
            connection.execute(
                sql.text("INSERT INTO domains (id, name, type) VALUES (:id, :name, :type)"),
                {"id": number, "name": zone, "type": kind},
            )
            connection.execute(sql.text(_INSERT), [_row(number, *row) for row in rows])
        return int(number)

    def add(self, domain: int, *row: Any) -> None:
        """A row of `records`: name, type, content[, ttl[, prio]]."""
        self.do(_INSERT, **_row(domain, *row))

    def add_all(self, domain: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """Many such rows at once."""
        with self.engine.begin() as connection:
            connection.execute(sql.text(_INSERT), [_row(domain, *row) for row in rows])

    def close(self) -> None:
        self.engine.dispose()


_INSERT = (
    "INSERT INTO records (domain_id, name, type, content, ttl, prio) "
    "VALUES (:domain, :name, :type, :content, :ttl, :prio)"
)


def _row(domain: int, name: Any, kind: Any, content: Any, ttl: Any = 300, prio: Any = None) -> dict[str, Any]:
    return {"domain": domain, "name": name, "type": kind, "content": content, "ttl": ttl, "prio": prio}
