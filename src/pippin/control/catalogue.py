"""The catalogue: which places are named, what came of each, and what has to be read again.

Everything slow (reading, compiling, looking at files) happens in one thread, one zone after the other, so zones have
one writer and the control process' loop stays free. What was published stays when its source goes wrong: a broken
file, a file that is gone but still named, a folder that cannot be listed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TypeVar

import structlog

from pippin.control import reading
from pippin.control.changes import Changes, Outcome
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

    `progress(done, total, place)` is called after each zone, in the thread. `close` it in the end.
    """

    def __init__(self, store: Store, sources: Callable[[], Iterable[Place]], progress: Progress) -> None:
        self._changes = Changes(store)
        self._sources = sources
        self._progress = progress
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
        self._is_closed = False

    def outcomes(self) -> list[Outcome]:
        """What came of each place when it was last read."""
        return list(self._outcomes.values())

    def served(self) -> list[Outcome]:
        """The places whose zones are served, as they were when they were last published."""
        return list(self._changes.served())

    async def read_first(self) -> None:
        """Read everything, and withdraw what an earlier run left in the store and nothing names any more."""
        await self._locked(self._read_first)

    async def reload(self, zone: str | None = None) -> list[Outcome]:
        """Read what is new or has changed, or one zone whatever its files look like; the outcomes of those read."""
        outcomes = await self._take_events()  # what is known to have changed need not wait for anything else
        if zone is not None:
            origin = _origin(zone)
            done = [outcome for outcome in outcomes if outcome.origin == origin]
            return done or await self._locked(partial(self._reload_one, origin))
        if list(self._sources()) != self._listed:
            outcomes += await self._locked(partial(self._catch_up, set()))
        return outcomes + await self._look(settle=False)

    async def set_marks(self, marks: Marks, *, restore: bool = False) -> list[Problem]:
        """From now on policies answer for these names and types, and for no others.

        The zones whose own marks change are read again, and published together; all others are untouched. Returns
        the errors for which nothing has changed: a new policy where none can be, or a zone that cannot be read at
        this moment. What is no reason to stop is logged. `restore` takes back the last change: then no error is a
        reason, and a zone that cannot be read stays as it is. Before `read_first` the marks are only kept for it.
        """
        return await self._locked(partial(self._set_marks, marks, restore))

    async def watch(self) -> None:
        """Reload what changes, for ever."""
        try:
            self._inotify = Inotify()
        except OSError as error:
            log.warning("changed files are noticed by looking at them only, not at once", reason=error)
            await self._look_from_time_to_time()
        else:
            self._watcher.has_events = True
            await self._locked(reading.get_ready)
            await self._locked(self._listen_to_folders)
            await self._look()  # for what happened before the first folder was listened to
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_from_time_to_time())
                tasks.create_task(self._listen(self._inotify))

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

    async def _locked(self, work: Callable[[], T]) -> T:
        async with self._busy:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the thread

    def _read_first(self) -> None:
        self._read(self._places() or [], quietly=True)
        if not self._is_closed:
            for name in self._changes.withdraw_strangers():
                log.info("zone withdrawn, nothing names it any more", zone=name)
            self._report_misplaced(self._changes.marks)

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
            self._note(self._changes.apply(prepared), outcomes, len(due))
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
        return self._read(sorted(changed - missing, key=str))

    def _catch_up(self, changed: set[Place]) -> list[Outcome]:
        places = self._places()
        if places is None:
            return []
        # What is gone comes first: another place may now serve its zone.
        named = set(places)
        self._withdraw([place for place in self._outcomes if place not in named])
        return self._read([place for place in places if place not in self._outcomes or place in changed])

    def _withdraw(self, places: Iterable[Place]) -> None:
        for place in places:
            self._watcher.forget(place)
            self._outcomes.pop(place, None)
            if (old := self._changes.withdraw(place)) is not None:
                log.info("zone withdrawn, its file is gone", zone=old.zone_name, file=place.path)
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
        self._named = set(sources) - self._folders
        for folder in self._folders:
            self._watcher.follow(folder, ())  # as it looks before it is listed, so that no change is missed
        try:
            places = expand(sources)
        except OSError as error:
            log.error("folder cannot be listed, its zones stay as they are", error=error)
            return None
        if not places:
            names, endings = ", ".join(map(str, sources)), ", ".join(sorted(ZONE_FILE_ENDINGS))
            log.warning("no zones here, all questions are refused", sources=names, zone_files=endings)
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
                    self._note(self._changes.apply(prepared), outcomes, len(due), quietly)
        if self._changes.marks and not quietly:
            for outcome in outcomes:
                self._report_misplaced(self._changes.marks.of(outcome.origin))
        return outcomes

    def _listen_to_folders(self) -> None:
        for folder in self._folders:
            self._listen_to((os.path.join(folder.path, ""),))
        for outcome in self._outcomes.values():
            self._listen_to((outcome.place.path, *(file.path for file in outcome.dependencies)))

    def _listen_to(self, paths: Iterable[str]) -> None:
        if self._inotify is not None:
            for path in paths:
                self._inotify.watch(os.path.dirname(path))

    def _note(self, outcome: Outcome, outcomes: list[Outcome], total: int, quietly: bool = False) -> None:
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
