"""Places: files, folders, and which zone a file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pippin.control.places import Place, expand, parse_place, places_in
from pippin.control.settings import Settings, ZoneSettings


def test_argument_names_origin_and_file() -> None:
    assert parse_place("example.com=db.txt") == Place("db.txt", "example.com")
    assert parse_place("zones/a=b.zone") == Place("zones/a=b.zone")


def test_existing_file_with_an_equals_sign_is_meant_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.zone").touch()
    assert parse_place("a=b.zone") == Place("a=b.zone")


def test_folder_stands_for_its_zone_files_in_order(tmp_path: Path) -> None:
    for name in ("b.zone", "a.csv", "c.db", "d.signed", "e.zone~", "hosts.inc", "README", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "folder.zone").mkdir()
    files = [Path(place.path).name for place in expand([Place(str(tmp_path))])]
    assert files == ["a.csv", "b.zone", "c.db", "d.signed"]


def test_file_listed_twice_is_one_place_and_a_missing_one_stays(tmp_path: Path) -> None:
    (tmp_path / "a.zone").touch()
    listed = Place(str(tmp_path / "a.zone"))
    missing = Place(str(tmp_path / "nope.zone"))
    assert expand([listed, missing, Place(str(tmp_path))]) == [listed, missing]


def test_configuration_names_single_zones_before_the_folder() -> None:
    settings = Settings(zone=(ZoneSettings("a.zone", "example"),), zones="folder")
    assert list(places_in(settings)) == [Place("a.zone", "example"), Place("folder")]
