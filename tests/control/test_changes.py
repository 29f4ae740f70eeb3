"""The one door: what is published, what is rejected, and what survives a restart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pippin.control import changes
from pippin.control import prepare as preparing
from pippin.control.changes import Changes, Outcome
from pippin.control.places import Place
from pippin.control.prepare import prepare
from pippin.store import Store
from pippin.zone.zone import Zone
from tests.control.running import write_zone

ORIGIN = b"\7example\0"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store", 1)
    yield store
    store.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(write_zone(tmp_path / "example.zone")))


def apply(served: Changes, place: Place) -> Outcome:
    return served.keep(place) or served.apply(prepare(place, served.seed))


def serial_in(store: Store, origin: bytes = ORIGIN) -> int | None:
    image = store.image(origin)
    return None if image is None else Zone(bytes(image)).serial


def test_good_zone_is_published(store: Store, place: Place) -> None:
    outcome = apply(Changes(store), place)
    assert (outcome.published, outcome.origin, outcome.serial, outcome.records) == (True, ORIGIN, 1, 5)
    assert serial_in(store) == 1


def test_rejected_zone_leaves_the_old_one(store: Store, place: Place) -> None:
    served = Changes(store)
    apply(served, place)
    path = Path(place.path)
    path.write_text(path.read_text().replace(" 1 7200", " 2 7200") + "www CNAME ns1\nbad A x\n")
    outcome = apply(served, place)
    assert not outcome.published
    assert (outcome.serial, outcome.records) == (1, 5)
    assert serial_in(store) == 1
    messages = [str(problem) for problem in outcome.problems]
    assert len(messages) == 2, "syntax errors don't hide what is wrong with the other records"
    assert "www.example. has a CNAME and other records" in messages[0]
    assert "'x' is not an IPv4 address" in messages[1]


def test_file_that_becomes_another_zone_replaces_its_own(store: Store, place: Place) -> None:
    served = Changes(store)
    apply(served, place)
    write_zone(Path(place.path), "other")
    assert apply(served, place).published
    assert list(store.zones()) == [b"\5other\0"]
    assert served.withdraw(place) is not None
    assert served.withdraw(place) is None
    assert list(store.zones()) == []


def test_zone_of_another_place_is_not_taken_over(store: Store, place: Place, tmp_path: Path) -> None:
    served = Changes(store)
    apply(served, place)
    second = Place(str(write_zone(tmp_path / "again.zone", serial=9)))
    outcome = apply(served, second)
    assert not outcome.published
    assert "served from" in outcome.problems[-1].message
    assert serial_in(store) == 1
    served.withdraw(place)
    assert apply(served, second).published


def is_not_ready(store: Store, origin: bytes = ORIGIN) -> bool:
    image = store.image(origin)
    return image is not None and not Zone(bytes(image)).is_ready


def test_zone_without_a_good_version_is_published_as_not_ready(store: Store, place: Place) -> None:
    good = Path(place.path).read_text()
    Path(place.path).write_text("@ A not-an-address\n")
    served = Changes(store)
    outcome = apply(served, place)
    assert (outcome.published, outcome.origin) == (False, ORIGIN)
    assert is_not_ready(store)
    assert served.is_not_ready(ORIGIN)
    assert list(served.served()) == []
    Path(place.path).write_text(good)
    assert apply(served, place).published
    assert serial_in(store) == 1
    Path(place.path).write_text("@ A not-an-address\n")
    apply(served, place)
    assert serial_in(store) == 1, "the good version stays"
    served.withdraw(place)
    assert list(store.zones()) == []


def test_zone_that_was_never_good_goes_with_its_place(store: Store, place: Place) -> None:
    Path(place.path).write_text("@ A not-an-address\n")
    served = Changes(store)
    apply(served, place)
    assert served.withdraw(place) is None
    assert list(store.zones()) == []
    assert not served.is_not_ready(ORIGIN)


def test_broken_file_that_becomes_another_zone_leaves_the_first(store: Store, place: Place) -> None:
    served = Changes(store)
    for origin in ("one", "two"):
        Path(place.path).write_text(f"$ORIGIN {origin}.\n@ A not-an-address\n")
        apply(served, place)
    assert list(store.zones()) == [b"\3two\0"]
    write_zone(Path(place.path))
    assert apply(served, place).published
    assert list(store.zones()) == [ORIGIN]


def test_missing_file_is_not_ready_if_its_zone_is_known(store: Store, tmp_path: Path) -> None:
    served = Changes(store)
    apply(served, Place(str(tmp_path / "missing"), "example"))
    apply(served, Place(str(tmp_path / "other.zone")))
    assert set(store.zones()) == {ORIGIN, b"\5other\0"}


def test_good_version_from_elsewhere_is_served_while_there_is_one(
    store: Store, place: Place, tmp_path: Path
) -> None:
    second = Place(str(write_zone(tmp_path / "second.zone", serial=9)))
    Path(place.path).write_text("@ A not-an-address\n")
    for order in ((place, second), (second, place)):
        served = Changes(store)
        served.rank = [place, second].index
        for one in order:
            apply(served, one)
        assert serial_in(store) == 9
        served.withdraw(second)
        assert is_not_ready(store)
        served.withdraw(place)
        assert list(store.zones()) == []


def test_zone_that_is_not_ready_is_found_in_the_store_after_a_restart(store: Store, place: Place) -> None:
    Path(place.path).write_text("@ A not-an-address\n")
    apply(Changes(store), place)
    served = Changes(store)
    assert is_not_ready(store), "until the new process has read it"
    assert served.keep(place) is None
    assert not apply(served, place).published
    served.withdraw_strangers()
    assert is_not_ready(store)
    write_zone(Path(place.path))
    served = Changes(store)
    apply(served, place)
    served.withdraw_strangers()
    assert serial_in(store) == 1
    Path(place.path).write_text("@ A not-an-address\n")
    served.withdraw(place)
    apply(served, place)
    served = Changes(store)
    assert served.withdraw_strangers() == ["example"]
    assert list(store.zones()) == []


def test_full_disk_is_a_problem_of_that_zone(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(origin: bytes, image: bytes) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(store, "publish", full)
    outcome = apply(Changes(store), place)
    assert not outcome.published
    assert "zone example cannot be published: [Errno 28] No space left on device" in str(outcome.problems[-1])


def test_unchanged_zone_is_taken_from_the_store_after_a_restart(store: Store, place: Place) -> None:
    before = apply(Changes(store), place)

    after = Changes(store).keep(place)
    assert after is not None
    assert (after.published, after.serial, after.records) == (True, before.serial, before.records)
    assert [os.path.basename(file.path) for file in after.dependencies] == ["example.zone"]


def test_changed_zone_is_read_again_after_a_restart(store: Store, place: Place) -> None:
    apply(Changes(store), place)
    write_zone(Path(place.path), serial=22)
    assert apply(Changes(store), place).serial == 22


def test_zone_that_broke_meanwhile_is_served_as_it_was_before_the_restart(store: Store, place: Place) -> None:
    apply(Changes(store), place)
    Path(place.path).write_text("nonsense\n")
    served = Changes(store)
    outcome = apply(served, place)
    assert not outcome.published
    assert outcome.serial == 1
    served.withdraw_strangers()
    assert serial_in(store) == 1


def test_zones_nobody_names_any_more_are_withdrawn(store: Store, place: Place) -> None:
    apply(Changes(store), place)
    served = Changes(store)
    assert served.withdraw_strangers() == ["example"]
    assert list(store.zones()) == []
    assert apply(served, place).published


def test_origin_is_part_of_the_place(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "template"
    file.write_text("$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS ns.example.\n")
    served = Changes(store)
    assert [apply(served, Place(str(file), origin)).zone_name for origin in ("a.test", "b.test")] == [
        "a.test",
        "b.test",
    ]
    again = Changes(store)
    assert [apply(again, Place(str(file), origin)).zone_name for origin in ("a.test", "b.test")] == [
        "a.test",
        "b.test",
    ]


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    prepared = prepare(Place(str(tmp_path / "nope.zone")), 0)
    assert prepared.image is None
    assert "the file cannot be read: No such file" in str(prepared.problems[0])


def test_warnings_of_large_zones_are_only_for_those_who_ask(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(place.path)
    path.write_text(path.read_text() + "mail MX 10 nowhere\n")
    assert "nowhere.example. does not exist" in str(prepare(place, 0).problems[0])
    monkeypatch.setattr(preparing, "WARNED_SIZE", 100)
    assert prepare(place, 0).problems == ()
    assert prepare(place, 0, thorough=True).problems


def test_zone_compiled_by_another_version_is_served_and_read_again(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(Changes(store), place)
    monkeypatch.setattr(changes, "__version__", "99.0")
    served = Changes(store)
    assert served.keep(place) is None
    assert [outcome.origin for outcome in served.served()] == [ORIGIN]
    apply(served, place)
    assert Changes(store).keep(place) is not None
