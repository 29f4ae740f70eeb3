"""`sockets.pyx` in plain Python: one system call a packet, the same batch. Used by the uncompiled engine."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pippin.engine.path import Batch

Address = tuple[Any, ...]  # (host, port), and for IPv6 (host, port, flow information, scope)
Control = list[tuple[int, int, bytes]]  # messages for sendmsg

CLIENT_SIZE = 28
HIT = 1


def is_compiled() -> bool:
    """False: this is the plain twin."""
    return False


class Endpoint:
    """One UDP socket and the batch it fills. `packet_info`: replies leave from the address that was asked."""

    def __init__(self, fd: int, batch: Batch, packet_info: bool) -> None:
        self._socket = socket.socket(fileno=fd)  # detached again in __del__: the caller owns the descriptor
        self._capacity, self._query_size, self._reply_size = batch.sizes()
        self._queries, self._query_lengths, self._replies, self._reply_lengths, self._clients, self._verdicts = (
            batch.buffers()
        )
        self._packet_info = packet_info
        self._from: list[tuple[Address, Control]] = [((), [])] * self._capacity
        self.refused = 0

    def __del__(self) -> None:
        if hasattr(self, "_socket"):
            self._socket.detach()

    def receive(self) -> int:
        """Fill the batch with what is waiting; how many packets. Never blocks. OSError if the socket is broken."""
        queries = memoryview(self._queries)
        for i in range(self._capacity):
            start = i * self._query_size
            place = queries[start : start + self._query_size]
            try:
                if self._packet_info:
                    n, control, flags, address = self._socket.recvmsg_into([place], 64, socket.MSG_DONTWAIT)
                else:
                    how = socket.MSG_DONTWAIT | socket.MSG_TRUNC
                    n, address = self._socket.recvfrom_into(place, self._query_size, how)
                    control, flags = [], 0
            except (BlockingIOError, InterruptedError):
                return i
            if n > self._query_size or flags & socket.MSG_TRUNC:
                n = 0  # a packet that did not fit is not a DNS query: length 0 makes the engine drop it
            self._query_lengths[i] = n
            self._from[i] = (address, [_answer_from(item) for item in control])
            self._clients[i * CLIENT_SIZE : (i + 1) * CLIENT_SIZE] = _raw(address)
        return self._capacity

    def send(self, count: int) -> int:
        """Send the replies of packets 0 … count - 1 whose verdict is HIT; how many the kernel would not take."""
        replies = memoryview(self._replies)
        failed = 0
        for i in range(count):
            if self._verdicts[i] != HIT:
                continue
            start = i * self._reply_size
            reply = replies[start : start + self._reply_lengths[i]]
            address, control = self._from[i]
            try:
                if control:
                    self._socket.sendmsg([reply], control, socket.MSG_DONTWAIT, address)
                else:
                    self._socket.sendto(reply, socket.MSG_DONTWAIT, address)
            except OSError:
                failed += 1
        self.refused += failed
        return failed

    def source(self, i: int) -> Control:
        """Where packet `i` was sent to, for `send_one`. Before `send`."""
        return self._from[i][1]

    def send_one(self, reply: bytes, client: bytes, source: Control | None = None) -> bool:
        """Send one reply that got ready later; False if the kernel would not take it. `source` of its query."""
        try:
            self._socket.sendmsg([reply], source or [], socket.MSG_DONTWAIT, _cooked(client))
        except OSError:
            self.refused += 1
            return False
        return True


def _answer_from(item: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    """A received packet-info message as the one to send: for IPv4 without the interface, routing chooses."""
    level, kind, data = item
    return (level, kind, bytes(4) + data[4:]) if level == socket.IPPROTO_IP else item


def _raw(address: Address) -> bytes:
    """The socket address as the kernel writes it."""
    port = int(address[1]).to_bytes(2, "big")
    raw: bytes
    if len(address) == 2:
        raw = int(socket.AF_INET).to_bytes(2, sys.byteorder) + port + socket.inet_aton(address[0])
    else:
        host, _, flow, scope = address
        raw = int(socket.AF_INET6).to_bytes(2, sys.byteorder) + port + flow.to_bytes(4, "big")
        raw += socket.inet_pton(socket.AF_INET6, host.partition("%")[0]) + scope.to_bytes(4, sys.byteorder)
    return raw.ljust(CLIENT_SIZE, b"\0")


def _cooked(client: bytes) -> Address:
    """The address as the socket module wants it."""
    port = int.from_bytes(client[2:4], "big")
    if int.from_bytes(client[:2], sys.byteorder) == socket.AF_INET:
        return socket.inet_ntoa(client[4:8]), port
    scope = int.from_bytes(client[24:28], sys.byteorder)
    return socket.inet_ntop(socket.AF_INET6, client[8:24]), port, int.from_bytes(client[4:8], "big"), scope
