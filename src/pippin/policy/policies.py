"""`Policies`: where a file says which function answers which name and type.

Everything that can be wrong with a declaration is told when the file is imported: names, types, parameters, numbers.
Running the function is not done here.
"""

from __future__ import annotations

import inspect
import ipaddress
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TypeVar, Union

import dns.exception
import dns.name

from pippin.policy.compiling import compile_plan, uses_alias
from pippin.policy.loops import refuse_own_name
from pippin.policy.networks import Networks
from pippin.policy.plans import Plan, PlanError, PlanLike, as_plan, check_ttl
from pippin.policy.rdata import NOT_FROM_POLICIES, RdataError, type_number, type_text
from pippin.policy.settings import DEFAULT_TTL

DEFAULT_BUDGET = 0.010
"""Seconds that one evaluation may take."""

MAX_BUDGET = 10.0
"""Seconds; a resolver has asked elsewhere by then."""

PARAMETERS = ("client", "name", "now", "health")
"""What a policy may ask for; it gets those that its signature names."""

FALLBACKS = ("last", "zone", "servfail")

PolicyResult = Union[PlanLike, list[PlanLike], tuple[PlanLike, ...]]  # noqa: UP007 - evaluated at run time
"""What a policy returns: a plan, a record's text, or several of them for all of them."""

PolicyFunction = Callable[..., Union[PolicyResult, Awaitable[PolicyResult]]]  # noqa: UP007
F = TypeVar("F", bound=PolicyFunction)
Fallback = Literal["last", "zone", "servfail"]

_made: ContextVar[list[Policies] | None] = ContextVar("policies made", default=None)


class PolicyError(ValueError):
    """A declaration that cannot be meant; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a user's file something stands; line 0: not known."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Options:
    """What `answer` says beside names and types."""

    ttl: int = DEFAULT_TTL
    memo: bool = True
    """False: the function runs for every query."""
    fallback: Fallback | Plan = "last"
    """What is answered when the function fails: the last plan that worked, the zone's records, SERVFAIL, or a plan."""
    budget: float = DEFAULT_BUDGET
    """Seconds."""

    def __post_init__(self) -> None:
        try:
            check_ttl(self.ttl)
        except (PlanError, TypeError) as error:
            raise PolicyError(str(error)) from None
        if not 0 < self.budget <= MAX_BUDGET:
            raise PolicyError(f"budget={self.budget!r}: seconds, more than 0 and at most {MAX_BUDGET:.0f}")


@dataclass(frozen=True, slots=True)
class Policy:
    """One name and type, and the function that answers them. Each has a memo of its own."""

    name: str
    """Absolute, lower case, without the final dot; may begin with `*.`."""
    type: str
    function: PolicyFunction
    wants: tuple[str, ...]
    """Those of `PARAMETERS` that the function takes."""
    is_async: bool
    options: Options
    place: Place

    @property
    def rdtype(self) -> int:
        return type_number(self.type)

    @property
    def owner(self) -> bytes:
        """The name in wire format, lower case."""
        return dns.name.from_text(self.name).to_wire() or b""

    def call(self, facts: Mapping[str, object]) -> object:
        """What the function returns for these parameters (those it takes are picked out): a plan, or an awaitable."""
        return self.function(**{name: facts[name] for name in self.wants})

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


class Policies:
    """The policies of a file.

    `networks` names networks for `client.network`: {"office": ["10.0.0.0/8", "2001:db8::/32"]}. `geo` names MaxMind
    databases for `client.country` and its like, relative to the file. `ttl` is that of policies without their own.
    """

    def __init__(
        self,
        *,
        networks: Mapping[str, Iterable[str]] | None = None,
        geo: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
        ttl: int = DEFAULT_TTL,
    ) -> None:
        Options(ttl)
        self.place = _caller()
        self.ttl = ttl
        self.networks = Networks(networks or {})
        paths = (geo,) if isinstance(geo, str | os.PathLike) else tuple(geo)
        folder = os.path.dirname(os.path.abspath(self.place.file))
        self.geo = tuple(os.path.join(folder, path) for path in paths)
        self._policies: dict[tuple[str, str], Policy] = {}
        made = _made.get()
        if made is not None:
            made.append(self)

    def answer(
        self,
        name: str | Iterable[str],
        type: str | Iterable[str],  # noqa: A002 - DNS's own word
        *,
        ttl: int | None = None,
        memo: bool = True,
        fallback: Fallback | Plan = "last",
        budget: float = DEFAULT_BUDGET,
    ) -> Callable[[F], F]:
        """The decorated function answers queries for `name` and `type`, which may be several each.

        `memo=False` runs it for every query. `fallback` is answered when it fails or takes longer than `budget`
        seconds. The function itself is not changed. Raises `PolicyError`.
        """
        options = Options(self.ttl if ttl is None else ttl, memo, _check_fallback(fallback), budget)
        names = [check_name(text) for text in _each(name)]
        types = [check_type(text) for text in _each(type)]
        if not names or not types:
            raise PolicyError("answer needs a name and a type: @policies.answer('www.example.com', 'A')")

        def declare(function: F) -> F:
            place = _place_of(function)
            for owner in names:
                for rdtype in types:
                    self.add(owner, rdtype, function, options, place)
            return function

        return declare

    def add(self, name: str, type: str, function: PolicyFunction, options: Options, place: Place) -> None:  # noqa: A002
        """What `answer` does for each name and type, which are already in their official form."""
        if isinstance(options.fallback, Plan):
            try:
                refuse_own_name(options.fallback, name)
                if not uses_alias(options.fallback):
                    compile_plan(options.fallback, type_number(type), {})
            except PlanError as error:
                raise PolicyError(f"fallback: {error}") from None
        policy = Policy(name, type, function, _parameters(function), _is_async(function), options, place)
        first = self._policies.setdefault((name, type), policy)
        if first is not policy:
            raise PolicyError(f"{policy} is answered at {first.place} already; one of them is right")

    def find(self, name: str, type: str) -> Policy | None:  # noqa: A002
        """The policy declared for exactly this name (a wildcard by its `*.`) and type."""
        return self._policies.get((check_name(name), check_type(type)))

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._policies.values())

    def __len__(self) -> int:
        return len(self._policies)


@contextmanager
def collecting_policies() -> Iterator[list[Policies]]:
    """All `Policies` that are made while this lasts."""
    made: list[Policies] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)


def check_name(text: str) -> str:
    """A policy's name, absolute, lower case, without the final dot. Raises `PolicyError`."""
    if not isinstance(text, str):
        raise PolicyError(f"{text!r} is no name; right would be 'www.example.com'")
    try:
        name = dns.name.from_text(text).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise PolicyError(f"{text!r} is no name: {error or 'IDNA'}") from None
    if name == dns.name.root:
        raise PolicyError(f"{text!r} is no name that a policy can answer for")
    if b"*" in name.labels[1:]:
        raise PolicyError(f"{text!r}: a wildcard is the first label of a name, as in '*.cdn.example.com'")
    return name.to_text(omit_final_dot=True)


def check_type(text: str) -> str:
    """A type that policies can answer, as it is written officially. Raises `PolicyError`."""
    try:
        name = type_text(type_number(text))
    except (RdataError, AttributeError):
        raise PolicyError(
            f"{text!r} is no record type that a policy could answer; right would be 'A'"
        ) from None
    if name in NOT_FROM_POLICIES:
        raise PolicyError(f"no policy can answer {name}: {NOT_FROM_POLICIES[name]}")
    return name


def _is_async(function: PolicyFunction) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _each(given: str | Iterable[str]) -> Iterable[str]:
    return given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _check_fallback(fallback: Fallback | Plan) -> Fallback | Plan:
    if isinstance(fallback, Plan) or fallback in FALLBACKS:
        return fallback
    try:
        return as_plan(ipaddress.ip_address(fallback))
    except ValueError:
        raise PolicyError(
            f"fallback={fallback!r} is none of {', '.join(map(repr, FALLBACKS))}, nor a plan"
        ) from None


def _parameters(function: PolicyFunction) -> tuple[str, ...]:
    """Which of `PARAMETERS` a function takes. Others need a default: loops bind values that way."""
    if not callable(function):
        raise PolicyError(f"{function!r} is no function")
    name = getattr(function, "__name__", repr(function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PolicyError(f"{name} is a generator; a policy returns one plan")
    wants = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise PolicyError(
                f"{name}: its parameter {parameter.name!r} cannot be given by name; leave out the '/'"
            )
        if parameter.name in PARAMETERS and parameter.kind is not parameter.VAR_POSITIONAL:
            wants.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise PolicyError(
                f"{name} has a parameter {parameter.name!r}, but policies are given {', '.join(PARAMETERS)} only"
            )
    return tuple(wants)


def _place_of(function: PolicyFunction) -> Place:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return _caller() if code is None else Place(code.co_filename, code.co_firstlineno)


def _caller() -> Place:
    """The nearest frame that is not of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
