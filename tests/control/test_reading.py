"""Reading many zones by several processes: the same results, in the same order."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import structlog.testing

from pippin.control import reading
from pippin.control.marks import Marks
from pippin.control.places import Place
from pippin.control.reading import prepare_all
from tests.control.running import write_zone


@pytest.fixture
def places(tmp_path: Path) -> list[Place]:
    places = [Place(str(write_zone(tmp_path / f"z{number}.zone", f"z{number}"))) for number in range(120)]
    Path(places[60].path).write_text("nonsense\n")
    return places


def test_processes_give_what_one_gives(places: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(prepare_all(places, 7))
    monkeypatch.setattr(reading, "PARALLEL_FROM", 20)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda pid: {0, 1})
    assert list(prepare_all(places, 7)) == alone
    assert [prepared.image is None for prepared in alone].index(True) == 60


def test_reading_may_be_stopped(places: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PARALLEL_FROM", 20)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda pid: {0, 1})
    zones = prepare_all(places, 7)
    assert next(zones).place == places[0]
    zones.close()


def _die(place: Place, seed: int, marks: Marks) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_process_leaves_the_work_to_this_one(
    places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PARALLEL_FROM", 20)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda pid: {0, 1})
    real = reading._by_processes

    def broken(places: list[Place], seed: int, marks: Marks, processes: int) -> object:
        monkeypatch.setattr(reading, "_prepare_here", _die)
        try:
            yield from real(places, seed, marks, processes)
        finally:
            monkeypatch.undo()

    monkeypatch.setattr(reading, "_by_processes", broken)
    with structlog.testing.capture_logs() as logs:
        assert [prepared.place for prepared in prepare_all(places, 7)] == places
    assert logs[0]["zones_left"] == 120
