"""`python -m fuzz`: variations of the seeds at every target, for some time.

    python -m fuzz                         a minute for each target: uncompiled, then compiled under AddressSanitizer
    python -m fuzz path --seconds 3600     longer, one target
    python -m fuzz path --case 4711        one case again
    python -m fuzz path --atheris          variations guided by coverage (needs `pip install atheris`)

Ends with 0 when there were no findings, else with 1 and the number and the bytes of the first one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from itertools import chain, count
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = ("path", "compile", "scan", "tcp", "memo")
DEFAULT_SECONDS = 60


def main() -> int:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", choices=[[], *NAMES], default=[], metavar="TARGET", help=" ".join(NAMES))
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_SECONDS, metavar="N", help="for each target and engine"
    )
    parser.add_argument("--start", type=int, default=None, help="the first case; by default the clock chooses")
    parser.add_argument("--case", type=int, help="run only this case")
    parser.add_argument("--engine", choices=("uncompiled", "asan", "both"), default="both")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage, uncompiled")
    asked = parser.parse_args()
    targets = asked.targets or list(NAMES)
    if os.environ.get("PIPPIN_FUZZ_INSIDE"):
        return run(targets, asked.seconds, asked.start, asked.case)
    if asked.atheris:
        from fuzz.asan import copy_sources

        # atheris instruments what Python's own finder loads from source, so no extension module may lie beside it.
        with tempfile.TemporaryDirectory(prefix="pippin-sources-") as folder:
            copy_sources(Path(folder))
            env = {"PIPPIN_PURE": "0", "PYTHONPATH": str(Path(folder) / "src")}
            return max(inside(env, "fuzz.coverage", name, str(asked.seconds)) for name in targets)
    result = 0
    again = [f"--case={asked.case}"] if asked.case is not None else [f"--seconds={asked.seconds}"]
    again += [f"--start={asked.start}"] if asked.start is not None else []
    if asked.engine in ("uncompiled", "both"):
        result = inside({"PIPPIN_PURE": "1"}, "fuzz", *targets, *again)
    if asked.engine in ("asan", "both"):
        from fuzz.asan import environment

        result = max(result, inside(environment(), "fuzz", *targets, *again))
    return result


def inside(extra: dict[str, str], module: str, *arguments: str) -> int:
    """Run in an interpreter of its own, which the environment tells which engine to import."""
    path = os.pathsep.join(filter(None, [extra.get("PYTHONPATH", str(ROOT / "src")), str(ROOT)]))
    env = os.environ | extra | {"PYTHONPATH": path, "PIPPIN_FUZZ_INSIDE": "1"}
    return subprocess.run([sys.executable, "-m", module, *arguments], env=env, cwd=ROOT, check=False).returncode


def run(names: list[str], seconds: float, start: int | None, case: int | None) -> int:
    """Cases from `start` on for `seconds` at each target, in this interpreter."""
    from fuzz.mutate import read_corpus, variation
    from fuzz.targets import TARGETS
    from pippin.engine import engine_name

    for name in names:
        target = TARGETS[name](lambda module: importlib.import_module(f"pippin.engine.{module}"))
        seeds = read_corpus(name)
        first = int(time.time()) * 1_000_000 if start is None else start
        numbers = chain(range(len(seeds)), count(first)) if case is None else iter([case])
        end = time.monotonic() + seconds
        done = 0
        for number in numbers:
            data = variation(seeds, number)
            try:
                target(data)
            except Exception:
                print(f"{name}, {engine_name()}: case {number} is a finding: {data.hex()}", flush=True)
                raise
            done += 1
            if time.monotonic() >= end:
                break
        print(f"{name}, {engine_name()}: {done:,} cases, no findings", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
