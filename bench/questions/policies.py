"""What does an answer cost that is decided for each client, beside one that is the same for all?

Every server answers the same questions for `static`, a record, and for `www`, decided (`bench/peers/steering.py`). The
clients are subnets in the queries, so all queries have an option that a static answer pays for too.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rcode

from bench import check, dnsperf, steering
from bench.check import WrongAnswer
from bench.measure import WARM_UP_SECONDS, Bench, in_turns, rate_figures, running, wait_answer
from bench.peers.dnslib import Dnslib
from bench.peers.peer import Peer, ZoneFile
from bench.peers.steering import ONE, TWO, Steering, SteeringGdnsd, SteeringPippin, SteeringPowerDns
from bench.peers.steering import steering as decided
from bench.question import RATE_FIGURES, Question, Row, Target

ORIGIN = "example.test"
SAMPLE = 200
FAVOURED = ("DE", "FR")

Expected = Callable[[dns.message.Message], tuple[str, ...]]
"""The addresses that are right for a query."""


def _either(query: dns.message.Message) -> tuple[str, ...]:
    return (ONE, TWO)


def _only_one(query: dns.message.Message) -> tuple[str, ...]:
    return (ONE,)


def _by_country(seed: int) -> Expected:
    countries = dict(steering.networks(seed))

    def expected(query: dns.message.Message) -> tuple[str, ...]:
        option = next(o for o in query.options if isinstance(o, dns.edns.ECSOption))
        network = ipaddress.IPv4Network(f"{option.address}/{option.srclen}")
        return (ONE,) if countries[network] in FAVOURED else (TWO,)

    return expected


def _compare(port: int, stream: Path, expected: Expected) -> None:
    """The first queries of a stream get an address that is right for them."""
    with stream.open("rb") as file:
        for _ in range(SAMPLE):
            query = dns.message.from_wire(file.read(int.from_bytes(file.read(2), "big")))
            reply = dns.query.udp(query, "127.0.0.1", port=port, timeout=check.TIMEOUT)
            found = [str(item) for rrset in reply.answer for item in rrset]
            right = expected(query)
            if reply.rcode() != dns.rcode.NOERROR or len(found) != 1 or found[0] not in right:
                raise WrongAnswer(f"{query.question[0]}: {dns.rcode.to_text(reply.rcode())} {found}, right: {right}")


def _turn(bench: Bench, kind: type[Peer], stream: Path, expected: Expected) -> Callable[[int], dict[str, float]]:
    def turn(number: int) -> dict[str, float]:
        with running(bench, kind, ZoneFile(ORIGIN, Path()), bench.server_cpus) as (peer, process):
            wait_answer(peer.port, f"ns1.{ORIGIN}", process)
            start = time.monotonic() - process.started
            _compare(peer.port, stream, expected)

            def ask(seconds: float, rate: float | None = None) -> dnsperf.Outcome:
                return dnsperf.run(peer.port, stream, seconds, bench.client_cpus, bench.scratch, rate=rate)

            ask(WARM_UP_SECONDS)
            return rate_figures(bench, process, start, ask)

    return turn


def _rows(bench: Bench, wanted: list[tuple[str, type[Peer], Path, Expected]]) -> list[Row]:
    """Those whose server was asked for; dnslib answers nothing but its own question, which is always asked."""
    chosen = [row for row in wanted if row[1] is Dnslib or row[0].split()[0] in bench.servers]
    for _, kind, _, _ in chosen:
        if not kind.is_installed():
            bench.say(f"{kind.name} is not installed")
    return in_turns(
        bench,
        [
            (label, _turn(bench, kind, stream, right))
            for label, kind, stream, right in chosen
            if kind.is_installed()
        ],
    )


def _decided(bench: Bench, base: type[Steering], decision: str, lua: str = "") -> type[Steering]:
    folder, seed = bench.material.folder, bench.material.seed
    return decided(base, base.__mro__[2].name, decision, steering.database(folder, seed), lua)


def ask_weighted(bench: Bench) -> list[Row]:
    """One of two addresses, three to one."""
    folder, seed = bench.material.folder, bench.material.seed
    static = steering.subnets(folder, f"static.{ORIGIN}", seed)
    www = steering.subnets(folder, f"www.{ORIGIN}", seed)
    pippin = _decided(bench, SteeringPippin, "weighted")
    gdnsd = _decided(bench, SteeringGdnsd, "weighted")
    powerdns = _decided(bench, SteeringPowerDns, "weighted", "shared")
    return _rows(
        bench,
        [
            ("pippin static", pippin, static, _only_one),
            ("pippin", pippin, www, _either),
            ("gdnsd static", gdnsd, static, _only_one),
            ("gdnsd", gdnsd, www, _either),
            ("powerdns static", powerdns, static, _only_one),
            ("powerdns shared", powerdns, www, _either),
        ],
    )


def ask_country(bench: Bench) -> list[Row]:
    """By the country of 10,000 networks."""
    folder, seed = bench.material.folder, bench.material.seed
    static = steering.subnets(folder, f"static.{ORIGIN}", seed)
    www = steering.subnets(folder, f"www.{ORIGIN}", seed)
    right = _by_country(seed)
    pippin = _decided(bench, SteeringPippin, "country")
    return _rows(
        bench,
        [
            ("pippin static", pippin, static, _only_one),
            ("pippin", pippin, www, right),
            ("gdnsd", _decided(bench, SteeringGdnsd, "country"), www, right),
            ("powerdns shared", _decided(bench, SteeringPowerDns, "country", "shared"), www, right),
            ("powerdns isolated", _decided(bench, SteeringPowerDns, "country", "yes"), www, right),
        ],
    )


def ask_strangers(bench: Bench) -> list[Row]:
    """By the whole address, no two queries from the same: nothing that was remembered is of use."""
    folder, seed = bench.material.folder, bench.material.seed
    static = steering.subnets(folder, f"static.{ORIGIN}", seed)
    www = steering.strangers(folder, f"www.{ORIGIN}", seed)
    pippin = _decided(bench, SteeringPippin, "address")
    return _rows(
        bench,
        [
            ("pippin static", pippin, static, _only_one),
            ("pippin", pippin, www, _either),
            ("dnslib", Dnslib, www, _either),
        ],
    )


WEIGHTED = Question(
    name="policy-weighted",
    title="A weighted choice, beside a static answer",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", factor=1.25, peers=("pippin static",)),),
    ask=ask_weighted,
)
COUNTRY = Question(
    name="policy-country",
    title="A choice by the client's country, 10,000 client subnets",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(
        Target("cpu_us", factor=1.6, peers=("pippin static",)),
        Target("cpu_us", factor=1 / 3, peers=("powerdns shared",)),
        Target("cpu_us", factor=1 / 60, peers=("powerdns isolated",)),
    ),
    ask=ask_country,
)
STRANGERS = Question(
    name="policy-strangers",
    title="A choice by the client's address, every query from another one",
    figures=RATE_FIGURES,
    main="cpu_us",
    targets=(Target("cpu_us", limit=60.0),),
    ask=ask_strangers,
)
