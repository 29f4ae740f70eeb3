"""What a question is: a name, the figures it yields, the target, and the function that finds them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.measure import Bench


@dataclass(frozen=True, slots=True)
class Figure:
    """One column: the key of a measured value, its heading with the unit, and the decimals to show."""

    key: str
    heading: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """`figure` of `row` is to be at most `factor` times the best of `peers`, or at most `limit`."""

    figure: str
    row: str = "pippin"
    factor: float = 1.0
    peers: tuple[str, ...] = ()
    limit: float | None = None

    def __str__(self) -> str:
        if self.limit is not None:
            return f"{self.row}: {self.figure} at most {self.limit:g}"
        return f"{self.row}: {self.figure} at most {self.factor:g} x {' or '.join(self.peers)} (the better)"


@dataclass(slots=True)
class Row:
    """What was found out about one server: each figure once per round, or a note saying why there is none."""

    server: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """`main` is the figure that ratios are made of: less is better."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    main: str
    targets: tuple[Target, ...]
    ask: Callable[[Bench], list[Row]]


RATE_FIGURES = (
    Figure("rate", "answers/s"),
    Figure("cpu_us", "CPU µs/answer", 2),
    Figure("user_us", "user µs", 2),
    Figure("system_us", "system µs", 2),
    Figure("busy", "core busy %"),
    Figure("lost", "lost"),
    Figure("p50_us", "p50 µs"),
    Figure("p99_us", "p99 µs"),
    Figure("start_s", "start s", 2),
    Figure("pss_mib", "PSS MiB", 1),
)
