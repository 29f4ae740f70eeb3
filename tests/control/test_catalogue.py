"""The catalogue: what is named, what came of it, and what stays when sources go wrong."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from pippin.control import watch
from pippin.control.catalogue import PROBLEMS_LOGGED, Catalogue
from pippin.control.places import Place
from pippin.store import Store
from tests.control.running import write_zone

Test = Callable[[Catalogue], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLE", 0.001)


def run(tmp_path: Path, places: list[Place], test: Test) -> list[dict[str, Any]]:
    """Read `places`, run the test; what was logged."""

    async def whole() -> None:
        store = Store.open(tmp_path / "store", 1)
        catalogue = Catalogue(store, lambda: places, lambda done, total, place: None)
        try:
            catalogue.listen()
            await catalogue.read_first()
            await test(catalogue)
        finally:
            catalogue.close()
            store.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(asyncio.wait_for(whole(), 20))
    return [dict(entry) for entry in logs]


def served(catalogue: Catalogue) -> dict[str, int]:
    return {outcome.zone_name: outcome.serial for outcome in catalogue.served()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "zones"
    folder.mkdir()
    write_zone(folder / "a.zone", "a")
    write_zone(folder / "b.zone", "b")
    return folder


def test_only_what_has_changed_is_read_again(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        assert await catalogue.reload() == []
        write_zone(folder / "b.zone", "b", 2)
        assert [outcome.zone_name for outcome in await catalogue.reload()] == ["b"]
        assert [outcome.zone_name for outcome in await catalogue.reload("A.")] == ["a"]
        assert await catalogue.reload("c") == []
        assert served(catalogue) == {"a": 1, "b": 2}

    run(tmp_path, [Place(str(folder))], test)


def test_new_zone_is_found_by_its_name(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        write_zone(folder / "c.zone", "c")
        assert [outcome.zone_name for outcome in await catalogue.reload("c")] == ["c"]
        assert served(catalogue) == {"a": 1, "b": 1, "c": 1}

    run(tmp_path, [Place(str(folder))], test)


def test_zone_that_moves_to_another_file_goes_on(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        write_zone(folder / "a2.zone", "a", 2)
        (folder / "a.zone").unlink()
        await catalogue.reload()
        assert served(catalogue) == {"a": 2, "b": 1}

    run(tmp_path, [Place(str(folder))], test)


def test_folder_that_is_gone_leaves_its_zones(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        shutil.move(folder, tmp_path / "elsewhere")
        assert await catalogue.reload() == []
        assert await catalogue.reload() == []
        assert served(catalogue) == {"a": 1, "b": 1}
        shutil.move(tmp_path / "elsewhere", folder)
        write_zone(folder / "a.zone", "a", 2)
        await catalogue.reload()
        assert served(catalogue) == {"a": 2, "b": 1}

    logs = run(tmp_path, [Place(str(folder))], test)
    assert "folder is gone, its zones stay as they are" in [entry["event"] for entry in logs]


def test_named_file_that_is_gone_leaves_its_zone(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        (folder / "a.zone").unlink()
        (outcome,) = await catalogue.reload()
        assert not outcome.published
        assert served(catalogue) == {"a": 1}

    logs = run(tmp_path, [Place(str(folder / "a.zone"))], test)
    assert "zone not changed, the old one stays" in [entry["event"] for entry in logs]


def test_folder_without_zones_is_told(tmp_path: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        assert served(catalogue) == {}

    (tmp_path / "empty").mkdir()
    logs = run(tmp_path, [Place(str(tmp_path / "empty"))], test)
    assert logs[0]["event"] == "no zones here, all questions are refused"
    assert logs[0]["zone_files"] == ".csv, .db, .signed, .zone"


def test_a_flood_of_problems_is_cut_short(tmp_path: Path) -> None:
    async def test(catalogue: Catalogue) -> None:
        assert len(catalogue.outcomes()[0].problems) > 100

    (tmp_path / "bad.zone").write_text("www A x\n" * 200)
    logs = run(tmp_path, [Place(str(tmp_path / "bad.zone"), "example")], test)
    assert len(logs) == PROBLEMS_LOGGED + 2
    assert logs[-2]["event"] == "more problems, `pippin check` shows all"
