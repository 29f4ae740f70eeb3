"""Zones are written as they are, at once, and only if they have changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest

from pippin.source.files import load
from pippin.source.loaded import Loaded
from pippin.source.redis.database import RedisDatabase
from pippin.source.redis.write import Writer, fields_of
from pippin.source.url import DatabaseError, parse_url
from tests.peers.redis import RedisServer
from tests.source.redis.zones import read, shown

ZONE = r"""
$ORIGIN Octo.Test.
$TTL 300
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
@ NS NS2.Elsewhere.Test.
@ MX 10 mail
ns1 A 192.0.2.1
WWW 60 A 192.0.2.11
WWW 60 A 192.0.2.10
www 60 AAAA 2001:db8::1
www TXT "v=DKIM1; p=\200" "\" (x"
a.b.c SRV 0 5 5060 www
*.c CNAME www
\@ A 192.0.2.3
x\.y\032z\;.d CNAME \$.elsewhere.test.
raw TYPE65400 \# 2 abcd
_443._tcp.www HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1
$GENERATE 1-20 host-$ A 192.0.2.$
"""


@pytest.fixture
def writer(redis: RedisServer) -> Iterator[Writer]:
    writer = Writer(parse_url(redis.url))
    yield writer
    writer.close()


@pytest.fixture
def zone(tmp_path: Path) -> Loaded:
    return zone_of(tmp_path, ZONE)


def zone_of(folder: Path, text: str) -> Loaded:
    path = folder / "octo.test.zone"
    path.write_text(text)
    loaded = load(str(path))
    assert loaded.problems == ()
    return loaded


def test_what_is_written_is_read_again_as_it_was(redis: RedisServer, writer: Writer, zone: Loaded) -> None:
    done = writer.write(zone)
    assert (done.origin, done.names, done.records, done.is_new) == ("octo.test", 29, 35, True)
    database = RedisDatabase(writer.url)
    found = read(database)["octo.test"]
    assert found.problems == ()
    assert sorted(map(str.lower, shown(found))) == sorted(map(str.lower, shown(zone)))
    assert redis.do("HGET", "pippin:zone:octo.test", "www").startswith(b"60 A 192.0.2.11\n60 A 192.0.2.10\n")
    assert redis.do("HGET", "pippin:zone:octo.test", "@").count(b"NS2.Elsewhere.Test.") == 1
    database.close()


def test_names_between_have_empty_fields(zone: Loaded) -> None:
    fields, _ = fields_of(zone)
    assert sorted(field for field, value in fields.items() if not value) == [b"_tcp.www", b"b.c", b"c", b"d"]


def test_zone_that_is_there_already_is_left_alone(redis: RedisServer, writer: Writer, zone: Loaded) -> None:
    writer.write(zone)
    listener = RedisDatabase(writer.url)
    listener.listen()
    version = redis.do("HGET", "pippin:zones", "octo.test")
    assert not writer.write(zone).is_new
    assert redis.do("HGET", "pippin:zones", "octo.test") == version
    assert listener.take() == set()
    for damage in (
        ("HSET", "pippin:zone:octo.test", "more", "300 A 192.0.2.1"),
        ("HDEL", "pippin:zone:octo.test", "www"),
        ("SET", "pippin:zone:octo.test", "no hash"),
        ("DEL", "pippin:zone:octo.test"),
        ("HDEL", "pippin:zones", "octo.test"),
        ("HSET", "pippin:zones", "octo.test", "deleted"),
    ):
        redis.do(*damage)
        assert writer.write(zone).is_new, damage
        assert listener.take() == {"octo.test"}
        assert int(redis.do("HGET", "pippin:zones", "octo.test")) > int(version)
        version = redis.do("HGET", "pippin:zones", "octo.test")
    assert redis.do("TTL", "pippin:zone:octo.test") == -1
    assert sorted(redis.do("KEYS", "*")) == [b"pippin:zone:octo.test", b"pippin:zones"]
    listener.close()


def test_version_goes_on_from_what_somebody_counted(redis: RedisServer, writer: Writer, zone: Loaded) -> None:
    redis.do("HSET", "pippin:zones", "octo.test", 8_000_000_000_000_000)
    writer.write(zone)
    assert redis.do("HGET", "pippin:zones", "octo.test") == b"8000000000000001"
    redis.do("HSET", "pippin:zones", "octo.test", "not a number")
    redis.do("HDEL", "pippin:zone:octo.test", "www")
    writer.write(zone)
    assert int(redis.do("HGET", "pippin:zones", "octo.test")) > 1_700_000_000_000_000


def test_whoever_reads_meanwhile_sees_one_zone_or_the_other(redis: RedisServer, writer: Writer, tmp_path: Path) -> None:
    head = "$ORIGIN octo.test.\n$TTL 300\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"
    versions = [
        zone_of(tmp_path, head + "".join(f"h{number} A 192.0.2.{last}\n" for number in range(3000))) for last in (1, 2)
    ]
    is_over = False
    seen: set[tuple[int, int]] = set()

    def look() -> None:
        database = RedisDatabase(writer.url)
        while not is_over:
            for loaded in read(database).values():
                lines = shown(loaded)
                seen.add((sum(line.endswith("A 192.0.2.2") for line in lines), len(lines)))
        database.close()

    writer.write(versions[0])
    looking = threading.Thread(target=look)
    looking.start()
    for number in range(10):
        writer.write(versions[(number + 1) % 2])
    is_over = True
    looking.join()
    assert seen <= {(0, 3003), (3000, 3003)}


def test_deleted_zone_is_said_to_be(redis: RedisServer, writer: Writer, zone: Loaded) -> None:
    writer.write(zone)
    assert writer.zones() == {"octo.test"}
    assert writer.delete(["octo.test", "never.test"]) == ["octo.test", "never.test"]
    assert writer.zones() == set()
    assert redis.do("HGETALL", "pippin:zones") == {b"octo.test": b"deleted", b"never.test": b"deleted"}
    assert redis.do("EXISTS", "pippin:zone:octo.test") == 0


def test_csv_without_ns_records_stays_one(writer: Writer) -> None:
    loaded = load(str(Path(__file__).parents[3] / "examples" / "apple.tree.csv"))
    assert not loaded.is_master_file
    done = writer.write(loaded)
    assert (done.names, done.records) == (4, 4)
    database = RedisDatabase(writer.url)
    assert not read(database)["apple.tree"].is_master_file
    database.close()


def test_redis_that_refuses_keeps_the_old_zone(redis: RedisServer, writer: Writer, zone: Loaded) -> None:
    writer.write(zone)
    redis.do("HDEL", "pippin:zone:octo.test", "www")
    redis.do("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(DatabaseError, match="maxmemory"):
            writer.write(zone)
    finally:
        redis.do("CONFIG", "SET", "maxmemory", "0")
    assert redis.do("HLEN", "pippin:zone:octo.test") == 32
    assert sorted(redis.do("KEYS", "*")) == [b"pippin:zone:octo.test", b"pippin:zones"]


def test_root_zone(redis: RedisServer, writer: Writer, tmp_path: Path) -> None:
    text = "$ORIGIN .\n@ 60 SOA a.root. h. 1 2 3 4 5\n@ 60 NS a.root.\na.root 60 A 192.0.2.1\n"
    (tmp_path / "root.zone").write_text(text)
    loaded = load(str(tmp_path / "root.zone"), ".")
    assert loaded.origin == dns.name.root.to_wire()
    assert writer.write(loaded).origin == "."
    assert redis.do("HGET", "pippin:zone:.", "a.root") == b"60 A 192.0.2.1"
    database = RedisDatabase(writer.url)
    assert shown(read(database)["."]) == shown(loaded)
    database.close()
