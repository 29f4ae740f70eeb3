"""Every fuzzing target with its seeds and a few hundred variations of them, both engines; `make fuzz` runs more."""

from __future__ import annotations

import time

import pytest

from fuzz.mutate import read_corpus, variation
from fuzz.targets import TARGETS

CASES = 1000
PATIENCE = 2.0  # seconds for each target and engine, so that slow machines get fewer cases, not a slow test


@pytest.mark.parametrize("name", TARGETS)
def test_no_findings(name, engine_module):
    target = TARGETS[name](engine_module)
    seeds = read_corpus(name)
    assert seeds
    end = time.monotonic() + PATIENCE
    for number in range(CASES):
        data = variation(seeds, number)
        try:
            target(data)
        except Exception as error:
            error.add_note(f"fuzz target {name}, case {number}: {data.hex()}")
            raise
        if number >= len(seeds) and time.monotonic() > end:
            break


def test_a_case_can_be_run_again():
    seeds = read_corpus("path")
    assert variation(seeds, 4711) == variation(seeds, 4711)
    assert variation(seeds, 4711) != variation(seeds, 4712)
