"""Opening a database: the driver, time limits, and what errors mean in words.

Time limits are short because nothing waits for a database: what was read last is being served.
"""

from __future__ import annotations

import math
import socket
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from pippin.source.url import DatabaseError, DatabaseURL

CONNECT_TIMEOUT = 5
"""Seconds."""

LOCK_TIMEOUT = 5
"""Seconds to wait for what somebody else has locked."""

STATEMENT_TIMEOUT = 120
"""Seconds for one statement: a million rows take two or three."""

DEAD_AFTER = 5
"""Seconds after which a connection that nobody answers on counts as cut, also where packets just vanish."""

KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 2, 1, 3
"""The same for a connection on which nothing is under way but an answer that takes its time."""

SORT_MEMORY = "64MB"
"""For PostgreSQL: 100,000 rows sorted by id do not fit into the 4 MB it gives by itself."""

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long anything may take, in seconds, and how many connections there are."""

    lock: float = LOCK_TIMEOUT
    statement: float = STATEMENT_TIMEOUT
    connections: int = 2
    in_transactions: bool = True
    """False: each statement by itself, without the two more messages that a transaction costs."""


def open_engine(url: DatabaseURL, *, write: bool = False, limits: Limits = Limits()) -> Engine:
    """The engine, connected to nothing yet. Sessions only read, unless `write`."""
    scheme = url.scheme
    pool: dict[str, Any] = {"pool_size": limits.connections, "max_overflow": 0}
    if not limits.in_transactions:
        pool |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    try:
        if scheme == "sqlite":
            engine = _sqlite(url.url.removeprefix("sqlite:///"), write, limits.lock, pool)
        else:
            target = make_url(url.url).set(drivername=DRIVERS[scheme])
            options = _postgresql_options(target) if scheme == "postgresql" else _mysql_options(limits)
            engine = sql.create_engine(target, connect_args=options, **pool)
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"{url}: the driver {error.name} is not installed; pip install 'pippin-dns[{scheme}]'"
        ) from None
    except (ArgumentError, ValueError) as error:
        raise DatabaseError(f"{url}: {_without_password(str(error), url)}") from None
    if scheme == "mysql":
        sql.event.listen(engine, "do_connect", _connect_mysql)
        sql.event.listen(engine, "connect", _prepare_mysql_to_write if write else partial(_prepare_mysql, limits))
    elif scheme == "postgresql" and not write:
        sql.event.listen(engine, "connect", partial(_prepare_postgresql, limits))
    return engine


@contextmanager
def session(engine: Engine, url: DatabaseURL) -> Iterator[Connection]:
    """A transaction, for one look at the data; whatever goes wrong in it is a `DatabaseError`."""
    with explained(url), engine.connect() as connection:
        yield connection


@contextmanager
def explained(url: DatabaseURL) -> Iterator[None]:
    """Turn what the driver raises into a `DatabaseError`."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"{url}: {_reason(error.orig or error, url)}") from None
    except (SQLAlchemyError, OSError, UnicodeError) as error:
        raise DatabaseError(f"{url}: {_reason(error, url)}") from None
    except _raw_errors(url) as error:
        raise DatabaseError(f"{url}: {_reason(error, url)}") from None


def _raw_errors(url: DatabaseURL) -> tuple[type[Exception], ...]:
    """What a driver raises by itself, where it is used past SQLAlchemy."""
    if url.scheme == "sqlite":
        return (sqlite3.Error,)
    if url.scheme == "postgresql":
        import psycopg

        return (psycopg.Error,)
    import pymysql

    return (pymysql.MySQLError,)


def _reason(error: BaseException, url: DatabaseURL) -> str:
    """The driver's words on one line, without its error number and without the password."""
    words = error.args[-1] if error.args and isinstance(error.args[-1], str) else str(error)
    first = next((line.strip() for line in words.splitlines() if line.strip()), type(error).__name__)
    return _without_password(first, url)


def _without_password(text: str, url: DatabaseURL) -> str:
    text = text.replace(url.url, str(url))
    try:
        password = make_url(url.url).password
    except ArgumentError:
        return text
    return text.replace(str(password), "***") if password else text


def _postgresql_options(target: URL) -> dict[str, Any]:
    options = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "pippin",
        "client_encoding": "UTF8",
        # A cut network is noticed also by a connection that only waits.
        "keepalives_idle": KEEPALIVE_IDLE,
        "keepalives_interval": KEEPALIVE_INTERVAL,
        "keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": DEAD_AFTER * 1000,
    }
    return {name: value for name, value in options.items() if name not in target.query}


def _mysql_options(limits: Limits) -> dict[str, Any]:
    return {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": limits.statement, "charset": "utf8mb4"}


def _connect_mysql(dialect: Any, record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
    """Over a socket made here: the driver has no option with which a cut network would be noticed in time."""
    if "unix_socket" in options:
        return None
    connection = dialect.loaded_dbapi.connect(*arguments, **options, defer_connect=True)
    try:
        connected = socket.create_connection((connection.host, connection.port), CONNECT_TIMEOUT)
    except OSError as error:
        reason = f"Can't connect to MySQL server on {connection.host!r} ({error})"
        raise dialect.loaded_dbapi.OperationalError(2003, reason) from None
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:  # Linux has all of them, others not
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.connect(connected)
    return connection


_TCP_OPTIONS = {
    "TCP_KEEPIDLE": KEEPALIVE_IDLE,
    "TCP_KEEPINTVL": KEEPALIVE_INTERVAL,
    "TCP_KEEPCNT": KEEPALIVE_COUNT,
    "TCP_USER_TIMEOUT": DEAD_AFTER * 1000,
}


def _prepare_postgresql(limits: Limits, connection: Any, record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{1000 * limits.lock:.0f}ms'")
        cursor.execute(f"SET statement_timeout = '{1000 * limits.statement:.0f}ms'")
        cursor.execute(f"SET work_mem = '{SORT_MEMORY}'")
        cursor.execute("SET default_transaction_read_only = on")
        cursor.execute("SET cursor_tuple_fraction = 1")  # all rows of a cursor are wanted, not the first few soon
    connection.commit()


def _prepare_mysql(limits: Limits, connection: Any, record: object) -> None:
    lock = math.ceil(limits.lock)
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        _take_backslashes_as_escapes(cursor)


def _prepare_mysql_to_write(connection: Any, record: object) -> None:
    with connection.cursor() as cursor:
        _take_backslashes_as_escapes(cursor)


def _take_backslashes_as_escapes(cursor: Any) -> None:
    """As the statements expect it, whatever the server's sql_mode says."""
    cursor.execute("SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')")


def _sqlite(path: str, write: bool, lock: float, pool: dict[str, Any]) -> Engine:
    """SQLite makes a file that is not there; a server that only reads must not."""
    mode = "rwc" if write else "rw"

    def connect() -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"file:{quote(path)}?mode={mode}", uri=True, timeout=lock, check_same_thread=False
            )
        except sqlite3.OperationalError as error:
            raise sqlite3.OperationalError(f"{error} {path}") from None
        connection.create_aggregate("pippin_checksum", -1, _Checksum)  # type: ignore[arg-type]
        connection.text_factory = _text  # what is no UTF-8 shall spoil its own row, not the reading of all
        connection.execute(f"PRAGMA query_only = {'off' if write else 'on'}")
        connection.execute(f"PRAGMA foreign_keys = {'on' if write else 'off'}")
        return connection

    return sql.create_engine("sqlite://", creator=connect, poolclass=sql.pool.QueuePool, **pool)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


class _Checksum:
    """Sums up rows whatever their order. SQLite has no hash function of its own."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *values: object) -> None:
        text = repr(values).encode("utf-8", "surrogateescape")
        self._sum += zlib.crc32(text) << 32 | zlib.adler32(text)

    def finalize(self) -> str:
        return f"{self._sum:x}"
