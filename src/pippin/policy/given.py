"""Facts of a query that nobody has sent: to explain, to simulate, and to test policies without a server.

Everything has a value that is likely; what is not given and cannot be guessed (a country without a database) is a
`FactError`, so that nobody takes a default for an answer.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

from pippin.policy import clock
from pippin.policy.facts import UNKNOWN, FactError, Found
from pippin.policy.geo import FIELDS, Geo, value_of
from pippin.policy.networks import Network, Networks

NETWORK = "network"

Value: TypeAlias = str | int | None
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_FIELDS = (NETWORK, *FIELDS)


class Health(Protocol):
    """How targets are."""

    def up(self, target: str) -> bool: ...

    def load(self, target: str) -> float | None:
        """The share of its capacity in use; None if nobody knows."""


class AllUp:
    """Targets that are all well, but for some."""

    def __init__(self, down: frozenset[str] = frozenset()) -> None:
        self._down = down

    def up(self, target: str) -> bool:
        return target not in self._down

    def load(self, target: str) -> float | None:
        return None


class Lookups:
    """What can be found out about an address: because it was given, in named networks, in databases."""

    def __init__(
        self,
        networks: Networks | None = None,
        geo: Geo | None = None,
        given: Mapping[str, Value] | None = None,
    ) -> None:
        self._networks = networks
        self._geo = geo
        self._given = given or {}
        for name in self._given:
            if name not in _FIELDS:
                raise FactError(
                    f"client.{name} is nothing that is looked up; right would be {', '.join(_FIELDS)}"
                )
        self._numbers: dict[tuple[str, Value], int] = {}

    def find(self, field: str, address: Address) -> Found:
        """Raises `FactError` for a field that no database has."""
        value, source = self._value(field, address)
        number = UNKNOWN
        if value is not None:
            number = self._numbers.setdefault((field, value), len(self._numbers))
        return Found(0, _FIELDS.index(field), number, value, source)

    def depth(self, number: int, address: Address) -> int:
        """Bits of an address that decide about field `number` (`Found.field`); 0 for one that was given."""
        field = _FIELDS[number]
        if field in self._given:
            return 0
        if field == NETWORK:
            return 0 if self._networks is None else self._networks.find(address, address.max_prefixlen)[1]
        index = None if self._geo is None else self._geo.index_of(field)
        return 0 if self._geo is None or index is None else self._geo.databases[index].depth(str(address))

    def _value(self, field: str, address: Address) -> tuple[Value, str]:
        if field in self._given:
            return self._given[field], "given"
        if field == NETWORK and self._networks is not None:
            leaf, depth = self._networks.find(address, address.max_prefixlen)
            prefix = ipaddress.ip_network((address, depth), strict=False)
            return self._networks.name_of(leaf), f"networks, {prefix}"
        index = None if self._geo is None else self._geo.index_of(field)
        if self._geo is None or index is None:
            where = "networks" if field == NETWORK else "database"
            raise FactError(
                f"client.{field} is not known: there is no {where} to find it in, and it was not given"
            )
        database = self._geo.databases[index]
        prefix = ipaddress.ip_network((address, database.depth(str(address))), strict=False)
        return value_of(database.record(str(address)), field), f"{os.path.basename(database.path)}, {prefix}"


class GivenFacts:
    """The facts of one query (`policy.facts.Facts`).

    `client` is the address as far as it is known: of a network, its first one. `resolver` is where the query comes
    from; without it the client asks by itself. `targets` are those that have health; None: any name will do.
    """

    def __init__(
        self,
        client: str | Address | Network,
        unix: float,
        *,
        resolver: str | Address | None = None,
        lookups: Lookups | None = None,
        health: Health | None = None,
        targets: Iterable[str] | None = None,
        is_tcp: bool = False,
        has_edns: bool = True,
        dnssec_ok: bool = False,
        qtype: int = 1,
        captured: bytes = b"",
    ) -> None:
        self.network = client_network(client)
        self.address: Address = self.network.network_address
        self.client = self.address.packed
        self.subnet_given = resolver is not None
        self.resolver = self.client if resolver is None else ipaddress.ip_address(resolver).packed
        self.is_tcp = is_tcp
        self.has_edns = has_edns
        self.dnssec_ok = dnssec_ok
        self.qtype = qtype
        self.captured = captured
        self.generation = 0
        self._unix = int(unix)
        self._lookups = lookups or Lookups()
        self._health = health or AllUp()
        self._targets = None if targets is None else {target: row for row, target in enumerate(targets)}
        self._rows: dict[str, int] = {}
        self._clocks: dict[tuple[str, str], int] = {}

    def find(self, field: str) -> Found:
        return self._lookups.find(field, self.address)

    def health(self, target: str) -> tuple[int, bool]:
        return self._row(target), self._health.up(target)

    def load(self, target: str) -> tuple[int, int]:
        load = self._health.load(target)
        return self._row(target), UNKNOWN if load is None else round(1000 * load)

    def clock(self, zone: str, grain: str) -> tuple[int, int]:
        value, _ = clock.read(clock.zone(zone), grain, self._unix)
        return self._clocks.setdefault((zone, grain), len(self._clocks)), value

    def _row(self, target: str) -> int:
        if self._targets is None:
            return self._rows.setdefault(target, len(self._rows))
        if target not in self._targets:
            known = ", ".join(self._targets) or "none"
            raise FactError(f"there is no target {target!r}; there are {known}")
        return self._targets[target]


def client_network(client: str | Address | Network) -> Network:
    """What is known of a client's address. Raises ValueError."""
    network = ipaddress.ip_network(client, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


def moment(text: str) -> float:
    """Unix time of `2026-12-24 18:00`, which is UTC unless it says otherwise (`…+01:00`). Raises ValueError."""
    try:
        parsed = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time; right would be '2026-12-24 18:00' (UTC) or '2026-12-24T18:00+01:00'"
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)).timestamp()
