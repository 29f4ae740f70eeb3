"""URLs of Redis, Valkey and Sentinels."""

from __future__ import annotations

import pytest

from pippin.source.redis.url import parsed
from pippin.source.url import DatabaseError, is_database, parse_url


@pytest.mark.parametrize(
    ("text", "hosts", "db", "user", "password"),
    [
        ("redis://", [("localhost", 6379)], 0, None, None),
        ("redis://db.example", [("db.example", 6379)], 0, None, None),
        ("redis://db.example:7000/3", [("db.example", 7000)], 3, None, None),
        ("redis://:secret@db.example", [("db.example", 6379)], 0, None, "secret"),
        ("redis://me:p@ss:w%2Frd@[2001:db8::1]:7000/1", [("2001:db8::1", 7000)], 1, "me", "p@ss:w/rd"),
        ("valkey://db.example?db=2", [("db.example", 6379)], 2, None, None),
        ("unix:///run/redis.sock?db=4", [], 4, None, None),
        ("unix://me:secret@/run/redis.sock", [], 0, "me", "secret"),
        ("redis+sentinel://a,b:7000/zones", [("a", 26379), ("b", 7000)], 0, None, None),
        ("valkeys+sentinel://:secret@a/zones/5", [("a", 26379)], 5, None, "secret"),
    ],
)
def test_parts_of_a_url(text: str, hosts: object, db: int, user: str | None, password: str | None) -> None:
    assert is_database(text)
    url = parse_url(text)
    assert url.is_redis
    assert "valkey" not in url.url
    parts = parsed(url.url)
    assert (list(parts.hosts), parts.db, parts.username, parts.password) == (hosts, db, user, password)
    assert parts.service == ("zones" if "sentinel" in text else "")
    assert parts.path == ("/run/redis.sock" if "unix" in text else "")
    assert parts.is_tls == text.startswith(("rediss", "valkeys"))
    if password is not None:
        assert password not in str(url) + repr(url) + repr(parts)


def test_options() -> None:
    parts = parsed(parse_url("rediss://h?prefix=dns:prod&ssl_ca_certs=/etc/ca.pem").url)
    assert parts.prefix == "dns:prod"
    assert parts.options == {"ssl_ca_certs": "/etc/ca.pem"}
    url = parse_url("redis+sentinel://h/zones?sentinel_password=secret")
    assert parsed(url.url).secrets == ["secret"]
    assert "secret" not in str(url)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("redis://secret@host", "a user and no password"),
        ("redis://:secret@host/zones", "not a number"),
        ("redis://:secret@host1,host2", "cluster"),
        ("redis://:secret@host:99999", "no host"),
        ("redis://:secret@host:x", "no host"),
        ("redis+cluster://:secret@host", "no scheme"),
        ("unix+sentinel://:secret@/a", "no scheme"),
        ("unix://:secret@", "no Unix socket"),
        ("unix://run/secret.sock", "no Unix socket"),
        ("redis+sentinel://:secret@host", "what the Sentinels call"),
        ("redis://:secret@host?prefix=*", "prefix"),
        ("redis://host?password=secret", "there are prefix"),
        ("redis://:secret@host?ssl_ca_certs=x", "rediss:// only"),
        ("redis://host?sentinel_password=secret", "Sentinels only"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(DatabaseError, match=reason) as caught:
        parse_url(text)
    assert "secret" not in str(caught.value)
