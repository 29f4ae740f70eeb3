"""Listening sockets: from `192.0.2.1:53` to a bound UDP and a listening TCP socket for each worker.

Each worker has sockets of its own on every address (SO_REUSEPORT), and the kernel spreads clients over them, so
no lock and no queue is shared between workers.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from dataclasses import dataclass

UDP_RECEIVE_BUFFER = 4 << 20
"""Octets the kernel may keep for a worker that is busy: some 10,000 packets, 20 ms of a flood. The kernel may grant
less (net.core.rmem_max)."""

TCP_BACKLOG = 1024

PORT_ATTEMPTS = 20
"""Tries to find a port that is free for both UDP and TCP when any port will do."""

# Values of <linux/in.h> and <linux/in6.h> that the socket module does not name.
_IP_PKTINFO, _IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT = 8, 10, 23, 5


class ListenError(Exception):
    """An address cannot be used; the message says which, why, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to answer. Port 0: any free one."""

    host: str
    port: int

    @property
    def is_wildcard(self) -> bool:
        return ipaddress.ip_address(self.host).is_unspecified

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`192.0.2.1:53`, `[2001:db8::1]:53`, or without a port for port 53. Raises `ListenError`.

    IPv6 wants its brackets also without a port: `::1:53` is an address, and not the one that was meant.
    """
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else port
    elif ":" in text:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ListenError(
            f"{text!r} is no address to listen on: {host!r} is not an IP address; "
            "right would be 192.0.2.1:53, [2001:db8::1]:53 or, for all addresses, 0.0.0.0:53 and [::]:53"
        ) from error
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ListenError(
            f"{text!r} is no address to listen on: port {port!r} is not a number from 0 to 65535"
        )
    return Address(host, int(port))


def bind(address: Address) -> tuple[Address, socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on the address; also the address itself, with the port that was found."""
    for attempt in range(PORT_ATTEMPTS):
        udp = _bind(address, socket.SOCK_DGRAM)
        bound = Address(address.host, udp.getsockname()[1])
        try:
            return bound, udp, _bind(bound, socket.SOCK_STREAM)
        except ListenError:
            udp.close()
            if address.port or attempt == PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def is_available(address: Address) -> bool:
    """Whether this machine has the address at all."""
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as sock:
            sock.bind((address.host, 0))
    except OSError:
        return False
    return True


def check_free(address: Address) -> None:
    """Raise `ListenError` if anybody listens there: SO_REUSEPORT would let us in beside another server of ours."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM) if address.port else ():
        _bind(address, kind, shared=False).close()


def _bind(address: Address, kind: socket.SocketKind, shared: bool = True) -> socket.socket:
    try:
        sock = socket.socket(address.family, kind)
    except OSError as error:  # a kernel without IPv6
        raise ListenError(_explain(error, address, kind)) from error
    try:
        sock.setblocking(False)
        if address.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared and address.port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_RECEIVE_BUFFER)
            _ignore_path_mtu(sock, address.family)
            if address.is_wildcard:
                _tell_destination(sock, address.family)
        sock.bind((address.host, address.port))
        if shared and not address.port:
            # Not before: the kernel takes a port whose sockets are all to be shared for a free one.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind == socket.SOCK_STREAM and shared:
            sock.listen(TCP_BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(_explain(error, address, kind)) from error
    return sock


def _ignore_path_mtu(sock: socket.socket, family: socket.AddressFamily) -> None:
    """RFC 9715 section 3.1: forged "packet too big" messages must not make us send fragments."""
    with contextlib.suppress(OSError):  # kernels without the option lose that protection, nothing else
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)


def _tell_destination(sock: socket.socket, family: socket.AddressFamily) -> None:
    """A reply has to leave from the address that was asked, so the kernel has to tell which one that was."""
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _explain(error: OSError, address: Address, kind: socket.SocketKind) -> str:
    protocol = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    hint = {
        errno.EADDRINUSE: f"another program listens there; `ss -lnp 'sport = :{address.port}'` shows which",
        errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE; port 5300 needs neither",
        errno.EADDRNOTAVAIL: "this machine does not have that address; `ip address` shows those it has",
        errno.EAFNOSUPPORT: "this machine does without IPv6",
    }.get(error.errno or 0, error.strerror or str(error))
    return f"cannot listen on {address} ({protocol}): {hint}"
