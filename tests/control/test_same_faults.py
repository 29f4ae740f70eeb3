"""Whatever is wrong with a zone is refused alike, and in the same words, whether it stands in a file or in a database.

Only the place differs, and what is no fault of a zone but of its way of writing: quotes, brackets and comments, which
a column of a table cannot have (tests/source/sql has those).
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pippin.control.changes import Prepared
from pippin.control.places import Place, database_place
from pippin.control.prepare import prepare, prepare_each
from pippin.source.url import parse_url
from tests.control.running import running
from tests.databases import mariadb, postgresql
from tests.peers.database import DatabaseServer
from tests.source.sql.tables import Tables

__all__ = ["mariadb", "postgresql"]

Row = tuple[Any, ...]
BASE: tuple[Row, ...] = (
    ("{zone}", "SOA", "ns1.{zone} hostmaster.{zone} 1 7200 3600 1209600 300"),
    ("{zone}", "NS", "ns1.{zone}"),
    ("ns1.{zone}", "A", "192.0.2.1"),
)
LABEL = "x" * 64
LONG = ".".join(["x" * 49] * 4 + ["x" * 43])
"""With a zone's name behind it just what the column can hold, and too much for a name."""

FAULTS: dict[str, tuple[str, tuple[Row, ...]]] = {
    # name: (what is said about it, the rows that are added)
    "address": ("not an IPv4 address", (("www.{zone}", "A", "192.0.2.300"),)),
    "address of three numbers": ("not an IPv4 address", (("www.{zone}", "A", "192.0.2"),)),
    "address of the other family": ("not an IPv4 address", (("www.{zone}", "A", "2001:db8::1"),)),
    "address missing": ("an IPv4 address is missing", (("www.{zone}", "A", ""),)),
    "IPv6 address": ("not an IPv6 address", (("www.{zone}", "AAAA", "2001:db8::g"),)),
    "two addresses": ("more than A data has", (("www.{zone}", "A", "192.0.2.1 192.0.2.2"),)),
    "label too long": ("a label of 64 bytes", ((f"{LABEL}.{{zone}}", "A", "192.0.2.1"),)),
    "name too long": ("at most 255 are allowed", ((f"{LONG}.{{zone}}", "A", "192.0.2.1"),)),
    "empty label": ("an empty label", (("a..b.{zone}", "A", "192.0.2.1"),)),
    "leading dot": ("an empty label", ((".a.{zone}", "A", "192.0.2.1"),)),
    "escape": ("is not a byte", ((r"a\300.{zone}", "A", "192.0.2.1"),)),
    "target with a label too long": ("a label of 64 bytes", (("www.{zone}", "CNAME", f"{LABEL}.test"),)),
    "target with an empty label": ("an empty label", (("www.{zone}", "CNAME", "a..b"),)),
    "target missing": ("the name of a name server is missing", (("www.{zone}", "NS", ""),)),
    "unknown type": ("'NONSENSE' is not a record type", (("www.{zone}", "NONSENSE", "1"),)),
    "type of questions": ("ANY is not a type of zone data", (("www.{zone}", "ANY", "1"),)),
    "type of messages": ("OPT is not a type of zone data", (("www.{zone}", "OPT", "1"),)),
    "number of a type of questions": ("not a type of zone data", (("www.{zone}", "TYPE255", r"\# 0"),)),
    "negative TTL": ("the TTL is -1", (("www.{zone}", "A", "192.0.2.1", -1),)),
    "preference": ("is not a preference", (("{zone}", "MX", "mail.{zone}", 300, 70000),)),
    "preference without a server": ("the name of a mail server is missing", (("{zone}", "MX", "", 300, 10),)),
    "port": ("is not a port", (("_s._tcp.{zone}", "SRV", "1 70000 sip.{zone}", 300, 10),)),
    "CNAME beside other data": (
        "a CNAME must be the only record",
        (("x.{zone}", "CNAME", "ns1.{zone}"), ("x.{zone}", "A", "192.0.2.1")),
    ),
    "two CNAMEs": ("a second CNAME", (("x.{zone}", "CNAME", "ns1.{zone}"), ("x.{zone}", "CNAME", "a.test"))),
    "CNAME at the apex": ("so it can't have a CNAME", (("{zone}", "CNAME", "ns1.{zone}"),)),
    "DNAME beside a delegation": (
        "is delegated by NS records and has a DNAME",
        (("x.{zone}", "DNAME", "y.test"), ("x.{zone}", "NS", "ns.y.test")),
    ),
    "two DNAMEs": ("a second DNAME", (("x.{zone}", "DNAME", "y.test"), ("x.{zone}", "DNAME", "z.test"))),
    "name outside the zone": ("is outside the zone", (("www.elsewhere.test", "A", "192.0.2.1"),)),
    "second SOA": ("a second SOA record", (("{zone}", "SOA", "ns1.{zone} host.{zone} 2 3 4 5 6"),)),
    "SOA below the apex": ("below the apex", (("x.{zone}", "SOA", "ns1.{zone} host.{zone} 2 3 4 5 6"),)),
    "serial": ("is not a serial", (("{zone}", "SOA", "ns1.{zone} host.{zone} 4294967296 3 4 5 6"),)),
    "string too long": ("this string is too long", (("x.{zone}", "TXT", f'"{"x" * 256}"'),)),
    "flags": ("is not the flags", (("x.{zone}", "CAA", 'x issue "ca.test"'),)),
    "hex": ("is not hex data", (("x.{zone}", "NS", "ns.y.test"), ("x.{zone}", "DS", "1 8 2 XYZ"))),
    "odd hex": ("an odd number of digits", (("x.{zone}", "TYPE65400", r"\# 2 abc"),)),
    "data of another length": ("not the data of a A record", (("x.{zone}", "A", r"\# 3 abcdef"),)),
    # and what is legal, but odd
    "target that does not exist": ("does not exist in this zone", (("x.{zone}", "CNAME", "y.{zone}"),)),
    "target without an address": (
        "has no address",
        (("{zone}", "MX", "x.{zone}", 300, 10), ("x.{zone}", "TXT", '"x"')),
    ),
    "loop": ("CNAME loop", (("x.{zone}", "CNAME", "x.{zone}"),)),
    "differing TTLs": ("differs from 300", (("x.{zone}", "A", "10.0.0.1"), ("x.{zone}", "A", "10.0.0.2", 9))),
    "data below a delegation": (
        "is never answered",
        (("x.{zone}", "NS", "ns.y.test"), ("a.x.{zone}", "TXT", '"lost"')),
    ),
}
WITHOUT = {
    "no SOA": ("has no SOA record", "SOA"),
    "no NS": ("has no NS records", "NS"),
    "no records": ("there are no records", ""),
}
ODD = frozenset(
    ("target that does not exist", "target without an address", "loop", "differing TTLs", "data below a delegation")
)


def zones() -> dict[str, tuple[str, tuple[Row, ...]]]:
    """Fault -> its zone and all the rows of that."""
    numbers = count(1)
    found: dict[str, tuple[str, tuple[Row, ...]]] = {}
    for fault, (_, rows) in FAULTS.items():
        found[fault] = (f"zone{next(numbers)}.test", (*BASE, *rows))
    for fault, (_, kind) in WITHOUT.items():
        found[fault] = (f"zone{next(numbers)}.test", tuple(row for row in BASE if kind and row[1] != kind))
    return {fault: (zone, tuple(map(_filled, rows, [zone] * len(rows)))) for fault, (zone, rows) in found.items()}


def _filled(row: Row, zone: str) -> Row:
    full: Row = (*row, *(300, None)[len(row) - 3 :])
    name, kind, content, ttl, prio = full
    return name.replace("{zone}", zone), kind, content.replace("{zone}", zone), ttl, prio


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def from_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Prepared]:
    """Every zone as it comes from the database, by name."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('faults')}/zones.db"
    else:
        server: DatabaseServer = request.getfixturevalue(request.param)
        url = server.new_database()
    tables = Tables(url, triggers=False)
    for number, (zone, rows) in enumerate(zones().values(), 1):
        tables.do("INSERT INTO domains (id, name, type) VALUES (:id, :name, 'NATIVE')", id=number, name=zone)
        for row in rows:
            tables.add(number, *row)
    tables.close()
    return {str(found.place.origin): found for found in prepare_each([database_place(parse_url(url))], seed=1)}


def from_file(folder: Path, zone: str, rows: tuple[Row, ...]) -> Prepared:
    """The same zone written as a master file in which, as in the tables, no name needs its last dot."""
    lines = [
        f"{name} {ttl} IN {kind} {'' if prio is None else prio} {content}" for name, kind, content, ttl, prio in rows
    ]
    path = folder / "a.zone"
    path.write_text("\n".join(["$ORIGIN .", *lines, ""]))
    return prepare(Place(str(path), zone), seed=1)


def said(prepared: Prepared) -> list[tuple[str, str]]:
    return sorted((problem.severity.name, problem.message) for problem in prepared.problems)


@pytest.mark.parametrize("fault", [*FAULTS, *WITHOUT])
def test_fault_is_refused_in_the_same_words(tmp_path: Path, from_database: dict[str, Prepared], fault: str) -> None:
    zone, rows = zones()[fault]
    file, database = from_file(tmp_path, zone, rows), from_database[zone]
    assert said(database) == said(file)
    expected = (FAULTS | WITHOUT)[fault][0]
    assert any(expected in message for _, message in said(file)), said(file)
    assert (file.image is None, database.image is None) == (fault not in ODD, fault not in ODD)
    row_or_zone = (f"{database.place} records.id:", f"{database.place} domains.id:", f"{database.place}:")
    for problem in database.problems:
        assert problem.place.startswith(row_or_zone) or problem.place == str(database.place)


def test_nothing_half_valid_is_published(tmp_path: Path) -> None:
    """The zones with faults beside one without: that one is served, and none of the others."""
    tables = Tables(f"sqlite:///{tmp_path}/zones.db")
    for fault, (zone, rows) in zones().items():
        if fault not in ODD:
            number = tables.ask("SELECT coalesce(max(id), 0) + 1 FROM domains")[0][0]
            tables.do("INSERT INTO domains (id, name, type) VALUES (:id, :name, 'NATIVE')", id=number, name=zone)
            for row in rows:
                tables.add(number, *row)
    tables.add_zone("good.test")
    tables.close()
    with running(tmp_path, "--database", f"sqlite:///{tmp_path}/zones.db") as server:
        known = server.do(do="zones")["zones"]
        assert [zone["zone"] for zone in known if zone["published"]] == ["good.test"]
        assert len(known) == len(FAULTS) + len(WITHOUT) - len(ODD) + 1
        assert server.address_of("www.good.test") == "192.0.2.10"
        answers = {server.address_of(f"ns1.{zone['zone']}") for zone in known if not zone["published"]}
        assert answers <= {"REFUSED", "SERVFAIL"}
