"""What can go wrong with an answer: errors, silence, truncation, delay; each as long and as often as a test wants."""

from __future__ import annotations

import socket
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from pippin.testing import DNSServer


@pytest.fixture(autouse=True)
def _zone(dns_server: DNSServer) -> None:
    dns_server.zone(
        "example.com", 'www A 192.0.2.1\nwww TXT "text"\nftp A 192.0.2.2\naway CNAME www.example.org.\n'
    )
    dns_server.zone("example.org", "www A 192.0.2.9")  # `away` is answered on the slow path


def rcode(server: DNSServer, name: str = "www.example.com", rdtype: str = "A", *, tcp: bool = False) -> str:
    return dns.rcode.to_text(server.ask(name, rdtype, tcp=tcp).rcode())


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", ["www.example.com", "away.example.com"])
@pytest.mark.parametrize("code", ["SERVFAIL", "NXDOMAIN", "REFUSED", "BADVERS", 9])
def test_error_instead_of_the_answer(dns_server: DNSServer, code: str | int, name: str, tcp: bool) -> None:
    fault = dns_server.fail(name, code)
    reply = dns_server.ask(name, tcp=tcp)
    assert reply.rcode() == (code if isinstance(code, int) else dns.rcode.from_text(code))
    assert [*reply.answer, *reply.authority, *reply.additional] == []
    assert rcode(dns_server, "ftp.example.com") == "NOERROR"
    fault.end()
    assert rcode(dns_server, name) == "NOERROR"


def test_error_for_one_type_only(dns_server: DNSServer) -> None:
    dns_server.fail("www.example.com", rdtype="txt")
    assert rcode(dns_server, rdtype="TXT") == "SERVFAIL"
    assert rcode(dns_server) == "NOERROR"


def test_error_a_few_times(dns_server: DNSServer) -> None:
    """A client that asks again gets its answer."""
    dns_server.fail("www.example.com", times=2)
    assert [rcode(dns_server) for _ in range(4)] == ["SERVFAIL", "SERVFAIL", "NOERROR", "NOERROR"]


def test_names_below_and_all_names(dns_server: DNSServer) -> None:
    with dns_server.fail("*.example.com"):
        assert rcode(dns_server, "WWW.Example.Com") == "SERVFAIL"
        assert rcode(dns_server, "a.b.example.com") == "SERVFAIL"
        assert rcode(dns_server, "example.com", "SOA") == "NOERROR"
        assert rcode(dns_server, "www.example.org") == "NOERROR"
    assert rcode(dns_server) == "NOERROR"
    dns_server.fail("*", "REFUSED")
    assert rcode(dns_server, "example.com", "SOA") == "REFUSED"
    assert rcode(dns_server, "www.example.org") == "REFUSED"
    assert rcode(dns_server, ".", "NS") == "REFUSED"


def test_recovery_of_one_name_and_of_all(dns_server: DNSServer) -> None:
    dns_server.fail("www.example.com")
    dns_server.fail("ftp.example.com")
    dns_server.recover("WWW.example.com.")
    assert rcode(dns_server) == "NOERROR"
    assert rcode(dns_server, "ftp.example.com") == "SERVFAIL"
    dns_server.recover()
    assert rcode(dns_server, "ftp.example.com") == "NOERROR"


@pytest.mark.parametrize("name", ["www.example.com", "away.example.com"])
@pytest.mark.parametrize("tcp", [False, True])
def test_silence_is_a_timeout_and_no_closed_connection(dns_server: DNSServer, name: str, tcp: bool) -> None:
    dns_server.timeout(name)
    query = dns.message.make_query(name, "A")
    send = dns.query.tcp if tcp else dns.query.udp
    with pytest.raises(dns.exception.Timeout):
        send(query, dns_server.host, 0.1, dns_server.port)
    assert dns_server.asked(name) == 1
    assert rcode(dns_server, "ftp.example.com", tcp=tcp) == "NOERROR"


def test_resolver_asks_again_after_silence(dns_server: DNSServer) -> None:
    dns_server.timeout("www.example.com", times=1)
    resolver = dns_server.resolver()
    resolver.timeout = 0.1
    assert str(resolver.resolve("www.example.com")[0]) == "192.0.2.1"
    assert dns_server.asked("www.example.com", "A") == 2


def test_silence_on_one_connection_leaves_its_other_questions_answered(dns_server: DNSServer) -> None:
    dns_server.timeout("www.example.com")
    with socket.create_connection((dns_server.host, dns_server.port), timeout=5) as sock:
        dns.query.send_tcp(sock, dns.message.make_query("www.example.com", "A"))
        ftp = dns.message.make_query("ftp.example.com", "A")
        dns.query.send_tcp(sock, ftp)
        assert dns.query.receive_tcp(sock)[0].id == ftp.id


@pytest.mark.parametrize("name", ["www.example.com", "away.example.com"])
def test_truncation_over_udp_sends_clients_to_tcp(dns_server: DNSServer, name: str) -> None:
    dns_server.truncate(name)
    reply = dns_server.ask(name)
    assert reply.flags & dns.flags.TC
    assert reply.edns == 0
    assert not reply.answer
    assert dns_server.resolver().resolve(name)
    assert [query.transport for query in dns_server.queries] == ["udp", "udp", "tcp"]


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", ["www.example.com", "away.example.com"])
def test_late_answers_are_the_right_ones(dns_server: DNSServer, name: str, tcp: bool) -> None:
    for _ in range(2):  # the second one would come from the answer cache
        with dns_server.delay(name, 0.2):
            began = time.monotonic()
            reply = dns_server.ask(name, tcp=tcp)
        assert time.monotonic() - began >= 0.19
        assert reply.answer
        assert reply.rcode() == dns.rcode.NOERROR


def test_late_answers_hold_nobody_up(dns_server: DNSServer) -> None:
    dns_server.delay("www.example.com", 30)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(300):  # more than the slow path works on at a time
            query = dns.message.make_query("www.example.com", "A").to_wire()
            sock.sendto(query, (dns_server.host, dns_server.port))
    assert rcode(dns_server, "ftp.example.com") == "NOERROR"
    assert rcode(dns_server, "away.example.com") == "NOERROR"


def test_question_repeated_octet_by_octet_is_late_each_time(dns_server: DNSServer) -> None:
    dns_server.delay("www.example.com", 0.2)
    query = dns.message.make_query("www.example.com", "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((dns_server.host, dns_server.port))
        began = time.monotonic()
        for _ in range(3):
            sock.send(query)
        replies = [sock.recv(4096) for _ in range(3)]
    assert time.monotonic() - began >= 0.19
    assert len(set(replies)) == 1


def test_faults_add_up(dns_server: DNSServer) -> None:
    """Late, and then an error; silence goes before everything else."""
    dns_server.delay("www.example.com", 0.2)
    dns_server.fail("www.example.com")
    for tcp in (False, True):
        began = time.monotonic()
        assert rcode(dns_server, tcp=tcp) == "SERVFAIL"
        assert time.monotonic() - began >= 0.19
    dns_server.timeout("*.com")
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(dns.message.make_query("www.example.com", "A"), dns_server.host, 0.3, dns_server.port)


def test_server_ends_at_once_with_late_answers_on_the_way() -> None:
    with DNSServer() as server:
        server.zone("example.com", "www A 192.0.2.1")
        server.delay("www.example.com", 60)
        sock = socket.create_connection((server.host, server.port), timeout=5)
        dns.query.send_tcp(sock, dns.message.make_query("www.example.com", "A"))
        began = time.monotonic()
    assert time.monotonic() - began < 2
    sock.close()


@pytest.mark.parametrize("times", [0, -1])
def test_never_is_no_number_of_times(dns_server: DNSServer, times: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        dns_server.fail("www.example.com", times=times)


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_delay_has_to_be_a_time(dns_server: DNSServer, seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot be waited for"):
        dns_server.delay("www.example.com", seconds)
