"""What is remembered, for how long, and what is given when nothing newer can be had."""

from __future__ import annotations

import asyncio

import dns.edns
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from pippin.forward.settings import ForwardSettings
from pippin.query.query import Query, Transport
from tests.forward.asking import Asking, addresses, ede_of, run
from tests.forward.upstreams import Asked, Upstream, address_for_all, silent

SOA = "example.net. 900 IN SOA ns.example.net. hostmaster.example.net. 1 7200 3600 1209600 60"


def forwarding_to(upstream: Upstream, **settings: object) -> Asking:
    return Asking(ForwardSettings(upstreams=(upstream.text,), **settings))  # type: ignore[arg-type]


def query_for(name: str) -> Query:
    return Query(dns.message.make_query(name, "A").to_wire(), ("127.0.0.1", 0), Transport.UDP)


async def settled(upstream: Upstream, count: int) -> None:
    """Until the upstream has been asked so many times; 5 seconds at most."""
    for _ in range(500):
        if len(upstream.asked) >= count:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # for what would be one question too many, and for replies to be read


def test_ttls_age_and_end() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream, prefetch=False)
            assert (await asking.ask("www.example.net.")).answer[0].ttl == 300
            asking.clock.advance(299)
            assert (await asking.ask("WWW.example.NET.")).answer[0].ttl == 1
            assert len(upstream.asked) == 1
            asking.clock.advance(1)
            assert (await asking.ask("www.example.net.")).answer[0].ttl == 300
            assert len(upstream.asked) == 2
            await asking.close()

    run(test())


def test_the_lowest_ttl_of_a_chain_counts() -> None:
    def script(asked: Asked) -> None:
        asked.give("a.example.net. 3600 IN CNAME b.example.net.", "b.example.net. 20 IN A 192.0.2.1")

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = forwarding_to(upstream, prefetch=False)
            await asking.ask("a.example.net.")
            asking.clock.advance(19)
            assert [rrset.ttl for rrset in (await asking.ask("a.example.net.")).answer] == [3581, 1]
            asking.clock.advance(1)
            await asking.ask("a.example.net.")
            assert len(upstream.asked) == 2
            await asking.close()

    run(test())


def test_ttls_have_an_upper_limit() -> None:
    async def test() -> None:
        async with Upstream(lambda asked: asked.give(f"{asked.name} 2000000 IN A 192.0.2.1")) as upstream:
            asking = forwarding_to(upstream, max_ttl=3600)
            assert (await asking.ask("www.example.net.")).answer[0].ttl == 3600
            await asking.close()

    run(test())


def test_ttl_zero_is_not_remembered() -> None:
    async def test() -> None:
        async with Upstream(lambda asked: asked.give(f"{asked.name} 0 IN A 192.0.2.1")) as upstream:
            asking = forwarding_to(upstream)
            for _ in range(2):
                assert addresses(await asking.ask("www.example.net."))
                assert asking.last is not None
                assert asking.last.ttl == 0
            assert len(upstream.asked) == 2
            await asking.close()

    run(test())


def test_nxdomain_and_nodata_are_remembered_for_the_lower_of_ttl_and_minimum() -> None:
    """RFC 2308 section 5."""

    async def test() -> None:
        for rcode in (dns.rcode.NXDOMAIN, dns.rcode.NOERROR):
            async with Upstream(
                lambda asked, code=rcode: asked.give(rcode=code, authority=(SOA,))
            ) as upstream:
                asking = forwarding_to(upstream, prefetch=False)
                for _ in range(2):
                    reply = await asking.ask("www.example.net.")
                    assert reply.rcode() == rcode
                    assert reply.authority[0].ttl == 60
                asking.clock.advance(59)
                assert (await asking.ask("www.example.net.")).authority[0].ttl == 1
                assert len(upstream.asked) == 1
                asking.clock.advance(1)
                await asking.ask("www.example.net.")
                assert len(upstream.asked) == 2
                await asking.close()

    run(test())


def test_negative_answers_have_an_upper_limit_of_their_own() -> None:
    soa = SOA.replace(" 900 ", " 86400 ").removesuffix("60") + "86400"

    async def test() -> None:
        async with Upstream(lambda asked: asked.give(rcode=3, authority=(soa,))) as upstream:
            asking = forwarding_to(upstream)
            assert (await asking.ask("www.example.net.")).authority[0].ttl == 3600
            await asking.close()

    run(test())


def test_failures_are_remembered_and_for_longer_while_they_go_on() -> None:
    """RFC 9520 section 3.2."""

    async def test() -> None:
        async with Upstream(lambda asked: asked.give(rcode=dns.rcode.SERVFAIL)) as upstream:
            asking = forwarding_to(upstream)
            for _ in range(3):
                assert (await asking.ask("www.example.net.")).rcode() == dns.rcode.SERVFAIL
            first = len(upstream.asked)
            assert 1 <= first <= 3  # RFC 9520 section 3.1
            asking.clock.advance(6)
            await asking.ask("www.example.net.")
            second = len(upstream.asked)
            assert second > first
            asking.clock.advance(6)
            await asking.ask("www.example.net.")
            assert len(upstream.asked) == second
            asking.clock.advance(5)
            await asking.ask("www.example.net.")
            assert len(upstream.asked) > second
            await asking.close()

    run(test())


def test_what_an_upstream_says_about_a_failure_is_passed_on() -> None:
    def bogus(asked: Asked) -> None:
        reply = asked.reply(rcode=dns.rcode.SERVFAIL)
        reply.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS)])
        asked.send(reply.to_wire())

    async def test() -> None:
        async with Upstream(bogus) as upstream:
            asking = forwarding_to(upstream)
            assert ede_of(await asking.ask("www.example.net.")) == dns.edns.EDECode.DNSSEC_BOGUS
            await asking.close()

    run(test())


def test_nobody_there_is_servfail_within_the_patience() -> None:
    async def test() -> None:
        async with Upstream(silent) as upstream:
            asking = forwarding_to(upstream, patience=0.3)
            reply = await asking.ask("www.example.net.")
            assert reply.rcode() == dns.rcode.SERVFAIL
            assert ede_of(reply) == dns.edns.EDECode.NO_REACHABLE_AUTHORITY
            await asking.close()

    run(test(), seconds=5)


def test_equal_questions_in_flight_are_one() -> None:
    def script(asked: Asked) -> None:
        asyncio.get_running_loop().call_later(0.1, address_for_all, asked)

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = forwarding_to(upstream)
            replies = await asyncio.gather(*(asking.ask("www.example.net.") for _ in range(50)))
            assert all(addresses(reply) == ["192.0.2.1"] for reply in replies)
            assert len(upstream.asked) == 1
            assert asking.forwarding.statistics().forwarder.merged == 49
            await asking.close()

    run(test())


def test_who_asks_the_same_is_not_left_waiting_when_the_look_up_is_given_up() -> None:
    """The first of them looks up for all; the server stops while they wait."""

    async def test() -> None:
        async with Upstream(silent) as upstream:
            asking = forwarding_to(upstream)
            asks = [asyncio.ensure_future(asking.forwarding.handle(query_for("www.example.net."))) for _ in range(3)]
            await settled(upstream, 1)
            asks[0].cancel()
            done, _ = await asyncio.wait(asks, timeout=1)
            assert len(done) == 3
            assert asking.forwarding.statistics().forwarder.in_flight == 0
            upstream.script = address_for_all
            assert addresses(await asking.ask("www.example.net.")) == ["192.0.2.1"]
            await asking.close()

    run(test())


def test_a_fault_of_ours_is_told_to_all_who_asked_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            with monkeypatch.context() as patch:
                patch.setattr("pippin.forward.forwarder.accept", fails)
                replies = await asyncio.gather(*(asking.ask("www.example.net.") for _ in range(3)))
            assert [reply.rcode() for reply in replies] == [dns.rcode.SERVFAIL] * 3
            assert len(upstream.asked) == 1
            assert addresses(await asking.ask("www.example.net.")) == ["192.0.2.1"]
            await asking.close()

    run(test())


def test_stale_answers_while_the_upstream_is_silent_and_fresh_ones_after() -> None:
    """RFC 8767: TTL 30, and an extended error that says so."""

    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream, patience=0.3)
            await asking.ask("www.example.net.")
            asking.clock.advance(3600)
            upstream.script = silent
            for _ in range(3):
                reply = await asking.ask("www.example.net.")
                assert addresses(reply) == ["192.0.2.1"]
                assert reply.answer[0].ttl == 30
                assert ede_of(reply) == dns.edns.EDECode.STALE_ANSWER
            asked = len(upstream.asked)
            upstream.script = address_for_all
            await asking.ask("www.example.net.")
            assert len(upstream.asked) == asked  # not again within 30 seconds of the failure
            asking.clock.advance(31)
            reply = await asking.ask("www.example.net.")
            assert reply.answer[0].ttl == 300
            assert ede_of(reply) == -1
            await asking.close()

    run(test())


def test_stale_answers_come_when_the_upstream_takes_too_long_and_its_answer_is_kept() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            await asking.ask("www.example.net.")
            asking.clock.advance(3600)

            def slow(asked: Asked) -> None:
                asyncio.get_running_loop().call_later(2.5, address_for_all, asked)

            upstream.script = slow
            assert ede_of(await asking.ask("www.example.net.")) == dns.edns.EDECode.STALE_ANSWER
            await asyncio.sleep(1.5)
            reply = await asking.ask("www.example.net.")
            assert ede_of(reply) == -1
            assert reply.answer[0].ttl == 300
            await asking.close()

    run(test())


def test_stale_ends_too() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream, patience=0.2, serve_stale=60)
            await asking.ask("www.example.net.")
            upstream.script = silent
            asking.clock.advance(300 + 61)
            assert (await asking.ask("www.example.net.")).rcode() == dns.rcode.SERVFAIL
            await asking.close()

    run(test())


def test_stale_nxdomain_says_so() -> None:
    async def test() -> None:
        async with Upstream(lambda asked: asked.give(rcode=3, authority=(SOA,))) as upstream:
            asking = forwarding_to(upstream, patience=0.2)
            await asking.ask("www.example.net.")
            upstream.script = silent
            asking.clock.advance(100)
            reply = await asking.ask("www.example.net.")
            assert reply.rcode() == dns.rcode.NXDOMAIN
            assert ede_of(reply) == dns.edns.EDECode.STALE_NXDOMAIN_ANSWER
            await asking.close()

    run(test())


def test_a_name_in_use_is_asked_for_before_its_end() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            await asking.ask("www.example.net.")
            asking.clock.advance(269)
            await asking.ask("www.example.net.")
            await settled(upstream, 1)
            assert len(upstream.asked) == 1
            asking.clock.advance(2)
            assert (await asking.ask("www.example.net.")).answer[0].ttl == 29  # at once, from what is there
            await settled(upstream, 2)
            assert len(upstream.asked) == 2
            assert (await asking.ask("www.example.net.")).answer[0].ttl == 300
            assert asking.forwarding.statistics().forwarder.prefetched == 1
            await asking.close()

    run(test())


def test_what_the_engine_says_is_in_use_is_asked_for_before_its_end() -> None:
    """The receive loop answers from its own memory, so nobody asks here; the worker does, for `refresh`."""
    query = query_for("www.example.net.")

    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            assert await asking.forwarding.refresh(query) is None
            await asking.ask("www.example.net.")
            for seconds, left, asked in ((100, 200, 1), (175, 300, 2)):
                asking.clock.advance(seconds)
                reply = await asking.forwarding.refresh(query)
                assert reply is not None
                assert reply.ttl == left
                assert len(upstream.asked) == asked
            upstream.script = silent
            asking.clock.advance(301)
            assert await asking.forwarding.refresh(query) is None
            await asking.close()

    run(test())


def test_a_failed_prefetch_takes_nothing_away() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream, patience=0.2)
            await asking.ask("www.example.net.")
            upstream.script = silent
            asking.clock.advance(280)
            await asking.ask("www.example.net.")
            await asyncio.sleep(0.4)
            reply = await asking.ask("www.example.net.")
            assert reply.answer[0].ttl == 20
            assert ede_of(reply) == -1
            await asking.close()

    run(test())


def test_the_cache_stays_within_its_entries_and_bytes() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            for bounds in ({"cache_size": 10}, {"cache_bytes": 10_000}):
                asking = forwarding_to(upstream, **bounds)
                for number in range(40):
                    await asking.ask(f"h{number}.example.net.")
                held = asking.forwarding.statistics().forwarder.cache
                assert held.entries <= 13
                assert held.octets <= 10_000
                assert held.evicted == 40 - held.entries
                asked = len(upstream.asked)
                await asking.ask("h39.example.net.")
                assert len(upstream.asked) == asked
                await asking.close()

    run(test())


def test_types_are_remembered_apart() -> None:
    def script(asked: Asked) -> None:
        if asked.query.question[0].rdtype == dns.rdatatype.A:
            address_for_all(asked)
        else:
            asked.give(f"{asked.name} 300 IN AAAA 2001:db8::1")

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = forwarding_to(upstream)
            for _ in range(2):
                assert addresses(await asking.ask("www.example.net."))
                assert (await asking.ask("www.example.net.", "AAAA")).answer[0].rdtype == dns.rdatatype.AAAA
            assert len(upstream.asked) == 2
            await asking.close()

    run(test())
