"""The facts that policies read in a worker: a question as the receive loop wrote it down, and the tables beside it.

Whatever is read here has the value under which the memo will look it up: trees are walked by the memo itself, clocks
are the memo's, health is read in the same mapped table. The memo is taught what the leaves of a tree mean as they are
met.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from ipaddress import ip_address

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
    F_CAPTURED,
    F_CLIENT,
    F_DNSSEC_OK,
    F_EDNS,
    F_GENERATION,
    F_HEALTH,
    F_QTYPE,
    F_RESOLVER,
    F_SUBNET_GIVEN,
    F_TIME,
    F_TRANSPORT,
    F_TREE,
    PolicyMemo,
)
from pippin.policy.clock import UTC, read, zone
from pippin.policy.facts import UNKNOWN, FactError, Found, Step
from pippin.policy.geo import FIELDS, Geo, GeoError, value_of
from pippin.policy.networks import IP_VERSION, RECORD_BITS, Networks
from pippin.store.health import LOAD_UNKNOWN, HealthTable

LEAVES_KEPT = 65_536
"""Leaves of one database with what they say, for one field; then all are read again as they are met."""

NETWORK = "network"

_PLAIN_NAMES = {
    F_TRANSPORT: "client.transport",
    F_EDNS: "client.edns",
    F_DNSSEC_OK: "client.dnssec_ok",
    F_SUBNET_GIVEN: "client.subnet_given",
    F_QTYPE: "name.type",
    F_CAPTURED: "name.captured",
    F_GENERATION: "alias",
}
_ADDRESS_NAMES = {
    F_CLIENT: ("client.address", "client.subnet"),
    F_RESOLVER: ("client.resolver", "client.resolver_subnet"),
}


class Tables:
    """Everything that is looked up for facts, and given to the memo. One for each worker."""

    def __init__(
        self,
        memo: PolicyMemo,
        networks: Networks,
        geo: Geo,
        health: HealthTable,
        rows: Mapping[str, int],
    ) -> None:
        self._memo = memo
        self._networks = networks
        self._geo = geo
        self._health = health
        self._rows = rows
        self._network_tree = memo.add_tree(networks.memory, networks.node_count, RECORD_BITS, IP_VERSION)
        self._trees = [
            memo.add_tree(database.memory, database.node_count, database.record_bits, database.ip_version)
            for database in geo.databases
        ]
        self._leaves: dict[tuple[int, str], dict[int, tuple[int, str | int | None]]] = {}
        self._numbers: dict[str, dict[str | int, int]] = {}
        self._clocks: dict[tuple[str, str], int] = {}

    def refresh(self) -> tuple[list[str], list[str]]:
        """Use databases whose files were replaced; the paths of those, and what is wrong with others."""
        changed, wrong = self._geo.refresh()
        for index in changed:
            new = self._geo.databases[index]
            self._memo.replace_tree(
                self._trees[index], new.memory, new.node_count, new.record_bits, new.ip_version
            )
            for field in FIELDS:
                self._leaves.pop((index, field), None)
        return [self._geo.databases[index].path for index in changed], wrong

    def find(self, field: str, address: bytes, bits: int) -> Found:
        """What is said about an address of which `bits` are known, the others being 0. `FactError` if nobody can."""
        if field == NETWORK:
            leaf, _ = self._memo.walk(self._network_tree, address, bits)
            name = self._networks.name_of(leaf)
            number = UNKNOWN if name is None else self._networks.names.index(name)
            self._memo.teach(self._network_tree, 0, leaf, number)
            return Found(self._network_tree, 0, number, name, "networks")
        index = self._geo.index_of(field)
        if index is None:
            raise FactError(
                f"client.{field}: no database here has that; right would be Policies(geo=...) with the path of one"
            )
        database = self._geo.databases[index]
        leaf, _ = self._memo.walk(self._trees[index], address, bits)
        leaves = self._leaves.setdefault((index, field), {})
        if leaf not in leaves:
            if len(leaves) >= LEAVES_KEPT:
                leaves.clear()
            leaves[leaf] = self._read(index, field, address) if leaf else (UNKNOWN, None)
        number, value = leaves[leaf]
        # Each time: the memo, which has a bound of its own, may have forgotten it.
        self._memo.teach(self._trees[index], FIELDS.index(field), leaf, number)
        return Found(self._trees[index], FIELDS.index(field), number, value, database.path)

    def _read(self, index: int, field: str, address: bytes) -> tuple[int, str | int | None]:
        try:
            value = value_of(self._geo.databases[index].record(str(ip_address(address))), field)
        except GeoError as error:
            raise FactError(str(error)) from None
        if value is None:
            return UNKNOWN, None
        numbers = self._numbers.setdefault(field, {})
        return numbers.setdefault(value, len(numbers)), value

    def name_of(self, kind: int, a: int, b: int) -> str:
        """A fact of the memo as it is written in a policy."""
        if kind in _PLAIN_NAMES:
            return _PLAIN_NAMES[kind]
        if kind in (F_CLIENT, F_RESOLVER):
            whole, part = _ADDRESS_NAMES[kind]
            return whole if (a, b) == (32, 128) else f"{part}(v4={a}, v6={b})"
        if kind == F_TREE:
            return f"client.{NETWORK if a == self._network_tree else FIELDS[b]}"
        if kind == F_TIME:
            zone_name, grain = next(key for key, number in self._clocks.items() if number == a)
            return f"now.{grain}" if zone_name == UTC else f"now.at({zone_name!r}).{grain}"
        target = next(key for key, row in self._rows.items() if row == a)
        return f"health.up({target!r})" if kind == F_HEALTH else f"health.load({target!r}, step={b / 1000})"

    def text_of(self, path: Iterable[Step]) -> str:
        """What was read, for people: `client.country, now.hour`."""
        return ", ".join(self.name_of(kind, a, b) for kind, a, b, _ in path)

    def flipped_since(self, row: int, unix: float) -> bool:
        """Whether a target became available, or ceased to be, after that time."""
        return self._health.row(row).since > 1000 * unix

    def ticked_since(self, clock: int, unix: int) -> bool:
        """Whether a clock has had another value since that time."""
        (zone_name, grain), _ = next(item for item in self._clocks.items() if item[1] == clock)
        return read(zone(zone_name), grain, unix)[1] <= time.time()

    def health(self, target: str) -> tuple[int, bool]:
        row = self._row(target)
        return row, self._health.row(row).available

    def load(self, target: str) -> tuple[int, int]:
        row = self._row(target)
        load = self._health.row(row).load
        return row, UNKNOWN if load == LOAD_UNKNOWN else load

    def _row(self, target: str) -> int:
        row = self._rows.get(target)
        if row is None:
            raise FactError(f"no pool has a target {target!r}; targets are named pool/address")
        return row

    def clock(self, zone_name: str, grain: str, now: int) -> tuple[int, int]:
        number = self._clocks.get((zone_name, grain))
        where = zone(zone_name)
        if number is None:
            number = self._clocks[zone_name, grain] = self._memo.add_clock(partial(read, where, grain))
        return number, read(where, grain, now)[0]


class QueryFacts:
    """What one question says (`policy.facts.Facts`). `ask` is a copy: others write there while a policy awaits."""

    def __init__(self, tables: Tables, ask: bytes, now: int) -> None:
        self._tables = tables
        self._ask = ask
        self._now = now

    @property
    def client(self) -> bytes:
        return self._address(ASK_CLIENT, ASK_FAMILY)

    @property
    def resolver(self) -> bytes:
        return self._address(ASK_RESOLVER, ASK_RESOLVER_FAMILY)

    def _address(self, at: int, family_at: int) -> bytes:
        return self._ask[at : at + (4 if self._ask[family_at] == 4 else 16)]

    @property
    def subnet_given(self) -> bool:
        return bool(self._ask[ASK_SUBNET_GIVEN])

    @property
    def is_tcp(self) -> bool:
        return bool(self._ask[ASK_TRANSPORT])

    @property
    def has_edns(self) -> bool:
        return bool(self._ask[ASK_FLAGS] & ASK_EDNS)

    @property
    def dnssec_ok(self) -> bool:
        return bool(self._ask[ASK_FLAGS] & ASK_DNSSEC_OK)

    @property
    def qtype(self) -> int:
        return int.from_bytes(self._ask[ASK_QTYPE : ASK_QTYPE + 2], "little")

    @property
    def captured(self) -> bytes:
        return self._ask[ASK_CAPTURED : ASK_CAPTURED + self._ask[ASK_CAPTURED_LENGTH]]

    @property
    def generation(self) -> int:
        return int.from_bytes(self._ask[ASK_GENERATION : ASK_GENERATION + 4], "little")

    def find(self, field: str) -> Found:
        return self._tables.find(field, self.client, self._ask[ASK_BITS])

    def health(self, target: str) -> tuple[int, bool]:
        return self._tables.health(target)

    def load(self, target: str) -> tuple[int, int]:
        return self._tables.load(target)

    def clock(self, zone_name: str, grain: str) -> tuple[int, int]:
        return self._tables.clock(zone_name, grain, self._now)
