"""A connection for one probe: TCP, with TLS if wanted, gone at the end whatever happened."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache

STREAM_LIMIT = 64 << 10
"""Octets that may wait to be read."""


@asynccontextmanager
async def connected(
    address: str, port: int, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect. `server_name` is what TLS asks for (RFC 6066 section 3) and holds the certificate against."""
    name = (server_name or "") if tls else None  # asyncio would take the address for a name that is None
    reader, writer = await asyncio.open_connection(
        address, port, ssl=tls, server_hostname=name, limit=STREAM_LIMIT
    )
    try:
        yield reader, writer
    finally:
        # No farewell: one that does not answer would keep the socket, and there is nothing left to say.
        writer.transport.abort()


@lru_cache
def tls_context(verify: bool, compare_names: bool = True) -> ssl.SSLContext:
    """Settings of TLS for a client. Made once: reading the system's certificates takes 20 ms."""
    context = ssl.create_default_context()
    context.check_hostname = verify and compare_names
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return context
