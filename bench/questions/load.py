"""How long until a zone of a million names answers, from text and after a restart? In how much memory?

All cores may be used here. Memory is taken after two seconds of queries over the whole zone, so that pages that are
mapped but not touched yet are not forgotten.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from bench import dnsperf
from bench.measure import Bench, in_turns, running, wait_answer
from bench.peers import PEERS
from bench.question import Figure, Question, Row, Target

QUERY_SECONDS = 2


def _turn(bench: Bench, name: str) -> Callable[[int], dict[str, float]]:
    zone, stream = bench.material.zone(big=True), bench.material.stream("mixed", big=True)
    cores = bench.server_cpus | bench.client_cpus

    def start(folder: Path) -> dict[str, float]:
        with running(bench, PEERS[name], zone, cores, folder=folder) as (peer, process):
            wait_answer(peer.port, f"ns1.{zone.origin}", process)
            seconds = time.monotonic() - process.started
            spent = process.cpu_time().total
            dnsperf.run(peer.port, stream, QUERY_SECONDS, bench.client_cpus, bench.scratch)
            return {"seconds": seconds, "cpu": spent, "pss": process.pss_bytes() / 2**20}

    def turn(number: int) -> dict[str, float]:
        folder = Path(mkdtemp(prefix=f"{name}-", dir=bench.scratch))
        try:
            cold, again = start(folder), start(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {
            "cold_s": cold["seconds"],
            "cold_cpu_s": cold["cpu"],
            "restart_s": again["seconds"],
            "pss_mib": cold["pss"],
            "restart_pss_mib": again["pss"],
        }

    return turn


def ask(bench: Bench) -> list[Row]:
    """All servers in turn."""
    return in_turns(bench, [(name, _turn(bench, name)) for name in bench.servers])


QUESTION = Question(
    name="load",
    title="1,000,000-name zone (1.35 million records): start-up and memory",
    figures=(
        Figure("cold_s", "cold start s", 2),
        Figure("cold_cpu_s", "CPU s until then", 2),
        Figure("restart_s", "restart s", 2),
        Figure("pss_mib", "PSS MiB", 1),
        Figure("restart_pss_mib", "PSS MiB after restart", 1),
    ),
    main="cold_s",
    targets=(
        Target("cold_s", factor=2.0, peers=("nsd",)),
        Target("restart_s", limit=0.5),
        Target("pss_mib", factor=0.7, peers=("nsd",)),
    ),
    ask=ask,
)
