"""Whose questions are forwarded, which ones, and how the answers look."""

from __future__ import annotations

import asyncio

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import msgspec
import pytest

from pippin.engine.not_ready import not_ready_image
from pippin.forward.settings import ForwardSettings
from pippin.zone.answer import Zones
from pippin.zone.zone import Zone
from tests.forward.asking import Asking, addresses, ede_of, run
from tests.forward.upstreams import Asked, Upstream, address_for_all
from tests.zone.images import compiled

ZONE = """
@    3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 300
@    3600 IN NS ns1
ns1  3600 IN A 198.51.100.1
www  3600 IN A 198.51.100.2
out  3600 IN CNAME www.example.net.
"""


def zones() -> Zones:
    return Zones([compiled(ZONE, "corp.example.")])


def forwarding_to(upstream: Upstream, **settings: object) -> Asking:
    return Asking(ForwardSettings(upstreams=(upstream.text,), **settings), zones())  # type: ignore[arg-type]


def test_a_name_outside_the_zones_is_answered_by_the_upstream() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            reply = await asking.ask("www.example.net.")
            assert addresses(reply) == ["192.0.2.1"]
            assert reply.flags & dns.flags.RA
            assert not reply.flags & dns.flags.AA
            assert reply.answer[0].ttl == 300
            await asking.close()

    run(test())


@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::7", "100.64.0.1", "11.0.0.1"])
def test_clients_from_elsewhere_are_refused(client: str) -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            await asking.ask("www.example.net.")
            reply = await asking.ask("www.example.net.", client=client)
            assert reply.rcode() == dns.rcode.REFUSED
            assert ede_of(reply) == dns.edns.EDECode.PROHIBITED
            assert not reply.flags & dns.flags.RA
            assert not reply.answer
            assert len(upstream.asked) == 1
            await asking.close()

    run(test())


@pytest.mark.parametrize(
    "client", ["127.0.0.9", "10.1.2.3", "172.31.255.255", "192.168.7.7", "::1", "fd00::1"]
)
def test_private_networks_may(client: str) -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            assert addresses(await asking.ask("www.example.net.", client=client)) == ["192.0.2.1"]
            await asking.close()

    run(test())


def test_what_is_served_here_is_never_asked_elsewhere() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            assert addresses(await asking.ask("www.corp.example.")) == ["198.51.100.2"]
            assert (await asking.ask("missing.corp.example.")).rcode() == dns.rcode.NXDOMAIN
            assert not upstream.asked
            await asking.close()

    run(test())


def test_an_alias_out_of_a_zone_is_followed_for_who_may_and_wants() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            reply = await asking.ask("out.corp.example.")
            assert addresses(reply) == ["192.0.2.1"]
            assert [rrset.rdtype for rrset in reply.answer] == [dns.rdatatype.CNAME, dns.rdatatype.A]
            assert reply.flags & dns.flags.AA
            assert asking.last is not None
            assert asking.last.ttl == 0
            for how in ({"client": "192.0.2.7"}, {"recursive": False}):
                reply = await asking.ask("out.corp.example.", **how)
                assert [rrset.rdtype for rrset in reply.answer] == [dns.rdatatype.CNAME]
            await asking.close()

    run(test())


def test_an_alias_into_a_zone_that_is_not_ready_is_servfail_for_who_wants_the_end_of_it() -> None:
    """Nobody else is asked for names in it, whoever has the alias: a zone here, or an upstream."""
    nothing = Zone(not_ready_image(b"\6broken\7example\0", 0))
    served = Zones([compiled(ZONE + "in 3600 IN CNAME www.broken.example.\n", "corp.example."), nothing])

    def script(asked: Asked) -> None:
        asked.give(f"{asked.name} 300 IN CNAME www.broken.example.", "www.broken.example. 300 IN A 192.0.2.66")

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = Asking(ForwardSettings(upstreams=(upstream.text,)), served)
            for name in ("www.broken.example.", "in.corp.example.", "www.example.net."):
                reply = await asking.ask(name)
                assert reply.rcode() == dns.rcode.SERVFAIL
                assert ede_of(reply) == dns.edns.EDECode.NOT_READY
                assert not reply.answer
            reply = await asking.ask("in.corp.example.", recursive=False)
            assert reply.rcode() == dns.rcode.NOERROR
            assert [asked.name for asked in upstream.asked] == ["www.example.net."]
            await asking.close()

    run(test())


def test_an_upstream_has_no_say_about_names_that_are_served_here() -> None:
    def script(asked: Asked) -> None:
        asked.give(
            "alias.example.net. 300 IN CNAME www.corp.example.", "www.corp.example. 300 IN A 192.0.2.66"
        )

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = forwarding_to(upstream)
            for _ in range(2):
                reply = await asking.ask("alias.example.net.")
                assert addresses(reply) == ["198.51.100.2"]
                assert asking.last is not None
                assert asking.last.ttl == 0  # or a change of the zone would not show
            assert len(upstream.asked) == 1
            await asking.close()

    run(test())


def test_a_question_without_rd_gets_what_is_remembered_only() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            reply = await asking.ask("www.example.net.", recursive=False)
            assert reply.rcode() == dns.rcode.REFUSED
            assert not upstream.asked
            await asking.ask("www.example.net.")
            assert addresses(await asking.ask("www.example.net.", recursive=False)) == ["192.0.2.1"]
            assert len(upstream.asked) == 1
            await asking.close()

    run(test())


@pytest.mark.parametrize("rdtype", ["ANY", "MAILB", "TYPE0", "OPT"])
def test_types_that_no_record_has_are_not_forwarded(rdtype: str) -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            reply = await asking.ask("www.example.net.", rdtype)
            assert reply.rcode() == dns.rcode.REFUSED
            assert ede_of(reply) == dns.edns.EDECode.NOT_SUPPORTED
            assert not upstream.asked
            await asking.close()

    run(test())


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("printer.local.", dns.rcode.NXDOMAIN),
        ("www.invalid.", dns.rcode.NXDOMAIN),
        ("something.test.", dns.rcode.NXDOMAIN),
        ("facebookcorewwwi.onion.", dns.rcode.NXDOMAIN),
        ("4.3.2.10.in-addr.arpa.", dns.rcode.NXDOMAIN),
        ("1.1.168.192.in-addr.arpa.", dns.rcode.NXDOMAIN),
        ("1.0.31.172.in-addr.arpa.", dns.rcode.NXDOMAIN),
        ("8.b.d.0.1.0.0.2.ip6.arpa.", dns.rcode.NOERROR),
        ("1.d.f.ip6.arpa.", dns.rcode.NXDOMAIN),
        ("nas.home.arpa.", dns.rcode.NXDOMAIN),
    ],
)
def test_names_that_must_not_leak_are_answered_here(name: str, rcode: int) -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            reply = await asking.ask(name, "PTR")
            assert reply.rcode() == rcode
            assert reply.authority[0].rdtype == dns.rdatatype.SOA
            assert not upstream.asked
            await asking.close()

    run(test())


def test_public_reverse_zones_next_to_the_private_ones_are_forwarded() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            for name in ("1.0.32.172.in-addr.arpa.", "1.1.169.192.in-addr.arpa.", "1.0.11.in-addr.arpa."):
                assert addresses(await asking.ask(name))
            await asking.close()

    run(test())


def test_localhost_is_this_host() -> None:
    """RFC 6761 section 6.3."""

    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            assert addresses(await asking.ask("localhost.")) == ["127.0.0.1"]
            assert addresses(await asking.ask("anything.localhost.")) == ["127.0.0.1"]
            reply = await asking.ask("localhost.", "AAAA")
            assert reply.answer[0][0].address == "::1"
            assert (await asking.ask("localhost.", "MX")).rcode() == dns.rcode.NOERROR
            assert not upstream.asked
            await asking.close()

    run(test())


def test_the_longest_suffix_says_whom_to_ask() -> None:
    def says(address: str) -> Upstream:
        return Upstream(lambda asked: asked.give(f"{asked.name} 300 IN A {address}"))

    async def test() -> None:
        async with says("192.0.2.1") as everything, says("192.0.2.2") as corp, says("192.0.2.3") as lab:
            asking = Asking(
                ForwardSettings(
                    upstreams=(everything.text,),
                    suffix={
                        "corp.example": (corp.text,),
                        "Lab.Corp.example.": (lab.text,),
                        "10.in-addr.arpa": (corp.text,),
                        "secret.example": (),
                    },
                )
            )
            assert addresses(await asking.ask("www.example.")) == ["192.0.2.1"]
            assert addresses(await asking.ask("xcorp.example.")) == ["192.0.2.1"]
            assert addresses(await asking.ask("corp.example.")) == ["192.0.2.2"]
            assert addresses(await asking.ask("www.Corp.example.")) == ["192.0.2.2"]
            assert addresses(await asking.ask("a.b.lab.corp.example.")) == ["192.0.2.3"]
            assert addresses(await asking.ask("1.2.3.10.in-addr.arpa.")) == ["192.0.2.2"]
            assert (await asking.ask("www.secret.example.")).rcode() == dns.rcode.NXDOMAIN
            await asking.close()

    run(test())


def test_with_suffixes_alone_all_else_is_refused() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = Asking(ForwardSettings(suffix={"corp.example": (upstream.text,)}))
            assert addresses(await asking.ask("www.corp.example."))
            assert (await asking.ask("www.example.net.")).rcode() == dns.rcode.REFUSED
            await asking.close()

    run(test())


def test_an_upstream_has_no_say_about_names_of_another_ones_suffix() -> None:
    def public(asked: Asked) -> None:
        asked.give("www.example.net. 300 IN CNAME in.corp.example.", "in.corp.example. 300 IN A 192.0.2.66")

    async def test() -> None:
        async with Upstream(public) as everything, Upstream() as corp:
            asking = Asking(
                ForwardSettings(upstreams=(everything.text,), suffix={"corp.example": (corp.text,)})
            )
            assert addresses(await asking.ask("www.example.net.")) == ["192.0.2.1"]
            assert [asked.name for asked in corp.asked] == ["in.corp.example."]
            await asking.close()

    run(test())


def test_a_chain_that_the_upstream_leaves_unfinished_is_finished() -> None:
    """An authoritative server as upstream gives the alias, and nothing about its target elsewhere."""

    def corp(asked: Asked) -> None:
        reply = asked.reply("www.corp.example. 300 IN CNAME cdn.example.net.")
        reply.flags &= ~dns.flags.RA
        reply.flags |= dns.flags.AA
        asked.send(reply.to_wire())

    async def test() -> None:
        async with Upstream() as everything, Upstream(corp) as authoritative:
            asking = Asking(
                ForwardSettings(upstreams=(everything.text,), suffix={"corp.example": (authoritative.text,)})
            )
            reply = await asking.ask("www.corp.example.")
            assert addresses(reply) == ["192.0.2.1"]
            assert len(reply.answer) == 2
            await asking.close()

    run(test())


def test_aliases_in_a_circle_end() -> None:
    def script(asked: Asked) -> None:
        there = {"a.example.net.": "b.example.net.", "b.example.net.": "a.example.net."}[asked.name]
        asked.give(f"{asked.name} 300 IN CNAME {there}")

    async def test() -> None:
        async with Upstream(script) as upstream:
            asking = forwarding_to(upstream)
            reply = await asking.ask("a.example.net.")
            assert reply.rcode() == dns.rcode.NOERROR
            assert len(reply.answer) == 2
            await asking.close()

    run(test())


def test_do_and_cd_are_passed_on_and_answers_kept_apart() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            for dnssec in (False, True):
                for disabled in (False, True):
                    await asking.ask("www.example.net.", dnssec=dnssec, checking_disabled=disabled)
            seen = [
                (bool(a.query.ednsflags & dns.flags.DO), bool(a.query.flags & dns.flags.CD))
                for a in upstream.asked
            ]
            assert sorted(seen) == [(False, False), (False, True), (True, False), (True, True)]
            assert all(a.query.payload == 1232 and not a.query.options for a in upstream.asked)
            await asking.close()

    run(test())


def validated(asked: Asked) -> None:
    reply = asked.reply(f"{asked.name} 300 IN A 192.0.2.1")
    reply.flags |= dns.flags.AD
    asked.send(reply.to_wire())


def test_ad_is_for_clients_that_ask_for_it() -> None:
    """RFC 6840 section 5.7 and 5.8."""

    async def test() -> None:
        async with Upstream(validated) as upstream:
            asking = forwarding_to(upstream)
            assert not (await asking.ask("www.example.net.")).flags & dns.flags.AD
            assert (await asking.ask("www.example.net.", authentic=True)).flags & dns.flags.AD
            assert (await asking.ask("www.example.net.", dnssec=True)).flags & dns.flags.AD
            await asking.close()

    run(test())


def test_the_client_subnet_of_a_client_is_not_passed_on() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            query = dns.message.make_query("www.example.net.", "A", use_edns=0)
            query.use_edns(0, options=[dns.edns.ECSOption("203.0.113.0", 24)])
            await asking.ask_message(query)
            assert upstream.asked[0].query.edns == 0
            assert not upstream.asked[0].query.options
            await asking.close()

    run(test())


def test_an_upstream_that_knows_no_edns_is_asked_without() -> None:
    def old(asked: Asked) -> None:
        if asked.query.edns >= 0:
            asked.send(asked.wire[:2] + b"\x80\x01" + bytes(8))  # FORMERR, a header alone
        else:
            address_for_all(asked)

    async def test() -> None:
        async with Upstream(old) as upstream:
            asking = forwarding_to(upstream)
            assert addresses(await asking.ask("www.example.net.")) == ["192.0.2.1"]
            assert addresses(await asking.ask("mail.example.net.")) == ["192.0.2.1"]
            assert [asked.query.edns for asked in upstream.asked] == [0, -1, -1]
            await asking.close()

    run(test())


def test_more_clients_than_may_wait_get_servfail_at_once() -> None:
    async def test() -> None:
        async with Upstream(lambda asked: None) as upstream:
            asking = forwarding_to(upstream, in_flight=5, patience=1.0)
            asks = [asyncio.create_task(asking.ask(f"h{n}.example.net.")) for n in range(20)]
            done, _ = await asyncio.wait(asks, timeout=0.5)
            assert len(done) == 15
            assert all(task.result().rcode() == dns.rcode.SERVFAIL for task in done)
            await asyncio.gather(*asks)
            await asking.close()

    run(test())


def test_statistics_are_values_that_json_can_carry() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = forwarding_to(upstream)
            await asking.ask("www.example.net.")
            await asking.ask("www.example.net.")
            await asking.ask("www.example.net.", client="192.0.2.7")
            counted = msgspec.json.decode(msgspec.json.encode(asking.forwarding.statistics()))
            assert counted["prohibited"] == 1
            assert counted["forwarder"]["hits"] == 1
            assert counted["forwarder"]["asked"] == 1
            assert counted["forwarder"]["upstreams"][0]["address"] == upstream.text
            assert counted["forwarder"]["upstreams"][0]["answered"] == 1
            await asking.close()

    run(test())
