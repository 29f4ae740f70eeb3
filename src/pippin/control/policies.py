"""The life of policy files: one generation of them at a time, from files to workers that answer by them.

A generation is what the files said when a checker imported them: policies, targets, and a health table of their own.
A new one is built up beside the old one, step by step: a new checker imports the files; the states of targets it knows
are copied, so that nothing flaps; the zones learn which names policies answer for; fresh workers start on the same
sockets. What goes wrong at any step ends the new generation, and the old one has never stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from pippin.control.checker import CheckerGone, CheckerProcess, PolicyFailure
from pippin.control.inotify import Inotify, Lost
from pippin.control.overrides import AUTO, WORDS, Overrides
from pippin.control.places import Place
from pippin.control.watch import INTERVAL, Watcher
from pippin.policy.protocol import Begin, Declared, DeclaredPolicy, DeclaredTarget, TargetState
from pippin.serve.loop import ORPHAN_PATIENCE
from pippin.source.loaded import Dependency
from pippin.store.health import (
    DRAINED,
    FORCED_DOWN,
    FORCED_UP,
    LOAD_UNKNOWN,
    NO_OVERRIDE,
    HealthError,
    HealthRow,
    HealthTable,
)

log = structlog.get_logger(__name__)

FIRST_RESULTS = 1.0
"""Seconds that answering waits for the first results of checks, so as not to begin with a target that is down."""

PAUSE_FIRST, PAUSE_MOST = 0.25, 30.0
"""Seconds before a checker that keeps dying is started again: doubling from the first to the most."""

JUST_NOW = 2.0
"""Seconds for which what the watcher has done with changed files answers who asks for a reload: it was quicker."""

HEALTHY_AFTER = 60.0
"""Seconds after which a checker that dies counts as having been fine."""

OVERRIDE_NUMBERS = {"up": FORCED_UP, "down": FORCED_DOWN, "drain": DRAINED, AUTO: NO_OVERRIDE}
CHECKED_WORDS = ("unknown", "up", "down")

_PLACE = Place("policies")
"""The one place that the watcher of policy files knows."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What policy files said when they were imported."""

    number: int
    files: tuple[str, ...]
    modules: tuple[str, ...]
    """Files that they imported from beside them."""
    sources: Mapping[str, bytes]
    """What stood in all of these."""
    policies: tuple[DeclaredPolicy, ...]
    targets: tuple[DeclaredTarget, ...]
    problems: tuple[str, ...]
    health_file: str | None
    """None where there are no policies at all."""
    began: float = field(default_factory=time.time)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of the health table by target."""
        return {target.key: row for row, target in enumerate(self.targets)}


NO_POLICIES = Generation(0, (), (), {}, (), (), (), None)

Swap = Callable[[Generation], Awaitable[None]]
"""Have workers answer by a generation. Raises `PolicyFailure`; nothing has changed then."""


class Generations:
    """The policies of one server. `files` gives those named just now; `folder` is that of the store."""

    def __init__(self, folder: Path, files: Callable[[], tuple[str, ...]]) -> None:
        self._folder = folder
        self._files = files
        self._overrides = Overrides(folder)
        self.current = NO_POLICIES
        self._number = 0
        self.restarts = 0
        """Of checkers that died."""
        self._checker = CheckerProcess()
        self._keeper: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()
        self._watcher = Watcher()
        self._failed = False
        self._noticed: tuple[float, Generation | PolicyFailure] | None = None
        """When the watcher last changed policies, or failed to, and what came of it; None once somebody was told."""

    async def begin(self) -> Generation:
        """Import the files for the first time, and begin to check targets. Raises `PolicyFailure`."""
        for old in self._folder.glob("health.*"):
            old.unlink()  # of an earlier run; workers that outlived it have it mapped
        new, checker = await self._build()
        self._adopt(new, checker)
        return new

    async def wait_first_results(self) -> None:
        """Until every target has been checked once, or it has taken `FIRST_RESULTS` seconds."""
        await _settled(self._checker, self.current)

    async def reload(self, swap: Swap, *, retry: bool = True) -> Generation | None:
        """Build and swap in a new generation if files have changed; None if not. `PolicyFailure`: the old one stays.

        What has failed is tried again, changed or not, if `retry`; what the watcher has done just now is told again.
        """
        async with self._busy:
            is_new = self._files() != self.current.files or bool(await asyncio.to_thread(self._watcher.changed))
            if not is_new:
                if retry and self._noticed is not None and time.monotonic() - self._noticed[0] < JUST_NOW:
                    return self._tell_noticed(self._noticed[1])
                if not (retry and self._failed):
                    return None
            self._noticed = None
            try:
                new, checker = await self._build()
                try:
                    await _settled(checker, new)
                    await swap(new)
                except BaseException:
                    await self._discard(new, checker)
                    raise
            except PolicyFailure as failure:
                self._failed = True
                for problem in failure.problems:
                    log.error(problem)
                log.error("policies not changed, the old ones stay", files=", ".join(self._files()))
                raise
            old, old_checker = self.current, self._checker
            self._adopt(new, checker)
            await self._discard(old, old_checker)
            log.info("policies changed", generation=new.number, policies=len(new.policies), targets=len(new.targets))
            return new

    def _tell_noticed(self, what: Generation | PolicyFailure) -> Generation:
        self._noticed = None
        if isinstance(what, PolicyFailure):
            raise what
        return what

    async def watch(self, swap: Swap) -> None:
        """Reload what changes, for ever."""
        inotify = None
        try:
            inotify = Inotify()
        except OSError as error:
            log.warning("changed policies are noticed by looking at them only, not at once", reason=error)
        try:
            while True:
                if inotify is None:
                    await asyncio.sleep(INTERVAL)
                else:
                    for file in (*self.current.files, *self.current.modules):
                        inotify.watch(os.path.dirname(os.path.abspath(file)))
                    await inotify.wait(INTERVAL)
                    with contextlib.suppress(Lost):
                        inotify.take()  # whatever it was: the few files are all looked at
                if await asyncio.to_thread(self._watcher.changed, settle=True):
                    try:
                        came: Generation | PolicyFailure | None = await self.reload(swap, retry=False)
                    except PolicyFailure as failure:  # which is in the log
                        came = failure
                    if came is not None:
                        self._noticed = time.monotonic(), came
        finally:
            if inotify is not None:
                inotify.close()

    async def states(self) -> tuple[TargetState, ...]:
        """All targets as they are now; while there is no checker, as the table has them."""
        try:
            return await self._checker.states()
        except CheckerGone:
            return _states_in_table(self.current)

    async def override(self, target: str, word: str) -> tuple[TargetState, ...]:
        """Set by hand: `up`, `down`, `drain`, or `auto` for what checks find. KeyError, ValueError, OSError."""
        if word not in WORDS:
            raise ValueError(word)
        if target not in self.current.rows and target not in self._overrides.all():
            raise KeyError(target)
        self._overrides.set(target, word)
        log.info("target set by hand", target=target, to=word)
        if target not in self.current.rows:
            return await self.states()
        try:
            return await self._checker.override(target, word)
        except CheckerGone:
            self._write_override(target, word)
            return await self.states()

    def strays(self) -> dict[str, str]:
        """Targets set by hand that no policy has (any more)."""
        rows = self.current.rows
        return {target: word for target, word in self._overrides.all().items() if target not in rows}

    @property
    def checker_pid(self) -> int | None:
        return self._checker.pid

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._checker.stop()

    # --- generations

    async def _build(self) -> tuple[Generation, CheckerProcess]:
        """A new generation, and its checker at work; neither is used by anybody yet."""
        files = self._files()
        looks = _looks(files)
        checker = CheckerProcess()
        if not files:
            self._watcher.forget(_PLACE)
            return NO_POLICIES, checker
        self._number += 1
        health_file = self._folder / f"health.{self._number}"
        begin = Begin(
            files,
            str(health_file),
            known=_known(self.current),
            overrides=self._overrides.all(),
            orphan_patience=ORPHAN_PATIENCE,
        )
        try:
            declared = await checker.start(begin)
        except PolicyFailure as failure:
            # What has just been read is not tried again before it changes.
            self._watcher.follow(_PLACE, [*looks, *_looks({*self.current.modules, *failure.modules})])
            raise
        self._watcher.follow(_PLACE, [*looks, *_looks(declared.modules)])
        return _generation(self._number, files, str(health_file), declared), checker

    def _adopt(self, new: Generation, checker: CheckerProcess) -> None:
        self.current, self._checker = new, checker
        self._failed = False
        for problem in new.problems:
            log.warning(problem)
        for target, word in self.strays().items():
            log.warning("a target that no policy has is set by hand", target=target, to=word)
        if self._keeper is not None:
            self._keeper.cancel()
        self._keeper = asyncio.create_task(self._keep()) if new.files else None

    async def _discard(self, generation: Generation, checker: CheckerProcess) -> None:
        await checker.stop()
        if generation.health_file is not None:
            Path(generation.health_file).unlink(missing_ok=True)  # who has it mapped keeps it

    async def _keep(self) -> None:
        """Replace a checker that dies, for as long as its generation lasts. Workers go on with the last table."""
        deaths = 0
        while True:
            began = time.monotonic()
            how = await self._checker.wait_end()
            deaths = 1 if time.monotonic() - began > HEALTHY_AFTER else deaths + 1
            while True:
                pause = 0.0 if deaths == 1 else min(PAUSE_FIRST * 2 ** (deaths - 2), PAUSE_MOST)
                log.error("the checker died, health of targets stands still", died=how, pause=pause)
                await asyncio.sleep(pause)
                self.restarts += 1
                checker = CheckerProcess()
                try:
                    await checker.start(self._resumption())
                except PolicyFailure as failure:
                    how = str(failure)
                    deaths += 1
                else:
                    self._checker = checker
                    break

    def _resumption(self) -> Begin:
        current = self.current
        assert current.health_file is not None
        return Begin(
            current.files,
            current.health_file,
            sources=current.sources,
            resume=tuple(target.key for target in current.targets),
            overrides=self._overrides.all(),
            orphan_patience=ORPHAN_PATIENCE,
        )

    def _write_override(self, target: str, word: str) -> None:
        """In place of the checker, which is not there. One that is being started has been told already."""
        assert self.current.health_file is not None
        with contextlib.suppress(HealthError), contextlib.closing(
            HealthTable.open(self.current.health_file, writable=True)
        ) as table:
            table.set_override(self.current.rows[target], OVERRIDE_NUMBERS[word], time.time_ns() // 1_000_000)


def _generation(number: int, files: tuple[str, ...], health_file: str, declared: Declared) -> Generation:
    return Generation(
        number,
        files,
        declared.modules,
        declared.sources,
        declared.policies,
        declared.targets,
        declared.problems,
        health_file,
    )


def _looks(paths: Iterable[str]) -> list[Dependency]:
    """How files look now, for the watcher; what is not there looks empty."""
    looks = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            looks.append(Dependency(path, 0, 0))
        else:
            looks.append(Dependency(path, status.st_size, status.st_mtime_ns))
    return looks


def _known(generation: Generation) -> dict[str, HealthRow]:
    """The rows of all targets that are checked."""
    if generation.health_file is None:
        return {}
    with contextlib.closing(HealthTable.open(generation.health_file)) as table:
        return {target.key: table.row(row) for row, target in enumerate(generation.targets) if target.checked}


def _states_in_table(generation: Generation) -> tuple[TargetState, ...]:
    if generation.health_file is None:
        return ()
    words = {number: word for word, number in OVERRIDE_NUMBERS.items()}
    with contextlib.closing(HealthTable.open(generation.health_file)) as table:
        rows = [table.row(row) for row in range(len(generation.targets))]
    return tuple(
        TargetState(
            target.key,
            row.available,
            CHECKED_WORDS[row.checked],
            words[row.override],
            row.since / 1000,
            reason="the checker is not running",
            load=-1.0 if row.load == LOAD_UNKNOWN else row.load / 1000,
        )
        for target, row in zip(generation.targets, rows, strict=True)
    )


async def _settled(checker: CheckerProcess, generation: Generation) -> None:
    if any(target.checked for target in generation.targets):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_RESULTS):
                await checker.settled.wait()
