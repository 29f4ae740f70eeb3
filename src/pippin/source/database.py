"""What a database of zones is to whoever follows it: which zones it has, their records, and which have changed.

Two kinds there are: `source/sql` and `source/redis`. Everything here blocks, and one thread at a time may call. Every
method raises `DatabaseError` and leaves nothing half done: after an error `close` and begin again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import dns.name

from pippin.source.loaded import Loaded
from pippin.source.url import DatabaseError, DatabaseURL
from pippin.zone.problem import Problem

Id = int | str
"""What a database itself knows a zone by."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A zone that the database has, or what is meant to be one. Differs from before if it has to be looked at anew."""

    id: Id
    name: str
    """As Pippin names zones: lower case, without the last dot, `.` for the root."""
    problem: str = ""
    """Why it cannot be a zone."""
    may_be_empty: bool = False
    """Without records it is not meant to be served, and nothing is wrong with that."""
    is_deleted: bool = False
    """The database says that there is no such zone any more."""
    token: str = ""
    """The version, for databases that tell it along with the name."""


@dataclass(frozen=True, slots=True)
class Version:
    """What the records of a domain are like. Equal versions: equal records."""

    records: int
    """-1: not known."""
    is_disabled: bool
    """It is not meant to be served."""
    token: str


NOTHING = Version(0, False, "")


class Database(Protocol):
    """Opens at the first call."""

    url: DatabaseURL

    tells_all: bool
    """After `listen` returned True, every change is told; no look is needed but to be sure."""
    names_deleted: bool
    """Zones that are gone are said to be (`Domain.is_deleted`); one that is merely missing has been lost."""

    def close(self) -> None:
        """Cut all connections. The next call opens them again."""

    def domains(self) -> list[Domain]:
        """All of them. Of two with the same name the second has a problem."""

    def problem_of(self, domain: Domain) -> Problem:
        """`Domain.problem`, with its place."""

    def versions(self, only: Sequence[Id] | None = None) -> dict[Id, Version]:
        """The versions of all domains that have records, or of some, by id."""

    def glances(self) -> Mapping[Id, Hashable]:
        """Something for each domain that differs after nearly every change, as cheaply as it can be had; what is in
        `domains` need not be here too."""

    @property
    def counts_changes(self) -> bool:
        """Whether `domains` and `glances` show every change."""

    def is_quiet(self) -> bool:
        """True: nothing at all has been changed since the last call, which is known for next to nothing."""

    def read(
        self, domains: Iterable[tuple[Domain, str]], *, everything: bool = False
    ) -> Iterator[tuple[Domain, Loaded]]:
        """The records of these domains, each with the token of the version it is to have, in any order.

        `everything`: these are (nearly) all there are.
        """

    def read_changed(self, domain: Domain, image: bytes) -> Loaded | None:
        """The records as they are now: those of the names that the last `take` told of as they are there, all others
        from `image`, which was made of what `read` or this gave before. None: they all have to be read."""

    def listen(self) -> bool:
        """Be told of changes from now on, if the database does that."""

    def fileno(self) -> int:
        """What becomes readable when there is something to `take`; -1 without `listen`."""

    def take(self) -> set[Id] | None:
        """The domains that have changed, and something that is no domain if the list of them has; None: too many to
        be named. Asks the database, so that one that is away is noticed."""


def open_database(url: DatabaseURL) -> Database:
    """Imports the driver, which takes a tenth of a second. `DatabaseError` if there is none, or the URL is wrong."""
    if url.is_redis:
        from pippin.source.redis.database import RedisDatabase

        return RedisDatabase(url)
    from pippin.source.sql.database import SQLDatabase

    return SQLDatabase(url)


def load_zone(url: DatabaseURL, name: str) -> Loaded:
    """One zone by itself, `name` as in `Domain.name`. That it is not there, or cannot be read, is a problem of it."""
    try:
        database = open_database(url)
        try:
            for domain in database.domains():
                if domain.name == name and not domain.problem and not domain.is_deleted:
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
        database = open_database(url)
        try:
            domains = database.domains()
            versions = database.versions()
            for domain in domains:
                if domain.problem:
                    yield "", _nothing(url, database.problem_of(domain))
            wanted = [one for one in domains if not one.problem and not is_hidden(one, versions)]
            for domain, loaded in database.read([(domain, "") for domain in wanted], everything=True):
                yield domain.name, loaded
        finally:
            database.close()
    except DatabaseError as error:
        yield "", _nothing(url, Problem(str(url), 0, 0, str(error).removeprefix(f"{url}: ")))


def is_hidden(domain: Domain, versions: Mapping[Id, Version]) -> bool:
    """Not meant to be served: gone, disabled, or not filled yet."""
    if domain.is_deleted:
        return True
    version = versions.get(domain.id)
    return domain.may_be_empty if version is None else version.is_disabled


def wire(name: str) -> bytes:
    """The name of a domain in wire format."""
    return dns.name.from_text(name, dns.name.root).canonicalize().to_wire() or b""


def _nothing(url: DatabaseURL, problem: Problem) -> Loaded:
    return Loaded(b"", b"", (str(url),), (), (problem,))
