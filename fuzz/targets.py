"""What is fed with arbitrary bytes, and what has to hold afterwards.

A target is made from engine modules (compiled or not) and then called with bytes. It raises for a finding: `Broken`
where a promise does not hold, or whatever comes out of the engine that should not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import dns.name

from fuzz.checks import check_reply, check_with_dnspython, end_of_name, require
from fuzz.memo import MemoTarget
from fuzz.world import NOW, SEED, responder, steer
from pippin.engine import layout, records
from pippin.engine.counters import C_MALFORMED, COUNTERS
from pippin.engine.find import canonical_key
from pippin.query.reply import Reply
from pippin.serve.tcp import TcpLimits, TcpServer
from pippin.source.masterfile import MasterFile

Target = Callable[[bytes], None]
Engine = Callable[[str], ModuleType]

CLIENT = b"\2\0\x14\xe9\xc0\0\2\1".ljust(28, b"\0")
DROP_SHORTER = 12
FAILURE = Reply(b"", 0, 0, 0, rcode=2)
RECORD = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07"
FORWARDED = Reply(40 * RECORD, 38, 1, 1, authoritative=False, authentic=True, forwarded=True, ttl=60)


class PathTarget:
    """One packet, over UDP between hostile neighbours and over TCP."""

    def __init__(self, engine: Engine) -> None:
        self.path = engine("path")
        self.counters = memoryview(bytearray(8 * len(COUNTERS))).cast("Q")
        everybody = ("0.0.0.0/0", "::/0")
        self.responder = responder(
            self.path, self.counters, cache_entries=100, subnet_from=everybody, forward_for=everybody
        )
        steer(self.responder, engine("memo"))
        self.strict = responder(self.path, self.counters, require_cookie=True, cache_entries=0)
        self.batch = self.path.Batch(3)

    def __call__(self, data: bytes) -> None:
        query = data[: self.path.QUERY_SIZE]
        replies = [self._datagram(self.responder, query, filling) for filling in (0x00, 0xC1)]
        require(replies[0] == replies[1], "the reply depends on bytes behind the packet")
        self._datagram(self.strict, query, 0xFF)
        verdict, reply = self.responder.answer_stream(data, CLIENT, NOW)
        self._check(data, verdict, reply, True)
        if verdict == self.path.SLOW:
            self._slow(data)

    def _slow(self, data: bytes) -> None:
        """What the slow path does with the engine's help: finish, fail, remember."""
        for stream in (False, True):
            finished = self.responder.finish(data, CLIENT, NOW, stream, FAILURE)
            if finished:
                check_reply(data, finished, stream)
            failed = self.responder.error(data, CLIENT, NOW, stream, 2)
            require(failed, "no error reply to what gets one")
            check_reply(data, failed, stream)
        self.responder.remember(data, NOW - 20, FORWARDED)
        verdict, reply = self.responder.answer_stream(data, CLIENT, NOW)
        self._check(data, verdict, reply, True)

    def _datagram(self, asked: Any, query: bytes, filling: int) -> tuple[int, bytes]:
        memory = self.batch.buffers()[0]
        memory[:] = bytes([filling]) * len(memory)
        for place in range(3):
            self.batch.set_query(place, query if place == 1 else bytes(memory[:13]), CLIENT)
        asked.answer(self.batch, 3, NOW)
        verdict = self.batch.verdict(1)
        reply = self.batch.reply(1) if verdict == self.path.HIT else b""
        self._check(query, verdict, reply, False)
        return verdict, reply

    def _check(self, query: bytes, verdict: int, reply: bytes, stream: bool) -> None:
        require(not self.counters[C_MALFORMED], "the last net caught what the path's own checks had to see first")
        require(verdict in (self.path.HIT, self.path.SLOW, self.path.DROP), f"verdict {verdict}")
        silent = len(query) < DROP_SHORTER or query[2] & 0x80 != 0
        require((verdict == self.path.DROP) == silent, "dropped what has to be answered, or answered what may not be")
        if verdict == self.path.HIT:
            check_reply(query, reply, stream)
            check_with_dnspython(reply)


class CompileTarget:
    """Arbitrary record streams: an image or ValueError; and an image can be walked and asked."""

    ORIGIN = dns.name.from_text("plain.example.").to_wire()

    def __init__(self, engine: Engine) -> None:
        self.compile = engine("compile")
        self.path = engine("path")

    def __call__(self, data: bytes) -> None:
        try:
            image, findings = self.compile.compile_zone(data, self.ORIGIN, SEED)
        except ValueError:
            return
        for _, offset in findings:
            require(offset == -1 or records.record_at(data, offset), "a finding about no record")
        if image:
            self._check(image, serve=not findings)

    def _check(self, image: bytes, serve: bool) -> None:
        header = layout.read_header(image)
        signed = bool(header.flags & layout.SIGNED)
        require(header.size == len(image), "the image has another size than it says")
        positions = memoryview(image)[header.order_table :][: 4 * header.nodes].cast("I")
        nodes = [layout.read_node(image, position, signed) for position in positions]
        keys = [canonical_key(node.name) for node in nodes]
        require(keys == sorted(keys), "nodes out of order")
        if not serve:
            return
        asked = self.path.Responder(self.path.Options(seed=SEED))
        asked.map(image)
        asked.place(0)
        for node in nodes[:20]:
            for entry in node.entries[:8]:
                question = node.name + self.ORIGIN + entry.type.to_bytes(2, "big") + b"\0\1"
                query = b"\1\2\0\0\0\1\0\0\0\0\0\1" + question + b"\0\0\x29\xff\xff\0\0\x80\0\0\0"
                verdict, reply = asked.answer_stream(query, CLIENT, NOW)
                if verdict == self.path.HIT:
                    check_reply(query, reply, True)


class ScanTarget:
    """Arbitrary text: records and errors, and the compiler takes what the scanner gives."""

    ORIGIN = dns.name.from_text("plain.example.").to_wire()

    class Files(MasterFile):
        """One small file can be included; the file system is left alone."""

        def __init__(self) -> None:
            self.files = ["fuzz"]

        def include(self, path: str, file: int) -> tuple[int, bytes]:
            if path != "more" or len(self.files) > 20:
                raise ValueError("not there")
            self.files.append(path)
            return len(self.files) - 1, b"included 60 A 192.0.2.1\n"

    def __init__(self, engine: Engine) -> None:
        self.scan = engine("scan")
        self.compile = engine("compile")

    def __call__(self, data: bytes) -> None:
        data = data[:4096]
        files = self.Files()
        scanner = self.scan.Scanner(files, self.ORIGIN, b"")
        scanner.scan(data)
        for file, line, column, message in scanner.errors():
            require(0 <= file < len(files.files) and line >= 0 and column >= 0 and message, "an error from nowhere")
        stream = scanner.take()
        for record in records.iterate(stream):
            require(0 < len(record.owner) <= 255, "an owner that is no name")
            require(end_of_name(bytes(12) + record.owner, 12) == 12 + len(record.owner), "an owner that is no name")
        self.compile.compile_zone(stream, self.ORIGIN, SEED)


class TcpTarget:
    """A stream of bytes: the replies are the same however the network cuts it."""

    def __init__(self, engine: Engine) -> None:
        self.responder = responder(engine("path"))
        self.loop = asyncio.new_event_loop()

    def __call__(self, data: bytes) -> None:
        self.loop.run_until_complete(self._run(data))

    async def _run(self, data: bytes) -> None:
        step = 1 + data[0] % 40 if data else 1
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
        whole, cut = await self._feed([data]), await self._feed(pieces)
        require(whole == cut, "the replies depend on how the stream was cut")
        at = 0
        while at < len(whole):
            length = int.from_bytes(whole[at : at + 2], "big")
            require(12 <= length <= len(whole) - at - 2, "a reply without its length")
            check_with_dnspython(whole[at + 2 : at + 2 + length])
            at += 2 + length

    async def _feed(self, pieces: list[bytes]) -> bytes:
        def answer(message: bytes, client: bytes, _: int) -> tuple[int, bytes]:
            """Always at the same time: cookies have the second in them."""
            verdict, reply = self.responder.answer_stream(message, client, NOW)
            return int(verdict), bytes(reply)

        limits = TcpLimits(pipeline=1 << 30)
        server = TcpServer(answer, lambda *_: b"", lambda _: False, lambda: None, limits)
        transport = Wire()
        connection = server.connection()
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.is_closing():
                connection.data_received(piece)
        connection.connection_lost(None)
        await server.drain(0)
        return bytes(transport.sent)


class Wire(asyncio.Transport):
    """Takes what is written, at once."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5353)})
        self.sent = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


TARGETS = {"path": PathTarget, "compile": CompileTarget, "scan": ScanTarget, "tcp": TcpTarget, "memo": MemoTarget}
