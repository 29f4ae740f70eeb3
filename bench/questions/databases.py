"""Zones from PostgreSQL: how long until a change is served, how long until all are, and what answers cost then.

A change is one record, updated and committed by somebody else's connection; the time runs from sending the statement
to the first answer with the new address, asked for every two milliseconds. PostgreSQL runs with its own settings, on
the same cores as the server; all cores may be used but for the cost of answers.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

import dns.message

from bench.databases import DatabasePippin, postgresql, rows_of, serving, small_zone_rows
from bench.material import FULL
from bench.measure import Bench, Load, NoStart, in_turns, rate_turn, running, wait_answer
from bench.peers.peer import ZoneFile
from bench.peers.pippin import Pippin
from bench.question import RATE_FIGURES, Figure, Question, Row, Target
from bench.zones import Plan, small_zone_origin

CHANGED_ZONE = 100_000
"""Records of the zone in which one is changed."""

CHANGES = 12
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.002

MANY_ZONES, THEIR_RECORDS = 10_000, 100
SAMPLE = 50

Turn = Callable[[int], dict[str, float]]


def _served(connection: socket.socket, query: bytes, address: bytes) -> bool:
    connection.send(query)
    try:
        return connection.recv(4096).endswith(address)
    except TimeoutError:
        return False


def _change_turn(bench: Bench) -> Turn:
    records = CHANGED_ZONE if bench.material.sizes is FULL else CHANGED_ZONE // 50
    plan = Plan("example.test", records * 74 // 100, records, bench.material.seed)
    cores = bench.server_cpus | bench.client_cpus

    def turn(number: int) -> dict[str, float]:
        with postgresql() as database:
            database.fill([(plan.origin, rows_of(plan))])
            zone = ZoneFile(plan.origin, Path())
            with running(bench, serving(database.url), zone, cores) as (peer, process):
                wait_answer(peer.port, f"ns1.{plan.origin}", process)
                with database.connect() as writer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                    asking.connect(("127.0.0.1", peer.port))
                    asking.settimeout(1.0)
                    times = []
                    for change in range(CHANGES):
                        # Hosts from the end of the zone: the first ones have two addresses.
                        name = f"{plan.host(plan.hosts - 1 - 97 * change)}.{plan.origin}"
                        query = dns.message.make_query(name, "A", flags=0, use_edns=False).to_wire()
                        address = bytes((172, 16, number, change))
                        text = ".".join(map(str, address))
                        time.sleep(0.5)  # as changes come: not while the one before is still being worked on
                        began = time.monotonic()
                        writer.execute(
                            "UPDATE records SET content = %s WHERE domain_id = 1 AND name = %s AND type = 'A'",
                            (text, name),
                        )
                        while not _served(asking, query, address):
                            if time.monotonic() > began + PATIENCE_SECONDS:
                                raise NoStart(f"a change was not served within {PATIENCE_SECONDS:g} s")
                            time.sleep(LOOK_SECONDS)
                        times.append(1000 * (time.monotonic() - began))
                return {"change_ms": median(times), "worst_ms": max(times), "pss_mib": process.pss_bytes() / 2**20}

    return turn


def ask_change(bench: Bench) -> list[Row]:
    """Pippin alone: the others that read these tables ask them at every query, or poll once a minute."""
    return in_turns(bench, [("pippin", _change_turn(bench))]) if "pippin" in bench.servers else []


def _start_turn(bench: Bench) -> Turn:
    zones = MANY_ZONES if bench.material.sizes is FULL else MANY_ZONES // 50
    origins = [small_zone_origin(number) for number in range(zones)]
    cores = bench.server_cpus | bench.client_cpus

    def start(kind: type[DatabasePippin], folder: Path) -> dict[str, float]:
        with running(bench, kind, ZoneFile(origins[0], Path()), cores, folder=folder) as (peer, process):
            for origin in (*origins[:: max(1, zones // SAMPLE)], origins[-1]):
                wait_answer(peer.port, f"mail.{origin}", process)
            seconds = time.monotonic() - process.started
            return {"s": seconds, "cpu": process.cpu_time().total, "pss": process.pss_bytes() / 2**20}

    def turn(number: int) -> dict[str, float]:
        folder = Path(mkdtemp(prefix="pippin-", dir=bench.scratch))
        try:
            with postgresql() as database:
                database.fill(
                    (origin, small_zone_rows(origin, domain, THEIR_RECORDS)) for domain, origin in enumerate(origins, 1)
                )
                kind = serving(database.url)
                cold, again = start(kind, folder), start(kind, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {"start_s": cold["s"], "cpu_s": cold["cpu"], "restart_s": again["s"], "pss_mib": cold["pss"]}

    return turn


def ask_start(bench: Bench) -> list[Row]:
    """Pippin alone."""
    return in_turns(bench, [("pippin", _start_turn(bench))]) if "pippin" in bench.servers else []


def ask_answers(bench: Bench) -> list[Row]:
    """The same zone and the same questions, from a file and from the database."""
    if "pippin" not in bench.servers:
        return []
    plan = bench.material.plan()
    load = Load(bench.material.zone(), bench.material.stream("mixed"))
    try:
        with postgresql() as database:
            database.fill([(plan.origin, rows_of(plan))])
            kinds = [("pippin file", Pippin), ("pippin", serving(database.url))]
            return in_turns(bench, [(label, rate_turn(bench, kind, load)) for label, kind in kinds])
    except NoStart as error:
        return [Row("pippin", note=str(error))]


CHANGE = Question(
    name="database-change",
    title=f"One of {CHANGED_ZONE:,} records of a zone in PostgreSQL is changed: until it is served, {CHANGES} times",
    figures=(
        Figure("change_ms", "median ms", 1),
        Figure("worst_ms", "worst ms", 1),
        Figure("pss_mib", "PSS MiB", 1),
    ),
    main="change_ms",
    targets=(Target("change_ms", limit=250.0), Target("worst_ms", limit=250.0)),
    ask=ask_change,
)
START = Question(
    name="database-start",
    title=f"{MANY_ZONES:,} zones of {THEIR_RECORDS} records in PostgreSQL: start, and start again with nothing changed",
    figures=(
        Figure("start_s", "start s", 2),
        Figure("cpu_s", "CPU s until then", 2),
        Figure("restart_s", "restart s", 2),
        Figure("pss_mib", "PSS MiB", 1),
    ),
    main="start_s",
    targets=(Target("start_s", limit=30.0),),
    ask=ask_start,
)
ANSWERS = Question(
    name="database-answers",
    title="Mixed stream, the zone from PostgreSQL and from a file",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", factor=1.05, peers=("pippin file",)),),
    ask=ask_answers,
)
