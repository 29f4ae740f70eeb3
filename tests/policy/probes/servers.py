"""Servers on loopback that answer as a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run a test that never takes longer than ten seconds."""
    return asyncio.run(asyncio.wait_for(test, 10))


@asynccontextmanager
async def listening(talk: Conversation, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server that has this conversation with everybody; its port."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(reply: bytes, heard: list[bytes] | None = None) -> Conversation:
    """Wait for a request's end, say this, hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(request)
        writer.write(reply)
        await writer.drain()

    return talk


def http(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """A response with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def unused_port() -> int:
    """A port nobody listens on."""
    async with listening(saying(b"")) as port:
        return port
