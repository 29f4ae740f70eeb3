"""Networks that the user names, as a search tree in the format of MaxMind DB, so that the engine looks them up alike.

The longest prefix wins. The tree has records of 32 bits and IPv6 addresses, with IPv4 at ::/96 as MaxMind puts it.
A record below the node count is a node, the node count itself means "none", and what is larger a leaf: node count + 16
+ the number of the network's name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from struct import Struct

RECORD_BITS = 32
IP_VERSION = 6
SEPARATOR = 16
"""Octets between tree and data in a MaxMind DB; a leaf counts them."""

MAX_PREFIXES = 100_000

_NODE = Struct(">II")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NetworksError(ValueError):
    """A network that is none, or one that has two names; the message says what would be right."""


class Networks:
    """Named networks. Immutable; `memory` is the tree's nodes, `names` what its leaves mean."""

    def __init__(self, networks: Mapping[str, Iterable[str]]) -> None:
        """Raises `NetworksError`."""
        self.prefixes: dict[Network, str] = {}
        for name, prefixes in networks.items():
            if isinstance(prefixes, str):
                raise NetworksError(
                    f"networks: {name!r} has a list of prefixes; right would be [{prefixes!r}]"
                )
            for text in prefixes:
                prefix = _parse(name, text)
                known = self.prefixes.setdefault(prefix, name)
                if known != name:
                    raise NetworksError(f"networks: {prefix} is both {known!r} and {name!r}")
        if len(self.prefixes) > MAX_PREFIXES:
            raise NetworksError(
                f"networks: {len(self.prefixes):,} prefixes, at most {MAX_PREFIXES:,} are possible"
            )
        self.names: tuple[str, ...] = tuple(dict.fromkeys(networks))
        self.memory, self.node_count = _tree(self.prefixes, self.names)

    def __bool__(self) -> bool:
        return bool(self.prefixes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self.prefixes == other.prefixes

    def __hash__(self) -> int:
        return hash(frozenset(self.prefixes.items()))

    def name_of(self, leaf: int) -> str | None:
        """The name that a leaf stands for, as a walk through the tree finds it (0: none)."""
        return self.names[leaf - self.node_count - SEPARATOR] if leaf else None

    def find(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> tuple[int, int]:
        """(leaf or 0, depth) of an address of which `bits` are known, as the engine walks."""
        number, width = int(address), address.max_prefixlen
        node = 0
        for _ in range(128 - width):
            node = self._record(node, 0)
        depth = 0
        while node < self.node_count and depth < width:
            bit = number >> (width - 1 - depth) & 1 if depth < bits else 0
            node = self._record(node, bit)
            depth += 1
        return (node if node > self.node_count else 0), depth

    def _record(self, node: int, bit: int) -> int:
        if node >= self.node_count:
            return node
        record: int = _NODE.unpack_from(self.memory, _NODE.size * node)[bit]
        return record


def merge(many: Iterable[Networks]) -> Networks:
    """One set of networks of several. Raises `NetworksError` if two give a prefix different names."""
    prefixes: dict[str, list[str]] = {}
    for networks in many:
        for prefix, name in networks.prefixes.items():
            prefixes.setdefault(name, []).append(str(prefix))
    return Networks(prefixes)


def _parse(name: str, text: str) -> Network:
    try:
        prefix = ipaddress.ip_network(text)
    except ValueError as error:
        raise NetworksError(
            f"networks: {name!r}: {text!r} is no network: {error}; right would be 192.0.2.0/24 or 2001:db8::/32"
        ) from None
    mapped = prefix.network_address.ipv4_mapped if isinstance(prefix, ipaddress.IPv6Network) else None
    if mapped is not None and prefix.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, prefix.prefixlen - 96))
    return prefix


def _tree(prefixes: Mapping[Network, str], names: tuple[str, ...]) -> tuple[bytes, int]:
    """The nodes, and how many there are.

    Shorter prefixes go in first; a longer one splits what is there, so its neighbours keep what the shorter one said.
    Between IPv6 and IPv4 all that ::/96 inherited is taken away: ::/0 does not name IPv4 addresses. (What the user
    names below ::/96, ::1 for example, is the same place as IPv4's; MaxMind's databases have that too.)
    """
    number = {name: index for index, name in enumerate(names)}
    paths = [
        (prefix.prefixlen + 128 - prefix.max_prefixlen, int(prefix.network_address), number[name])
        for prefix, name in prefixes.items()
    ]
    in_ipv4: list[tuple[int, int, int]] = []
    elsewhere: list[tuple[int, int, int]] = []
    for path in sorted(paths):
        (in_ipv4 if path[0] >= 96 and path[1] < 1 << 32 else elsewhere).append(path)
    nodes = [[_NONE, _NONE]]
    for bits, address, leaf in (*elsewhere, (96, 0, _NONE), *in_ipv4):
        _put(nodes, bits, address, leaf)
    count = len(nodes)
    memory = bytearray(_NODE.size * count)
    for index, node in enumerate(nodes):
        _NODE.pack_into(memory, _NODE.size * index, *(_encoded(record, count) for record in node))
    return bytes(memory), count


_NONE = -1
"""A record, while the tree grows: a node, or ~(1 + number of a name), or this for none."""


def _put(nodes: list[list[int]], bits: int, address: int, leaf: int) -> None:
    """Everything in a prefix means `leaf`; nothing longer may be in yet."""
    record = leaf if leaf == _NONE else ~(1 + leaf)
    if bits == 0:
        nodes[0] = [record, record]
        return
    node = 0
    for depth in range(bits - 1):
        bit = address >> (127 - depth) & 1
        below = nodes[node][bit]
        if below < 0:
            nodes.append([below, below])
            below = nodes[node][bit] = len(nodes) - 1
        node = below
    nodes[node][address >> (128 - bits) & 1] = record


def _encoded(record: int, count: int) -> int:
    if record >= 0:
        return record
    return count if record == _NONE else count + SEPARATOR + ~record - 1
