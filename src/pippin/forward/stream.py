"""Questions over TCP or TLS: one connection to an upstream, kept open, many questions in flight on it (RFC 7766).

Replies come in any order and are told apart by their ids. A connection that its server closed while it was idle is
opened again, without anybody noticing but the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections import Counter

from pippin.forward.settings import UpstreamAddress
from pippin.forward.wire import Mismatch, identifier, mismatch, with_id

IDLE_SECONDS = {"udp": 5.0, "tcp": 10.0, "tls": 30.0}
"""A connection that nothing is asked on is closed. Opening one costs TLS two round trips, and TCP after a cut UDP
reply is rare."""

OPEN_SECONDS = 4.0
"""For the handshakes of a connection."""

SILENT_SECONDS = 3.0
"""A connection on which nothing at all came since a question was asked that long ago is given up."""

IN_FLIGHT = 4096
"""Questions on one connection at most; ids have to be found that are free."""


class Line:
    """The way to one upstream over a stream; opened when it is needed."""

    def __init__(
        self, address: UpstreamAddress, tls: ssl.SSLContext | None, wrong: Counter[Mismatch]
    ) -> None:
        self._address = address
        self._tls = tls
        self._wrong = wrong
        self._opening: asyncio.Task[_Connection] | None = None
        self._connection: _Connection | None = None
        self.opened = 0

    async def ask(self, query: bytes, name_length: int) -> bytes:
        """The reply. OSError (TLS errors are such too) when it cannot be had; the caller limits the time."""
        connection = self._connection
        if connection is not None and not connection.is_closed:
            try:
                return await connection.ask(query, name_length)
            except ConnectionError:
                pass  # the server closed what we thought was open (RFC 7766 section 6.2.4); a new one tells more
        return await (await self._open()).ask(query, name_length)

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.close()

    async def _open(self) -> _Connection:
        """A new connection, one for all who wait for it; it goes on opening when one of them has no time left."""
        if self._connection is not None and not self._connection.is_closed:
            return self._connection
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def _connect(self) -> _Connection:
        address = self._address
        name = None if self._tls is None else address.server_name or address.host
        async with asyncio.timeout(OPEN_SECONDS):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=self._tls, server_hostname=name
            )
        self._connection = _Connection(reader, writer, self._wrong, IDLE_SECONDS[address.protocol])
        self.opened += 1
        return self._connection

    def _opened(self, task: asyncio.Task[_Connection]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # whoever waits has it; without waiters it is no news


class _Connection:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        wrong: Counter[Mismatch],
        idle_seconds: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._wrong = wrong
        self._idle_seconds = idle_seconds
        self._pending: dict[int, tuple[bytes, int, asyncio.Future[bytes]]] = {}
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.TimerHandle | None = None
        self._heard = self._loop.time()
        self._reading = self._loop.create_task(self._read())
        self.is_closed = False

    async def ask(self, query: bytes, name_length: int) -> bytes:
        if self.is_closed or len(self._pending) >= IN_FLIGHT:
            raise ConnectionResetError("the connection takes no more questions")
        if self._idle is not None:
            self._idle.cancel()
        number = secrets.randbits(16)
        while number in self._pending:
            number = secrets.randbits(16)
        query = with_id(query, number)
        reply: asyncio.Future[bytes] = self._loop.create_future()
        self._pending[number] = query, name_length, reply
        asked = self._loop.time()
        self._writer.write(len(query).to_bytes(2, "big") + query)
        try:
            return await reply
        finally:
            # A number whose reply did not come stays in use: it may still come, and is no reply to anything else.
            if not reply.cancelled():
                del self._pending[number]
            elif self._heard <= asked < self._loop.time() - SILENT_SECONDS:
                self.close()
            if not self.is_closed and not self._waiting():
                self._idle = self._loop.call_later(self._idle_seconds, self.close)

    def close(self) -> None:
        self.is_closed = True
        self._writer.close()
        self._reading.cancel()
        self._fail(ConnectionResetError("the connection is closed"))

    def _waiting(self) -> bool:
        return any(not reply.done() for _, _, reply in self._pending.values())

    async def _read(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await self._reader.readexactly(2), "big")
                self._take(await self._reader.readexactly(size))
        self.is_closed = True
        self._writer.close()
        self._fail(ConnectionResetError("the upstream closed the connection"))

    def _take(self, packet: bytes) -> None:
        self._heard = self._loop.time()
        waiting = self._pending.get(identifier(packet)) if len(packet) > 1 else None
        if waiting is None:
            self._wrong[Mismatch.ID] += 1
            return
        query, name_length, reply = waiting
        if reply.cancelled():
            del self._pending[identifier(packet)]  # it came after all, too late
        elif (wrong := mismatch(query, name_length, packet)) is not None:
            self._wrong[wrong] += 1
        elif not reply.done():
            reply.set_result(packet)

    def _fail(self, error: ConnectionError) -> None:
        for _, _, reply in self._pending.values():
            if not reply.done():
                reply.set_exception(error)
