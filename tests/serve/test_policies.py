"""Policies over real sockets: what clients get, what is remembered, and what a bad policy can't do to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from pippin.engine.compile import compile_zone
from pippin.policy.client import Client, Name
from pippin.policy.plans import (
    DROP,
    NODATA,
    NXDOMAIN,
    PASS,
    REFUSED,
    SERVFAIL,
    Plan,
    alias,
    all_of,
    cname,
    weighted,
)
from pippin.policy.policies import Policies
from pippin.policy.pools import Pool
from pippin.serve.in_process import InProcessServer
from pippin.serve.policies import PolicyStatistics
from tests.zone.images import stream_of

TEXT = """
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
own A 192.0.2.10
static A 192.0.2.20
"""
ORIGIN = b"\7example\0"


def serve(policies: Policies, *pools: Pool, **options: object) -> InProcessServer:
    server = InProcessServer(policies=policies, pools=pools, **options)
    marks = [(policy.owner, policy.rdtype) for policy in policies]
    image, findings = compile_zone(stream_of(TEXT, "example."), ORIGIN, server.seed, b"", marks)
    assert not findings
    server.publish(image)
    return server


def ask(
    server: InProcessServer,
    name: str,
    rdtype: str = "A",
    *,
    tcp: bool = False,
    subnet: str | None = None,
    timeout: float = 5.0,
) -> dns.message.Message:
    options = []
    if subnet is not None:
        address, _, bits = subnet.partition("/")
        options.append(dns.edns.ECSOption(address, int(bits)))
    query = dns.message.make_query(name, rdtype, use_edns=0, options=options)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, server.addresses[0].host, timeout, server.addresses[0].port)


def answers(reply: dns.message.Message) -> list[str]:
    return [str(rdata) for rrset in reply.answer for rdata in rrset]


def statistics(server: InProcessServer) -> PolicyStatistics:
    (found,) = server.policy_statistics()
    return found


@pytest.mark.parametrize("tcp", [False, True])
def test_an_answer_is_worked_out_once_and_then_remembered(tcp: bool) -> None:
    policies = Policies()

    @policies.answer("www.example", "A", ttl=17)
    def www(client: Client) -> str:
        return "192.0.2.80"

    with serve(policies) as server:
        for _ in range(5):
            reply = ask(server, "www.example", tcp=tcp)
            assert [str(rrset) for rrset in reply.answer] == ["www.example. 17 IN A 192.0.2.80"]
            assert reply.flags & dns.flags.AA
        found = statistics(server)
        assert (found.evaluations, found.hits, found.entries) == (1, 4, 1)
        assert server.counters()["slow"] == 1
