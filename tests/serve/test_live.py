"""Names looked up on demand: merged, bounded, remembered, and given stale while the source is away.

The source here is a small one in memory that can be held up and taken away; `tests/control/test_live.py` has real ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from pippin.engine.records import append, iterate
from pippin.query.pipeline import Silence
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve import live as module
from pippin.serve.live import Live
from pippin.serve.lookers import InThreads
from pippin.source.live import LiveSettings, LiveZone, Looked, LookUpError, Unreadable
from pippin.zone.answer import Zones
from pippin.zone.problem import Problem
from tests.zone.images import compiled, stream_of

ZONE = """
one.test. 300 SOA ns.one.test. host.one.test. 1 2 3 4 60
one.test. 300 NS ns.one.test.
ns.one.test. 300 A 192.0.2.1
www.one.test. 300 A 192.0.2.10
short.one.test. 5 A 192.0.2.11
never.one.test. 0 A 192.0.2.12
alias.one.test. 300 CNAME www.one.test.
"""


class Memory:
    """A source in memory. Every look-up waits until `gate` is open, and fails while `error` is set."""

    def __init__(self, text: str = ZONE, origin: str = "one.test.", empty: Sequence[str] = ()) -> None:
        self.zone = LiveZone(wire(origin), 1)
        self.text = text
        self.empty = [wire(name) for name in empty]
        self.unreadable: list[Unreadable] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: LookUpError | None = None
        self.asked: list[list[bytes]] = []
        self.zones_asked = self.running = self.most_running = 0
        self._lock = threading.Lock()

    def zones(self, names: Sequence[bytes]) -> list[LiveZone]:
        self.zones_asked += 1
        self._wait()
        return [self.zone] if self.zone.origin in names else []

    def records(self, zone: LiveZone, names: Sequence[bytes]) -> Looked:
        self.asked.append(list(names))
        self._wait()
        stream = stream_of(self.text, str(dns.name.from_wire(self.zone.origin, 0)[0])) if self.text else b""
        found = bytearray()
        for record in iterate(stream):
            if record.owner in names:
                append(found, record.owner, record.type, record.ttl, record.rdata, 0, record.line, 1)
        return Looked(
            bytes(found),
            tuple(name for name in self.empty if name in names),
            tuple(one for one in self.unreadable if one.owner in names),
            origins=(),
        )

    def close(self) -> None:
        pass

    def _wait(self) -> None:
        with self._lock:
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        assert self.gate.wait(20)
        with self._lock:
            self.running -= 1
        if self.error is not None:
            raise self.error


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def wire(text: str) -> bytes:
    return dns.name.from_text(text).canonicalize().to_wire() or b""


def question(name: str, rdtype: str = "A", client: str = "192.0.2.99") -> Query:
    return Query(dns.message.make_query(name, rdtype).to_wire(), (client, 4711), Transport.UDP)


async def opened(
    *sources: Memory,
    clock: Callable[[], float] | None = None,
    loaded: Zones | None = None,
    is_last: bool = True,
    entries: int = 1000,
    **more: Any,
) -> Live:
    found = {f"memory:{number}": source for number, source in enumerate(sources)}
    settings = tuple(LiveSettings(url, **{"timeout": 10, **more}) for url in found)
    live = Live(
        settings,
        loaded or Zones(),
        is_last=is_last,
        entries=entries,
        clock=clock or Clock(),
        looker=lambda one: InThreads(one, found[one.url]),
    )
    await live.start()
    return live


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


def shown(reply: Any, name: str = "www.one.test", rdtype: str = "A") -> str:
    """Rcode, EDE and the last records of the answer."""
    assert isinstance(reply, Reply), reply
    head = bytes(2) + bytes([0x84, reply.rcode]) + b"\0\1"
    head += b"".join(count.to_bytes(2, "big") for count in (reply.answers, reply.authorities, reply.additionals))
    asked = wire(name) + int(dns.rdatatype.from_text(rdtype)).to_bytes(2, "big") + b"\0\1"
    message = dns.message.from_wire(head + asked + reply.body)
    parts = [dns.rcode.to_text(message.rcode())]
    parts += [f"EDE {reply.ede}"] if reply.ede >= 0 else []
    parts += [f"{rrset.ttl} {rrset[0]}" for rrset in message.answer]
    return " ".join(parts)


async def ask(live: Live, name: str, rdtype: str = "A") -> str:
    return shown(await live.handle(question(name, rdtype)), name, rdtype)


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_equal_questions_are_one_look_up() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source)
        source.gate.clear()
        asking = [asyncio.create_task(live.handle(question("www.one.test"))) for _ in range(50)]
        asking += [asyncio.create_task(live.handle(question("WWW.one.test")))]
        await until(lambda: source.running)
        source.gate.set()
        assert {shown(reply) for reply in await asyncio.gather(*asking)} == {"NOERROR 300 192.0.2.10"}
        assert len(source.asked) == 1
        (counted,) = live.statistics()
        assert (counted.questions, counted.looked_up, counted.merged, counted.remembered) == (51, 1, 50, 1)
        live.close()

    run(work)


def test_one_look_up_fetches_all_that_the_answer_depends_on() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source)
        assert await ask(live, "a.b.one.test") == "NXDOMAIN"
        expected = ["a.b.one.test", "b.one.test", "*.b.one.test", "one.test", "*.one.test"]
        assert source.asked == [[wire(name) for name in expected]]
        live.close()

    run(work)


def test_targets_are_looked_up_in_another_round() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source)
        found = await ask(live, "alias.one.test")
        assert found == "NOERROR 300 www.one.test. 300 192.0.2.10"
        assert len(source.asked) == 2
        live.close()

    run(work)


def test_look_ups_at_a_time_are_limited() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source, concurrency=3)
        source.gate.clear()
        asking = [asyncio.create_task(ask(live, f"n{n}.one.test")) for n in range(40)]
        await until(lambda: source.running == 3)
        await asyncio.sleep(0.05)
        assert source.running == 3
        source.gate.set()
        assert set(await asyncio.gather(*asking)) == {"NXDOMAIN"}
        assert source.most_running == 3
        live.close()

    run(work)


def test_questions_past_the_end_of_the_line_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_LINE", 10)

    async def work() -> None:
        source = Memory()
        live = await opened(source)
        source.gate.clear()
        asking = [asyncio.create_task(live.handle(question(f"n{n}.one.test"))) for n in range(25)]
        await until(lambda: source.running)
        source.gate.set()
        replies = await asyncio.gather(*asking)
        assert sum(isinstance(reply, Silence) for reply in replies) == 15
        assert live.dropped == 15
        assert isinstance(await live.handle(question("www.one.test")), Reply)
        live.close()

    run(work)


def test_when_the_line_is_full_only_what_needs_no_look_up_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_LINE", 2)

    async def work() -> None:
        source = Memory()
        live = await opened(source, loaded=Zones([compiled("z. 60 SOA a. b. 1 2 3 4 5\nz. 60 NS a.", "z.")]))
        await ask(live, "www.one.test")
        assert live.admits(question("new.one.test"))
        source.gate.clear()
        asking = [asyncio.create_task(live.handle(question(f"n{n}.one.test"))) for n in range(2)]
        await until(lambda: source.running)
        admitted = [name for name in ("new.one.test", "www.one.test", "WWW.z") if live.admits(question(name))]
        assert admitted == ["www.one.test", "WWW.z"]
        assert live.dropped == 1
        source.gate.set()
        await asyncio.gather(*asking)
        assert live.admits(question("new.one.test"))
        live.close()

    run(work)


def test_who_waits_for_longer_than_the_limit_gets_servfail_and_what_comes_late_is_remembered() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source, timeout=0.1)
        await live.handle(question("other.one.test"))  # so that the zone is known
        source.gate.clear()
        assert await ask(live, "www.one.test") == "SERVFAIL EDE 22"
        assert await ask(live, "www.one.test") == "SERVFAIL EDE 22"
        assert len(source.asked) == 2  # it is still under way, and not begun again
        source.gate.set()
        await until(lambda: live.statistics()[0].looked_up == 2)
        assert await ask(live, "www.one.test") == "NOERROR 300 192.0.2.10"
        assert len(source.asked) == 2
        live.close()

    run(work)


def test_answers_are_remembered_for_their_ttl_and_no_longer_than_is_set() -> None:
    async def work() -> None:
        clock, source = Clock(), Memory()
        live = await opened(source, clock=clock, cache_ttl=20)
        ttls = {"www": 20, "short": 5, "never": 0, "nothing": 20}
        for label, ttl in ttls.items():
            reply = await live.handle(question(f"{label}.one.test"))
            assert isinstance(reply, Reply)
            assert (label, reply.ttl) == (label, ttl)
        asked = len(source.asked)
        clock.now += 4
        for label in ttls:
            await live.handle(question(f"{label}.one.test"))
        assert len(source.asked) == asked + 1  # never
        source.text = source.text.replace("192.0.2.10", "192.0.2.20")
        clock.now += 15.5
        assert await ask(live, "www.one.test") == "NOERROR 300 192.0.2.10"
        clock.now += 1
        assert await ask(live, "www.one.test") == "NOERROR 300 192.0.2.20"
        live.close()

    run(work)


def test_while_the_source_is_away_answers_are_stale_and_what_is_not_known_is_servfail() -> None:
    """RFC 8767; RFC 8914 sections 4.4, 4.20 and 4.24."""

    async def work() -> None:
        clock, source = Clock(), Memory()
        live = await opened(source, clock=clock, stale=1000)
        for label in ("www", "nothing", "short"):
            await live.handle(question(f"{label}.one.test"))
        clock.now += 30
        source.error = LookUpError("cut")
        assert await ask(live, "www.one.test") == "NOERROR EDE 3 30 192.0.2.10"
        assert await ask(live, "short.one.test") == "NOERROR EDE 3 5 192.0.2.11"
        assert await ask(live, "nothing.one.test") == "NXDOMAIN EDE 19"
        reply = await live.handle(question("other.one.test"))
        assert shown(reply) == "SERVFAIL EDE 23"
        assert isinstance(reply, Reply)
        assert 0 < reply.ttl <= 1  # a failure is remembered, but not for long (RFC 9520)
        (counted,) = live.statistics()
        assert (counted.away_since, counted.error, counted.stale) == (clock.now, "cut", 3)
        clock.now += 1000
        assert await ask(live, "www.one.test") == "SERVFAIL EDE 23"
        live.close()

    run(work)


def test_source_that_is_away_is_tried_once_a_second_and_answers_again_when_it_is_back() -> None:
    async def work() -> None:
        clock, source = Clock(), Memory()
        live = await opened(source, clock=clock)
        await live.handle(question("www.one.test"))
        source.error = LookUpError("cut")
        clock.now += 30
        await live.handle(question("www.one.test"))
        asked = len(source.asked) + source.zones_asked
        for n in range(20):
            await live.handle(question(f"n{n}.one.test"))
        assert len(source.asked) + source.zones_asked == asked
        source.error = None
        source.text = source.text.replace("192.0.2.10", "192.0.2.20")
        clock.now += 1.5
        assert await ask(live, "www.one.test") == "NOERROR 300 192.0.2.20"
        assert await ask(live, "n1.one.test") == "NXDOMAIN"
        assert live.statistics()[0].away_since == 0
        live.close()

    run(work)


def test_when_every_look_up_hangs_nobody_waits_for_it_any_more() -> None:
    async def work() -> None:
        clock, source = Clock(), Memory()
        live = await opened(source, clock=clock, timeout=0.1, concurrency=2)
        await live.handle(question("www.one.test"))
        source.gate.clear()
        clock.now += 1.5
        for n in range(2):
            assert await ask(live, f"n{n}.one.test") == "SERVFAIL EDE 22"
        assert live.statistics()[0].away_since
        assert await ask(live, "n3.one.test") == "SERVFAIL EDE 23"
        source.gate.set()
        await until(lambda: not live.statistics()[0].away_since)
        live.close()

    run(work)


def test_names_in_no_zone_are_refused_and_not_asked_for_again() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source)
        for _ in range(10):
            reply = await live.handle(question("www.two.test"))
            assert shown(reply) == "REFUSED EDE 20"
            assert isinstance(reply, Reply)
            assert reply.ttl > 0
            assert not reply.authoritative
        assert source.zones_asked == 1
        live.close()

    run(work)


def test_names_in_no_zone_are_left_to_forwarding_where_there_is_any() -> None:
    async def work() -> None:
        live = await opened(Memory(), is_last=False)
        assert await live.handle(question("www.two.test")) is None
        live.close()

    run(work)


def test_loaded_zones_are_never_looked_up() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source, loaded=Zones([compiled("z. 60 SOA a. b. 1 2 3 4 5\nz. 60 NS a.", "z.")]))
        assert await live.handle(question("www.z")) is None
        assert source.zones_asked == 0
        live.close()

    run(work)


def test_first_source_that_has_the_zone_wins_and_one_that_is_away_hides_no_other() -> None:
    async def work() -> None:
        clock = Clock()
        first, second = Memory(), Memory(ZONE.replace("192.0.2.10", "192.0.2.20"))
        other = Memory(ZONE.replace("one.test.", "two.test."), "two.test.")
        live = await opened(first, second, other, clock=clock)
        assert await ask(live, "www.one.test") == "NOERROR 300 192.0.2.10"
        clock.now += 30
        first.error = LookUpError("cut")
        # what it had is still its own
        assert await ask(live, "www.one.test") == "NOERROR EDE 3 30 192.0.2.10"
        assert await ask(live, "ns.one.test") == "SERVFAIL EDE 23"
        assert await ask(live, "www.two.test") == "NOERROR 300 192.0.2.10"
        # and whether it has this one now, nobody knows
        assert await ask(live, "www.three.test") == "SERVFAIL EDE 23"
        live.close()

    run(work)


def test_rows_that_are_wrong_spoil_what_depends_on_them_alone() -> None:
    async def work() -> None:
        text = ZONE + "\n".join(
            [
                "a.one.test. 300 A 192.0.2.31",
                "below.a.one.test. 300 A 192.0.2.32",
                "below.cut.one.test. 300 A 192.0.2.33",
                "both.one.test. 300 CNAME www.one.test.",
                "both.one.test. 300 A 192.0.2.34",
                "mail.one.test. 300 MX 10 a.one.test.",
                "signed.one.test. 300 NSEC z.one.test. A",
                "to.one.test. 300 CNAME a.one.test.",
            ]
        )
        source = Memory(text)
        for owner, kind in (("a", 16), ("cut", 2), ("*.w", 1)):
            problem = Problem("table", len(source.unreadable) + 1, 0, "it is wrong")
            source.unreadable.append(Unreadable(wire(f"{owner}.one.test"), kind, problem))
        live = await opened(source)
        expected = {
            "a": "SERVFAIL EDE 24",
            "below.a": "NOERROR 300 192.0.2.32",
            "x.a": "NXDOMAIN",
            "cut": "SERVFAIL EDE 24",
            "below.cut": "SERVFAIL EDE 24",
            "both": "SERVFAIL EDE 24",
            "signed": "SERVFAIL EDE 24",
            "x.w": "SERVFAIL EDE 24",
            "to": "SERVFAIL EDE 24",
            "www": "NOERROR 300 192.0.2.10",
        }
        found = {}
        for label in expected:
            name = f"{label}.one.test"
            found[label] = await ask(live, name)
        assert found == expected
        mail = await live.handle(question("mail.one.test", "MX"))
        assert isinstance(mail, Reply)
        assert (mail.rcode, mail.answers) == (0, 1)
        live.close()

    run(work)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("one.test. 300 RRSIG A 8 2 300 20300101000000 20200101000000 1 one.test. AAAA", "the zone is signed"),
        ("one.test. 300 SOA ns.one.test. host.one.test. 2 2 3 4 60", "a second SOA"),
    ],
)
def test_zone_that_cannot_be_answered_from_is_servfail_and_reported_once(
    capsys: pytest.CaptureFixture[str], line: str, reason: str
) -> None:
    async def work() -> None:
        live = await opened(Memory(ZONE + line))
        for label in ("www", "nothing", "ns"):
            assert await ask(live, f"{label}.one.test") == "SERVFAIL EDE 24"
        live.close()

    run(work)
    output = capsys.readouterr()
    assert (output.out + output.err).count(reason) == 1


def test_zone_that_vanishes_between_two_looks_is_looked_for_again() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source)
        await live.handle(question("www.one.test"))
        source.text, source.zone = "", LiveZone(wire("other.test"), 2)
        assert await ask(live, "ns.one.test") == "REFUSED EDE 20"
        live.close()

    run(work)


def test_hot_names_are_looked_up_again_before_their_time_ends() -> None:
    async def work() -> None:
        clock, source = Clock(), Memory()
        live = await opened(source, clock=clock, cache_ttl=20)
        asked = question("www.one.test")
        await live.handle(asked)
        assert await live.refresh(asked) is None  # only just looked up
        clock.now += 18
        source.text = source.text.replace("192.0.2.10", "192.0.2.20")
        assert shown(await live.refresh(asked)) == "NOERROR 300 192.0.2.20"
        assert await live.refresh(question("ns.one.test")) is None  # nobody has asked for it
        source.error = LookUpError("cut")
        clock.now += 18
        assert await live.refresh(asked) is None
        live.close()

    run(work)


def test_memory_is_bounded() -> None:
    async def work() -> None:
        source = Memory()
        live = await opened(source, entries=10)
        for n in range(30):
            await live.handle(question(f"n{n}.one.test"))
        (counted,) = live.statistics()
        assert (counted.remembered, counted.evicted) == (10, 20)
        live.close()

    run(work)
