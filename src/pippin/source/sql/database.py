"""One database: which zones it has, their records, and which have changed.

Everything here blocks, and one thread at a time may call. Every method raises `DatabaseError` and leaves nothing
half done: after an error `close` and begin again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import dns.exception
import dns.name
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from pippin.source.loaded import Loaded
from pippin.source.sql import triggers
from pippin.source.sql.connection import explained, open_engine, session
from pippin.source.sql.rows import BATCH, Rows
from pippin.source.sql.statements import Statements, WrongSchema, statements_for
from pippin.source.sql.url import DatabaseError, DatabaseURL
from pippin.zone.problem import Problem

ONE_BY_ONE = 500
"""Zones read by naming them; of more the whole table is read, which is quicker."""

NEVER_FILLED = frozenset({"SLAVE", "CONSUMER"})
"""Types of domains that have no records until PowerDNS has transferred them: nothing is wrong with that."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A row of `domains`."""

    id: int
    name: str
    """As Pippin names zones: lower case, without the last dot, `.` for the root."""
    type: str
    problem: str = ""
    """Why it cannot be a zone."""


@dataclass(frozen=True, slots=True)
class Version:
    """What the records of a domain are like. Equal versions: equal records."""

    records: int
    is_disabled: bool
    """It has SOA records, and all of them are disabled."""
    token: str


NOTHING = Version(0, False, "")


class Database:
    """Opens at the first call."""

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._engine = open_engine(url)
        self._statements: Statements | None = None
        self._counts_changes = False
        self._listener: Any = None
        self._told: list[str] = []
        self._watched: Connection | None = None
        self._data_version: int | None = None
        self._inode = 0

    def close(self) -> None:
        """Cut all connections. The next call opens them again."""
        self._statements = None
        self._data_version = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._watched is not None:
            self._watched.close()
            self._watched = None
        self._engine.dispose()

    # ---- which zones, and in which version

    def domains(self) -> list[Domain]:
        """All of them, by id. Of two with the same name the second has a problem."""
        with self._session() as (connection, statements):
            rows = connection.execute(statements.domains).all()
        domains: dict[str, Domain] = {}
        wrong: list[Domain] = []
        for number, name, kind in rows:
            domain = _domain(number, str(name or ""), str(kind or ""))
            if not domain.problem and domain.name in domains:
                other = domains[domain.name].id
                twice = f"the domain {domain.name} is there twice, see id {other}"
                domain = Domain(number, domain.name, domain.type, twice)
            if domain.problem:
                wrong.append(domain)
            else:
                domains[domain.name] = domain
        return [*domains.values(), *wrong]

    def versions(self, only: Sequence[int] | None = None) -> dict[int, Version]:
        """The versions of all domains that have records, or of some, by id. Reads all their rows in the database."""
        with self._session() as (connection, statements):
            if only is None:
                rows = connection.execute(statements.checksums)
            else:
                rows = connection.execute(statements.some_checksums, {"ids": list(only)})
            return {
                number: Version(count, bool(every and not enabled), f"{number}.{count}.{checksum}")
                for number, count, enabled, every, checksum in rows
            }

    def glances(self) -> dict[int, tuple[Any, ...]]:
        """Something for each domain that differs after nearly every change, as cheaply as it can be had."""
        with self._session() as (connection, statements):
            if self._counts_changes:
                return {number: (count,) for number, count in connection.execute(sql.select(triggers.COUNTS))}
            return {row[0]: tuple(row[1:]) for row in connection.execute(statements.glances)}

    @property
    def counts_changes(self) -> bool:
        """Whether `glances` sees every change, for triggers count them."""
        return self._counts_changes

    def is_quiet(self) -> bool:
        """True: nothing at all has been committed since the last call. Only SQLite can tell, for next to nothing."""
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
        """The records of these domains, each with the token of the version it is to have; in the order of their ids.

        `everything`: these are (nearly) all, and one statement shall read the whole table.
        """
        wanted = {domain.id: (domain, token) for domain, token in domains}
        if len(wanted) == 1:
            for domain, token in wanted.values():
                yield domain, self._read_one(domain, token)
            return
        if everything or len(wanted) > ONE_BY_ONE:
            yield from self._read(wanted, {})
            return
        yield from self._read(wanted, {"ids": list(wanted)})

    def _read_one(self, domain: Domain, token: str) -> Loaded:
        """Quicker than many: no cursor in the database, and none of the objects SQLAlchemy makes of rows."""
        rows = self._rows(domain, token)
        with self._session() as (connection, statements):
            result = connection.execute(statements.lines_of_one, {"id": domain.id})
            cursor: Any = result.cursor
            while chunk := cursor.fetchmany(BATCH):
                rows.add([line for (line,) in chunk])
        return rows.loaded()

    def _read(self, wanted: dict[int, tuple[Domain, str]], names: dict[str, Any]) -> Iterator[tuple[Domain, Loaded]]:
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

    def _rows(self, domain: Domain, token: str) -> Rows:
        return Rows(str(self.url), domain.id, wire(domain.name), token)

    # ---- being told

    def listen(self) -> bool:
        """Be told of changes from now on, if the database does that: PostgreSQL with the triggers."""
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
        """What becomes readable when there is something to `take`; -1 without `listen`."""
        with explained(self.url):
            return -1 if self._listener is None else int(self._listener.fileno())

    def take(self) -> set[int] | None:
        """The domains that have changed, 0 for the list of domains; None: too many to be named. Asks the database."""
        with explained(self.url):
            self._listener.execute("SELECT 1")  # what was sent before the reply comes with it; and is anybody there?
            while note := self._listener.pgconn.notifies():
                self._told.append(note.extra.decode(errors="replace"))
        told, self._told = set(self._told), []
        if triggers.EVERYTHING in told:
            return None
        return {int(text) for text in told if text.isdecimal()}  # anybody may write to a channel

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


def load_zone(url: DatabaseURL, name: str) -> Loaded:
    """One zone by itself, `name` as in `Domain.name`. That it is not there, or cannot be read, is a problem of it."""
    try:
        database = Database(url)
        try:
            for domain in database.domains():
                if domain.name == name and not domain.problem:
                    version = database.versions([domain.id]).get(domain.id, NOTHING)
                    return next(loaded for _, loaded in database.read([(domain, version.token)]))
            problem = f"there is no domain {name}"
        finally:
            database.close()
    except DatabaseError as error:
        problem = str(error).removeprefix(f"{url}: ")
    return _nothing(url, Problem(str(url), 0, 0, problem))


def load_all(url: DatabaseURL) -> Iterator[tuple[str, Loaded]]:
    """Every zone that is meant to be served, by name. What is wrong with the database as a whole comes without one."""
    try:
        database = Database(url)
        try:
            domains = database.domains()
            versions = database.versions()
            for domain in domains:
                if domain.problem:
                    yield "", _nothing(url, Problem(f"{url} domains.id", domain.id, 0, domain.problem))
            wanted = [one for one in domains if not one.problem and not is_hidden(one, versions)]
            for domain, loaded in database.read([(domain, "") for domain in wanted], everything=True):
                yield domain.name, loaded
        finally:
            database.close()
    except DatabaseError as error:
        yield "", _nothing(url, Problem(str(url), 0, 0, str(error).removeprefix(f"{url}: ")))


def is_hidden(domain: Domain, versions: Mapping[int, Version]) -> bool:
    """Not meant to be served: its SOA is disabled, or PowerDNS has not transferred it yet."""
    version = versions.get(domain.id)
    return domain.type in NEVER_FILLED if version is None else version.is_disabled


def _nothing(url: DatabaseURL, problem: Problem) -> Loaded:
    return Loaded(b"", b"", (str(url),), (), (problem,))


def wire(name: str) -> bytes:
    """The name of a domain in wire format."""
    return dns.name.from_text(name, dns.name.root).canonicalize().to_wire() or b""


def _domain(number: int, name: str, kind: str) -> Domain:
    text = name.lower().removesuffix(".") or "."
    try:
        if not name:
            return Domain(number, text, kind, "the domain has no name")
        wire(text)
    except (dns.exception.DNSException, UnicodeError) as error:
        return Domain(number, text, kind, f"'{text}' is no domain name: {error}")
    return Domain(number, text, kind.upper())
