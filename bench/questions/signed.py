"""What do answers from a signed zone cost, with DO set? NSEC and NSEC3, mixed stream and random NXDOMAIN."""

from __future__ import annotations

from bench.measure import Bench, Load, ask_rates
from bench.question import RATE_FIGURES, Question, Row, Target


def _question(denial: str, stream: str, title: str) -> Question:
    def ask(bench: Bench) -> list[Row]:
        material = bench.material
        bench.say(f"zone signed with {denial.upper()} (kept for the next run)")
        return ask_rates(bench, Load(material.zone(denial), material.stream(stream), dnssec_ok=True))

    return Question(
        name=f"{denial}-{stream}",
        title=title,
        figures=RATE_FIGURES,
        main="cpu_us",
        targets=(Target("cpu_us", peers=("nsd", "knot")),),
        ask=ask,
    )


NSEC_MIXED = _question("nsec", "mixed", "Signed (NSEC), DO set, mixed stream")
NSEC_NXDOMAIN = _question("nsec", "nxdomain", "Signed (NSEC), DO set, all NXDOMAIN")
NSEC3_MIXED = _question("nsec3", "mixed", "Signed (NSEC3), DO set, mixed stream")
NSEC3_NXDOMAIN = _question("nsec3", "nxdomain", "Signed (NSEC3), DO set, all NXDOMAIN")
