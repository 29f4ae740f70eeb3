"""How things are measured. Servers take turns, round by round, so that a slow minute of the machine hits them all.

Rates: each turn starts the server afresh on core 0, checks its answers (first round), warms it up, saturates it with
dnsperf on core 1 (CPU time of all server processes from /proc/PID/stat before and after, divided by dnsperf's count
of answers), then asks at half of the rate just reached and takes p50 and p99 from dnsperf's per-query log.
Start-up is the time from starting the process to the first right answer. PSS is summed over all server processes
after the run.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import dns.flags
import dns.message

from bench import check, dnsperf
from bench.check import WrongAnswer
from bench.dnsperf import DnsperfError
from bench.material import Material
from bench.peers import PEERS, Peer
from bench.peers.nsd import Nsd
from bench.peers.peer import ZoneFile, Zones
from bench.proc import Process
from bench.question import Row

START_SECONDS = 600.0
POLL_SECONDS = 0.001
REPLY_SECONDS = 0.05
WARM_UP_SECONDS = 1
PORT_TRIES = 50


class NoStart(Exception):
    """A server ended, or did not answer in time."""


@dataclass(slots=True)
class Bench:
    """The settings of one run."""

    servers: Sequence[str]
    material: Material
    seconds: float
    rounds: int
    scratch: Path
    server_cpus: set[int]
    client_cpus: set[int]
    say: Callable[[str], None]
    references: dict[tuple[Zones, Path, bool, str], list[check.Digest]] = field(default_factory=dict)


def free_port() -> int:
    """A port that is free on 127.0.0.1 for UDP and TCP, with the port after it."""
    for _ in range(PORT_TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                for number in (port, port + 1):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind(("127.0.0.1", number))
        except (OSError, OverflowError):
            continue
        return port
    raise NoStart("no free port on 127.0.0.1")


def wait_answer(port: int, name: str, process: Process, seconds: float = START_SECONDS) -> None:
    """Wait until `name` A has an authoritative answer at 127.0.0.1:`port`."""
    query = dns.message.make_query(name, "A", flags=0, use_edns=False).to_wire()
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect(("127.0.0.1", port))
        connection.settimeout(REPLY_SECONDS)
        while time.monotonic() < deadline:
            try:
                connection.send(query)
                reply = connection.recv(65535)
            except TimeoutError:
                pass
            except ConnectionRefusedError:
                time.sleep(POLL_SECONDS)
            else:
                flags, answers = int.from_bytes(reply[2:4], "big"), int.from_bytes(reply[6:8], "big")
                if reply[:2] == query[:2] and flags & dns.flags.AA and not flags & 15 and answers:
                    return
                time.sleep(POLL_SECONDS)  # a server that is still loading answers SERVFAIL or REFUSED
            if not process.is_running():
                raise NoStart("the server ended")
    raise NoStart(f"no answer for {name} within {seconds:g} s")


@contextmanager
def running(
    bench: Bench, kind: type[Peer], zones: Zones, cpus: set[int], workers: int = 1, folder: Path | None = None
) -> Iterator[tuple[Peer, Process]]:
    """A server, prepared and started in a temporary folder (or again in `folder`), stopped and removed at the end."""
    place = folder or Path(mkdtemp(prefix=f"{kind.name}-", dir=bench.scratch))
    peer = kind(place, free_port(), zones, workers)
    peer.prepare()
    log = bench.scratch / f"{kind.name}.log"
    process = Process(peer.command(), cpus, log, peer.environment())
    try:
        yield peer, process
    except NoStart as error:
        tail = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
        raise NoStart(f"{error}: {' | '.join(tail)}"[:400]) from error
    finally:
        process.stop()
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def in_turns(bench: Bench, turns: Sequence[tuple[str, Callable[[int], dict[str, float]]]]) -> list[Row]:
    """Run every turn once a round. A turn that fails once gets a note, and no further turns."""
    rows = {label: Row(label) for label, _ in turns}
    for number in range(bench.rounds):
        for label, turn in turns:
            row = rows[label]
            if row.note:
                continue
            bench.say(f"round {number + 1} of {bench.rounds}: {label}")
            try:
                figures = turn(number)
            except WrongAnswer as error:
                row.note = f"not timed, answers wrongly: {error}"
            except (NoStart, DnsperfError, NotImplementedError) as error:
                row.note = str(error)
            except subprocess.CalledProcessError as error:
                row.note = f"{error.cmd[0]} failed: {(error.stderr or error.stdout or '').strip()[-300:]}"
            except subprocess.TimeoutExpired as error:
                row.note = f"{error.cmd[0]} took more than {error.timeout:g} s"
            else:
                for key, value in figures.items():
                    row.figures.setdefault(key, []).append(value)
    return list(rows.values())


def reference(bench: Bench, zones: ZoneFile, stream: Path, dnssec_ok: bool, transport: str) -> list[check.Digest]:
    """NSD's digests of the sample of a stream."""
    key = (zones, stream, dnssec_ok, transport)
    if key not in bench.references:
        with running(bench, Nsd, zones, bench.server_cpus) as (peer, process):
            wait_answer(peer.port, f"ns1.{zones.origin}", process)
            bench.references[key] = check.ask(peer.port, check.sample(stream), dnssec_ok, transport)
    return bench.references[key]


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, of which zone, and how."""

    zone: ZoneFile
    stream: Path
    dnssec_ok: bool = False
    transport: str = "udp"
    clients: int = dnsperf.CLIENTS
    rate: float | None = None
    """Questions a second for each worker; None: as many as are answered."""


def rate_figures(
    bench: Bench,
    process: Process,
    start: float,
    ask: Callable[[float, float | None], dnsperf.Outcome],
    rate: float | None = None,
) -> dict[str, float]:
    """`RATE_FIGURES` of a server that took `start` seconds to answer: asked at `rate`, then at half of what it reached.

    `ask` takes seconds, and questions a second or None for as many as it can.
    """
    before = process.cpu_time()
    outcome = ask(bench.seconds, rate)
    spent = process.cpu_time() - before
    if not outcome.answered or not process.is_running():
        raise NoStart("no answers under load")
    half = ask(bench.seconds / 2, outcome.rate / 2)
    per_answer = 1e6 / outcome.answered
    return {
        "rate": outcome.rate,
        "cpu_us": spent.total * per_answer,
        "user_us": spent.user * per_answer,
        "system_us": spent.system * per_answer,
        "busy": 100 * spent.total / outcome.seconds,
        "lost": outcome.lost,
        "half_rate": half.rate,
        "p50_us": half.latency(50),
        "p99_us": half.latency(99),
        "start_s": start,
        "pss_mib": process.pss_bytes() / 2**20,
    }


def rate_turn(
    bench: Bench, server: str | type[Peer], load: Load, workers: int = 1, cpus: set[int] | None = None
) -> Callable[[int], dict[str, float]]:
    """A turn that measures one server under one load; its figures are `RATE_FIGURES`."""
    kind = PEERS[server] if isinstance(server, str) else server
    server_cpus = cpus or bench.server_cpus
    client_cpus = cpus or bench.client_cpus

    def ask(port: int, seconds: float, rate: float | None = None) -> dnsperf.Outcome:
        return dnsperf.run(
            port,
            load.stream,
            seconds,
            client_cpus,
            bench.scratch,
            transport=load.transport,
            dnssec_ok=load.dnssec_ok,
            rate=rate,
            clients=load.clients,
        )

    def turn(number: int) -> dict[str, float]:
        if load.zone.is_signed and not kind.signed_zones:
            raise NoStart("serves no signed zones")
        expected = reference(bench, load.zone, load.stream, load.dnssec_ok, load.transport) if not number else None
        with running(bench, kind, load.zone, server_cpus, workers) as (peer, process):
            wait_answer(peer.port, f"ns1.{load.zone.origin}", process)
            start = time.monotonic() - process.started
            if expected is not None:
                lines = check.sample(load.stream)
                found = check.ask(peer.port, lines, load.dnssec_ok, load.transport)
                check.compare(lines, found, expected, kind.follows_aliases)
            ask(peer.port, WARM_UP_SECONDS)
            rate = load.rate and load.rate * workers
            return rate_figures(bench, process, start, partial(ask, peer.port), rate)

    return turn


def ask_rates(bench: Bench, load: Load) -> list[Row]:
    """The rows of an ordinary question about rates: every server, one worker."""
    rows = in_turns(bench, [(name, rate_turn(bench, name, load)) for name in bench.servers])
    for row in rows:
        row.note = row.note or PEERS[row.server].remark
    return rows
