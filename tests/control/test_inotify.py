"""inotify: what is heard of files, and what is left out."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pippin.control.inotify import Inotify, Lost


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Inotify]:
    inotify = Inotify()
    inotify.watch(str(tmp_path))
    yield inotify
    inotify.close()


def test_nothing_is_heard_of_a_quiet_folder(heard: Inotify) -> None:
    assert heard.take() == set()


def test_file_is_heard_of_when_its_writer_closes_it(heard: Inotify, tmp_path: Path) -> None:
    path = tmp_path / "a.zone"
    with path.open("w") as file:
        file.write("half")
        file.flush()
        assert heard.take() == set()
    assert heard.take() == {str(path)}
    assert heard.take() == set()


def test_renamed_linked_and_removed_files_are_heard_of_at_once(heard: Inotify, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    heard.take()
    os.rename(tmp_path / "a", tmp_path / "b")
    assert heard.take() == {str(tmp_path / "a"), str(tmp_path / "b")}
    os.link(tmp_path / "b", tmp_path / "c")
    os.symlink("b", tmp_path / "d")
    assert heard.take() == {str(tmp_path / "c"), str(tmp_path / "d")}
    os.unlink(tmp_path / "b")
    assert heard.take() == {str(tmp_path / "b")}


def test_folders_inside_are_no_files(heard: Inotify, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    assert heard.take() == set()


def test_folder_is_known_by_every_name_it_was_given(
    heard: Inotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    heard.watch("")
    heard.watch("missing")
    (tmp_path / "a").write_text("a")
    assert heard.take() == {str(tmp_path / "a"), "a"}


def test_folder_that_was_removed_can_be_watched_again(heard: Inotify, tmp_path: Path) -> None:
    folder = tmp_path / "zones"
    for _ in range(2):
        folder.mkdir()
        heard.watch(str(folder))
        (folder / "a").write_text("a")
        assert str(folder / "a") in heard.take()
        shutil.rmtree(folder)
        heard.take()


def test_too_many_events_are_not_passed_over_in_silence(heard: Inotify, tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"this machine keeps {limit} events, too many to overflow in a test")
    one, other = tmp_path / "a", tmp_path / "b"
    one.touch()
    for _ in range(limit // 2 + 1):
        os.rename(one, other)
        os.rename(other, one)
    with pytest.raises(Lost):
        heard.take()


def test_waiting_ends_with_an_event_or_in_time(heard: Inotify, tmp_path: Path) -> None:
    async def test() -> None:
        waiting = asyncio.create_task(heard.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        (tmp_path / "a").write_text("a")
        await waiting
        assert heard.take() == {str(tmp_path / "a")}
        await heard.wait(0.001)
        assert heard.take() == set()

    asyncio.run(test())
