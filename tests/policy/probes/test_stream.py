"""TCP checks, and how long certificates are still valid."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from pippin.policy.checks import TCPCheck, TLSCheck
from pippin.policy.probes import tcp, tls
from pippin.policy.probes.unhealthy import Unhealthy, reason
from tests.policy.probes.conftest import Certified
from tests.policy.probes.servers import Conversation, listening, run, unused_port


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 ")
    await writer.drain()
    await asyncio.sleep(0.01)  # in two pieces
    writer.write(b"ready\r\n")
    if await reader.readline() == b"HELP\r\n":
        writer.write(b"214 help yourself\r\n")
        await writer.drain()


def ask_tcp(talk: Conversation, **options: Any) -> str:
    async def test() -> str:
        async with listening(talk) as port:
            try:
                return await tcp.check(TCPCheck(port=port, **options), "127.0.0.1")
            except Unhealthy as error:
                return str(error)

    return run(test())


def ask_tls(context: ssl.SSLContext, **options: Any) -> str:
    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def test() -> str:
        async with listening(idle, context) as port:
            try:
                return await tls.check(TLSCheck(port=port, **options), "127.0.0.1")
            except (Unhealthy, OSError) as error:
                return reason(error)

    return run(test())


def test_open_port_is_enough() -> None:
    assert ask_tcp(greet) == "connected"


def test_closed_port_is_a_failure() -> None:
    async def test() -> None:
        port = await unused_port()
        with pytest.raises(ConnectionRefusedError):
            await tcp.check(TCPCheck(port=port), "127.0.0.1")

    run(test())


def test_expected_words_are_found_over_several_reads() -> None:
    assert ask_tcp(greet, expect=b"220 ready") == "connected, and the reply is as expected"
    assert ask_tcp(greet, send=b"HELP\r\n", expect=b"214") == "connected, and the reply is as expected"


def test_other_words_are_a_failure() -> None:
    assert ask_tcp(greet, send=b"QUIT\r\n", expect=b"250") == "connected, but it hung up before it said b'250'"


def test_server_that_talks_for_ever_is_not_listened_to_for_ever() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    assert ask_tcp(babble, expect=b"y") == "connected, but b'y' is not in the first 64 KiB"


def test_certificate_with_time_left_is_well(certified: Certified) -> None:
    assert ask_tls(certified("www.example", days=30.2), name="www.example") == "certificate is valid for 30 days"


def test_certificate_that_ends_soon_is_a_failure(certified: Certified) -> None:
    assert ask_tls(certified("www.example", days=5.51), days=14) == "certificate expires in 5.5 days"


def test_expired_certificate_is_a_failure_verified_or_not(certified: Certified) -> None:
    context = certified("www.example", days=-3)
    assert ask_tls(context) == "TLS: certificate has expired"
    assert ask_tls(context, verify=False) == "certificate expired 3 days ago"


def test_certificate_for_another_name_is_a_failure_if_a_name_is_given(certified: Certified) -> None:
    context = certified("www.example")
    assert "www.other" in ask_tls(context, name="www.other")
    assert ask_tls(context).startswith("certificate is valid")


def test_times_of_certificates_in_both_forms(certified: Certified) -> None:
    assert tls._time(0x17, "491231235959Z") == 2524607999
    assert tls._time(0x18, "20500101000000Z") == 2524608000


@pytest.mark.parametrize("certificate", [b"", b"0", b"0\x03abc", b"0\x84\xff\xff\xff\xff", bytes(64)])
def test_damaged_certificate_is_told(certificate: bytes) -> None:
    with pytest.raises(Unhealthy, match="certificate cannot be read"):
        tls.not_after(certificate)
