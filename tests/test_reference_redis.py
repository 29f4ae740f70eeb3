"""docs/reference/redis.md: its commands are run as they stand there, by redis-cli, and served; its URLs are right."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest

from pippin.source.redis.layout import NO_NS
from pippin.source.redis.url import PREFIX, parsed
from pippin.source.redis.values import VALUE_LIMIT
from pippin.source.url import parse_url
from tests.control.running import running, wait_until, write_zone
from tests.control.test_following import rcode_of, wait_address
from tests.peers.redis import RedisServer, running_redis
from tests.peers.server import program

pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "reference" / "redis.md").read_text()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis(forgets=True) as server:
        yield server


def run(redis: RedisServer, commands: str) -> None:
    client = [program("redis-cli", "redis-tools"), "-e", "-p", str(redis.port)]
    done = subprocess.run(client, input=commands, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERR" not in done.stdout


def test_commands_do_what_they_say(redis: RedisServer, tmp_path: Path) -> None:
    section = PAGE.partition("## By hand\n")[2].partition("\n## ")[0]
    one, several, delete = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    zone = write_zone(tmp_path / "example.com.zone", "example.com")
    pippin = ["redis", "load", str(zone), redis.url]
    from pippin.cli.app import app

    app(pippin, standalone_mode=False)
    redis.do("HSET", "pippin:zone:example.com", "old", "60 A 192.0.2.99")
    with running(tmp_path, "--database", redis.url) as server:
        run(redis, one)
        wait_address(server, "www.example.com", "192.0.2.7")
        assert server.address_of("old.example.com") == "192.0.2.99"
        run(redis, several)
        wait_until(lambda: server.address_of("old.example.com") == "NXDOMAIN", "the changes are served")
        assert redis.do("HGET", "pippin:zone:example.com", "www").count(b"\n") == 2
        run(redis, delete)
        wait_until(lambda: rcode_of(server, "example.com") == dns.rcode.REFUSED, "the deleted zone is refused")


def test_rights_are_enough(redis: RedisServer, tmp_path: Path) -> None:
    server_rights, loader_rights = re.findall(r"For (?:a server|the loader):? (.*)", PAGE)
    following = re.findall(r"[~&+][\w:@*&+-]+", " ".join(re.findall(r"`([^`]+)`", server_rights)))
    loading = re.findall(r"[~&+][\w:@*&+-]+", " ".join(re.findall(r"`([^`]+)`", loader_rights)))
    redis.do("ACL", "SETUSER", "server", "reset", "on", ">secret", "resetchannels", *following)
    redis.do("ACL", "SETUSER", "loader", "reset", "on", ">secret", "resetchannels", "~pippin:*", *loading)
    from pippin.cli.app import app

    zone = write_zone(tmp_path / "example.com.zone", "example.com")
    loader, reader = (redis.url.replace("//", f"//{user}:secret@") for user in ("loader", "server"))
    app(["redis", "load", str(zone), loader], standalone_mode=False)
    with running(tmp_path, "--database", reader) as server:
        assert server.status()["databases"][0]["following"] == "notifications"
        write_zone(zone, "example.com", serial=2, address="192.0.2.20")
        app(["redis", "load", str(zone), loader], standalone_mode=False)
        wait_address(server, "www.example.com", "192.0.2.20")
        app(["redis", "delete", "example.com", loader], standalone_mode=False)
        wait_until(lambda: rcode_of(server, "example.com") == dns.rcode.REFUSED, "the deleted zone is refused")


def test_what_is_named_is_named_so_in_the_code() -> None:
    assert f"`{PREFIX}:zones`" in PAGE
    assert f"`{NO_NS.decode()}`" in PAGE
    assert f"{VALUE_LIMIT >> 20} MiB" in PAGE


def test_urls_of_the_guide_are_right() -> None:
    text = (DOCS / "howto" / "redis.md").read_text()
    urls = [url for url in re.findall(r"((?:redis|valkey|unix)[a-z+]*://[^\s`]*)`", text) if not url.endswith("://")]
    assert len(urls) > 4
    for url in urls:
        parsed(parse_url(url).url)
