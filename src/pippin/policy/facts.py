"""Facts: what a policy looked at, and where it comes from.

`Facts` is a source of values (a query in the server; plain values in a test). The `Recorder` stands between it and
the policy: each value read for the first time is a step of the *path* under which the memo keeps the plan, in the
order of reading, with the kinds of `engine.memo`. What is read again is the same value again, and no new step.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

import dns.name

from pippin.engine.memo import (
    F_CAPTURED,
    F_CLIENT,
    F_DNSSEC_OK,
    F_EDNS,
    F_GENERATION,
    F_HEALTH,
    F_LOAD,
    F_QTYPE,
    F_RESOLVER,
    F_SUBNET_GIVEN,
    F_TIME,
    F_TRANSPORT,
    F_TREE,
)
from pippin.policy.compiling import AliasResolver
from pippin.policy.rdata import type_text

Step = tuple[int, int, int, int | bytes]
"""(kind, a, b, value) as `engine.memo` has it."""

T = TypeVar("T")

UNKNOWN = -1
"""The number of a field that has no value, and of a load that nobody knows."""


class FactError(LookupError):
    """A fact that cannot be known here; the message says what would be right."""


class Found(NamedTuple):
    """What a search tree says about the client's address."""

    tree: int
    field: int
    number: int
    """Stands for the value in the memo; `UNKNOWN` for none."""
    value: str | int | None
    source: str
    """Whose tree it is, for people."""


class Read(NamedTuple):
    """One thing that a policy looked at, for people. `step` is what stands for it in the memo's key."""

    name: str
    """As it is written in a policy: `client.country`, `health.up('eu/192.0.2.10')`."""
    value: str
    source: str
    step: Step


class Facts(Protocol):
    """Where the values come from. Anything may raise `FactError`."""

    @property
    def client(self) -> bytes:
        """The client's address, 4 or 16 octets; what is not known of it is 0."""

    @property
    def resolver(self) -> bytes:
        """Where the query came from, 4 or 16 octets."""

    @property
    def subnet_given(self) -> bool:
        """Whether `client` is from an EDNS Client Subnet option (RFC 7871)."""

    @property
    def is_tcp(self) -> bool: ...

    @property
    def has_edns(self) -> bool: ...

    @property
    def dnssec_ok(self) -> bool: ...

    @property
    def qtype(self) -> int: ...

    @property
    def captured(self) -> bytes:
        """The labels that the policy's wildcard stands for, lower case, wire format without the root label."""

    @property
    def generation(self) -> int:
        """How many changes the zones served here have seen."""

    def find(self, field: str) -> Found:
        """What a tree says about `client`: a field of `policy.geo`, or "network"."""

    def health(self, target: str) -> tuple[int, bool]:
        """Row and availability of a target."""

    def load(self, target: str) -> tuple[int, int]:
        """Row and load of a target in thousandths of its capacity; `UNKNOWN` if nobody knows."""

    def clock(self, zone: str, grain: str) -> tuple[int, int]:
        """Number and value of a clock (`policy.clock`)."""


class Recorder:
    """Reads facts and keeps what was read: `path` for the memo, `reads` for people."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[tuple[int, int, int], object] = {}
        self._shown: list[tuple[str, object, str]] = []
        self.path: list[Step] = []

    @property
    def reads(self) -> list[Read]:
        """What was read, in order, in words."""
        return [
            Read(name, _text(step, value, name), source, step)
            for (name, value, source), step in zip(self._shown, self.path, strict=True)
        ]

    def address(self, v4: int, v6: int) -> tuple[int, bytes]:
        """Family and prefix of the client's address, 4 or 16 octets with 0 after the prefix."""
        source = "EDNS Client Subnet" if self._facts.subnet_given else "source address"
        return self._prefix(F_CLIENT, self._facts.client, v4, v6, "client", source)

    def resolver(self, v4: int, v6: int) -> tuple[int, bytes]:
        """The same of the address that the query came from."""
        return self._prefix(F_RESOLVER, self._facts.resolver, v4, v6, "client.resolver", "source address")

    def find(self, field: str) -> str | int | None:
        found = self._facts.find(field)
        key = (F_TREE, found.tree, found.field)
        return self._keep(key, found.number, found.value, f"client.{field}", found.source)

    def is_tcp(self) -> bool:
        value = self._facts.is_tcp
        return self._keep((F_TRANSPORT, 0, 0), int(value), value, "client.transport", "packet")

    def has_edns(self) -> bool:
        value = self._facts.has_edns
        return self._keep((F_EDNS, 0, 0), int(value), value, "client.edns", "packet")

    def dnssec_ok(self) -> bool:
        value = self._facts.dnssec_ok
        return self._keep((F_DNSSEC_OK, 0, 0), int(value), value, "client.dnssec_ok", "packet")

    def subnet_given(self) -> bool:
        value = self._facts.subnet_given
        return self._keep((F_SUBNET_GIVEN, 0, 0), int(value), value, "client.subnet_given", "packet")

    def qtype(self) -> int:
        value = self._facts.qtype
        return self._keep((F_QTYPE, 0, 0), value, value, "name.type", "question")

    def captured(self) -> bytes:
        value = self._facts.captured
        return self._keep((F_CAPTURED, 0, 0), value, value, "name.captured", "question")

    def health(self, target: str) -> bool:
        row, up = self._facts.health(target)
        return self._keep((F_HEALTH, row, 0), int(up), up, f"health.up({target!r})", "health table")

    def load(self, target: str, step: int) -> int:
        """The load of a target in steps of `step` thousandths; `UNKNOWN` if nobody knows."""
        row, permille = self._facts.load(target)
        value = permille // step if permille >= 0 else UNKNOWN
        shown = f"health.load({target!r}, step={step / 1000})"
        return self._keep((F_LOAD, row, step), value, value, shown, "health table")

    def clock(self, zone: str, grain: str) -> int:
        number, value = self._facts.clock(zone, grain)
        where = "now" if zone == "UTC" else f"now.at({zone!r})"
        return self._keep((F_TIME, number, 0), value, value, f"{where}.{grain}", "clock")

    def alias(self, resolve: AliasResolver) -> AliasResolver:
        """`resolve`, noting that the plan depends on what the zones say just now."""

        def resolve_and_note(name: str, rdtype: int) -> Sequence[tuple[int, bytes]] | None:
            generation = self._facts.generation
            self._keep((F_GENERATION, 0, 0), generation, generation, "the zones' records", "zones")
            return resolve(name, rdtype)

        return resolve_and_note

    def _prefix(
        self, kind: int, address: bytes, v4: int, v6: int, name: str, source: str
    ) -> tuple[int, bytes]:
        family, bits = (4, v4) if len(address) == 4 else (6, v6)
        prefix = masked(address, bits)
        step = bytes((family,)) + prefix[: (bits + 7) // 8]
        shown = f"{name}.address" if name == "client" else name
        if (v4, v6) != (32, 128):
            shown = f"{name}{'_subnet' if '.' in name else '.subnet'}(v4={v4}, v6={v6})"
        return self._keep((kind, v4, v6), step, (family, prefix), shown, source)

    def _keep(self, key: tuple[int, int, int], number: int | bytes, value: T, name: str, source: str) -> T:
        if key in self._known:
            known: T = self._known[key]  # type: ignore[assignment]  # put there under the same key, so of the same type
            return known
        self._known[key] = value
        self.path.append((*key, number))
        self._shown.append((name, value, source))
        return value


def masked(address: bytes, bits: int) -> bytes:
    """An address with 0 after its first `bits` bits."""
    width = 8 * len(address)
    return (int.from_bytes(address, "big") >> (width - bits) << (width - bits)).to_bytes(len(address), "big")


def _text(step: Step, value: object, name: str) -> str:
    """A value as a policy's author would write it."""
    kind, a, b, _ = step
    if isinstance(value, tuple):
        family, packed = value
        network = ipaddress.ip_network((packed, a if family == 4 else b))
        return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
    if isinstance(value, bytes):
        return dns.name.from_wire(value + b"\0", 0)[0].to_text(omit_final_dot=True) if value else "nothing"
    if value is None or (kind == F_LOAD and value == UNKNOWN):
        return "unknown"
    if isinstance(value, bool):
        yes, no = {F_TRANSPORT: ("tcp", "udp"), F_HEALTH: ("up", "down")}.get(kind, ("yes", "no"))
        return yes if value else no
    if isinstance(value, int):
        if kind == F_QTYPE:
            return type_text(value)
        if kind == F_LOAD:
            return str(value * b / 1000)
        if name.endswith(".date"):
            return datetime.date.fromordinal(value).isoformat()
    return str(value)
