"""The log is written anew while readers are at every stage."""

from __future__ import annotations

import pytest

from pippin.store import Reader, Store
from pippin.store import store as module
from pippin.store.log import LOG_CAPACITY, PLACE, Log, Torn
from tests.store.images import Placed, image_of, serial_of, wire

A = wire("a.example.")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOG_SLACK", 2000)
    made = Store.open(tmp_path, 3)
    yield made
    made.close()


def publish(store, version, name="a.example."):
    store.publish(wire(name), image_of(name, store.seed, version))


def until_rewritten(store, version=100):
    before = store._log.number
    while store._log.number == before:
        version += 1
        publish(store, version)
    return version


def test_positions_only_grow(tmp_path):
    one, two = Log(tmp_path / "log.1", writable=True), Log(tmp_path / "log.2", writable=True)
    assert one.position(LOG_CAPACITY) <= two.position(0)


def test_readers_go_on_in_the_next_log(store, tmp_path):
    keen, idle = Reader(tmp_path, 0), Reader(tmp_path, 1)
    placed = Placed(), Placed(), Placed()
    keen.follow(placed[0])
    version = until_rewritten(store)
    keen.follow(placed[0])
    idle.follow(placed[1])
    late = Reader(tmp_path, 2)
    late.follow(placed[2])
    assert [each.serials() for each in placed] == [{A: version}] * 3
    version = until_rewritten(store)
    version = until_rewritten(store, version)
    store.withdraw(A)
    publish(store, 5, "b.example.")
    for reader, each in zip((keen, idle, late), placed, strict=True):
        reader.follow(each)
        assert each.serials() == {wire("b.example."): 5}


def test_room_is_not_used_again_before_a_reader_has_moved_on(store, tmp_path):
    """A reader that reports where it is in the old log has not read anything of the new one."""
    reader = Reader(tmp_path, 0)
    others = [(Reader(tmp_path, worker), Placed()) for worker in (1, 2)]
    placed = Placed()
    publish(store, 1)
    reader.follow(placed)
    with reader.pinned():
        image = reader.zone_image(A)
        version = until_rewritten(store)
        with reader.pinned():
            pass  # reports
        for _ in range(20):
            version += 1
            publish(store, version)
            for other, each in others:
                other.follow(each)
            assert serial_of(image) == 1


def test_finished_logs_are_removed_when_nobody_needs_them(store, tmp_path):
    readers = [(Reader(tmp_path, worker), Placed()) for worker in range(3)]
    version = until_rewritten(store)
    assert len(list(tmp_path.glob("log.*"))) == 2
    for reader, placed in readers:
        reader.follow(placed)
    publish(store, version + 1)
    assert [path.name for path in tmp_path.glob("log.*")] == ["log.2"]


def test_a_slow_reader_does_not_stop_the_rewriting(store, tmp_path):
    reader, placed = Reader(tmp_path, 0), Placed()
    version = 100
    for _ in range(4):
        version = until_rewritten(store, version)
    assert store._log.end < 10_000
    reader.follow(placed)
    assert placed.serials() == {A: version}


def test_a_log_that_cannot_be_written_anew_goes_on(store, tmp_path, monkeypatch):
    publish(store, 1)
    (tmp_path / "unfinished-log.2").mkdir()
    (tmp_path / "unfinished-log.2" / "in the way").touch()
    with pytest.raises(OSError, match="unfinished"):
        until_rewritten(store)


def test_restart_while_the_next_log_was_begun(store, tmp_path):
    publish(store, 1)
    store.close()
    (tmp_path / "unfinished-log.2").write_bytes(b"half")
    reopened = Store.open(tmp_path, 3)
    assert serial_of(reopened.image(A)) == 1
    version = until_rewritten(reopened)
    assert serial_of(reopened.image(A)) == version
    store.__init__(tmp_path / "other", 1)  # so that the fixture has something to close


def test_killed_between_the_new_log_and_the_pointer_to_it(store, tmp_path):
    """The new log is complete; readers of the old one are led on when the store is opened again."""
    follower, placed = Reader(tmp_path, 0), Placed()
    publish(store, 1)
    follower.follow(placed)
    new = Log(tmp_path / "unfinished-log.2", writable=True)
    entry = store._live[A]
    new.append(PLACE, A, entry.base, entry.size, entry.checksum)
    new.boot_id = store._log.boot_id
    new.close()
    (tmp_path / "unfinished-log.2").rename(tmp_path / "log.2")
    store.close()
    reopened = Store.open(tmp_path, 3)
    assert reopened._log.number == 2
    publish(reopened, 2)
    follower.follow(placed)
    assert placed.serials() == {A: 2}
    store.__init__(tmp_path / "other", 1)


@pytest.mark.parametrize("damage", [bytes(24), b"\xff" * 24, b"\x18\0\x09" + bytes(21)])
def test_torn_entries_end_the_reading(tmp_path, damage):
    log = Log(tmp_path / "log.1", writable=True)
    log.append(PLACE, A, 1, 2, 3)
    good = log.end
    log._map[good : good + 24] = damage
    log._words[1] = good + 24
    with pytest.raises(Torn) as caught:
        list(log.entries())
    assert caught.value.args == (good,)


def test_what_is_no_log(tmp_path):
    (tmp_path / "log.1").write_bytes(b"no log")
    with pytest.raises(ValueError, match="is not a store's log"):
        Log(tmp_path / "log.1", writable=True)
