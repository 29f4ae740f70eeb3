"""Policies without code: `[[policy]]` and `[[pool]]` in the configuration, made into the same values as a policy file.

A policy looks at the client's network, then country, then continent, as far as it has tables for them, and answers
with what it finds there, else with `answer` or `weights`. What is answered is named by text:

    the name of a pool                       `"eu"`
    an address                               `"192.0.2.1"`
    an outcome                               `"NODATA"`, `"NXDOMAIN"`, `"REFUSED"`, `"SERVFAIL"`, `"DROP"`, `"PASS"`
    another name                             `"CNAME cdn.example.net"`, `"ALIAS www.example.com"`

and a list of them is failover: the first in which anything is available.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from pippin.policy.checks import (
    Check,
    CheckError,
    CommandCheck,
    DNSCheck,
    HTTPCheck,
    JSONLoad,
    Load,
    PingCheck,
    PrometheusLoad,
    TCPCheck,
    TLSCheck,
)
from pippin.policy.loops import refuse_own_name
from pippin.policy.networks import NetworksError
from pippin.policy.plans import (
    OUTCOMES,
    Plan,
    PlanError,
    alias,
    all_of,
    as_plan,
    cname,
    first,
    rotate,
    sticky,
    weighted,
)
from pippin.policy.policies import Options, Place, Policies, PolicyError, check_name, check_type
from pippin.policy.pools import Pool, Target
from pippin.policy.rdata import address_type
from pippin.policy.settings import Choice, PolicySettings, PoolSettings
from pippin.policy.sources import Sources
from pippin.zone.problem import Problem

if TYPE_CHECKING:
    from pippin.policy.client import Client

CHECKS: Mapping[str, type[Check]] = {
    "http": HTTPCheck,
    "tcp": TCPCheck,
    "tls": TLSCheck,
    "ping": PingCheck,
    "dns": DNSCheck,
    "command": CommandCheck,
}
LOADS: Mapping[str, type[Load]] = {"json": JSONLoad, "prometheus": PrometheusLoad}

CONTINENTS = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")

T = TypeVar("T", Check, Load)


class DeclarationError(ValueError):
    """What is declared cannot be meant; `problem` says where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Declarations(Struct, frozen=True):
    """The keys of a configuration that are declared here; others are not looked at."""

    policy: tuple[PolicySettings, ...] = ()
    pool: tuple[PoolSettings, ...] = ()
    networks: dict[str, tuple[str, ...]] = {}
    geo: tuple[str, ...] = ()


def read_declared(file: str, sources: Sources) -> Policies:
    """What a configuration declares. Raises `DeclarationError`."""
    try:
        text = sources.read(file).decode()
        declarations = msgspec.convert(tomllib.loads(text), Declarations, strict=True)
    except OSError as error:
        raise DeclarationError(Problem(file, 0, 0, f"cannot be read: {error.strerror}")) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise DeclarationError(Problem(file, 0, 0, str(error))) from error
    return make_policies(declarations, file, text)


def make_policies(declarations: Declarations, file: str, text: str = "") -> Policies:
    """The same from values; `text` is the file's, for the lines in messages. Raises `DeclarationError`."""
    folder = os.path.dirname(os.path.abspath(file))
    try:
        policies = Policies(
            networks=declarations.networks, geo=[os.path.join(folder, path) for path in declarations.geo]
        )
    except NetworksError as error:
        raise DeclarationError(Problem(file, _line_of(text, "networks", 0), 0, str(error))) from error
    policies.place = Place(file)
    pools: dict[str, Pool] = {}
    for number, declared_pool in enumerate(declarations.pool):
        try:
            pool = _pool(declared_pool)
            if pools.setdefault(pool.name, pool) is not pool:
                raise PlanError(f"pool {pool.name!r} is there twice")
        except (PlanError, CheckError) as error:
            message = f"pool {declared_pool.name!r}: {error}"
            raise DeclarationError(Problem(file, _line_of(text, "pool", number), 0, message)) from error
    for number, declared in enumerate(declarations.policy):
        line = _line_of(text, "policy", number)
        try:
            function = _Function(declared, pools, policies.networks.names)
            for name in _texts(declared.name):
                for plan in function.plans:
                    refuse_own_name(plan, check_name(name))
                for rdtype in _texts(declared.type):
                    policies.add(
                        check_name(name),
                        check_type(rdtype),
                        function,
                        Options(declared.ttl),
                        Place(file, line),
                    )
        except (PlanError, PolicyError) as error:
            message = f"policy {declared.name!r}: {error}"
            raise DeclarationError(Problem(file, line, 0, message)) from error
    return policies


class _Function:
    """The policy function that a `[[policy]]` stands for."""

    def __init__(
        self, declared: PolicySettings, pools: Mapping[str, Pool], networks: tuple[str, ...]
    ) -> None:
        choose = _chooser(declared, pools)
        _known_keys("network", declared.network, networks)
        _known_keys("continent", declared.continent, CONTINENTS)
        for country in declared.country:
            if not re.fullmatch("[A-Z]{2}", country):
                raise PolicyError(f"country {country!r}: two capital letters are right, 'DE' (ISO 3166-1)")
        self._network = {key: choose(value) for key, value in declared.network.items()}
        self._country = {key: choose(value) for key, value in declared.country.items()}
        self._continent = {key: choose(value) for key, value in declared.continent.items()}
        if (declared.answer is None) == (declared.weights is None):
            raise PolicyError("it needs `answer` or `weights`, and not both")
        if declared.weights is not None:
            self._default = weighted({_one(text, pools): weight for text, weight in declared.weights.items()})
        else:
            self._default = choose(declared.answer or "")

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Everything that it may answer."""
        tables = (self._network, self._country, self._continent)
        return (self._default, *(plan for table in tables for plan in table.values()))

    def __call__(self, client: Client) -> Plan:
        if self._network and (found := self._network.get(client.network or "")) is not None:
            return found
        if self._country and (found := self._country.get(client.country or "")) is not None:
            return found
        if self._continent and (found := self._continent.get(client.continent or "")) is not None:
            return found
        return self._default


def _chooser(declared: PolicySettings, pools: Mapping[str, Pool]) -> Callable[[Choice], Plan]:
    n = declared.count or 1
    draws: Mapping[str, Callable[[Pool], Plan]] = {
        "weighted": lambda pool: pool if n == 1 else weighted(pool, n),
        "sticky": lambda pool: sticky(pool, n, v4=declared.sticky_v4, v6=declared.sticky_v6),
        "first": lambda pool: first(n, pool),
        "rotate": lambda pool: rotate(pool, n=declared.count),
        "all": lambda pool: all_of(pool),
    }

    def choose(choice: Choice) -> Plan:
        plans = [_one(text, pools) for text in _texts(choice)]
        drawn = [draws[declared.draw](plan) if isinstance(plan, Pool) else plan for plan in plans]
        return drawn[0].or_else(*drawn[1:])

    return choose


def _texts(choice: Choice) -> tuple[str, ...]:
    if not choice:
        raise PolicyError("an empty list says nothing; for an empty answer there is NODATA")
    return (choice,) if isinstance(choice, str) else choice


def _one(text: str, pools: Mapping[str, Pool]) -> Plan:
    if text in pools:
        return pools[text]
    for outcome in OUTCOMES.values():
        if outcome.name == text:
            return outcome
    if address_type(text):
        return as_plan(text)
    kind, _, name = text.partition(" ")
    if name and kind in ("CNAME", "ALIAS"):
        return cname(name) if kind == "CNAME" else alias(name)
    close = difflib.get_close_matches(text, [*pools, *(outcome.name for outcome in OUTCOMES.values())], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"pools here: {', '.join(pools) or 'none'}"
    raise PolicyError(f"{text!r} is no pool, address or outcome, {hint}")


def _known_keys(what: str, table: Mapping[str, Choice], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise PolicyError(f"{what} {key!r} is not known; known are {', '.join(known) or 'none'}")


def _pool(declared: PoolSettings) -> Pool:
    targets: dict[str, int] | list[str | Target]
    if isinstance(declared.targets, dict):
        targets = declared.targets
    else:
        targets = [
            target
            if isinstance(target, str)
            else Target(
                target.data, target.weight, check_address=target.check_address, capacity=target.capacity
            )
            for target in declared.targets
        ]
    return Pool(
        declared.name,
        targets,
        check=None if declared.check is None else _described("check", declared.check, CHECKS),
        load=None if declared.load is None else _described("load", declared.load, LOADS),
        empty=declared.empty,
        capacity=declared.capacity,
    )


def _described(what: str, table: Mapping[str, Any], kinds: Mapping[str, type[T]]) -> T:
    """A check or load source from its table: `kind` and the parameters of that class."""
    kind = kinds.get(str(table.get("kind")))
    if kind is None:
        raise CheckError(f"{what}: `kind` is one of {', '.join(kinds)}")
    parameters = {key: value for key, value in table.items() if key != "kind"}
    known = [field.name for field in dataclasses.fields(kind)]
    for key in parameters:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
            raise CheckError(f"{what}: unknown key {key!r}, {hint}")
    parameters = {
        key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()
    }
    try:
        return kind(**parameters)
    except TypeError as error:
        raise CheckError(f"{what}: {error}") from None


def _line_of(text: str, table: str, number: int) -> int:
    """The line of the table `[[name]]` or `[name]` with this number; 0 if it is written otherwise."""
    header = re.compile(rf"\s*\[\[?\s*{table}\s*\]")
    lines = [line for line, written in enumerate(text.splitlines(), 1) if header.match(written)]
    return lines[number] if number < len(lines) else 0
