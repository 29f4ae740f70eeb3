"""One SQL database: which zones it has, their records, and which have changed. `source/database.py` is the contract."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import dns.exception
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from pippin.engine import layout
from pippin.engine.unpack import Unpacker
from pippin.source.database import Domain, Id, Version, wire
from pippin.source.loaded import Loaded
from pippin.source.sql import triggers
from pippin.source.sql.connection import explained, open_engine, session
from pippin.source.sql.rows import BATCH, Rows
from pippin.source.sql.statements import PLAIN_NAME, Statements, WrongSchema, statements_for
from pippin.source.url import DatabaseError, DatabaseURL
from pippin.zone.problem import Problem

ONE_BY_ONE = 500
"""Zones read by naming them; of more the whole table is read, which is quicker."""

PIECES = 100
"""Texts of many rows fetched at a time."""

MANY_NAMES = 500
"""Changed names of a zone from which on all of it is read."""

_PLAIN_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?!.*[^.]{{64}}){PLAIN_NAME}")

NEVER_FILLED = frozenset({"SLAVE", "CONSUMER"})
"""Types of domains that have no records until PowerDNS has transferred them: nothing is wrong with that."""


class SQLDatabase:
    """Opens at the first call."""

    tells_all = True
    names_deleted = False

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._engine = open_engine(url)
        self._statements: Statements | None = None
        self._counts_changes = False
        self._listener: Any = None
        self._told: list[str] = []
        self._names: dict[Id, frozenset[str] | None] = {}
        self._has_odd_names: dict[Id, bool] = {}
        self._watched: Connection | None = None
        self._data_version: int | None = None
        self._inode = 0

    def close(self) -> None:
        self._statements = None
        self._data_version = None
        self._names.clear()
        self._has_odd_names.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._watched is not None:
            self._watched.close()
            self._watched = None
        self._engine.dispose()

    # ---- which zones, and in which version

    def domains(self) -> list[Domain]:
        with self._session() as (connection, statements):
            rows = connection.execute(statements.domains).all()
        domains: dict[str, Domain] = {}
        wrong: list[Domain] = []
        for number, name, kind in rows:
            domain = _domain(number, str(name or ""), str(kind or ""))
            if not domain.problem and domain.name in domains:
                other = domains[domain.name].id
                twice = f"the domain {domain.name} is there twice, see id {other}"
                domain = Domain(number, domain.name, twice)
            if domain.problem:
                wrong.append(domain)
            else:
                domains[domain.name] = domain
        return [*domains.values(), *wrong]

    def problem_of(self, domain: Domain) -> Problem:
        assert isinstance(domain.id, int)
        return Problem(f"{self.url} domains.id", domain.id, 0, domain.problem)

    def versions(self, only: Sequence[Id] | None = None) -> dict[Id, Version]:
        """Reads all their rows in the database."""
        with self._session() as (connection, statements):
            if only is None:
                rows = connection.execute(statements.checksums)
            else:
                rows = connection.execute(statements.some_checksums, {"ids": list(only)})
            return {
                number: Version(count, bool(every and not enabled), f"{number}.{count}.{checksum}")
                for number, count, enabled, every, checksum in rows
            }

    def glances(self) -> dict[Id, tuple[Any, ...]]:
        with self._session() as (connection, statements):
            if self._counts_changes:
                return {number: (count,) for number, count in connection.execute(sql.select(triggers.COUNTS))}
            return {row[0]: tuple(row[1:]) for row in connection.execute(statements.glances)}

    @property
    def counts_changes(self) -> bool:
        """For triggers count them."""
        return self._counts_changes

    def is_quiet(self) -> bool:
        """Only SQLite can tell."""
        if self.url.scheme != "sqlite":
            return False
        with explained(self.url):
            inode = os.stat(self.url.url.removeprefix("sqlite:///")).st_ino
            if self._watched is None:
                self._watched = self._engine.connect()
                self._inode = inode
            if inode != self._inode:
                raise DatabaseError(f"{self.url}: the file has been replaced by another one")
            before = self._data_version
            self._data_version = self._watched.exec_driver_sql("PRAGMA data_version").scalar_one()
            self._watched.rollback()
        return before == self._data_version

    # ---- records

    def read(
        self, domains: Iterable[tuple[Domain, str]], *, everything: bool = False
    ) -> Iterator[tuple[Domain, Loaded]]:
        """`everything`: one statement shall read the whole table."""
        wanted = {domain.id: (domain, token) for domain, token in domains}
        if len(wanted) == 1:
            for domain, token in wanted.values():
                yield domain, self._read_one(domain, token)
            return
        names = {} if everything or len(wanted) > ONE_BY_ONE else {"ids": list(wanted)}
        with self._session() as (_, statements):
            has_pieces = statements.pieces is not None
        yield from self._read_pieces(wanted, names) if has_pieces else self._read(wanted, names)

    def _read_one(self, domain: Domain, token: str) -> Loaded:
        """Quicker than many: no cursor in the database, and none of the objects SQLAlchemy makes of rows."""
        with self._session() as (connection, statements):
            if statements.pieces_of_one is not None:
                rows = self._rows(domain, token)
                pieces = connection.execute(statements.pieces_of_one, {"id": domain.id})
                if all(rows.add_text(text, count) for count, text in pieces):
                    return rows.loaded()
            return self._read_lines_of_one(connection, statements, domain, token)

    def _read_lines_of_one(
        self, connection: Connection, statements: Statements, domain: Domain, token: str
    ) -> Loaded:
        rows = self._rows(domain, token)
        cursor: Any = connection.execute(statements.lines_of_one, {"id": domain.id}).cursor
        while chunk := cursor.fetchmany(BATCH):
            rows.add([line for (line,) in chunk])
        return rows.loaded()

    def _read_pieces(
        self, wanted: dict[Id, tuple[Domain, str]], names: dict[str, Any]
    ) -> Iterator[tuple[Domain, Loaded]]:
        """Many rows in one text each: half the time that `_read` takes."""
        crooked: list[tuple[Domain, str]] = []
        with self._session() as (connection, statements):
            statement = statements.pieces if names else statements.all_pieces
            assert statement is not None
            options = connection.execution_options(stream_results=True, yield_per=PIECES)
            for number, pieces in groupby(options.execute(statement, names), itemgetter(0)):
                if number not in wanted:
                    continue
                domain, token = wanted.pop(number)
                rows = self._rows(domain, token)
                if all(rows.add_text(text, count) for _, count, text in pieces):
                    yield domain, rows.loaded()
                else:
                    crooked.append((domain, token))
        for domain, token in crooked:
            with self._session() as (connection, statements):
                loaded = self._read_lines_of_one(connection, statements, domain, token)
            yield domain, loaded
        for domain, token in wanted.values():
            yield domain, self._rows(domain, token).loaded()

    def _read(self, wanted: dict[Id, tuple[Domain, str]], names: dict[str, Any]) -> Iterator[tuple[Domain, Loaded]]:
        with self._session() as (connection, statements):
            statement = statements.lines if names else statements.all_lines
            rows: Rows | None = None
            current: Domain | None = None
            options = connection.execution_options(stream_results=True, yield_per=BATCH)
            for chunk in options.execute(statement, names).partitions():
                for number, group in groupby(chunk, itemgetter(0)):
                    if current is None or number != current.id:
                        if current is not None and rows is not None:
                            yield current, rows.loaded()
                        current, rows = None, None
                        if number in wanted:
                            current, token = wanted.pop(number)
                            rows = self._rows(current, token)
                    if rows is not None:
                        rows.add([line for _, line in group])
            if current is not None and rows is not None:
                yield current, rows.loaded()
        for domain, token in wanted.values():
            yield domain, self._rows(domain, token).loaded()

    def read_changed(self, domain: Domain, image: bytes) -> Loaded | None:
        names = self._names.get(domain.id)
        if names is None or len(names) > MANY_NAMES or layout.read_header(image).flags & layout.SIGNED:
            return None
        rows = self._rows(domain, "")
        with self._session() as (connection, statements):
            if domain.id not in self._has_odd_names:  # rows that get one from now on are told of
                odd = connection.execute(statements.odd_names, {"id": domain.id}).scalar_one()
                self._has_odd_names[domain.id] = odd
            if self._has_odd_names[domain.id]:
                return None
            lines = connection.execute(statements.lines_of_names, {"id": domain.id, "names": list(names)})
            rows.add(lines.scalars())
        fresh = rows.loaded()
        records = Unpacker(image).stream(frozenset(map(wire, names))) + fresh.records
        return None if fresh.problems else replace(fresh, records=records)

    def _rows(self, domain: Domain, token: str) -> Rows:
        assert isinstance(domain.id, int)
        return Rows(str(self.url), domain.id, wire(domain.name), token)

    # ---- being told

    def listen(self) -> bool:
        """PostgreSQL with the triggers tells."""
        if self.url.scheme != "postgresql":
            return False
        with self._session() as (connection, _):
            if not triggers.are_installed(connection):
                return False
        with explained(self.url):
            fairy = self._engine.raw_connection()
            listener: Any = fairy.driver_connection
            fairy.detach()
            self._listener = listener
            listener.autocommit = True
            self._told.clear()
            listener.add_notify_handler(self._on_note)
            listener.execute(f"LISTEN {triggers.CHANNEL}")
        return True

    def _on_note(self, note: Any) -> None:
        self._told.append(note.payload)

    def fileno(self) -> int:
        with explained(self.url):
            return -1 if self._listener is None else int(self._listener.fileno())

    def take(self) -> set[Id] | None:
        """0 stands for the list of domains."""
        with explained(self.url):
            self._listener.execute("SELECT 1")  # what was sent before the reply comes with it; and is anybody there?
            while note := self._listener.pgconn.notifies():
                self._told.append(note.extra.decode(errors="replace"))
        told, self._told = set(self._told), []
        self._names = {}
        for number, names in filter(None, map(triggers.parse_message, told)):
            if names is None or not all(map(_PLAIN_NAME.fullmatch, names)):
                self._names[number] = None
                self._has_odd_names.pop(number, None)
            elif (before := self._names.get(number, frozenset())) is not None:
                self._names[number] = before | names
        if triggers.EVERYTHING in told:
            self._names.clear()
            self._has_odd_names.clear()
            return None
        return set(self._names)

    # ---- inside

    @contextmanager
    def _session(self) -> Iterator[tuple[Connection, Statements]]:
        """A transaction, and the statements for the schema that is there."""
        with session(self._engine, self.url) as connection:
            if self._statements is None:
                try:
                    self._statements = statements_for(connection)
                except WrongSchema as error:
                    raise DatabaseError(f"{self.url}: {error}") from None
                self._counts_changes = self.url.scheme != "postgresql" and triggers.count_changes(connection)
            yield connection, self._statements


def _domain(number: int, name: str, kind: str) -> Domain:
    text = name.lower().removesuffix(".") or "."
    try:
        if not name:
            return Domain(number, text, "the domain has no name")
        wire(text)
    except (dns.exception.DNSException, UnicodeError) as error:
        return Domain(number, text, f"'{text}' is no domain name: {error}")
    return Domain(number, text, may_be_empty=kind.upper() in NEVER_FILLED)
