"""What does an answer cost over TCP? Long-lived connections, many queries in flight on each."""

from __future__ import annotations

from bench.measure import Bench, Load, ask_rates
from bench.question import RATE_FIGURES, Question, Row, Target


def ask(bench: Bench) -> list[Row]:
    """All servers in turn."""
    material = bench.material
    return ask_rates(bench, Load(material.zone(), material.stream("mixed"), transport="tcp"))


QUESTION = Question(
    name="tcp",
    title="Mixed stream over TCP",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", factor=1.5, peers=("nsd", "knot")),),
    ask=ask,
)
