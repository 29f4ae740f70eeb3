"""How fast is the same engine uncompiled, under CPython and under PyPy?

The engine alone (`bench/engine_only.py`: batches in memory, no sockets) in three ways; and the whole server where it
runs: PyPy of Debian 12 is Python 3.9, for which the server is too new but the engine is not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import dns.message

import pippin
from bench.measure import Bench, Load, NoStart, in_turns, rate_turn
from bench.question import Figure, Question, Row, Target
from pippin.engine.compile import compile_zone
from pippin.source.files import load

QUERIES = 4096
SEED = 1
SCRIPT = Path(__file__).resolve().parent.parent / "engine_only.py"
SOURCES = Path(pippin.__file__).resolve().parent.parent
SPARE_SECONDS = 60
"""For starting, reading and a core that is shared."""


def _write_inputs(bench: Bench) -> tuple[Path, Path]:
    """The compiled zone and the queries as files."""
    zone, stream = bench.material.zone(), bench.material.stream("mixed")
    image, queries = bench.scratch / "zone.image", bench.scratch / "queries.wire"
    loaded = load(str(zone.path), zone.origin)
    image.write_bytes(compile_zone(loaded.records, loaded.origin, SEED)[0])
    with stream.open(encoding="ascii") as lines, queries.open("wb") as file:
        for line in islice(lines, QUERIES):
            name, rdtype = line.split()
            wire = dns.message.make_query(name, rdtype, flags=0, use_edns=False).to_wire()
            file.write(len(wire).to_bytes(2, "big") + wire)
    return image, queries


def _engine_turn(
    bench: Bench, interpreter: str, pure: bool, served_as: str | None
) -> Callable[[int], dict[str, float]]:
    def turn(number: int) -> dict[str, float]:
        if shutil.which(interpreter) is None:
            raise NoStart(f"{interpreter} is not installed")
        image, queries = _write_inputs(bench)
        environment = {key: value for key, value in os.environ.items() if key != "PIPPIN_PURE"}
        environment["PYTHONPATH"] = str(SOURCES)
        if pure:
            environment["PIPPIN_PURE"] = "1"
        pin = ["taskset", "-c", ",".join(map(str, sorted(bench.server_cpus)))]
        command = [*pin, interpreter, str(SCRIPT), str(image), str(SEED), str(queries), str(bench.seconds)]
        limit = bench.seconds + SPARE_SECONDS
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=limit)
        found = json.loads(done.stdout)
        if found["compiled"] == pure:
            raise NoStart(f"asked for the {'un' if pure else ''}compiled engine and got the other")
        figures = {"engine_us": found["engine_us"], "hit_percent": found["hit_percent"]}
        if served_as is not None:
            load = Load(bench.material.zone(), bench.material.stream("mixed"))
            figures |= rate_turn(bench, served_as, load)(number)
        return figures

    return turn


def ask(bench: Bench) -> list[Row]:
    """Compiled, uncompiled under CPython, uncompiled under PyPy."""
    return in_turns(
        bench,
        [
            ("pippin", _engine_turn(bench, sys.executable, False, "pippin")),
            ("pippin-pure", _engine_turn(bench, sys.executable, True, "pippin-pure")),
            ("pypy engine", _engine_turn(bench, "pypy3", True, None)),
        ],
    )


QUESTION = Question(
    name="uncompiled",
    title="The engine compiled, uncompiled, and under PyPy",
    figures=(
        Figure("engine_us", "engine alone µs/answer", 2),
        Figure("hit_percent", "answered at once %", 1),
        Figure("rate", "served: answers/s"),
        Figure("cpu_us", "CPU µs/answer", 2),
        Figure("user_us", "user µs", 2),
        Figure("system_us", "system µs", 2),
    ),
    main="engine_us",
    targets=(
        Target("engine_us", row="pippin-pure", limit=40.0),
        Target("engine_us", row="pypy engine", limit=12.0),
    ),
    ask=ask,
)
