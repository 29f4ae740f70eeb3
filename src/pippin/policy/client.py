"""What a policy is given: `client`, `name`, `now` and `health`. Reading an attribute is what puts it in the memo's key.

So a policy should read what it decides by, and no more: `client.country` has some 250 values, `client.address` as many
as there are clients.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

import dns.name

from pippin.policy.clock import UTC, zone
from pippin.policy.facts import Facts, Recorder
from pippin.policy.pools import Target
from pippin.policy.rdata import type_text

LARGEST_STEP = 10.0
"""Of a load: ten times the capacity."""


class Client:
    """Who asks: the network that an EDNS Client Subnet option names, if it is believed, else the resolver."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """All that is known of the address; the rest is 0. Each address is remembered by itself: see `subnet`."""
        return _address(*self._recorder.address(32, 128))

    def subnet(self, v4: int = 24, v6: int = 56) -> IPv4Network | IPv6Network:
        """The network of the address with `v4` bits (IPv4) or `v6` bits (IPv6)."""
        return _network(*self._recorder.address(*_bits(v4, v6)), v4, v6)

    @property
    def ip_version(self) -> Literal[4, 6]:
        """Of the address."""
        return 4 if self._recorder.address(0, 0)[0] == 4 else 6

    @property
    def country(self) -> str | None:
        """ISO 3166-1 code: "DE"."""
        return _text(self._recorder.find("country"))

    @property
    def continent(self) -> str | None:
        """AF, AN, AS, EU, NA, OC or SA."""
        return _text(self._recorder.find("continent"))

    @property
    def region(self) -> str | None:
        """The part after the hyphen of the ISO 3166-2 code: "CA" in the United States is California."""
        return _text(self._recorder.find("region"))

    @property
    def city(self) -> str | None:
        """English name."""
        return _text(self._recorder.find("city"))

    @property
    def asn(self) -> int | None:
        """Number of the autonomous system."""
        found = self._recorder.find("asn")
        return found if isinstance(found, int) else None

    @property
    def network(self) -> str | None:
        """The name of the longest of the `networks` of `Policies` that the address is in."""
        return _text(self._recorder.find("network"))

    @property
    def resolver(self) -> IPv4Address | IPv6Address:
        """Where the query came from."""
        return _address(*self._recorder.resolver(32, 128))

    def resolver_subnet(self, v4: int = 24, v6: int = 56) -> IPv4Network | IPv6Network:
        """The network that the query came from."""
        return _network(*self._recorder.resolver(*_bits(v4, v6)), v4, v6)

    @property
    def transport(self) -> Literal["udp", "tcp"]:
        return "tcp" if self._recorder.is_tcp() else "udp"

    @property
    def edns(self) -> bool:
        """Whether the query has EDNS (RFC 6891)."""
        return self._recorder.has_edns()

    @property
    def dnssec_ok(self) -> bool:
        """The DO bit (RFC 3225)."""
        return self._recorder.dnssec_ok()

    @property
    def subnet_given(self) -> bool:
        """Whether the address is from an EDNS Client Subnet option (RFC 7871)."""
        return self._recorder.subnet_given()


class Name:
    """What is asked for."""

    __slots__ = ("_owner", "_recorder")

    def __init__(self, recorder: Recorder, owner: str) -> None:
        """`owner`: the policy's name, absolute without the final dot, maybe a wildcard."""
        self._recorder = recorder
        self._owner = owner

    @property
    def captured(self) -> tuple[str, ...]:
        """The labels that the policy's `*` stands for, lower case; none for a policy without."""
        wire = self._recorder.captured()
        labels = []
        while wire:
            labels.append(_label(wire[1 : 1 + wire[0]]))
            wire = wire[1 + wire[0] :]
        return tuple(labels)

    @property
    def text(self) -> str:
        """The whole name, lower case, without the final dot."""
        if not self._owner.startswith("*."):
            return self._owner
        return ".".join((*self.captured, self._owner.removeprefix("*.")))

    @property
    def type(self) -> str:
        """The record type asked for."""
        return type_text(self._recorder.qtype())

    def __str__(self) -> str:
        return self.text


class Now:
    """The time, in UTC; `at` gives that of a time zone. What is read holds until the minute, hour or day ends."""

    __slots__ = ("_recorder", "_zone")

    def __init__(self, recorder: Recorder, where: str = UTC) -> None:
        self._recorder = recorder
        self._zone = where

    def at(self, zone_name: str) -> Now:
        """The time in a zone of the IANA database: `now.at("Europe/Prague").hour`."""
        zone(zone_name)
        return Now(self._recorder, zone_name)

    @property
    def minute(self) -> int:
        """0 to 59."""
        return self._recorder.clock(self._zone, "minute")

    @property
    def hour(self) -> int:
        """0 to 23."""
        return self._recorder.clock(self._zone, "hour")

    @property
    def weekday(self) -> int:
        """0 to 6, Monday is 0."""
        return self._recorder.clock(self._zone, "weekday")

    @property
    def date(self) -> datetime.date:
        return datetime.date.fromordinal(self._recorder.clock(self._zone, "date"))


class Health:
    """How targets are. A target is named `pool/address`, or given as a `Target` of a pool."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def up(self, target: str | Target) -> bool:
        """Whether it is available: by its checks, by what an operator said, or because nobody knows otherwise."""
        return self._recorder.health(target if isinstance(target, str) else target.key)

    def load(self, target: str | Target, step: float = 0.1) -> float | None:
        """The share of its capacity in use, rounded down to a multiple of `step`; None if nobody knows."""
        permille = round(1000 * step)
        if not 0.001 <= step <= LARGEST_STEP:
            raise ValueError(f"step={step!r}: a share of the capacity is right, 0.001 to {LARGEST_STEP}")
        steps = self._recorder.load(target if isinstance(target, str) else target.key, permille)
        return None if steps < 0 else steps * permille / 1000


def parameters(facts: Facts, owner: str) -> tuple[Recorder, Mapping[str, object]]:
    """Everything that a policy for `owner` may be given, for `Policy.call`, and what records its reading."""
    recorder = Recorder(facts)
    return recorder, {
        "client": Client(recorder),
        "name": Name(recorder, owner),
        "now": Now(recorder),
        "health": Health(recorder),
    }


def _address(family: int, packed: bytes) -> IPv4Address | IPv6Address:
    return IPv4Address(packed) if family == 4 else IPv6Address(packed)


def _network(family: int, packed: bytes, v4: int, v6: int) -> IPv4Network | IPv6Network:
    return IPv4Network((packed, v4)) if family == 4 else IPv6Network((packed, v6))


def _bits(v4: int, v6: int) -> tuple[int, int]:
    if not 0 <= v4 <= 32 or not 0 <= v6 <= 128:
        raise ValueError(f"v4={v4}, v6={v6}: prefix lengths are 0 to 32 for IPv4 and 0 to 128 for IPv6")
    return v4, v6


def _text(found: str | int | None) -> str | None:
    return found if isinstance(found, str) else None


def _label(octets: bytes) -> str:
    """A label as names are written: dots in it, and what does not print, are escaped."""
    return dns.name.Name((octets,)).to_text()
