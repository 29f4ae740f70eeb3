"""What does an answer cost that came from another server and is remembered? Beside one from a zone of one's own.

NSD serves the zone, and every forwarder is asked for the same names of it again and again, after one round in which
it had to ask NSD. TTLs are longer than the measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from bench import check, dnsperf
from bench.check import WrongAnswer
from bench.measure import REPLY_SECONDS, Bench, NoStart, in_turns, running, wait_answer
from bench.peers.forwarders import Dnsmasq, Forwarder, ForwardingPippin, Unbound, to
from bench.peers.nsd import Nsd
from bench.peers.peer import Peer
from bench.peers.pippin import Pippin
from bench.proc import Process
from bench.question import RATE_FIGURES, Question, Row, Target

NAMES = 2000
START_SECONDS = 30.0

Turn = Callable[[int], dict[str, float]]


def _names(bench: Bench) -> list[str]:
    plan = bench.material.plan()
    return [f"{plan.host(number)}.{plan.origin}" for number in range(min(NAMES, plan.hosts))]


def _stream(bench: Bench) -> Path:
    path = bench.scratch / "forwarded.txt"
    path.write_text("".join(f"{name} A\n" for name in _names(bench)))
    return path


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
        found, right = _ask(port, name), _ask(upstream, name)
        if found.rcode() != dns.rcode.NOERROR or found.answer != right.answer:
            raise WrongAnswer(f"{name}: {dns.rcode.to_text(found.rcode())} {found.answer}, right: {right.answer}")


def _turn(bench: Bench, kind: type[Peer], stream: Path) -> Turn:
    zone = bench.material.zone()
    names = _names(bench)

    def turn(number: int) -> dict[str, float]:
        with running(bench, Nsd, zone, bench.client_cpus) as (authority, behind):
            wait_answer(authority.port, f"ns1.{zone.origin}", behind)
            server = to(kind, authority.port) if issubclass(kind, Forwarder) else kind
            with running(bench, server, zone, bench.server_cpus) as (peer, process):
                _wait_forwarded(peer.port, names[0], process)
                start = time.monotonic() - process.started
                _learn(peer.port, authority.port, names)
                before = process.cpu_time()
                outcome = dnsperf.run(peer.port, stream, bench.seconds, bench.client_cpus, bench.scratch)
                spent = process.cpu_time() - before
                if not outcome.answered or not process.is_running():
                    raise NoStart("no answers under load")
                half = dnsperf.run(
                    peer.port,
                    stream,
                    bench.seconds / 2,
                    bench.client_cpus,
                    bench.scratch,
                    rate=outcome.rate / 2,
                )
                per_answer = 1e6 / outcome.answered
                return {
                    "rate": outcome.rate,
                    "cpu_us": spent.total * per_answer,
                    "user_us": spent.user * per_answer,
                    "system_us": spent.system * per_answer,
                    "busy": 100 * spent.total / outcome.seconds,
                    "lost": outcome.lost,
                    "p50_us": half.latency(50),
                    "p99_us": half.latency(99),
                    "start_s": start,
                    "pss_mib": process.pss_bytes() / 2**20,
                }

    return turn


def ask(bench: Bench) -> list[Row]:
    """Pippin from a zone, Pippin forwarding, and the two that most people forward with."""
    stream = _stream(bench)
    wanted: list[tuple[str, type[Peer]]] = [
        ("pippin static", Pippin),
        ("pippin", ForwardingPippin),
        ("dnsmasq", Dnsmasq),
        ("unbound", Unbound),
    ]
    return in_turns(bench, [(label, _turn(bench, kind, stream)) for label, kind in wanted if kind.is_installed()])


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
