"""Upstreams that lie, and what comes of it: forged, mixed-up and poisoned replies (RFC 5452)."""

from __future__ import annotations

import asyncio
import random

import dns.message
import dns.rcode
import dns.rdatatype

from pippin.forward.settings import ForwardSettings
from pippin.forward.upstream import UpstreamStatistics
from tests.forward.asking import Asking, addresses, run
from tests.forward.upstreams import Asked, Upstream, rrset_of

TRUTH = "192.0.2.1"
LIE = "192.0.2.66"


def true_reply(asked: Asked) -> bytes:
    return asked.reply(f"{asked.name} 300 IN A {TRUTH}").to_wire()


def lie(asked: Asked) -> bytearray:
    return bytearray(asked.reply(f"{asked.name} 300 IN A {LIE}").to_wire())


def answers_after(upstream: Upstream, **settings: object) -> tuple[list[str], UpstreamStatistics]:
    """What a client gets from this upstream, and what was counted about it."""
    found: list[str] = []
    statistics: list[UpstreamStatistics] = []

    async def test() -> None:
        async with upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,), **settings))  # type: ignore[arg-type]
            found.extend(addresses(await asking.ask("www.example.net.")))
            statistics.extend(asking.forwarding.statistics().forwarder.upstreams)
            await asking.close()

    run(test())
    return found, statistics[0]


def test_wrong_id_is_ignored_and_the_right_reply_waited_for() -> None:
    def script(asked: Asked) -> None:
        forged = lie(asked)
        forged[0] ^= 1
        asked.send(bytes(forged))
        asked.send(true_reply(asked))

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.wrong_id == 1


def test_wrong_question_is_ignored() -> None:
    def script(asked: Asked) -> None:
        other = dns.message.make_query("evil.example.net.", "A", id=asked.query.id)
        reply = dns.message.make_response(other)
        reply.answer.append(rrset_of(f"www.example.net. 300 IN A {LIE}"))
        asked.send(reply.to_wire())
        asked.send(true_reply(asked))

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.wrong_question == 1


def test_wrong_case_of_letters_is_ignored() -> None:
    def script(asked: Asked) -> None:
        forged = lie(asked)
        asked.send(bytes(forged[:12] + forged[12:29].swapcase() + forged[29:]))
        asked.send(true_reply(asked))

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.wrong_case == 1


def test_a_query_sent_back_is_no_reply() -> None:
    def script(asked: Asked) -> None:
        asked.send(asked.wire)
        asked.send(b"\0")
        asked.send(true_reply(asked))

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.wrong_format == 2


def test_a_server_that_does_not_keep_case_is_asked_over_tcp() -> None:
    def script(asked: Asked) -> None:
        reply = true_reply(asked)
        asked.send(reply[:12] + reply[12:29].lower() + reply[29:])

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.wrong_case == 1
    assert statistics.over_tcp == 1


def test_a_flood_of_forgeries_moves_the_question_to_tcp() -> None:
    def script(asked: Asked) -> None:
        if asked.over == "udp":
            for number in range(200):
                forged = lie(asked)
                forged[0:2] = (asked.query.id + 1 + number & 0xFFFF).to_bytes(2, "big")
                asked.send(bytes(forged))
        else:
            asked.send(true_reply(asked))

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.over_tcp == 1
    assert statistics.wrong_id > 10


def test_lies_on_a_connection_are_waited_past_too() -> None:
    """Whoever answers there is the upstream, but it may have mixed something up."""

    def script(asked: Asked) -> None:
        forged = lie(asked)
        forged[0] ^= 1
        asked.send(bytes(forged))
        other = dns.message.make_query("evil.example.net.", "A", id=asked.query.id)
        asked.send(dns.message.make_response(other).to_wire())
        asked.send(b"")
        asked.send(b"\0" * 11)
        asked.send(true_reply(asked))

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(f"tcp://{upstream.text}",)))
            assert addresses(await asking.ask("www.example.net.")) == [TRUTH]
            statistics = asking.forwarding.statistics().forwarder.upstreams[0]
            assert statistics.wrong_question == 1
            assert statistics.wrong_id >= 1
            await asking.close()

    run(test())


def test_noise_is_waited_past() -> None:
    noise = random.Random(1)

    def script(asked: Asked) -> None:
        for _ in range(20):
            asked.send(noise.randbytes(noise.randrange(600)))
        asked.send(true_reply(asked))

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            for number in range(20):
                assert addresses(await asking.ask(f"h{number}.example.net.")) == [TRUTH]
            await asking.close()

    run(test())


def test_truncated_reply_is_asked_for_over_tcp_and_its_records_are_not_used() -> None:
    def script(asked: Asked) -> None:
        if asked.over == "tcp":
            asked.send(true_reply(asked))
        else:
            cut = lie(asked)
            cut[2] |= 2
            asked.send(bytes(cut))

    found, statistics = answers_after(Upstream(script))
    assert found == [TRUTH]
    assert statistics.over_tcp == 1


def test_every_question_has_a_port_an_id_and_a_case_of_its_own() -> None:
    upstream = Upstream()

    async def test() -> None:
        async with upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            await asyncio.gather(*(asking.ask(f"host{number}.example.net.") for number in range(60)))
            await asking.close()

    run(test())
    asked = upstream.asked
    assert len(asked) >= 60
    assert len({one.source_port for one in asked}) > 55
    assert len({one.query.id for one in asked}) > 55
    assert len({one.query.question[0].name.to_text()[5:] for one in asked}) > 50


def test_another_sender_is_not_heard() -> None:
    """The socket is connected: what does not come from the upstream's address and port is not received at all."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )

        def script(asked: Asked) -> None:
            stranger.sendto(bytes(lie(asked)), ("127.0.0.1", asked.source_port))
            loop.call_later(0.05, asked.send, true_reply(asked))

        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            assert addresses(await asking.ask("www.example.net.")) == [TRUTH]
            await asking.close()
        stranger.close()

    run(test())


def test_records_that_answer_no_question_are_neither_given_nor_remembered() -> None:
    def script(asked: Asked) -> None:
        if asked.name != "www.example.net.":
            asked.give(f"{asked.name} 300 IN A {TRUTH}")
            return
        reply = asked.reply(
            f"www.example.net. 300 IN A {TRUTH}",
            f"bank.example.org. 300 IN A {LIE}",
            f"bank.example.net. 300 IN A {LIE}",
        )
        reply.authority.append(rrset_of("example.org. 300 IN NS ns.evil.example."))
        reply.additional.append(rrset_of(f"bank.example.org. 300 IN A {LIE}"))
        asked.send(reply.to_wire())

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            reply = await asking.ask("www.example.net.")
            assert addresses(reply) == [TRUTH]
            assert not reply.authority
            assert not reply.additional
            for poisoned in ("bank.example.org.", "bank.example.net."):
                assert addresses(await asking.ask(poisoned)) == [TRUTH]
            await asking.close()

    run(test())


def test_an_alias_chain_is_followed_from_the_question_and_strays_are_dropped() -> None:
    def script(asked: Asked) -> None:
        asked.give(
            "one.example.net. 300 IN CNAME two.example.org.",
            "two.example.org. 200 IN CNAME three.example.org.",
            f"three.example.org. 100 IN A {TRUTH}",
            f"other.example.org. 100 IN A {LIE}",
        )

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            reply = await asking.ask("one.example.net.")
            assert [rrset.name.to_text() for rrset in reply.answer] == [
                "one.example.net.",
                "two.example.org.",
                "three.example.org.",
            ]
            assert addresses(reply) == [TRUTH]
            await asking.close()

    run(test())


def test_an_soa_that_is_not_above_the_name_proves_nothing_and_is_not_remembered() -> None:
    def script(asked: Asked) -> None:
        asked.give(
            rcode=3, authority=("evil.example. 86400 IN SOA a.evil.example. b.evil.example. 1 2 3 4 86400",)
        )

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            for _ in range(2):
                reply = await asking.ask("www.example.net.")
                assert reply.rcode() == dns.rcode.NXDOMAIN
                assert not reply.authority
            assert len(upstream.asked) == 2
            await asking.close()

    run(test())


def test_garbage_in_a_reply_is_servfail() -> None:
    def script(asked: Asked) -> None:
        reply = true_reply(asked)
        asked.send(reply[:-3])

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)))
            assert (await asking.ask("www.example.net.")).rcode() == dns.rcode.SERVFAIL
            await asking.close()

    run(test())
