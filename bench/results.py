"""What a run found out, as plain data: JSON in, JSON out, and the sums made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.question import Question, Row, Target

REFERENCE_PAIR = ("nsd", "knot")


def middle(row: Row, figure: str) -> float | None:
    """The median of a figure over the rounds."""
    values = row.figures.get(figure)
    return median(values) if values else None


def ratios(rows: Sequence[Row], figure: str, row: str = "pippin") -> dict[str, float]:
    """How many times as much `row` needs as each other row, and as the better of NSD and Knot. Below 1 is better."""
    middles = {r.server: value for r in rows if (value := middle(r, figure))}
    ours = middles.pop(row, None)
    if ours is None:
        return {}
    found = {server: ours / theirs for server, theirs in middles.items()}
    pair = [middles[server] for server in REFERENCE_PAIR if server in middles]
    if len(pair) == len(REFERENCE_PAIR):
        found["better of nsd and knot"] = ours / min(pair)
    return found


def verdict(target: Target, rows: Sequence[Row]) -> tuple[bool | None, str]:
    """Whether a target is reached (None: not measured), and the sentence that says so."""
    middles = {row.server: middle(row, target.figure) for row in rows}
    ours = middles.get(target.row)
    if ours is None:
        return None, f"{target}: not measured"
    if target.limit is not None:
        return ours <= target.limit, f"{target}: {ours:.4g}"
    theirs = [value for peer in target.peers if (value := middles.get(peer)) is not None]
    if not theirs:
        return None, f"{target}: no peer measured"
    return ours <= target.factor * min(theirs), f"{target}: {ours / min(theirs):.2f} x"


def as_data(question: Question, rows: Sequence[Row]) -> dict[str, Any]:
    """One question's outcome for JSON."""
    outcomes = [verdict(target, rows) for target in question.targets]
    return {
        "name": question.name,
        "title": question.title,
        "main": question.main,
        "figures": [
            {"key": figure.key, "heading": figure.heading, "digits": figure.digits} for figure in question.figures
        ],
        "rows": [{"server": row.server, "figures": row.figures, "note": row.note} for row in rows],
        "ratios": {name: round(value, 3) for name, value in ratios(rows, question.main).items()},
        "targets": [{"reached": reached, "text": text} for reached, text in outcomes],
    }


def put(run: dict[str, Any], outcome: dict[str, Any], order: Sequence[str]) -> None:
    """Add one question's outcome to a run, in the place of an older one; questions stay in `order`."""
    known = {question["name"]: question for question in run["questions"]} | {outcome["name"]: outcome}
    run["questions"] = [known[name] for name in order if name in known]


def rows_of(question: Mapping[str, Any]) -> list[Row]:
    """The rows of a question read from JSON."""
    return [Row(row["server"], row["figures"], row["note"]) for row in question["rows"]]


def write(path: Path, run: Mapping[str, Any]) -> None:
    """Write a run as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read a run from JSON."""
    run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return run
