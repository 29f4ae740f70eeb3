"""Real resolvers as upstreams: unbound, which validates what named serves, over UDP, TCP and TLS; and named itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from pippin.forward.settings import ForwardSettings
from pippin.serve.in_process import InProcessServer
from tests.forward.asking import Asking, ede_of, run
from tests.forward.upstreams import Upstream
from tests.peers import bind, unbound
from tests.peers.server import HOST, Server, Zone, free_port, program
from tests.peers.signing import Signed, sign

SOURCE = Path(__file__).parent.parent / "interop" / "zones" / "signed.zone"
LARGE = "".join(f'large TXT "{number:04} {"x" * 200}"\n' for number in range(30))

QUESTIONS = [
    ("www", "A"),
    ("www", "AAAA"),
    ("", "MX"),
    ("txt", "TXT"),
    ("alias", "A"),
    ("any.wild", "A"),
    ("any.cn", "A"),
    ("www.old", "A"),
    ("b.ent", "A"),
    ("www", "MX"),
    ("any.wild", "MX"),
    ("missing", "A"),
    ("missing.www", "A"),
    ("secure", "DS"),
    ("insecure", "DS"),
    ("large", "TXT"),
]


@dataclass
class World:
    """A signed zone at named, and unbound that resolves and validates it, with a port for TLS."""

    authority: Server
    resolver: Server
    tls_port: int
    certificate: Path
    tls_lines: str
    """The key and certificate, for another unbound."""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("signed")
    source = folder / "source.zone"
    source.write_text(SOURCE.read_text() + LARGE)
    return sign("nsec3.test", source, folder, "-3", "AABB", "-H", "1")


@pytest.fixture(scope="module")
def world(signed: Signed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = [
        program("openssl", "openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]
    make += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=resolver.example",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    make += ["-addext", "subjectAltName=DNS:resolver.example,IP:127.0.0.1"]
    subprocess.run(make, check=True, capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    tls_port = free_port()
    extra = f"    interface: {HOST}@{tls_port}\n    tls-port: {tls_port}\n"
    tls_lines = f'    tls-service-key: "{key}"\n    tls-service-pem: "{certificate}"\n'
    extra += tls_lines
    with (
        bind.serving([Zone(signed.name, file=signed.file)]) as authority,
        unbound.validating(authority.port, {signed.name: signed.ds}, extra) as resolver,
    ):
        yield World(authority, resolver, tls_port, certificate, tls_lines)


def settings(*upstreams: str, **more: object) -> ForwardSettings:
    return ForwardSettings(upstreams=upstreams, suffix={"test": upstreams}, **more)  # type: ignore[arg-type]


def records(section: list) -> list[str]:  # type: ignore[type-arg]
    """RRsets without their TTLs, which depend on when one asks."""
    return sorted(
        f"{r.name} {dns.rdatatype.to_text(r.rdtype)} {sorted(x.to_text() for x in r)}" for r in section
    )


@pytest.mark.parametrize("dnssec", [False, True])
@pytest.mark.parametrize("scheme", ["", "tcp://"])
def test_answers_are_those_of_the_resolver(world: World, dnssec: bool, scheme: str) -> None:
    async def test() -> None:
        asking = Asking(settings(f"{scheme}{HOST}:{world.resolver.port}"))
        for owner, rdtype in QUESTIONS:
            name = f"{owner}.nsec3.test.".removeprefix(".")
            direct = world.resolver.ask(name, rdtype, dnssec=dnssec, recursive=True)
            reply = await asking.ask(name, rdtype, dnssec=dnssec)
            assert reply.rcode() == direct.rcode(), name
            assert records(reply.answer) == records(direct.answer), name
            assert bool(reply.flags & dns.flags.AD) == (dnssec and bool(direct.flags & dns.flags.AD)), name
            wanted = [r for r in direct.authority if r.rdtype != dns.rdatatype.NS]
            wanted = [r for r in wanted if getattr(r, "covers", 0) != dns.rdatatype.NS]
            assert records(reply.authority) == records(wanted), name
        await asking.close()

    run(test())


def test_what_is_bogus_is_servfail_and_cd_shows_it(world: World, signed: Signed) -> None:
    wrong = signed.ds[:-4] + ("0000" if signed.ds[-4:] != "0000" else "1111")

    async def test() -> None:
        with unbound.validating(world.authority.port, {"nsec3.test": wrong, "other.test": wrong}) as resolver:
            asking = Asking(settings(f"{HOST}:{resolver.port}"))
            assert (await asking.ask("www.nsec3.test.", dnssec=True)).rcode() == dns.rcode.SERVFAIL
            reply = await asking.ask("www.nsec3.test.", dnssec=True, checking_disabled=True)
            assert reply.rcode() == dns.rcode.NOERROR
            assert reply.flags & dns.flags.CD
            assert not reply.flags & dns.flags.AD
            await asking.close()

    with pytest.MonkeyPatch.context() as patch:
        # this unbound cannot answer for the zone that it is waited for, which is the point
        patch.setattr(Server, "_answers", lambda server, zone: _is_up(server))
        run(test())


def _is_up(server: Server) -> bool:
    try:
        dns.query.udp(dns.message.make_query("nsec3.test.", "SOA"), HOST, 0.5, server.port)
    except (OSError, dns.exception.DNSException):
        return False
    return True


def test_dns_over_tls_with_a_certificate_for_the_name(world: World) -> None:
    async def test() -> None:
        ca = str(world.certificate)
        asking = Asking(settings(f"tls://{HOST}:{world.tls_port}#resolver.example", tls_ca=ca))
        reply = await asking.ask("www.nsec3.test.", dnssec=True)
        assert reply.answer
        assert reply.flags & dns.flags.AD
        assert (await asking.ask("missing.nsec3.test.")).rcode() == dns.rcode.NXDOMAIN
        assert (await asking.ask("large.nsec3.test.", "TXT")).answer
        await asking.close()

    run(test())


def test_dns_over_tls_with_a_certificate_for_the_address(world: World) -> None:
    async def test() -> None:
        asking = Asking(settings(f"tls://{HOST}:{world.tls_port}", tls_ca=str(world.certificate)))
        assert (await asking.ask("www.nsec3.test.")).answer
        await asking.close()

    run(test())


@pytest.mark.parametrize("how", ["another name", "unknown issuer"])
def test_dns_over_tls_with_a_certificate_that_does_not_verify_is_not_used(world: World, how: str) -> None:
    async def test() -> None:
        if how == "another name":
            bad = settings(
                f"tls://{HOST}:{world.tls_port}#other.example", tls_ca=str(world.certificate), patience=2.0
            )
        else:
            bad = settings(f"tls://{HOST}:{world.tls_port}#resolver.example", patience=2.0)
        asking = Asking(bad)
        assert (await asking.ask("www.nsec3.test.")).rcode() == dns.rcode.SERVFAIL
        assert asking.forwarding.statistics().forwarder.upstreams[0].unreachable >= 1
        await asking.close()

    run(test())


def test_an_authoritative_server_for_a_suffix(world: World) -> None:
    """named alone, no recursion: its aliases that lead elsewhere are finished by the others."""

    async def test() -> None:
        async with Upstream() as everything:
            asking = Asking(
                ForwardSettings(
                    upstreams=(everything.text,), suffix={"nsec3.test": (f"{HOST}:{world.authority.port}",)}
                )
            )
            assert (await asking.ask("www.nsec3.test.")).answer
            assert (await asking.ask("missing.nsec3.test.")).rcode() == dns.rcode.NXDOMAIN
            reply = await asking.ask("away.nsec3.test.")
            assert [r.rdtype for r in reply.answer] == [dns.rdatatype.CNAME, dns.rdatatype.A]
            assert [asked.name for asked in everything.asked] == ["www.elsewhere.example."]
            await asking.close()

    run(test())


def test_one_of_two_resolvers_is_killed_and_nobody_notices(world: World, signed: Signed) -> None:
    async def test() -> None:
        with unbound.validating(world.authority.port, {signed.name: signed.ds}) as dying:
            asking = Asking(
                settings(f"{HOST}:{dying.port}", f"{HOST}:{world.resolver.port}", mode="rotate", cache_size=0)
            )
            for number in range(30):
                if number == 10:
                    dying.process.kill()
                    dying.process.wait()
                assert (await asking.ask("www.nsec3.test.")).answer
            await asking.close()

    run(test())


def test_one_of_two_is_killed_under_many_questions_and_none_is_lost(world: World, signed: Signed) -> None:
    async def test() -> None:
        with unbound.validating(world.authority.port, {signed.name: signed.ds}) as dying:
            upstreams = (f"{HOST}:{dying.port}", f"{HOST}:{world.resolver.port}")
            asking = Asking(settings(*upstreams, mode="rotate"))
            asks = [asyncio.ensure_future(asking.ask(f"h{number}.wild.nsec3.test.", "TXT")) for number in range(300)]
            await asyncio.sleep(0.005)
            dying.process.kill()
            replies = await asyncio.gather(*asks)
            assert {reply.rcode() for reply in replies} == {dns.rcode.NOERROR}
            await asking.close()

    run(test())


def test_a_hot_name_is_asked_for_ahead_by_a_whole_server() -> None:
    """The receive loop answers, notices what ends soon and is wanted, and has it asked for: nobody waits again."""

    async def test() -> None:
        async with Upstream(lambda asked: asked.give(f"{asked.name} 10 IN A 192.0.2.1")) as upstream:
            loop = asyncio.get_running_loop()
            with InProcessServer(forward=ForwardSettings(upstreams=(upstream.text,))) as server:
                host, port = server.addresses[0].host, server.addresses[0].port
                query = dns.message.make_query("www.example.net.", "A", use_edns=0)
                end = loop.time() + 13
                while loop.time() < end:
                    reply = await loop.run_in_executor(None, dns.query.udp, query, host, 5, port)
                    assert reply.answer
                    await asyncio.sleep(0.1)
                assert server.counters()["slow"] == 1
                assert len(upstream.asked) == 2

    run(test())


def test_a_resolver_that_hangs_costs_one_wait_and_is_used_again_when_it_goes_on(
    world: World, signed: Signed
) -> None:
    """Stopped in its tracks: the kernel still takes packets for it, and nobody answers."""

    async def test() -> None:
        with unbound.validating(world.authority.port, {signed.name: signed.ds}) as hanging:
            upstreams = (f"{HOST}:{hanging.port}", f"{HOST}:{world.resolver.port}")
            asking = Asking(settings(*upstreams, mode="ordered", cache_size=0))
            assert (await asking.ask("www.nsec3.test.")).answer
            os.kill(hanging.process.pid, signal.SIGSTOP)
            try:
                began = time.monotonic()
                for _ in range(20):
                    assert (await asking.ask("www.nsec3.test.")).answer
                assert time.monotonic() - began < 6  # three waits, and then it is asked last
                assert asking.forwarding.statistics().forwarder.upstreams[0].resting
            finally:
                os.kill(hanging.process.pid, signal.SIGCONT)
            for _ in range(200):
                assert (await asking.ask("www.nsec3.test.")).answer
                if not asking.forwarding.statistics().forwarder.upstreams[0].resting:
                    break
                await asyncio.sleep(0.05)
            else:
                pytest.fail("it is not asked again")
            await asking.close()

    run(test())


def test_a_resolver_that_dies_leaves_stale_answers_and_fresh_ones_after_its_return(
    world: World, signed: Signed
) -> None:
    """RFC 8767, with an unbound that is killed and started again, over UDP and over TLS."""
    port, tls_port = free_port(), free_port()
    extra = f"    interface: {HOST}@{port}\n    interface: {HOST}@{tls_port}\n    tls-port: {tls_port}\n"
    extra += world.tls_lines
    certificate = str(world.certificate)

    async def test() -> None:
        plain = Asking(settings(f"{HOST}:{port}", patience=1.0))
        tls = Asking(
            settings(f"tls://{HOST}:{tls_port}#resolver.example", tls_ca=certificate, patience=1.0)
        )
        for _ in range(2):
            with unbound.validating(world.authority.port, {signed.name: signed.ds}, extra):
                for asking in (plain, tls):
                    reply = await asking.ask("www.nsec3.test.")
                    assert reply.answer
                    assert ede_of(reply) == -1
            for asking in (plain, tls):
                asking.clock.advance(10_000)
                reply = await asking.ask("www.nsec3.test.")
                assert reply.answer
                assert {rrset.ttl for rrset in reply.answer} == {30}
                assert ede_of(reply) == dns.edns.EDECode.STALE_ANSWER
                asking.clock.advance(31)
        await plain.close()
        await tls.close()

    run(test(), seconds=60)


def test_a_whole_server_forwards_remembers_and_refuses(world: World) -> None:
    with InProcessServer(forward=settings(f"{HOST}:{world.resolver.port}")) as server:
        place = server.addresses[0].host, server.addresses[0].port
        query = dns.message.make_query("www.nsec3.test.", "A", use_edns=0)
        first = dns.query.udp(query, place[0], 5, place[1])
        assert first.answer
        assert first.flags & dns.flags.RA
        slow = server.counters()["slow"]
        for _ in range(3):
            again = dns.query.udp(query, place[0], 5, place[1])
            assert records(again.answer) == records(first.answer)
            assert dns.query.tcp(query, place[0], 5, place[1]).answer
        assert server.counters()["slow"] == slow
        query = dns.message.make_query("large.nsec3.test.", "TXT", use_edns=0, payload=1232)
        assert dns.query.udp(query, place[0], 5, place[1]).flags & dns.flags.TC
        assert len(dns.query.tcp(query, place[0], 5, place[1]).answer[0]) == 30
    with InProcessServer(
        forward=settings(f"{HOST}:{world.resolver.port}", allow_forward=("10.0.0.0/8",))
    ) as server:
        place = server.addresses[0].host, server.addresses[0].port
        refused = dns.query.udp(dns.message.make_query("www.nsec3.test.", "A"), place[0], 5, place[1])
        assert refused.rcode() == dns.rcode.REFUSED
        assert not refused.flags & dns.flags.RA
