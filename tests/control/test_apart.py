"""A large zone prepared by a process of its own: the same result, and no harm if that process dies."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pippin.control import apart, reading
from pippin.control.apart import prepare_apart
from pippin.control.places import Place
from pippin.control.prepare import prepare
from tests.control.running import write_zone


def test_child_gives_what_would_come_of_it_here(tmp_path: Path) -> None:
    place = Place(str(write_zone(tmp_path / "example.zone")))
    here, there = prepare(place, 7), prepare_apart(place, 7)
    assert there.image is not None
    assert replace(there, image=bytes(there.image)) == here


def test_broken_zone_comes_back_with_its_problems(tmp_path: Path) -> None:
    path = write_zone(tmp_path / "example.zone")
    path.write_text(path.read_text() + "bad A x\n")
    there = prepare_apart(Place(str(path)), 7)
    assert there.image is None
    assert there == prepare(Place(str(path)), 7)


@pytest.mark.parametrize(
    ("command", "how"), [("kill -KILL $$", "was killed by SIGKILL"), ("exit 3", "ended with exit code 3")]
)
def test_child_that_dies_is_a_problem_of_that_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, how: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{command}\n")
    python.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(python))
    there = prepare_apart(Place("big.zone"), 7)
    assert there.image is None
    assert str(there.problems[0]) == f"big.zone: the process that read it {how}; is there enough memory?"


def test_size_decides_who_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(str(write_zone(tmp_path / "example.zone")))
    apart_from = []
    monkeypatch.setattr(reading.apart, "prepare_apart", lambda place, seed, marks: apart_from.append(place))
    next(reading.prepare_all([place], 7))
    assert apart_from == []
    monkeypatch.setattr(reading, "LARGE", 100)
    next(reading.prepare_all([place], 7))
    assert apart_from == [place]


def test_stop_ends_a_child_that_is_still_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python, started = tmp_path / "python", tmp_path / "started"
    python.write_text(f"#!/bin/sh\n: > {started}\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(python))
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(prepare_apart, Place("big.zone"), 7)
        for _ in range(1000):
            if started.exists():
                break
            time.sleep(0.01)
        reading.stop()
        (problem,) = waiting.result(timeout=30).problems
    assert "was killed by SIGKILL" in problem.message
