"""Plans: what a policy returns. A plan is a distribution, not a draw: the server draws from it for every query.

    records   `Record`, `records(...)`, `cname(...)`, `alias(...)`; plain text is a record of the type asked for
    choice    `weighted`, `rotate`, `first`, `all_of`, `sticky`, and a `Pool` (`policy/pools.py`)
    order     `near.or_else(far)`
    outcomes  NODATA, NXDOMAIN, REFUSED, SERVFAIL, DROP, PASS

Plans are frozen, hashable and compare by value; `repr` is the call that makes them, `str` is for reading. They know
nothing of wire format and health: `policy/compiling.py` makes the form that the engine draws from,
`policy/outcomes.py` enumerates it.

A pool that is given to `all_of`, `first`, `rotate`, `sticky` or `weighted` stands for its targets. Anywhere else (a
key of a mapping with weights, an arm of `or_else`, returned as it is) it stands for one of them, drawn by weight.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Union

from pippin.policy.rdata import RdataError, parse, type_number, type_text
from pippin.policy.values import call_text

if TYPE_CHECKING:
    from pippin.policy.outcomes import Possibility

MAX_WEIGHT = 1_000_000
"""Large enough for shares of a millionth; sums of 4096 of them fit 32 bits."""

MAX_TTL = 2**31 - 1
"""RFC 2181 section 8."""


class PlanError(ValueError):
    """A plan that cannot be meant, or cannot answer the question; the message says what would be right."""


class Plan:
    """What all plans can do."""

    __slots__ = ()

    is_pool: ClassVar[bool] = False
    """Whether it has targets that `all_of` and its like take apart."""

    def or_else(self, *others: PlanLike) -> Plan:
        """This plan, or the first of `others` that has anything available if this one has nothing."""
        arms: list[Plan] = []
        for plan in (self, *(as_plan(other) for other in others)):
            arms += plan.arms if isinstance(plan, Else) else (plan,)
        return Else(tuple(arms)) if len(arms) > 1 else arms[0]

    def outcomes(
        self,
        type: str = "A",  # noqa: A002 - DNS's own word
        *,
        down: Collection[str] = (),
        drained: Collection[str] = (),
    ) -> list[Possibility]:
        """Every answer a query of `type` can get, with its probability, the likeliest first.

        `down` names targets (`"eu/192.0.2.10"`) that checks have found down, `drained` those set down by hand, which
        not even a plan that fails open takes. For `sticky` and `rotate` a probability is the share over all clients
        and queries. Raises `PlanError`; `alias` has no outcomes without a server.
        """
        from pippin.policy.outcomes import outcomes

        return outcomes(self, type, down=down, drained=drained)

    def children(self) -> Iterable[Plan]:
        """The plans this one is made of."""
        return ()


PlanLike = Union[Plan, str]  # noqa: UP007 - a name for annotations, evaluated before Plan's subclasses exist
"""A plan, or the text of one record of the type asked for."""

Choices = Mapping[PlanLike, int]
"""Plans with their weights."""


def as_plan(value: object) -> Plan:
    """What a policy returned, as a plan: text is one record, a list or tuple is all of what is in it."""
    if isinstance(value, Plan):
        return value
    if isinstance(value, str):
        return Record(value)
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return Record(str(value))
    if isinstance(value, list | tuple) and value:
        return all_of(*value)
    if value is None:
        raise PlanError(
            "None is no plan; return NODATA for an empty answer, or PASS for the zone's own records"
        )
    raise PlanError(
        f"{value!r} is no plan; return a Pool, a record's text, a list of them, or an outcome like NODATA"
    )


@dataclass(frozen=True, slots=True, repr=False)
class Record(Plan):
    """One record. Without `type` it has the type asked for, but an IPv4 address is never AAAA data, nor IPv6 A data.

    `data` is written as in a master file, its names absolute with or without the last dot. TXT data that does not
    begin with a quote is taken as it is. A type other than the one asked for is left out of the answer, CNAME excepted.
    Without `ttl` it has the policy's.
    """

    data: str
    type: str | None = None
    ttl: int | None = None

    def __post_init__(self) -> None:
        check_ttl(self.ttl)
        if self.type is not None:
            object.__setattr__(self, "type", check_data(self.type, self.data))

    def __repr__(self) -> str:
        if self.type == "CNAME":
            return call_text("cname", self.data, **_without_none(ttl=self.ttl))
        return call_text(
            "Record", self.data, *([self.type] if self.type else ()), **_without_none(ttl=self.ttl)
        )

    def __str__(self) -> str:
        return self.data if self.type is None else f"{self.type} {self.data}"


@dataclass(frozen=True, slots=True, repr=False)
class Alias(Plan):
    """The records that another name of the zones served here has, under the name asked for: `alias`."""

    name: str
    ttl: int | None = None

    def __post_init__(self) -> None:
        check_ttl(self.ttl)
        check_data("CNAME", self.name)

    def __repr__(self) -> str:
        return call_text("alias", self.name, **_without_none(ttl=self.ttl))

    def __str__(self) -> str:
        return f"alias of {self.name}"


@dataclass(frozen=True, slots=True, repr=False)
class Outcome(Plan):
    """An answer without records, or none at all. These are constants: NODATA and so on."""

    name: str
    kind: int
    """As `engine.memo` numbers them."""

    def __repr__(self) -> str:
        return self.name


NODATA = Outcome("NODATA", 1)
"""The name exists and has no records of this type (RFC 2308 section 2.2)."""
NXDOMAIN = Outcome("NXDOMAIN", 2)
"""The name does not exist (RFC 2308 section 2.1)."""
REFUSED = Outcome("REFUSED", 3)
DROP = Outcome("DROP", 4)
"""No reply at all."""
PASS = Outcome("PASS", 5)
"""The zone's own records of this name and type."""
SERVFAIL = Outcome("SERVFAIL", 6)

OUTCOMES = {outcome.kind: outcome for outcome in (NODATA, NXDOMAIN, REFUSED, DROP, PASS, SERVFAIL)}


@dataclass(frozen=True, slots=True, repr=False)
class Else(Plan):
    """The first arm that has anything available: `or_else`."""

    arms: tuple[Plan, ...]

    def children(self) -> Iterable[Plan]:
        return self.arms

    def __repr__(self) -> str:
        first, *others = self.arms
        return f"{first!r}.or_else({', '.join(inner(arm) for arm in others)})"

    def __str__(self) -> str:
        return ", or else ".join(str(arm) for arm in self.arms)


@dataclass(frozen=True, slots=True, repr=False)
class AllOf(Plan):
    """`all_of`."""

    plans: tuple[Plan, ...]

    def children(self) -> Iterable[Plan]:
        return self.plans

    def __repr__(self) -> str:
        return f"all_of({', '.join(inner(plan) for plan in self.plans)})"

    def __str__(self) -> str:
        return f"all of ({', '.join(str(plan) for plan in self.plans)})"


@dataclass(frozen=True, slots=True, repr=False)
class First(Plan):
    """`first`."""

    n: int
    plans: tuple[Plan, ...]

    def children(self) -> Iterable[Plan]:
        return self.plans

    def __repr__(self) -> str:
        return f"first({self.n}, {', '.join(inner(plan) for plan in self.plans)})"

    def __str__(self) -> str:
        return f"the first {self.n} of ({', '.join(str(plan) for plan in self.plans)})"


@dataclass(frozen=True, slots=True, repr=False)
class Rotate(Plan):
    """`rotate`. `n` of 0 is all."""

    n: int
    plans: tuple[Plan, ...]

    def children(self) -> Iterable[Plan]:
        return self.plans

    def __repr__(self) -> str:
        count = [f"n={self.n}"] if self.n else []
        return f"rotate({', '.join([inner(plan) for plan in self.plans] + count)})"

    def __str__(self) -> str:
        return f"{self.n or 'all'} in turn of ({', '.join(str(plan) for plan in self.plans)})"


@dataclass(frozen=True, slots=True, repr=False)
class Weighted(Plan):
    """`weighted`. A weight of None stands for the targets of a pool, each with its own."""

    n: int
    choices: tuple[tuple[Plan, int | None], ...]

    def children(self) -> Iterable[Plan]:
        return (plan for plan, _ in self.choices)

    def __repr__(self) -> str:
        count = [f"n={self.n}"] if self.n != 1 else []
        return f"weighted({', '.join([_choices_repr(self.choices), *count])})"

    def __str__(self) -> str:
        return f"{_number(self.n)} by weight of ({_choices_text(self.choices)})"


@dataclass(frozen=True, slots=True, repr=False)
class Sticky(Plan):
    """`sticky`."""

    n: int
    v4: int
    v6: int
    choices: tuple[tuple[Plan, int | None], ...]

    def children(self) -> Iterable[Plan]:
        return (plan for plan, _ in self.choices)

    def __repr__(self) -> str:
        named = {"n": (self.n, 1), "v4": (self.v4, 24), "v6": (self.v6, 56)}
        others = [f"{name}={value}" for name, (value, default) in named.items() if value != default]
        return f"sticky({', '.join([_choices_repr(self.choices), *others])})"

    def __str__(self) -> str:
        each = f"each /{self.v4} or /{self.v6}"
        return f"{_number(self.n)}, the same for {each}, of ({_choices_text(self.choices)})"


def records(type: str, *data: str, ttl: int | None = None) -> Plan:  # noqa: A002 - DNS's own word
    """All of these records: `records("MX", "10 mail.example.com", "20 mail.example.net")`."""
    return all_of(*(Record(text, type, ttl) for text in data))


def cname(name: str, *, ttl: int | None = None) -> Record:
    """A CNAME record in place of the records asked for; the resolver goes on at `name`, wherever that is."""
    return Record(name, "CNAME", ttl)


def alias(name: str, *, ttl: int | None = None) -> Alias:
    """The records of the type asked for that `name` has, under the name asked for.

    `name` has to be in a zone served here, else the policy fails and says so: for other names there is `cname`. The
    records are found when the policy is evaluated, and again whenever a zone changes.
    """
    return Alias(name, ttl)


def all_of(*plans: PlanLike) -> Plan:
    """Everything available of all `plans`, in order."""
    return _taking_apart("all_of", plans, AllOf)


def first(n: int, *plans: PlanLike) -> Plan:
    """The first `n` available of `plans`, in order; `first(1, pool)` is a primary with stand-ins."""
    _check_number(n, "first")
    return _taking_apart("first", plans, lambda taken: First(n, taken))


def rotate(*plans: PlanLike, n: int | None = None) -> Plan:
    """What is available of `plans`, starting one further with each query; at most `n` of them, or all.

    Of several rotations in one answer the first turns, and the others start anywhere.
    """
    if n is not None:
        _check_number(n, "rotate")
    return _taking_apart("rotate", plans, lambda taken: Rotate(n or 0, taken))


def weighted(choices: Choices | Plan, n: int = 1) -> Plan:
    """`n` different ones of what is available, drawn by weight: `weighted({eu: 9, us: 1})`, `weighted(pool, n=2)`.

    Weights are integers; 0 is never drawn.
    """
    _check_number(n, "weighted")
    if isinstance(choices, Else):
        return _each_arm(choices, lambda arm: weighted(arm, n))
    return Weighted(n, _weights("weighted", choices))


def sticky(choices: Choices | Plan, n: int = 1, *, v4: int = 24, v6: int = 56) -> Plan:
    """`n` by weight, but the same ones each time for clients of one /`v4` (IPv4) or /`v6` (IPv6) network.

    When a target goes away or comes back, only the clients move that had it or get it (rendezvous hashing).
    """
    _check_number(n, "sticky")
    if not 0 <= v4 <= 32 or not 0 <= v6 <= 128:
        raise PlanError(f"v4={v4}, v6={v6}: prefix lengths are 0 to 32 for IPv4 and 0 to 128 for IPv6")
    if isinstance(choices, Else):
        return _each_arm(choices, lambda arm: sticky(arm, n, v4=v4, v6=v6))
    return Sticky(n, v4, v6, _weights("sticky", choices))


def inner(plan: Plan) -> str:
    """`repr` of a plan that is an argument: there, plain text does."""
    if isinstance(plan, Record) and plan.type is None and plan.ttl is None:
        return repr(plan.data)
    return repr(plan)


def check_ttl(ttl: int | None) -> None:
    if ttl is not None and not 0 <= ttl <= MAX_TTL:
        raise PlanError(f"ttl={ttl!r}: seconds, 0 to {MAX_TTL} (RFC 2181 section 8)")


def check_weight(weight: object) -> None:
    if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= MAX_WEIGHT:
        raise PlanError(f"weight {weight!r}: an integer is right, 0 to {MAX_WEIGHT:,}")


def check_data(rdtype: str, data: str) -> str:
    """Raise `PlanError` unless `data` is data of that type; the type as it is written officially."""
    try:
        number = type_number(rdtype)
        parse(number, data)
    except RdataError as error:
        raise PlanError(str(error)) from None
    return type_text(number)


def _taking_apart(name: str, plans: tuple[PlanLike, ...], make: Callable[[tuple[Plan, ...]], Plan]) -> Plan:
    """`make` of the plans; of a single `or_else`, `make` of each arm."""
    for plan in plans:
        if not isinstance(plan, Plan | str):
            raise PlanError(f"{name} takes plans, one after the other; {plan!r} is none")
    taken = tuple(as_plan(plan) for plan in plans)
    if not taken:
        raise PlanError(f"{name} of nothing; NODATA is the empty answer")
    if len(taken) == 1 and isinstance(taken[0], Else):
        return _each_arm(taken[0], lambda arm: _taking_apart(name, (arm,), make))
    for plan in taken:
        if isinstance(plan, Outcome):
            raise PlanError(f"{plan} in {name}: an answer is an outcome or has records, not both")
        if isinstance(plan, Else):
            raise PlanError(
                f"or_else beside others in {name}: to draw one from it, write weighted({{a.or_else(b): 1}}); "
                f"for the targets of one or the other, {name}(a, c).or_else({name}(b, c))"
            )
    return make(taken)


def _each_arm(plan: Else, change: Callable[[Plan], Plan]) -> Plan:
    return Else(tuple(arm if isinstance(arm, Outcome) else change(arm) for arm in plan.arms))


def _weights(name: str, choices: Choices | Plan) -> tuple[tuple[Plan, int | None], ...]:
    if isinstance(choices, Plan):
        if not choices.is_pool:
            raise PlanError(f"{name} takes a Pool, or plans with weights: {name}({{a: 3, b: 1}})")
        return ((choices, None),)
    if not isinstance(choices, Mapping) or not choices:
        raise PlanError(
            f"{name} takes a Pool, or plans with weights: {name}({{a: 3, b: 1}}), not {choices!r}"
        )
    for weight in choices.values():
        check_weight(weight)
    return tuple((as_plan(plan), weight) for plan, weight in choices.items())


def _check_number(n: int, name: str) -> None:
    if not isinstance(n, int) or not 1 <= n <= 255:
        raise PlanError(f"{name}: n={n!r} is no number of answers; 1 to 255 is right")


def _without_none(**named: object) -> dict[str, object]:
    return {name: value for name, value in named.items() if value is not None}


def _choices_repr(choices: tuple[tuple[Plan, int | None], ...]) -> str:
    if choices[0][1] is None:
        return inner(choices[0][0])
    return "{" + ", ".join(f"{inner(plan)}: {weight}" for plan, weight in choices) + "}"


def _choices_text(choices: tuple[tuple[Plan, int | None], ...]) -> str:
    return ", ".join(str(plan) if weight is None else f"{weight} x {plan}" for plan, weight in choices)


def _number(n: int) -> str:
    return "one" if n == 1 else str(n)
