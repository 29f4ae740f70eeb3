"""A real Redis between two machines: one asks, both know; and Redis that is away, empty, or full of nonsense."""

from __future__ import annotations

import asyncio
import socket
import time

import dns.flags
import dns.rcode
import pytest

from pippin.forward.settings import ForwardSettings
from tests.forward.asking import Asking, addresses, run
from tests.forward.upstreams import Asked, Upstream
from tests.peers import redis
from tests.peers.server import HOST, Server, free_port

pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")


def machine(upstream: Upstream, redis_port: int, **more: object) -> Asking:
    settings = ForwardSettings(
        upstreams=(upstream.text,),
        shared_cache=f"redis://{HOST}:{redis_port}/0",
        **more,  # type: ignore[arg-type]
    )
    return Asking(settings)


async def stored(asking: Asking, count: int) -> None:
    """Until so many answers are in Redis; 5 seconds at most."""
    for _ in range(500):
        shared = asking.forwarding.statistics().forwarder.shared
        if shared is not None and shared.written >= count:
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing was shared")


def command(server: Server, *words: bytes) -> bytes:
    """One Redis command, and the beginning of the reply."""
    message = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    with socket.create_connection((HOST, server.port), 2) as connection:
        connection.sendall(message)
        return connection.recv(65536)


def validated(asked: Asked) -> None:
    reply = asked.reply(f"{asked.name} 300 IN A 192.0.2.1")
    reply.flags |= dns.flags.AD
    asked.send(reply.to_wire())


def test_what_one_machine_asked_the_other_knows_as_old_as_it_is() -> None:
    async def test() -> None:
        with redis.serving() as server:
            async with Upstream(validated) as upstream:
                one, two = machine(upstream, server.port), machine(upstream, server.port)
                assert (await one.ask("www.example.net.")).answer[0].ttl == 300
                await stored(one, 1)
                two.clock.advance(100)
                reply = await two.ask("WWW.example.net.", authentic=True)
                assert addresses(reply) == ["192.0.2.1"]
                assert reply.answer[0].ttl == 200
                assert reply.flags & dns.flags.AD  # on loopback nobody else can have set it
                assert len(upstream.asked) == 1
                await one.close()
                await two.close()

    run(test())


def test_negative_answers_and_aliases_are_shared_too() -> None:
    soa = "example.net. 900 IN SOA ns.example.net. h.example.net. 1 7200 3600 1209600 60"

    def script(asked: Asked) -> None:
        if asked.name == "alias.example.net.":
            asked.give("alias.example.net. 300 IN CNAME www.example.org.", "www.example.org. 300 IN A 192.0.2.9")
        else:
            asked.give(rcode=3, authority=(soa,))

    async def test() -> None:
        with redis.serving() as server:
            async with Upstream(script) as upstream:
                one, two = machine(upstream, server.port), machine(upstream, server.port)
                for asking in (one, two):
                    assert addresses(await asking.ask("alias.example.net.")) == ["192.0.2.9"]
                    assert (await asking.ask("missing.example.net.")).rcode() == dns.rcode.NXDOMAIN
                    await stored(one, 2)
                assert len(upstream.asked) == 2
                await one.close()
                await two.close()

    run(test())


def test_machines_with_other_upstreams_keep_to_themselves() -> None:
    async def test() -> None:
        with redis.serving() as server:
            async with Upstream() as first, Upstream() as second:
                one, two = machine(first, server.port), machine(second, server.port)
                await one.ask("www.example.net.")
                await stored(one, 1)
                await two.ask("www.example.net.")
                assert len(second.asked) == 1
                await one.close()
                await two.close()

    run(test())


def test_without_redis_everything_works() -> None:
    async def test() -> None:
        async with Upstream() as upstream:
            asking = machine(upstream, free_port())
            began = time.monotonic()
            for number in range(50):
                assert addresses(await asking.ask(f"h{number}.example.net."))
            assert time.monotonic() - began < 5
            shared = asking.forwarding.statistics().forwarder.shared
            assert shared is not None
            assert shared.resting
            assert shared.failed < 10  # it is left in peace
            await asking.close()

    run(test())


def test_redis_that_dies_and_comes_back_is_used_again() -> None:
    async def test() -> None:
        port = free_port()
        async with Upstream() as upstream:
            with redis.serving(port):
                asking = machine(upstream, port)
                await asking.ask("before.example.net.")
                await stored(asking, 1)
            for number in range(10):
                assert addresses(await asking.ask(f"without{number}.example.net."))
            with redis.serving(port):
                for number in range(200):
                    assert addresses(await asking.ask(f"after{number}.example.net."))
                    shared = asking.forwarding.statistics().forwarder.shared
                    if shared is not None and shared.written > 1:
                        break
                    await asyncio.sleep(0.05)
                else:
                    pytest.fail("Redis is not used again")
            await asking.close()

    run(test(), seconds=60)


def test_redis_that_hangs_costs_little() -> None:
    async def test() -> None:
        with socket.create_server((HOST, 0)) as listener:  # accepts, and says nothing
            async with Upstream() as upstream:
                asking = machine(upstream, listener.getsockname()[1])
                began = time.monotonic()
                for number in range(20):
                    assert addresses(await asking.ask(f"h{number}.example.net."))
                assert time.monotonic() - began < 5
                await asking.close()

    run(test())


@pytest.mark.parametrize("nonsense", [b"", b"\xc1nonsense", b"\x9a" + b"\xc0" * 10])
def test_nonsense_in_redis_is_asked_for_anew(nonsense: bytes) -> None:
    async def test() -> None:
        with redis.serving() as server:
            async with Upstream() as upstream:
                one, two = machine(upstream, server.port), machine(upstream, server.port)
                await one.ask("www.example.net.")
                await stored(one, 1)
                listed = command(server, b"KEYS", b"*")
                key = listed[listed.index(b"pippin:") :].removesuffix(b"\r\n")
                command(server, b"SET", key, nonsense)
                assert addresses(await two.ask("www.example.net.")) == ["192.0.2.1"]
                assert len(upstream.asked) == 2
                shared = two.forwarding.statistics().forwarder.shared
                assert shared is not None
                assert shared.unreadable == 1
                await one.close()
                await two.close()

    run(test())
