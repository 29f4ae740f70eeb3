"""A worker: inherits listening sockets, maps the published zones, answers.

The walk of a packet: receive a batch, `Responder.answer` gives each packet a verdict, send the batch. What the
engine calls SLOW is copied into the pipeline and answered later from the same socket.

`python -m pippin.serve.worker FD` runs one as a process: a fresh interpreter, told what to do through the control
socket FD by one JSON object a line:

    control -> worker   the `WorkerOptions`, then
                        {"do": "start" | "drain" | "stop" | "policies" | "forwarding" | "live"}
    worker -> control   {"event": "ready" | "answering"}, or {"event": "failed", "problems": [...]} and the end
                        {"event": "policies", "policies": [...]}, their statistics
                        {"event": "forwarding", "forwarding": {...} | null}, its statistics
                        {"event": "live", "live": [...]}, those of live sources

What it counts stands in its page of the store. A worker whose control process is gone goes on answering for
`ORPHAN_PATIENCE` seconds.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import msgspec
import structlog

from pippin.engine.counters import (
    C_QUEUE_DROPPED,
    C_SEND_FAILED,
    C_SLOW_FAILED,
    C_TCP_CONNECTIONS,
    C_TCP_QUERIES,
    C_TCP_REFUSED,
    C_TCP_TIMEOUTS,
)
from pippin.engine.path import SLOW, Batch, Options, Responder, client_address, reply_place
from pippin.engine.sockets import Endpoint
from pippin.query.pipeline import CONCURRENCY, FORMERR, Outcome, Pipeline
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve.loop import ORPHAN_PATIENCE, run_loop
from pippin.serve.options import WorkerOptions
from pippin.serve.order import handlers
from pippin.serve.tcp import TcpLimits, TcpServer
from pippin.serve.zones import PublishedZones
from pippin.source.live import LookUpError
from pippin.store import Reader

if TYPE_CHECKING:
    from pippin.forward.handler import Forwarding, ForwardingStatistics
    from pippin.serve.live import Live, LiveStatistics
    from pippin.serve.policies import PolicyStatistics
    from pippin.serve.steering import PolicySet, Steering

log = structlog.get_logger(__name__)
T = TypeVar("T")

BATCH = 64
"""Packets of one receive call."""

BATCHES_PER_WAKEUP = 16
"""Batches answered before TCP and the pipeline get their turn: a thousand packets, about 5 ms."""

PAUSE = 20e-6
"""Seconds to wait for more packets while they come quickly, as network cards moderate interrupts: a server that is
faster than its clients finds few packets at each wake-up, and a wake-up costs as much as several answers. With the
kernel's timer slack it is 70 µs at most."""

COMPANY = 2
"""Packets to be expected within a pause, by the rate of the last batch, to make it worth while: 100,000 a second.
At lower rates every packet is answered at once."""

TCP_BACKLOG = 1024

NSID_LIMIT = 128
"""Octets of a server id that fit beside everything else in an OPT record (RFC 5001 sets no limit)."""

FILES_BESIDE_CLIENTS = 64
"""Files a worker has open that are no TCP connections: listening sockets, the store, the loop's own."""

LONGEST_LINE = 64 << 20
"""Octets of the longest thing that control says: options with the text of all policies, and rows of all targets."""

TICK = 0.25
"""Seconds between two looks at the store when there is no traffic."""


class _Packet(NamedTuple):
    """Where a reply over UDP has to go, and where from, as the endpoint knows it."""

    endpoint: Endpoint
    client: bytes
    source: object


class Worker:
    """Everything one worker does inside a running event loop. `start` it, later `drain` it."""

    def __init__(self, options: WorkerOptions, reader: Reader, policies: PolicySet | None = None) -> None:
        """`policies`: what zones leave to policies is answered from these; without them, by the zones."""
        self._options = options
        self._reader = reader
        self._responder = Responder(
            Options(
                udp_size=options.udp_size,
                server_id=(options.server_id or "").encode()[:NSID_LIMIT],
                cookie_secret=options.cookie_secret,
                require_cookie=options.require_cookie,
                rotate=options.rotate,
                cache_entries=options.cache_size,
                cache_bytes=options.cache_bytes,
                tcp_keepalive=int(options.tcp_idle_timeout),
                seed=reader.seed,
                subnet_from=options.client_subnet_from,
                forward_for=options.forward.allow_forward if options.forward is not None else (),
                live=bool(options.live),
            ),
            reader.counters(),
        )
        self._counters = reader.counters()
        self._received = 0.0
        self._ticker: asyncio.TimerHandle | None = None
        self._batch = Batch(BATCH, reply_size=reply_place(options.udp_size))
        self._verdicts = self._batch.buffers()[-1]
        self._endpoints: list[tuple[socket.socket, Endpoint]] = []
        self._servers: list[asyncio.Server] = []
        self._zones = zones = PublishedZones(reader.zone_image)
        self._forwarding: Forwarding | None = None
        if options.forward is not None:
            from pippin.forward.handler import Forwarding  # 20 ms that others need not take

            self._forwarding = Forwarding(options.forward, zones)
        self._live = self._open_live() if options.live else None
        self._steering: Steering | None = None
        if policies is not None:
            self.set_policies(policies)
        self._refreshes: set[asyncio.Task[None]] = set()
        self._pipeline = Pipeline(
            handlers(options, zones, reader.pinned, self._live, self._forwarding, self._steer),
            queue_size=options.queue_size,
            # Clients that wait for upstreams or look-ups take no place from those that wait for us.
            concurrency=CONCURRENCY
            + (options.forward.in_flight if options.forward is not None else 0)
            + (self._live.most_waiting if self._live is not None else 0),
        )
        self._tcp = TcpServer(
            self._responder.answer_stream,
            partial(self._finish, stream=True),
            self._offer_stream,
            self._follow,
            TcpLimits(
                options.tcp_clients,
                options.tcp_clients_per_address,
                options.tcp_idle_timeout,
                options.tcp_write_timeout,
                options.tcp_pipeline,
            ),
        )

    def set_policies(self, policies: PolicySet) -> None:
        """Answer from these policies, and from none of those before."""
        from pippin.serve.steering import Steering  # 40 ms that a server without policies need not take

        if self._steering is not None:
            self._steering.close()
        self._steering = Steering(policies, self._responder, self._zones)

    def policy_statistics(self) -> list[PolicyStatistics]:
        """How each policy has been doing."""
        return [] if self._steering is None else self._steering.statistics()

    def forwarding_statistics(self) -> ForwardingStatistics | None:
        """What was forwarded, and how each upstream has been doing; None if nothing is."""
        return None if self._forwarding is None else self._forwarding.statistics()

    def live_statistics(self) -> list[LiveStatistics]:
        """How each live source has been doing."""
        return [] if self._live is None else self._live.statistics()

    def _open_live(self) -> Live:
        from pippin.serve.live import Live  # as little

        return Live(
            self._options.live,
            self._zones,
            is_last=self._options.forward is None,
            entries=self._options.cache_size,
            octets=self._options.cache_bytes,
        )

    async def _steer(self, query: Query) -> Outcome | None:
        return None if self._steering is None else await self._steering.handle(query)

    async def start(self) -> None:
        """Begin to answer on all sockets. `LookUpError` if a live source can never be asked."""
        if self._live is not None:
            await self._live.start()
        loop = asyncio.get_running_loop()
        self._tick()
        for inherited in self._options.sockets:
            sock = socket.socket(fileno=os.dup(inherited.fd))
            sock.setblocking(False)
            if inherited.kind == "udp":
                endpoint = Endpoint(sock.fileno(), self._batch, inherited.wildcard)
                self._endpoints.append((sock, endpoint))
                loop.add_reader(sock.fileno(), partial(self._on_packets, endpoint))
            else:
                server = await loop.create_server(self._tcp.connection, sock=sock, backlog=TCP_BACKLOG)
                self._servers.append(server)

    async def drain(self, timeout: float) -> None:
        """Answer what has been received, for at most `timeout` seconds; then close everything."""
        loop = asyncio.get_running_loop()
        if self._ticker is not None:
            self._ticker.cancel()
        for server in self._servers:
            server.close()
        for sock, endpoint in self._endpoints:
            self._on_packets(endpoint)
            loop.remove_reader(sock.fileno())
        try:
            async with asyncio.timeout(timeout):
                await self._pipeline.wait_idle()
        except TimeoutError:
            self._pipeline.close()
        await self._tcp.drain(timeout)
        for task in self._refreshes:
            task.cancel()
        if self._forwarding is not None:
            await self._forwarding.close()
        if self._live is not None:
            self._live.close()
        for sock, _ in self._endpoints:
            sock.close()
        self._endpoints.clear()
        if self._steering is not None:
            self._steering.close()

    def _tick(self) -> None:
        """What must happen without traffic too: seeing news of the store, so that it can use space again; counting."""
        self._follow()
        tcp = self._tcp.statistics()
        self._counters[C_TCP_CONNECTIONS] = tcp.accepted
        self._counters[C_TCP_QUERIES] = tcp.questions
        self._counters[C_TCP_REFUSED] = tcp.refused
        self._counters[C_TCP_TIMEOUTS] = tcp.idle_closed + tcp.cut_off
        slow = self._pipeline.statistics()
        self._counters[C_QUEUE_DROPPED] = slow.dropped + (self._live.dropped if self._live is not None else 0)
        self._counters[C_SLOW_FAILED] = slow.failed
        if self._steering is not None:
            self._steering.tick()
        self._refresh()
        self._ticker = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _refresh(self) -> None:
        """Have answers from elsewhere that are in use asked for anew before their time ends."""
        if self._forwarding is None and self._live is None:
            return
        for wire in self._responder.take_due():
            task = asyncio.get_running_loop().create_task(self._refresh_one(wire))
            self._refreshes.add(task)
            task.add_done_callback(self._refreshes.discard)

    async def _refresh_one(self, wire: bytes) -> None:
        query = Query(wire, ("", 0), Transport.UDP)
        reply = None if self._live is None else await self._live.refresh(query)
        if reply is None and self._forwarding is not None:
            reply = await self._forwarding.refresh(query)
        if reply is not None and reply.ttl:
            self._responder.remember(wire, int(time.time()), reply)

    def _follow(self) -> None:
        self._reader.follow(self._responder)

    def _on_packets(self, endpoint: Endpoint) -> None:
        batch, responder = self._batch, self._responder
        for _ in range(BATCHES_PER_WAKEUP):
            count = endpoint.receive()
            if not count:
                return
            self._reader.follow(responder)
            now, before = time.time(), self._received
            self._received = now
            if responder.answer(batch, count, int(now)):
                self._defer(endpoint, count)
            if refused := endpoint.send(count):
                self._counters[C_SEND_FAILED] += refused
            if count >= BATCH:
                continue
            if count >= BATCH // 2 or count * PAUSE < COMPANY * (now - before):
                return
            time.sleep(PAUSE)

    def _defer(self, endpoint: Endpoint, count: int) -> None:
        batch, verdicts = self._batch, self._verdicts
        index = verdicts.find(SLOW, 0, count)
        while index >= 0:
            client = batch.client(index)
            origin = _Packet(endpoint, client, endpoint.source(index))
            query = Query(batch.query(index), client_address(client), Transport.UDP, origin)
            query.generation = self._responder.generation()
            if self._live is None or self._live.admits(query):
                self._pipeline.offer(query, self._deliver_packet)
            index = verdicts.find(SLOW, index + 1, count)

    def _deliver_packet(self, query: Query, outcome: Outcome) -> None:
        if not isinstance(outcome, Reply):
            return
        packet = cast(_Packet, query.origin)
        now = int(time.time())
        self._remember(query, outcome, now)
        reply = self._finish(query.wire, packet.client, now, outcome, stream=False)
        if reply and not packet.endpoint.send_one(reply, packet.client, packet.source):
            self._counters[C_SEND_FAILED] += 1

    def _offer_stream(self, query: Query) -> bool:
        query.generation = self._responder.generation()
        if self._live is not None and not self._live.admits(query):
            return False
        return self._pipeline.offer(query, self._deliver_stream)

    def _deliver_stream(self, query: Query, outcome: Outcome) -> None:
        if isinstance(outcome, Reply):
            self._remember(query, outcome, int(time.time()))
        self._tcp.deliver(query, outcome)

    def _finish(self, query: bytes, client: bytes, now: int, reply: Reply, *, stream: bool) -> bytes:
        """The whole message; b"" if the engine says that the query gets none."""
        if reply.rcode == FORMERR.rcode:
            return self._responder.error(query, client, now, stream, reply.rcode)
        return self._responder.finish(query, client, now, stream, reply)

    def _remember(self, query: Query, reply: Reply, now: int) -> None:
        if reply.ttl and query.generation == self._responder.generation():
            self._responder.remember(query.wire, now, reply)


class Process:
    """A worker as a process of its own, led by the control process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._worker: Worker | None = None
        self._policies: PolicySet | None = None
        self._has_failed = False

    async def run(self) -> int:
        """Do what the control process says until it says stop, or has been gone for long enough; the exit code."""
        if not (line := await self._reader.readline()):
            return 0  # the server ends before there was anything to answer
        options = msgspec.json.decode(line, type=WorkerOptions)
        if options.core is not None:
            os.sched_setaffinity(0, {options.core})
        upstreams = 0 if options.forward is None else 2 * options.forward.in_flight
        allow_files(options.tcp_clients + upstreams + len(options.live) + FILES_BESIDE_CLIENTS)
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        if options.policies and not await self._load_policies(options):
            return 1
        self._tell("ready")
        commands = asyncio.create_task(self._obey(options, stop))
        await stop.wait()
        commands.cancel()
        if self._worker is not None:
            await self._worker.drain(options.drain_timeout)
        return int(self._has_failed)

    async def _load_policies(self, options: WorkerOptions) -> bool:
        """Import what users have programmed; False, and control knows why, if there is no answering from that."""
        from pippin.serve.steering import PoliciesUnusable, load_policies

        try:
            self._policies = load_policies(options)
        except PoliciesUnusable as error:
            self._tell("failed", problems=error.args)
            await self._writer.drain()
            return False
        return True

    async def _obey(self, options: WorkerOptions, stop: asyncio.Event) -> None:
        while line := await self._reader.readline():
            match msgspec.json.decode(line)["do"]:
                case "start":
                    try:
                        worker = Worker(options, Reader(options.store, options.index), self._policies)
                        await worker.start()
                    except LookUpError as error:
                        self._tell("failed", problems=[str(error)])
                        self._has_failed = True
                        stop.set()
                        continue
                    self._worker = worker
                    self._tell("answering")
                case "policies":
                    policies = [] if self._worker is None else self._worker.policy_statistics()
                    self._tell("policies", policies=policies)
                case "forwarding":
                    counted = None if self._worker is None else self._worker.forwarding_statistics()
                    self._tell("forwarding", forwarding=counted)
                case "live":
                    sources = [] if self._worker is None else self._worker.live_statistics()
                    self._tell("live", live=sources)
                case "drain":
                    stop.set()
                case "stop":
                    os._exit(0)  # SIGINT: at once, whatever is in work
        if self._worker is not None:
            log.warning("the control process is gone, going on without it", seconds=ORPHAN_PATIENCE)
            await asyncio.sleep(ORPHAN_PATIENCE)
        stop.set()

    def _tell(self, event: str, **more: object) -> None:
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode({"event": event, **more}) + b"\n")


def allow_files(needed: int) -> None:
    """Raise the soft limit of open files (1024 mostly) to what the clients will need, as far as the hard one goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("the limit of open files is below tcp_clients", limit=allowed, needed=needed)


async def _lead(control: int) -> int:
    reader, writer = await asyncio.open_connection(
        sock=socket.socket(fileno=control), limit=LONGEST_LINE
    )
    return await Process(reader, writer).run()


def main() -> None:
    from pippin.serve import logs

    logs.configure()
    # Ctrl-C and a hang-up reach the whole process group; what they mean for a worker is the control process' say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.exit(run_loop(_lead(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
