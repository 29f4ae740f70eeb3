"""ICMP echo (RFC 792, RFC 4443 section 4) over the kernel's ping sockets, which need no privilege but its leave.

A raw socket is the second choice: it needs CAP_NET_RAW and sees every ICMP message of the machine.
"""

from __future__ import annotations

import asyncio
import os
import socket
from struct import Struct

from pippin.policy.checks import PingCheck
from pippin.policy.probes.unhealthy import Unhealthy

REQUEST, REPLY = 8, 0
REQUEST_6, REPLY_6 = 128, 129

_HEADER = Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_LONGEST = 2048

TOKEN_SIZE = 16
"""Octets that tell our echo from those of other processes."""


async def check(check: PingCheck, address: str) -> str:
    """The target is well if its echo comes back. `Unhealthy` with what to do if this process may not ask."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    loop = asyncio.get_running_loop()
    token = os.urandom(TOKEN_SIZE)
    with _open(family) as sock:
        sock.setblocking(False)
        sock.connect((address, 0))
        sock.send(_echo(family, token))
        while True:
            if _is_reply(await loop.sock_recv(sock, _LONGEST), family, sock.type, token):
                return "echo came back"


def _open(family: socket.AddressFamily) -> socket.socket:
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol)
        except PermissionError:
            continue
    raise Unhealthy(
        "this process may not send pings: allow its group (sysctl net.ipv4.ping_group_range='0 2147483647'), "
        "or give it CAP_NET_RAW"
    )


def _echo(family: socket.AddressFamily, token: bytes) -> bytes:
    """An echo request. The kernel fills in the checksum for IPv6, and the identifier on ping sockets."""
    kind = REQUEST_6 if family == socket.AF_INET6 else REQUEST
    identifier = int.from_bytes(token[:2], "big")
    checksum = _checksum(_HEADER.pack(kind, 0, 0, identifier, 1) + token)
    return _HEADER.pack(kind, 0, checksum, identifier, 1) + token


def _is_reply(packet: bytes, family: socket.AddressFamily, kind: int, token: bytes) -> bool:
    if family == socket.AF_INET and kind == socket.SOCK_RAW and packet:
        packet = packet[(packet[0] & 0xF) * 4 :]  # the IP header, which only raw IPv4 sockets show
    wanted = REPLY_6 if family == socket.AF_INET6 else REPLY
    return len(packet) >= _HEADER.size and packet[0] == wanted and packet[_HEADER.size :] == token


def _checksum(message: bytes) -> int:
    """RFC 1071; the message has an even number of octets."""
    total = sum(int.from_bytes(message[at : at + 2], "big") for at in range(0, len(message), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
