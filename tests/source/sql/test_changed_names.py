"""A large zone is not read again for a few changed rows: what is put together from the zone that is served and the rows
of the changed names is, to the last byte, what reading all of it would give. Or else all of it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.control import splicing
from pippin.control.changes import Prepared
from pippin.control.marks import NO_MARKS
from pippin.control.places import Place
from pippin.control.prepare import prepare_loaded
from pippin.control.splicing import Bases, splice
from pippin.engine import layout
from pippin.source.database import Domain
from pippin.source.sql import triggers
from pippin.source.sql.database import SQLDatabase
from pippin.source.url import parse_url
from tests.control.running import running, wait_until
from tests.databases import postgresql
from tests.peers.database import DatabaseServer
from tests.source.sql.tables import Tables

__all__ = ["postgresql"]

ZONE = "spliced.test"
SEED = 7


@pytest.fixture(scope="module")
def shared(postgresql: DatabaseServer) -> Iterator[Tables]:
    tables = Tables(postgresql.new_database())
    yield tables
    tables.close()


def essence(image: bytes) -> tuple[bytes, list[bytes]]:
    """All but the order in which nodes came into the hash table, which is that of the records."""
    header = layout.read_header(image)
    rest, start = bytearray(image), header.hash_table
    end = start + layout.HASH_SLOT_SIZE * (header.hash_mask + 1)
    slots = sorted(image[at : at + layout.HASH_SLOT_SIZE] for at in range(start, end, layout.HASH_SLOT_SIZE))
    rest[start:end] = bytes(end - start)
    rest[layout.H_MAX_PROBE : layout.H_MAX_PROBE + 4] = bytes(4)
    return bytes(rest), slots


class Served:
    """One zone as a follower keeps it: each change is spliced where that can be, else all is read."""

    def __init__(self, tables: Tables) -> None:
        self.database = SQLDatabase(parse_url(tables.url))
        self.place = Place(str(self.database.url), ZONE, self.database.url)
        self.bases = Bases()
        self.image: bytes | None = None
        self.spliced = 0
        assert self.database.listen()
        self.read()

    def domain(self) -> Domain:
        (domain,) = [domain for domain in self.database.domains() if domain.name == ZONE]
        return domain

    def whole(self) -> Prepared:
        ((_, loaded),) = self.database.read([(self.domain(), "")])
        return prepare_loaded(self.place, loaded, SEED)

    def read(self) -> None:
        prepared = self.whole()
        self.bases.note(ZONE, prepared)
        if prepared.image is not None:
            self.image = bytes(prepared.image)

    def catch_up(self) -> None:
        """As `Follower._read_told` does it; then what is served has to be what reading everything gives."""
        told = self.database.take()
        domain = self.domain()
        whole = self.whole()
        prepared = None
        if told is not None and self.image is not None and self.bases.is_base(ZONE, self.image):
            prepared = splice(self.database, domain, self.place, self.image, SEED, NO_MARKS)
        if prepared is None:
            self.read()
            return
        self.spliced += 1
        assert prepared.image is not None
        assert whole.image is not None
        assert essence(bytes(prepared.image)) == essence(bytes(whole.image))
        self.bases.note(ZONE, prepared)
        self.image = bytes(prepared.image)

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def tables(shared: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The zone with a few records of all kinds; in these tests every zone is large enough."""
    monkeypatch.setattr(splicing, "FEWEST", 0)
    return fresh(shared)


def fresh(tables: Tables) -> Tables:
    tables.do("DELETE FROM records")
    tables.do("DELETE FROM domains")
    tables.add_zone(
        ZONE,
        (ZONE, "MX", f"mail.{ZONE}", 300, 10),
        (f"mail.{ZONE}", "A", "192.0.2.25"),
        (f"alias.{ZONE}", "CNAME", f"www.{ZONE}"),
        (f"*.wild.{ZONE}", "A", "192.0.2.33"),
        (f"sub.{ZONE}", "NS", f"ns.sub.{ZONE}"),
        (f"ns.sub.{ZONE}", "A", "192.0.2.53"),
        (f"a.b.c.{ZONE}", "TXT", '"deep"'),
        number=1,
    )
    return tables


LABELS = ("www", "mail", "alias", "*.wild", "sub", "ns.sub", "a.b.c", "b.c", "new", "x.new", "", "WWW", r"\119ww")
CONTENTS = (
    ("A", "192.0.2.1"),
    ("A", "192.0.2.2"),
    ("AAAA", "2001:db8::1"),
    ("TXT", '"text"'),
    ("CNAME", "www.spliced.test"),
    ("CNAME", "target.elsewhere.test"),
    ("MX", "mail.spliced.test"),
    ("NS", "ns.elsewhere.test"),
    ("DNAME", "elsewhere.test"),
    ("A", "garbage"),
    (None, None),
)


NAMES = (*(f"{label}.{ZONE}".removeprefix(".") for label in LABELS), f"mail.{ZONE}.")
labels = st.sampled_from(NAMES)
changes = st.one_of(
    st.tuples(st.just("insert"), labels, st.sampled_from(CONTENTS), st.sampled_from([60, 300])),
    st.tuples(st.just("delete"), labels),
    st.tuples(st.just("delete one"), labels, st.sampled_from([kind for kind, _ in CONTENTS])),
    st.tuples(st.just("rename"), labels, labels),
    st.tuples(st.just("disable"), labels, st.booleans()),
    st.tuples(st.just("ttl"), labels, st.sampled_from([30, 300, 900])),
    st.tuples(st.just("serial"), st.integers(2, 99)),
    st.tuples(st.just("disable SOA"), st.booleans()),
    st.tuples(st.just("many")),
    st.tuples(st.just("move away"), labels),
)


def carry_out(tables: Tables, change: tuple[Any, ...]) -> None:
    match change:
        case ("insert", name, (kind, content), ttl):
            tables.add(1, name, kind, content, ttl, 10 if kind == "MX" else None)
        case ("delete", name):
            tables.do("DELETE FROM records WHERE name = :name AND type NOT IN ('SOA', 'NS')", name=name)
        case ("delete one", name, kind):
            row = "SELECT min(id) FROM records WHERE name = :name AND type = :kind AND type <> 'SOA'"
            tables.do(f"DELETE FROM records WHERE id = ({row})", name=name, kind=kind)
        case ("rename", name, to):
            rename = "UPDATE records SET name = :to WHERE name = :name AND type NOT IN ('SOA', 'NS')"
            tables.do(rename, name=name, to=to)
        case ("disable", name, flag):
            tables.do("UPDATE records SET disabled = :f WHERE name = :name AND type <> 'SOA'", f=flag, name=name)
        case ("ttl", name, ttl):
            tables.do("UPDATE records SET ttl = :ttl WHERE name = :name", ttl=ttl, name=name)
        case ("serial", number):
            soa = f"ns1.{ZONE} hostmaster.{ZONE} {number} 7200 3600 1209600 300"
            tables.do("UPDATE records SET content = :soa WHERE type = 'SOA'", soa=soa)
        case ("disable SOA", flag):
            tables.do("UPDATE records SET disabled = :f WHERE type = 'SOA'", f=flag)
        case ("many",):
            tables.do(
                "INSERT INTO records (domain_id, name, type, content, ttl) "
                f"SELECT 1, 'many' || n || '.{ZONE}', 'A', '192.0.2.7', 300 FROM generate_series(1, 60) AS n"
            )
        case ("move away", name):
            tables.do("UPDATE records SET domain_id = 2 WHERE name = :name AND type <> 'SOA'", name=name)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(changes, min_size=1, max_size=3), min_size=1, max_size=6))
def test_random_changes_give_what_reading_everything_gives(
    tables: Tables, batches: list[list[tuple[Any, ...]]]
) -> None:
    fresh(tables)
    tables.do("INSERT INTO domains (id, name, type) VALUES (2, 'other.test', 'NATIVE')")
    served = Served(tables)
    try:
        for batch in batches:
            for change in batch:
                carry_out(tables, change)
            served.catch_up()
    finally:
        served.close()


def test_ordinary_changes_are_spliced(tables: Tables) -> None:
    """So that the test above cannot pass by never trying."""
    served = Served(tables)
    for change in (
        ("ttl", f"www.{ZONE}", 30),
        ("serial", 5),
        ("insert", f"new.{ZONE}", ("A", "192.0.2.1"), 300),
        ("insert", f"x.new.{ZONE}", ("MX", f"mail.{ZONE}"), 300),
        ("rename", f"new.{ZONE}", f"newer.{ZONE}"),
        ("delete", f"x.new.{ZONE}"),
        ("disable", f"mail.{ZONE}", True),
        ("disable", f"mail.{ZONE}", False),
        ("insert", f"only.{ZONE}", (None, None), 300),
    ):
        before = served.spliced
        carry_out(tables, change)
        served.catch_up()
        # A target without an address is a warning, and its words need the places of all rows.
        assert served.spliced == before + (change != ("disable", f"mail.{ZONE}", True)), change
        if served.spliced == before:
            assert served.bases.may_be(ZONE)
    served.close()


@pytest.mark.parametrize(
    "change",
    [
        ("insert", f"WWW.{ZONE}", ("A", "192.0.2.9"), 300),  # the same name as another row's, spelled differently
        ("insert", f"www.{ZONE}.", ("A", "192.0.2.9"), 300),
        ("insert", rf"\119ww.{ZONE}", ("A", "192.0.2.9"), 300),
        ("insert", f"{'x' * 64}.{ZONE}", ("A", "192.0.2.9"), 300),
        ("insert", None, ("A", "192.0.2.9"), 300),
        ("insert", f"www.{ZONE}", ("CNAME", "elsewhere.test"), 300),
        ("insert", "www.elsewhere.test", ("A", "192.0.2.9"), 300),
        ("many",),
        ("disable SOA", True),
    ],
)
def test_in_doubt_everything_is_read(tables: Tables, change: tuple[Any, ...]) -> None:
    served = Served(tables)
    carry_out(tables, change)
    served.catch_up()
    assert served.spliced == 0
    served.close()


def test_odd_names_that_were_there_before_are_noticed(tables: Tables) -> None:
    tables.add(1, f"WWW.{ZONE}", "A", "192.0.2.9")
    served = Served(tables)
    carry_out(tables, ("ttl", f"www.{ZONE}", 30))
    served.catch_up()
    assert served.spliced == 0
    tables.do("DELETE FROM records WHERE name LIKE 'WWW%'")
    served.catch_up()
    carry_out(tables, ("ttl", f"www.{ZONE}", 60))
    served.catch_up()
    assert served.spliced == 1
    many = "SELECT 1, 'M' || n, 'A', 'x' FROM generate_series(1, 60) AS n"
    tables.do(f"INSERT INTO records (domain_id, name, type, content) {many}")
    tables.do("DELETE FROM records WHERE name = 'M1'")
    served.catch_up()
    assert served.spliced == 1
    served.close()


def test_triggers_tell_names_of_few_rows_only(tables: Tables) -> None:
    database = SQLDatabase(parse_url(tables.url))
    assert database.listen()

    def told() -> list[tuple[int, frozenset[str] | None]]:
        database._listener.execute("SELECT 1")
        found = [triggers.parse_message(text) for text in database._told]
        database._told.clear()
        return sorted(filter(None, found), key=str)

    carry_out(tables, ("ttl", f"www.{ZONE}", 31))
    assert told() == [(1, frozenset({f"www.{ZONE}"}))]
    carry_out(tables, ("rename", f"www.{ZONE}", f"web.{ZONE}"))
    assert told() == [(1, frozenset({f"www.{ZONE}", f"web.{ZONE}"}))]
    carry_out(tables, ("many",))
    assert told() == [(1, None)]
    tables.do("DELETE FROM records WHERE name = 'nowhere'")
    assert told() == []
    tables.do("INSERT INTO records (name, type, content) VALUES ('stray.test', 'A', '192.0.2.1')")
    assert told() == []
    long = [f"{'x' * 60}.{'y' * 60}.{'z' * 60}.n{number}.{ZONE}" for number in range(45)]
    values = ", ".join(f"(1, '{name}', 'A', '192.0.2.1')" for name in long)
    tables.do(f"INSERT INTO records (domain_id, name, type, content) VALUES {values}")
    assert told() == [(1, None)]
    tables.do("INSERT INTO records (domain_id, name, type, content) VALUES (1, NULL, 'A', '192.0.2.1')")
    assert told() == [(1, None)]
    database.close()


@pytest.mark.parametrize(
    "text",
    ["", "x", "1x", "-1", "\N{FULLWIDTH DIGIT ONE}", '1 {"a": 1}', "1 [1]", "1 [null]", "1 nonsense", '1 ["a"'],
)
def test_anybody_may_write_to_the_channel(text: str) -> None:
    found = triggers.parse_message(text)
    assert found is None or found == (1, None)


def test_triggers_of_an_earlier_version_still_tell(tables: Tables) -> None:
    tables.do(
        "CREATE OR REPLACE FUNCTION pippin_tell_records() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('pippin', '1'); RETURN NULL; END $$"
    )
    served = Served(tables)
    carry_out(tables, ("ttl", f"www.{ZONE}", 32))
    served.catch_up()
    assert served.spliced == 0
    again = Tables(tables.url)  # `pippin database init`
    carry_out(tables, ("ttl", f"www.{ZONE}", 33))
    served.catch_up()
    assert served.spliced == 1
    again.close()
    served.close()


def test_server_follows_a_large_zone_name_by_name(tmp_path: Path, postgresql: DatabaseServer) -> None:
    tables = Tables(postgresql.new_database())
    tables.add_zone(ZONE, number=1)
    tables.do(
        "INSERT INTO records (domain_id, name, type, content, ttl) "
        f"SELECT 1, 'h' || n || '.{ZONE}', 'A', '10.0.0.1', 300 FROM generate_series(1, {splicing.FEWEST}) AS n"
    )
    update = "UPDATE records SET content = :address WHERE name = :name AND type = 'A'"
    with running(tmp_path, "--database", tables.url) as server:
        for number in range(1, 6):
            tables.do(update, name=f"h{number}.{ZONE}", address=f"10.0.1.{number}")
            wait_until(lambda n=number: server.address_of(f"h{n}.{ZONE}") == f"10.0.1.{n}", "the change is served")
        tables.do(f"DELETE FROM records WHERE name = 'h5.{ZONE}'")
        wait_until(lambda: server.address_of(f"h5.{ZONE}") == "NXDOMAIN", "what was deleted is gone")
        tables.add(1, f"h6.{ZONE}", "A", "garbage")
        wait_until(lambda: server.status()["databases"][0]["rejected"], "the garbage is noticed")
        tables.do(update, name=f"h7.{ZONE}", address="10.0.1.7")
        tables.do("DELETE FROM records WHERE content = 'garbage'")
        wait_until(lambda: server.address_of(f"h7.{ZONE}") == "10.0.1.7", "what came meanwhile is not lost")
        assert [server.address_of(f"h{n}.{ZONE}") for n in (1, 4, 6)] == ["10.0.1.1", "10.0.1.4", "10.0.0.1"]
    tables.close()
