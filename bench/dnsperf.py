"""Running dnsperf and reading what it prints."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

OUTSTANDING = 200
"""Queries in flight. A default receive buffer (208 KiB) holds some 270 small packets: with fewer than that none is lost
to a full buffer, so a loss is the server's doing."""
CLIENTS = 8
"""Sockets (UDP) or connections (TCP)."""
GRACE_SECONDS = 20

_LATENCY = re.compile(rb"^> \S+ \S+ \S+ (\d+)\.(\d{6})$", re.MULTILINE)


class DnsperfError(Exception):
    """dnsperf failed or printed something else than expected."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of dnsperf. Latencies are microseconds, sorted; empty unless asked for."""

    sent: int
    answered: int
    lost: int
    seconds: float
    rcodes: dict[str, int]
    latencies: tuple[int, ...] = ()

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds

    def latency(self, percent: float) -> int:
        """The given percentile in microseconds (nearest rank)."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]


def parse(text: str) -> Outcome:
    """Read dnsperf's statistics (2.x)."""

    def number(label: str) -> str:
        if not (match := re.search(rf"^\s+{label}:\s+([\d.]+)", text, re.MULTILINE)):
            raise DnsperfError(f"no '{label}' in dnsperf's output:\n{text[-2000:]}")
        return match[1]

    rcodes = re.search(r"Response codes:\s+(.*)", text)
    counts = re.findall(r"(\w+) (\d+) \(", rcodes[1]) if rcodes else []
    return Outcome(
        sent=int(number("Queries sent")),
        answered=int(number("Queries completed")),
        lost=int(number("Queries lost")),
        seconds=float(number(r"Run time \(s\)")),
        rcodes={name: int(count) for name, count in counts},
    )


def parse_latencies(output: bytes) -> tuple[int, ...]:
    """Microseconds of every answered query in dnsperf's verbose output, sorted."""
    return tuple(sorted(int(whole) * 1_000_000 + int(micro) for whole, micro in _LATENCY.findall(output)))


def run(
    port: int,
    stream: Path,
    seconds: float,
    cpus: set[int],
    scratch: Path,
    *,
    transport: str = "udp",
    edns: bool = False,
    dnssec_ok: bool = False,
    rate: float | None = None,
    clients: int = CLIENTS,
) -> Outcome:
    """Ask 127.0.0.1:`port` the questions of `stream` for `seconds`, at most `rate` a second.

    A stream called `*.wire` holds whole messages, each after its length in two octets; others a name and a type in
    each line.
    With `rate`, each query's latency is recorded (dnsperf's verbose mode, written to a file in `scratch`).
    """
    command = ["taskset", "-c", ",".join(map(str, sorted(cpus))), "dnsperf", "-s", "127.0.0.1", "-p", str(port)]
    command += ["-d", str(stream), "-l", f"{max(1, round(seconds))}", "-m", transport, "-c", str(clients), "-T", "1"]
    command += ["-q", str(OUTSTANDING), "-t", "2", "-W"]
    if stream.suffix == ".wire":
        command.append("-B")
    if dnssec_ok:
        command.append("-D")
    elif edns:
        command.append("-e")
    if rate is not None:
        command += ["-Q", str(max(1, int(rate))), "-v"]
    path = scratch / "dnsperf.txt"
    with path.open("wb") as output:
        done = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=seconds + GRACE_SECONDS,
            check=False,
        )
    raw = path.read_bytes()
    path.unlink()
    tail = raw[-20_000:].decode("utf-8", "replace")
    if done.returncode != 0:
        raise DnsperfError(f"dnsperf ended with {done.returncode}:\n{tail[-2000:]}")
    outcome = parse(tail)
    if rate is None:
        return outcome
    return Outcome(
        outcome.sent, outcome.answered, outcome.lost, outcome.seconds, outcome.rcodes, parse_latencies(raw)
    )
