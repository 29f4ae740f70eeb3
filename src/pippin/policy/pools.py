"""Pools: named targets with weights, how they are checked, and what to do when none of them is available."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from pippin.policy.checks import Check, Load
from pippin.policy.plans import (
    NODATA,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    Plan,
    PlanError,
    PlanLike,
    as_plan,
    check_data,
    check_ttl,
    check_weight,
)
from pippin.policy.values import call_text, constructor_text

EMPTY: Mapping[str, Plan] = {"nodata": NODATA, "servfail": SERVFAIL, "nxdomain": NXDOMAIN, "refused": REFUSED}
"""What `empty` may name, beside "open"."""

_made: ContextVar[list[Pool] | None] = ContextVar("pools made", default=None)


class ReadsHealth(Protocol):
    """The part of a policy's `health` that pools use."""

    def up(self, target: str, /) -> bool: ...


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """One member of a pool: the data of one record, and how to find out whether it works.

    `data`, `type` and `ttl` are those of a `Record`. `check_address` is asked instead of the answer's address.
    `check`, `load` and `capacity` (in the unit that the load is read in, or that a simulation counts) default to
    the pool's.
    """

    data: str
    weight: int = 1
    type: str | None = field(default=None, kw_only=True)
    ttl: int | None = field(default=None, kw_only=True)
    check_address: str | None = field(default=None, kw_only=True)
    check: Check | None = field(default=None, kw_only=True)
    load: Load | None = field(default=None, kw_only=True)
    capacity: float | None = field(default=None, kw_only=True)
    pool: str = field(default="", kw_only=True)
    """Filled in by the pool."""

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_ttl(self.ttl)
        if not isinstance(self.data, str):
            raise PlanError(
                f"target {self.data!r}: the text of a record's data is right, '192.0.2.10' for example"
            )
        if self.type is not None:
            object.__setattr__(self, "type", check_data(self.type, self.data))
        if self.check_address is not None and _address(self.check_address) is None:
            raise PlanError(f"check_address={self.check_address!r} is no address")
        if self.capacity is not None and not self.capacity > 0:
            raise PlanError(f"capacity={self.capacity!r}: more than 0 is right")
        object.__setattr__(self, "data", _address(self.data) or self.data)  # one key, however it is written

    @property
    def key(self) -> str:
        """`pool/data`, by which health, status and commands name it."""
        return f"{self.pool}/{self.data}"

    @property
    def address(self) -> str | None:
        """What health checks ask; None for data that is no address, unless there is a `check_address`."""
        return self.check_address or _address(self.data)

    def __repr__(self) -> str:
        return constructor_text(dataclasses.replace(self, pool="") if self.pool else self)

    def __str__(self) -> str:
        return self.data if self.weight == 1 else f"{self.weight} x {self.data}"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Pool(Plan):
    """Named targets. As a plan it is one of those available, drawn by weight.

    `targets` are addresses with weights, or a list of addresses (or other data) and `Target`s. `check`, `load` and
    `capacity` are those of each target. Addresses of both families may be mixed: a question gets those of its type;
    to one of a type that no target has, the pool is an empty answer (NODATA).

    `empty` says what happens when nothing in a whole plan is available and this is the last pool in it: "open"
    (draw as if all were up), "nodata", "servfail", "nxdomain", "refused", or another plan.
    """

    is_pool: ClassVar[bool] = True

    name: str
    targets: tuple[Target, ...]
    empty: Plan | None
    """None: open."""
    _hash: int = field(compare=False)

    def __init__(
        self,
        name: str,
        targets: Mapping[str, int] | Iterable[str | Target],
        *,
        check: Check | None = None,
        load: Load | None = None,
        empty: Literal["open", "nodata", "servfail", "nxdomain", "refused"] | PlanLike = "open",
        capacity: float | None = None,
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[^\s/]{1,63}", name):
            raise PlanError(
                f"{name!r} is no name for a pool; right are up to 63 characters without space and slash"
            )
        members: dict[str, Target] = {}
        for target in _targets(name, targets):
            member = dataclasses.replace(
                target,
                check=target.check or check,
                load=target.load or load,
                capacity=target.capacity or capacity,
                pool=name,
            )
            if members.setdefault(member.key, member) is not member:
                raise PlanError(f"target {member.key} is there twice; its weight says how often it is drawn")
        last = _plan_of(name, empty)
        for attribute, value in (
            ("name", name),
            ("targets", tuple(members.values())),
            ("empty", last),
            (
                "_hash",
                hash((name, tuple(members.values()), last)),
            ),  # policies make plans of pools all the time
        ):
            object.__setattr__(self, attribute, value)
        made = _made.get()
        if made is not None:
            made.append(self)

    def __hash__(self) -> int:
        return self._hash

    def up(self, health: ReadsHealth) -> list[Target]:
        """The targets that are available; puts the state of each into the memo's key."""
        return [target for target in self.targets if health.up(target.key)]

    def up_count(self, health: ReadsHealth) -> int:
        """How many targets are available; puts the state of each into the memo's key."""
        return len(self.up(health))

    def __repr__(self) -> str:
        named: dict[str, object] = {}
        plain = list(self.targets)
        for attribute in ("check", "load", "capacity"):
            values = {getattr(target, attribute) for target in self.targets}
            if len(values) == 1 and values != {None}:
                named[attribute] = values.pop()
                left_out: dict[str, Any] = {attribute: None}
                plain = [dataclasses.replace(target, **left_out) for target in plain]
        if self.empty is not None:
            words = [word for word, plan in EMPTY.items() if plan == self.empty]
            named["empty"] = words[0] if words else self.empty
        targets: object = [_Shown(target) for target in plain]
        if all(target == Target(target.data, target.weight, pool=self.name) for target in plain):
            if any(target.weight != 1 for target in plain):
                targets = {target.data: target.weight for target in plain}
            else:
                targets = [target.data for target in plain]
        return call_text("Pool", self.name, targets, **named)

    def __str__(self) -> str:
        return f"pool {self.name} ({', '.join(str(target) for target in self.targets)})"


@contextmanager
def collecting_pools() -> Iterator[list[Pool]]:
    """Every pool that is made while this lasts: those of a policy file, wherever in it they are kept."""
    made: list[Pool] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)


def pools_in(plan: Plan) -> Iterator[Pool]:
    """Every pool in a plan, in reading order."""
    if isinstance(plan, Pool):
        yield plan
    for child in plan.children():
        yield from pools_in(child)


class _Shown:
    """A target among others in `repr`: plain text where that says all."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __repr__(self) -> str:
        target = self._target
        return repr(target.data) if target == Target(target.data, pool=target.pool) else repr(target)


def _targets(pool: str, given: Mapping[str, int] | Iterable[str | Target]) -> Iterator[Target]:
    if isinstance(given, str | Target):
        raise PlanError(f"pool {pool}: targets are a list, or have weights; right would be [{given!r}]")
    if isinstance(given, Mapping):
        for data, weight in given.items():
            if isinstance(data, Target):
                raise PlanError(f"pool {pool}: {data!r} has a weight of its own; give a list of targets")
            yield Target(data, weight)
    else:
        for target in given:
            yield target if isinstance(target, Target) else Target(target)


def _plan_of(pool: str, empty: str | PlanLike) -> Plan | None:
    if empty == "open":
        return None
    if isinstance(empty, str) and empty not in EMPTY and _address(empty) is None:
        known = ", ".join(repr(word) for word in ("open", *EMPTY))
        raise PlanError(f"pool {pool}: empty={empty!r} is none of {known}, nor an address or a plan")
    return EMPTY[empty] if isinstance(empty, str) and empty in EMPTY else as_plan(empty)


def _address(text: str) -> str | None:
    """An address in its official spelling (RFC 5952)."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None
