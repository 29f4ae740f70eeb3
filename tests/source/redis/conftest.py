"""A Redis for the tests here, empty for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.redis import RedisServer, running_redis

pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with running_redis(forgets=True) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    redis_server.do("FLUSHALL")
    redis_server.do("CONFIG", "SET", "notify-keyspace-events", "")
    return redis_server
