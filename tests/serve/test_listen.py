"""Listening: addresses as people write them, and why one cannot be used."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

import pytest

from pippin.serve.listen import Address, ListenError, bind, check_free, is_available, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1:53", Address("192.0.2.1", 53)),
        ("192.0.2.1", Address("192.0.2.1", 53)),
        ("[2001:db8::1]:5300", Address("2001:db8::1", 5300)),
        ("[::]", Address("::", 53)),
    ],
)
def test_addresses_with_and_without_port(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "localhost:53", "192.0.2.1:dns", "192.0.2.1:-1", "[::1]:70000", "1.2.3:53", "::1:53"]
)
def test_what_is_no_address_is_told_with_one_that_is(text: str) -> None:
    with pytest.raises(ListenError, match="no address to listen on"):
        parse_address(text)


def test_free_port_is_the_same_for_udp_and_tcp_and_all_workers() -> None:
    address, *first = bind(Address("127.0.0.1", 0))
    again, *second = bind(address)
    assert again == address
    assert {sock.getsockname()[1] for sock in first + second} == {address.port}
    for sock in first + second:
        sock.close()


def test_free_port_is_nobody_elses() -> None:
    """The kernel takes a port whose sockets can all be shared for a free one; 400 in 28,000 would meet twice or so."""
    bound = [bind(Address("127.0.0.1", 0)) for _ in range(400)]
    assert len({address for address, *_ in bound}) == len(bound)
    for _, *sockets in bound:
        for sock in sockets:
            sock.close()


def test_clients_are_spread_over_the_sockets_of_a_free_port() -> None:
    address, *first = bind(Address("127.0.0.1", 0))
    _, *second = bind(address)
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
    for client in clients:
        client.sendto(b"x", ("127.0.0.1", address.port))
    received = [0, 0]
    for number, (udp, _) in enumerate((first, second)):
        with suppress(BlockingIOError):
            while udp.recv(1):
                received[number] += 1
    assert sum(received) == len(clients)
    assert all(received)
    for sock in (*first, *second, *clients):
        sock.close()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_address_of_another_server_is_refused_even_if_it_would_share(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        with pytest.raises(ListenError, match="another program listens there; `ss -lnp"):
            check_free(Address("127.0.0.1", other.getsockname()[1]))


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(
        ListenError, match=r"cannot listen on 192\.0\.2\.1:5300 \(UDP\): this machine does not have"
    ):
        check_free(Address("192.0.2.1", 5300))


def test_missing_ipv6_is_told_and_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without_ipv6(family: int = -1, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *rest)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    assert is_available(Address("127.0.0.1", 5300))
    assert not is_available(Address("192.0.2.1", 5300))
    assert not is_available(Address("::1", 5300))
    with pytest.raises(ListenError, match="this machine does without IPv6"):
        bind(Address("::1", 0))
