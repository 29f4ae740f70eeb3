"""The facts of queries in the server: what the receive loop knows of a packet, databases, health table and clocks.

`Surroundings` belongs to one memo, and tells it everything that it needs to look facts up by itself from then on:
search trees, what their leaves mean (as soon as a policy has asked for it), and clocks.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Protocol

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
from pippin.policy import clock
from pippin.policy.facts import UNKNOWN, FactError, Found
from pippin.policy.geo import FIELDS, Geo, GeoError, value_of
from pippin.policy.networks import IP_VERSION, RECORD_BITS, Networks
from pippin.store.health import LOAD_UNKNOWN, HealthTable

_U16 = Struct("<H")
_U32 = Struct("<I")

NETWORK = "network"


class Memo(Protocol):
    """The part of `engine.memo.PolicyMemo` that is told what facts are looked up in."""

    def add_tree(self, memory: object, node_count: int, record_bits: int, ip_version: int, /) -> int: ...

    def replace_tree(
        self, index: int, memory: object, node_count: int, record_bits: int, ip_version: int, /
    ) -> None: ...

    def walk(self, tree: int, address: bytes, bits: int, /) -> tuple[int, int]: ...

    def teach(self, tree: int, field: int, pointer: int, value: int, /) -> None: ...

    def add_clock(self, function: Callable[[int], tuple[int, int]], /) -> int: ...


class Surroundings:
    """Everything around a query that policies can look at. Without a health table, all targets are available."""

    def __init__(
        self,
        memo: Memo,
        networks: Networks,
        geo: Geo,
        health: HealthTable | None = None,
        rows: Mapping[str, int] | None = None,
    ) -> None:
        self._memo = memo
        self._networks = networks
        self._geo = geo
        self._health = health
        self._rows = rows or {}
        self._network_tree = memo.add_tree(networks.memory, networks.node_count, RECORD_BITS, IP_VERSION)
        self._geo_trees = [
            memo.add_tree(each.memory, each.node_count, each.record_bits, each.ip_version)
            for each in geo.databases
        ]
        self._numbers: dict[tuple[int, int], dict[str, int]] = {}
        self._clocks: dict[tuple[str, str], tuple[int, Callable[[int], tuple[int, int]]]] = {}

    def facts(self, ask: bytes | bytearray, now: int) -> QueryFacts:
        """The facts of a query as the receive loop has written it; `now` in Unix seconds."""
        return QueryFacts(self, bytes(ask), now)

    def refresh(self) -> list[str]:
        """Take databases whose files were replaced; why some were not, in words."""
        changed, wrong = self._geo.refresh()
        for index in changed:
            new = self._geo.databases[index]
            self._memo.replace_tree(
                self._geo_trees[index], new.memory, new.node_count, new.record_bits, new.ip_version
            )
        return wrong

    def find(self, field: str, address: bytes, bits: int) -> Found:
        """A field of what a tree has about the first `bits` bits of an address; the memo learns it too."""
        if field == NETWORK:
            return self._find_network(address, bits)
        index = self._geo.index_of(field)
        if index is None:
            if not self._geo.databases:
                raise FactError(
                    f"client.{field} needs a MaxMind database: Policies(geo=['GeoLite2-City.mmdb'])"
                )
            raise FactError(f"client.{field}: no database here has it, neither {self._paths()}")
        tree, number = self._geo_trees[index], FIELDS.index(field)
        leaf, _ = self._memo.walk(tree, address, bits)
        database = self._geo.databases[index]
        value = None
        if leaf:
            try:
                value = value_of(database.record(_text(address)), field)
            except GeoError as error:
                raise FactError(str(error)) from None
        stands_for = value if isinstance(value, int) else self._number(tree, number, value)
        self._memo.teach(tree, number, leaf, stands_for)
        return Found(tree, number, stands_for, value, database.path)

    def row(self, target: str) -> int:
        """The row of a target in the health table."""
        row = self._rows.get(target)
        if row is None:
            close = difflib.get_close_matches(target, self._rows, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "targets are named 'pool/address'"
            raise FactError(f"there is no target {target!r}; {hint}")
        return row

    def is_up(self, row: int) -> bool:
        return self._health is None or self._health.row(row).available

    def load_of(self, row: int) -> int:
        load = LOAD_UNKNOWN if self._health is None else self._health.row(row).load
        return UNKNOWN if load == LOAD_UNKNOWN else load

    def clock(self, zone: str, grain: str, now: int) -> tuple[int, int]:
        """Number and value of a clock; the memo gets it when it is read for the first time."""
        known = self._clocks.get((zone, grain))
        if known is None:
            read = _clock(zone, grain)
            try:
                known = self._clocks[zone, grain] = self._memo.add_clock(read), read
            except ValueError as error:
                raise FactError(str(error)) from None
        return known[0], known[1](now)[0]

    def _find_network(self, address: bytes, bits: int) -> Found:
        if not self._networks:
            raise FactError("client.network needs names: Policies(networks={'office': ['10.0.0.0/8']})")
        leaf, _ = self._memo.walk(self._network_tree, address, bits)
        name = self._networks.name_of(leaf)
        number = self._number(self._network_tree, 0, name)
        self._memo.teach(self._network_tree, 0, leaf, number)
        return Found(self._network_tree, 0, number, name, "networks")

    def _number(self, tree: int, field: int, value: str | None) -> int:
        """What stands for a text in the memo: the same number for the same text, also after a new database."""
        if value is None:
            return UNKNOWN
        numbers = self._numbers.setdefault((tree, field), {})
        return numbers.setdefault(value, len(numbers))

    def _paths(self) -> str:
        return " nor ".join(database.path for database in self._geo.databases)


class QueryFacts:
    """The facts of one query (`policy.facts.Facts`)."""

    __slots__ = ("_around", "_ask", "_now")

    def __init__(self, around: Surroundings, ask: bytes, now: int) -> None:
        self._around = around
        self._ask = ask
        self._now = now

    @property
    def client(self) -> bytes:
        return self._ask[ASK_CLIENT : ASK_CLIENT + (16 if self._ask[ASK_FAMILY] == 6 else 4)]

    @property
    def resolver(self) -> bytes:
        return self._ask[ASK_RESOLVER : ASK_RESOLVER + (16 if self._ask[ASK_RESOLVER_FAMILY] == 6 else 4)]

    @property
    def subnet_given(self) -> bool:
        return self._ask[ASK_SUBNET_GIVEN] != 0

    @property
    def is_tcp(self) -> bool:
        return self._ask[ASK_TRANSPORT] != 0

    @property
    def has_edns(self) -> bool:
        return self._ask[ASK_FLAGS] & ASK_EDNS != 0

    @property
    def dnssec_ok(self) -> bool:
        return self._ask[ASK_FLAGS] & ASK_DNSSEC_OK != 0

    @property
    def qtype(self) -> int:
        return int(_U16.unpack_from(self._ask, ASK_QTYPE)[0])

    @property
    def captured(self) -> bytes:
        return self._ask[ASK_CAPTURED : ASK_CAPTURED + self._ask[ASK_CAPTURED_LENGTH]]

    @property
    def generation(self) -> int:
        return int(_U32.unpack_from(self._ask, ASK_GENERATION)[0])

    def find(self, field: str) -> Found:
        return self._around.find(field, self.client, self._ask[ASK_BITS])

    def health(self, target: str) -> tuple[int, bool]:
        row = self._around.row(target)
        return row, self._around.is_up(row)

    def load(self, target: str) -> tuple[int, int]:
        row = self._around.row(target)
        return row, self._around.load_of(row)

    def clock(self, zone: str, grain: str) -> tuple[int, int]:
        return self._around.clock(zone, grain, self._now)


def _clock(zone: str, grain: str) -> Callable[[int], tuple[int, int]]:
    where = clock.zone(zone)
    return lambda unix: clock.read(where, grain, unix)


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
