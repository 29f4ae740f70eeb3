"""A server that follows a Redis: what is written is served, and whatever becomes of the Redis stops no answer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.rcode
import pytest

from tests.control.running import Running, running, wait_until, write_zone
from tests.control.test_following import (
    Load,
    another_running,
    rcode_of,
    state_of,
    wait_address,
    write_configuration,
    zones_of,
)
from tests.peers.redis import SERVICE, RedisServer, running_redis, running_sentinels
from tests.peers.server import HOST

pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def pippin(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pippin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def load(folder: Path, url: str, *zones: str, serial: int = 1, address: str = "192.0.2.10") -> None:
    """Write zones as files, and those into the Redis."""
    folder = folder / "load"
    folder.mkdir(exist_ok=True)
    files = [write_zone(folder / f"{zone}.zone", zone, serial, address) for zone in zones]
    # Sentinels may take a master on a busy machine for dead, and for a moment know none.
    wait_until(lambda: pippin("redis", "load", *files, url).returncode == 0, "the zones are written")


def change_by_hand(redis: RedisServer, zone: str, address: str, *, publish: bool = True, version: bool = True) -> None:
    redis.do("HSET", f"pippin:zone:{zone}", "www", f"60 A {address}")
    if version:
        redis.do("HINCRBY", "pippin:zones", zone, 1)
    if publish:
        redis.do("PUBLISH", "pippin:changes", zone)


def test_zones_are_served_and_followed(tmp_path: Path, redis: RedisServer) -> None:
    load(tmp_path, redis.url, "one.test", "two.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, redis.url)) as server:
        assert server.address_of("www.one.test") == "192.0.2.10"
        assert state_of(server)["following"] == "notifications"
        load(tmp_path, redis.url, "one.test", serial=2, address="192.0.2.20")
        wait_address(server, "www.one.test", "192.0.2.20")
        assert server.address_of("www.two.test") == "192.0.2.10"
        load(tmp_path, redis.url, "three.test")
        wait_address(server, "www.three.test", "192.0.2.10")
        began = time.monotonic()
        change_by_hand(redis, "one.test", "192.0.2.30")
        wait_address(server, "www.one.test", "192.0.2.30")
        assert time.monotonic() - began < 1.5  # told, for looks are two seconds apart
        assert pippin("redis", "delete", "three.test", redis.url).returncode == 0
        wait_until(lambda: rcode_of(server, "three.test") == dns.rcode.REFUSED, "the deleted zone is refused")
        load(tmp_path, redis.url, "three.test")
        wait_address(server, "www.three.test", "192.0.2.10")
        assert zones_of(server)["one.test"]["source"].startswith("redis://")
        assert zones_of(server)["one.test"]["serial"] == 2


def test_changes_that_nobody_publishes_are_noticed(tmp_path: Path, redis: RedisServer) -> None:
    load(tmp_path, redis.url, "one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, redis.url)) as server:
        change_by_hand(redis, "one.test", "192.0.2.20", publish=False)
        wait_address(server, "www.one.test", "192.0.2.20")
        for noise in ("", "x" * 5000, b"\xff\xfe", "no.such.test", "*", "a..b", "One.Test."):
            redis.do("PUBLISH", "pippin:changes", noise)
        change_by_hand(redis, "one.test", "192.0.2.30", publish=False)
        wait_address(server, "www.one.test", "192.0.2.30")
        assert state_of(server)["state"] == "connected"


def test_keyspace_notifications_are_heard(tmp_path: Path) -> None:
    with running_redis("--notify-keyspace-events", "Kgh") as redis:
        load(tmp_path, redis.url, "one.test")
        with running(tmp_path, "-c", write_configuration(tmp_path, redis.url)) as server:
            change_by_hand(redis, "one.test", "192.0.2.20", publish=False, version=False)
            wait_address(server, "www.one.test", "192.0.2.20")
            redis.do("COPY", "pippin:zone:one.test", "pippin:zone:copy.test")
            redis.do("HSET", "pippin:zone:copy.test", "@", "60 SOA ns1 h 1 2 3 4 5\n60 NS ns1.one.test.")
            redis.do("HSET", "pippin:zones", "copy.test", 1)
            wait_address(server, "www.copy.test", "192.0.2.20")


def test_redis_that_is_killed_stops_no_answer_and_what_was_missed_is_read(tmp_path: Path, redis: RedisServer) -> None:
    load(tmp_path, redis.url, "one.test", "two.test", "three.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, redis.url)) as server:
        with Load(server.port, "www.one.test", "192.0.2.10") as asking:
            redis.kill()
            wait_until(lambda: state_of(server)["state"] == "away", "it is noticed")
            assert state_of(server)["error"].startswith(f"redis://{HOST}:{redis.port}/0: ")
            assert not server.do(do="reload")["ok"]
            redis.start()
            change_by_hand(redis, "two.test", "192.0.2.20", publish=False)
            redis.do("HSET", "pippin:zones", "three.test", "deleted")
            wait_address(server, "www.two.test", "192.0.2.20")
            wait_until(lambda: rcode_of(server, "three.test") == dns.rcode.REFUSED, "what was deleted is gone")
        assert asking.asked > 10
        assert asking.wrong == 0
        assert state_of(server)["state"] == "connected"


def test_connection_that_is_cut_misses_nothing(tmp_path: Path, redis: RedisServer) -> None:
    load(tmp_path, redis.url, "one.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, redis.url)) as server:
        for number in range(5):
            redis.do("CLIENT", "KILL", "TYPE", "pubsub")
            redis.do("CLIENT", "KILL", "TYPE", "normal")
            change_by_hand(redis, "one.test", f"192.0.2.{20 + number}")  # while nobody listens
            wait_address(server, "www.one.test", f"192.0.2.{20 + number}")


def test_redis_that_hangs_is_away(tmp_path: Path, redis: RedisServer) -> None:
    load(tmp_path, redis.url, "one.test")
    write_zone(tmp_path / "file.zone", "file")
    with running(tmp_path, str(tmp_path / "file.zone"), "--database", redis.url) as server:
        redis.freeze()
        try:
            write_zone(tmp_path / "file.zone", "file", serial=2, address="192.0.2.99")
            wait_address(server, "www.file", "192.0.2.99")
            wait_until(lambda: state_of(server)["state"] == "away", "it is noticed")
            assert server.address_of("www.one.test") == "192.0.2.10"
        finally:
            redis.thaw()
        change_by_hand(redis, "one.test", "192.0.2.20")
        wait_address(server, "www.one.test", "192.0.2.20")


def lose_by_flush(redis: RedisServer) -> None:
    redis.do("FLUSHALL")


def lose_by_restart(redis: RedisServer) -> None:
    redis.kill()
    for path in redis.folder.glob("appendonlydir/*"):
        path.unlink()
    redis.start()


def lose_the_list(redis: RedisServer) -> None:
    redis.do("DEL", "pippin:zones")


@pytest.mark.parametrize("lose", [lose_by_flush, lose_by_restart, lose_the_list])
def test_zones_that_redis_has_lost_are_served_on(
    tmp_path: Path, redis: RedisServer, lose: Callable[[RedisServer], None]
) -> None:
    load(tmp_path, redis.url, "one.test", "two.test", "three.test")
    configuration = write_configuration(tmp_path, redis.url, more='state = "state"\n')
    with running(tmp_path, "-c", configuration) as server:
        with Load(server.port, "www.one.test", "192.0.2.10") as asking:
            lose(redis)
            wait_until(lambda: state_of(server)["missing"] == 3, "it is noticed")
            assert "zones are missing in the database" in server.output
            load(tmp_path, redis.url, "two.test", serial=2, address="192.0.2.20")  # the first of those that come back
            wait_address(server, "www.two.test", "192.0.2.20")
            assert state_of(server)["missing"] == 2
        assert asking.wrong == 0
        assert server.address_of("www.three.test") == "192.0.2.10"
        shown = pippin("status", "--control", server.control)
        assert "missing there, and served as they were: 2 zones" in shown.stdout
    with another_running(tmp_path, "-c", configuration) as server:
        assert server.address_of("www.one.test") == "192.0.2.10"
        assert server.address_of("www.two.test") == "192.0.2.20"
        assert state_of(server)["missing"] == 2
        pippin("redis", "delete", "one.test", redis.url)
        wait_until(lambda: rcode_of(server, "one.test") == dns.rcode.REFUSED, "what is deleted is gone")
        load(tmp_path, redis.url, "three.test", serial=2, address="192.0.2.20")
        wait_address(server, "www.three.test", "192.0.2.20")
        assert state_of(server)["missing"] == 0


GARBAGE = {
    "binary field": ("HSET", "pippin:zone:bad.test", b"\xff\x00\r\n", "60 A 192.0.2.1"),
    "binary value": ("HSET", "pippin:zone:bad.test", "x", bytes(range(256))),
    "huge value": ("HSET", "pippin:zone:bad.test", "x", b"60 A 192.0.2.1\n" * 1_000_000),
    "two records on a line": ("HSET", "pippin:zone:bad.test", "x", "60 A 192.0.2.1 60 A 192.0.2.2"),
    "an open parenthesis": ("HSET", "pippin:zone:bad.test", "x", "60 TXT ("),
    "no hash": ("SET", "pippin:zone:bad.test", "60 A 192.0.2.1"),
    "no records": ("DEL", "pippin:zone:bad.test"),
    "no SOA": ("HDEL", "pippin:zone:bad.test", "@"),
}


def test_garbage_keeps_the_last_good_version_of_its_zone_alone(tmp_path: Path, redis: RedisServer) -> None:
    load(tmp_path, redis.url, "bad.test", "good.test", "also-good.test")
    good = redis.do("HGETALL", "pippin:zone:bad.test")
    with running(tmp_path, "-c", write_configuration(tmp_path, redis.url)) as server:
        for number, (what, command) in enumerate(GARBAGE.items()):
            address = f"192.0.2.{100 + number}"
            redis.do(*command)
            redis.do("HINCRBY", "pippin:zones", "bad.test", 1)
            redis.do("PUBLISH", "pippin:changes", "bad.test")
            change_by_hand(redis, "good.test", address)
            wait_address(server, "www.good.test", address)
            wait_until(lambda: not zones_of(server)["bad.test"]["published"], f"{what} is noticed")
            assert server.address_of("www.bad.test") == "192.0.2.10", what
            problem = zones_of(server)["bad.test"]["problems"][0]
            assert problem.startswith(f"redis://{HOST}:{redis.port}/0 pippin:zone:bad.test"), problem
            redis.do("DEL", "pippin:zone:bad.test")
            redis.do("HSET", "pippin:zone:bad.test", *(part for one in good.items() for part in one))
            redis.do("HINCRBY", "pippin:zones", "bad.test", 1)
            redis.do("PUBLISH", "pippin:changes", "bad.test")
            wait_until(lambda: zones_of(server)["bad.test"]["published"], f"{what} is put right")
        redis.do("HSET", "pippin:zones", "Wrong.Test.", 1, b"\xff", 1, "x" * 100_000, 1, "a..b", 1, "", 1)
        load(tmp_path, redis.url, "new.test")
        wait_address(server, "www.new.test", "192.0.2.10")
        wait_until(lambda: "right would be wrong.test" in server.output, "the wrong name is told")
        assert server.address_of("www.also-good.test") == "192.0.2.10"
        redis.do("SET", "pippin:zones", "no hash")
        wait_until(lambda: "WRONGTYPE" in state_of(server)["error"], "the list that is none is told")
        assert server.address_of("www.good.test") == f"192.0.2.{100 + len(GARBAGE) - 1}"


def test_master_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    with running_sentinels() as sentinels:
        load(tmp_path, sentinels.url, "one.test", "two.test")
        with running(tmp_path, "-c", write_configuration(tmp_path, sentinels.url)) as server:
            with Load(server.port, "www.two.test", "192.0.2.10") as asking:
                old = sentinels.master()
                wait_until(lambda: replicated(sentinels.servers), "the replica has everything")
                old.kill()
                wait_until(lambda: sentinels.master() is not old, "there is another master")
                wait_until(lambda: is_master(sentinels.master()), "it knows")
                load(tmp_path, sentinels.url, "one.test", serial=2, address="192.0.2.20")
                wait_address(server, "www.one.test", "192.0.2.20")
                old.start()  # and is made a replica, which must not be read from
                change_by_hand(sentinels.master(), "one.test", "192.0.2.30")
                wait_address(server, "www.one.test", "192.0.2.30")
            assert asking.wrong == 0
            assert state_of(server)["state"] == "connected"


def test_master_that_only_the_sentinels_have_left_is_left(tmp_path: Path) -> None:
    with running_sentinels() as sentinels, running_redis() as other:
        load(tmp_path, sentinels.url, "one.test")
        load(tmp_path, other.url, "one.test", address="192.0.2.20")
        with running(tmp_path, "-c", write_configuration(tmp_path, sentinels.url)) as server:
            assert server.address_of("www.one.test") == "192.0.2.10"
            for sentinel in sentinels.sentinels:  # nobody tells the old master anything, as where it was cut off
                sentinel.do("SENTINEL", "REMOVE", SERVICE)
                sentinel.do("SENTINEL", "MONITOR", SERVICE, HOST, other.port, 2)
            wait_address(server, "www.one.test", "192.0.2.20")
            assert "the Sentinels name another master now" in server.output
            for sentinel in sentinels.sentinels:
                sentinel.kill()
            change_by_hand(other, "one.test", "192.0.2.30")  # Sentinels need not be there all the time
            wait_address(server, "www.one.test", "192.0.2.30")
            assert state_of(server)["state"] == "connected"


def replicated(servers: list[RedisServer]) -> bool:
    return len({str(sorted(server.do("HGETALL", "pippin:zones"))) for server in servers}) == 1


def is_master(server: RedisServer) -> bool:
    return bool(server.do("ROLE")[0] == b"master")


def test_password_is_shown_nowhere(tmp_path: Path) -> None:
    with running_redis("--requirepass", "correct-horse", ready=b"-NOAUTH") as redis:
        url = f"redis://:correct-horse@{HOST}:{redis.port}/0"
        load(tmp_path, url, "one.test")
        (tmp_path / "url").write_text(url + "\n")
        (tmp_path / "pippin.toml").write_text('[[source]]\nurl_file = "url"\n')
        with running(tmp_path, "-c", "pippin.toml") as server:
            assert server.address_of("www.one.test") == "192.0.2.10"
            said = str(zones_of(server)) + str(state_of(server))
            redis.kill()
            wait_until(lambda: state_of(server)["state"] == "away", "it is noticed")
            said += server.output + str(state_of(server))
        wrong = pippin("redis", "load", tmp_path / "load", url.replace("@", "-battery@"))
        checked = pippin("check", url)
        said += wrong.stdout + wrong.stderr + checked.stdout + checked.stderr
        assert f"redis://:***@{HOST}" in said
        assert "correct-horse" not in said


def test_server_starts_though_redis_is_away(tmp_path: Path) -> None:
    with running_redis() as redis:
        load(tmp_path, redis.url, "one.test")
        redis.kill()
        server = Running(tmp_path, ["-c", write_configuration(tmp_path, redis.url)], {})
        try:
            wait_until(lambda: "answering on" in server.output, "it answers")
            assert server.address_of("www.one.test") == "REFUSED"
            redis.start()
            wait_address(server, "www.one.test", "192.0.2.10")
        finally:
            server.process.terminate()
            server.process.wait(20)


def test_restart_reads_only_what_has_changed(tmp_path: Path, redis: RedisServer) -> None:
    for number in range(3):
        zone = f"zone{number}.test"
        load(tmp_path, redis.url, zone)
        redis.do("HSET", f"pippin:zone:{zone}", "lame", f"60 CNAME missing.{zone}.")
        redis.do("HINCRBY", "pippin:zones", zone, 1)
    configuration = write_configuration(tmp_path, redis.url, more='state = "state"\n')
    with running(tmp_path, "-c", configuration):
        pass
    change_by_hand(redis, "zone1.test", "192.0.2.20")
    with another_running(tmp_path, "-c", configuration) as server:
        assert server.address_of("www.zone1.test") == "192.0.2.20"
        assert server.address_of("www.zone2.test") == "192.0.2.10"
        read = [zone for zone in zones_of(server).values() if zone["problems"]]  # only reading gives the warning
        assert [zone["zone"] for zone in read] == ["zone1.test"]


def test_live_names_are_looked_up_and_given_stale_while_redis_is_away_or_empty(
    tmp_path: Path, redis: RedisServer
) -> None:
    load(tmp_path, redis.url, "one.test")
    more = 'mode = "live"\ncache_ttl = 1\n'
    (tmp_path / "pippin.toml").write_text(f'listen = ["{HOST}:0"]\n[[source]]\nurl = "{redis.url}"\n{more}')
    server = Running(tmp_path, ["-c", "pippin.toml", "--workers", "1"], {})
    try:
        wait_until(lambda: "answering on" in server.output, "it answers")
        wait_address(server, "www.one.test", "192.0.2.10")
        assert server.address_of("nothing.one.test") == "NXDOMAIN"
        assert server.address_of("www.elsewhere.test") == "REFUSED"
        change_by_hand(redis, "one.test", "192.0.2.20")
        wait_address(server, "www.one.test", "192.0.2.20")
        load(tmp_path, redis.url, "two.test")
        wait_address(server, "www.two.test", "192.0.2.10")
        redis.do("FLUSHALL")
        time.sleep(1.5)  # what is remembered has ended
        assert server.address_of("www.one.test") == "192.0.2.20"
        redis.kill()
        assert server.address_of("www.one.test") == "192.0.2.20"
        redis.start()
        load(tmp_path, redis.url, "one.test", address="192.0.2.30")
        wait_address(server, "www.one.test", "192.0.2.30")
    finally:
        server.process.terminate()
        server.process.wait(20)
