"""What does a random-subdomain attack cost? Names that do not exist and never repeat."""

from __future__ import annotations

from bench.measure import Bench, Load, ask_rates
from bench.question import RATE_FIGURES, Question, Row, Target


def ask(bench: Bench) -> list[Row]:
    """All servers in turn."""
    material = bench.material
    return ask_rates(bench, Load(material.zone(), material.stream("nxdomain")))


QUESTION = Question(
    name="nxdomain",
    title="Random names, all NXDOMAIN",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", peers=("nsd",)),),
    ask=ask,
)
