"""How long after a target is down is the last answer with it given, by any of two workers?

The target is set down by hand, which takes the way that a failed check takes from the health table on: the clock starts
when the command is sent to the control process, so the answer includes control and checker. 64 sockets ask all the
time, enough for the kernel to spread them over both workers.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import dns.message

from bench import steering
from bench.measure import Bench, NoStart, in_turns, running, wait_answer
from bench.peers.peer import ZoneFile
from bench.peers.steering import ONE, SteeringPippin
from bench.peers.steering import steering as decided
from bench.question import Figure, Question, Row, Target

SOCKETS = 64
FLIPS = 10
ASKED_BEFORE_SECONDS = 0.1
WATCHED_SECONDS = 0.5
ORIGIN = "example.test"


def _tell(control: Path, to: str) -> None:
    """One command to the control process, and its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(control))
        command = {"do": "health", "target": f"pool/{ONE}", "to": to}
        connection.sendall(json.dumps(command).encode() + b"\n")
        with connection.makefile("rb") as answer:
            if not json.loads(answer.readline()).get("ok"):
                raise NoStart(f"{ONE} cannot be set {to}")


def _last_seen(sockets: list[socket.socket], query: bytes, control: Path) -> float:
    """Seconds from sending the command, while all sockets ask, to the last answer with the target."""
    unwanted = socket.inet_aton(ONE)
    before = last = 0.0
    teller = threading.Thread(target=_tell, args=(control, "down"))
    with selectors.DefaultSelector() as selector:
        for connection in sockets:
            selector.register(connection, selectors.EVENT_READ)
            connection.send(query)
        began = time.monotonic() + ASKED_BEFORE_SECONDS
        while (now := time.monotonic()) < began + WATCHED_SECONDS:
            if now >= began and teller.ident is None:
                began = time.monotonic()
                teller.start()
            for key, _ in selector.select(0.01):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if connection.recv(4096).endswith(unwanted):
                    before, last = (before, time.monotonic()) if teller.ident else (time.monotonic(), last)
                connection.send(query)
        for connection in sockets:
            connection.settimeout(0.2)
            connection.recv(4096)
    teller.join()
    if not before:
        raise NoStart(f"{ONE} was not answered before it went down")
    return max(0.0, last - began)


def _turn(bench: Bench) -> Callable[[int], dict[str, float]]:
    kind = decided(SteeringPippin, "pippin", "weighted", steering.database(bench.material.folder, bench.material.seed))
    query = dns.message.make_query(f"www.{ORIGIN}", "A", use_edns=False).to_wire()

    def turn(number: int) -> dict[str, float]:
        cores = bench.server_cpus | bench.client_cpus
        with running(bench, kind, ZoneFile(ORIGIN, Path()), cores, workers=2) as (peer, process):
            wait_answer(peer.port, f"ns1.{ORIGIN}", process)
            sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
            try:
                for connection in sockets:
                    connection.connect(("127.0.0.1", peer.port))
                flips = []
                for _ in range(FLIPS):
                    flips.append(1000 * _last_seen(sockets, query, peer.folder / "pippin.sock"))
                    _tell(peer.folder / "pippin.sock", "auto")
            finally:
                for connection in sockets:
                    connection.close()
            return {"flip_ms": median(flips), "worst_ms": max(flips)}

    return turn


def ask(bench: Bench) -> list[Row]:
    """Pippin alone: no other server is asked to do this."""
    return in_turns(bench, [("pippin", _turn(bench))]) if "pippin" in bench.servers else []


QUESTION = Question(
    name="health-flip",
    title=f"A target goes down: the last answer with it, two workers, {FLIPS} times",
    figures=(Figure("flip_ms", "median ms", 1), Figure("worst_ms", "worst ms", 1)),
    main="flip_ms",
    targets=(Target("worst_ms", limit=100.0),),
    ask=ask,
)
