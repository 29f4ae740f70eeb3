"""A whole worker inside the test's process: both transports, every verdict, changes while it runs."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.zone
import pytest

from pippin.engine.compile import compile_zone
from pippin.serve.in_process import InProcessServer
from tests.zone.images import stream_of

ORIGIN = dns.name.from_text("example.")
TEXT = """
@ SOA ns1 hostmaster {serial} 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.10
big TXT {big}
away CNAME www.other.
""".replace("{big}", " ".join(['"' + "x" * 250 + '"'] * 20))
OTHER = "@ SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.99\n"


def publish(server: InProcessServer, text: str, origin: str) -> None:
    wire = dns.name.from_text(origin).canonicalize().to_wire() or b""
    image, _ = compile_zone(stream_of(text, origin), wire, server.seed)
    server.publish(image)


@pytest.fixture
def server() -> Iterator[InProcessServer]:
    with InProcessServer(("127.0.0.1:0", "[::1]:0"), version="test", tcp_idle_timeout=0.3) as server:
        publish(server, TEXT.replace("{serial}", "1"), "example.")
        publish(server, OTHER, "other.")
        yield server


def ask(
    server: InProcessServer, name: str, rdtype: str = "A", *, tcp: bool = False, v6: bool = False, **how: str
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, how.get("rdclass", "IN"), use_edns=0)
    address = server.addresses[v6]
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, address.host, 3, address.port)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("v6", [False, True])
def test_answers_on_all_addresses_and_transports(server: InProcessServer, tcp: bool, v6: bool) -> None:
    reply = ask(server, "www.example.", tcp=tcp, v6=v6)
    assert str(reply.answer[0][0]) == "192.0.2.10"
    assert reply.flags & dns.flags.AA


@pytest.mark.parametrize("tcp", [False, True])
def test_questions_for_the_slow_path_are_answered_and_remembered(server: InProcessServer, tcp: bool) -> None:
    """A CNAME that leads into another zone served here."""
    for _ in range(3):
        reply = ask(server, "away.example.", tcp=tcp)
        assert [str(rrset[0]) for rrset in reply.answer] == ["www.other.", "192.0.2.99"]
    counters = server.counters()
    assert (counters["slow"], counters["cache_hits"]) == (1, 2)


def test_new_version_is_answered_from_at_once_and_forgets_the_cache(server: InProcessServer) -> None:
    ask(server, "away.example.")
    publish(server, OTHER.replace("192.0.2.99", "192.0.2.100"), "other.")
    assert str(ask(server, "www.other.").answer[0][0]) == "192.0.2.100"
    assert str(ask(server, "away.example.").answer[1][0]) == "192.0.2.100"
    server.withdraw(b"\5other\0")
    assert ask(server, "www.other.").rcode() == dns.rcode.REFUSED
    assert len(ask(server, "away.example.", tcp=True).answer) == 1


def test_news_arrives_over_an_open_tcp_connection(server: InProcessServer) -> None:
    query = dns.message.make_query("www.other.", "A")
    with socket.create_connection((server.addresses[0].host, server.addresses[0].port)) as sock:
        dns.query.send_tcp(sock, query)
        assert str(dns.query.receive_tcp(sock)[0].answer[0][0]) == "192.0.2.99"
        publish(server, OTHER.replace("192.0.2.99", "192.0.2.100"), "other.")
        dns.query.send_tcp(sock, query)
        assert str(dns.query.receive_tcp(sock)[0].answer[0][0]) == "192.0.2.100"


def test_truncated_over_udp_and_whole_over_tcp(server: InProcessServer) -> None:
    assert ask(server, "big.example.", "TXT").flags & dns.flags.TC
    assert len(ask(server, "big.example.", "TXT", tcp=True).answer[0][0].strings) == 20


@pytest.mark.parametrize("tcp", [False, True])
def test_class_ch_is_answered_from_the_options(server: InProcessServer, tcp: bool) -> None:
    assert str(ask(server, "version.bind.", "TXT", tcp=tcp, rdclass="CH").answer[0][0]) == '"test"'
    assert ask(server, "id.server.", "TXT", tcp=tcp, rdclass="CH").rcode() == dns.rcode.REFUSED


def test_transfer_gives_the_zone(server: InProcessServer) -> None:
    address = server.addresses[0]
    zone = dns.zone.Zone(ORIGIN)
    dns.query.inbound_xfr(address.host, zone, port=address.port, timeout=3)
    assert zone.get_rdataset("www", "A")[0].to_text() == "192.0.2.10"  # type: ignore[index]
    assert ask(server, "example.", "AXFR").rcode() == dns.rcode.FORMERR


def test_keepalive_is_offered_over_tcp_to_those_who_ask(server: InProcessServer) -> None:
    keepalive = dns.edns.GenericOption(11, b"")
    query = dns.message.make_query("www.example.", "A", use_edns=0, options=[keepalive])
    address = server.addresses[0]
    reply = dns.query.tcp(query, address.host, 3, address.port)
    assert [option.otype for option in reply.options] == [11]


def test_idle_connection_is_closed(server: InProcessServer) -> None:
    with socket.create_connection((server.addresses[0].host, server.addresses[0].port)) as sock:
        sock.settimeout(3)
        assert sock.recv(1) == b""


def test_traffic_is_counted(server: InProcessServer) -> None:
    ask(server, "www.example.")
    ask(server, "nope.example.", tcp=True)
    time.sleep(0.6)  # TCP is counted a few times a second
    counters = server.counters()
    assert counters["queries"] == 2
    assert counters["nxdomain"] == 1
    assert (counters["tcp_connections"], counters["tcp_queries"]) == (1, 1)


def test_reply_leaves_from_the_address_that_was_asked() -> None:
    """Bound to all addresses; the slow path's replies too (127.0.0.2 is not what routing would choose)."""
    with InProcessServer(("0.0.0.0:0",)) as server:
        publish(server, TEXT.replace("{serial}", "1"), "example.")
        publish(server, OTHER, "other.")
        for name in ("www.example.", "away.example."):
            query = dns.message.make_query(name, "A")
            reply = dns.query.udp(query, "127.0.0.2", 3, server.addresses[0].port)
            assert reply.answer


def test_closed_server_is_gone_and_can_be_started_again() -> None:
    with InProcessServer() as server:
        address = server.addresses[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port))
    with InProcessServer((str(address),)) as server:
        assert server.addresses == (address,)


def test_cookies_can_be_required_of_clients_that_have_them() -> None:
    with InProcessServer(require_cookie=True) as server:
        publish(server, OTHER, "other.")
        where = ("127.0.0.1", 3, server.addresses[0].port)
        bare = dns.message.make_query("www.other.", "A")
        assert dns.query.udp(bare, *where).rcode() == dns.rcode.NOERROR
        first = dns.message.make_query("www.other.", "A", options=[dns.edns.CookieOption(b"8 octets", b"")])
        refused = dns.query.udp(first, *where)
        assert (refused.rcode(), refused.answer) == (dns.rcode.BADCOOKIE, [])
        again = dns.message.make_query("www.other.", "A", options=refused.options)
        assert dns.query.udp(again, *where).rcode() == dns.rcode.NOERROR
