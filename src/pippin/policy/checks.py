"""Health checks and load sources, described: frozen values that say what to ask a target, and how often.

Nothing is run here; the checker process does that, once per target. A check is asked of the target's
`check_address`, which is its answer address unless the target says otherwise. All times are seconds.

A target goes down after `fall` failed checks in a row and up after `rise` successful ones. Until the first result it
counts as available.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pippin.policy.values import constructor_text

LONGEST_PERIOD = 86400.0
"""Seconds; who checks more rarely than once a day means something else."""


class CheckError(ValueError):
    """A check that cannot be meant; the message says what would be right."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Check:
    """What all checks have. Every `every` seconds, with jitter; a check that is still running is not started again."""

    every: float = 10.0
    timeout: float = 2.0
    fall: int = 3
    rise: int = 2

    def __post_init__(self) -> None:
        _positive_seconds(self.every, "every")
        _positive_seconds(self.timeout, "timeout")
        for name, number in (("fall", self.fall), ("rise", self.rise)):
            if not 1 <= number <= 100:
                raise CheckError(f"{name}={number!r}: the number of results in a row is 1 to 100")

    def __repr__(self) -> str:
        return constructor_text(self)


@dataclass(frozen=True, repr=False)
class HTTPCheck(Check):
    """An HTTP/1.1 request; up if the status is in `status` and, where given, `body` is found in the reply.

    `body` is a regular expression, searched in the first 64 KiB. `host` is the Host header and, with `tls`, the name
    that the certificate is checked against and that is sent (SNI); without it, the address. `verify=False` takes any
    certificate. Redirects are not followed. `port` is 80, or 443 with `tls`, if not given.
    """

    path: str = "/"
    port: int | None = None
    tls: bool = False
    host: str | None = None
    tls_name: str | None = None
    """Only if it differs from `host`."""
    verify: bool = True
    method: str = "GET"
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    status: int | range | tuple[int, ...] = range(200, 400)
    body: str | None = None

    def __post_init__(self) -> None:
        Check.__post_init__(self)
        _path(self.path)
        _port(self.port)
        if isinstance(self.headers, Mapping):  # frozen and hashable, whatever was given
            object.__setattr__(self, "headers", tuple(self.headers.items()))
        for name, value in tuple(self.headers):
            if re.search(r"[\r\n\0:]", name) or re.search(r"[\r\n\0]", value):
                raise CheckError(f"header {name!r}: {value!r} would break the request into several lines")
        if not re.fullmatch(r"[A-Z]{1,16}", self.method):
            raise CheckError(f"method={self.method!r} is none; right would be 'GET' or 'HEAD'")
        if self.body is not None:
            try:
                re.compile(self.body.encode())
            except re.error as error:
                raise CheckError(f"body={self.body!r} is no regular expression: {error}") from None

    @property
    def statuses(self) -> frozenset[int]:
        """Every status that means up."""
        return frozenset((self.status,) if isinstance(self.status, int) else self.status)


@dataclass(frozen=True, repr=False)
class TCPCheck(Check):
    """A TCP connection; up if it opens and, where given, what comes after `send` contains `expect`."""

    port: int
    send: bytes = b""
    expect: bytes = b""

    def __post_init__(self) -> None:
        Check.__post_init__(self)
        _port(self.port)


@dataclass(frozen=True, repr=False)
class TLSCheck(Check):
    """A TLS handshake; up if the certificate is valid for `name` and will be for `days` more days.

    Without `name` no name is sent (SNI) and none compared; `verify=False` looks at the expiry only.
    """

    port: int = 443
    name: str | None = None
    days: float = 7.0
    verify: bool = True

    def __post_init__(self) -> None:
        Check.__post_init__(self)
        _port(self.port)


@dataclass(frozen=True, repr=False)
class PingCheck(Check):
    """An ICMP echo; up if it comes back. Needs the kernel's leave (`net.ipv4.ping_group_range`, or CAP_NET_RAW)."""


@dataclass(frozen=True, repr=False)
class DNSCheck(Check):
    """A DNS question; up if the rcode is `rcode` and, where given, one answer record's text is `answer`."""

    name: str
    type: str = "A"
    port: int = 53
    transport: str = "udp"
    rcode: str = "NOERROR"
    answer: str | None = None

    def __post_init__(self) -> None:
        Check.__post_init__(self)
        _port(self.port)
        if self.transport not in ("udp", "tcp"):
            raise CheckError(f"transport={self.transport!r} is none; right would be 'udp' or 'tcp'")


@dataclass(frozen=True, repr=False)
class CommandCheck(Check):
    """A program, run without a shell; up if it ends with exit code 0 in time.

    `{address}`, `{pool}` and `{target}` in its arguments stand for what is checked.
    """

    command: tuple[str, ...] | list[str]

    def __post_init__(self) -> None:
        Check.__post_init__(self)
        if isinstance(self.command, str) or not self.command:
            raise CheckError(
                "command is a list of program and arguments: ['/usr/local/bin/probe', '{address}']"
            )
        object.__setattr__(self, "command", tuple(self.command))


@dataclass(frozen=True, repr=False)
class CoroutineCheck(Check):
    """An `async def` function called with the check address as text; up if it returns true."""

    function: Callable[[str], Awaitable[bool]]

    def __post_init__(self) -> None:
        Check.__post_init__(self)
        if not callable(self.function):
            raise CheckError(
                f"{self.function!r} is no function; right would be an async def with one parameter"
            )


@dataclass(frozen=True, kw_only=True, repr=False)
class Load:
    """What all load sources have. The figure read, divided by `capacity`, is the load; 1.0 is full.

    Without `capacity` it is the target's own, or 1. A figure that cannot be read is unknown after three periods.
    """

    capacity: float | None = None
    every: float = 10.0
    timeout: float = 2.0
    port: int | None = None
    tls: bool = False
    host: str | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        _positive_seconds(self.every, "every")
        _positive_seconds(self.timeout, "timeout")
        _port(self.port)
        if self.capacity is not None and not self.capacity > 0:
            raise CheckError(f"capacity={self.capacity!r}: a load is a share of it, so it is more than 0")

    def __repr__(self) -> str:
        return constructor_text(self)


@dataclass(frozen=True, repr=False)
class JSONLoad(Load):
    """A number in a JSON document fetched over HTTP; `pointer` is a JSON pointer (RFC 6901) to it."""

    path: str
    pointer: str

    def __post_init__(self) -> None:
        Load.__post_init__(self)
        _path(self.path)
        if self.pointer and not self.pointer.startswith("/"):
            raise CheckError(f"pointer={self.pointer!r} is no JSON pointer; right would be '/{self.pointer}'")


@dataclass(frozen=True, repr=False)
class PrometheusLoad(Load):
    """A sample in Prometheus text format fetched over HTTP: the sum of all `metric` samples that have `labels`."""

    metric: str
    labels: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    path: str = "/metrics"

    def __post_init__(self) -> None:
        Load.__post_init__(self)
        _path(self.path)
        if isinstance(self.labels, Mapping):
            object.__setattr__(self, "labels", tuple(sorted(self.labels.items())))
        if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", self.metric):
            raise CheckError(
                f"metric={self.metric!r} is no name of a metric; labels have a parameter of their own"
            )


def _positive_seconds(seconds: float, name: str) -> None:
    if not 0 < seconds <= LONGEST_PERIOD:
        raise CheckError(f"{name}={seconds!r}: seconds, more than 0 and at most {LONGEST_PERIOD:.0f}")


def _port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise CheckError(f"port={port!r} is none; ports are 1 to 65535")


def _path(path: str) -> None:
    if not path.startswith("/") or re.search(r"[\s\0]", path):
        raise CheckError(f"path={path!r} is none; right would be '/healthz'")
