"""What `[[policy]]` and `[[pool]]` can say: policies without code (`policy/declared.py` makes them).

Values only; the control process reads this without anything that policies are made of.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

DEFAULT_TTL = 30
"""Seconds: short enough that a failover is followed soon, long enough that resolvers still cache."""

Choice = str | tuple[str, ...]
"""What is answered, by text; several are failover."""


Count = Annotated[int, Meta(ge=1, le=255)]
Capacity = Annotated[float, Meta(gt=0)]


class TargetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One of a pool's `targets`, where its address and weight do not say all."""

    data: Annotated[str, Meta(description="An address, or other data of the type asked for.")]
    weight: Annotated[int, Meta(ge=0, description="How often it is drawn, against the others; 0: never.")] = 1
    check_address: Annotated[
        str | None, Meta(description="Asked by checks instead of the answer's address.")
    ] = None
    capacity: Annotated[Capacity | None, Meta(description="What it can take, in the unit of its load.")] = (
        None
    )


class PoolSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[pool]]`."""

    name: Annotated[str, Meta(description="By which policies, status and commands name it.")]
    targets: Annotated[
        dict[str, int] | tuple[str | TargetSettings, ...],
        Meta(description="Addresses: a list, or a table with weights."),
    ]
    check: Annotated[
        dict[str, Any] | None,
        Meta(
            description="Health check of each target: `kind` (http, tcp, tls, ping, dns, command), and its parameters."
        ),
    ] = None
    load: Annotated[
        dict[str, Any] | None,
        Meta(
            description="Where the load of each target is read: `kind` (json, prometheus), and its parameters."
        ),
    ] = None
    empty: Annotated[
        str,
        Meta(
            description="If nothing is available: `open` (as if all were up), `nodata`, `servfail`, `nxdomain`, "
            "`refused`, or an address."
        ),
    ] = "open"
    capacity: Annotated[Capacity | None, Meta(description="Of each target that has none of its own.")] = None


class PolicySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[policy]]`."""

    name: Annotated[
        Choice, Meta(description="The name it answers, or several; `*.cdn.example.com` for wildcards.")
    ]
    type: Annotated[Choice, Meta(description="The record type, or several.")]
    ttl: Annotated[int, Meta(ge=0, description="Seconds that resolvers may keep an answer.")] = DEFAULT_TTL
    answer: Annotated[
        Choice | None,
        Meta(
            description="A pool, an address, an outcome; several are failover. For clients that no table names."
        ),
    ] = None
    weights: Annotated[
        dict[str, int] | None, Meta(description="Instead of `answer`: what to draw from, with weights.")
    ] = None
    network: Annotated[
        dict[str, Choice], Meta(description="Answers by the client's network, of `networks`.")
    ] = {}
    country: Annotated[
        dict[str, Choice], Meta(description="Answers by the client's country, `DE`. Needs `geo`.")
    ] = {}
    continent: Annotated[
        dict[str, Choice], Meta(description="Answers by the client's continent, `EU`. Needs `geo`.")
    ] = {}
    draw: Annotated[
        Literal["weighted", "sticky", "first", "rotate", "all"],
        Meta(
            description="From a pool: one by weight, the same one for a client's network, in order, in turn, or all."
        ),
    ] = "weighted"
    count: Annotated[
        Count | None,
        Meta(description="How many of a pool's targets. Default: 1, or all for `rotate`."),
    ] = None
    sticky_v4: Annotated[
        int, Meta(ge=0, le=32, description="IPv4 clients with as many bits in common stick together.")
    ] = 24
    sticky_v6: Annotated[int, Meta(ge=0, le=128, description="The same for IPv6.")] = 56
