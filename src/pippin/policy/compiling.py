"""From a plan to the nested tuples that `engine.memo` draws from, for one record type.

In: a plan, a type, the rows of targets in the health table. Out: tuples of the closed set that `Compiled` lists.
Everything that would make an impossible answer is refused here, before a client sees it: a CNAME or an outcome beside
other records, the same record twice, data that is none of its type.

Inside a plan nothing is ever empty "openly": a pool without available targets gives way to what stands beside or
after it. Only when the whole plan has nothing does the `empty` of its last pool decide.

What a plan has for a type is one of three things: something, nothing (a pool without targets), or *other types only*.
The last is an empty answer and no reason to go on to the next arm of `or_else`: otherwise AAAA questions would lead
everybody to the one pool that has IPv6 addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pippin.policy.loops import names_led_to
from pippin.policy.plans import (
    NODATA,
    Alias,
    AllOf,
    Else,
    First,
    Outcome,
    Plan,
    PlanError,
    Record,
    Rotate,
    Sticky,
    Weighted,
)
from pippin.policy.pools import Pool, Target, pools_in
from pippin.policy.rdata import AAAA, CNAME, A, RdataError, address_type, parse, type_number, type_text

Compiled = tuple[Any, ...]
"""("record", type, rdata, ttl or -1, row or -1), ("all", (c, ...)), ("first", n, (c, ...)),
("weighted", n, ((weight, c), ...)), ("rotate", n, (c, ...)), ("sticky", n, v4, v6, ((weight, c), ...)),
("else", (c, ...)), ("open", c), ("outcome", kind); c is a Compiled, a row of -1 is always available."""

AliasResolver = Callable[[str, int], Sequence[tuple[int, bytes]] | None]
"""(name as written, type) -> (TTL, data in wire format) of each record; None if no zone served here has the name."""

MAX_NODES = 4096
MAX_DEPTH = 16
"""Bounds of `engine.memo`."""

MAX_KEPT = 4096
"""Compiled plans that a `Compiler` keeps: more than policies have different ones."""

NOTHING: Compiled = ("all", ())
_OTHER_TYPES: Compiled = ("other types",)
"""Stands for a whole plan while compiling, never for a part of a compiled one."""
_EMPTY_ANSWER: Compiled = ("outcome", NODATA.kind)


class Compiler:
    """Compiles plans for one health table, and keeps what it has compiled.

    `rows` maps target keys to rows; targets without a row count as available. Not for use by several threads.
    """

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = rows
        self._kept: dict[tuple[Plan, int], Compiled] = {}
        self._leading: dict[Plan, frozenset[str]] = {}

    def compile(self, plan: Plan, rdtype: int, alias: AliasResolver | None = None) -> Compiled:
        """`compile_plan`; plans that use `alias` are compiled each time, because zones change."""
        key = (plan, rdtype)
        compiled = self._kept.get(key)
        if compiled is None:
            compiled = compile_plan(plan, rdtype, self._rows, alias)
            if not uses_alias(plan):
                if len(self._kept) >= MAX_KEPT:
                    self._kept.clear()
                self._kept[key] = compiled
        return compiled


    def names_led_to(self, plan: Plan) -> frozenset[str]:
        """`loops.names_led_to`, which is nothing for most plans."""
        names = self._leading.get(plan)
        if names is None:
            if len(self._leading) >= MAX_KEPT:
                self._leading.clear()
            names = self._leading[plan] = names_led_to(plan)
        return names


def compile_plan(
    plan: Plan, rdtype: int, rows: Mapping[str, int], alias: AliasResolver | None = None
) -> Compiled:
    """The form that is drawn from. Raises `PlanError`."""
    compiled = _with_last_resort(plan, _Walk(rdtype, rows, alias), 0)
    nodes = _count(compiled, 1)
    if nodes > MAX_NODES:
        raise PlanError(f"the plan has {nodes:,} parts, at most {MAX_NODES:,} are possible")
    return compiled


def uses_alias(plan: Plan) -> bool:
    """Whether what the plan compiles to depends on the zones."""
    if isinstance(plan, Alias):
        return True
    if isinstance(plan, Pool) and plan.empty is not None and uses_alias(plan.empty):
        return True
    return any(uses_alias(child) for child in plan.children())


def _with_last_resort(plan: Plan, walk: _Walk, depth: int) -> Compiled:
    compiled = walk.compile(plan, depth, True)
    if compiled == _OTHER_TYPES:
        return _EMPTY_ANSWER
    last: Pool | None = None
    for last in pools_in(plan):  # noqa: B007 - the last one is meant
        pass
    if last is None or _is_always_available(compiled):
        return compiled
    if last.empty is None:
        return compiled if compiled == NOTHING else ("open", compiled)
    resort = _with_last_resort(last.empty, walk, depth + 1)
    return ("else", (*(compiled[1] if compiled[0] == "else" else (compiled,)), resort))


class _Walk:
    """One compilation."""

    def __init__(self, rdtype: int, rows: Mapping[str, int], alias: AliasResolver | None) -> None:
        self._rdtype = rdtype
        self._rows = rows
        self._alias = alias

    def compile(self, plan: Plan, depth: int, alone: bool) -> Compiled:
        """`alone`: nothing stands beside it in an answer, so having other types only can be an empty answer."""
        if depth >= MAX_DEPTH - 2:  # a last resort adds two
            raise PlanError(f"the plan is more than {MAX_DEPTH - 2} levels deep")
        match plan:
            case Record():
                return self._record(plan.data, plan.type, plan.ttl, -1) or _OTHER_TYPES
            case Outcome():
                return ("outcome", plan.kind)
            case Alias():
                return self._aliased(plan)
            case Pool():
                return self._pool(plan, ("weighted", 1))
            case Else():
                return _else((self.compile(arm, depth + 1, alone) for arm in plan.arms), alone)
            case AllOf():
                return _several("all", None, *self._taken_apart(plan.plans, depth, alone, None))
            case First():
                return _several("first", plan.n, *self._taken_apart(plan.plans, depth, alone, plan.n))
            case Rotate():
                return _several("rotate", plan.n, *self._taken_apart(plan.plans, depth, alone, plan.n))
            case Weighted():
                return self._chosen(plan, depth, alone, ("weighted", plan.n))
            case Sticky():
                return self._chosen(plan, depth, alone, ("sticky", plan.n, plan.v4, plan.v6))
        raise PlanError(f"{plan!r} is no plan")

    def _record(self, data: str, type: str | None, ttl: int | None, row: int) -> Compiled | None:  # noqa: A002
        """None for a record of another type than the one asked for."""
        rdtype = self._rdtype
        if type is None:
            if rdtype in (A, AAAA) and address_type(data) == A + AAAA - rdtype:
                return None
        else:
            rdtype = type_number(type)
            if rdtype not in (self._rdtype, CNAME):
                return None
        try:
            return ("record", rdtype, parse(rdtype, data), -1 if ttl is None else ttl, row)
        except RdataError as error:
            raise PlanError(str(error)) from None

    def _target(self, target: Target) -> Compiled | None:
        return self._record(target.data, target.type, target.ttl, self._rows.get(target.key, -1))

    def _targets(self, pool: Pool) -> list[tuple[int, Compiled]]:
        made = ((target.weight, self._target(target)) for target in pool.targets)
        return [(weight, record) for weight, record in made if record is not None]

    def _aliased(self, plan: Alias) -> Compiled:
        if self._alias is None:
            raise PlanError(f"{plan!r} needs the server's zones, and there are none here")
        found = self._alias(plan.name, self._rdtype)
        if found is None:
            raise PlanError(
                f"{plan!r}: {plan.name} is in no zone served here; cname({plan.name!r}) leads resolvers there"
            )
        ttl = plan.ttl
        records = tuple(
            ("record", self._rdtype, data, found_ttl if ttl is None else ttl, -1) for found_ttl, data in found
        )
        return records[0] if len(records) == 1 else ("all", records)

    def _taken_apart(
        self, plans: tuple[Plan, ...], depth: int, alone: bool, n: int | None
    ) -> tuple[list[Compiled], bool]:
        """Parts of an answer, pools by their targets, and whether something of other types was left out."""
        parts: list[Compiled] = []
        named: set[Compiled] = set()
        other_types = False
        alone = alone and (n == 1 or len(plans) == 1)
        for plan in plans:
            within = n is None and isinstance(plan, AllOf)  # all of all of them
            if isinstance(plan, Pool):
                targets = self._targets(plan)
                other_types |= bool(plan.targets) and not targets
                found = [record for weight, record in targets if weight]
            else:
                part = self.compile(plan, depth + 1, alone)
                other_types |= part == _OTHER_TYPES
                if within and part[0] == "all":
                    found = list(part[1])
                else:
                    found = [] if part in (_OTHER_TYPES, NOTHING) else [part]
            # Who names a target twice means it once, wherever it is plain that it is the same.
            if within or isinstance(plan, Pool | Record):
                found = [part for part in found if part not in named]
                named.update(found)
            parts += found
        return parts, other_types

    def _pool(self, pool: Pool, draw: Compiled) -> Compiled:
        return _drawn(draw, self._targets(pool), other_types=bool(pool.targets))

    def _chosen(self, plan: Weighted | Sticky, depth: int, alone: bool, draw: Compiled) -> Compiled:
        """A choice that has nothing of this type is an empty answer with its share, so that the shares are the same
        for every type; single records of other types are just left out, and what would stand beside other records.

        What is sticky is so to the end: a pool that is chosen for a client gives it the same target each time.
        """
        made: list[tuple[int, Compiled]] = []
        other_types = False
        alone = alone and plan.n == 1
        for choice, weight in plan.choices:
            if weight is None and isinstance(choice, Pool):
                targets = self._targets(choice)
                other_types |= bool(choice.targets) and not targets
                made += targets
                continue
            if not weight:
                continue
            if isinstance(choice, Pool) and isinstance(plan, Sticky):
                part = self._pool(choice, ("sticky", 1, plan.v4, plan.v6))
            else:
                part = self.compile(choice, depth + 1, alone)
            if part != _OTHER_TYPES:
                made.append((weight, part))
            elif alone and not isinstance(choice, Record):
                made.append((weight, _EMPTY_ANSWER))
            else:
                other_types = True
        return _drawn(draw, made, other_types)


def _else(arms: Iterable[Compiled], alone: bool) -> Compiled:
    kept: list[Compiled] = []
    for arm in arms:
        if arm == _OTHER_TYPES:
            if not kept:
                return _OTHER_TYPES
            if alone:
                kept.append(_EMPTY_ANSWER)
            break
        kept += arm[1] if arm[0] == "else" else (arm,) if arm != NOTHING else ()
    if not kept:
        return NOTHING
    return ("else", tuple(kept)) if len(kept) > 1 else kept[0]


def _several(how: str, n: int | None, parts: list[Compiled], other_types: bool) -> Compiled:
    if not parts:
        return _OTHER_TYPES if other_types else NOTHING
    if len(parts) == 1:
        return parts[0]
    if n != 1:
        _check_together(parts)
    return (how, tuple(parts)) if n is None else (how, n, tuple(parts))


def _drawn(draw: Compiled, choices: list[tuple[int, Compiled]], other_types: bool) -> Compiled:
    """`draw` is ("weighted", n) or ("sticky", n, v4, v6)."""
    drawn = tuple((weight, part) for weight, part in choices if weight > 0 and part != NOTHING)
    if not drawn:
        return _OTHER_TYPES if other_types and not choices else NOTHING
    if len(drawn) == 1:
        return drawn[0][1]
    if draw[1] > 1:
        _check_together([part for _, part in drawn])
    return (*draw, drawn)


def _check_together(parts: Iterable[Compiled]) -> None:
    """Refuse parts that cannot be in one answer: CNAMEs and outcomes beside others, and the same record twice."""
    seen: set[tuple[int, bytes]] = set()
    for part in parts:
        own: set[tuple[int, bytes]] = set()
        for leaf in _leaves(part):
            if leaf[0] == "outcome":
                raise PlanError("an answer is an outcome or has records, not both")
            if leaf[1] == CNAME:
                raise PlanError(
                    "an answer with a CNAME has nothing else (RFC 1034 section 3.6.2); draw one of them"
                )
            own.add((leaf[1], leaf[2]))
        twice = own & seen
        if twice:
            raise PlanError(
                f"{type_text(min(twice)[0])} data could be twice in one answer, from two parts of the plan"
            )
        seen |= own


def _parts(compiled: Compiled) -> tuple[Compiled, ...]:
    kind = compiled[0]
    if kind in ("record", "outcome"):
        return ()
    if kind == "open":
        return (compiled[1],)
    if kind in ("weighted", "sticky"):
        return tuple(part for _, part in compiled[-1])
    return tuple(compiled[-1])


def _leaves(compiled: Compiled) -> Iterable[Compiled]:
    if compiled[0] in ("record", "outcome"):
        yield compiled
    for part in _parts(compiled):
        yield from _leaves(part)


def _count(compiled: Compiled, so_far: int) -> int:
    return so_far + sum(_count(part, 1) for part in _parts(compiled))


def _is_always_available(compiled: Compiled) -> bool:
    """Whether there is something in it however the targets are."""
    if compiled[0] == "record":
        return bool(compiled[4] < 0)
    return compiled[0] == "outcome" or any(_is_always_available(part) for part in _parts(compiled))
