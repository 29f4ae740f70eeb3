"""Following a database: its zones are read when the server starts, and from then on whenever they change.

What blocks is done in a thread of its own, one for each database, so that one that hangs holds up nobody; zones go to
the catalogue read, compiled and checked. While a database is away nothing happens to what is served: the follower
tries again, more and more rarely, and then finds out what it has missed by comparing versions.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Generator, Hashable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from pippin.control.changes import Prepared
from pippin.control.marks import Marks
from pippin.control.places import Place
from pippin.control.splicing import MOST, Bases, splice
from pippin.source.url import DatabaseError, DatabaseURL

if TYPE_CHECKING:
    from pippin.source.database import Database, Domain, Id, Version

log = structlog.get_logger(__name__)
T = TypeVar("T")

FIRST_PAUSE = 0.1
LAST_PAUSE = 2.0
"""Seconds between two attempts to reach a database, doubling from the first to the last."""

SHARE = 0.05
"""Of the time, at most, is a database kept busy with being looked at; looks become rarer where they take longer."""

FULL_LOOK = 30.0
"""Seconds between two looks at all rows, for changes that left serial and number of records as they were."""

RARE_FULL_LOOK = 300.0
"""The same where the database tells of every change: in case somebody has switched that off."""

HEARTBEAT = 2.0
"""Seconds after which a database that has had nothing to tell is asked whether it is there. What is answered is also
how exactly it is known since when a node is behind."""

STEP = 0.1
"""Seconds of reading after which zones are handed over to be published."""

MASS = 10
"""Domains that vanish at once, all there were, by mistake rather than meant to: they stay until there is one again."""

LARGE = MOST
"""Records of a zone that is read by a process of its own: its heap goes away with it."""


class Zones(Protocol):
    """What a follower needs of the catalogue. Zones are published one after the other, whoever asks."""

    @property
    def seed(self) -> int: ...

    @property
    def marks(self) -> Marks: ...

    async def serve_stored(self, database: Place) -> dict[Place, str]:
        """Serve what the store holds from this database; the versions."""

    async def publish(self, ready: list[Prepared], marks: Marks, total: int, *, quietly: bool) -> list[Place]:
        """Publish or reject; returns those that have to be prepared again because policies changed meanwhile."""

    async def withdraw(self, places: Iterable[Place]) -> None:
        """Stop serving these."""

    async def image(self, place: Place) -> bytes | None:
        """What is served from here, a copy; None if nothing is."""


class Follower:
    """One database. `first`, and then `follow` until it is cancelled; `close` in the end."""

    def __init__(self, place: Place, zones: Zones) -> None:
        assert place.database is not None
        self.place = place
        self._url: DatabaseURL = place.database
        self._zones = zones
        self._thread = _Thread(f"database {place}")
        self._busy = asyncio.Lock()
        self._database: Database | None = None
        self._is_open = False
        self._listens = False
        self._news = asyncio.Event()
        self._watched: Watched | None = None
        self._domains: dict[Id, Domain] = {}
        self._tokens: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._bases = Bases()
        self._glances: Mapping[Id, Hashable] = {}
        self._missing: list[str] = []
        self._unservable: set[str] = set()
        self._look_seconds = 0.0
        self._look_due = 0.0
        self._next_full_look = 0.0
        self._full_look_due = True
        self._since = self._contact = time.time()
        self._last_change: float | None = None
        self._error = ""
        self._is_first = True

    # ---- for the catalogue

    async def first(self) -> None:
        """Serve what the store holds, then what the database says, if it can be reached."""
        stored = await self._zones.serve_stored(self.place)
        self._tokens = {str(place.origin): token for place, token in stored.items()}
        await self.catch_up()

    async def catch_up(self) -> None:
        """Find out about every change now. That the database is away is noted, and no exception."""
        async with self._busy:
            await self._guarded(self._look_at_all if self._is_open else self._open)

    async def follow(self) -> None:
        """For ever: open what is not open, wait for changes, read them."""
        pause = FIRST_PAUSE
        while True:
            if not self._is_open:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE)
            else:
                pause = FIRST_PAUSE
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._patience()):
                        await self._news.wait()
            async with self._busy:
                await self._guarded(self._act if self._is_open else self._open)

    def status(self) -> dict[str, Any]:
        """For `pippin status`. `behind_since` is when the database was last known to have nothing that is not here."""
        following = "notifications" if self._listens else f"looking every {self._interval():.3g} s"
        return {
            "source": str(self.place),
            "state": "connected" if self._is_open else "away",
            "since": self._since,
            "behind_since": None if self._is_open else self._contact,
            "last_change": self._last_change,
            "following": following if self._is_open else "",
            "zones": len(self._tokens),
            "missing": len(self._missing),
            "error": self._error,
        }

    @property
    def error(self) -> str:
        """Why the database cannot be read; empty: it can."""
        return self._error

    def served(self) -> list[Place]:
        """The places of all its zones, served or not."""
        return [self._place(name) for name in self._tokens]

    def close(self) -> None:
        """Give up whatever is under way. A thread that hangs in a call is left behind; it ends with the process."""
        self._unwatch()
        if self._database is not None:
            self._thread.submit(self._database.close)
        self._thread.end()

    # ---- connected or not

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except DatabaseError as error:
            await self._lost(str(error))
        else:
            self._contact = time.time()

    async def _lost(self, error: str) -> None:
        if self._is_open or not self._error:
            self._since = time.time()
            reason = error.removeprefix(f"{self.place}: ")
            log.error("database is away, its zones stay as they are", database=str(self.place), reason=reason)
        self._error = error
        self._is_open = False
        self._bases.clear()
        self._unwatch()
        if self._database is not None:
            with suppress(DatabaseError):  # it is given up anyway
                await self._in_thread(self._database.close)

    async def _open(self) -> None:
        if self._database is None:
            self._database = await self._in_thread(partial(_open, self._url))
        self._listens = await self._in_thread(self._database.listen)
        await self._look_at_all()
        self._watch()
        self._is_open = True
        self._since = time.time()
        if self._error or self._is_first:
            following = "notifications" if self._listens else "polling"
            log.info("database connected", database=str(self.place), zones=len(self._tokens), changes=following)
        self._error = ""
        self._is_first = False

    # ---- waiting

    def _interval(self) -> float:
        return max(self._url.interval, self._look_seconds / SHARE)

    def _patience(self) -> float:
        """Seconds to wait for news before there is something to do without."""
        return HEARTBEAT if self._listens else self._interval()

    def _watch(self) -> None:
        """There is news, or the connection has been cut: either way it is read in the thread, not here."""
        self._unwatch()
        number = self._database.fileno() if self._database is not None else -1
        if number >= 0:
            self._watched = Watched(number, self._news.set)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._watched.end()
            self._watched = None

    # ---- what has changed

    async def _act(self) -> None:
        """Something was told, or time has passed."""
        assert self._database is not None
        self._news.clear()
        if self._listens:
            changed = await self._in_thread(self._database.take)
            self._watch()
            if changed is None:
                await self._look_at_all()
            elif changed:
                await self._read_told(changed)
            elif self._database.tells_all and time.monotonic() >= self._next_full_look:
                await self._look_at_all(trusting=True)
            if not self._database.tells_all and time.monotonic() >= self._look_due:
                await self._look()
        elif not await self._in_thread(self._database.is_quiet):
            self._full_look_due = True
            await self._look()
        elif self._full_look_due and time.monotonic() >= self._next_full_look:
            await self._look_at_all()

    async def _look(self) -> None:
        """Compare what is cheap to compare, and from time to time everything."""
        assert self._database is not None
        if time.monotonic() >= self._next_full_look:
            await self._look_at_all()
            return
        began = time.monotonic()
        domains = await self._in_thread(self._database.domains)
        glances = await self._in_thread(self._database.glances)
        self._has_looked(began)
        before, self._glances = self._glances, glances
        changed = {number for number in glances.keys() | before.keys() if glances.get(number) != before.get(number)}
        changed |= {domain.id for domain in domains} ^ self._domains.keys()
        changed |= {domain.id for domain in domains if self._domains.get(domain.id) != domain}
        if changed:
            versions = await self._in_thread(partial(self._database.versions, list(changed)))
            await self._match(domains, versions, changed)

    def _has_looked(self, began: float) -> None:
        now = time.monotonic()
        self._look_seconds = now - began
        self._look_due = now + max(HEARTBEAT, self._look_seconds / SHARE)

    async def _look_at_all(self, *, trusting: bool = False) -> None:
        """Compare the versions of all zones with those that were read.

        Of a zone that was read because the database told of a change the version is not known. `trusting`: since
        then it would have told of another one.
        """
        assert self._database is not None
        began = time.monotonic()
        if not self._listens:
            await self._in_thread(self._database.is_quiet)  # what is committed from here on is another change
            self._glances = await self._in_thread(self._database.glances)
        domains = await self._in_thread(self._database.domains)
        if not self._database.tells_all:
            self._has_looked(began)
        versions = await self._in_thread(self._database.versions)
        now = time.monotonic()
        least = RARE_FULL_LOOK if self._listens or self._database.counts_changes else FULL_LOOK
        self._next_full_look = now + max(least, (now - began) / SHARE)
        self._full_look_due = False
        if trusting:
            for domain in domains:
                if self._tokens.get(domain.name) == "" and domain.id in versions:
                    self._tokens[domain.name] = versions[domain.id].token
        await self._match(domains, versions, None)

    async def _read_told(self, told: set[Id]) -> None:
        """Read what the database has told of, whatever its version: of some that would take longer to find out."""
        from pippin.source.database import Version

        assert self._database is not None
        if self._database.tells_all and told <= self._domains.keys():
            told = {number for number in told if not await self._splice(self._domains[number])}
            if not told:
                return
        versions: dict[Id, Version] = {}
        if not self._database.tells_all:
            versions = await self._in_thread(partial(self._database.versions, list(told)))
        changed, domains = set(told), list(self._domains.values())
        if not told <= self._domains.keys() or not (self._database.tells_all or told <= versions.keys()):
            domains = await self._in_thread(self._database.domains)
            changed |= {domain.id for domain in domains} ^ self._domains.keys()
            changed |= {domain.id for domain in domains if self._domains.get(domain.id) != domain}
            if not self._database.tells_all and changed - told:
                versions |= await self._in_thread(partial(self._database.versions, list(changed - told)))
        if self._database.tells_all:
            versions = {number: Version(-1, False, "") for number in changed}
        await self._match(domains, versions, changed, told)

    async def _splice(self, domain: Domain) -> bool:
        """Read what has changed of one zone and nothing else, if that can be; whether it could."""
        assert self._database is not None
        if domain.problem or not self._bases.may_be(domain.name):
            return False
        marks, place = self._zones.marks, self._place(domain.name)
        image = await self._zones.image(place)
        if image is None or not self._bases.is_base(domain.name, image):
            return False
        work = partial(splice, self._database, domain, place, image, self._zones.seed, marks)
        prepared = await self._in_thread(work)
        return prepared is not None and not await self._publish([(domain, "", prepared)], marks, 1)

    async def _match(
        self,
        domains: list[Domain],
        versions: dict[Id, Version],
        only: set[Id] | None,
        told: Collection[Id] = (),
    ) -> None:
        """Withdraw what is gone or disabled, read what is new, has another version or was told of.

        `only`: these domains; nothing is known of the others.
        """
        from pippin.source.database import is_hidden

        assert self._database is not None
        lists_deleted = self._database.names_deleted
        if not lists_deleted and not domains and len(self._tokens) >= MASS:
            raise DatabaseError(f"{self.place}: all {len(self._tokens)} domains are gone at once, as in a restore")
        self._domains = {domain.id: domain for domain in domains}
        wanted: set[str] = set()
        deleted: set[str] = set()
        unservable: set[str] = set()
        due: list[tuple[Domain, str]] = []
        wrong: list[Prepared] = []
        for domain in domains:
            version = versions.get(domain.id)
            if domain.problem:
                name = f"{domain.name}#{domain.id}"
                wanted.add(name)
                unservable.add(name)
                if self._tokens.get(name) != domain.problem:
                    self._tokens[name] = domain.problem
                    problem = self._database.problem_of(domain)
                    wrong.append(Prepared(self._place(name), b"", None, 0, 0, (problem,), ()))
                continue
            if domain.is_deleted:
                deleted.add(domain.name)
                continue
            if only is not None and domain.id not in only:
                wanted.add(domain.name)
                continue
            if is_hidden(domain, versions):
                deleted.add(domain.name)
                continue
            wanted.add(domain.name)
            token = version.token if version is not None else f"{domain.id}.0"
            if version is not None and version.records >= 0:
                self._sizes[domain.name] = version.records
            if token == "" or domain.id in told or self._tokens.get(domain.name) != token:
                due.append((domain, token))
        gone = [name for name in self._tokens if name not in wanted]
        if lists_deleted:
            lost = {name for name in gone if name not in deleted and name not in self._unservable}
            self._miss(sorted(lost))
            gone = [name for name in gone if name not in lost]
        if gone:
            for name in gone:
                del self._tokens[name]
            await self._zones.withdraw([self._place(name) for name in gone])
            self._last_change = time.time()
        self._unservable = unservable
        total = len(due) + len(wrong)
        if wrong:
            await self._zones.publish(wrong, self._zones.marks, total, quietly=self._is_first)
        await self._read(due, total)

    def _miss(self, missing: list[str]) -> None:
        """What somebody has lost rather than deleted is served on, and that is said."""
        if len(missing) > len(self._missing):
            log.error(
                "zones are missing in the database, as after a flush; they stay as they are",
                database=str(self.place),
                missing=len(missing),
                first=missing[0],
            )
        self._missing = missing

    async def _read(self, due: list[tuple[Domain, str]], total: int) -> None:
        """Read, prepare, publish; what policies have changed under is prepared again."""
        while due:
            marks = self._zones.marks
            large = [(domain, token) for domain, token in due if self._sizes.get(domain.name, 0) >= LARGE]
            again: set[Place] = set()
            for domain, token in large:
                again.update(await self._publish([(domain, token, await self._apart(domain, marks))], marks, total))
            small = [one for one in due if one not in large] if large else due
            zones = self._small_ones(small, marks)
            try:
                while ready := await self._in_thread(partial(_some, zones)):
                    again.update(await self._publish(ready, marks, total))
            finally:
                self._thread.submit(zones.close)  # ends its transaction, before anything else there
            due = [(domain, token) for domain, token in due if self._place(domain.name) in again]

    def _small_ones(self, due: list[tuple[Domain, str]], marks: Marks) -> _Ready:
        """In the thread."""
        from pippin.control.prepare import prepare_loaded

        if not due:
            return
        assert self._database is not None
        most = len(due) * 4 > len(self._domains) > 1
        tokens = {domain.id: token for domain, token in due}
        for domain, loaded in self._database.read(due, everything=most):
            place = self._place(domain.name)
            yield domain, tokens[domain.id], prepare_loaded(place, loaded, self._zones.seed, marks=marks)

    async def _apart(self, domain: Domain, marks: Marks) -> Prepared:
        from pippin.control.apart import prepare_apart

        return await self._in_thread(partial(prepare_apart, self._place(domain.name), self._zones.seed, marks))

    async def _publish(self, ready: list[tuple[Domain, str, Prepared]], marks: Marks, total: int) -> list[Place]:
        from pippin.source.database import is_hidden

        told = [domain.id for domain, token, prepared in ready if not token and prepared.image is None]
        if told:  # nobody has looked yet whether it is meant to be served at all
            assert self._database is not None
            versions = await self._in_thread(partial(self._database.versions, told))
            hidden = [domain for domain, token, _ in ready if not token and is_hidden(domain, versions)]
            for domain in hidden:
                self._tokens.pop(domain.name, None)
            await self._zones.withdraw([self._place(domain.name) for domain in hidden])
            ready = [one for one in ready if one[0] not in hidden]
        for domain, token, prepared in ready:
            self._tokens[domain.name] = token
            self._bases.note(domain.name, prepared)
            if prepared.image is not None:
                self._sizes[domain.name] = prepared.records
        self._last_change = time.time()
        return await self._zones.publish(
            [prepared for _, _, prepared in ready], marks, total, quietly=self._is_first
        )

    def _place(self, name: str) -> Place:
        return Place(self.place.path, name, self._url)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(work))


_Ready = Generator[tuple["Domain", str, Prepared], None, None]


def _open(url: DatabaseURL) -> Database:
    from pippin.source.database import open_database  # drivers take a tenth of a second to import

    return open_database(url)


def _some(zones: _Ready) -> list[tuple[Domain, str, Prepared]]:
    """As many as come in `STEP` seconds, at least one; none: those were all."""
    end = time.monotonic() + STEP
    ready = []
    for one in zones:
        ready.append(one)
        if time.monotonic() >= end:
            break
    return ready


class Watched:
    """Calls `readable` once when there is something to read from a file, or its other end is gone. `end` it.

    It has a descriptor of its own: the driver may close its one at any time, in its thread, and the number be that of
    another file before this loop hears of it.
    """

    def __init__(self, number: int, readable: Callable[[], None]) -> None:
        self._readable = readable
        self._loop = asyncio.get_running_loop()
        self._number = os.dup(number)
        self._loop.add_reader(self._number, self._on_readable)

    def _on_readable(self) -> None:
        self.end()
        self._readable()

    def end(self) -> None:
        if self._number >= 0:
            self._loop.remove_reader(self._number)
            os.close(self._number)
            self._number = -1


class _Thread:
    """One thread that does what it is given in order. It does not hold up the end of the process, as executors do."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((future, work))
        return future

    def end(self) -> None:
        self._work.put(None)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, work = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the result
                future.set_exception(error)
            else:
                future.set_result(result)
