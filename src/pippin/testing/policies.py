"""What a policy is given in a unit test: a client from anywhere, targets that are up or down, any time of day.

    def test_europe_goes_to_berlin():
        assert www(policy_client(continent="EU")) == berlin.or_else(dallas)

A policy is an ordinary function and is called as one. Reading something that was not given is an error that says so.
"""

from __future__ import annotations

import datetime
import enum
import time
from collections.abc import Iterable, Mapping

import dns.name

from pippin.policy import clock
from pippin.policy.client import Client, Health, Name, Now
from pippin.policy.facts import Recorder
from pippin.policy.geo import Geo
from pippin.policy.given import GivenFacts, Lookups, Value, moment
from pippin.policy.policies import Policies
from pippin.policy.pools import Target
from pippin.policy.rdata import type_number


class NotGiven(enum.Enum):
    """Marks a parameter that was left out, where None is a value."""

    NOT_GIVEN = enum.auto()


NOT_GIVEN = NotGiven.NOT_GIVEN


def policy_client(
    address: str = "192.0.2.1",
    *,
    country: str | NotGiven | None = NOT_GIVEN,
    continent: str | NotGiven | None = NOT_GIVEN,
    region: str | NotGiven | None = NOT_GIVEN,
    city: str | NotGiven | None = NOT_GIVEN,
    asn: int | NotGiven | None = NOT_GIVEN,
    network: str | NotGiven | None = NOT_GIVEN,
    policies: Policies | None = None,
    resolver: str | None = None,
    transport: str = "udp",
    edns: bool = True,
    dnssec_ok: bool = False,
) -> Client:
    """A client to call a policy with.

    `address` may be a network, as resolvers send it (EDNS Client Subnet); `resolver` then is where the query comes
    from. With `policies` the named networks and databases of that file are looked into, where a value is not given.
    """
    fields = {
        "country": country,
        "continent": continent,
        "region": region,
        "city": city,
        "asn": asn,
        "network": network,
    }
    given: dict[str, Value] = {
        name: value for name, value in fields.items() if not isinstance(value, NotGiven)
    }
    lookups = Lookups(
        policies.networks if policies is not None else None,
        Geo(policies.geo) if policies is not None and policies.geo else None,
        given,
    )
    facts = GivenFacts(
        address,
        time.time(),
        resolver=resolver,
        lookups=lookups,
        is_tcp=transport == "tcp",
        has_edns=edns,
        dnssec_ok=dnssec_ok,
    )
    return Client(Recorder(facts))


def policy_name(name: str, owner: str | None = None, *, rdtype: str = "A") -> Name:
    """The `name` that a policy may ask for; for a wildcard policy, `owner` is its name: `*.cdn.example.com`."""
    wire = dns.name.from_text(name).canonicalize()
    owner = name if owner is None else owner
    captured = b""
    if owner.startswith("*."):
        parent = dns.name.from_text(owner[2:]).canonicalize()
        if not wire.is_subdomain(parent) or wire == parent:
            raise ValueError(f"{name!r} is not below {owner[2:]!r}")
        captured = (wire.relativize(parent).to_wire(origin=dns.name.root) or b"")[:-1]
    facts = GivenFacts("192.0.2.1", 0, qtype=type_number(rdtype), captured=captured)
    return Name(Recorder(facts), owner.lower().removesuffix("."))


def looked_at(parameter: Client | Name) -> list[str]:
    """What a policy has read of a client or name so far, in order: `["client.country"]`.

    Each of them is a part of the key under which the server remembers an answer.
    """
    return [read.name for read in parameter._recorder.reads]


class FakeHealth(Health):
    """Targets that are well until a test says otherwise. A target is `pool/address`, or a `Target`."""

    def __init__(self, *, down: Iterable[str | Target] = (), load: Mapping[str, float] | None = None) -> None:
        self._down = {_key(target) for target in down}
        self._loads = dict(load or {})

    def up(self, target: str | Target) -> bool:
        return _key(target) not in self._down

    def load(self, target: str | Target, step: float = 0.1) -> float | None:
        """Rounded down to a multiple of `step`, as in the server."""
        load, permille = self._loads.get(_key(target)), round(1000 * step)
        return None if load is None else round(1000 * load) // permille * permille / 1000

    def fail(self, *targets: str | Target) -> None:
        """They are down from now on."""
        self._down.update(map(_key, targets))

    def recover(self, *targets: str | Target) -> None:
        """They are up from now on; without targets, all are."""
        self._down.difference_update(map(_key, targets)) if targets else self._down.clear()

    def set_load(self, target: str | Target, load: float | None) -> None:
        """The share of its capacity that is in use; None: nobody knows."""
        if load is None:
            self._loads.pop(_key(target), None)
        else:
            self._loads[_key(target)] = load


class FakeClock(Now):
    """A time that stands still until a test moves it: `FakeClock("2026-12-24 18:00")`, UTC unless it says otherwise."""

    def __init__(self, start: str | datetime.datetime = "2026-01-01 12:00") -> None:
        self._unix = 0.0
        self.set(start)
        super().__init__(_Reading(self))  # type: ignore[arg-type]  # all that Now asks of a recorder

    def set(self, when: str | datetime.datetime) -> None:
        self._unix = moment(when if isinstance(when, str) else when.isoformat())

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        step = datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        self._unix += step.total_seconds()

    @property
    def unix(self) -> float:
        """Seconds since 1970."""
        return self._unix


class _Reading:
    def __init__(self, fake: FakeClock) -> None:
        self._fake = fake

    def clock(self, zone: str, grain: str) -> int:
        return clock.read(clock.zone(zone), grain, int(self._fake.unix))[0]


def _key(target: str | Target) -> str:
    return target if isinstance(target, str) else target.key
