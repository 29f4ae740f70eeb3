"""Which zones a Redis has, in which version, and what it tells of them."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pippin.source.database import Domain, load_all, load_zone
from pippin.source.redis.database import RedisDatabase
from pippin.source.url import DatabaseError, parse_url
from tests.peers.redis import RedisServer, running_redis
from tests.peers.server import HOST
from tests.source.redis.zones import add_zone, read, shown


@pytest.fixture
def database(redis: RedisServer) -> Iterator[RedisDatabase]:
    database = RedisDatabase(parse_url(redis.url))
    yield database
    database.close()


def test_zones_are_listed_with_their_versions(redis: RedisServer, database: RedisDatabase) -> None:
    assert database.domains() == []
    add_zone(redis, "one.test")
    add_zone(redis, "two.test")
    redis.do("HSET", "pippin:zones", "gone.test", "deleted", ".", 5)
    found = {domain.name: domain for domain in database.domains()}
    assert sorted(found) == [".", "gone.test", "one.test", "two.test"]
    assert found["gone.test"].is_deleted
    before = database.versions()
    assert sorted(map(str, before)) == [".", "one.test", "two.test"]
    assert before["one.test"].records == 3
    assert database.versions(["one.test", "gone.test", "never.test", ""]) == {"one.test": before["one.test"]}
    redis.do("HINCRBY", "pippin:zones", "one.test", 1)
    after = database.versions()
    assert after["one.test"] != before["one.test"]
    assert after["two.test"] == before["two.test"]
    assert {one.name: one for one in database.domains()}["one.test"] != found["one.test"]


@pytest.mark.parametrize("value", [b"", b"\xff", b"x" * 100_000, b"2026-11-23 10:00"])
def test_any_text_is_a_version(redis: RedisServer, database: RedisDatabase, value: bytes) -> None:
    redis.do("HSET", "pippin:zones", "one.test", value)
    token = database.versions()["one.test"].token
    assert 0 < len(token) <= 65
    redis.do("HSET", "pippin:zones", "one.test", value + b"1")
    assert database.versions()["one.test"].token != token


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"One.Test", "right would be one.test"),
        (b"one.test.", "right would be one.test"),
        (b"", "no domain name|right would be"),
        (b"a..b", "no domain name"),
        (b"\xff.test", "no domain name"),
        (b"x" * 5000, "no domain name"),
        (b"a b.test", "right would be"),
        (b"@", "right would be"),
    ],
)
def test_names_that_cannot_be_zones_are_said(
    redis: RedisServer, database: RedisDatabase, name: bytes, reason: str
) -> None:
    redis.do("HSET", "pippin:zones", name, 1)
    (domain,) = database.domains()
    problem = database.problem_of(domain)
    assert re.search(reason, problem.message)
    assert problem.place.startswith(f"{database.url} pippin:zones")
    assert len(problem.place) < 200


def test_many_zones_are_read_as_each_by_itself(redis: RedisServer, database: RedisDatabase) -> None:
    for number in range(30):
        add_zone(redis, f"zone{number}.test", {f"h{i}": "300 A 192.0.2.9" for i in range(number)})
    together = read(database)
    assert len(together) == 30
    for name, loaded in together.items():
        ((_, alone),) = database.read([(Domain(name, name), "")])
        assert shown(alone) == shown(loaded)
        assert len(shown(alone)) == 4 + int(name[4:-5])


def test_parts_of_what_is_read_are_small(
    redis: RedisServer, database: RedisDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pippin.source.redis.database.NAMES_AT_A_TIME", 7)
    monkeypatch.setattr("pippin.source.redis.database.ZONES_AT_A_TIME", 3)
    for number in range(10):
        add_zone(redis, f"zone{number}.test", {f"h{i}": "300 A 192.0.2.9" for i in range(number)})
    assert sorted(read(database)) == [f"zone{number}.test" for number in range(10)]


def test_zone_that_is_no_hash_is_a_problem_of_its_own(redis: RedisServer, database: RedisDatabase) -> None:
    for name in ("good.test", "string.test", "list.test", "missing.test"):
        add_zone(redis, name)
        if name != "good.test":
            redis.do("DEL", f"pippin:zone:{name}")
    redis.do("SET", "pippin:zone:string.test", "x")
    redis.do("LPUSH", "pippin:zone:list.test", "x")
    assert len(database.versions()) == 4
    found = read(database)
    assert found["good.test"].problems == ()
    for name, reason in (("string", "no hash"), ("list", "no hash"), ("missing", "no such hash")):
        (problem,) = found[f"{name}.test"].problems
        assert reason in problem.message
        assert problem.place == f"{database.url} pippin:zone:{name}.test"
        assert found[f"{name}.test"].records == b""


def test_list_that_is_no_hash_is_an_error(redis: RedisServer, database: RedisDatabase) -> None:
    redis.do("SET", "pippin:zones", "x")
    with pytest.raises(DatabaseError, match="WRONGTYPE"):
        database.domains()
    with pytest.raises(DatabaseError, match="WRONGTYPE"):
        database.versions(["one.test"])


def test_one_zone_and_all_zones_are_loaded(redis: RedisServer) -> None:
    url = parse_url(redis.url)
    add_zone(redis, "one.test")
    redis.do("HSET", "pippin:zones", "gone.test", "deleted", "Wrong.test", 1)
    assert len(shown(load_zone(url, "one.test"))) == 4
    assert "there is no domain gone.test" in load_zone(url, "gone.test").problems[0].message
    found = dict(load_all(url))
    assert sorted(found) == ["", "one.test"]
    assert "right would be wrong.test" in found[""].problems[0].message


def test_another_prefix_is_another_world(redis: RedisServer) -> None:
    add_zone(redis, "one.test")
    redis.do("HSET", "prod:zones", "two.test", 1)
    redis.do("HSET", "prod:zone:two.test", "@", "300 NS ns.elsewhere.test.")
    database = RedisDatabase(parse_url(redis.url + "?prefix=prod"))
    assert [domain.name for domain in database.domains()] == ["two.test"]
    assert len(shown(read(database)["two.test"])) == 1
    assert database.listen()
    redis.do("PUBLISH", "pippin:changes", "one.test")
    redis.do("PUBLISH", "prod:changes", "two.test")
    assert database.take() == {"two.test"}
    database.close()


def test_what_is_published_is_told(redis: RedisServer, database: RedisDatabase) -> None:
    assert database.fileno() == -1
    assert database.listen()
    assert database.fileno() > 0
    assert database.take() == set()
    redis.do("PUBLISH", "pippin:changes", "one.test")
    redis.do("PUBLISH", "pippin:changes", "Two.Test.")
    redis.do("PUBLISH", "pippin:changes", b"\xff")
    redis.do("PUBLISH", "elsewhere", "three.test")
    assert database.take() == {"one.test", "two.test"}
    redis.do("PUBLISH", "pippin:changes", "*")
    assert database.take() is None
    for number in range(1100):
        redis.do("PUBLISH", "pippin:changes", f"{number}.test")
    assert database.take() is None
    redis.do("HSET", "pippin:zone:one.test", "www", "300 A 192.0.2.1")
    assert database.take() == set()


def test_nothing_told_is_left_lying_where_nobody_sees_it(redis: RedisServer, database: RedisDatabase) -> None:
    """What comes in one piece with the end of the last take is not readable any more."""
    assert database.listen()
    with socket.create_connection((HOST, redis.port)) as connection:
        for _ in range(200):
            expected = {f"{number}.test" for number in range(20)}

            def publish(names: set[str]) -> None:
                for name in names:
                    connection.sendall(f"PUBLISH pippin:changes {name}\r\n".encode())

            publishing = threading.Thread(target=publish, args=(expected,))
            publishing.start()
            told: set[object] = set()
            while told != expected:
                assert select.select([database.fileno()], [], [], 5)[0], expected - told
                told |= database.take() or set()
            publishing.join()


def test_keyspace_notifications_are_told(redis: RedisServer, database: RedisDatabase) -> None:
    redis.do("CONFIG", "SET", "notify-keyspace-events", "Kgh")
    assert database.listen()
    redis.do("HSET", "pippin:zone:one.test", "www", "300 A 192.0.2.1")
    redis.do("DEL", "pippin:zone:one.test")
    assert database.take() == {"one.test"}
    redis.do("HSET", "pippin:zones", "one.test", "1")
    assert database.take() == {""}
    redis.do("HSET", "pippin:loading:one.test:x", "www", "1")
    assert database.take() == set()


def test_lost_connection_is_an_error_until_it_is_opened_again(redis: RedisServer, database: RedisDatabase) -> None:
    assert database.listen()
    redis.do("CLIENT", "KILL", "TYPE", "pubsub")
    with pytest.raises(DatabaseError):
        database.take()
    database.close()
    assert database.listen()
    assert database.take() == set()


def test_who_may_not_subscribe_polls(redis: RedisServer) -> None:
    rights = ("on", ">correct-horse", "~pippin:*", "+@read", "+@connection", "+@pubsub")
    redis.do("ACL", "SETUSER", "poller", *rights, "resetchannels")
    redis.do("ACL", "SETUSER", "listener", *rights, "resetchannels", "&pippin:changes")
    redis.do("ACL", "SETUSER", "stranger", "on", ">correct-horse", "+@connection")
    try:
        add_zone(redis, "one.test")
        for user, listens in (("poller", False), ("listener", True)):
            database = RedisDatabase(parse_url(redis.url.replace("redis://", f"redis://{user}:correct-horse@")))
            assert database.listen() is listens
            assert len(read(database)) == 1
            if listens:
                redis.do("PUBLISH", "pippin:changes", "one.test")
                assert database.take() == {"one.test"}
            database.close()
        database = RedisDatabase(parse_url(redis.url.replace("redis://", "redis://stranger:correct-horse@")))
        with pytest.raises(DatabaseError, match=r"redis://stranger:\*\*\*@.*permissions"):
            database.domains()
        database.close()
    finally:
        redis.do("ACL", "DELUSER", "poller", "listener", "stranger")


def test_wrong_password_is_not_told(redis: RedisServer) -> None:
    with pytest.raises(DatabaseError, match=r"WRONGPASS|AUTH|password") as caught:
        RedisDatabase(parse_url(f"redis://:hunter2secret@{HOST}:{redis.port}/0")).domains()
    assert "hunter2secret" not in str(caught.value)


def test_tls_is_checked(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert(HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with running_redis() as plain:
        free = plain.port  # of a server that is gone by then
    options = ("--tls-port", str(free), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(tmp_path / "ca.pem"))
    pem = str(tmp_path / "server.pem")
    with running_redis(*options, "--tls-cert-file", pem, "--tls-key-file", pem) as redis:
        add_zone(redis, "one.test")
        database = RedisDatabase(parse_url(f"rediss://{HOST}:{free}/0?ssl_ca_certs={tmp_path}/ca.pem"))
        assert len(read(database)) == 1
        assert database.listen()
        redis.do("PUBLISH", "pippin:changes", "one.test")
        assert database.take() == {"one.test"}
        database.close()
        untrusting = RedisDatabase(parse_url(f"rediss://{HOST}:{free}/0"))
        with pytest.raises(DatabaseError, match="certificate verify failed"):
            untrusting.domains()


def test_unix_socket(tmp_path: Path) -> None:
    with running_redis("--unixsocket", "redis.sock") as redis:
        add_zone(redis, "one.test")
        database = RedisDatabase(parse_url(f"unix://{redis.folder}/redis.sock?db=0"))
        assert len(read(database)) == 1
        assert database.listen()
        database.close()
