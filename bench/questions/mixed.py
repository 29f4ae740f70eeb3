"""What does an answer cost in an ordinary mixture (`bench.streams.MIXTURE`)?"""

from __future__ import annotations

from bench.measure import Bench, Load, ask_rates
from bench.question import RATE_FIGURES, Question, Row, Target


def ask(bench: Bench) -> list[Row]:
    """All servers in turn."""
    material = bench.material
    return ask_rates(bench, Load(material.zone(), material.stream("mixed")))


QUESTION = Question(
    name="mixed",
    title="Mixed stream",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", factor=0.95, peers=("nsd", "knot")),),
    ask=ask,
)
