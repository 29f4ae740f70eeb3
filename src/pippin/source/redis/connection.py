"""Reaching a Redis: time limits, TLS, Sentinels, and what errors mean in words.

Nothing is tried twice here: who follows tries again, and who looks something up has no time for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pippin.source.redis.url import RedisURL
from pippin.source.url import DatabaseError

if TYPE_CHECKING:
    from redis import Redis

SECONDS = 5.0
"""Without a single octet of an answer, after which a Redis counts as away. A million names take one to collect."""

SENTINEL_SECONDS = 0.5
"""The same for each Sentinel: they hold little, and there are others."""


def open_client(url: RedisURL, *, seconds: float = SECONDS) -> Redis:
    """Connected to nothing yet; any number of threads may use it, each has a connection of its own meanwhile.

    With Sentinels each connection goes to whoever is master when it is made. DatabaseError without the driver.
    """
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
        from redis.sentinel import Sentinel
    except ModuleNotFoundError:
        raise DatabaseError("the driver redis is not installed; pip install 'pippin-dns[redis]'") from None
    common: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **_tls(url),
    }
    options = {**common, "db": url.db, "username": url.username, "password": url.password}
    if url.path:
        return Redis(unix_socket_path=url.path, **options)
    if not url.service:
        (host, port) = url.hosts[0]
        return Redis(host=host, port=port, **options)
    for_sentinels = {
        **common,
        "socket_timeout": min(seconds, SENTINEL_SECONDS),
        "socket_connect_timeout": min(seconds, SENTINEL_SECONDS),
        "username": url.options.get("sentinel_username"),
        "password": url.options.get("sentinel_password"),
    }
    sentinel: Any = Sentinel  # without types
    client: Redis = sentinel(url.hosts, sentinel_kwargs=for_sentinels, **options).master_for(url.service)
    return client


def _tls(url: RedisURL) -> dict[str, Any]:
    if not url.is_tls:
        return {}
    given = {name: value for name, value in url.options.items() if name.startswith("ssl_")}
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **given}


@contextmanager
def explained(url: RedisURL, shown: str) -> Iterator[None]:
    """Turn what the driver raises into a `DatabaseError` about the URL `shown`, on one line, without passwords."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError, UnicodeError) as error:
        text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DatabaseError(f"{shown}: {without_secrets(text, url)}") from None


def without_secrets(text: str, url: RedisURL) -> str:
    for secret in url.secrets:
        text = text.replace(secret, "***")
    return text
