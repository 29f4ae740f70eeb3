"""The catalogue: which places are named, what came of each, and what has to be read again.

Everything slow (reading, compiling, looking at files) happens in one thread, one zone after the other, so zones have
one writer and the control process' loop stays free. What was published stays when its source goes wrong: a broken
file, a file that is gone but still named, a folder that cannot be listed.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import structlog

from pippin.control import reading
from pippin.control.changes import Changes, Outcome, Prepared
from pippin.control.following import Follower
from pippin.control.inotify import Inotify, Lost
from pippin.control.marks import Mark, Marks
from pippin.control.places import ZONE_FILE_ENDINGS, Place, expand, is_zone_file
from pippin.control.watch import SETTLE, Watcher
from pippin.store import Store
from pippin.zone.problem import Problem, Severity

log = structlog.get_logger(__name__)
T = TypeVar("T")

PROBLEMS_LOGGED = 20
"""Of one zone at a time; `pippin check` shows all."""

Progress = Callable[[int, int, Place], None]


class Catalogue:
    """The zones of one server. `sources` gives the places named just now; folders are listed here.

    `progress(done, total, place)` is called after each zone, in the thread. `is_alone`: what is in no zone here is
    refused. `close` it in the end.
    """

    def __init__(
        self,
        store: Store,
        sources: Callable[[], Iterable[Place]],
        progress: Progress,
        *,
        is_alone: bool = True,
    ) -> None:
        self._changes = Changes(store)
        self._sources = sources
        self._progress = progress
        self._is_alone = is_alone
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="zones")
        self._busy = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._watcher = Watcher()
        self._outcomes: dict[Place, Outcome] = {}
        self._folders: set[Place] = set()
        self._inotify: Inotify | None = None
        self._gone: dict[str, float] = {}
        self._listed: list[Place] = []
        self._named: set[Place] = set()
        self._misplaced: dict[Mark, Problem] = {}
        self._followers: dict[Place, Follower] = {}
        self._tasks: dict[Place, asyncio.Task[None]] | None = None
        self._group: asyncio.TaskGroup
        self._heard: list[Outcome] | None = None
        self._beaten: set[Place] = set()
        self._is_closed = False
        self._changes.rank = self._rank

    def outcomes(self) -> list[Outcome]:
        """What came of each place when it was last read."""
        return list(self._outcomes.values())

    def served(self) -> list[Outcome]:
        """The places whose zones are served, as they were when they were last published."""
        return list(self._changes.served())

    def state_of(self, outcome: Outcome) -> str:
        """How its zone fares: `ok`, `old version served`, `another source` serves it, `not ready` (SERVFAIL)."""
        if outcome.published:
            return "ok"
        if outcome.place in self._beaten:
            return "another source"
        if outcome.records:
            return "old version served"
        return "not ready" if self._changes.is_not_ready(outcome.origin) else "not served"

    async def read_first(self) -> None:
        """Read everything, and withdraw what an earlier run left in the store and nothing names any more."""
        await self._locked(self._read_first)
        await self._ask_databases()
        if not self._is_closed:
            await self._locked(self._withdraw_strangers)

    async def reload(self, zone: str | None = None) -> list[Outcome]:
        """Read what is new or has changed, or one zone whatever its files look like; the outcomes of those read."""
        outcomes = await self._take_events()  # what is known to have changed need not wait for anything else
        if zone is not None:
            origin = _origin(zone)
            done = [outcome for outcome in outcomes if outcome.origin == origin]
            done = done or await self._locked(partial(self._reload_one, origin))
            return done or [outcome for outcome in await self._ask_databases() if outcome.origin == origin]
        if list(self._sources()) != self._listed:
            outcomes += await self._locked(partial(self._catch_up, set()))
        outcomes += await self._look(settle=False)
        return outcomes + await self._ask_databases()

    async def set_marks(self, marks: Marks, *, restore: bool = False) -> list[Problem]:
        """From now on policies answer for these names and types, and for no others.

        The zones whose own marks change are read again, and published together; all others are untouched. Returns
        the errors for which nothing has changed: a new policy where none can be, or a zone that cannot be read at
        this moment. What is no reason to stop is logged. `restore` takes back the last change: then no error is a
        reason, and a zone that cannot be read stays as it is. Before `read_first` the marks are only kept for it.
        """
        return await self._locked(partial(self._set_marks, marks, restore))

    # ---- databases

    async def follow(self) -> None:
        """Reload what changes in databases, for ever."""
        self._tasks = {}
        try:
            async with asyncio.TaskGroup() as tasks:
                self._group = tasks
                self._start_following()
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def _start_following(self) -> None:
        if self._tasks is not None:
            for place, follower in self._followers.items():
                if place not in self._tasks:
                    self._tasks[place] = self._group.create_task(follower.follow())

    def databases(self) -> list[dict[str, Any]]:
        """The state of each database (`Follower.status`), and how many of its zones are not served as there."""
        rejected = Counter(known.place.path for known in self._outcomes.values() if not known.published)
        return [
            {**follower.status(), "rejected": rejected[place.path]} for place, follower in self._followers.items()
        ]

    async def _ask_databases(self) -> list[Outcome]:
        """Read what has changed in databases, and meet those that are new in the configuration."""
        known = set(self._followers)
        heard: list[Outcome] = []
        self._heard = heard
        try:
            await self._meet_databases()
            for place, follower in list(self._followers.items()):
                if place in known:
                    await follower.catch_up()
        finally:
            self._heard = None
        return heard

    async def _meet_databases(self) -> None:
        """Have a follower for each database that is named, and none for others."""
        named = {place for place in self._listed if place.is_whole_database}
        for place in [place for place in self._followers if place not in named]:
            follower = self._followers.pop(place)
            if self._tasks is not None and place in self._tasks:
                self._tasks.pop(place).cancel()
            follower.close()
            await self.withdraw(follower.served())
        for place in [place for place in self._listed if place in named and place not in self._followers]:
            self._followers[place] = Follower(place, self)
            await self._followers[place].first()
        self._start_following()

    @property
    def seed(self) -> int:
        return self._changes.seed

    @property
    def marks(self) -> Marks:
        return self._changes.marks

    async def serve_stored(self, database: Place) -> dict[Place, str]:
        """Serve what an earlier run left in the store from this database; the zones and their versions."""
        return await self._locked(partial(self._serve_stored, database))

    async def publish(self, ready: list[Prepared], marks: Marks, total: int, *, quietly: bool) -> list[Place]:
        """Publish or reject; returns those that have to be prepared again because policies changed meanwhile."""
        return await self._locked(partial(self._publish, ready, marks, total, quietly))

    async def withdraw(self, places: Iterable[Place]) -> None:
        """Stop serving what came from these; whoever else has one of the zones may serve it now."""
        await self._locked(partial(self._withdraw_and_succeed, list(places)))

    async def image(self, place: Place) -> bytes | None:
        """A copy of what is served from there; None if nothing is."""
        return await self._locked(partial(self._changes.image, place))

    def listen(self) -> None:
        """Have the kernel note what happens to files, for `watch`. Before `read_first`, so that nothing is missed."""
        try:
            self._inotify = Inotify()
        except OSError as error:
            log.warning("changed files are noticed by looking at them only, not at once", reason=error)

    async def watch(self) -> None:
        """Reload what changes, for ever."""
        if self._inotify is None:
            await self._look_from_time_to_time()
        else:
            self._watcher.has_events = True
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(self._inotify))
                await self._locked(reading.get_ready)
                await self._look()  # for what happened to a file after it was read, before its folder was listened to
                tasks.create_task(self._look_from_time_to_time())

    async def _look_from_time_to_time(self) -> None:
        while True:
            await asyncio.sleep(self._watcher.interval)
            await self._look()

    async def _look(self, *, settle: bool = True) -> list[Outcome]:
        """Look at all files, a slice at a time, so that what inotify tells meanwhile does not wait."""
        outcomes = []
        async with self._looking:
            for paths in self._watcher.slices():
                outcomes += await self._locked(partial(self._reload_changed, paths, settle))
        return outcomes

    async def _listen(self, inotify: Inotify) -> None:
        while True:
            await inotify.wait(SETTLE if self._gone else None)
            await self._take_events()

    async def _take_events(self) -> list[Outcome]:
        """Act on what inotify has told; on files that are gone only after `SETTLE`: editors put new ones there."""
        if self._inotify is None:
            return []
        now = asyncio.get_running_loop().time()
        try:
            news = self._inotify.take()
        except Lost:
            return await self._look()
        here = {path for path in news if os.path.lexists(path)}
        for path in here:
            self._gone.pop(path, None)
        for path in news - here:
            self._gone.setdefault(path, now + SETTLE)
        here.update(path for path, due in self._gone.items() if due <= now)
        for path in here:
            self._gone.pop(path, None)
        return await self._locked(partial(self._reload_files, here)) if here else []

    def close(self) -> None:
        """Stop after the zone that is being read just now, or at once if that is a large one."""
        self._is_closed = True
        reading.stop()
        self._thread.shutdown(cancel_futures=True)
        if self._inotify is not None:
            self._inotify.close()
        for follower in self._followers.values():
            follower.close()

    async def _locked(self, work: Callable[[], T]) -> T:
        async with self._busy:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the thread

    def _read_first(self) -> None:
        self._read(self._places() or [], quietly=True)

    def _withdraw_strangers(self) -> None:
        for name in self._changes.withdraw_strangers():
            log.info("zone withdrawn, nothing names it any more", zone=name)
        self._report_misplaced(self._changes.marks)

    def _serve_stored(self, database: Place) -> dict[Place, str]:
        stored = self._changes.stored(database)
        current = {}
        for place, version in stored.items():
            if self._changes.keep(place) is not None:
                current[place] = version
        for outcome in self._changes.served():
            if outcome.place in stored:
                self._outcomes[outcome.place] = outcome
        return {place: current.get(place, "") for place in stored if place in self._outcomes}

    def _publish(self, ready: list[Prepared], marks: Marks, total: int, quietly: bool) -> list[Place]:
        if marks is not self._changes.marks:
            return [prepared.place for prepared in ready]
        outcomes = [] if self._heard is None else self._heard
        for prepared in ready:
            if not self._is_closed:
                self._note(self._apply(prepared), outcomes, total, quietly)
                if self._changes.marks and not quietly:
                    self._report_misplaced(self._changes.marks.of(prepared.origin))
        return []

    def _withdraw_and_succeed(self, places: list[Place]) -> None:
        self._withdraw(places)
        self._read(self._successors())

    def _apply(self, prepared: Prepared) -> Outcome:
        """Publish, or not; a place that has the same zone and is listed later serves it no more."""
        before = self._changes.owner(prepared.origin)
        outcome = self._changes.apply(prepared)
        now = self._changes.owner(prepared.origin)
        if now is not None and now != prepared.place:
            self._beaten.add(prepared.place)
        else:
            self._beaten.discard(prepared.place)
        if before is not None and now != before and before in self._outcomes:
            self._beaten.add(before)
            what = f"zone {outcome.zone_name} is served from {now} now; the first one listed wins"
            problem = Problem(before.path, 0, 0, what)
            _report_problem(problem)
            old = self._outcomes[before]
            self._outcomes[before] = replace(
                old, published=False, serial=0, records=0, since=0.0, problems=(*old.problems, problem)
            )
        return outcome

    def _successors(self) -> list[Place]:
        """The places whose zone was served from another one that has it no more."""
        return sorted(
            (
                place
                for place in self._beaten
                if place in self._outcomes and self._changes.owner(self._outcomes[place].origin) is None
            ),
            key=self._rank,
        )

    def _rank(self, place: Place) -> int:
        """The position of its source among those named."""
        for number, source in enumerate(self._listed):
            if source == place or (place.database is not None and source.database == place.database):
                return number
            if source in self._folders and _path_in(source.path) == os.path.dirname(place.path):
                return number
        return len(self._listed)

    def _set_marks(self, marks: Marks, restore: bool) -> list[Problem]:
        if not self._outcomes:
            self._changes.marks = marks
            return []
        changed = marks.changed(self._changes.marks)
        due = [place for place, known in self._outcomes.items() if known.origin in changed]
        misplaced = self._changes.misplaced(marks)
        problems = [problem for mark, problem in misplaced.items() if problem != self._misplaced.get(mark)]
        with closing(reading.prepare_all(due, self._changes.seed, marks)) as zones:
            ready = list(zones)
        served = self._changes.places()
        for prepared in ready:
            if prepared.image is None and prepared.place in served:
                problems += prepared.problems
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        if (errors and not restore) or self._is_closed:
            return errors
        self._changes.marks = marks
        self._misplaced = {mark: problem for mark, problem in self._misplaced.items() if mark in misplaced}
        outcomes: list[Outcome] = []
        for prepared in ready:
            self._note(self._apply(prepared), outcomes, len(due))
        self._report_misplaced(marks)
        return []

    def _report_misplaced(self, marks: Iterable[Mark]) -> None:
        """Say which policies answer nobody, each once for as long as it is so."""
        found = self._changes.misplaced(marks)
        for mark in marks:
            known, problem = self._misplaced.pop(mark, None), found.get(mark)
            if problem is not None:
                self._misplaced[mark] = problem
                if problem != known:
                    _report_problem(problem)

    def _reload_one(self, origin: bytes) -> list[Outcome]:
        if due := [place for place, known in self._outcomes.items() if known.origin == origin]:
            return self._read(due)
        return [outcome for outcome in self._catch_up(set()) if outcome.origin == origin]  # it may be new

    def _reload_changed(self, paths: list[str], settle: bool) -> list[Outcome]:
        return self._act_on(set(self._watcher.changed(paths, settle=settle)))

    def _reload_files(self, paths: set[str]) -> list[Outcome]:
        """Read or withdraw what was made of these files, or appeared with them: at no cost for all other zones."""
        folders = {_path_in(folder.path): folder for folder in self._folders}
        for folder in {os.path.dirname(path) for path in paths} & folders.keys():
            self._watcher.follow(
                folders[folder], ()
            )  # it has changed too, and this is what there is to do about it
        due: set[Place] = set()
        for path in sorted(paths):
            due |= self._watcher.places_of(path)
            if os.path.dirname(path) in folders and is_zone_file(path) and Place(path) not in self._outcomes:
                due.add(Place(path))
        return self._act_on(due - self._folders)

    def _act_on(self, changed: set[Place]) -> list[Outcome]:
        """Read these places again, or withdraw what came from them; a folder is listed."""
        if changed & self._folders:
            return self._catch_up(changed)
        missing = {place for place in changed - self._named if not os.path.exists(place.path)}
        # Where a whole folder has vanished something is wrong: its zones stay.
        self._withdraw(place for place in missing if os.path.isdir(os.path.dirname(place.path) or "."))
        due = sorted(changed - missing, key=str)
        return self._read([*due, *(place for place in self._successors() if place not in due)])

    def _catch_up(self, changed: set[Place]) -> list[Outcome]:
        places = self._places()
        if places is None:
            return []
        # What is gone comes first: another place may now serve its zone.
        named = set(places)
        self._withdraw([place for place in self._outcomes if place not in named and place.database is None])
        due = [place for place in places if place not in self._outcomes or place in changed]
        return self._read([*due, *(place for place in self._successors() if place not in due)])

    def _withdraw(self, places: Iterable[Place]) -> None:
        for place in places:
            self._watcher.forget(place)
            self._outcomes.pop(place, None)
            self._beaten.discard(place)
            if (old := self._changes.withdraw(place)) is not None:
                why = "it is not in the database any more" if place.database else "its file is gone"
                log.info(f"zone withdrawn, {why}", zone=old.zone_name, source=str(place.path))
                self._report_misplaced(self._changes.marks.of(old.origin))

    def _places(self) -> list[Place] | None:
        """What there is to serve; None if a folder that was there is not: its zones stay until it is back."""
        sources = self._listed = list(self._sources())
        for place in sources:
            if place in self._folders and not os.path.isdir(place.path):
                log.error("folder is gone, its zones stay as they are", folder=place.path)
                self._watcher.follow(place, ())  # as it is now, to notice when it is back
                return None
        self._folders = {place for place in sources if os.path.isdir(place.path)}
        files = [place for place in sources if place.database is None]
        self._named = set(files) - self._folders
        for folder in self._folders:  # before it is listed, so that no change is missed
            self._listen_to((os.path.join(folder.path, ""),))
            self._watcher.follow(folder, ())
        try:
            places = expand(files)
        except OSError as error:
            log.error("folder cannot be listed, its zones stay as they are", error=error)
            return None
        if not places and len(files) == len(sources) and (sources or self._is_alone):
            names, endings = ", ".join(map(str, sources)), ", ".join(sorted(ZONE_FILE_ENDINGS))
            refused = ", all questions are refused" if self._is_alone else ""
            log.warning(f"no zones here{refused}", sources=names, zone_files=endings)
        return places

    def _read(self, due: list[Place], quietly: bool = False) -> list[Outcome]:
        outcomes: list[Outcome] = []
        to_read = []
        for place in due:
            kept = self._changes.keep(place)
            if kept is None:
                to_read.append(place)
            else:
                self._note(kept, outcomes, len(due), quietly)
        with closing(reading.prepare_all(to_read, self._changes.seed, self._changes.marks)) as zones:
            while not self._is_closed and (prepared := next(zones, None)) is not None:
                if not self._is_closed:  # else reading may have been cut off, which is nothing to report
                    self._note(self._apply(prepared), outcomes, len(due), quietly)
        if self._changes.marks and not quietly:
            for outcome in outcomes:
                self._report_misplaced(self._changes.marks.of(outcome.origin))
        return outcomes

    def _listen_to(self, paths: Iterable[str]) -> None:
        if self._inotify is not None:
            for folder in {os.path.dirname(path) for path in paths}:
                self._inotify.watch(folder)

    def _note(self, outcome: Outcome, outcomes: list[Outcome], total: int, quietly: bool = False) -> None:
        if outcome.place.database is None:
            self._watcher.follow(outcome.place, outcome.dependencies)
            self._listen_to((outcome.place.path, *(file.path for file in outcome.dependencies)))
        self._outcomes[outcome.place] = outcome
        outcomes.append(outcome)
        _report(outcome, quietly)
        self._progress(len(outcomes), total, outcome.place)


def _origin(zone: str) -> bytes:
    """Lower-case wire format of what somebody typed; b"-" if that is no name, and no zone either."""
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(zone).canonicalize().to_wire() or b"-"
    except dns.exception.DNSException:
        return b"-"


def _path_in(folder: str) -> str:
    """What the paths of the files in a folder begin with."""
    return os.path.dirname(os.path.join(folder, "x"))


def _report_problem(problem: Problem) -> None:
    (log.error if problem.severity is Severity.ERROR else log.warning)(f"{problem.place}: {problem.message}")


def _report(outcome: Outcome, quietly: bool) -> None:
    """Say what came of a zone; `quietly`: not what went well, the start says that in one go."""
    for problem in outcome.problems[:PROBLEMS_LOGGED]:
        _report_problem(problem)
    if len(outcome.problems) > PROBLEMS_LOGGED:
        log.warning("more problems, `pippin check` shows all", more=len(outcome.problems) - PROBLEMS_LOGGED)
    if outcome.published and outcome.warned and quietly:
        return
    name, file = outcome.zone_name, outcome.place.path
    if not outcome.warned:
        log.info("large zone, only errors were looked for; `pippin check` shows warnings too", zone=name)
    if not outcome.published and outcome.records:
        log.error("zone not changed, the old one stays", zone=name, file=file, serial=outcome.serial)
    elif not outcome.published:
        log.error("zone not served", zone=name, file=file)
    elif not quietly:
        log.info("zone published", zone=name, serial=outcome.serial, records=outcome.records)
