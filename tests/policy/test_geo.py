"""MaxMind databases: fields of the known layouts, several databases, and files that are replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from pippin.engine.memo import PolicyMemo
from pippin.policy.geo import FIELDS, Database, Geo, GeoError, value_of

CITY = {
    "country": {"iso_code": "DE", "names": {"en": "Germany"}},
    "continent": {"code": "EU"},
    "subdivisions": [{"iso_code": "BE"}, {"iso_code": "X"}],
    "city": {"names": {"en": "Berlin", "de": "Berlin"}},
    "registered_country": {"iso_code": "US"},
}


def write(path: Path, kind: str, records: dict[str, object], ip_version: int = 6) -> str:
    """A database, put into place as geoipupdate does it."""
    writer = MMDBWriter(ip_version, kind, languages=["en"], ipv4_compatible=ip_version == 6)
    for prefix, record in records.items():
        writer.insert_network(IPSet([prefix]), record)
    writer.to_db_file(str(path) + ".new")
    os.replace(str(path) + ".new", path)
    return str(path)


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (CITY, ("DE", "EU", "BE", "Berlin", None)),
        ({"country": {}, "continent": {}, "city": {"names": {}}, "subdivisions": []}, (None,) * 5),
        (
            {"autonomous_system_number": 64496, "autonomous_system_organization": "X"},
            (None, None, None, None, 64496),
        ),
        ({"traits": {"autonomous_system_number": 64497}}, (None, None, None, None, 64497)),
        (
            {"country_code": "US", "continent_code": "NA", "asn": "AS64496", "city": "Dallas"},
            ("US", "NA", None, "Dallas", 64496),
        ),
        ({"country": "US", "continent": "North America"}, ("US", None, None, None, None)),
        ({"country": "United States", "asn": "none"}, (None,) * 5),
    ],
)
def test_fields_of_known_layouts(record: dict[str, object], found: tuple[object, ...]) -> None:
    assert tuple(value_of(record, field) for field in FIELDS) == found


@pytest.mark.parametrize("ip_version", [4, 6])
def test_record_of_an_address(tmp_path: Path, ip_version: int) -> None:
    database = Database(write(tmp_path / "c.mmdb", "GeoLite2-Country", {"192.0.2.0/24": CITY}, ip_version))
    assert value_of(database.record("192.0.2.7"), "country") == "DE"
    assert database.record("198.51.100.1") == {}
    assert database.record("2001:db8::1") == {}


def test_search_tree_is_the_one_that_the_engine_walks(tmp_path: Path) -> None:
    database = Database(
        write(tmp_path / "c.mmdb", "GeoLite2-City", {"192.0.2.0/25": CITY, "2001:db8::/32": CITY})
    )
    memo = PolicyMemo(bytearray(16), 1)
    tree = memo.add_tree(database.memory, database.node_count, database.record_bits, database.ip_version)
    leaf, depth = memo.walk(tree, bytes([192, 0, 2, 1]), 32)
    assert (leaf > 0, depth) == (True, 25)
    assert memo.walk(tree, bytes([192, 0, 2, 129]), 32) == (0, 25)
    assert memo.walk(tree, bytes.fromhex("20010db8") + bytes(12), 128) == (leaf, 32)  # the same record


def test_each_field_is_from_the_first_database_that_has_it(tmp_path: Path) -> None:
    country = write(tmp_path / "country.mmdb", "GeoLite2-Country", {"192.0.2.0/24": CITY})
    city = write(tmp_path / "city.mmdb", "DBIP-City-Lite", {"198.51.100.0/24": CITY})
    asn = write(tmp_path / "asn.mmdb", "own numbers", {"192.0.2.0/24": {"asn": "AS64496"}})
    geo = Geo([country, city, asn])
    assert [geo.index_of(field) for field in FIELDS] == [0, 0, 1, 1, 2]
    assert Geo([city]).index_of("country") == 0
    assert Geo([city]).index_of("asn") is None
    assert Geo([]).index_of("country") is None


def test_replaced_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "c.mmdb"
    geo = Geo([write(path, "GeoLite2-Country", {"192.0.2.0/24": CITY})])
    assert geo.refresh() == ([], [])
    write(path, "GeoLite2-Country", {"192.0.2.0/24": {"country": {"iso_code": "FR"}}})
    assert geo.refresh() == ([0], [])
    assert value_of(geo.databases[0].record("192.0.2.1"), "country") == "FR"
    assert geo.refresh() == ([], [])


def test_broken_gone_or_poorer_file_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    path = tmp_path / "c.mmdb"
    geo = Geo([write(path, "GeoLite2-City", {"192.0.2.0/24": CITY})])
    for replace, why in (
        (
            lambda: (tmp_path / "bad").write_bytes(b"no database") and os.replace(tmp_path / "bad", path),
            "no MaxMind database",
        ),
        (lambda: os.unlink(path), "it is gone"),
        (
            lambda: write(path, "GeoLite2-ASN", {"192.0.2.0/24": {"autonomous_system_number": 1}}),
            "it has no city or",
        ),
    ):
        replace()
        changed, wrong = geo.refresh()
        assert changed == []
        assert len(wrong) == 1
        assert wrong[0].startswith(f"{path}: ")
        assert why in wrong[0]
        assert "stays in use" in wrong[0]
        assert geo.refresh() == ([], [])  # said once
        assert value_of(geo.databases[0].record("192.0.2.1"), "city") == "Berlin"
    write(path, "GeoLite2-City", {"198.51.100.0/24": CITY})
    assert geo.refresh() == ([0], [])


def test_unusable_databases_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "text.mmdb").write_text("text")
    (tmp_path / "empty.mmdb").write_text("")
    paths = [str(tmp_path / name) for name in ("text.mmdb", "empty.mmdb", "none.mmdb")]
    with pytest.raises(GeoError) as caught:
        Geo(paths)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == paths
    assert lines[2].endswith("cannot be read: No such file or directory")
