"""`pippin serve` as a process, for tests that kill, signal and reload it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode

from pippin.control.channel import ask

PATIENCE = 20.0
ZONE = """$ORIGIN {origin}.
$TTL 60
@ SOA ns1 hostmaster {serial} 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A {address}
alias CNAME www.elsewhere.test.
"""


def write_zone(path: Path, origin: str = "example", serial: int = 1, address: str = "192.0.2.10") -> Path:
    """Put a zone into place as careful tools do: written beside, then renamed."""
    new = path.with_suffix(".new")
    new.write_text(ZONE.format(origin=origin, serial=serial, address=address))
    os.replace(new, path)
    return path


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s in vain until {what}")


class Running:
    """One server process, its output, and how to talk to it."""

    def __init__(
        self, folder: Path, arguments: list[str], environment: dict[str, str], prefix: Sequence[str] = ()
    ) -> None:
        self.control = folder / "control.sock"
        self._log = folder / "log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "pippin", "serve", *arguments, "--control", str(self.control)],
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **environment},
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    @property
    def port(self) -> int:
        found = re.findall(r"answering on  127\.0\.0\.1:(\d+)", self.output)
        return int(found[-1])

    def wait_ready(self) -> None:
        wait_until(
            lambda: "\ntry:  dig" in self.output or self.process.poll() is not None, "the server is ready"
        )
        assert self.process.poll() is None, self.output

    def address_of(self, name: str, *, tcp: bool = False, timeout: float = 2.0) -> str:
        """The A record of a name, or the rcode, or "" if no reply came in time."""
        query = dns.message.make_query(name, "A")
        send = dns.query.tcp if tcp else dns.query.udp
        try:
            reply = send(query, "127.0.0.1", timeout, self.port)
        except (dns.exception.Timeout, ConnectionError):
            return ""
        if reply.rcode() or not reply.answer:
            return dns.rcode.to_text(reply.rcode())
        return str(reply.answer[0][0])

    def do(self, **command: Any) -> dict[str, Any]:
        return ask(self.control, command)

    def status(self) -> dict[str, Any]:
        return self.do(do="status")

    def wait_exit(self) -> int:
        return self.process.wait(PATIENCE)


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    listen: str = "127.0.0.1:0",
    workers: int = 1,
    prefix: Sequence[str] = (),
    **environment: str,
) -> Iterator[Running]:
    """Start a server, `prefix` in front of its command, and wait for it; at the end it is ended, whatever it does."""
    options = ["--workers", str(workers)] if workers else []
    server = Running(folder, [*arguments, "--listen", listen, *options], environment, prefix)
    try:
        server.wait_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            try:
                server.process.wait(5)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def clients(server: Running, count: int) -> list[socket.socket]:
    """UDP sockets on different ports, so that the kernel spreads them over the workers."""
    sockets = []
    for _ in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(0.5)
        sock.connect(("127.0.0.1", server.port))
        sockets.append(sock)
    return sockets
