"""How long until 100,000 small zones answer, and how long until one more does, added while the server runs?

All cores may be used. "Answers" means every zone of a sample over the whole list. A zone is added the quickest way
that a server offers, and the time runs from the call of its control command to the first answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from bench.measure import Bench, in_turns, running, wait_answer
from bench.peers import PEERS
from bench.question import Figure, Question, Row, Target

SAMPLE = 50
ADDITIONS = 5


def _turn(bench: Bench, name: str) -> Callable[[int], dict[str, float]]:
    zones = bench.material.small_zones()
    cores = bench.server_cpus | bench.client_cpus

    def turn(number: int) -> dict[str, float]:
        with running(bench, PEERS[name], zones, cores) as (peer, process):
            for origin in (*zones.origins[:: max(1, len(zones.origins) // SAMPLE)], zones.origins[-1]):
                wait_answer(peer.port, f"mail.{origin}", process)
            start = time.monotonic() - process.started
            memory = process.pss_bytes() / 2**20
            added = []
            for addition in range(ADDITIONS):
                zone = bench.material.further_zone(addition)
                begin = time.monotonic()
                peer.add_zone(zone, process.pid)
                wait_answer(peer.port, f"mail.{zone.origin}", process)
                added.append((time.monotonic() - begin) * 1000)
            return {"start_s": start, "pss_mib": memory, "add_ms": median(added), "add_worst_ms": max(added)}

    return turn


def ask(bench: Bench) -> list[Row]:
    """All servers in turn."""
    return in_turns(bench, [(name, _turn(bench, name)) for name in bench.servers])


QUESTION = Question(
    name="many-zones",
    title="100,000 zones of 10 records: start, and one zone added",
    figures=(
        Figure("start_s", "start s", 2),
        Figure("add_ms", "zone added ms", 1),
        Figure("add_worst_ms", "worst of five ms", 1),
        Figure("pss_mib", "PSS MiB", 1),
    ),
    main="start_s",
    targets=(Target("start_s", limit=30.0), Target("add_ms", limit=50.0)),
    ask=ask,
)
