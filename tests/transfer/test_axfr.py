"""Transfers out (RFC 5936, RFC 1995), handler and messages; whole servers do it in tests/interop."""

from __future__ import annotations

import asyncio

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest

from pippin.engine.unpack import MESSAGE_LIMIT
from pippin.query.pipeline import Outcome, Stream
from pippin.query.query import Malformed, Query, Transport
from pippin.query.reply import Reply
from pippin.transfer.axfr import TransferOut
from pippin.zone.zone import Zone
from tests.zone.images import compiled

ORIGIN = dns.name.from_text("example.")
TEXT = """
@ SOA ns1 hostmaster 10 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
*.wild TXT "any"
sub NS ns.sub
ns.sub A 192.0.2.53
below.sub TXT "occluded"
"""
LOOPBACK = ("127.0.0.0/8", "::1/128")


def ask(
    zone: Zone,
    rdtype: str = "AXFR",
    *,
    name: str = "example.",
    client: str = "127.0.0.1",
    transport: Transport = Transport.TCP,
    serial: int | None = None,
    edns: bool = False,
    allow: tuple[str, ...] = LOOPBACK,
) -> tuple[Query, Outcome, list[dns.message.Message]]:
    """The query, what the handler made of it, and the messages if that is a stream."""

    async def handle() -> tuple[Outcome, list[bytes]]:
        handler = TransferOut(lambda origin: zone if origin == ORIGIN else None, allow)
        outcome = await handler.handle(query)
        return outcome, [m async for m in outcome.messages] if isinstance(outcome, Stream) else []

    message = dns.message.make_query(name, rdtype, use_edns=0 if edns else False, id=77)
    if serial is not None:
        soa = f"ns1.example. hostmaster.example. {serial} 1 1 1 1"
        message.authority.append(dns.rrset.from_text("example.", 0, "IN", "SOA", soa))
    query = Query(message.to_wire(), (client, 5353), transport)
    outcome, wires = asyncio.run(handle())
    return query, outcome, [dns.message.from_wire(wire, one_rr_per_rrset=True) for wire in wires]


def rcode_of(outcome: Outcome) -> dns.rcode.Rcode:
    assert isinstance(outcome, Reply)
    return dns.rcode.Rcode.make(outcome.rcode)


def test_transfer_is_the_whole_zone_between_two_soas() -> None:
    zone = compiled(TEXT, "example.")
    _, _, (message,) = ask(zone)
    assert message.id == 77
    assert message.flags == dns.flags.QR | dns.flags.AA
    records = [(rrset.name, rrset.ttl, rrset[0]) for rrset in message.answer]
    assert records[0] == records[-1]
    assert records[:-1] == list(zone.records())
    assert dns.name.from_text("below.sub.example.") in {name for name, _, _ in records}


@pytest.mark.parametrize("edns", [False, True])
def test_large_zone_takes_several_messages_all_alike(edns: bool) -> None:
    text = TEXT + "".join(f"host{number} A 192.0.2.1\n" for number in range(3000))
    zone = compiled(text, "example.")
    _, _, messages = ask(zone, edns=edns)
    assert len(messages) > 2
    records = [rrset[0] for message in messages for rrset in message.answer]
    assert len(records) == zone.statistics().records + 1
    for message in messages:
        assert len(message.to_wire()) <= MESSAGE_LIMIT
        assert message.id == 77
        assert message.question[0].rdtype == dns.rdatatype.AXFR
        assert (message.edns >= 0) is edns


def test_records_that_nearly_fill_a_message_each_get_one() -> None:
    long = " ".join(['"' + "x" * 255 + '"'] * 230)
    text = TEXT + "".join(f"txt{number} TXT {long}\n" for number in range(3))
    _, _, messages = ask(compiled(text, "example."))
    sizes = [sum(rrset.rdtype == dns.rdatatype.TXT for rrset in message.answer) for message in messages]
    assert sum(sizes) == 3 + 2
    assert max(len(message.to_wire()) for message in messages) <= 65535


def test_only_those_allowed_may() -> None:
    zone = compiled(TEXT, "example.")
    assert rcode_of(ask(zone, client="192.0.2.7")[1]) == dns.rcode.REFUSED
    assert rcode_of(ask(zone, "IXFR", client="2001:db8::7", serial=1)[1]) == dns.rcode.REFUSED
    assert ask(zone, client="192.0.2.7", allow=("192.0.2.0/24",))[2]
    assert ask(zone, client="::1")[2]
    assert ask(zone, client="fe80::1%eth0", allow=("fe80::/10",))[2]


def test_name_that_is_no_zone_here_is_notauth() -> None:
    assert rcode_of(ask(compiled(TEXT, "example."), name="ns1.example.")[1]) == dns.rcode.NOTAUTH


def test_axfr_over_udp_is_formerr() -> None:
    outcome = ask(compiled(TEXT, "example."), transport=Transport.UDP)[1]
    assert rcode_of(outcome) == dns.rcode.FORMERR


@pytest.mark.parametrize(("serial", "whole"), [(9, True), (10, False), (11, False), (2**32 - 5, True)])
def test_ixfr_over_tcp_is_the_whole_zone_unless_the_client_has_it(serial: int, whole: bool) -> None:
    _, outcome, messages = ask(compiled(TEXT, "example."), "IXFR", serial=serial)
    assert bool(messages) is whole
    if not whole:
        assert isinstance(outcome, Reply)
        assert outcome.answers == 1


def test_ixfr_over_udp_is_the_soa_alone() -> None:
    zone = compiled(TEXT, "example.")
    query, outcome, _ = ask(zone, "IXFR", serial=1, transport=Transport.UDP)
    assert isinstance(outcome, Reply)
    wire = query.wire[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + query.name_wire + b"\0\xfb\0\1" + outcome.body
    (rrset,) = dns.message.from_wire(wire).answer
    assert rrset == zone.soa


def test_ixfr_without_the_clients_soa_is_malformed() -> None:
    with pytest.raises(Malformed, match="must have the client's SOA"):
        ask(compiled(TEXT, "example."), "IXFR")


def test_other_questions_are_left_to_others() -> None:
    assert ask(compiled(TEXT, "example."), "A")[1] is None
