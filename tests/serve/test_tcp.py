"""TCP (RFC 7766, RFC 9210): what clients may expect, and what hostile ones get. The engine is a stand-in here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pippin.engine.path import DROP, HIT, SLOW
from pippin.query.pipeline import Outcome, Stream
from pippin.query.query import Query
from pippin.query.reply import Reply
from pippin.serve.tcp import WRITE_AT_ONCE, TcpLimits, TcpServer

REPLY = Reply(b"", 0, 0, 0)


def message(number: int, kind: bytes = b"hit") -> bytes:
    """Something with an id; `kind` tells the stand-in engine what to make of it."""
    return number.to_bytes(2, "big") + bytes(10) + kind


def framed(*messages: bytes) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


class Desk:
    """Stands in for engine and pipeline: hits are echoed, slow ones wait in `slow` until a test answers them."""

    def __init__(self, limits: TcpLimits, size: int = 0) -> None:
        self.slow: list[Query] = []
        self.seen = 0
        self.room = 1000
        self._padding = bytes(size)
        self.tcp = TcpServer(self.answer, self.finish, self.offer, lambda: None, limits)

    def answer(self, query: bytes, client: bytes, now: int) -> tuple[int, bytes]:
        self.seen += 1
        if query.endswith(b"slow"):
            return SLOW, b""
        return (DROP, b"") if query.endswith(b"junk") else (HIT, query + self._padding)

    def finish(self, query: bytes, client: bytes, now: int, reply: Reply) -> bytes:
        return query

    def offer(self, query: Query) -> bool:
        if len(self.slow) >= self.room:
            return False
        self.slow.append(query)
        return True

    def deliver(self, number: int, outcome: Outcome = REPLY) -> None:
        (query,) = (query for query in self.slow if query.id == number)
        self.slow.remove(query)
        self.tcp.deliver(query, outcome)


Connect = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[Connect]:
    server = await asyncio.get_running_loop().create_server(desk.tcp.connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await desk.tcp.drain(0.1)


async def next_message(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_many_questions_of_one_segment_are_all_answered_in_order() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(*(message(n) for n in range(500))))
            assert [await next_message(reader) for _ in range(500)] == [message(n) for n in range(500)]

    run(test())


@pytest.mark.parametrize("cut", [1, 2, 3, 14, 16, 17, 20])
def test_questions_may_be_cut_anywhere(cut: int) -> None:
    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            stream = framed(message(1), message(2))
            for part in (stream[:cut], stream[cut:]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)
            assert [await next_message(reader), await next_message(reader)] == [message(1), message(2)]

    run(test())


def test_one_octet_at_a_time_is_slow_but_fine() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            for octet in framed(message(7)):
                writer.write(bytes([octet]))
                await asyncio.sleep(0.001)
            assert await next_message(reader) == message(7)
            assert desk.seen == 1

    run(test())


def test_replies_leave_as_they_get_ready_out_of_order() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1, b"slow"), message(2, b"slow"), message(3)))
            assert await next_message(reader) == message(3)
            desk.deliver(2)
            assert await next_message(reader) == message(2, b"slow")
            desk.deliver(1)
            assert await next_message(reader) == message(1, b"slow")

    run(test())


def test_dropped_and_unanswered_questions_leave_the_connection_usable() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(pipeline=2))
        desk.room = 1
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(*(message(n, b"slow") for n in range(5))))
            await until(lambda: len(desk.slow) == 1 and desk.seen == 5)
            desk.deliver(0, None)
            writer.write(framed(message(9)))
            assert await next_message(reader) == message(9)

    run(test())


def test_questions_in_work_are_bounded_and_the_rest_waits_its_turn() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(pipeline=3))
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(*(message(n, b"slow") for n in range(10))))
            await asyncio.sleep(0.1)
            assert len(desk.slow) == 3
            for number in range(10):
                await until(lambda number=number: any(q.id == number for q in desk.slow))  # type: ignore[misc]
                desk.deliver(number)
                assert await next_message(reader) == message(number, b"slow")

    run(test())


def test_idle_connection_is_closed() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(idle_timeout=0.2))
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1)))
            await next_message(reader)
            began = time.monotonic()
            assert await is_closed(reader)
            assert 0.15 < time.monotonic() - began < 2
            assert desk.tcp.statistics().idle_closed == 1

    run(test())


def test_trickling_half_a_question_does_not_keep_a_connection_open() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(idle_timeout=0.2))
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(b"\xff\xff")

            async def trickle() -> None:
                while not writer.is_closing():
                    writer.write(b"x")
                    await asyncio.sleep(0.02)

            trickling = asyncio.create_task(trickle())
            assert await is_closed(reader)
            trickling.cancel()

    run(test())


def test_a_question_in_work_is_not_idleness() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(idle_timeout=0.1))
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1, b"slow")))
            await asyncio.sleep(0.4)
            desk.deliver(1)
            assert await next_message(reader) == message(1, b"slow")

    run(test())


def test_half_closed_client_still_gets_its_replies() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1), message(2, b"slow")))
            writer.write_eof()
            assert await next_message(reader) == message(1)
            await until(lambda: bool(desk.slow))
            desk.deliver(2)
            assert await next_message(reader) == message(2, b"slow")
            assert await is_closed(reader)

    run(test())


def test_client_that_reads_nothing_is_not_read_from_and_cut_off() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(write_timeout=0.4), size=60000)
        async with served(desk) as connect:
            _reader, writer = await connect()
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            loop = asyncio.get_running_loop()
            sending = loop.create_task(_flood(writer))
            await until(lambda: desk.tcp.statistics().cut_off == 1)
            # what the kernel holds for both sides, and a bounded rest: not all 5,000 replies of 60 KB
            assert desk.seen * 60000 < (64 << 20) + 4 * WRITE_AT_ONCE
            sending.cancel()

    run(test())


async def _flood(writer: asyncio.StreamWriter) -> None:
    for _ in range(50):
        writer.write(framed(*(message(n) for n in range(100))))
        await asyncio.sleep(0)


def test_client_that_reads_slowly_gets_everything() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits(write_timeout=2.0), size=30000)
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(*(message(n) for n in range(400))))
            for number in range(400):
                assert (await next_message(reader))[:15] == message(number)
                if number % 40 == 0:
                    await asyncio.sleep(0.02)

    run(test())


def test_connections_are_limited_per_address_and_in_total() -> None:
    async def test(limits: TcpLimits) -> None:
        desk = Desk(limits)
        async with served(desk) as connect:
            open_ones = [await connect() for _ in range(3)]
            for number, (reader, writer) in enumerate(open_ones):
                writer.write(framed(message(number)))
                assert await next_message(reader) == message(number)
            refused, _ = await connect()
            assert await is_closed(refused)
            assert desk.tcp.statistics().refused == 1
            open_ones[0][1].close()
            await until(lambda: desk.tcp.statistics().open == 2)
            reader, writer = await connect()
            writer.write(framed(message(4)))
            assert await next_message(reader) == message(4)

    run(test(TcpLimits(clients_per_address=3)))
    run(test(TcpLimits(clients=3)))


def test_what_gets_no_reply_ends_the_connection() -> None:
    """After nonsense nobody knows where the next message starts; what was asked before it is still answered."""

    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1), message(2, b"junk"), message(3)))
            assert await next_message(reader) == message(1)
            assert await is_closed(reader)
            assert desk.seen == 2

    run(test())


def test_answer_of_several_messages_is_sent_beside_others() -> None:
    async def transfer() -> AsyncIterator[bytes]:
        for number in range(100):
            yield message(1, b"part %d" % number) + bytes(20000)
            await asyncio.sleep(0)

    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1, b"slow")))
            await until(lambda: bool(desk.slow))
            desk.deliver(1, Stream(transfer()))
            parts = [await next_message(reader) for _ in range(100)]
            assert [part[12:].rstrip(b"\0") for part in parts] == [b"part %d" % n for n in range(100)]
            writer.write(framed(message(2)))
            assert await next_message(reader) == message(2)

    run(test())


def test_answer_that_breaks_off_ends_the_connection() -> None:
    async def transfer() -> AsyncIterator[bytes]:
        yield message(1)
        raise LookupError("the zone is broken")

    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            writer.write(framed(message(1, b"slow")))
            await until(lambda: bool(desk.slow))
            desk.deliver(1, Stream(transfer()))
            assert await next_message(reader) == message(1)
            assert await is_closed(reader)

    run(test())


def test_draining_answers_what_is_in_work_and_closes() -> None:
    async def test() -> None:
        desk = Desk(TcpLimits())
        async with served(desk) as connect:
            reader, writer = await connect()
            idle, _ = await connect()
            writer.write(framed(message(1, b"slow")))
            await until(lambda: bool(desk.slow))
            draining = asyncio.create_task(desk.tcp.drain(5))
            assert await is_closed(idle)
            desk.deliver(1)
            assert await next_message(reader) == message(1, b"slow")
            assert await is_closed(reader)
            await draining

    run(test())
