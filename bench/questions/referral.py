"""What does a referral with glue cost?"""

from __future__ import annotations

from bench.measure import Bench, Load, ask_rates
from bench.question import RATE_FIGURES, Question, Row, Target


def ask(bench: Bench) -> list[Row]:
    """All servers in turn."""
    material = bench.material
    return ask_rates(bench, Load(material.zone(), material.stream("referral")))


QUESTION = Question(
    name="referral",
    title="All referrals",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", peers=("nsd",)),),
    ask=ask,
)
