"""`pippin serve`: answer from zone files until told to stop."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pippin.cli.common import (
    Config,
    Control,
    Databases,
    Files,
    count,
    fail,
    policy_files,
    settings_and_places,
    with_databases,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from pippin.control.places import Place
    from pippin.control.supervisor import Started
    from pippin.forward.settings import ForwardSettings

ZONES_SHOWN = 10
"""Zones that the start-up lines name; of more they give the number."""

PROGRESS_AFTER = 1.0
"""Seconds of loading after which a progress bar appears."""


def serve(
    files: Files = None,
    config: Config = None,
    databases: Databases = None,
    listen: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="ADDR:PORT",
            help="Where to answer, UDP and TCP; can be given several times. Default: 127.0.0.1:5300 and \\[::1]:5300.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=1024, help="Worker processes. Default: one a core.", show_default=False),
    ] = None,
    state: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Keep compiled zones here between runs.", show_default=False),
    ] = None,
    control: Control = None,
) -> None:
    """Serve zones: master files, CSV files, folders of them, databases, or what a configuration names.

    A file that ends in .py is not a zone: it declares policies, answers that are programmed, for names in the zones.
    """
    import msgspec

    from pippin.control.channel import ChannelError
    from pippin.control.checker import PolicyFailure
    from pippin.control.supervisor import Hooks, NothingToServe, Supervisor
    from pippin.control.workers import WorkerFailure
    from pippin.serve import logs
    from pippin.serve.listen import ListenError, parse_address
    from pippin.serve.loop import run_loop
    from pippin.store import StoreError

    logs.configure()
    configured, places, config = settings_and_places(with_databases(files, databases), config)
    given = {
        "listen": tuple(listen) if listen else None,
        "workers": workers,
        "state": str(state) if state else None,
        "control": str(control) if control else None,
    }
    settings = msgspec.structs.replace(
        configured, **{key: value for key, value in given.items() if value is not None}
    )
    try:
        for address in settings.listen:
            parse_address(address)
    except ListenError as error:
        fail(error, code=2)
    progress = _Progress()
    hooks = Hooks(progress.started, progress.show)
    supervisor = Supervisor(
        settings, places, policy_files(files), config=config, configured=configured, hooks=hooks
    )
    try:
        code = run_loop(supervisor.run())
    except NothingToServe:
        fail("no zone could be served")
    except (ListenError, StoreError, ChannelError, WorkerFailure, PolicyFailure) as error:
        fail(error)
    finally:
        progress.close()
    raise typer.Exit(code)


def start_lines(started: Started) -> list[str]:
    """What a new user wants to know: where, what, how, and what to type next."""
    from pippin import __version__
    from pippin.engine import engine_name

    records = sum(zone.records for zone in started.zones)
    lines = [
        f"pippin {__version__}, {engine_name()} engine, {count(started.workers, 'worker')}, "
        f"ready after {started.seconds:.2f} s",
        "answering on  " + "  ".join(map(str, started.addresses)) + "  (UDP and TCP)",
    ]
    for zone in started.zones[:ZONES_SHOWN]:
        lines.append(f"zone  {zone.zone_name}  {count(zone.records, 'record')}  serial {zone.serial}")
    if len(started.zones) > ZONES_SHOWN:
        lines.append(f"…     {len(started.zones):,} zones in all, {count(records, 'record')}")
    if started.rejected:
        lines.append(f"{count(started.rejected, 'zone')} not served, the reasons are above")
    lines += [f"live  {source}  names are looked up when they are asked for" for source in started.live]
    lines += _forward_lines(started.forward) if started.forward is not None else []
    if question := _first_question(started):
        address = started.addresses[0]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
        lines.append(f"try:  dig @{host} -p {address.port} {question}")
    return lines


def _forward_lines(forward: ForwardSettings) -> list[str]:
    """Which names go where, and who may ask for them."""
    from pippin.forward.settings import PRIVATE_NETWORKS

    suffixes = [(suffix, upstreams) for suffix, upstreams in forward.suffix.items() if upstreams]
    lines = [f"forward  {suffix} to {', '.join(upstreams)}" for suffix, upstreams in suffixes[:ZONES_SHOWN]]
    if len(suffixes) > ZONES_SHOWN:
        lines.append(f"…        {len(suffixes)} suffixes in all")
    if forward.upstreams:
        lines.append(f"forward  all other names to {', '.join(forward.upstreams)}")
    is_default = forward.allow_forward == PRIVATE_NETWORKS
    allowed = "this host and private networks" if is_default else ", ".join(forward.allow_forward)
    return [*lines, f"forward  for clients in {allowed or 'no network at all'}"]


def _first_question(started: Started) -> str:
    """One that this server answers; "" if there is none that is known to have an answer."""
    if started.zones:
        return f"{started.zones[0].zone_name} SOA"
    if started.forward is None:
        return ""
    suffixes = [suffix for suffix, upstreams in started.forward.suffix.items() if upstreams]
    return "example.com" if started.forward.upstreams else f"{suffixes[0]} SOA" if suffixes else ""


class _Progress:
    """A progress bar for loads that take longer than a moment, on terminals; gone when the server answers.

    It opens by itself, for one large zone reports nothing before it is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # opened by a timer, updated by the reading thread, closed by the main one
        self._bar: Progress | None = None
        self._is_over = not sys.stderr.isatty()
        self._timer = threading.Timer(PROGRESS_AFTER, self._open)
        self._timer.daemon = True
        if not self._is_over:
            self._timer.start()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        with self._lock:
            if not self._is_over:
                self._bar = Progress(console=Console(stderr=True), transient=True)
                self._bar.add_task("reading zones", total=None)
                self._bar.start()

    def show(self, done: int, total: int, place: Place) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def started(self, started: Started) -> None:
        self.close()
        typer.echo("\n".join(start_lines(started)))
        sys.stdout.flush()

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
