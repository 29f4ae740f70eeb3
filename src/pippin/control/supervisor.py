"""The control process: binds, starts workers, has zones read, and from then on does what signals and the control
socket ask for. It never answers a query itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from pippin import __version__
from pippin.control.catalogue import Catalogue, Progress
from pippin.control.changes import Outcome
from pippin.control.channel import Channel, ChannelError, default_path, was_left_behind
from pippin.control.checker import PolicyFailure
from pippin.control.explaining import explain
from pippin.control.marks import Marks
from pippin.control.notify import notify
from pippin.control.places import Place, places_in
from pippin.control.policies import Generation, Generations
from pippin.control.settings import DEFAULT_LISTEN, Settings, SettingsError, read_settings
from pippin.control.workers import KILL_AFTER, WorkerSlot, worker_count
from pippin.engine import engine_name
from pippin.forward.settings import ForwardSettings
from pippin.serve.listen import Address, ListenError, check_free, is_available, parse_address
from pippin.serve.loop import ORPHAN_PATIENCE
from pippin.serve.options import WorkerOptions
from pippin.source.live import LiveSettings
from pippin.source.url import masked
from pippin.store import Store

log = structlog.get_logger(__name__)

COOKIE_SECRET_SIZE = 16
"""Octets, RFC 9018 section 4.5."""


RELOADED = ("zone", "zones", "source", "policies", "policy", "pool", "networks", "geo")
"""Settings that a reload changes; all others wait for a restart."""

TARGETS_NAMED = 10
"""Targets that a message about one that is not there names."""

PORT_PAUSE = 0.05
"""Seconds between two looks at whether a port is free."""


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
    forward: ForwardSettings | None = None
    live: tuple[str, ...] = ()
    """Sources in which names are looked up, as they may be shown."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """How the start is shown; called from the loop's thread (`started`) and the reading thread (`progress`)."""

    started: Callable[[Started], None] = lambda started: None
    progress: Progress = lambda done, total, place: None


class Supervisor:
    """`run` serves until a signal or the control socket ends it, and returns the exit code.

    `places` and `policies` are those of the command line; a configuration's own are added, and read again on reload.
    `configured` is what the configuration said before the command line changed it: what a later version of it is
    compared with.
    """

    def __init__(
        self,
        settings: Settings,
        places: Iterable[Place] = (),
        policies: Iterable[str] = (),
        *,
        config: Path | None = None,
        configured: Settings | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self._settings = settings
        self._given = tuple(places)
        self._given_policies = tuple(policies)
        self._config = config
        self._control = Path(settings.control) if settings.control else default_path()
        self._configured = configured or settings
        self._hooks = hooks or Hooks()
        self._store: Store
        self._catalogue: Catalogue
        self._generations: Generations
        self._may_answer = asyncio.Event()
        self._slots: list[WorkerSlot] = []
        self._end: asyncio.Future[str] | None = None
        self._hang_up: asyncio.Task[None] | None = None
        self._since = time.time()

    async def run(self) -> int:
        """The exit code. Where serving cannot begin: `ListenError`, `StoreError`, `ChannelError`, `WorkerFailure`,
        `PolicyFailure`, `NothingToServe`.
        """
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        addresses = [parse_address(text) for text in self._settings.listen]
        if self._settings.listen == DEFAULT_LISTEN:  # nobody asked for IPv6 in particular: it may be missing
            addresses = [address for address in addresses if is_available(address)] or addresses
        control = self._control
        await _until_free(addresses, ORPHAN_PATIENCE + 1 if was_left_behind(control) else 0)
        private = None if self._settings.state else tempfile.mkdtemp(prefix="pippin-")
        folder = self._settings.state or str(private)
        channel = Channel(control, self._obey)
        may_answer = self._may_answer
        tasks: list[asyncio.Task[None]] = []
        count = worker_count(self._settings.workers)
        self._store = Store.open(folder, 2 * count)
        self._catalogue = Catalogue(
            self._store, self._places, self._hooks.progress, is_alone=not self._answers_elsewhere
        )
        self._generations = Generations(Path(folder), self._policy_files)
        try:
            addresses = self._open_slots(addresses, folder, count)
            tasks = [asyncio.create_task(slot.keep(may_answer)) for slot in self._slots]
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.add_signal_handler(number, self._on_signal, number)
            await self._open(channel)
            if self._settings.watch:
                self._catalogue.listen()
            if await self._unless_ended(self._read_first()):
                served, outcomes = self._catalogue.served(), self._catalogue.outcomes()
                rejected = sum(not outcome.published for outcome in outcomes)
                if rejected and not served and not self._answers_elsewhere:
                    raise NothingToServe
                may_answer.set()
                if await self._unless_ended(self._all_answer(tasks)):
                    seconds = time.monotonic() - began
                    started = Started(
                        tuple(addresses),
                        tuple(served),
                        rejected,
                        count,
                        seconds,
                        self._settings.forward,
                        self._live_sources(),
                    )
                    self._hooks.started(started)
                    notify("READY=1")
            if self._settings.watch:
                tasks.append(asyncio.create_task(self._catalogue.watch()))
                tasks.append(asyncio.create_task(self._catalogue.follow()))
                tasks.append(asyncio.create_task(self._generations.watch(self._swap)))
                for task in tasks[-3:]:
                    task.add_done_callback(_say_why)
            how = await self._end
            notify("STOPPING=1")
            await self._stop(how)
            return 130 if how == "stop" else 0  # 130: as a shell reports SIGINT
        finally:
            for slot in self._slots:
                slot.end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await channel.close()
            await self._generations.close()
            self._catalogue.close()
            if private is not None:
                shutil.rmtree(private, ignore_errors=True)

    async def _unless_ended(self, work: Awaitable[Any]) -> bool:
        """Wait for `work`; False, and it is cancelled, if the server is told to end first."""
        assert self._end is not None
        task = asyncio.ensure_future(work)
        await asyncio.wait((task, self._end), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            return False
        task.result()
        return True

    async def _all_answer(self, keepers: list[asyncio.Task[None]]) -> None:
        """Wait until every worker answers. A keeper only ends by itself when it gives up: WorkerFailure."""
        answering = asyncio.gather(*(slot.answering.wait() for slot in self._slots))
        waited_for: set[asyncio.Future[Any]] = {answering, *keepers}
        done, _ = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _read_first(self) -> None:
        """Policies, then zones, which have to know what policies answer for."""
        generation = await self._generations.begin()
        for slot in self._slots:
            slot.options = with_policies(slot.options, generation)
        await self._catalogue.set_marks(marks_of(generation))
        await asyncio.gather(self._catalogue.read_first(), self._generations.wait_first_results())

    @property
    def _answers_elsewhere(self) -> bool:
        """Names outside the zones are answered too: from other servers, or looked up in databases."""
        return bool(self._live_sources()) or self._settings.forward is not None

    def _live_sources(self) -> tuple[str, ...]:
        return tuple(masked(source.url) for source in live_settings(self._settings))

    def _places(self) -> list[Place]:
        return [*self._given, *places_in(self._settings)]

    def _policy_files(self) -> tuple[str, ...]:
        return (*self._given_policies, *self._settings.policies)

    # --- workers

    def _open_slots(self, addresses: list[Address], folder: str, count: int) -> list[Address]:
        """Bind all sockets; ports left to chance are the same for all workers."""
        cores = sorted(os.sched_getaffinity(0))
        secret = secrets.token_bytes(COOKIE_SECRET_SIZE)
        for index in range(count):
            core = cores[index % len(cores)] if self._settings.pin else None
            options = worker_options(self._settings, folder, index, core, secret)
            pages = index, count + index
            slot = WorkerSlot(addresses, options, pages, self._store.occupy, self._store.vacate)
            for page in pages:
                self._store.vacate(page)
            addresses = slot.bind()
            self._slots.append(slot)
        return addresses

    async def _swap(self, new: Generation) -> None:
        """Have workers answer by these policies: fresh ones, on the same sockets. Raises `PolicyFailure`."""
        if errors := await self._catalogue.set_marks(marks_of(new)):
            raise PolicyFailure(map(str, errors))
        failures = await asyncio.gather(
            *(slot.prepare(with_policies(slot.options, new), self._may_answer) for slot in self._slots),
            return_exceptions=True,
        )
        wrong = [failure for failure in failures if failure is not None]
        for slot in self._slots:
            if wrong:
                slot.abandon()
            else:
                slot.take_over()
        if wrong:
            await self._catalogue.set_marks(marks_of(self._generations.current), restore=True)
            raise PolicyFailure(map(str, wrong))

    async def _stop(self, how: str) -> None:
        log.info("stopping", how=how)
        for slot in self._slots:
            slot.stop(how)
        patience = KILL_AFTER + (self._settings.drain_timeout if how == "drain" else 0)
        gone = asyncio.gather(*(slot.gone.wait() for slot in self._slots))
        await asyncio.wait((gone,), timeout=patience)

    # --- signals and the control socket

    def _read_settings_again(self) -> str:
        """A broken configuration keeps the old one, loudly: what is wrong with it. Only zones change while serving."""
        if self._config is None:
            return ""
        try:
            new = read_settings(self._config)
        except SettingsError as error:
            log.error("the configuration is wrong, going on with the old one", error=error)
            return str(error)
        names = [
            name
            for name in Settings.__struct_fields__
            if getattr(new, name) != getattr(self._configured, name)
        ]
        if late := [name for name in names if name not in RELOADED]:
            log.warning("changed settings take effect after a restart", settings=", ".join(late))
        if live_settings(new) != live_settings(self._configured):
            log.warning("changed live sources take effect after a restart")
        self._configured = new
        self._settings = msgspec.structs.replace(
            self._settings, **{name: getattr(new, name) for name in RELOADED}
        )
        return ""

    def _on_signal(self, number: int) -> None:
        assert self._end is not None
        if number == signal.SIGHUP:
            self._hang_up = asyncio.create_task(self._reload_for_systemd())
        elif not self._end.done():
            self._end.set_result("drain" if number == signal.SIGTERM else "stop")

    async def _reload_for_systemd(self) -> None:
        notify("RELOADING=1")
        self._read_settings_again()
        await self._catalogue.reload()
        await self._reload_policies()
        notify("READY=1")

    async def _reload_policies(self) -> dict[str, Any] | None:
        """What came of it, for the control socket; None: nothing has changed."""
        try:
            new = await self._generations.reload(self._swap)
        except PolicyFailure as failure:
            return {"ok": False, "problems": failure.problems}
        if new is None:
            return None
        return {"ok": True, "problems": new.problems, **_generation_as_json(new)}

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
                wrong = self._read_settings_again()
                outcomes = await self._catalogue.reload(zone)
                if zone is not None and not outcomes:
                    return {"ok": False, "error": f"no zone {zone} here; `pippin zone list` shows all"}
                policies = None if zone is not None else await self._reload_policies()
                away = [one["error"] for one in self._catalogue.databases() if one["error"]]
                return {
                    "ok": not wrong
                    and not away
                    and all(outcome.published for outcome in outcomes)
                    and (policies is None or policies["ok"]),
                    "configuration": wrong,
                    "zones": [_as_json(outcome) for outcome in outcomes],
                    "policies": policies,
                    "away": away,
                }
            case {"do": "health", **rest}:
                return await self._health(rest.get("target"), rest.get("to"))
            case {"do": "explain"}:
                files = [*map(str, self._given), *self._given_policies]
                return await explain(command, files, self._config, self._control)
            case {"do": "status"}:
                return {"ok": True, **await self._status()}
            case {"do": "zones"}:
                return {
                    "ok": True,
                    "zones": [
                        {**_as_json(outcome), "state": self._catalogue.state_of(outcome)}
                        for outcome in self._catalogue.outcomes()
                    ],
                    "live": self._live_sources(),
                }
            case {"do": "stop"}:
                self._on_signal(signal.SIGTERM)
                return {"ok": True}
        return {
            "ok": False,
            "error": f"unknown command {command.get('do')!r}; known: explain, health, reload, status, stop, zones",
        }

    async def _health(self, target: str | None, word: str | None) -> dict[str, Any]:
        try:
            if target is None:
                states = await self._generations.states()
            else:
                states = await self._generations.override(target, str(word))
        except KeyError:
            known = ", ".join(sorted(self._generations.current.rows)[:TARGETS_NAMED])
            hint = f"there are {known}" if known else "no policy has targets"
            return {"ok": False, "error": f"no target {target} here; {hint}"}
        except ValueError:
            return {"ok": False, "error": f"{word!r} is no state; right would be up, down, drain or auto"}
        except OSError as error:
            return {"ok": False, "error": f"cannot be kept, so it is not done: {error}"}
        return {
            "ok": True,
            "targets": states,
            "strays": self._generations.strays(),
            "kept": self._settings.state is not None,
        }

    async def _status(self) -> dict[str, Any]:
        served = self._catalogue.served()
        about_policies = await asyncio.gather(*(self._ask(slot, "policies") for slot in self._slots))
        about_forwarding = await asyncio.gather(*(self._ask(slot, "forwarding") for slot in self._slots))
        about_live = await asyncio.gather(*(self._ask(slot, "live") for slot in self._slots))
        return {
            "version": __version__,
            "engine": engine_name(),
            "pid": os.getpid(),
            "since": self._since,
            "zones": len(served),
            "records": sum(outcome.records for outcome in served),
            "rejected": sum(not outcome.published for outcome in self._catalogue.outcomes()),
            "databases": self._catalogue.databases(),
            "workers": [
                {
                    "pid": slot.pid,
                    "answering": slot.answering.is_set(),
                    "restarts": slot.restarts,
                    "counters": self._counters(slot),
                    "policies": policies or [],
                    "forwarding": forwarding,
                    "live": live or [],
                }
                for slot, policies, forwarding, live in zip(
                    self._slots, about_policies, about_forwarding, about_live, strict=True
                )
            ],
            "policies": {
                **_generation_as_json(self._generations.current),
                "checker": self._generations.checker_pid,
                "checker_restarts": self._generations.restarts,
            },
        }

    async def _ask(self, slot: WorkerSlot, what: str) -> Any:
        """What a worker says about one of these, if it does it at all."""
        options = slot.options
        does = {"policies": options.policies, "forwarding": options.forward, "live": options.live}[what]
        return await slot.ask(what) if does else None

    def _counters(self, slot: WorkerSlot) -> dict[str, int]:
        """What all processes of a slot have counted."""
        one, other = (self._store.counters(page) for page in slot.pages)
        return {name: one[name] + other[name] for name in one}


async def _until_free(addresses: Iterable[Address], patience: float) -> None:
    """Raise `ListenError` if anybody listens on the addresses for longer than `patience` seconds.

    After a control process was killed its workers do, for `ORPHAN_PATIENCE`, and answer meanwhile.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            for address in addresses:
                check_free(address)
            return
        except ListenError:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(PORT_PAUSE)


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
        live=live_settings(settings),
        **{name: getattr(settings, name) for name in shared},
    )


def live_settings(settings: Settings) -> tuple[LiveSettings, ...]:
    """The sources that workers ask themselves."""
    return tuple(source.live for source in settings.source if source.mode == "live")


def with_policies(options: WorkerOptions, generation: Generation) -> WorkerOptions:
    """The options of a worker that answers by a generation of policies."""
    return msgspec.structs.replace(
        options,
        policies=generation.files,
        sources=generation.sources,
        declared=generation.policies,
        health_file=generation.health_file,
        health_rows=generation.rows,
    )


def marks_of(generation: Generation) -> Marks:
    """The names and types that zones leave to a generation of policies."""
    return Marks((policy.owner, policy.rdtype) for policy in generation.policies)


def _generation_as_json(generation: Generation) -> dict[str, Any]:
    return {
        "generation": generation.number,
        "files": generation.files,
        "since": generation.began,
        "policies": len(generation.policies),
        "targets": len(generation.targets),
    }


def _say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("changes are not watched any more, `pippin reload` still works", error=repr(error))


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "zone": outcome.zone_name,
        "source": str(outcome.place),
        "file": outcome.place.source,
        "origin": outcome.place.origin,
        "is_database": outcome.place.database is not None,
        "since": outcome.since,
        "serial": outcome.serial,
        "records": outcome.records,
        "published": outcome.published,
        "problems": [str(problem) for problem in outcome.problems],
    }
