"""A worker process with a policy file: the policy runs in the main thread, where it can be interrupted."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rcode
import msgspec
import pytest

from pippin.engine.compile import compile_zone
from pippin.policy.load import load
from pippin.policy.protocol import DeclaredPolicy
from pippin.serve.listen import bind, parse_address
from pippin.serve.options import Socket, WorkerOptions
from pippin.store import Store
from pippin.store.health import HealthTable
from tests.peers.load import Load
from tests.zone.images import stream_of

PATIENCE = 20.0
ZONE = """
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.10
"""
POLICIES = """
import asyncio, time
from pippin import PASS, Policies, Pool

policies = Policies()
web = Pool("web", {"192.0.2.1": 3, "192.0.2.2": 1})

@policies.answer("good.example", "A")
def good(client):
    return web if client.transport == "udp" else "192.0.2.3"

@policies.answer("loop.example", "A", fallback="servfail")
def loop():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass

@policies.answer("stubborn.example", "A", fallback="servfail")
def stubborn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

@policies.answer("sleep.example", "A", fallback="zone")
def sleep():
    time.sleep(60)

@policies.answer("hang.example", "A", budget=0.05, fallback="servfail")
async def hang():
    await asyncio.sleep(60)

@policies.answer("exit.example", "A", fallback="192.0.2.9")
def leave():
    raise SystemExit("this is the end")

@policies.answer("www.example", "A")
def www():
    return PASS
"""

GENEROUS_MEDIAN = 100_000
"""Microseconds, whatever it was without load."""

GENEROUS = 3.0
"""Seconds. Without an end to the loop there would be no answer at all, so machines may be busy."""


class Led:
    """A worker process, led over its control socket as the control process does it."""

    def __init__(self, folder: Path, policies: str, *, changed_to: str | None = None) -> None:
        file = folder / "traffic.py"
        file.write_text(policies)
        loaded = load([str(file)])
        assert not loaded.problems
        rows = {target.key: row for row, target in enumerate(loaded.targets)}
        store = Store.open(folder / "store", 1)
        HealthTable.create(folder / "health.0", len(rows))
        marks = [(policy.owner, policy.rdtype) for policy in loaded.policies]
        image, _ = compile_zone(stream_of(ZONE, "example."), b"\7example\0", store.seed, b"", marks)
        store.publish(b"\7example\0", image)
        if changed_to is not None:
            file.write_text(changed_to)
        self.log = folder / "log"
        self._control, theirs = socket.socketpair()
        self._control.settimeout(PATIENCE)
        self._lines = self._control.makefile("rb")
        address, udp, tcp = bind(parse_address("127.0.0.1:0"))
        self.port = address.port
        options = WorkerOptions(
            0,
            (Socket(udp.fileno(), "udp", False), Socket(tcp.fileno(), "tcp", False)),
            str(folder / "store"),
            bytes(16),
            drain_timeout=0.1,
            policies=(str(file),),
            declared=tuple(
                DeclaredPolicy(
                    each.name, each.type, each.options.ttl, str(each.place), each.owner, each.rdtype
                )
                for each in loaded.policies
            ),
            health_file=str(folder / "health.0"),
            health_rows=rows,
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pippin.serve.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(), udp.fileno(), tcp.fileno()),
                stderr=log,
            )
        for sock in (theirs, udp, tcp):
            sock.close()
        self._control.sendall(msgspec.json.encode(options) + b"\n")

    def tell(self, command: str) -> None:
        self._control.sendall(msgspec.json.encode({"do": command}) + b"\n")

    def hear(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self._lines.readline())
        return found

    def end(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self.tell("stop")
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._lines.close()
        self._control.close()

    def ask(self, name: str, *, tcp: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, "A", use_edns=0)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, "127.0.0.1", PATIENCE, self.port)

    def address_of(self, name: str, *, tcp: bool = False) -> str:
        (rrset,) = self.ask(name, tcp=tcp).answer
        return str(rrset[0])

    def statistics(self) -> dict[str, dict[str, Any]]:
        self.tell("policies")
        event = self.hear()
        assert event["event"] == "policies"
        return {policy["name"]: policy for policy in event["policies"]}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Led]:
    led = Led(tmp_path, POLICIES)
    try:
        assert led.hear() == {"event": "ready"}
        led.tell("start")
        assert led.hear() == {"event": "answering"}
        yield led
    finally:
        led.end()


def test_answers_come_from_the_policy_file(worker: Led) -> None:
    assert {worker.address_of("good.example") for _ in range(50)} == {"192.0.2.1", "192.0.2.2"}
    assert worker.address_of("good.example", tcp=True) == "192.0.2.3"
    assert worker.address_of("www.example") == "192.0.2.10"
    good = worker.statistics()["good.example"]
    assert (good["evaluations"], good["hits"], good["distinct"]) == (2, 49, {"client.transport": 2})


@pytest.mark.parametrize("name", ["loop", "stubborn", "sleep", "hang", "exit"])
def test_whatever_a_policy_does_its_clients_get_the_fallback(worker: Led, name: str) -> None:
    for _ in range(3):
        reply = worker.ask(f"{name}.example")
        assert [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)] == [0]
        if name == "exit":
            assert str(reply.answer[0][0]) == "192.0.2.9"
        else:
            assert reply.rcode() == (dns.rcode.NOERROR if name == "sleep" else dns.rcode.SERVFAIL)
    assert worker.address_of("good.example") in ("192.0.2.1", "192.0.2.2")
    assert worker.process.poll() is None
    found = worker.statistics()[f"{name}.example"]
    assert (found["failures"], found["fallbacks"]) == (3, 3)
    assert found["overruns"] == (0 if name == "exit" else 3)
    log = worker.log.read_text()
    assert log.count("a policy failed") == 1
    assert 'traffic.py", line' in log


@pytest.mark.parametrize("name", ["loop", "stubborn"])
def test_an_endless_loop_leaves_other_names_answered(worker: Led, name: str) -> None:
    """One client keeps asking for the policy that never ends; another measures how long its own answers take."""
    query = dns.message.make_query(f"{name}.example", "A").to_wire()
    waits = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flooder:
        flooder.connect(("127.0.0.1", worker.port))
        flooder.setblocking(False)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            for _ in range(20):
                flooder.send(query)
            began = time.monotonic()
            assert worker.address_of("ns1.example") == "192.0.2.1"
            waits.append(time.monotonic() - began)
            time.sleep(0.005)
    waits.sort()
    assert waits[-1] < GENEROUS
    assert waits[len(waits) // 2] < GENEROUS / 10
    found = worker.statistics()[f"{name}.example"]
    assert found["rests"] >= 1
    assert found["evaluations"] < 20


@pytest.mark.parametrize("name", ["loop", "stubborn"])
def test_under_load_an_endless_loop_costs_other_names_nothing(worker: Led, tmp_path: Path, name: str) -> None:
    """dnsperf asks for static names, alone and beside another that asks for the policy that never ends."""
    static = ["ns1.example A", "ns1.example AAAA"]
    alone = Load(tmp_path / "alone", worker.port, static, 300, 2).wait()
    beside = Load(tmp_path / "beside", worker.port, static, 300, 4)
    endless = Load(tmp_path / "endless", worker.port, [f"{name}.example A"], 300, 4).wait()
    outcome = beside.wait()
    assert (alone.lost, outcome.lost, endless.lost) == (0, 0, 0)
    assert outcome.rcodes == {"NOERROR": outcome.sent}
    assert endless.rcodes == {"SERVFAIL": endless.sent}
    assert outcome.latency(50) < max(10 * alone.latency(50), GENEROUS_MEDIAN)
    assert outcome.latency(95) < 1_000_000 * GENEROUS
    found = worker.statistics()[f"{name}.example"]
    assert found["rests"] >= 1
    assert found["evaluations"] < 20
    assert found["fallbacks"] == endless.sent


@pytest.mark.parametrize(
    ("changed_to", "problem"),
    [
        ("from pippin import nothing_of_that_name\n", "traffic.py:1: "),
        (POLICIES.replace("loop.example", "other.example"), "more: other.example A; less: loop.example A"),
    ],
)
def test_a_worker_that_finds_other_policies_than_were_checked_says_so_and_ends(
    tmp_path: Path, changed_to: str, problem: str
) -> None:
    led = Led(tmp_path, POLICIES, changed_to=changed_to)
    try:
        said = led.hear()
        assert said["event"] == "failed"
        assert problem in said["problems"][0]
        assert led.process.wait(PATIENCE) == 1
    finally:
        led.end()
