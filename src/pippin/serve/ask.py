"""What a policy may look at in a question, written as the receive loop writes it (`PolicyMemo.ask`).

The slow path needs it a second time: other packets have come since, and what is learned under other facts than the
loop will look up would never be found. `tests/serve/test_ask.py` holds the two against each other.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from struct import Struct

from pippin.engine.memo import (
    ASK_BITS,
    ASK_CAPTURED,
    ASK_CAPTURED_LENGTH,
    ASK_CLIENT,
    ASK_DNSSEC_OK,
    ASK_EDNS,
    ASK_FAMILY,
    ASK_FLAGS,
    ASK_GENERATION,
    ASK_QTYPE,
    ASK_RESOLVER,
    ASK_RESOLVER_FAMILY,
    ASK_SUBNET_GIVEN,
    ASK_TRANSPORT,
)
from pippin.query.query import Query, Transport

_OPT = 41
_CLIENT_SUBNET = 8
_DNSSEC_OK = 0x8000
_HEADER_SIZE = 12
_LABEL_LIMIT = 64
_RECORD = Struct("!HHIH")
_OPTION = Struct("!HH")
_U16 = Struct("<H")
_U32 = Struct("<I")
_ADDRESS_SIZE = 16

Network = IPv4Network | IPv6Network


class Asking:
    """Writes questions into `ask`. `believed`: networks whose EDNS Client Subnet options count (RFC 7871)."""

    def __init__(self, ask: bytearray, believed: Iterable[Network]) -> None:
        self._ask = ask
        self._believed = tuple(believed)
        self._everybody = {network.version for network in self._believed if not network.prefixlen}

    def write(self, query: Query, captured: bytes, generation: int) -> None:
        """`captured`: the labels that a wildcard stands for; b"" for a policy at the name itself."""
        ask = self._ask
        resolver, family = _packed(query.client[0])
        flags, subnet = _edns(query.wire, _HEADER_SIZE + len(query.name_wire) + 4)
        ask[ASK_RESOLVER : ASK_RESOLVER + _ADDRESS_SIZE] = resolver
        ask[ASK_RESOLVER_FAMILY] = family
        if subnet and self._believes(family, query.client[0]) and subnet[2]:
            ask[ASK_FAMILY] = 4 if subnet[1] == 1 else 6
            ask[ASK_BITS] = subnet[2]
            ask[ASK_SUBNET_GIVEN] = 1
            ask[ASK_CLIENT : ASK_CLIENT + _ADDRESS_SIZE] = subnet[4:].ljust(_ADDRESS_SIZE, b"\0")
        else:
            ask[ASK_FAMILY] = family
            ask[ASK_BITS] = 32 if family == 4 else 128
            ask[ASK_SUBNET_GIVEN] = 0
            ask[ASK_CLIENT : ASK_CLIENT + _ADDRESS_SIZE] = resolver
        ask[ASK_TRANSPORT] = query.transport is not Transport.UDP
        ask[ASK_FLAGS] = flags
        _U16.pack_into(ask, ASK_QTYPE, query.type)
        _U32.pack_into(ask, ASK_GENERATION, generation & 0xFFFFFFFF)
        ask[ASK_CAPTURED_LENGTH] = len(captured)
        ask[ASK_CAPTURED : ASK_CAPTURED + len(captured)] = captured

    def _believes(self, family: int, address: str) -> bool:
        if family in self._everybody:
            return True
        source = ip_address(address.removeprefix("::ffff:") if family == 4 else address)
        return any(source in network for network in self._believed)


def _packed(address: str) -> tuple[bytes, int]:
    """An address in sixteen octets, and its family; an IPv4-mapped one is an IPv4 address."""
    if ":" not in address:
        return socket.inet_pton(socket.AF_INET, address) + bytes(12), 4
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return packed[12:] + bytes(12), 4
    return packed, 6


def _edns(wire: bytes, at: int) -> tuple[int, bytes]:
    """Flags, and the data of the client subnet option, of a query that the engine has read already.

    Not by dnspython: this is asked for every question that is new to a memo.
    """
    records = (
        int.from_bytes(wire[6:8], "big")
        + int.from_bytes(wire[8:10], "big")
        + int.from_bytes(wire[10:12], "big")
    )
    size = len(wire)
    while records and at < size:
        records -= 1
        while 0 < wire[at] < _LABEL_LIMIT:
            at += 1 + wire[at]
        at += 2 if wire[at] else 1
        rdtype, _, ttl, length = _RECORD.unpack_from(wire, at)
        at += _RECORD.size
        if rdtype == _OPT:
            return ASK_EDNS | (ASK_DNSSEC_OK if ttl & _DNSSEC_OK else 0), _subnet(wire, at, at + length)
        at += length
    return 0, b""


def _subnet(wire: bytes, at: int, end: int) -> bytes:
    while at + _OPTION.size <= end:
        code, length = _OPTION.unpack_from(wire, at)
        at += _OPTION.size
        if code == _CLIENT_SUBNET:
            return wire[at : at + length]
        at += length
    return b""
