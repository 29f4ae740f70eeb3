"""The catalogue with watching on: what happens to files reaches the zones served, without looking at the others."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import pytest

from pippin.control import catalogue as module
from pippin.control import watch
from pippin.control.catalogue import Catalogue
from pippin.control.places import Place
from tests.control.running import write_zone
from tests.control.test_catalogue import run, served

NEVER = 1000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "zones"
    folder.mkdir()
    write_zone(folder / "a.zone", "a")
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLE", 0.001)
    monkeypatch.setattr(module, "SETTLE", 0.05)


@pytest.fixture
def only_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", NEVER)


def watching(test: Callable[[Catalogue], Awaitable[None]]) -> Callable[[Catalogue], Awaitable[None]]:
    async def whole(catalogue: Catalogue) -> None:
        watcher = asyncio.create_task(catalogue.watch())
        await asyncio.sleep(0.3)  # its first look is over
        try:
            await test(catalogue)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    return whole


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("only_events")
def test_files_that_appear_change_and_go(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(catalogue: Catalogue) -> None:
        monkeypatch.setattr(module, "expand", _fail)  # nothing is listed for it
        write_zone(tmp_path / "unfinished", "b")
        os.rename(tmp_path / "unfinished", folder / "b.zone")
        await until(lambda: served(catalogue) == {"a": 1, "b": 1})
        write_zone(folder / "a.zone", "a", 2)
        await until(lambda: served(catalogue) == {"a": 2, "b": 1})
        os.unlink(folder / "b.zone")
        await until(lambda: served(catalogue) == {"a": 2})

    run(tmp_path, [Place(str(folder))], watching(test))


@pytest.mark.usefixtures("only_events")
def test_half_a_file_keeps_the_old_zone(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        text = (folder / "a.zone").read_text().replace(" 1 7200", " 2 7200")
        (folder / "a.zone").write_text(text[:40])
        await until(lambda: not catalogue.outcomes()[0].published)
        assert served(catalogue) == {"a": 1}
        (folder / "a.zone").write_text(text)
        await until(lambda: served(catalogue) == {"a": 2})

    run(tmp_path, [Place(str(folder))], watching(test))


@pytest.mark.usefixtures("only_events")
def test_file_that_is_replaced_in_two_steps_is_never_withdrawn(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        os.rename(folder / "a.zone", folder / "a.zone~")
        await asyncio.sleep(0.01)
        assert served(catalogue) == {"a": 1}
        write_zone(folder / "a.zone", "a", 2)
        await until(lambda: served(catalogue) == {"a": 2})
        await asyncio.sleep(0.1)
        assert served(catalogue) == {"a": 2}

    logs = run(tmp_path, [Place(str(folder))], watching(test))
    assert not any("withdrawn" in entry["event"] for entry in logs)


@pytest.mark.usefixtures("only_events")
def test_folder_that_vanishes_leaves_its_zones(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        shutil.rmtree(folder)
        await asyncio.sleep(0.2)
        assert served(catalogue) == {"a": 1}

    run(tmp_path, [Place(str(folder))], watching(test))


@pytest.mark.usefixtures("only_events")
def test_included_file_is_heard_of(tmp_path: Path, folder: Path) -> None:
    other = tmp_path / "includes"
    other.mkdir()
    (other / "hosts").write_text("www A 192.0.2.80\n")
    zone = folder / "a.zone"
    zone.write_text(zone.read_text() + "$INCLUDE ../includes/hosts\n")

    async def test(catalogue: Catalogue) -> None:
        before = catalogue.outcomes()[0].records
        (other / "hosts").write_text("www A 192.0.2.80\nmail A 192.0.2.81\n")
        await until(lambda: catalogue.outcomes()[0].records == before + 1)

    run(tmp_path, [Place(str(folder))], watching(test))


def test_without_inotify_files_are_looked_at(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Inotify", _fail)
    monkeypatch.setattr(watch, "INTERVAL", 0.05)

    async def test(catalogue: Catalogue) -> None:
        write_zone(folder / "b.zone", "b")
        await until(lambda: served(catalogue) == {"a": 1, "b": 1})

    logs = run(tmp_path, [Place(str(folder))], watching(test))
    assert any("by looking at them only" in entry["event"] for entry in logs)


def _fail(*arguments: object) -> NoReturn:
    raise OSError(24, "Too many open files")


@pytest.mark.usefixtures("only_events")
def test_change_made_between_the_first_reading_and_the_watching_is_noticed(tmp_path: Path) -> None:
    write_zone(tmp_path / "one.zone", "one")

    async def test(catalogue: Catalogue) -> None:
        write_zone(tmp_path / "two.zone", "two")
        write_zone(tmp_path / "one.zone", "one", serial=2)
        (tmp_path / "three.zone").hardlink_to(write_zone(tmp_path / "three", "three"))
        watcher = asyncio.create_task(catalogue.watch())
        await asyncio.wait_for(until(lambda: served(catalogue) == {"one": 2, "two": 1, "three": 1}), 5)
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    run(tmp_path, [Place(str(tmp_path))], test)
