"""The control process: binds, starts workers, reads zones, and from then on does what files, signals and the
control socket ask for.

It never answers a query itself, and everything slow (reading, compiling, looking at files) happens in one thread
beside the loop, one zone after the other; so zones have one writer, and workers are looked after meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from pippin import __version__
from pippin.control.changes import Changes, Outcome
from pippin.control.channel import Channel, ChannelError, default_path
from pippin.control.notify import notify
from pippin.control.places import Place, expand, places_in
from pippin.control.settings import Settings, SettingsError, read_settings
from pippin.control.watch import Watcher
from pippin.control.workers import KILL_AFTER, WorkerSlot, worker_count
from pippin.engine import engine_name
from pippin.serve.listen import Address, check_free, parse_address
from pippin.serve.options import WorkerOptions
from pippin.store import Store
from pippin.zone.problem import Severity

log = structlog.get_logger(__name__)
T = TypeVar("T")

PROBLEMS_LOGGED = 20
"""Of one zone at a time; `pippin check` shows all."""


class NothingToServe(Exception):
    """Not one zone could be published. What was wrong has been logged."""


@dataclass(frozen=True, slots=True)
class Started:
    """What to tell whoever started the server."""

    addresses: tuple[Address, ...]
    zones: tuple[Outcome, ...]
    rejected: int
    workers: int
    seconds: float
    """From the start to the first answer."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """How the start is shown; called from the loop's thread (`started`) and the loading thread (`progress`)."""

    started: Callable[[Started], None] = lambda started: None
    progress: Callable[[int, int, Place], None] = lambda done, total, place: None


class Supervisor:
    """`run` serves until a signal or the control socket ends it, and returns the exit code.

    `places` are those of the command line; a configuration's own are added, and read again on reload. `configured`
    is what the configuration said before the command line changed it: what a later version of it is compared with.
    """

    def __init__(
        self,
        settings: Settings,
        places: Iterable[Place] = (),
        *,
        config: Path | None = None,
        configured: Settings | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self._settings = settings
        self._given = tuple(places)
        self._config = config
        self._configured = configured or settings
        self._hooks = hooks or Hooks()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="zones")
        self._watcher = Watcher()
        self._reloading = asyncio.Lock()
        self._store: Store
        self._changes: Changes
        self._outcomes: dict[Place, Outcome] = {}
        self._slots: list[WorkerSlot] = []
        self._end: asyncio.Future[str] | None = None
        self._hang_up: asyncio.Task[None] | None = None
        self._cookie_secret = secrets.token_bytes(16)
        self._since = time.time()

    async def run(self) -> int:
        """Raises `ListenError`, `StoreError`, `ChannelError` or `NothingToServe` if serving cannot begin."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        addresses = [parse_address(text) for text in self._settings.listen]
        for address in addresses:
            check_free(address)
        private = None if self._settings.state else tempfile.mkdtemp(prefix="pippin-")
        folder = self._settings.state or str(private)
        channel = Channel(
            Path(self._settings.control) if self._settings.control else default_path(), self._obey
        )
        may_answer = asyncio.Event()
        keepers: list[asyncio.Task[None]] = []
        try:
            count = worker_count(self._settings.workers)
            self._store = Store.open(folder, count)
            self._changes = Changes(self._store)
            addresses = self._open_slots(addresses, folder, count)
            keepers = [asyncio.create_task(slot.keep(may_answer)) for slot in self._slots]
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.add_signal_handler(number, self._on_signal, number)
            await self._open(channel)
            await self._reload()
            for name in await self._in_thread(self._changes.withdraw_strangers):
                log.info("zone withdrawn, nothing names it any more", zone=name)
            if not self._changes.places() and not self._end.done():
                raise NothingToServe
            may_answer.set()
            if await self._wait_until_answering():
                rejected = sum(not outcome.published for outcome in list(self._outcomes.values()))
                served = tuple(self._changes.served())
                self._hooks.started(
                    Started(tuple(addresses), served, rejected, count, time.monotonic() - began)
                )
                notify("READY=1")
            watch = asyncio.create_task(self._watch()) if self._settings.watch else None
            how = await self._end
            if watch is not None:
                watch.cancel()
            notify("STOPPING=1")
            await self._stop(how, keepers)
            return 130 if how == "stop" else 0  # 130: as a shell reports SIGINT
        finally:
            for slot in self._slots:
                slot.stop("stop")
                slot.kill()
                slot.close_sockets()
            await asyncio.gather(*keepers, return_exceptions=True)
            await channel.close()
            self._thread.shutdown(cancel_futures=True)
            if private is not None:
                shutil.rmtree(private, ignore_errors=True)

    # --- workers

    def _open_slots(self, addresses: list[Address], folder: str, count: int) -> list[Address]:
        """Bind all sockets; ports left to chance are the same for all workers."""
        cores = sorted(os.sched_getaffinity(0))
        for index in range(count):
            core = cores[index % len(cores)] if self._settings.pin else None
            slot = WorkerSlot(
                addresses, worker_options(self._settings, folder, index, core, self._cookie_secret)
            )
            addresses = slot.bind()
            self._slots.append(slot)
        return addresses

    async def _wait_until_answering(self) -> bool:
        """False if the end came first."""
        assert self._end is not None
        answering = asyncio.gather(*(slot.answering.wait() for slot in self._slots))
        await asyncio.wait((answering, self._end), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
        return answering.done()

    async def _stop(self, how: str, keepers: list[asyncio.Task[None]]) -> None:
        log.info("stopping", how=how)
        for slot in self._slots:
            slot.stop(how)
        patience = KILL_AFTER + (self._settings.drain_timeout if how == "drain" else 0)
        await asyncio.wait(keepers, timeout=patience)

    # --- zones

    async def _reload(self, zone: str | None = None) -> list[Outcome]:
        """Read what is new or has changed, or one zone whatever it looks like; withdraw what is not there any more."""
        async with self._reloading:
            self._read_settings_again()
            places = await self._in_thread(lambda: expand(self._places()))
            if zone is not None:
                wanted = _same_name(zone)
                due = [p for p in places if p in self._outcomes and wanted(self._outcomes[p].zone_name)]
                return await self._in_thread(lambda: self._apply(due))
            changed = await self._in_thread(self._watcher.changed) if self._outcomes else []
            due = [place for place in places if place not in self._outcomes or place in changed]
            gone = self._outcomes.keys() - set(places)
            return await self._in_thread(lambda: self._apply(due, gone))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watcher.interval)
            async with self._reloading:
                changed = await self._in_thread(self._watcher.changed)
                if not changed:
                    continue
                places = await self._in_thread(lambda: expand(self._places()))
                due = [place for place in places if place not in self._outcomes or place in changed]
                gone = self._outcomes.keys() - set(places)
                await self._in_thread(lambda due=due, gone=gone: self._apply(due, gone))  # type: ignore[misc]

    def _places(self) -> list[Place]:
        return [*self._given, *places_in(self._settings)]

    def _apply(self, due: Iterable[Place], gone: Iterable[Place] = ()) -> list[Outcome]:
        """In the thread. Places that are gone come first: another place may now serve their zone."""
        for place in sorted(gone, key=str):
            self._watcher.forget(place)
            del self._outcomes[place]
            if (old := self._changes.withdraw(place)) is not None:
                log.info("zone withdrawn, its file is gone", zone=old.zone_name, file=place.path)
        for place in self._places():
            if os.path.isdir(place.path):
                self._watcher.follow(place, ())
        due = list(due)
        outcomes = []
        first = not self._changes.places()
        for number, place in enumerate(due, 1):
            outcome = self._changes.apply(place)
            self._watcher.follow(place, outcome.dependencies)
            self._outcomes[place] = outcome
            outcomes.append(outcome)
            _report(outcome, quietly=first)
            self._hooks.progress(number, len(due), place)
        return outcomes

    def _read_settings_again(self) -> None:
        """A broken configuration keeps the old one, loudly. Only zones change in a running server."""
        if self._config is None:
            return
        try:
            new = read_settings(self._config)
        except SettingsError as error:
            log.error("the configuration is wrong, going on with the old one", error=error)
            return
        names = [
            name
            for name in Settings.__struct_fields__
            if getattr(new, name) != getattr(self._configured, name)
        ]
        if late := [name for name in names if name not in ("zone", "zones")]:
            log.warning("changed settings take effect after a restart", settings=", ".join(late))
        self._configured = new
        self._settings = msgspec.structs.replace(self._settings, zone=new.zone, zones=new.zones)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- signals and the control socket

    def _on_signal(self, number: int) -> None:
        assert self._end is not None
        if number == signal.SIGHUP:
            self._hang_up = asyncio.create_task(self._reload_for_systemd())
        elif not self._end.done():
            self._end.set_result("drain" if number == signal.SIGTERM else "stop")

    async def _reload_for_systemd(self) -> None:
        notify("RELOADING=1")
        await self._reload()
        notify("READY=1")

    async def _open(self, channel: Channel) -> None:
        try:
            await channel.open()
        except ChannelError as error:
            if self._settings.control:
                raise
            log.warning(
                "no control socket: `pippin reload` and `status` won't reach this server", reason=error
            )

    async def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        match command:
            case {"do": "reload", **rest}:
                zone = rest.get("zone")
                outcomes = await self._reload(zone)
                if zone is not None and not outcomes:
                    return {"ok": False, "error": f"no zone {zone} here; `pippin zone list` shows all"}
                return {
                    "ok": all(outcome.published for outcome in outcomes),
                    "zones": [_as_json(outcome) for outcome in outcomes],
                }
            case {"do": "status"}:
                return {"ok": True, **self._status()}
            case {"do": "zones"}:
                return {"ok": True, "zones": [_as_json(outcome) for outcome in list(self._outcomes.values())]}
            case {"do": "stop"}:
                self._on_signal(signal.SIGTERM)
                return {"ok": True}
        return {
            "ok": False,
            "error": f"unknown command {command.get('do')!r}; known: reload, status, stop, zones",
        }

    def _status(self) -> dict[str, Any]:
        served = list(self._changes.served())
        return {
            "version": __version__,
            "engine": engine_name(),
            "pid": os.getpid(),
            "since": self._since,
            "zones": len(served),
            "records": sum(outcome.records for outcome in served),
            "rejected": sum(not outcome.published for outcome in list(self._outcomes.values())),
            "workers": [
                {
                    "pid": slot.pid,
                    "answering": slot.answering.is_set(),
                    "restarts": slot.restarts,
                    "counters": self._store.counters(number),
                }
                for number, slot in enumerate(self._slots)
            ],
        }


def worker_options(
    settings: Settings, folder: str, index: int, core: int | None, cookie_secret: bytes
) -> WorkerOptions:
    """What one worker is told; its sockets are added when it is started."""
    shared = set(WorkerOptions.__struct_fields__) & set(Settings.__struct_fields__)
    return WorkerOptions(
        index=index,
        sockets=(),
        store=folder,
        cookie_secret=cookie_secret,
        core=core,
        **{name: getattr(settings, name) for name in shared},
    )


def _report(outcome: Outcome, quietly: bool) -> None:
    """Say what came of a zone; `quietly`: not what went well, the start says that in one go."""
    for problem in outcome.problems[:PROBLEMS_LOGGED]:
        (log.error if problem.severity is Severity.ERROR else log.warning)(str(problem))
    if len(outcome.problems) > PROBLEMS_LOGGED:
        log.warning("more problems, `pippin check` shows all", more=len(outcome.problems) - PROBLEMS_LOGGED)
    name, file = outcome.zone_name, outcome.place.path
    if not outcome.published and outcome.records:
        log.error("zone not changed, the old one stays", zone=name, file=file, serial=outcome.serial)
    elif not outcome.published:
        log.error("zone not served", zone=name, file=file)
    elif not quietly:
        log.info("zone published", zone=name, serial=outcome.serial, records=outcome.records)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "zone": outcome.zone_name,
        "source": str(outcome.place),
        "serial": outcome.serial,
        "records": outcome.records,
        "published": outcome.published,
        "problems": [str(problem) for problem in outcome.problems],
    }


def _same_name(name: str) -> Callable[[str], bool]:
    wanted = name.rstrip(".").lower()
    return lambda other: other.rstrip(".").lower() == wanted
