"""`pippin redis load` and `delete`, and the other commands given the URL of a Redis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.running import write_zone
from tests.peers.redis import RedisServer, running_redis

pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis(forgets=True) as server:
        yield server


def pippin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pippin", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)


def test_folder_is_loaded_and_what_has_errors_is_not(tmp_path: Path, redis: RedisServer) -> None:
    zones = tmp_path / "zones"
    zones.mkdir()
    write_zone(zones / "one.test.zone", "one.test")
    write_zone(zones / "two.test.zone", "two.test")
    done = pippin(tmp_path, "redis", "load", "zones", redis.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "one.test: 4 names, 5 records, written",
        "two.test: 4 names, 5 records, written",
        "2 zones written, 0 as before, 0 refused",
    ]
    write_zone(zones / "one.test.zone", "one.test", serial=2)
    write_zone(zones / "two.test.zone", "two.test", serial=2, address="garbage")
    (zones / "twice.zone").write_text((zones / "one.test.zone").read_text())
    done = pippin(tmp_path, "redis", "load", "zones", redis.url)
    assert done.returncode == 1
    assert "two.test.zone:6:7: 'garbage' is not an IPv4 address" in done.stderr
    assert "zone one.test is in zones/one.test.zone already" in done.stderr
    assert done.stdout.splitlines()[-1] == "1 zone written, 0 as before, 2 refused"
    assert b"192.0.2.10" in redis.do("HGET", "pippin:zone:two.test", "www")
    checked = pippin(tmp_path, "check", redis.url)
    assert (checked.returncode, checked.stdout.count(", 5 records, ok")) == (0, 2)
    exported = pippin(tmp_path, "zone", "export", "one.test", redis.url)
    assert "www.one.test.\t60\tIN\tA\t192.0.2.10" in exported.stdout
    (tmp_path / "again.zone").write_text(exported.stdout)
    assert "is there already" in pippin(tmp_path, "redis", "load", "one.test=again.zone", redis.url).stdout


def test_others_are_deleted_only_if_everything_was_loaded(tmp_path: Path, redis: RedisServer) -> None:
    one = str(write_zone(tmp_path / "one.test.zone", "one.test"))
    two = str(write_zone(tmp_path / "two.test.zone", "two.test"))
    assert pippin(tmp_path, "redis", "load", one, two, redis.url).returncode == 0
    done = pippin(tmp_path, "redis", "load", one, "missing.zone", redis.url, "--delete-others")
    assert done.returncode == 1
    assert "nothing was deleted" in done.stderr
    assert redis.do("HGET", "pippin:zones", "two.test") != b"deleted"
    done = pippin(tmp_path, "redis", "load", one, redis.url, "--delete-others")
    assert done.stdout.splitlines()[-2:] == ["two.test: deleted", "0 zones written, 1 as before, 0 refused, 1 deleted"]
    assert redis.do("HGET", "pippin:zones", "two.test") == b"deleted"
    assert redis.do("EXISTS", "pippin:zone:two.test") == 0


def test_url_comes_last_or_from_a_file(tmp_path: Path, redis: RedisServer) -> None:
    one = str(write_zone(tmp_path / "one.test.zone", "one.test"))
    (tmp_path / "url").write_text(redis.url + "\n")
    assert pippin(tmp_path, "redis", "load", one, "--url-file", "url").returncode == 0
    assert pippin(tmp_path, "redis", "delete", "One.Test.", "--url-file", "url").stdout == "one.test: deleted\n"
    assert redis.do("HGETALL", "pippin:zones") == {b"one.test": b"deleted"}
    for arguments in (("load", one), ("load", redis.url), ("delete", "a..b", redis.url), ("load", one, "sqlite:///x.db")):
        done = pippin(tmp_path, "redis", *arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr


def test_redis_that_is_away_is_said(tmp_path: Path, redis: RedisServer) -> None:
    one = str(write_zone(tmp_path / "one.test.zone", "one.test"))
    redis.kill()
    url = redis.url.replace("redis://", "redis://:hunter2@")
    for arguments in (("redis", "load", one, url), ("check", url), ("redis", "delete", "one.test", url)):
        done = pippin(tmp_path, *arguments)
        said = done.stdout + done.stderr
        assert done.returncode == 1
        assert "redis://:***@127.0.0.1" in said
        assert "Traceback" not in said
        assert "hunter2" not in said
