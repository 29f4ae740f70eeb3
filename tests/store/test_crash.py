"""Whatever is interrupted, the last published state is found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pippin
from pippin.store import Reader, Store
from pippin.store.log import HEADER_SIZE, Log
from tests.store.images import Placed, image_of, serial_of, wire

ROOT = Path(pippin.__file__).parents[1]
A, B = wire("a.example."), wire("b.example.")


def filled(folder, zones=(("a.example.", 1), ("b.example.", 1))):
    store = Store.open(folder, 1)
    for name, version in zones:
        store.publish(wire(name), image_of(name, store.seed, version))
    return store


def found(folder):
    """origin -> serial after a restart, by the writer and by a reader."""
    store = Store.open(folder, 1)
    placed = Placed()
    Reader(folder).follow(placed)
    serials = {origin: serial_of(store.image(origin)) for origin in store.zones()}
    assert placed.serials() == serials
    store.close()
    return serials


def other_boot(folder):
    """As if the operating system had gone down since."""
    log = Log(max(folder.glob("log.*")), writable=True)
    log.boot_id = bytes(16)
    log.close()


def test_restart_keeps_what_was_published(tmp_path):
    store = filled(tmp_path)
    seed, memory = store.seed, bytes(store.image(A))
    store.withdraw(B)
    store.close()
    again = Store.open(tmp_path, 4)
    assert again.seed == seed
    assert bytes(again.image(A)) == memory
    assert list(again.zones()) == [A]


@pytest.mark.parametrize("boot", ["same", "other"])
def test_restart_after_every_number_of_changes(tmp_path, boot):
    store = Store.open(tmp_path, 0)
    expected = {}
    for step in range(1, 12):
        name = ("a.example.", "b.example.", "c.example.")[step % 3]
        if step % 4 == 0 and wire(name) in expected:
            store.withdraw(wire(name))
            del expected[wire(name)]
        else:
            store.publish(wire(name), image_of(name, store.seed, step, 100 * step))
            expected[wire(name)] = step
        store.close()
        if boot == "other":
            other_boot(tmp_path)
        assert found(tmp_path) == expected
        store = Store.open(tmp_path, 0)


def test_killed_between_the_image_and_its_entry(tmp_path, monkeypatch):
    store = filled(tmp_path)
    image = image_of("a.example.", store.seed, 2)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Log, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        store.publish(A, image)
    monkeypatch.undo()
    os.close(store._lock)
    assert found(tmp_path) == {A: 1, B: 1}


def test_killed_between_the_entry_and_the_end_that_makes_it_count(tmp_path):
    store = filled(tmp_path)
    end = store._log.end
    store.publish(A, image_of("a.example.", store.seed, 2))
    store._log._words[1] = end
    os.close(store._lock)
    assert found(tmp_path) == {A: 1, B: 1}


WRITER = """
import sys
from pippin.store import Store
from tests.store.images import image_of, wire
store = Store.open(sys.argv[1], 1)
version = 0
while True:
    version += 1
    for name in ("a.example.", "b.example."):
        store.publish(wire(name), image_of(name, store.seed, version, 5000 * (version % 5)))
    print(version, flush=True)
"""


@pytest.mark.parametrize("stop_after", [1, 7, 23])
def test_a_killed_process_leaves_the_last_published_state(tmp_path, stop_after):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}."},
    )
    reader, placed, said = None, Placed(), 0
    for line in writer.stdout:
        said = int(line)
        reader = reader or Reader(tmp_path)
        reader.follow(placed)
        assert all(serial >= said for serial in placed.serials().values())
        if said >= stop_after:
            break
    writer.send_signal(signal.SIGKILL)
    said = max([said, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    serials = found(tmp_path)
    assert set(serials) == {A, B}
    assert all(said <= serial <= said + 1 for serial in serials.values())


def test_a_damaged_image_is_left_out_after_an_unclean_reboot(tmp_path):
    store = filled(tmp_path)
    entry = store._live[A]
    store.close()
    with (tmp_path / "zones").open("r+b") as zones:
        zones.seek(entry.base + entry.size - 5)
        zones.write(b"!")
    other_boot(tmp_path)
    assert found(tmp_path) == {B: 1}
    assert found(tmp_path) == {B: 1}


def test_an_image_that_never_reached_the_disk_is_left_out(tmp_path):
    store = filled(tmp_path)
    entry = store._live[A]
    store.close()
    with (tmp_path / "zones").open("r+b") as zones:
        zones.seek(entry.base)
        zones.write(bytes(entry.size))
    assert found(tmp_path) == {B: 1}


@pytest.mark.parametrize("kept", range(0, 31, 3))
def test_a_log_cut_short_by_an_unclean_reboot(tmp_path, kept):
    """The end has reached the disk, part of the last entry has not: everything before it is served."""
    store = filled(tmp_path)
    last = store._live[B]
    store.close()
    log = Log(tmp_path / "log.1", writable=True)
    entry_start = last.end - 24 - len(B)
    log._map[entry_start + kept : last.end] = bytes(last.end - entry_start - kept)
    log.close()
    other_boot(tmp_path)
    serials = found(tmp_path)
    assert serials in ({A: 1}, {A: 1, B: 1})
    assert (B in serials) == (kept >= 24 + len(B) - 1), "only the root label, a zero, may be missing"
    store = Store.open(tmp_path, 1)
    store.publish(B, image_of("b.example.", store.seed, 2))
    store.close()
    assert found(tmp_path) == {A: 1, B: 2}


def test_a_log_that_never_reached_the_disk(tmp_path):
    filled(tmp_path).close()
    (tmp_path / "log.1").write_bytes(bytes(HEADER_SIZE * 4))
    assert found(tmp_path) == {}
    filled(tmp_path).close()
    (tmp_path / "log.1").write_bytes(b"\xff" * 4096)
    assert found(tmp_path) == {}


def test_killed_before_the_first_word_of_a_file(tmp_path):
    (tmp_path / "zones").touch()
    os.truncate(tmp_path / "zones", 1 << 36)
    (tmp_path / "log.1").touch()
    os.truncate(tmp_path / "log.1", 1 << 30)
    filled(tmp_path).close()
    assert found(tmp_path) == {A: 1, B: 1}


def test_workers_outlive_a_restart_of_the_writer(tmp_path):
    """Their counters stay mapped, and room they may look at is not used before they have gone on."""
    store = filled(tmp_path)
    orphan, placed = Reader(tmp_path), Placed()
    orphan.follow(placed)
    image = orphan.zone_image(A)
    store.publish(A, image_of("a.example.", store.seed, 2))
    store.close()
    again = Store.open(tmp_path, 1)
    for version in range(3, 9):
        again.publish(B, image_of("b.example.", again.seed, version))
        assert serial_of(image) == 1
    orphan.follow(placed)
    assert placed.serials() == {A: 2, B: 8}
    assert again.counters(0)["log_position"] > 0


def test_fewer_workers_than_last_time(tmp_path):
    store = Store.open(tmp_path, 4)
    orphan = Reader(tmp_path, 3)
    store.close()
    again = Store.open(tmp_path, 1)
    orphan.counters()[0] += 1
    again.publish(A, image_of("a.example.", again.seed))
    placed = Placed()
    orphan.follow(placed)
    assert placed.serials() == {A: 1}
