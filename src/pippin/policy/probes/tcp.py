"""A TCP connection, and what comes back over it."""

from __future__ import annotations

import asyncio

from pippin.policy.checks import TCPCheck
from pippin.policy.probes.stream import connected
from pippin.policy.probes.unhealthy import Unhealthy

REPLY_LIMIT = 64 << 10
"""Octets that are read in search of what is expected."""

READ_SIZE = 4096


async def check(check: TCPCheck, address: str) -> str:
    """The target is well if it takes the connection and, where wanted, what it says contains `expect`."""
    async with connected(address, check.port) as (reader, writer):
        if check.send:
            writer.write(check.send)
            await writer.drain()
        if check.expect:
            await _expect(check.expect, reader)
    return "connected" if not check.expect else "connected, and the reply is as expected"


async def _expect(expected: bytes, reader: asyncio.StreamReader) -> None:
    seen = b""
    while expected not in seen:
        if len(seen) > REPLY_LIMIT:
            raise Unhealthy(f"connected, but {expected!r} is not in the first {REPLY_LIMIT >> 10} KiB")
        data = await reader.read(READ_SIZE)
        if not data:
            raise Unhealthy(f"connected, but it hung up before it said {expected!r}")
        seen += data
