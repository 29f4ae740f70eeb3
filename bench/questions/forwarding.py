"""What does an answer cost that came from another server? One that is remembered, beside one from a zone of one's own;
and one that has to be asked for.

NSD serves the zone, on the client's core. Remembered: every forwarder is asked for the same names of it again and
again, after one round in which it had to ask NSD; TTLs are longer than the measurement. Asked for: every name is new,
and a wildcard answers for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from bench import check, dnsperf
from bench.check import WrongAnswer
from bench.measure import REPLY_SECONDS, Bench, NoStart, in_turns, rate_figures, running, wait_answer
from bench.peers.forwarders import Dnsmasq, Forwarder, ForwardingPippin, Unbound, to
from bench.peers.nsd import Nsd
from bench.peers.peer import Peer, ZoneFile
from bench.peers.pippin import Pippin
from bench.proc import Process
from bench.question import RATE_FIGURES, Question, Row, Target

NAMES = 2000
CHECKED = 100
"""New names whose answers are compared before the others are counted."""

START_SECONDS = 30.0

NEW_NAMES = 100_000
"""New names for each second of measuring: more than any forwarder asks for."""

NEW_ZONE = ZoneFile("new.test", Path("new.test.zone"))
NEW_TEXT = """$ORIGIN new.test.
$TTL 3600
@    SOA  ns1 hostmaster 1 7200 3600 1209600 300
@    NS   ns1
ns1  A    192.0.2.1
*.w  A    192.0.2.2
"""

Turn = Callable[[int], dict[str, float]]


def _names(bench: Bench) -> list[str]:
    plan = bench.material.plan()
    return [f"{plan.host(number)}.{plan.origin}" for number in range(min(NAMES, plan.hosts))]


def _stream(bench: Bench, name: str, names: Iterable[str]) -> Path:
    path = bench.scratch / name
    path.write_text("".join(f"{name} A\n" for name in names))
    return path


def _new_names(prefix: str, seconds: float) -> Iterator[str]:
    return (f"{prefix}{number:x}.w.{NEW_ZONE.origin}" for number in range(int(NEW_NAMES * max(1, seconds))))


def _ask(port: int, name: str, timeout: float = check.TIMEOUT) -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=port, timeout=timeout)


def _wait_forwarded(port: int, name: str, process: Process) -> None:
    """Until a recursive question is answered."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.is_running():
        try:
            if _ask(port, name, REPLY_SECONDS).answer:
                return
        except (OSError, dns.exception.DNSException):
            time.sleep(0.01)
    raise NoStart("no forwarded answer")


def _learn(port: int, upstream: int, names: list[str]) -> None:
    """Ask for every name once, so that it is remembered, and compare what comes with what the upstream says."""
    for name in names:
        try:
            found, right = _ask(port, name), _ask(upstream, name)
        except dns.exception.Timeout as error:
            raise NoStart(f"no answer for {name}") from error
        if found.rcode() != dns.rcode.NOERROR or found.answer != right.answer:
            raise WrongAnswer(f"{name}: {dns.rcode.to_text(found.rcode())} {found.answer}, right: {right.answer}")


@contextmanager
def _forwarding(
    bench: Bench, kind: type[Peer], zone: ZoneFile, name: str
) -> Iterator[tuple[int, int, Process, float]]:
    """A server in front of NSD: both ports, its process, and the seconds it took to start."""
    with running(bench, Nsd, zone, bench.client_cpus) as (authority, behind):
        wait_answer(authority.port, f"ns1.{zone.origin}", behind)
        server = to(kind, authority.port) if issubclass(kind, Forwarder) else kind
        with running(bench, server, zone, bench.server_cpus) as (peer, process):
            _wait_forwarded(peer.port, name, process)
            yield peer.port, authority.port, process, time.monotonic() - process.started


def _measured(
    bench: Bench, port: int, process: Process, start: float, full: Path, half: Path
) -> dict[str, float]:
    streams = iter((full, half))

    def ask(seconds: float, rate: float | None) -> dnsperf.Outcome:
        return dnsperf.run(port, next(streams), seconds, bench.client_cpus, bench.scratch, rate=rate)

    return rate_figures(bench, process, start, ask)


def _remembered(bench: Bench, kind: type[Peer], stream: Path) -> Turn:
    names = _names(bench)

    def turn(number: int) -> dict[str, float]:
        with _forwarding(bench, kind, bench.material.zone(), names[0]) as (port, upstream, process, start):
            _learn(port, upstream, names)
            return _measured(bench, port, process, start, stream, stream)

    return turn


def _asked_for(bench: Bench, kind: type[Peer], full: Path, half: Path) -> Turn:
    zone = replace(NEW_ZONE, path=bench.scratch / NEW_ZONE.path)

    def turn(number: int) -> dict[str, float]:
        zone.path.write_text(NEW_TEXT)
        with _forwarding(bench, kind, zone, f"ready.w.{zone.origin}") as (port, upstream, process, start):
            _learn(port, upstream, [f"check{number}.w.{zone.origin}" for number in range(CHECKED)])
            return _measured(bench, port, process, start, full, half)

    return turn


def ask(bench: Bench) -> list[Row]:
    """Pippin from a zone, Pippin forwarding, and the two that most people forward with."""
    stream = _stream(bench, "forwarded.txt", _names(bench))
    wanted: list[tuple[str, type[Peer]]] = [("pippin static", Pippin), *FORWARDERS]
    return in_turns(
        bench, [(label, _remembered(bench, kind, stream)) for label, kind in wanted if kind.is_installed()]
    )


def ask_new(bench: Bench) -> list[Row]:
    """The same with names that nobody has asked for before."""
    full = _stream(bench, "new.txt", _new_names("a", bench.seconds))
    half = _stream(bench, "new-half.txt", _new_names("b", bench.seconds / 2))
    return in_turns(
        bench,
        [(label, _asked_for(bench, kind, full, half)) for label, kind in FORWARDERS if kind.is_installed()],
    )


FORWARDERS: list[tuple[str, type[Peer]]] = [
    ("pippin", ForwardingPippin),
    ("dnsmasq", Dnsmasq),
    ("unbound", Unbound),
]

QUESTION = Question(
    name="forwarding",
    title="Names of another server, remembered",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(
        Target("cpu_us", factor=1.3, peers=("pippin static",)),
        Target("cpu_us", peers=("dnsmasq",)),
        Target("cpu_us", peers=("unbound",)),
    ),
    ask=ask,
)

NEW = Question(
    name="forwarding-new",
    title="Names of another server, each for the first time",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(),
    ask=ask_new,
)
