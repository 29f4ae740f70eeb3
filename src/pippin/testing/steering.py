"""Policies in the server of a test: which pools they choose from, and how the targets of these are."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, TypeAlias

from pippin.policy.policies import Policies
from pippin.policy.pools import Pool, Target
from pippin.store.health import DRAINED, NO_OVERRIDE, HealthTable

PolicySource: TypeAlias = Policies | ModuleType
"""`Policies`, or a policy file that was imported."""


def policies_in(source: PolicySource | Iterable[PolicySource] | None) -> list[Policies]:
    """What was given, as a list; of a module, all that it has."""
    if source is None:
        return []
    if isinstance(source, Policies):
        return [source]
    if inspect.ismodule(source):
        found = [value for value in vars(source).values() if isinstance(value, Policies)]
        if not found:
            raise ValueError(f"module {source.__name__} has no Policies")
        return found
    several: Iterable[PolicySource] = source
    return [policies for each in several for policies in policies_in(each)]


def pools_of(given: Iterable[Policies]) -> list[Pool]:
    """The pools that policies can choose from: those in the variables that their functions see."""
    pools: dict[str, Pool] = {}
    for policies in given:
        for policy in policies:
            for value in _seen_by(policy.function):
                for pool in _pools_in(value):
                    pools.setdefault(pool.name, pool)
    return list(pools.values())


def _seen_by(function: Callable[..., Any]) -> Iterator[Any]:
    if isinstance(function, functools.partial):
        yield from function.args
        yield from function.keywords.values()
        function = function.func
    function = inspect.unwrap(function)
    if inspect.ismethod(function):
        yield from vars(function.__self__).values()
    elif not inspect.isfunction(function):
        yield from vars(function).values()  # an object that can be called
        function = type(function).__call__
    variables = inspect.getclosurevars(function)
    yield from variables.nonlocals.values()
    yield from inspect.unwrap(function).__globals__.values()
    yield from function.__defaults__ or ()


def _pools_in(value: Any) -> Iterator[Pool]:
    if isinstance(value, Pool):
        yield value
    elif isinstance(value, Mapping):
        yield from (each for each in (*value, *value.values()) if isinstance(each, Pool))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (each for each in value if isinstance(each, Pool))


class ServedHealth:
    """How the targets are that a server's policies choose from; nothing checks them but the test.

    A target is `pool/address`, or a `Target`.
    """

    def __init__(self, table: HealthTable, rows: Mapping[str, int]) -> None:
        self._table = table
        self._rows = rows

    def up(self, target: str | Target) -> bool:
        return self._table.row(self._row(target)).available

    def fail(self, *targets: str | Target) -> None:
        """They are down from now on."""
        for target in targets:
            self._table.set_checked(self._row(target), False, _now_ms())

    def drain(self, *targets: str | Target) -> None:
        """They are set down by hand from now on: not even a pool that fails open gives them."""
        for target in targets:
            self._table.set_override(self._row(target), DRAINED, _now_ms())

    def recover(self, *targets: str | Target) -> None:
        """They are up from now on; without targets, all are."""
        for target in targets or self._rows:
            self._table.set_override(self._row(target), NO_OVERRIDE, _now_ms())
            self._table.set_checked(self._row(target), True, _now_ms())

    def set_load(self, target: str | Target, load: float | None) -> None:
        """The share of its capacity that is in use; None: nobody knows."""
        self._table.set_load(self._row(target), None if load is None else round(1000 * load))

    def _row(self, target: str | Target) -> int:
        key = target if isinstance(target, str) else target.key
        if key not in self._rows:
            known = ", ".join(self._rows) or "none"
            raise LookupError(f"there is no target {key!r}; there are {known}")
        return self._rows[key]


def _now_ms() -> int:
    return int(time.time() * 1000)
