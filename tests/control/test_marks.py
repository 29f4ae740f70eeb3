"""Marks of policies on their way into zones: which zones get them, what changes with them, what a restart keeps."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest
import structlog.testing

from pippin.control import reading
from pippin.control.apart import prepare_apart
from pippin.control.catalogue import Catalogue
from pippin.control.changes import Changes, Outcome
from pippin.control.marks import NO_MARKS, Marks, misplaced
from pippin.control.places import Place
from pippin.control.prepare import prepare
from pippin.store import Store
from pippin.zone.problem import Problem, Severity
from pippin.zone.zone import Zone
from tests.control.running import write_zone
from tests.zone.images import compile_text, marks_of

A = 1
SOA = "@ SOA ns.example. host.example. 1 7200 3600 86400 300\n@ NS ns.example.\nns A 192.0.2.1\n"


def marks(*texts: str) -> Marks:
    """Marks of `name type` each."""
    return Marks(marks_of(text.split() for text in texts))


def wire(name: str) -> bytes:
    return dns.name.from_text(name).canonicalize().to_wire() or b""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store", 1)
    yield store
    store.close()


def policies(store: Store, origin: str) -> list[str]:
    """What policies answer for in a published zone."""
    image = store.image(wire(origin))
    assert image is not None
    zone = Zone(bytes(image))
    return [f"{node.name} {rdtype}" for node in zone.nodes() for rdtype in node.policies]


# --- which zone gets what


def test_zone_gets_the_marks_at_and_below_its_origin() -> None:
    all_marks = marks("example A", "*.cdn.example AAAA", "a.sub.example A", "other A")
    assert set(all_marks.of(wire("sub.example"))) == {(wire("a.sub.example"), A)}
    assert len(all_marks.of(wire("example"))) == 3
    assert set(all_marks.of(wire("."))) == set(all_marks)
    assert all_marks.of(wire("nothing")) == ()


def test_digest_tells_a_zones_own_marks_apart() -> None:
    one, other = marks("a.example A", "b.other A"), marks("a.example A", "b.other AAAA")
    assert one.digest(wire("example")) == other.digest(wire("example")) != ""
    assert one.digest(wire("other")) != other.digest(wire("other"))
    assert one.digest(wire("third")) == NO_MARKS.digest(wire("example")) == ""


def test_order_and_repetition_of_policies_make_no_difference() -> None:
    one, other = marks("a.example A", "b.example A"), marks("b.example A", "a.example A", "a.example A")
    assert list(one) == list(other)
    assert one.changed(other) == set()


def test_changed_names_every_zone_above_a_change() -> None:
    one, other = marks("a.example A", "b.example A"), marks("a.example A", "b.sub.example A")
    above = {"b.example", "b.sub.example", "sub.example", "example", "."}
    assert one.changed(other) == other.changed(one) == {wire(name) for name in above}


def test_marks_cross_to_other_processes() -> None:
    one = marks("a.example A")
    assert list(pickle.loads(pickle.dumps(one))) == list(one)


# --- preparing one zone


def write(path: Path, origin: str, more: str = "", serial: int = 1) -> Place:
    write_zone(path, origin, serial)
    path.write_text(path.read_text() + more)
    return Place(str(path))


def test_policy_of_a_delegated_name_is_another_zones(tmp_path: Path) -> None:
    place = write(tmp_path / "z", "example", "sub NS ns.elsewhere.\ntree DNAME elsewhere.\n")
    prepared = prepare(
        place, 7, marks=marks("a.sub.example A", "sub.example A", "a.tree.example A", "b.example A")
    )
    assert prepared.problems == ()
    assert prepared.image is not None
    zone = Zone(prepared.image)
    assert [node.name.to_text() for node in zone.nodes() if node.policies] == ["b.example."]
    assert zone.node(dns.name.from_text("a.sub.example")) is None


def test_policy_beside_a_cname_rejects_the_zone(tmp_path: Path) -> None:
    place = write(tmp_path / "z", "example", "last CNAME ns1\n")
    prepared = prepare(place, 7, marks=marks("last.example A"))
    assert prepared.image is None
    (problem,) = prepared.problems
    assert problem.place.startswith(f"{place.path}:")
    assert problem.line == len(Path(place.path).read_text().splitlines())
    assert problem.message.startswith("policy last.example. A: last.example. has a CNAME")


def test_child_process_knows_the_marks(tmp_path: Path) -> None:
    place = write(tmp_path / "z", "example")
    all_marks = marks("www.example A")
    here, there = prepare(place, 7, marks=all_marks), prepare_apart(place, 7, all_marks)
    assert there.image is not None
    assert here.image == bytes(there.image)
    assert prepare(place, 7).image != here.image


def test_processes_know_the_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [write(tmp_path / f"{number}.zone", f"z{number}") for number in range(60)]
    all_marks = Marks((wire(f"www.z{number}"), A) for number in range(60))
    monkeypatch.setattr(reading, "PARALLEL_FROM", 20)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda pid: {0, 1})
    for number, prepared in enumerate(reading.prepare_all(places, 7, all_marks)):
        assert prepared.image is not None
        assert Zone(prepared.image).policy_owner(dns.name.from_text(f"www.z{number}"), A) is not None


# --- a restart


def apply(changes: Changes, place: Place) -> Outcome:
    return changes.keep(place) or changes.apply(prepare(place, changes.seed, marks=changes.marks))


def restarted(tmp_path: Path, place: Place, new: Marks) -> tuple[bool, list[str]]:
    """Whether the zone has to be read again, and what policies answer for afterwards."""
    store = Store.open(tmp_path / "store", 1)
    try:
        changes = Changes(store)
        changes.marks = new
        kept = changes.keep(place)
        outcome = kept or changes.apply(prepare(place, changes.seed, marks=new))
        assert outcome.published
        return kept is None, policies(store, "example")
    finally:
        store.close()


def test_restart_reads_a_zone_again_if_its_policies_changed(tmp_path: Path) -> None:
    place = write(tmp_path / "z", "example")
    one, other = marks("www.example A"), marks("www.example AAAA")
    assert restarted(tmp_path, place, NO_MARKS) == (True, [])
    assert restarted(tmp_path, place, NO_MARKS) == (False, [])
    assert restarted(tmp_path, place, one) == (True, ["www.example. 1"])
    assert restarted(tmp_path, place, one) == (False, ["www.example. 1"])
    assert restarted(tmp_path, place, other) == (True, ["www.example. 28"])
    assert restarted(tmp_path, place, NO_MARKS) == (True, [])


def test_restart_keeps_a_zone_if_only_others_policies_changed(tmp_path: Path) -> None:
    place = write(tmp_path / "z", "example")
    assert restarted(tmp_path, place, marks("www.example A")) == (True, ["www.example. 1"])
    assert restarted(tmp_path, place, marks("www.example A", "a.other A")) == (False, ["www.example. 1"])


# --- a running server

Test = Callable[[Catalogue, Store], Coroutine[Any, Any, None]]


def run(tmp_path: Path, first: Marks, test: Test) -> list[dict[str, Any]]:
    """A catalogue of the folder `zones`, read with marks; what was logged."""

    async def whole() -> None:
        store = Store.open(tmp_path / "store", 1)
        catalogue = Catalogue(
            store, lambda: [Place(str(tmp_path / "zones"))], lambda done, total, place: None
        )
        try:
            assert await catalogue.set_marks(first) == []
            await catalogue.read_first()
            await test(catalogue, store)
        finally:
            catalogue.close()
            store.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(asyncio.wait_for(whole(), 20))
    return [dict(entry) for entry in logs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "zones"
    folder.mkdir()
    write(folder / "a.zone", "a", "sub NS ns1\n")
    write(folder / "b.zone", "b")
    return folder


def told(logs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Level and head of what was said about policies."""
    return [
        (log["log_level"], log["event"].split(": ")[0]) for log in logs if log["event"].startswith("policy")
    ]


def test_marks_known_before_the_first_reading_are_in_the_zones(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        assert (policies(store, "a"), policies(store, "b")) == (["www.a. 1"], [])

    assert told(run(tmp_path, marks("www.a A"), test)) == []


def test_only_zones_whose_policies_changed_are_published_again(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        assert await catalogue.set_marks(marks("www.a A", "*.cdn.a AAAA")) == []
        assert policies(store, "a") == ["*.cdn.a. 28", "www.a. 1"]
        assert await catalogue.set_marks(NO_MARKS) == []
        assert policies(store, "a") == []

    logs = run(tmp_path, marks("www.a A"), test)
    assert [log["zone"] for log in logs if log["event"] == "zone published"] == ["a", "a"]


def test_zone_edited_later_keeps_its_policies(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        write(folder / "a.zone", "a", serial=2)
        assert [outcome.serial for outcome in await catalogue.reload("a")] == [2]
        assert policies(store, "a") == ["www.a. 1"]

    run(tmp_path, marks("www.a A"), test)


def test_a_policy_that_cannot_be_leaves_everything_as_it_was(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        (problem,) = await catalogue.set_marks(marks("www.b A", "alias.a A"))
        assert "policy alias.a. A: alias.a. has a CNAME" in str(problem)
        assert (policies(store, "a"), policies(store, "b")) == (["www.a. 1"], [])
        write(folder / "b.zone", "b", serial=2)
        await catalogue.reload()
        assert policies(store, "b") == []
        assert await catalogue.set_marks(marks("www.b A")) == []
        assert (policies(store, "a"), policies(store, "b")) == ([], ["www.b. 1"])

    run(tmp_path, marks("www.a A"), test)


def test_a_broken_file_of_a_served_zone_stops_only_its_own_policies(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        (folder / "a.zone").write_text("nonsense\n")
        problems = await catalogue.set_marks(marks("www.a AAAA"))
        assert [problem.file for problem in problems] == [str(folder / "a.zone")] * len(problems) != []
        assert policies(store, "a") == ["www.a. 1"]
        assert await catalogue.set_marks(marks("www.a A", "www.b A")) == []
        assert policies(store, "b") == ["www.b. 1"]

    run(tmp_path, marks("www.a A"), test)


def test_zone_that_a_policy_kept_out_comes_when_the_policy_goes(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        assert not Zone(bytes(store.image(wire("a")) or b"")).is_ready
        assert await catalogue.set_marks(NO_MARKS) == []
        assert Zone(bytes(store.image(wire("a")) or b"")).is_ready

    run(tmp_path, marks("alias.a A"), test)


# --- policies that no zone answers for


def test_name_in_no_zone_is_a_warning(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        assert await catalogue.set_marks(marks("www.a A", "www.c A", "www.d A")) == []
        write(folder / "c.zone", "c")
        await catalogue.reload()
        assert policies(store, "c") == ["www.c. 1"]

    logs = run(tmp_path, marks("www.c A"), test)
    said = [("warning", "policy www.c. A"), ("warning", "policy www.d. A")]
    assert told(logs) == said, "it is said once, however often zones are read"


def test_name_whose_zone_goes_away_is_a_warning(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        (folder / "b.zone").unlink()
        await catalogue.reload()

    assert told(run(tmp_path, marks("www.b A"), test)) == [("warning", "policy www.b. A")]


def test_new_policy_for_a_delegated_name_is_an_error_until_its_zone_is_served(
    tmp_path: Path, folder: Path
) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        (problem,) = await catalogue.set_marks(marks("www.sub.a A", "www.a A"))
        assert "sub.a. is delegated" in problem.message
        assert policies(store, "a") == []
        write(folder / "sub.zone", "sub.a")
        await catalogue.reload()
        assert await catalogue.set_marks(marks("www.sub.a A", "www.a A")) == []
        assert (policies(store, "a"), policies(store, "sub.a")) == (["www.a. 1"], ["www.sub.a. 1"])

    assert told(run(tmp_path, NO_MARKS, test)) == []


def test_what_was_wrong_before_is_said_once_and_does_not_stop_other_changes(
    tmp_path: Path, folder: Path
) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        assert await catalogue.set_marks(marks("www.sub.a A", "www.a A")) == []
        assert policies(store, "a") == ["www.a. 1"]

    assert told(run(tmp_path, marks("www.sub.a A"), test)) == [("error", "policy www.sub.a. A")]


def test_last_change_can_be_taken_back_whatever_is_wrong(tmp_path: Path, folder: Path) -> None:
    async def test(catalogue: Catalogue, store: Store) -> None:
        before = marks("www.sub.a A", "www.a A", "www.b A")
        assert await catalogue.set_marks(marks("www.a AAAA", "www.b AAAA")) == []
        (folder / "b.zone").write_text("nonsense\n")
        assert await catalogue.set_marks(before, restore=True) == []
        assert (policies(store, "a"), policies(store, "b")) == (["www.a. 1"], ["www.b. 28"])

    logs = run(tmp_path, marks("www.sub.a A", "www.a A", "www.b A"), test)
    assert told(logs) == [("error", "policy www.sub.a. A")] * 2
    assert "zone not changed, the old one stays" in [log["event"] for log in logs]


def test_zones_may_come_in_any_order(tmp_path: Path, folder: Path) -> None:
    """The zone above is read before the one that the policy is in; it is not read again for that."""
    write(folder / "z-comes-last.zone", "sub.a")

    async def test(catalogue: Catalogue, store: Store) -> None:
        assert (policies(store, "a"), policies(store, "sub.a")) == ([], ["www.sub.a. 1"])
        assert await catalogue.reload() == []

    assert told(run(tmp_path, marks("www.sub.a A"), test)) == []


def problem_of(mark: str, **zones: str) -> Problem | None:
    images = {wire(origin): compile_text(SOA + text, origin)[0] for origin, text in zones.items()}
    (one,) = marks(mark)
    return misplaced([one], images.get).get(one)


@pytest.mark.parametrize("name", ["tree.example", "www.example", "a.b.c.example", "*.example", "example"])
def test_name_that_its_zone_answers_for_is_no_problem(name: str) -> None:
    assert (
        problem_of(f"{name} A", example="tree DNAME elsewhere.\nwww A 192.0.2.1\nsub NS ns.elsewhere.\n")
        is None
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sub.example", "sub.example. is delegated, so the zone example. does not answer for this name"),
        ("a.sub.example", "sub.example. is delegated"),
        ("a.tree.example", "the DNAME at tree.example. answers for all names below it"),
        ("a.b.tree.example", "the DNAME at tree.example."),
    ],
)
def test_name_that_its_zone_does_not_answer_for(name: str, words: str) -> None:
    problem = problem_of(f"{name} A", example="tree DNAME elsewhere.\nsub NS ns.elsewhere.\n")
    assert problem is not None
    assert problem.severity is Severity.ERROR
    assert problem.place == f"policy {name}. A"
    assert problem.message.startswith(words)
