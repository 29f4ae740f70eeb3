"""One question over UDP: a socket of its own on a random port, connected, so that the kernel drops what others send.

Whatever else arrives there and is not the reply is counted and waited past (RFC 5452 section 4.5): giving up would
hand the decision to whoever forges. Many forgeries on one question are an attack; then the question goes over TCP.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections import Counter

from pippin.forward.wire import Mismatch, mismatch

FORGERIES = 32
"""Wrong replies to one question after which UDP is not believed any more."""

RECEIVE_SIZE = 4096
"""We ask for 1232 octets at most; some servers send what they like."""

CASE_PATIENCE = 0.25
"""Seconds to wait for a reply in the right case after one came whose case alone was wrong."""

PORT_FIRST, PORT_COUNT = 1024, 64512
PORT_ATTEMPTS = 16
"""Tries to find a free port by chance before the kernel chooses one (it does so at random too, among 28,000)."""


class Suspicious(Exception):
    """Replies came that were none, and no right one was among them."""


class Exchange:
    """A question under way. `close` it in the end; `wrong` counts what was thrown away."""

    def __init__(
        self, place: tuple[str, int], query: bytes, name_length: int, wrong: Counter[Mismatch]
    ) -> None:
        """Sends the question. OSError if there is no way to that place."""
        self._loop = asyncio.get_running_loop()
        self.query = query
        self._name_length = name_length
        self._wrong = wrong
        self._case_only = True
        self._forgeries = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.reply: asyncio.Future[bytes] = self._loop.create_future()
        """OSError when nobody is there, `Suspicious` after FORGERIES."""
        self._socket = _connected(place)
        try:
            self._socket.send(query)
            self._loop.add_reader(self._socket.fileno(), self._on_readable)
        except OSError:
            self._socket.close()
            raise

    async def wait(self, seconds: float) -> bytes | None:
        """The reply if it comes within that time; None: it has not, or it is an error (`reply` has it)."""
        if not self.reply.done():
            waiter = self._waiter = self._loop.create_future()
            timer = self._loop.call_later(seconds, _wake, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
        return self.reply.result() if self.reply.done() and self.reply.exception() is None else None

    def close(self) -> None:
        """Also if it is closed already."""
        if self._socket.fileno() < 0:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        if not self.reply.cancel() and not self.reply.cancelled():
            self.reply.exception()  # seen, whether or not somebody still wanted it

    def _on_readable(self) -> None:
        while not self.reply.done():
            try:
                packet = self._socket.recv(RECEIVE_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                self.reply.set_exception(error)
            else:
                self._take(packet)
        self._wake_waiter()

    def _take(self, packet: bytes) -> None:
        wrong = mismatch(self.query, self._name_length, packet)
        if wrong is None:
            self.reply.set_result(packet)
            return
        self._wrong[wrong] += 1
        self._forgeries += 1
        self._case_only = self._case_only and wrong is Mismatch.CASE
        if self._forgeries >= FORGERIES:
            self.reply.set_exception(Suspicious)
        elif self._forgeries == 1 and self._case_only:
            self._timer = self._loop.call_later(CASE_PATIENCE, self._doubt)

    def _doubt(self) -> None:
        """Replies came, and their only fault was the case of letters: the server may not keep it."""
        if self._case_only and not self.reply.done():
            self.reply.set_exception(Suspicious)
            self._wake_waiter()

    def _wake_waiter(self) -> None:
        if self._waiter is not None:
            _wake(self._waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _connected(place: tuple[str, int]) -> socket.socket:
    """A non-blocking UDP socket on a random port (RFC 5452 section 9.2), connected to `place`."""
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        for _ in range(PORT_ATTEMPTS):
            try:
                sock.bind(("", PORT_FIRST + secrets.randbelow(PORT_COUNT)))
                break
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
        sock.connect(place)
    except OSError:
        sock.close()
        raise
    return sock
