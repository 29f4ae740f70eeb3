"""EDNS Client Subnet (RFC 7871) on the fast path: whose is believed, what is malformed and echoed. Both engines."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.engine.packets import opt, option, query
from tests.engine.test_path import Asking

EVERYBODY = ("0.0.0.0/0", "::/0")


@pytest.fixture
def path(engine_module):
    return engine_module("path")


def subnet(data: bytes) -> bytes:
    return query("www.example.", "A", opt(option(8, data)))


def echoed(message):
    return [o for o in message.options if o.otype == dns.edns.ECS]


def test_a_subnet_comes_back_with_scope_0_where_the_answer_is_the_same_for_all(path):
    ask = Asking(path, subnet_from=EVERYBODY)
    (option_back,) = echoed(ask.reply(subnet(b"\0\1\x18\0\xcb\0\x71")))
    assert (option_back.address, option_back.srclen, option_back.scopelen) == ("203.0.113.0", 24, 0)
    (option_back,) = echoed(ask.reply(subnet(b"\0\2\x30\0\x20\1\x0d\xb8\0\1")))
    assert (option_back.address, option_back.srclen, option_back.scopelen) == ("2001:db8:1::", 48, 0)


def test_a_subnet_of_length_0_is_echoed(path):
    ask = Asking(path, subnet_from=EVERYBODY)
    assert echoed(ask.reply(subnet(b"\0\1\0\0")))[0].srclen == 0


def test_family_0_with_nothing_is_echoed(path):
    """`dig +subnet=0` asks that no client's address be used."""
    _, reply = Asking(path, subnet_from=EVERYBODY).udp(subnet(bytes(4)))
    assert reply.endswith(option(8, bytes(4)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\1\x18",
        b"\0\1\x18\0\xcb\0",  # too few octets of address
        b"\0\1\x18\0\xcb\0\x71\1",  # too many
        b"\0\1\x17\0\xcb\0\x71",  # a bit beyond the prefix
        b"\0\1\x18\x18\xcb\0\x71",  # a scope in a query
        b"\0\1\x21\0\xcb\0\x71\1\1",  # longer than an IPv4 address
        b"\0\2\x81\0" + bytes(17),
        b"\0\3\x08\0\1",  # no such family
        b"\0\3\0\0",
        b"\0\0\x08\0\1",
        b"\1\1\x08\0\1",
    ],
)
def test_a_malformed_subnet_is_formerr(path, data):
    reply = Asking(path, subnet_from=EVERYBODY).reply(subnet(data))
    assert reply.rcode() == dns.rcode.FORMERR
    assert reply.edns == 0


@pytest.mark.parametrize("data", [b"\0\1\x18\0\xcb\0\x71", b"\0\1\x18"])
@pytest.mark.parametrize("believed", [(), ("198.51.100.0/24", "::/0", "192.0.2.96/31")])
def test_a_subnet_from_somebody_else_is_ignored(path, data, believed):
    reply = Asking(path, subnet_from=believed).reply(subnet(data))
    assert reply.rcode() == dns.rcode.NOERROR
    assert not reply.options


@pytest.mark.parametrize("believed", ["192.0.2.99/32", "192.0.2.98/31", "192.0.2.0/24", "192.0.0.0/9", "0.0.0.0/0"])
def test_networks_of_every_length_are_told_apart(path, believed):
    assert echoed(Asking(path, subnet_from=("10.0.0.0/8", believed)).reply(subnet(b"\0\1\x08\0\x0a")))


def test_an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client(path):
    ask = Asking(path, subnet_from=("192.0.2.0/24",))
    ask.client = path.client_from("::ffff:192.0.2.99", 5353)
    assert echoed(ask.reply(subnet(b"\0\1\x08\0\x0a")))
    ask.client = path.client_from("2001:db8::99", 5353)
    assert not echoed(ask.reply(subnet(b"\0\1\x08\0\x0a")))
    ask = Asking(path, subnet_from=("2001:db8::/33",))
    ask.client = path.client_from("2001:db8:7fff::1", 5353)
    assert echoed(ask.reply(subnet(b"\0\1\x08\0\x0a")))
    ask.client = path.client_from("2001:db8:8000::1", 5353)
    assert not echoed(ask.reply(subnet(b"\0\1\x08\0\x0a")))


def test_room_is_kept_for_the_subnet(path):
    ask = Asking(path, subnet_from=EVERYBODY)
    _, reply = ask.udp(query("big.example.", "TXT", opt(option(8, b"\0\2\x80\0" + bytes(16)), size=512)))
    assert len(reply) <= 512
    assert echoed(dns.message.from_wire(reply))
