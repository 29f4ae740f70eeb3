"""What the measurements put into a database is the zone that they put into a file."""

from __future__ import annotations

from pathlib import Path

from bench.databases import rows_of, small_zone_rows
from bench.zones import Plan
from pippin.control.places import Place, database_place
from pippin.control.prepare import prepare, prepare_each
from pippin.engine.unpack import Unpacker
from pippin.source.url import parse_url
from tests.source.sql.tables import Tables


def test_rows_are_the_zone_of_the_file(tmp_path: Path) -> None:
    plan = Plan("example.test", 400, 540)
    file = tmp_path / "example.test.zone"
    file.write_text("\n".join([*plan.lines(), ""]))
    tables = Tables(f"sqlite:///{tmp_path}/zones.db", triggers=False)
    many = list(small_zone_rows("small.test", 2, 100))
    for number, zone, rows in ((1, plan.origin, rows_of(plan)), (2, "small.test", many)):
        tables.do("INSERT INTO domains (id, name, type) VALUES (:id, :name, 'NATIVE')", id=number, name=zone)
        for _, name, kind, content, ttl, prio in rows:
            tables.add(number, name, kind, content, ttl, prio)
    tables.close()
    one, two = prepare_each([database_place(parse_url(tables.url))], seed=1)
    same = prepare(Place(str(file), plan.origin), seed=1)
    assert same.image is not None
    assert one.image is not None
    assert two.image is not None
    assert list(Unpacker(one.image)) == list(Unpacker(same.image))
    assert (one.records, two.records, len(many)) == (540, 100, 100)
    assert two.problems == ()
