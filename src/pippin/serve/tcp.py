"""DNS over TCP (RFC 7766, RFC 9210): many questions in flight on a connection, answered as they get ready.

In: bytes of a stream. Each complete message is shown to the engine at once; what the engine answers leaves in one
write for all messages of one read. What it calls SLOW goes to the pipeline and comes back through `deliver`, in
whatever order it gets ready (RFC 7766 section 6.2.1.1).

A client is trusted with nothing: connections are limited in total and per address, a connection that asks nothing
is closed, one that does not read its replies is not read from either and is cut off, and one with too many
questions in work has to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import structlog

from pippin.engine.path import HIT, SLOW, client_from
from pippin.query.pipeline import Outcome, Stream
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply

log = structlog.get_logger(__name__)

WRITE_AT_ONCE = 65536
"""Octets of replies collected before they are written, and unread octets at which a connection's reading stops."""

Answer = Callable[[bytes, bytes, int], tuple[int, bytes]]
Finish = Callable[[bytes, bytes, int, Reply], bytes]
Offer = Callable[[Query], bool]


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """Bounds for one worker's connections; times in seconds."""

    clients: int = 4096
    clients_per_address: int = 256
    idle_timeout: float = 10.0
    write_timeout: float = 5.0
    pipeline: int = 128


@dataclass(frozen=True, slots=True)
class TcpStatistics:
    """Since the start; `open` is as of now."""

    open: int
    accepted: int
    questions: int
    refused: int
    idle_closed: int
    cut_off: int


class TcpServer:
    """All TCP connections of one worker. `connection` is the protocol factory for `loop.create_server`."""

    def __init__(
        self, answer: Answer, finish: Finish, offer: Offer, follow: Callable[[], None], limits: TcpLimits
    ) -> None:
        """`follow` is called before the questions of each read: zones may have changed since the last one."""
        self.answer = answer
        self.finish = finish
        self.offer = offer
        self.follow = follow
        self.limits = limits
        self.accepted = self.questions = self.refused = self.idle_closed = self.cut_off = 0
        self._connections: set[Connection] = set()
        self._of_address: Counter[str] = Counter()
        self._sweeper: asyncio.TimerHandle | None = None
        self._draining = False

    def connection(self) -> Connection:
        return Connection(self)

    def statistics(self) -> TcpStatistics:
        return TcpStatistics(
            len(self._connections),
            self.accepted,
            self.questions,
            self.refused,
            self.idle_closed,
            self.cut_off,
        )

    def deliver(self, query: Query, outcome: Outcome) -> None:
        """Send what the pipeline made of a query of one of these connections."""
        cast(Connection, query.origin).deliver(query, outcome)

    async def drain(self, timeout: float) -> None:
        """Let questions in work be answered, close what has none, and cut off the rest after `timeout` seconds."""
        self._draining = True
        deadline = time.monotonic() + timeout
        while self._connections and time.monotonic() < deadline:
            for connection in list(self._connections):
                connection.close_when_done()
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.cut_off()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def admit(self, connection: Connection, address: str) -> bool:
        """Whether one more connection from this address fits the limits."""
        full = len(self._connections) >= self.limits.clients
        if full or self._draining or self._of_address[address] >= self.limits.clients_per_address:
            self.refused += 1
            return False
        self.accepted += 1
        self._connections.add(connection)
        self._of_address[address] += 1
        if self._sweeper is None:
            self._sweep()
        return True

    def forget(self, connection: Connection, address: str) -> None:
        self._connections.discard(connection)
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _sweep(self) -> None:
        """One timer for all connections instead of one each: setting a timer a message would cost more than a reply."""
        now = time.monotonic()
        for connection in list(self._connections):
            connection.check_patience(now)
        self._sweeper = None
        if self._connections:
            pause = min(1.0, self.limits.idle_timeout / 4, self.limits.write_timeout / 4)
            self._sweeper = asyncio.get_running_loop().call_later(pause, self._sweep)


class Connection(asyncio.Protocol):
    """One client's stream. Reading goes on only while replies can be written and few questions are in work."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._client = ("", 0)
        self._sockaddr = b""
        self._unread = bytearray()
        self._needed = 2
        self._in_work = 0
        self._streams: set[asyncio.Task[None]] = set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._reading = True
        self._ended = False  # the client has finished sending (half-closed)
        self._admitted = False
        self._last_question = time.monotonic()
        self._stuck_since = 0.0  # 0: not stuck
        self._closing_since = 0.0

    # --- asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if peer is None:  # gone before it was accepted
            self._transport.abort()
            return
        self._sockaddr = client_from(peer[0], peer[1])
        self._address = peer[0].removeprefix("::ffff:")
        self._client = (self._address, peer[1])
        if not self._server.admit(self, self._address):
            self._transport.abort()
            return
        self._admitted = True
        self._transport.set_write_buffer_limits(high=WRITE_AT_ONCE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        for task in self._streams:
            task.cancel()
        if self._admitted:
            self._server.forget(self, self._address)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._unread:
            self._unread += data
            if len(self._unread) < self._needed:
                return
            data = bytes(self._unread)
            self._unread.clear()
        self._read(data)

    def eof_received(self) -> bool:
        """RFC 7766 section 6.2.3: a client may close its sending side and still wait for replies."""
        self._ended = True
        self.close_when_done()
        return True

    def pause_writing(self) -> None:
        self._writable.clear()
        self._stuck_since = time.monotonic()
        self._pause_reading()

    def resume_writing(self) -> None:
        self._writable.set()
        self._stuck_since = 0.0
        self._resume()

    # --- the server's calls

    def deliver(self, query: Query, outcome: Outcome) -> None:
        self._in_work -= 1
        if self._transport is None:
            return
        if isinstance(outcome, Stream):
            self._in_work += 1
            task = asyncio.get_running_loop().create_task(self._send_stream(outcome))
            self._streams.add(task)
            task.add_done_callback(self._stream_done)
        elif isinstance(outcome, Reply):
            now = int(time.time())
            if reply := self._server.finish(query.wire, self._sockaddr, now, outcome):
                self._transport.write(len(reply).to_bytes(2, "big") + reply)
        self._last_question = time.monotonic()  # patience starts anew with the reply
        self._resume()

    def close_when_done(self) -> None:
        if self._transport is not None and not self._in_work and not self._transport.is_closing():
            self._close()

    def cut_off(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def check_patience(self, now: float) -> None:
        """Close what asks nothing, cut off what reads nothing."""
        stuck = self._closing_since or self._stuck_since
        if stuck:
            if now - stuck > self._server.limits.write_timeout:
                self._server.cut_off += 1
                self.cut_off()
        elif not self._in_work and now - self._last_question > self._server.limits.idle_timeout:
            self._server.idle_closed += 1
            self.close_when_done()

    # --- reading

    def _read(self, data: bytes) -> None:
        """Answer every complete message in `data`, as far as the client is entitled to more; keep the rest."""
        transport = self._transport
        if transport is None:
            return
        now = int(time.time())
        self._server.follow()
        answer, client = self._server.answer, self._sockaddr
        replies: list[bytes] = []
        size = offset = questions = 0
        end = len(data)
        self._needed = 2
        while end - offset >= 2:
            start = offset + 2
            after = start + (data[offset] << 8 | data[offset + 1])
            if after > end:
                self._needed = after - offset
                break
            if not self._may_read():
                self._pause_reading()
                break
            message = data[start:after]
            verdict, reply = answer(message, client, now)
            offset = after
            questions += 1
            if verdict == HIT:
                replies.append(len(reply).to_bytes(2, "big"))
                replies.append(reply)
                size += len(reply)
                if size > WRITE_AT_ONCE:
                    transport.write(b"".join(replies))
                    replies.clear()
                    size = 0
            elif verdict == SLOW:
                self._in_work += 1
                if not self._server.offer(Query(message, self._client, Transport.TCP, self)):
                    self._in_work -= 1  # dropped and counted by the pipeline; the client may ask again
            else:  # nothing that could be answered stands here, so where the next message starts is anyone's guess
                if replies:
                    transport.write(b"".join(replies))
                self._close()
                return
        self._server.questions += questions
        if questions:
            self._last_question = time.monotonic()
        if replies:
            transport.write(b"".join(replies))
        if offset < end:
            self._unread[:] = data[offset:] if offset else data

    def _close(self) -> None:
        """Close after what is written already has gone out; `check_patience` sees to it that this ends."""
        if self._transport is not None:
            self._closing_since = time.monotonic()
            self._transport.close()

    def _may_read(self) -> bool:
        return self._writable.is_set() and self._in_work < self._server.limits.pipeline

    def _pause_reading(self) -> None:
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        """Something got ready or was read: go on with what was left, then with the socket."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._reading and self._may_read():
            if self._unread:
                data = bytes(self._unread)
                self._unread.clear()
                self._read(data)
            if self._may_read() and self._transport is not None and not self._transport.is_closing():
                self._reading = True
                self._transport.resume_reading()
        if self._ended:
            self.close_when_done()

    # --- answers of several messages

    async def _send_stream(self, stream: Stream) -> None:
        async for message in stream.messages:
            await self._writable.wait()
            if self._transport is None:
                return
            self._transport.write(len(message).to_bytes(2, "big") + message)

    def _stream_done(self, task: asyncio.Task[None]) -> None:
        self._streams.discard(task)
        self._in_work -= 1
        self._last_question = time.monotonic()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an answer of several messages broke off", client=self._address, error=repr(error))
            self.cut_off()  # RFC 5936 section 2.2: the client must be able to tell that it is incomplete
        else:
            self._resume()
