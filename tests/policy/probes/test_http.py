"""HTTP(S) checks against real servers on loopback."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from pippin.policy.checks import HTTPCheck
from pippin.policy.probes import http as probe
from pippin.policy.probes.unhealthy import Unhealthy, reason
from tests.policy.probes.conftest import Certified
from tests.policy.probes.servers import Conversation, http, listening, run, saying, unused_port


def ask(
    talk: Conversation, path: str = "/healthz", tls: ssl.SSLContext | None = None, **options: Any
) -> str:
    """What a check says about a server that talks like this; the reason if it is not well."""

    async def test() -> str:
        async with listening(talk, tls) as port:
            try:
                return await probe.check(HTTPCheck(path, port=port, tls=tls is not None, **options), "127.0.0.1")
            except (Unhealthy, OSError) as error:
                return reason(error)

    return run(test())


def test_request_is_what_a_server_expects() -> None:
    heard: list[bytes] = []
    assert ask(saying(http(), heard), "/healthz?deep=1", host="www.example:8080", headers={"X-Key": "1"}) == (
        "status 200"
    )
    assert heard[0].startswith(b"GET /healthz?deep=1 HTTP/1.1\r\nHost: www.example:8080\r\n")
    assert b"\r\nConnection: close\r\n" in heard[0]
    assert b"\r\nX-Key: 1\r\n" in heard[0]


def test_own_header_replaces_ours() -> None:
    heard: list[bytes] = []
    ask(saying(http(), heard), headers={"user-agent": "probe"})
    assert heard[0].lower().count(b"user-agent:") == 1
    assert b"user-agent: probe\r\n" in heard[0].lower()


@pytest.mark.parametrize(
    ("status", "wanted", "said"),
    [
        ("503 Service Unavailable", range(200, 400), "status 503"),
        ("404 Not Found", 404, "status 404"),
        ("200 OK", (201, 204), "status 200"),
        ("302 Found", range(200, 400), "status 302"),
    ],
)
def test_status_decides(status: str, wanted: Any, said: str) -> None:
    assert ask(saying(http(b"", status, "Location: /elsewhere")), status=wanted) == said


def test_redirect_is_not_followed() -> None:
    heard: list[bytes] = []
    ask(saying(http(b"", "301 Moved Permanently", "Location: /elsewhere"), heard))
    assert len(heard) == 1


def test_head_has_no_body_to_wait_for() -> None:
    heard: list[bytes] = []
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert ask(saying(reply, heard), method="HEAD") == "status 200"
    assert heard[0].startswith(b"HEAD ")


@pytest.mark.parametrize(
    "reply",
    [
        http(b"all is well\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n8\r\nis well\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nall is well\n",  # the end of the connection is the end of the body
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(b"all is well\n"),
    ],
    ids=["length", "chunked", "until the end", "after hints"],
)
def test_body_is_searched_however_it_is_sent(reply: bytes) -> None:
    assert ask(saying(reply), body=r"is w.ll$") == "status 200"
    assert ask(saying(reply), body="^ok") == "status 200, and nothing in the body matches"


def test_body_is_read_no_further_than_the_limit() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    assert ask(endless, body="y") == "status 200, and nothing in the body matches"
    assert ask(endless) == "status 200"


def test_endless_header_is_no_http() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Header: x\r\n" * 1000)
            await writer.drain()

    assert ask(endless).startswith("not HTTP: ")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP: "),
        (b"", "closed the connection without a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "not HTTP: "),
    ],
)
def test_what_is_no_response_is_said_to_be_none(reply: bytes, why: str) -> None:
    assert ask(saying(reply), body="x").startswith(why)


def test_refused_connection_is_a_reason() -> None:
    async def test() -> None:
        port = await unused_port()
        with pytest.raises(ConnectionRefusedError) as error:
            await probe.check(HTTPCheck("/", port=port), "127.0.0.1")
        assert reason(error.value) == "connection refused"

    run(test())


def test_certificate_is_held_against_the_host(certified: Certified) -> None:
    tls = certified("www.example", "127.0.0.1")
    assert ask(saying(http()), tls=tls, host="www.example") == "status 200"
    assert ask(saying(http()), tls=tls, host="www.example:8443") == "status 200"
    assert ask(saying(http()), tls=tls) == "status 200"  # the address
    assert "www.other" in ask(saying(http()), tls=tls, host="www.other")
    assert ask(saying(http()), tls=tls, host="www.other", tls_name="www.example") == "status 200"
    assert ask(saying(http()), tls=tls, host="www.other", verify=False) == "status 200"


def test_name_that_is_asked_for_by_tls(certified: Certified) -> None:
    names: list[str | None] = []
    tls = certified("www.example")
    tls.sni_callback = lambda _sock, name, _context: names.append(name)
    heard: list[bytes] = []
    ask(saying(http(), heard), tls=tls, host="www.example")
    ask(saying(http(), heard), tls=tls, host="other.example", tls_name="www.example")
    assert names == ["www.example", "www.example"]
    assert [b"Host: www.example" in heard[0], b"Host: other.example" in heard[1]] == [True, True]


def test_untrusted_certificate_is_a_reason(certified: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certified("www.example")
    monkeypatch.delenv("SSL_CERT_FILE")
    probe.tls_context.cache_clear()
    assert ask(saying(http()), tls=tls, host="www.example").startswith("TLS: ")
