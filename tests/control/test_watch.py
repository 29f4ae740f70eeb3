"""Watching: which zones are read again after what happened to their files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pippin.control import watch
from pippin.control.places import Place
from pippin.control.watch import Watcher
from pippin.source.loaded import Dependency


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLE", 0.01)


def as_read(path: Path) -> Dependency:
    status = path.stat()
    return Dependency(str(path), status.st_size, status.st_mtime_ns)


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    path = tmp_path / "example.zone"
    path.write_text("one")
    return path


def test_untouched_files_are_not_reported(zone: Path) -> None:
    watcher = Watcher()
    watcher.follow(Place(str(zone)), [as_read(zone)])
    assert watcher.changed() == []


def test_written_replaced_removed_and_included_files_are_reported(zone: Path, tmp_path: Path) -> None:
    included = tmp_path / "hosts.inc"
    included.write_text("hosts")
    place = Place(str(zone))
    watcher = Watcher()

    def follow() -> None:
        watcher.follow(place, [as_read(path) for path in (zone, included) if path.exists()])

    follow()
    zone.write_text("other text")
    assert watcher.changed() == [place]
    follow()
    included.write_text("other hosts")
    assert watcher.changed() == [place]
    follow()
    new = tmp_path / "new"
    new.write_text("another te")
    before = zone.stat()
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(new, zone)  # the same size and time, but another file
    assert watcher.changed() == [place]
    follow()
    zone.unlink()
    assert watcher.changed() == [place]


def test_change_between_reading_and_following_is_noticed(zone: Path) -> None:
    read = as_read(zone)
    zone.write_text("changed meanwhile")
    watcher = Watcher()
    watcher.follow(Place(str(zone)), [read])
    assert watcher.changed() == [Place(str(zone))]


def test_missing_file_is_noticed_when_it_appears(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "late.zone"))
    watcher = Watcher()
    watcher.follow(place, [])
    assert watcher.changed() == []
    (tmp_path / "late.zone").touch()
    assert watcher.changed() == [place]


def test_new_file_in_a_folder_is_noticed_by_the_folder(tmp_path: Path) -> None:
    watcher = Watcher()
    watcher.follow(Place(str(tmp_path)), [])
    time.sleep(0.01)
    (tmp_path / "new.zone").touch()
    assert watcher.changed() == [Place(str(tmp_path))]


def test_file_shared_by_two_zones_concerns_both_until_one_is_forgotten(zone: Path) -> None:
    watcher = Watcher()
    for origin in ("a", "b"):
        watcher.follow(Place(str(zone), origin), [as_read(zone)])
    zone.write_text("changed")
    assert watcher.changed() == [Place(str(zone), "a"), Place(str(zone), "b")]
    watcher.forget(Place(str(zone), "a"))
    assert watcher.changed() == [Place(str(zone), "b")]
    watcher.forget(Place(str(zone), "b"))
    assert watcher.changed() == []


def test_file_in_motion_is_waited_for(zone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher()
    watcher.follow(Place(str(zone)), [as_read(zone)])
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) < 4:
            zone.write_text("more " * len(naps))

    monkeypatch.setattr(watch.time, "sleep", nap)
    zone.write_text("more")
    assert watcher.changed(settle=True) == [Place(str(zone))]
    assert len(naps) == 4
