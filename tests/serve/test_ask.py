"""The slow path writes a question's facts exactly as the receive loop does."""

from __future__ import annotations

import itertools

import pytest

from pippin.engine.compile import compile_zone
from pippin.engine.memo import ASK_BITS, ASK_CAPTURED, ASK_SUBNET_GIVEN, PolicyMemo
from pippin.engine.path import SLOW, Options, Responder, client_from
from pippin.query.query import Query, Transport
from pippin.serve.ask import Asking, Network
from tests.engine.packets import NOW, opt, option, query, wire
from tests.zone.images import SEED, stream_of

ZONE = "@ SOA ns host 7 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1"
MARKS = [(wire("www.example."), 1), (wire("www.example."), 16), (wire("*.cdn.example."), 1)]
EVERYBODY = ("0.0.0.0/0", "::/0")
OFFICE = ("198.51.100.0/24", "2001:db8::/32")

CLIENTS = ["192.0.2.99", "198.51.100.7", "2001:db8::99", "2001:db9::1", "::ffff:198.51.100.7"]
SUBNETS = [
    None,
    b"\0\1\0\0",
    b"\0\1\x18\0\xcb\0\x71",
    b"\0\1\x20\0\xcb\0\x71\x07",
    b"\0\1\x09\0\xcb\x80",
    b"\0\2\x30\0\x20\1\x0d\xb8\0\1",
    b"\0\2\x80\0" + bytes(range(1, 17)),
]
QUESTIONS = [("www.example.", "A"), ("WwW.example.", "TXT"), ("One.Two.cdn.example.", "A")]


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    from ipaddress import ip_network

    return tuple(ip_network(text) for text in texts)


def queries(name: str, rdtype: str) -> list[bytes]:
    """With and without EDNS, DO, and each subnet, alone and behind another option."""
    found = [query(name, rdtype)]
    for subnet, flags, before in itertools.product(SUBNETS, (0, 0x8000), (b"", option(3, b""))):
        found.append(query(name, rdtype, opt(before + (option(8, subnet) if subnet else b""), flags=flags)))
    return found


@pytest.mark.parametrize("believed", [(), EVERYBODY, OFFICE])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("name", "rdtype"), QUESTIONS)
def test_both_write_the_same(believed: tuple[str, ...], client: str, name: str, rdtype: str) -> None:
    image, findings = compile_zone(stream_of(ZONE, "example."), wire("example."), SEED, b"", MARKS)
    assert not findings
    responder = Responder(Options(seed=SEED, subnet_from=believed))
    memo = PolicyMemo(bytes(16), 1)
    responder.set_memo(memo)
    responder.map(image)
    responder.place(0)
    by_hand = bytearray(len(memo.ask))
    asking = Asking(by_hand, networks(believed))
    captured = b"\3one\3two" if "cdn" in name else b""
    for packet in queries(name, rdtype):
        memo.ask[:] = bytes(len(memo.ask))
        assert responder.answer_stream(packet, client_from(client, 5353), NOW)[0] == SLOW
        by_hand[:] = bytes(len(by_hand))
        asking.write(Query(packet, (client, 5353), Transport.TCP), captured, responder.generation())
        assert by_hand == memo.ask, packet.hex()


def test_what_an_earlier_question_left_is_gone() -> None:
    ask = bytearray(b"\xff" * 312)
    asking = Asking(ask, networks(EVERYBODY))
    asking.write(Query(query("www.example.", "A"), ("192.0.2.99", 1), Transport.UDP), b"\1a", 1)
    assert (ask[ASK_BITS], ask[ASK_SUBNET_GIVEN], bytes(ask[ASK_CAPTURED : ASK_CAPTURED + 2])) == (
        32,
        0,
        b"\1a",
    )


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1\x18"])
def test_a_broken_subnet_of_somebody_not_believed_is_ignored(data: bytes) -> None:
    ask = bytearray(312)
    Asking(ask, ()).write(
        Query(query("www.example.", "A", opt(option(8, data))), ("192.0.2.99", 1), Transport.UDP), b"", 1
    )
    assert ask[ASK_SUBNET_GIVEN] == 0
