"""Names looked up in a database on demand: what does an answer cost that is remembered, and what does a flood of names
that nobody has asked for before do to the server and to a static zone beside?

Hot names: a thousand names of the zone that most questions ask about, again and again, from a file and looked up in
PostgreSQL and SQLite; answers are remembered for 20 s as they are by default, and hot ones looked up anew before that.
The flood: names that are not there, as of a random subdomain attack, more of them than can be looked up, while a
static zone is asked at a steady rate. PostgreSQL runs with its own settings, on the client's core.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

from bench import check, dnsperf
from bench.databases import postgresql, rows_of
from bench.measure import Bench, Load, NoStart, in_turns, rate_figures, reference, running, wait_answer
from bench.peers.peer import ZoneFile
from bench.peers.pippin import Pippin
from bench.question import RATE_FIGURES, Figure, Question, Row, Target

HOT_NAMES = 1000

STATIC_RATE = 10_000
"""Questions a second about the static zone beside the flood."""

FLOOD_RATES = (1_000, 20_000)
"""Names a second, each for the first time: about as many as can be looked up, and many more."""

FLOODED = "flooded.test"
FLOOD_STEP = 0.002
"""Seconds between two bursts of the flood."""

Turn = Callable[[int], dict[str, float]]


class LivePippin(Pippin):
    """The zone is looked up in a database; `static`, if there is one, is loaded from its file."""

    url: ClassVar[str]
    static: ClassVar[ZoneFile | None] = None

    def prepare(self) -> None:
        lines = [
            f'listen = ["127.0.0.1:{self.port}"]',
            f"workers = {self.workers}",
            f'control = "{self.folder}/pippin.sock"',
        ]
        if self.static is not None:
            lines += ["[[zone]]", f'file = "{self.static.path}"', f'origin = "{self.static.origin}"']
        lines += ["[[source]]", f'url = "{self.url}"', 'mode = "live"']
        (self.folder / "pippin.toml").write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [self.program, "-m", "pippin", "serve", "-c", f"{self.folder}/pippin.toml"]


def looking_up(url: str, static: ZoneFile | None = None) -> type[LivePippin]:
    """Pippin over this database."""
    return type("LivePippin", (LivePippin,), {"url": url, "static": static})


def _hot_turn(bench: Bench, kind: type[Pippin], load: Load) -> Turn:
    """As `rate_turn`, but that every name has been asked for before the measurement begins."""
    names = check.sample(load.stream, HOT_NAMES)

    def turn(number: int) -> dict[str, float]:
        expected = reference(bench, load.zone, load.stream, False, "udp")
        with running(bench, kind, load.zone, bench.server_cpus) as (peer, process):
            wait_answer(peer.port, f"ns1.{load.zone.origin}", process)
            start = time.monotonic() - process.started
            found = check.ask(peer.port, names, False, "udp")
            sample = check.sample(load.stream)
            check.compare(sample, found[: len(sample)], expected, kind.follows_aliases)

            def ask(seconds: float, rate: float | None) -> dnsperf.Outcome:
                return dnsperf.run(peer.port, load.stream, seconds, bench.client_cpus, bench.scratch, rate=rate)

            return rate_figures(bench, process, start, ask)

    return turn


def ask(bench: Bench) -> list[Row]:
    """The same zone and the same names."""
    if "pippin" not in bench.servers:
        return []
    plan = bench.material.plan()
    names = (f"{plan.host(number)}.{plan.origin}" for number in range(min(HOT_NAMES, plan.hosts)))
    stream = bench.scratch / "live.txt"
    stream.write_text("".join(f"{name} A\n" for name in names))
    load = Load(bench.material.zone(), stream)
    folder = Path(mkdtemp(prefix="sqlite-", dir=bench.scratch))
    try:
        with postgresql() as database:
            rows = list(rows_of(plan))
            database.fill([(plan.origin, rows)])
            kinds: list[tuple[str, type[Pippin]]] = [
                ("pippin static", Pippin),
                ("pippin", looking_up(database.url)),
                ("pippin over SQLite", looking_up(_sqlite(folder, plan.origin, rows))),
            ]
            return in_turns(bench, [(label, _hot_turn(bench, kind, load)) for label, kind in kinds])
    except NoStart as error:
        return [Row("pippin", note=str(error))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sqlite(folder: Path, origin: str, rows: list[Any]) -> str:
    """The URL of a new database with one zone in it."""
    import sqlite3

    from pippin.source.sql import schema
    from pippin.source.url import parse_url

    url = f"sqlite:///{folder}/zones.db"
    schema.create(parse_url(url), with_triggers=False)
    with sqlite3.connect(folder / "zones.db") as connection:
        connection.execute("INSERT INTO domains (id, name, type) VALUES (1, ?, 'NATIVE')", (origin,))
        connection.executemany(
            "INSERT INTO records (domain_id, name, type, content, ttl, prio) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
    connection.close()
    return url


class _Flood:
    """Sends questions for new names at a rate, and reads no answers."""

    def __init__(self, port: int, rate: int) -> None:
        self.sent = 0
        self._rate = rate
        self._is_over = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Flood:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in FLOODED.split("."))
        head = bytes((0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 12))
        tail = labels + bytes((0, 0, 1, 0, 1))
        began = time.monotonic()
        while not self._is_over.wait(FLOOD_STEP):
            due = int((time.monotonic() - began) * self._rate)
            for number in range(self.sent, due):
                try:
                    self._socket.send(head + b"%012x" % number + tail)
                except (BlockingIOError, ConnectionRefusedError):
                    continue
            self.sent = max(self.sent, due)


def _counted(folder: Path) -> tuple[int, int, int]:
    """Names looked up, questions dropped, questions received, since the start."""
    from pippin.control.channel import ask

    (worker,) = ask(folder / "pippin.sock", {"do": "status"})["workers"]
    counters = worker["counters"]
    return worker["live"][0]["looked_up"], counters["queue_dropped"], counters["queries"]


def _flood_turn(bench: Bench, url: str, static: ZoneFile, stream: Path, rate: int) -> Turn:
    kind = looking_up(url, static)
    zone = replace(static, origin=FLOODED)

    def turn(number: int) -> dict[str, float]:
        with running(bench, kind, zone, bench.server_cpus) as (peer, process):
            wait_answer(peer.port, f"ns1.{static.origin}", process)
            wait_answer(peer.port, f"ns1.{FLOODED}", process)
            dnsperf.run(peer.port, stream, 1, bench.client_cpus, bench.scratch)
            with _Flood(peer.port, rate) as flood:
                time.sleep(1.0)
                before, cpu, sent, began = _counted(peer.folder), process.cpu_time(), flood.sent, time.monotonic()
                outcome = dnsperf.run(
                    peer.port, stream, bench.seconds, bench.client_cpus, bench.scratch, rate=STATIC_RATE
                )
                seconds = time.monotonic() - began
                spent, sent, after = process.cpu_time() - cpu, flood.sent - sent, _counted(peer.folder)
            if not outcome.answered or not process.is_running():
                raise NoStart("no answers under load")
            looked_up, dropped, _ = (new - old for new, old in zip(after, before, strict=True))
            return {
                "static_rate": outcome.rate,
                "lost": outcome.lost,
                "p50_us": outcome.latency(50),
                "p99_us": outcome.latency(99),
                "flood": sent / seconds,
                "looked_up": looked_up / seconds,
                "dropped": dropped / seconds,
                "busy": 100 * spent.total / seconds,
            }

    return turn


def ask_flood(bench: Bench) -> list[Row]:
    """A static zone alone, beside some new names a second, and beside far too many."""
    if "pippin" not in bench.servers:
        return []
    plan = replace(bench.material.plan(), origin=FLOODED)
    static, stream = bench.material.zone(), bench.material.stream("mixed")
    try:
        with postgresql() as database:
            database.fill([(plan.origin, rows_of(plan))])
            rates = [("pippin alone", 0), *((f"pippin, {rate:,} names/s", rate) for rate in FLOOD_RATES)]
            return in_turns(
                bench, [(label, _flood_turn(bench, database.url, static, stream, rate)) for label, rate in rates]
            )
    except NoStart as error:
        return [Row("pippin", note=str(error))]


QUESTION = Question(
    name="live",
    title=f"{HOT_NAMES:,} names looked up in a database, remembered",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(
        Target("cpu_us", factor=1.3, peers=("pippin static",)),
        Target("cpu_us", row="pippin over SQLite", factor=1.3, peers=("pippin static",)),
    ),
    ask=ask,
)
FLOOD = Question(
    name="live-flood",
    title=f"A static zone asked {STATIC_RATE:,} times a second beside a flood of random names of a live zone",
    figures=(
        Figure("static_rate", "static answers/s"),
        Figure("lost", "lost"),
        Figure("p50_us", "p50 µs"),
        Figure("p99_us", "p99 µs"),
        Figure("flood", "flood/s"),
        Figure("looked_up", "looked up/s"),
        Figure("dropped", "dropped/s"),
        Figure("busy", "core busy %"),
    ),
    main="p50_us",
    targets=(),
    ask=ask_flood,
)
