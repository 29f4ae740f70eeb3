"""Do two workers cost more per answer than one? They would if the answer path took a shared lock.

Each worker is asked the same number of questions a second, so that the batches it finds, over which system calls and
wake-ups are shared, are alike. Server and dnsperf share the same two cores, with one worker as with two: the CPU time
per answer is what is compared.
"""

from __future__ import annotations

from bench.measure import Bench, Load, in_turns, rate_turn
from bench.question import RATE_FIGURES, Question, Row, Target

RATE = 40_000  # questions a second for each worker: two of them and dnsperf have room on two cores

SOCKETS = 64  # the kernel spreads clients over the workers by a hash of their ports: enough of them to spread evenly


def ask(bench: Bench) -> list[Row]:
    """Pippin, NSD and Knot, each with one worker and with two."""
    load = Load(bench.material.zone(), bench.material.stream("mixed"), clients=SOCKETS, rate=RATE)
    cores = bench.server_cpus | bench.client_cpus
    names = [name for name in bench.servers if name in ("pippin", "nsd", "knot")]
    return in_turns(
        bench,
        [
            (f"{name} x {workers}", rate_turn(bench, name, load, workers, cores))
            for name in names
            for workers in (1, 2)
        ],
    )


QUESTION = Question(
    name="workers",
    title=f"One worker and two, each asked {RATE:,} questions a second, on two cores shared with the client",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", row="pippin x 2", factor=1.05, peers=("pippin x 1",)),),
    ask=ask,
)
