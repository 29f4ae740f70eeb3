"""Packets through real sockets on the loopback, by recvmmsg and by the plain twin."""

from __future__ import annotations

import importlib
import os
import select
import socket
import time

import pytest

from pippin.engine import sockets_py
from pippin.engine.path import DROP, HIT, QUERY_SIZE, SLOW, Batch, client_address, client_from

LOOPBACKS = ("127.0.0.1", "::1")


@pytest.fixture(params=["plain", "compiled"])
def sockets(request):
    if request.param == "plain":
        return sockets_py
    try:
        module = importlib.import_module("pippin.engine.sockets")
    except ModuleNotFoundError:
        module = sockets_py
    if not module.is_compiled():
        if os.environ.get("CI") and os.environ.get("PIPPIN_PURE") != "1":
            pytest.fail("pippin.engine.sockets is not compiled, and in CI it has to be")
        pytest.skip("pippin.engine.sockets is not compiled in this installation")
    return module


@pytest.fixture(params=LOOPBACKS)
def host(request):
    if request.param == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    return request.param


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Server:
    """A bound socket, its batch and its endpoint."""

    def __init__(self, module, host, packet_info=False, capacity=8):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        if packet_info and ":" in host:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif packet_info:
            self.socket.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO, which Python does not name before 3.14
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.batch = Batch(capacity)
        self.endpoint = module.Endpoint(self.socket.fileno(), self.batch, packet_info)

    def receive(self, at_least=1):
        """One batch, when that many packets wait (they all do, a loopback delivers at once)."""
        readable, _, _ = select.select([self.socket], [], [], 5)
        assert readable, "nothing arrived"
        count = self.endpoint.receive()
        assert count >= at_least
        return count

    def give(self, i, reply, verdict=HIT):
        _, _, replies, lengths, _, verdicts = self.batch.buffers()
        start = i * self.batch.sizes()[2]
        replies[start : start + len(reply)] = reply
        lengths[i] = len(reply)
        verdicts[i] = verdict


class Client:
    def __init__(self, host, bind=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.bind((bind or host, 0))
        self.address = self.socket.getsockname()[:2]

    def silent(self):
        self.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            self.socket.recvfrom(100)
        return True


def test_nothing_waits(sockets, host):
    assert Server(sockets, host).endpoint.receive() == 0


def test_there_and_back(sockets, host):
    server, client = Server(sockets, host), Client(host)
    client.socket.sendto(b"question", (host, server.port))
    assert server.receive() == 1
    assert server.batch.query(0) == b"question"
    assert client_address(server.batch.client(0)) == client.address
    assert server.batch.client(0) == client_from(*client.address)
    server.give(0, b"the answer")
    assert server.endpoint.send(1) == 0
    assert client.socket.recvfrom(100)[0] == b"the answer"


def test_a_batch_is_filled_and_the_rest_waits(sockets, host):
    server, clients = Server(sockets, host, capacity=4), [Client(host) for _ in range(6)]
    for i, client in enumerate(clients):
        client.socket.sendto(bytes([i]) * (i + 1), (host, server.port))
    time.sleep(0.05)
    assert server.receive() == 4
    assert [server.batch.query(i) for i in range(4)] == [bytes([i]) * (i + 1) for i in range(4)]
    for i in range(4):
        server.give(i, bytes([100 + i]))
    assert server.endpoint.send(4) == 0
    assert [client.socket.recv(10) for client in clients[:4]] == [bytes([100 + i]) for i in range(4)]
    assert server.receive() == 2
    assert [client_address(server.batch.client(i)) for i in range(2)] == [c.address for c in clients[4:]]


def test_only_hits_are_sent(sockets, host):
    server, clients = Server(sockets, host), [Client(host) for _ in range(3)]
    for client in clients:
        client.socket.sendto(b"q", (host, server.port))
    time.sleep(0.05)
    server.receive(3)
    for i, verdict in enumerate((SLOW, DROP, HIT)):
        server.give(i, b"reply", verdict)
    assert server.endpoint.send(3) == 0
    assert clients[2].socket.recv(10) == b"reply"
    assert clients[0].silent()
    assert clients[1].silent()


def test_a_slow_reply_is_sent_later(sockets, host):
    server, client = Server(sockets, host), Client(host)
    client.socket.sendto(b"q", (host, server.port))
    server.receive()
    raw, source = server.batch.client(0), server.endpoint.source(0)
    server.endpoint.send(0)
    assert server.endpoint.send_one(b"later", raw, source)
    assert client.socket.recvfrom(10)[0] == b"later"


@pytest.mark.parametrize("size", [QUERY_SIZE, QUERY_SIZE + 1, 9000])
def test_what_does_not_fit_has_no_length(sockets, host, size):
    server, client = Server(sockets, host), Client(host)
    client.socket.sendto(bytes(size), (host, server.port))
    client.socket.sendto(b"next", (host, server.port))
    time.sleep(0.05)
    assert server.receive(2) == 2
    assert len(server.batch.query(0)) == (size if size == QUERY_SIZE else 0)
    assert server.batch.query(1) == b"next"


def test_an_empty_packet(sockets, host):
    server, client = Server(sockets, host), Client(host)
    client.socket.sendto(b"", (host, server.port))
    assert server.receive() == 1
    assert server.batch.query(0) == b""


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2", "127.1.2.3"])
def test_a_wildcard_answers_from_the_address_that_was_asked(sockets, asked):
    server, client = Server(sockets, "0.0.0.0", packet_info=True), Client("127.0.0.1")
    client.socket.connect((asked, server.port))  # so that a reply from elsewhere is not received
    for rounds in range(2):
        client.socket.send(b"q")
        server.receive()
        server.give(0, b"at once")
        raw, source = server.batch.client(0), server.endpoint.source(0)
        assert server.endpoint.send(1) == 0
        assert client.socket.recv(10) == b"at once", rounds
        assert server.endpoint.send_one(b"later", raw, source)
        assert client.socket.recv(10) == b"later"


def test_a_wildcard_answers_every_client_of_a_batch_from_its_own_address(sockets):
    server = Server(sockets, "0.0.0.0", packet_info=True)
    clients = {f"127.0.0.{i}": Client("127.0.0.1") for i in range(1, 7)}
    for asked, client in clients.items():
        client.socket.connect((asked, server.port))
        client.socket.send(asked.encode())
    time.sleep(0.05)
    count = server.receive(6)
    for i in range(count):
        server.give(i, server.batch.query(i), SLOW if i == 2 else HIT)
    assert server.endpoint.send(count) == 0
    for i, (asked, client) in enumerate(clients.items()):
        if i != 2:
            assert client.socket.recv(20) == asked.encode()


def test_a_wildcard_on_ipv6(sockets):
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    server, client = Server(sockets, "::", packet_info=True), Client("::1")
    client.socket.connect(("::1", server.port))
    client.socket.send(b"q")
    server.receive()
    server.give(0, b"reply")
    assert server.endpoint.send(1) == 0
    assert client.socket.recv(10) == b"reply"


@pytest.mark.parametrize("packet_info", [False, True])
def test_receiving_twice_without_sending(sockets, packet_info):
    """What the kernel wrote into a message header must not limit the next packet there."""
    host = "0.0.0.0" if packet_info else "127.0.0.1"
    server, client = Server(sockets, host, packet_info), Client("127.0.0.1")
    client.socket.connect(("127.0.0.3" if packet_info else host, server.port))
    for _ in range(3):
        client.socket.send(b"q")
        server.receive()
    server.give(0, b"reply")
    assert server.endpoint.send(1) == 0
    assert client.socket.recv(10) == b"reply"


def test_replies_that_the_kernel_refuses_are_counted_and_the_others_sent(sockets, host):
    server, clients = Server(sockets, host), [Client(host) for _ in range(3)]
    for client in clients:
        client.socket.sendto(b"q", (host, server.port))
    time.sleep(0.05)
    server.receive(3)
    for i in range(3):
        server.give(i, b"reply")
    if host == "127.0.0.1" and sockets.is_compiled():
        server.batch.buffers()[4][28 + 4 : 28 + 8] = bytes([255, 255, 255, 255])  # broadcast is not allowed
        assert server.endpoint.send(3) == 1
        assert server.endpoint.refused == 1
        assert clients[0].socket.recv(10) == clients[2].socket.recv(10) == b"reply"
    unreachable = client_from("255.255.255.255", 53) if host == "127.0.0.1" else client_from("2001:db8::1", 53)
    refused = server.endpoint.refused
    if not server.endpoint.send_one(b"reply", unreachable):  # a machine may have a default route for IPv6
        assert server.endpoint.refused == refused + 1
    assert host == "::1" or server.endpoint.refused > refused


def test_a_client_that_is_gone_does_no_harm(sockets, host):
    server, gone, client = Server(sockets, host), Client(host), Client(host)
    for _ in range(3):
        gone.socket.sendto(b"q", (host, server.port))
    time.sleep(0.05)
    count = server.receive(3)
    gone.socket.close()
    for i in range(count):
        server.give(i, b"reply")
    server.endpoint.send(count)
    client.socket.sendto(b"still there?", (host, server.port))
    assert server.receive() == 1
    assert server.batch.query(0) == b"still there?"


def test_a_broken_socket_is_an_error(sockets):
    server = Server(sockets, "127.0.0.1")
    fd = server.socket.detach()
    os.close(fd)
    with pytest.raises(OSError, match=r"Bad file descriptor|recvmmsg"):
        server.endpoint.receive()


def test_the_count_is_checked(sockets):
    if not sockets.is_compiled():
        pytest.skip("the plain twin's lists have bounds of their own")
    server = Server(sockets, "127.0.0.1")
    for count in (-1, 9):
        with pytest.raises(ValueError, match="outside the batch"):
            server.endpoint.send(count)
    with pytest.raises(ValueError, match="not a socket address"):
        server.endpoint.send_one(b"", b"short")
    with pytest.raises((ValueError, IndexError)):
        server.endpoint.source(8)
    with pytest.raises((ValueError, IndexError)):
        server.endpoint.source(-1)


def test_a_reply_longer_than_its_place_is_not_sent(sockets):
    if not sockets.is_compiled():
        pytest.skip("the plain twin slices")
    server, client = Server(sockets, "127.0.0.1"), Client("127.0.0.1")
    client.socket.sendto(b"q", ("127.0.0.1", server.port))
    server.receive()
    server.give(0, b"reply")
    for length in (-1, server.batch.sizes()[2] + 1, 1 << 30):
        server.batch.buffers()[3][0] = length
        with pytest.raises(ValueError, match="longer than its place"):
            server.endpoint.send(1)


def test_the_batch_outlives_its_endpoint(sockets):
    server, client = Server(sockets, "127.0.0.1"), Client("127.0.0.1")
    client.socket.sendto(b"q", ("127.0.0.1", server.port))
    server.receive()
    del server.endpoint
    assert server.batch.query(0) == b"q"
    server.endpoint = sockets.Endpoint(server.socket.fileno(), server.batch, False)
    assert server.socket.fileno() >= 0, "the caller owns the descriptor"
