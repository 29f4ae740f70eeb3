"""`python -m bench`: ask the questions, print the tables, write JSON, docs/benchmarks.md and its plot."""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any

from rich.console import Console

from bench import machine, plot, report, results
from bench.material import FULL, QUICK, Material
from bench.measure import Bench
from bench.peers import DEFAULT, PEERS
from bench.questions import QUESTIONS

ROOT = Path(__file__).resolve().parent.parent
PLOT = "benchmarks.svg"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    names = [question.name for question in QUESTIONS]
    parser = argparse.ArgumentParser(prog="python -m bench", description="Pippin beside other DNS servers.")
    parser.add_argument("--question", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--servers", default=",".join(DEFAULT), help=f"of {', '.join(PEERS)} (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="of zones and streams (default: 1)")
    parser.add_argument("--quick", action="store_true", help="small zones, 1 round of 1 s: does everything run?")
    parser.add_argument("--json", type=Path, help="results file (default: build/bench.json)")
    parser.add_argument("--docs", type=Path, help="folder for benchmarks.md (default when all is asked: docs)")
    parser.add_argument(
        "--add", action="store_true", help="keep what the results file has of other questions"
    )
    parser.add_argument("--render", action="store_true", help="only write the docs from the results file")
    parser.add_argument("--cache", type=Path, default=Path(gettempdir(), "pippin-bench"), help="zones and streams")
    parser.add_argument("--server-cpu", type=int, default=0, help="core of the server (default: 0)")
    parser.add_argument("--client-cpu", type=int, default=1, help="core of dnsperf (default: 1)")
    options = parser.parse_args(argv)
    options.servers = options.servers.split(",")
    if unknown := [name for name in options.servers if name not in PEERS]:
        parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if options.quick:
        options.seconds, options.rounds = 1.0, 1
    return options


def revision() -> str:
    """The commit that is measured, with a + if the working tree differs from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """How and when a question was asked."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": revision(),
        "seconds": options.seconds,
        "rounds": options.rounds,
        "quick": options.quick,
    }


def render(options: argparse.Namespace, run: dict[str, Any], folder: Path) -> None:
    """Write the page and the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text(report.markdown(run, PLOT), encoding="utf-8")
    (folder / PLOT).write_text(plot.svg(run), encoding="utf-8")


def measure(options: argparse.Namespace, console: Console, results_file: Path) -> dict[str, Any]:
    """Ask the questions; the results file is written after each, so that an interrupted run is not lost."""
    os.sched_setaffinity(0, {options.client_cpu})
    servers = [name for name in options.servers if PEERS[name].is_installed()]
    for name in options.servers:
        if name not in servers:
            console.print(f"{name} is not installed here, or does not start; left out", style="yellow")
    run: dict[str, Any] = {"machine": machine.describe(servers), "questions": []}
    if options.add and results_file.exists():
        run["questions"] = results.read(results_file)["questions"]
    options.cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix="run-", dir=options.cache))  # same file system: zones are linked
    try:
        with console.status("") as status:
            for question in QUESTIONS:
                if options.question and question.name not in options.question:
                    continue

                def say(text: str, title: str = question.title) -> None:
                    status.update(f"{title}: {text}")

                bench = Bench(
                    servers=servers,
                    material=Material(options.cache, QUICK if options.quick else FULL, options.seed),
                    seconds=options.seconds,
                    rounds=options.rounds,
                    scratch=scratch,
                    server_cpus={options.server_cpu},
                    client_cpus={options.client_cpu},
                    say=say,
                )
                outcome = results.as_data(question, question.ask(bench)) | {"measured": measured(options)}
                results.put(run, outcome, [question.name for question in QUESTIONS])
                results.write(results_file, run)
                report.show(console, outcome)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return run


def main() -> int:
    """Exit code 0: it ran, whatever the figures are. 2: used wrongly, or dnsperf is missing."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # unwinds, which stops the server
    console = Console(width=None if sys.stdout.isatty() else 160)
    results_file: Path = options.json or ROOT / "build" / "bench.json"
    if options.render:
        render(options, results.read(results_file), options.docs or ROOT / "docs")
        return 0
    if shutil.which("dnsperf") is None or shutil.which("taskset") is None:
        console.print("dnsperf or taskset is missing: apt install dnsperf util-linux", style="red")
        return 2
    run = measure(options, console, results_file)
    complete = not options.question and not options.quick
    if folder := options.docs or (ROOT / "docs" if complete else None):
        render(options, run, folder)
        console.print(f"written: {folder / 'benchmarks.md'}, {folder / PLOT}")
    console.print(f"written: {results_file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
