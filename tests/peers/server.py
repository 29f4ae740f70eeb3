"""One running server process: configured by its peer file, waited for, asked, and stopped by its process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.zone
import pytest

HOST = "127.0.0.1"
START_SECONDS = 20.0
"""Until the first answer, transfers included; generous, because CI machines stall."""
STOP_SECONDS = 5.0
ASK_SECONDS = 5.0
SYSTEM_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Zone:
    """One zone to serve: from a file, or, if `primary` is a port on loopback, transferred from there."""

    name: str
    file: Path | None = None
    primary: int | None = None


def program(name: str, package: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI promised all peers."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":" + SYSTEM_FOLDERS)
    if found is None:
        reason = f"{name} is missing (Debian: apt install {package})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    """A port that is free for UDP and TCP on loopback; nothing reserves it, so use it at once."""
    for _ in range(100):
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((HOST, 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError("no port free for UDP and TCP")


class Server:
    """A server that is running on `port` of loopback."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def log(self) -> str:
        """What the server wrote so far, for messages of failed tests."""
        return self._log.read_text(errors="replace")

    def ask(
        self,
        name: str | dns.name.Name,
        rdtype: str | int,
        *,
        dnssec: bool = False,
        tcp: bool = False,
        recursive: bool = False,
    ) -> dns.message.Message:
        """Ask one question by UDP, and again by TCP if the reply was cut. OSError, dns.exception.Timeout."""
        query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=dnssec, payload=1232)
        query.flags = dns.flags.RD if recursive else dns.flags.Flag(0)
        return self.send(query, tcp=tcp)

    def send(self, query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
        """Send a query as it is; by TCP as well if the UDP reply was cut."""
        if not tcp:
            reply = dns.query.udp(query, HOST, ASK_SECONDS, self.port)
            if not reply.flags & dns.flags.TC:
                return reply
        return dns.query.tcp(query, HOST, ASK_SECONDS, self.port)

    def transfer(self, name: str) -> dns.zone.Zone:
        """The whole zone by AXFR, names absolute."""
        zone = dns.zone.Zone(name, relativize=False)
        dns.query.inbound_xfr(HOST, zone, port=self.port, timeout=ASK_SECONDS, lifetime=START_SECONDS)
        return zone

    def wait_ready(self, zones: Sequence[str]) -> None:
        """Until every zone is answered for; fails with the server's log when it is not in time or has ended."""
        end = time.monotonic() + START_SECONDS
        for zone in zones:
            while not self._answers(zone):
                if self.process.poll() is not None:
                    pytest.fail(f"ended with {self.process.returncode}:\n{self.log()}")
                if time.monotonic() > end:
                    pytest.fail(f"no answer for {zone} in {START_SECONDS} s:\n{self.log()}")
                time.sleep(0.02)

    def _answers(self, zone: str) -> bool:
        try:
            query = dns.message.make_query(zone, "SOA")
            reply = dns.query.udp(query, HOST, 0.5, self.port)
        except (OSError, dns.exception.DNSException):
            return False
        return reply.rcode() == dns.rcode.NOERROR and bool(reply.answer)

    def stop(self) -> None:
        """Ask it to end, and insist after STOP_SECONDS."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(
    configure: Callable[[Path, int], Sequence[str]], ready: Sequence[str], environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Start what `configure(folder, port)` returns as a command line, and stop it at the end.

    The folder is short, because paths of Unix sockets have to be. `ready` names the zones to wait for.
    """
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        folder = Path(name)
        port = free_port()
        command = configure(folder, port)
        log = folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
            )
        server = Server(process, port, log)
        try:
            server.wait_ready(ready)
            yield server
        finally:
            server.stop()


def unconfined(path: str, folder: Path) -> str:
    """A copy of a program: AppArmor profiles go by path, and Debian's forbid the temporary folder."""
    return shutil.copy(path, folder)
