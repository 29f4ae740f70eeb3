"""Results for people: a table on the terminal, and docs/benchmarks.md made from the JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.question import Row
from bench.results import middle, ratios, rows_of

MARKS = {True: "reached", False: "missed", None: "open"}


def cell(row: Row, figure: Mapping[str, Any], spread: bool = False) -> str:
    """A figure's median, and its smallest and biggest value if asked for and different."""
    value = middle(row, figure["key"])
    if value is None:
        return "-"
    digits = figure["digits"]
    text = f"{value:,.{digits}f}"
    low, high = (f"{bound(row.figures[figure['key']]):,.{digits}f}" for bound in (min, max))
    return f"{text} ({low}-{high})" if spread and low != high else text


def show(console: Console, question: Mapping[str, Any]) -> None:
    """Print one question's table, ratios and verdicts."""
    rows = rows_of(question)
    table = Table(title=f"{question['title']}  [dim]{question['name']}[/dim]", title_justify="left")
    table.add_column("server")
    for figure in question["figures"]:
        table.add_column(figure["heading"], justify="right")
    for row in rows:
        if row.figures:
            table.add_row(row.server, *(cell(row, figure) for figure in question["figures"]))
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"  {row.server}: {row.note}", markup=False, highlight=False)
    if found := ratios(rows, question["main"]):
        text = ", ".join(f"{value:.2f} x {name}" for name, value in found.items())
        console.print(f"  pippin's {question['main']}: {text}", markup=False)
    for target in question["targets"]:
        console.print(f"  {MARKS[target['reached']]}: {target['text']}", markup=False)
    console.print()


def markdown(run: Mapping[str, Any], plot: str) -> str:
    """The page docs/benchmarks.md."""
    machine, questions = run["machine"], run["questions"]
    dates = sorted(question["measured"]["date"] for question in questions)
    revisions = list(dict.fromkeys(question["measured"]["revision"] for question in questions))
    is_quick = any(question["measured"]["quick"] for question in questions)
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. How each figure is measured is told in `bench/measure.py`, the settings",
        "of every server are in `bench/peers/`. Absolute figures belong to this machine; the ratios are the result.",
        "",
        f"- Date: {dates[0]} to {dates[-1]}; revision {', '.join(f'`{revision}`' for revision in revisions)}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" Linux {machine['kernel']}",
        f"- Programs: {'; '.join(f'{name}: {text}' for name, text in machine['versions'].items() if text)}",
        "- Each server with one worker pinned to one core, dnsperf on the other, in turns; medians of the rounds,"
        " smallest and biggest value in brackets."
        + (" **Quick run with small zones: not the figures to quote.**" if is_quick else ""),
        "- CPU per answer is the time of all the server's processes, user and system, divided by the answers that"
        " dnsperf counted. Where the core is busy well below 100 %, dnsperf was the limit: answers per second then tell"
        " about dnsperf, the CPU time per answer still about the server.",
        "- Latency is measured at half of the rate that the server reached in the same round (dnsperf's log of every"
        " query).",
        "",
        f"![CPU time per answer]({plot})",
        "",
    ]
    for question in questions:
        rows = rows_of(question)
        asked = question["measured"]
        figures = question["figures"]
        lines += [
            f"## {question['title']}",
            "",
            f"`python -m bench --question {question['name']}`, {asked['rounds']} rounds of {asked['seconds']:g} s, "
            f"revision `{asked['revision']}`",
            "",
            "| server | " + " | ".join(figure["heading"] for figure in figures) + " |",
            "|---|" + "---:|" * len(figures),
        ]
        lines += [
            f"| {row.server} | " + " | ".join(cell(row, figure, spread=True) for figure in figures) + " |"
            for row in rows
            if row.figures
        ]
        lines.append("")
        lines += [f"- {row.server}: {row.note}" for row in rows if row.note]
        if found := ratios(rows, question["main"]):
            text = ", ".join(f"{value:.2f} x {name}" for name, value in found.items())
            lines.append(f"- Pippin's `{question['main']}`: {text}")
        lines += [f"- {MARKS[target['reached']]}: {target['text']}" for target in question["targets"]]
        lines.append("")
    return "\n".join(lines)
