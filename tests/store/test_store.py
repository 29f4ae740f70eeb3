"""Publish, withdraw, follow, use space again."""

from __future__ import annotations

import errno
import os

import pytest

from pippin.engine.path import Options, Responder
from pippin.store import Reader, Store, StoreError, StoreFull
from pippin.store import store as module
from pippin.store.store import SMALLEST, next_smaller, room_for
from tests.store.images import Placed, image_of, serial_of, wire

A, B = wire("a.example."), wire("b.example.")


@pytest.fixture
def store(tmp_path):
    made = Store.open(tmp_path, 2)
    yield made
    made.close()


def publish(store, name, version=1, padding=0):
    store.publish(wire(name), image_of(name, store.seed, version, padding))


def test_a_reader_sees_what_was_published_before_it_came(store, tmp_path):
    publish(store, "a.example.", 7)
    placed = Placed()
    Reader(tmp_path).follow(placed)
    assert placed.serials() == {A: 7}


def test_readers_see_changes_at_their_next_look(store, tmp_path):
    readers = [(Reader(tmp_path, worker), Placed()) for worker in range(2)]
    publish(store, "a.example.", 1)
    publish(store, "b.example.", 1)
    for reader, placed in readers:
        reader.follow(placed)
        assert placed.serials() == {A: 1, B: 1}
    publish(store, "a.example.", 2)
    store.withdraw(B)
    assert readers[0][1].serials() == {A: 1, B: 1}, "without a look nothing moves"
    for reader, placed in readers:
        reader.follow(placed)
        assert placed.serials() == {A: 2}
        assert reader.zone_image(B) is None
        assert serial_of(reader.zone_image(A)) == 2


def test_a_zone_that_came_and_went_between_two_looks_is_never_placed(store, tmp_path):
    reader, placed = Reader(tmp_path), Placed()
    reader.follow(placed)
    publish(store, "a.example.")
    store.withdraw(A)
    reader.follow(placed)
    assert placed.bases == {}


def test_the_image_is_the_same_object_while_it_is_the_same(store, tmp_path):
    publish(store, "a.example.", 1)
    reader = Reader(tmp_path)
    reader.follow(Placed())
    assert reader.zone_image(A) is reader.zone_image(A)


def test_a_responder_follows(store, tmp_path):
    publish(store, "a.example.", 3)
    reader = Reader(tmp_path)
    responder = Responder(Options(seed=reader.seed), reader.counters())
    reader.follow(responder)
    assert responder.origins() == [A]
    verdict, _ = responder.answer_stream(b"\0\1\0\0\0\1\0\0\0\0\0\0" + A + b"\0\6\0\1", b"", 0)
    assert verdict == 1
    assert store.counters(0)["queries"] == 1
    assert store.counters(1)["queries"] == 0


def test_withdrawing_what_is_not_served(store):
    with pytest.raises(KeyError):
        store.withdraw(A)


def test_zones_and_images_of_the_writer(store):
    publish(store, "a.example.", 9)
    assert list(store.zones()) == [A]
    image = store.image(A)
    assert bytes(image) == image_of("a.example.", store.seed, 9)
    assert image.readonly
    image.release()
    assert store.image(B) is None
    assert store.statistics()["zones"] == 1


def test_space_is_used_again_once_every_reader_has_gone_on(store, tmp_path):
    readers = [Reader(tmp_path, worker) for worker in range(2)]
    placed = Placed(), Placed()
    publish(store, "a.example.", 1)
    first = store._live[A].base
    publish(store, "a.example.", 2)
    readers[0].follow(placed[0])
    publish(store, "b.example.", 1)
    assert store._live[B].base != first, "the other reader may still look at it"
    readers[1].follow(placed[1])
    readers[0].follow(placed[0])
    publish(store, "a.example.", 3)
    publish(store, "b.example.", 2)
    assert first in (store._live[A].base, store._live[B].base)


def test_a_pinned_image_stays(store, tmp_path):
    reader, other = Reader(tmp_path, 0), Reader(tmp_path, 1)
    placed, elsewhere = Placed(), Placed()
    publish(store, "a.example.", 1)
    reader.follow(placed)
    with reader.pinned():
        image = reader.zone_image(A)
        for version in range(2, 20):
            publish(store, "a.example.", version)
            reader.follow(placed)
            other.follow(elsewhere)
            with reader.pinned():
                pass
            assert serial_of(image) == 1
    base = store._live[A].base
    reader.follow(placed)
    publish(store, "a.example.", 20)
    publish(store, "a.example.", 21)
    assert base != store._live[A].base
    assert store.statistics()["waiting"] < 5 * len(image)


def test_large_images_give_their_room_back_to_the_file_system(tmp_path):
    store = Store.open(tmp_path, 0)
    publish(store, "a.example.", 1, 3 << 20)
    publish(store, "a.example.", 2, 3 << 20)
    assert (tmp_path / "zones").stat().st_blocks * 512 < 5 << 20
    publish(store, "a.example.", 3, 3 << 20)
    assert serial_of(store.image(A)) == 3


def test_a_second_opener_is_refused(store, tmp_path):
    with pytest.raises(StoreError, match="in use by another server; stop that one or give this one its own folder"):
        Store.open(tmp_path, 1)


def test_what_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "zones").write_bytes(b"somebody's file, and not a short one at that")
    for _ in range(2):  # the lock is given back
        with pytest.raises(StoreError, match="zones is not a zone store; choose an empty folder"):
            Store.open(tmp_path, 1)
    assert (tmp_path / "zones").read_bytes().startswith(b"somebody's file")


def test_a_reader_says_what_is_no_store(tmp_path):
    (tmp_path / "zones").write_bytes(bytes(4096))
    with pytest.raises(StoreError, match="is not a zone store"):
        Reader(tmp_path)


def test_too_large_for_the_address_space(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CAPACITY", 1 << 20)
    store = Store.open(tmp_path, 0)
    with pytest.raises(StoreFull, match="don't fit any more"):
        publish(store, "a.example.", 1, 2 << 20)
    publish(store, "a.example.", 1)


def test_a_full_disk_keeps_the_old_version_and_loses_no_room(store, monkeypatch):
    publish(store, "a.example.", 1)
    before = store._end

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for _ in range(3):
        with pytest.raises(StoreFull, match="No space left on device"):
            publish(store, "a.example.", 2)
    monkeypatch.undo()
    assert serial_of(store.image(A)) == 1
    publish(store, "a.example.", 2)
    assert store._end == before + room_for(len(image_of("a.example.", store.seed)))


def test_a_full_disk_under_the_log_is_an_error_and_no_signal(store, monkeypatch):
    publish(store, "a.example.", 1)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    store._log._secured = 0
    with pytest.raises(StoreFull, match="No space left on device"):
        publish(store, "b.example.", 1)
    with pytest.raises(StoreFull, match="No space left on device"):
        store.withdraw(A)
    assert list(store.zones()) == [A]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 72, 73, 127, 128, 129, 1000, 4096, 5000, 1 << 20, (1 << 33) + 1])
def test_rooms_waste_little_and_are_classes(size):
    room = room_for(size)
    assert size <= room <= max(SMALLEST, size * 9 // 8 + 8)
    assert room_for(room) == room
    smaller = next_smaller(max(SMALLEST, size))
    assert smaller <= max(SMALLEST, size)
    assert room_for(smaller) == smaller


def test_every_room_can_be_cut_into_classes():
    for room in range(SMALLEST, 20_000):
        assert SMALLEST <= next_smaller(room) <= room
        assert room_for(next_smaller(room)) == next_smaller(room)


def test_publishing_does_not_look_at_other_zones(store):
    """What it costs with many zones served is what it costs with few: counted in look-ups, not in time."""

    class Watched(dict):
        walked = 0

        def __iter__(self):
            Watched.walked += 1
            return super().__iter__()

        def items(self):
            Watched.walked += 1
            return super().items()

        def values(self):
            Watched.walked += 1
            return super().values()

    store._live = Watched(store._live)
    for i in range(100):
        publish(store, f"z{i}.example.")
    assert Watched.walked == 0


def test_a_folder_that_cannot_be_a_store_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file cannot be a zone store: .*: File exists; name a folder that is empty"):
        Store.open(tmp_path / "file", 1)
    (tmp_path / "full" / "zones").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"full cannot be a zone store: .*zones: Is a directory; name a folder"):
        Store.open(tmp_path / "full", 1)


def test_a_page_that_nobody_reads_from_holds_no_room(store, tmp_path):
    gone = Reader(tmp_path, 0)
    gone.follow(Placed())
    store.vacate(1)
    publish(store, "a.example.", 1)
    publish(store, "a.example.", 2)
    assert store.statistics()["waiting"], "the reader that is there may look at the first image"
    gone.counters()[0] = 17
    store.vacate(0)
    publish(store, "b.example.")
    assert not store.statistics()["waiting"]
    assert store.counters(0)["queries"] == 17, "what was counted stays"


def test_a_page_that_is_taken_again_holds_what_its_reader_may_see(store, tmp_path):
    store.vacate(0)
    store.vacate(1)
    publish(store, "a.example.", 1)
    store.occupy(1)
    publish(store, "a.example.", 2)
    assert store.statistics()["waiting"]
    reader, placed = Reader(tmp_path, 1), Placed()
    reader.follow(placed)
    assert placed.serials() == {A: 2}
    publish(store, "b.example.")
    assert not store.statistics()["waiting"]
