"""Several upstreams: who is asked first, and what happens when one is silent, fails, or goes away."""

from __future__ import annotations

import asyncio
import os
import ssl
import time

import dns.rcode
import structlog.testing

from pippin.forward.settings import ForwardSettings, parse_upstream
from pippin.forward.upstream import Upstream as OneUpstream
from tests.forward.asking import Asking, addresses, run
from tests.forward.upstreams import HOST, Asked, Upstream, address_for_all, silent
from tests.peers.server import free_port


def forwarding_to(*upstreams: Upstream, **settings: object) -> Asking:
    return Asking(ForwardSettings(upstreams=tuple(u.text for u in upstreams), **settings))  # type: ignore[arg-type]


def says(address: str, delay: float = 0.0, host: str = HOST) -> Upstream:
    def script(asked: Asked) -> None:
        asyncio.get_running_loop().call_later(delay, asked.give, f"{asked.name} 300 IN A {address}")

    return Upstream(script, host=host)


async def answers(asking: Asking, count: int, start: int = 0) -> list[str]:
    return [addresses(await asking.ask(f"h{start + n}.example.net."))[0] for n in range(count)]


def test_rotation_gives_each_its_turn() -> None:
    async def test() -> None:
        async with says("192.0.2.1") as one, says("192.0.2.2") as two, says("192.0.2.3") as three:
            asking = forwarding_to(one, two, three, mode="rotate")
            found = await answers(asking, 30)
            assert [found.count(f"192.0.2.{n}") for n in (1, 2, 3)] == [10, 10, 10]
            await asking.close()

    run(test())


def test_ordered_asks_the_first_while_it_answers() -> None:
    async def test() -> None:
        async with says("192.0.2.1") as one, says("192.0.2.2") as two:
            asking = forwarding_to(one, two, mode="ordered")
            assert await answers(asking, 10) == ["192.0.2.1"] * 10
            assert not two.asked
            await asking.close()

    run(test())


def test_ports_are_drawn_from_all_there_are() -> None:
    """RFC 5452 section 9.2: with 64,512 of them a port is worth nearly 16 bits."""

    async def test() -> None:
        async with says("192.0.2.1") as upstream:
            asking = forwarding_to(upstream)
            for start in range(0, 600, 100):
                await asyncio.gather(*(answers(asking, 1, start=start + n) for n in range(100)))
            ports = sorted(asked.source_port for asked in upstream.asked)
            assert len(set(ports)) > 580
            assert ports[0] < 1024 + 3000
            assert ports[-1] > 65535 - 3000
            assert sum(port > 33280 for port in ports) in range(200, 400)  # as many above the middle as below
            numbers = [asked.query.id for asked in upstream.asked]
            assert len(set(numbers)) > 580
            assert sum(number > 32767 for number in numbers) in range(200, 400)
            await asking.close()

    run(test())


def test_an_upstream_may_have_an_ipv6_address() -> None:
    async def test() -> None:
        async with says("192.0.2.1", host="::1") as upstream:
            asking = forwarding_to(upstream)
            assert await answers(asking, 2) == ["192.0.2.1"] * 2
            await asking.close()
            asking = Asking(ForwardSettings(upstreams=(f"tcp://{upstream.text}",)))
            assert await answers(asking, 2) == ["192.0.2.1"] * 2
            await asking.close()

    run(test())


def test_sockets_of_questions_in_vain_are_closed() -> None:
    """Nobody answers, nobody is there, and the one who asks goes away."""

    async def test() -> None:
        async with Upstream(silent) as upstream:
            gone = free_port()
            before = len(os.listdir("/proc/self/fd"))
            for patience in (0.05, 0.7):
                asking = forwarding_to(upstream, patience=patience)
                asks = [asyncio.ensure_future(asking.ask(f"h{n}.example.net.")) for n in range(20)]
                assert {reply.rcode() for reply in await asyncio.gather(*asks)} == {dns.rcode.SERVFAIL}
                asks = [asyncio.ensure_future(asking.ask(f"g{n}.example.net.")) for n in range(20)]
                await asyncio.sleep(0.02)
                asking.pipeline.close()
                await asking.close()
                await asyncio.wait(asks, timeout=0.1)
                for task in asks:
                    task.cancel()
            asking = Asking(ForwardSettings(upstreams=(f"{HOST}:{gone}",)))
            assert (await asking.ask("www.example.net.")).rcode() == dns.rcode.SERVFAIL
            await asking.close()
            assert len(os.listdir("/proc/self/fd")) == before

    run(test())


def test_an_upstream_that_fails_now_and_then_does_not_fill_the_log() -> None:
    """A rate limit at the upstream, or a bad line: it fails, answers again, fails …"""

    async def test() -> None:
        async with Upstream(silent) as upstream:
            asking = forwarding_to(upstream, patience=0.05, cache_size=0)
            with structlog.testing.capture_logs() as logs:
                for turn in range(4):
                    upstream.script = silent
                    for number in range(4):
                        await asking.ask(f"h{turn}{number}.example.net.")
                    upstream.script = address_for_all
                    assert addresses(await asking.ask(f"h{turn}.example.net.")) == ["192.0.2.1"]
            assert [log["event"] for log in logs] == [
                "an upstream fails and is asked last for a while",
                "an upstream answers again",
            ]
            await asking.close()

    run(test())


def test_nobody_is_believed_about_validation_but_who_cannot_be_impersonated() -> None:
    """RFC 4035 section 4.9.3: on a network somebody else may have set AD."""
    for text, trusted in (
        ("192.0.2.1", False),
        ("tcp://192.0.2.1", False),
        ("2001:db8::1", False),
        ("127.0.0.53", True),
        ("[::1]:5353", True),
    ):
        assert OneUpstream(parse_upstream(text), None, random_case=True).is_trusted is trusted
    address = parse_upstream("tls://192.0.2.1#dns.example")
    assert OneUpstream(address, ssl.create_default_context(), random_case=True).is_trusted


def test_fastest_finds_the_fastest_and_still_looks_at_the_others_at_times() -> None:
    async def test() -> None:
        async with says("192.0.2.1", delay=0.2) as slow, says("192.0.2.2", delay=0.001) as quick:
            asking = forwarding_to(slow, quick, mode="fastest")
            found = await answers(asking, 100)
            assert found.count("192.0.2.2") > 80
            assert len(slow.asked) >= 1
            await asking.close()

    run(test())


def test_the_second_is_asked_when_the_first_is_silent_and_the_first_rests_then() -> None:
    async def test() -> None:
        async with Upstream(silent) as dead, says("192.0.2.2") as living:
            asking = forwarding_to(dead, living, mode="ordered")
            began = time.monotonic()
            assert await answers(asking, 20) == ["192.0.2.2"] * 20
            assert time.monotonic() - began < 10  # three waits, and then none
            assert len(dead.asked) < 8
            first, second = asking.forwarding.statistics().forwarder.upstreams
            assert first.resting
            assert not second.resting
            await asking.close()

    run(test())


def test_an_upstream_that_comes_back_is_noticed_without_clients_paying() -> None:
    async def test() -> None:
        async with Upstream(silent) as back, says("192.0.2.2") as living:
            asking = forwarding_to(back, living, mode="ordered")
            await answers(asking, 5)
            back.script = lambda asked: asked.give(f"{asked.name} 300 IN A 192.0.2.1")
            for number in range(100):
                await answers(asking, 1, start=100 + number)
                if not asking.forwarding.statistics().forwarder.upstreams[0].resting:
                    break
                await asyncio.sleep(0.1)
            assert await answers(asking, 3, start=500) == ["192.0.2.1"] * 3
            await asking.close()

    run(test())


def test_one_of_two_dies_under_questions_and_nothing_is_lost() -> None:
    async def test() -> None:
        async with says("192.0.2.2") as living:
            async with says("192.0.2.1") as dying:
                asking = forwarding_to(dying, living, mode="rotate")
                await answers(asking, 20)
            found = await answers(asking, 40, start=100)  # its port is closed now
            assert found == ["192.0.2.2"] * 40
            assert asking.forwarding.statistics().forwarder.upstreams[0].unreachable >= 1
            await asking.close()

    run(test())


def test_servfail_and_refused_of_one_are_asked_of_the_next() -> None:
    async def test() -> None:
        for rcode in (dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR):
            async with (
                Upstream(lambda asked, code=rcode: asked.give(rcode=code)) as failing,
                says("192.0.2.2") as good,
            ):
                asking = forwarding_to(failing, good, mode="ordered")
                assert await answers(asking, 3) == ["192.0.2.2"] * 3
                await asking.close()

    run(test())


def test_a_referral_is_no_answer() -> None:
    """An authoritative server in the place of a resolver: the next one is asked."""

    def refers(asked: Asked) -> None:
        reply = asked.reply(authority=("net. 3600 IN NS a.gtld-servers.net.",))
        reply.flags &= ~0x0080  # RA
        asked.send(reply.to_wire())

    async def test() -> None:
        async with Upstream(refers) as lame, says("192.0.2.2") as good:
            asking = forwarding_to(lame, good, mode="ordered")
            assert await answers(asking, 2) == ["192.0.2.2"] * 2
            await asking.close()

    run(test())


def test_a_late_answer_of_the_first_still_counts() -> None:
    async def test() -> None:
        async with says("192.0.2.1", delay=0.9) as late, Upstream(silent) as dead:
            asking = forwarding_to(late, dead, mode="ordered")
            assert await answers(asking, 1) == ["192.0.2.1"]
            assert len(dead.asked) >= 1
            await asking.close()

    run(test())


def test_a_lost_packet_is_sent_again_to_a_single_upstream() -> None:
    seen: list[str] = []

    def loses_the_first(asked: Asked) -> None:
        seen.append(asked.name)
        if len(seen) > 1:
            asked.give(f"{asked.name} 300 IN A 192.0.2.1")

    async def test() -> None:
        async with Upstream(loses_the_first) as upstream:
            asking = forwarding_to(upstream)
            assert await answers(asking, 1) == ["192.0.2.1"]
            assert len(seen) == 2
            await asking.close()

    run(test())


def test_tcp_questions_share_a_connection_and_replies_may_change_order() -> None:
    def reversed_order(asked: Asked) -> None:
        number = int(asked.name[1:].partition(".")[0])
        delay = 0.2 - number * 0.01
        asyncio.get_running_loop().call_later(delay, asked.give, f"{asked.name} 300 IN A 192.0.2.{number}")

    async def test() -> None:
        async with Upstream(reversed_order) as upstream:
            asking = Asking(ForwardSettings(upstreams=(f"tcp://{upstream.text}",)))
            replies = await asyncio.gather(*(asking.ask(f"h{n}.example.net.") for n in range(10)))
            assert [addresses(reply) for reply in replies] == [[f"192.0.2.{n}"] for n in range(10)]
            assert upstream.connections == 1
            assert {asked.over for asked in upstream.asked} == {"tcp"}
            await asking.close()

    run(test())


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    async def test() -> None:
        async with says("192.0.2.1") as upstream:
            asking = Asking(ForwardSettings(upstreams=(f"tcp://{upstream.text}",)))
            assert await answers(asking, 3) == ["192.0.2.1"] * 3
            upstream.close_connections()
            await asyncio.sleep(0.05)
            assert await answers(asking, 3, start=10) == ["192.0.2.1"] * 3
            assert upstream.connections == 2
            await asking.close()

    run(test())


def test_a_connection_that_breaks_under_questions_loses_none() -> None:
    async def test() -> None:
        async with says("192.0.2.1") as upstream:

            def breaks_once(asked: Asked) -> None:
                upstream.script = lambda later: later.give(f"{later.name} 300 IN A 192.0.2.1")
                upstream.close_connections()

            upstream.script = breaks_once
            asking = Asking(ForwardSettings(upstreams=(f"tcp://{upstream.text}",)))
            assert await answers(asking, 2) == ["192.0.2.1"] * 2
            await asking.close()

    run(test())
