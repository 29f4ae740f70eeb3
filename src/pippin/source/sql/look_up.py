"""Single names of PowerDNS' tables, looked up while a question waits: `LookUp` for PostgreSQL, MariaDB and SQLite.

Every statement names names, so that the index on them (`records.name`, `domains.name`) is all that is read. Names are
looked for as PowerDNS writes them: lower case, without the last dot, other characters than letters, digits and
punctuation as \\DDD. A name that exists only because there are names below it is found by the row that PowerDNS writes
for it, which has no type.

SQLAlchemy writes the statements and opens the connections. They are executed past it, for what it does around a
statement takes longer than a database to find five rows by their names.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection

from pippin.source.live import RECORDS_LIMIT, LiveSettings, LiveZone, Looked, LookUpError, Unreadable
from pippin.source.sql.connection import Limits, explained, open_engine
from pippin.source.sql.database import NEVER_FILLED
from pippin.source.sql.rows import Rows
from pippin.source.sql.statements import Statements, WrongSchema, statements_for
from pippin.source.url import DatabaseError, parse_url
from pippin.zone.problem import Problem

SPELLED_KEPT = 4096
"""Names of which it is remembered how they are written: those of zones, and the wildcards there, come with each."""

_ORDINARY = re.compile(rb"[!-\-/-\[\]-~]*")
"""Labels that are written as they are. A dot and a backslash inside a label are not."""

_TIMED_OUT = {
    "postgresql": ("57014", "55P03"),  # query_canceled, lock_not_available
    "mysql": (1205, 1969, 3024),  # lock wait, max_statement_time, max_execution_time
}


class _Cut(Exception):
    """The connection has been cut, maybe long ago."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class SQLLookUp:
    """`LookUp` for an SQL database. Every thread that calls has a connection of its own meanwhile."""

    def __init__(self, settings: LiveSettings) -> None:
        """`LookUpError` if the driver is missing or the URL is none."""
        limits = Limits(
            lock=settings.timeout,
            statement=settings.timeout,
            connections=settings.concurrency,
            in_transactions=False,
        )
        try:
            self._url = parse_url(settings.url)
            self._engine = open_engine(self._url, limits=limits)
        except DatabaseError as error:
            raise LookUpError(str(error)) from None
        self._shown = str(self._url)
        self._driver_error = self._engine.dialect.loaded_dbapi.Error
        if self._url.scheme == "mysql":
            sql.event.listen(self._engine, "connect", _LimitStatements(settings.timeout))
        self._statements: Statements | None = None
        self._written: dict[tuple[str, int], Written] = {}
        self._idle: list[tuple[PoolProxiedConnection, Any]] = []
        """Connections that nobody uses now, each with its cursor."""
        self._is_over = False

    def zones(self, names: Sequence[bytes]) -> Sequence[LiveZone]:
        spelled = {_spelled(name): name for name in names}
        found: dict[bytes, LiveZone] = {}
        # Lowest id first: of two domains with one name that one counts, as it does where they are loaded.
        by_domain: dict[int, tuple[str, str, list[bool]]] = {}
        for number, name, kind, owner, enabled in self._execute("zones_named", spelled):
            soas = by_domain.setdefault(number, (str(name), str(kind or ""), []))[2]
            if owner == number:
                soas.append(bool(enabled))
        for number, (name, kind, soas) in sorted(by_domain.items()):
            origin = spelled.get(name.lower())
            is_hidden = not any(soas) if soas else kind.upper() in NEVER_FILLED
            if origin is not None and not is_hidden and origin not in found:
                found[origin] = LiveZone(origin, number)
        return sorted(found.values(), key=lambda zone: -len(zone.origin))

    def records(self, zone: LiveZone, names: Sequence[bytes]) -> Looked:
        assert isinstance(zone.id, int)
        spelled = {_spelled(name): name for name in names}
        rows = self._execute("rows_named", spelled)
        is_too_much = len(rows) > RECORDS_LIMIT
        owners: dict[int, bytes] = {}
        lines: list[str] = []
        kinds: dict[int, str] = {}
        empty: list[bytes] = []
        origins: set[bytes] = set()
        for number, domain, name, line in sorted(rows, key=itemgetter(0)):
            # What a database takes for the same name may be another one: letters with accents, blanks at the end.
            owner = spelled.get(str(name).lower())
            if owner is None:
                continue
            if domain != zone.id:
                if domain is not None and line is not None and line.split("\t", 2)[1].upper().endswith(" IN SOA"):
                    origins.add(owner)
                continue
            if line is None:
                empty.append(owner)
                continue
            owners[number] = owner
            kinds[number] = line
            lines.append(line)
        reader = Rows(self._shown, zone.id, zone.origin)
        reader.add(lines)
        loaded = reader.loaded()
        unreadable = [
            Unreadable(owner, _type_of(kinds.get(problem.line, "")), problem)
            for problem in loaded.problems
            for owner in ([owners[problem.line]] if problem.line in owners else names)
        ]
        if is_too_much:
            place = f"{self._url} domains.id:{zone.id}"
            what = f"more than {RECORDS_LIMIT} rows at {_spelled(names[0])} and the names above it"
            unreadable += [Unreadable(name, 0, Problem(place, 0, 0, what)) for name in names]
        return Looked(bytes(loaded.records), tuple(empty), tuple(unreadable), loaded.locate, tuple(origins))

    def close(self) -> None:
        self._is_over = True
        self._close_idle()
        self._engine.dispose()

    def _execute(self, which: str, names: Iterable[str]) -> Sequence[Any]:
        """All rows of a statement. A connection that turns out to have been cut meanwhile is replaced once."""
        listed = list(names)
        try:
            with explained(self._url):
                try:
                    return self._ask(which, listed)
                except _Cut:
                    self._close_idle()  # they may be cut as well
                try:
                    return self._ask(which, listed)
                except _Cut as cut:
                    raise cut.error from None
        except DatabaseError as error:
            self._statements = None  # what comes back may be another version of the schema
            self._written.clear()
            raise LookUpError(str(error)) from None

    def _ask(self, which: str, names: list[str]) -> Sequence[Any]:
        try:
            written = self._written.get((which, len(names))) or self._write(which, len(names))
            connection, cursor = self._connection()
        except (DBAPIError, self._driver_error) as error:
            raise self._too_slow(error) or error from None
        is_usable = False
        try:
            cursor.execute(written.text, written.values(names))
            rows: Sequence[Any] = cursor.fetchall()
            is_usable = not self._is_over
        except self._driver_error as error:
            is_cut = self._engine.dialect.is_disconnect(error, connection, cursor)
            raise self._too_slow(error) or (_Cut(error) if is_cut else error) from None
        finally:
            if is_usable:
                self._idle.append((connection, cursor))
            else:
                connection.close()
        return rows

    def _connection(self) -> tuple[PoolProxiedConnection, Any]:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._engine.raw_connection()
            connection.detach()
            return connection, connection.cursor()

    def _close_idle(self) -> None:
        while True:
            try:
                connection, _ = self._idle.pop()
            except IndexError:
                return
            connection.close()

    def _write(self, which: str, count: int) -> Written:
        statements = self._statements
        if statements is None:
            with self._engine.connect() as connection:
                connection.detach()  # it would wait in the pool until it is cut
                try:
                    statements = self._statements = statements_for(connection)
                except WrongSchema as error:
                    raise LookUpError(f"{self._url}: {error}") from None
        written = self._written[which, count] = Written(getattr(statements, which), count, self._engine.dialect)
        return written

    def _too_slow(self, error: Exception) -> LookUpError | None:
        if not self._has_timed_out(error.orig if isinstance(error, DBAPIError) else error):
            return None
        return LookUpError(f"{self._url}: no answer in time", timed_out=True)

    def _has_timed_out(self, original: BaseException | None) -> bool:
        if isinstance(original, sqlite3.OperationalError):
            return getattr(original, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        if self._url.scheme == "postgresql":
            return getattr(original, "sqlstate", None) in _TIMED_OUT["postgresql"]
        arguments = original.args if original is not None else ()
        # 2013 is also what a cut connection gives; the driver says in words which of the two it was.
        return bool(arguments) and (
            arguments[0] in _TIMED_OUT["mysql"] or (arguments[0] == 2013 and "timed out" in str(arguments[-1]))
        )


class Written:
    """A statement for some number of names, as the driver takes it: SQLAlchemy would write it anew each time."""

    def __init__(self, statement: sql.Select[Any], count: int, dialect: sql.Dialect) -> None:
        values: dict[str, Any] = {"names": [f"name {number}" for number in range(count)]}
        if statement._limit_clause is not None:
            values["limit"] = RECORDS_LIMIT + 1
        compiled = statement.params(values).compile(
            dialect=dialect, compile_kwargs={"render_postcompile": True}
        )
        self.text = str(compiled)
        self._fixed = dict(compiled.params)
        self._names = {key: int(value[5:]) for key, value in self._fixed.items() if str(value).startswith("name ")}
        self._order: Sequence[str] | None = getattr(compiled, "positiontup", None)

    def values(self, names: Sequence[str]) -> Any:
        """Its parameters, for these names."""
        found = self._fixed | {key: names[number] for key, number in self._names.items()}
        return found if self._order is None else tuple(found[key] for key in self._order)


class _LimitStatements:
    """MariaDB and MySQL can end a statement by themselves, by different names."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, connection: Any, record: object) -> None:
        limit = f"max_execution_time = {1000 * self._seconds:.0f}"
        if "MariaDB" in connection.get_server_info():
            limit = f"max_statement_time = {self._seconds}"
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {limit}")


@lru_cache(SPELLED_KEPT)
def _spelled(name: bytes) -> str:
    """A name in wire format as PowerDNS writes it into its tables."""
    return ".".join(map(_label, _labels(name))) or "."


def _labels(name: bytes) -> Iterable[bytes]:
    at = 0
    while length := name[at]:
        yield name[at + 1 : at + 1 + length]
        at += 1 + length


def _label(label: bytes) -> str:
    if _ORDINARY.fullmatch(label):
        return label.decode()
    return "".join(
        f"\\{chr(octet)}" if octet in b".\\" else chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03}"
        for octet in label
    )


def _type_of(line: str) -> int:
    """The type that a line of `statements.py` is about; 0 if it is none."""
    import dns.exception
    import dns.rdatatype

    head = line.partition("\t")[2].partition("\t")[0]
    try:
        return int(dns.rdatatype.from_text(head.partition(" IN ")[2].strip()))
    except (dns.exception.DNSException, ValueError):
        return 0
