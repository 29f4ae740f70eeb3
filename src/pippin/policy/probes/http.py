"""HTTP/1.1, as much as a check needs (RFC 9112, by h11): one request, one response of bounded size, then the end.

No redirects, no proxies, no kept connections, no compression: a check says what it wants to see, and something that
answers in another way is not what it wanted to see.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass

import h11

from pippin import __version__
from pippin.policy.checks import HTTPCheck
from pippin.policy.probes.stream import connected, tls_context
from pippin.policy.probes.unhealthy import Unhealthy

HEADER_LIMIT = 16 << 10
"""Octets of a status line with all headers."""

BODY_LIMIT = 64 << 10
"""Octets of a body that a check looks at; what comes after them is not read."""

READ_SIZE = 16 << 10


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked where. `host` goes into the Host header; `tls` makes it HTTPS."""

    address: str
    port: int
    path: str
    host: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    """The name that TLS asks for and the certificate is held against."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `is_whole`: the body ended before the limit."""

    status: int
    body: bytes
    is_whole: bool


async def check(check: HTTPCheck, address: str) -> str:
    """The target is well if the status is one of those wanted and, where asked for, something in the body matches."""
    request = Request(
        address,
        check.port or default_port(check.tls),
        check.path,
        check.host or bracketed(address),
        check.method,
        tuple(dict(check.headers).items()),
        tls_context(check.verify) if check.tls else None,
        check.tls_name or host_name(check.host) or address,
    )
    response = await fetch(request, BODY_LIMIT if check.body is not None else 0)
    if response.status not in check.statuses:
        raise Unhealthy(f"status {response.status}")
    if check.body is not None and not re.search(check.body.encode(), response.body):
        raise Unhealthy(f"status {response.status}, and nothing in the body matches")
    return f"status {response.status}"


async def fetch(request: Request, body_limit: int) -> Response:
    """Ask, and read up to `body_limit` octets of the body. Raises `Unhealthy` at what is not HTTP, and OSError."""
    where = connected(request.address, request.port, request.tls, request.server_name)
    async with where as (reader, writer):
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT)
        try:
            asked = h11.Request(method=request.method, target=request.path, headers=_headers(request))
            writer.write((connection.send(asked) or b"") + (connection.send(h11.EndOfMessage()) or b""))
            await writer.drain()
            return await _response(connection, reader, body_limit)
        except h11.ProtocolError as error:
            raise Unhealthy(f"not HTTP: {error}") from error


async def _response(connection: h11.Connection, reader: asyncio.StreamReader, body_limit: int) -> Response:
    status = 0
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(READ_SIZE)
            if not data and not status:
                raise Unhealthy("closed the connection without a response")
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            status = event.status_code
            if not body_limit:
                return Response(status, b"", False)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) >= body_limit:
                return Response(status, bytes(body[:body_limit]), len(body) == body_limit)
        elif not isinstance(event, h11.InformationalResponse):  # the end: of the message, or of the connection
            return Response(status, bytes(body), True)


def _headers(request: Request) -> list[tuple[str, str]]:
    given = {name.lower() for name, _ in request.headers}
    ours = (
        ("Host", request.host),
        ("User-Agent", f"pippin/{__version__}"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    )
    return [*(header for header in ours if header[0].lower() not in given), *request.headers]


def default_port(tls: bool) -> int:
    return 443 if tls else 80


def bracketed(address: str) -> str:
    """An address as the host of a URL (RFC 3986 section 3.2.2)."""
    return f"[{address}]" if ":" in address else address


def host_name(host: str | None) -> str | None:
    """The host of a Host header, without port and brackets."""
    if host is None:
        return None
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
