"""What `[forward]` can say, and upstreams as text: `9.9.9.9`, `[2001:db8::1]:53`, `tls://9.9.9.9#dns.quad9.net`.

Values and their checks only; the control process reads this without what forwarding itself needs.
"""

from __future__ import annotations

import importlib.util
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

Mode = Literal["rotate", "ordered", "fastest"]
Protocol = Literal["udp", "tcp", "tls"]

PORTS = {"udp": 53, "tcp": 53, "tls": 853}  # RFC 7858 section 3.1 for TLS

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")

PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
"""Loopback, RFC 1918, RFC 4193, link-local. Not 100.64.0.0/10: behind it are other people's networks too."""


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """Where to ask. `udp` goes to TCP when a reply is cut; `server_name` is what the certificate must be for."""

    host: str
    port: int
    protocol: Protocol
    server_name: str | None = None

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "" if self.protocol == "udp" else f"{self.protocol}://"
        name = f"#{self.server_name}" if self.server_name else ""
        return f"{scheme}{host}:{self.port}{name}"


class ForwardSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[forward]`: questions for names outside the zones served. Sizes are those of one worker."""

    upstreams: Annotated[
        tuple[str, ...],
        Meta(
            description="Servers to ask: `9.9.9.9`, `[2001:db8::1]:5353`, `tcp://…`, DNS over TLS "
            "`tls://9.9.9.9#dns.quad9.net`. None: only names below a `suffix` are forwarded."
        ),
    ] = ()
    suffix: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description='Other upstreams for names at or below a suffix: `"corp.example" = ["10.0.0.53"]`; the longest '
            "suffix counts. An empty list: such names never leave, they get NXDOMAIN."
        ),
    ] = {}
    mode: Annotated[
        Mode,
        Meta(
            description="Which upstream is asked first: `rotate` (each in turn), `ordered` (as listed), `fastest`. "
            "The others follow when it is silent or fails."
        ),
    ] = "fastest"
    allow_forward: Annotated[
        tuple[str, ...],
        Meta(description="Networks whose questions are forwarded; everybody else gets REFUSED."),
    ] = PRIVATE_NETWORKS
    patience: Annotated[
        float, Meta(gt=0, le=60, description="Seconds until a question that nobody answers gets SERVFAIL.")
    ] = 4.0
    in_flight: Annotated[
        int,
        Meta(ge=1, le=60000, description="Clients that may wait for upstreams; more get SERVFAIL at once."),
    ] = 1000
    random_case: Annotated[
        bool,
        Meta(
            description="Ask in random upper and lower case and want it back alike (0x20), over UDP: harder to forge. "
            "An upstream that does not keep case is asked over TCP instead."
        ),
    ] = True
    trust_ad: Annotated[
        bool,
        Meta(
            description="Pass on AD (data were validated) from every upstream. Default: from loopback "
            "and over TLS only; on other ways somebody else may have set it (RFC 4035 section 4.9.3)."
        ),
    ] = False
    tls_ca: Annotated[
        str | None,
        Meta(description="Certificates (PEM) that upstreams' are verified with. Default: the system's."),
    ] = None
    cache_size: Annotated[int, Meta(ge=0, description="Answers remembered.")] = 20000
    cache_bytes: Annotated[int, Meta(ge=0, description="Bytes of answers remembered.")] = 32 << 20
    max_ttl: Annotated[
        int,
        Meta(ge=1, le=604800, description="Seconds an answer is remembered at most (RFC 8767 section 4)."),
    ] = 86400
    max_negative_ttl: Annotated[
        int, Meta(ge=1, le=86400, description="The same for NXDOMAIN and NODATA (RFC 2308 section 5).")
    ] = 3600
    failure_ttl: Annotated[
        int,
        Meta(
            ge=1,
            le=300,
            description="Seconds a failure is remembered, doubled while it goes on, to 300 (RFC 9520 section 3.2).",
        ),
    ] = 5
    serve_stale: Annotated[
        int,
        Meta(
            ge=0,
            description="Seconds after its end for which an answer is still given while no upstream answers "
            "(RFC 8767); 0: never.",
        ),
    ] = 86400
    prefetch: Annotated[
        bool, Meta(description="Ask again for a name that is asked for in the last tenth of its time.")
    ] = True
    shared_cache: Annotated[
        str | None,
        Meta(
            description="A Redis that several machines share answers in: `redis://10.0.0.9/0` "
            "(needs `pippin-dns[redis]`). Its being down costs speed only."
        ),
    ] = None


def parse_upstream(text: str) -> UpstreamAddress:
    """ValueError, for the operator's eyes, if it is none."""
    scheme, found, rest = text.rpartition("://")
    protocol = scheme if found else "udp"
    if protocol not in PORTS:
        raise ValueError(f"{text!r}: {scheme}:// is not known here; right would be udp://, tcp:// or tls://")
    place, _, name = rest.partition("#")
    host, port = _split(place, text)
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(
            f"{text!r}: {host!r} is no IP address; a name would have to be looked up first, so write 9.9.9.9, "
            "[2001:db8::1]:53 or tls://9.9.9.9#dns.quad9.net"
        ) from error
    if not port:
        number = PORTS[protocol]
    elif port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        number = int(port)
    else:
        raise ValueError(f"{text!r}: port {port!r} must be a number from 1 to 65535")
    if name and protocol != "tls":
        raise ValueError(f"{text!r}: a name after # is for certificates, so for tls:// only")
    return UpstreamAddress(host, number, protocol, name or None)  # type: ignore[arg-type]


def problems(settings: ForwardSettings) -> Iterator[tuple[str, str]]:
    """(key, what is wrong and what would be right) for everything that types cannot tell."""
    for text in settings.upstreams:
        yield from _wrong_upstream("upstreams", text)
    for suffix, upstreams in settings.suffix.items():
        labels = suffix.removesuffix(".").split(".")
        if suffix != "." and (not all(0 < len(label) < 64 for label in labels) or not suffix.isascii()):
            yield (
                suffix,
                f"{suffix!r} is no domain name; right would be corp.example, IDNA names in their xn-- form",
            )
        for text in upstreams:
            yield from _wrong_upstream(suffix, text)
    for network in settings.allow_forward:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield (
                "allow_forward",
                f"{network!r} is no network: {error}; right would be 10.0.0.0/8 or fc00::/7",
            )
    if settings.shared_cache is not None:
        if not settings.shared_cache.startswith(REDIS_SCHEMES):
            yield (
                "shared_cache",
                f"{settings.shared_cache!r}: right would be redis://10.0.0.9:6379/0, rediss:// or unix://",
            )
        elif importlib.util.find_spec("redis") is None:
            yield "shared_cache", "the client for Redis is missing: pip install 'pippin-dns[redis]'"
    if not settings.upstreams and not settings.suffix:
        yield "forward", "neither `upstreams` nor a `suffix` says whom to ask"


def _wrong_upstream(key: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        parse_upstream(text)
    except ValueError as error:
        yield key, str(error)


def _split(place: str, text: str) -> tuple[str, str]:
    """(host, port or "")."""
    if place.startswith("["):
        host, closed, rest = place[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r}: right would be [2001:db8::1]:53")
        return host, rest.removeprefix(":")
    if place.count(":") > 1:  # IPv6 without brackets, which cannot have a port
        return place, ""
    host, _, port = place.partition(":")
    return host, port
