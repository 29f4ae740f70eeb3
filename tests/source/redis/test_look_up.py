"""Names looked up one by one in a Redis."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
import pytest

from pippin.engine.records import iterate
from pippin.source.live import RECORDS_LIMIT, LiveSettings, LookUpError
from pippin.source.redis.look_up import RedisLookUp
from tests.peers.redis import RedisServer
from tests.source.redis.zones import add_zone


def wire(text: str) -> bytes:
    return dns.name.from_text(text).canonicalize().to_wire() or b""


@pytest.fixture
def look_up(redis: RedisServer) -> Iterator[RedisLookUp]:
    look_up = RedisLookUp(LiveSettings(redis.url, timeout=5))
    yield look_up
    look_up.close()


def test_zones_are_found_deepest_first(redis: RedisServer, look_up: RedisLookUp) -> None:
    for zone in (".", "test", "octo.test", "gone.test"):
        add_zone(redis, zone)
    redis.do("HSET", "pippin:zones", "gone.test", "deleted")
    names = [wire(name) for name in ("www.octo.test", "octo.test", "test", ".")]
    assert [zone.origin for zone in look_up.zones(names)] == names[1:]
    assert [zone.origin for zone in look_up.zones([wire("gone.test"), wire("x.gone.test")])] == []


def test_what_stands_at_names(redis: RedisServer, look_up: RedisLookUp) -> None:
    add_zone(redis, "octo.test", {"b.c": "", "*.w": "60 CNAME www", r"x\;y": "60 A 192.0.2.7"})
    (zone,) = look_up.zones([wire("octo.test")])
    names = ["octo.test", "www.octo.test", "b.c.octo.test", "*.w.octo.test", r"x\;y.octo.test", "no.octo.test"]
    looked = look_up.records(zone, [wire(name) for name in names])
    owners = [str(dns.name.from_wire(record.owner, 0)[0]) for record in iterate(looked.records)]
    assert owners == ["octo.test.", "octo.test.", "www.octo.test.", "*.w.octo.test.", r"x\;y.octo.test."]
    assert looked.empty == (wire("b.c.octo.test"),)
    assert looked.unreadable == ()


def test_zones_that_begin_at_the_names_are_told_beside(redis: RedisServer, look_up: RedisLookUp) -> None:
    for zone in ("octo.test", "deep.octo.test", "gone.octo.test"):
        add_zone(redis, zone)
    redis.do("HSET", "pippin:zones", "gone.octo.test", "deleted")
    (zone,) = look_up.zones([wire("octo.test")])
    names = ["www.deep.octo.test", "deep.octo.test", "*.deep.octo.test", "gone.octo.test", "octo.test"]
    assert look_up.records(zone, [wire(name) for name in names]).origins == (wire("deep.octo.test"),)
    assert look_up.records(zone, [wire("octo.test")]).origins == ()


def test_garbage_is_said_with_its_owner_and_type(redis: RedisServer, look_up: RedisLookUp) -> None:
    fields = {"a": "60 IN NS (\n60 A 192.0.2.1", "b": "60 TXT x;", "c": b"\xff", "d": "60 A garbage"}
    fields["e"] = "x" * 2_000_000
    add_zone(redis, "octo.test", fields)
    (zone,) = look_up.zones([wire("octo.test")])
    looked = look_up.records(zone, [wire(f"{field}.octo.test") for field in [*fields, "www"]])
    assert [record.owner for record in iterate(looked.records)] == [wire("a.octo.test"), wire("www.octo.test")]
    found = {one.owner: one for one in looked.unreadable}
    assert {owner: one.type for owner, one in found.items()} == {
        wire("a.octo.test"): 2, wire("b.octo.test"): 16, wire("c.octo.test"): 0, wire("d.octo.test"): 1,
        wire("e.octo.test"): 0,
    }  # fmt: skip
    assert found[wire("b.octo.test")].problem.place.endswith("pippin:zone:octo.test b:1")


def test_too_many_records_are_not_read(redis: RedisServer, look_up: RedisLookUp) -> None:
    add_zone(redis, "octo.test", {"many": "1 A 192.0.2.1\n" * (RECORDS_LIMIT + 1)})
    (zone,) = look_up.zones([wire("octo.test")])
    looked = look_up.records(zone, [wire("many.octo.test")])
    assert looked.records == b""
    assert "more than 20000 records" in looked.unreadable[0].problem.message


def test_zone_that_is_no_hash_is_a_problem_of_its_own(redis: RedisServer, look_up: RedisLookUp) -> None:
    redis.do("HSET", "pippin:zones", "octo.test", 1)
    redis.do("SET", "pippin:zone:octo.test", "x")
    (zone,) = look_up.zones([wire("octo.test")])
    looked = look_up.records(zone, [wire("www.octo.test")])
    assert [(one.owner, one.type) for one in looked.unreadable] == [(wire("www.octo.test"), 0)]


def test_flushed_is_away_and_not_empty(redis: RedisServer, look_up: RedisLookUp) -> None:
    add_zone(redis, "octo.test")
    assert look_up.zones([wire("octo.test")])
    redis.do("FLUSHALL")
    with pytest.raises(LookUpError, match="as after a flush"):
        look_up.zones([wire("octo.test")])
    redis.do("SET", "pippin:zones", "x")
    with pytest.raises(LookUpError, match="WRONGTYPE"):
        look_up.zones([wire("octo.test")])
    redis.do("FLUSHALL")
    add_zone(redis, "octo.test")
    assert look_up.zones([wire("octo.test")])


def test_cut_connection_is_replaced_and_a_slow_redis_is_told_from_one_that_is_away(redis: RedisServer) -> None:
    look_up = RedisLookUp(LiveSettings(redis.url.replace("redis://", "redis://:hunter2@"), timeout=0.3))
    with pytest.raises(LookUpError) as caught:
        look_up.zones([wire("octo.test")])
    assert "hunter2" not in str(caught.value)
    assert not caught.value.timed_out
    look_up.close()
    add_zone(redis, "octo.test")
    look_up = RedisLookUp(LiveSettings(redis.url, timeout=0.3))
    assert look_up.zones([wire("octo.test")])
    redis.do("CLIENT", "KILL", "TYPE", "normal")
    assert look_up.zones([wire("octo.test")])
    redis.freeze()
    try:
        with pytest.raises(LookUpError, match="no answer in time") as caught:
            look_up.zones([wire("octo.test")])
        assert caught.value.timed_out
    finally:
        redis.thaw()
    assert look_up.zones([wire("octo.test")])
    look_up.close()
