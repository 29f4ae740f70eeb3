"""Every answer that a plan can give, with exact probabilities.

What is enumerated is the compiled form, the same that the engine draws from, so a preview cannot differ from what is
served because it read the plan differently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple, Union

from pippin.policy.compiling import Compiled, compile_plan
from pippin.policy.plans import NODATA, OUTCOMES, Outcome, Plan, PlanError
from pippin.policy.pools import Pool, pools_in
from pippin.policy.rdata import text_of, type_number, type_text

MAX_ANSWERS = 20_000
"""Different answers of one plan; all orders of eight targets are 40,320."""


class Drawn(str):
    """One record of an answer: its data as text, and what else is known of it."""

    type: str
    ttl: int | None
    """None: the policy's."""
    target: str | None
    """`pool/address`; None for a record that is no target, or one without a row in the health table."""

    def __new__(cls, data: str, type: str, ttl: int | None, target: str | None) -> Drawn:  # noqa: A002
        drawn = super().__new__(cls, data)
        drawn.type, drawn.ttl, drawn.target = type, ttl, target
        return drawn


Answer = Union[tuple[Drawn, ...], Outcome]  # noqa: UP007 - evaluated at run time
"""The records in their order, or an outcome."""


class Possibility(NamedTuple):
    """One answer and how likely it is."""

    probability: Fraction
    answer: Answer


_Draw = tuple[Compiled, ...]
_Draws = dict[_Draw, Fraction]


def outcomes(
    plan: Plan,
    type: str = "A",  # noqa: A002
    *,
    down: Collection[str] = (),
    drained: Collection[str] = (),
) -> list[Possibility]:
    """`Plan.outcomes`."""
    targets = dict.fromkeys(target.key for pool in _all_pools(plan) for target in pool.targets)
    rows = {key: row for row, key in enumerate(targets)}
    for word, named in (("down", down), ("drained", drained)):
        if isinstance(named, str):
            raise TypeError(f"{word} is a set of targets; right would be {{{named!r}}}")
    unknown = sorted({*down, *drained} - rows.keys())
    if unknown:
        raise PlanError(f"{unknown[0]!r} is no target of this plan; it has {', '.join(rows) or 'none'}")
    out_of_use = {rows[key] for key in drained}
    unavailable = out_of_use | {rows[key] for key in down}
    return enumerate_compiled(
        compile_plan(plan, type_number(type), rows),
        lambda row: row not in unavailable,
        {row: key for key, row in rows.items()},
        lambda row: row not in out_of_use,
    )


def enumerate_compiled(
    compiled: Compiled,
    available: Callable[[int], bool],
    targets: Mapping[int, str] | None = None,
    in_use: Callable[[int], bool] = lambda _row: True,
) -> list[Possibility]:
    """The same for a compiled plan. `available` and `in_use` tell of rows of the health table, `targets` names them.

    Not `in_use` is what an operator has set down by hand: failing open does not take that.
    """
    names = targets or {}
    summed: dict[Answer, Fraction] = {}
    for leaves, probability in _Enumeration(in_use).draws(compiled, available).items():
        answer = _answer(leaves, names)
        summed[answer] = summed.get(answer, Fraction(0)) + probability
    return [Possibility(share, answer) for answer, share in sorted(summed.items(), key=lambda item: -item[1])]


def _all_pools(plan: Plan) -> Iterable[Pool]:
    for pool in pools_in(plan):
        yield pool
        if pool.empty is not None:
            yield from _all_pools(pool.empty)


def _answer(leaves: _Draw, targets: Mapping[int, str]) -> Answer:
    if not leaves:
        return NODATA
    if leaves[0][0] == "outcome":
        return OUTCOMES[leaves[0][1]]
    return tuple(
        Drawn(text_of(rdtype, data), type_text(rdtype), None if ttl < 0 else ttl, targets.get(row))
        for _, rdtype, data, ttl, row in leaves
    )


class _Enumeration:
    """`in_use`: rows that failing open may take."""

    def __init__(self, in_use: Callable[[int], bool]) -> None:
        self._in_use = in_use

    def _has(self, compiled: Compiled, up: Callable[[int], bool]) -> bool:
        """Whether there is anything available in it; that never depends on a draw."""
        match compiled:
            case ("record", _, _, _, row):
                return row < 0 or up(row)
            case ("outcome", _):
                return True
            case ("open", child):
                return self._has(child, up) or self._has(child, self._in_use)
            case ("weighted" | "sticky", *_, choices):
                return any(weight > 0 and self._has(child, up) for weight, child in choices)
            case (_, *_, children):
                return any(self._has(child, up) for child in children)
        raise AssertionError(compiled)

    def draws(self, compiled: Compiled, up: Callable[[int], bool]) -> _Draws:
        match compiled:
            case ("record", *_) | ("outcome", _):
                return {(compiled,) if self._has(compiled, up) else (): Fraction(1)}
            case ("open", child):
                return self.draws(child, up if self._has(child, up) else self._in_use)
            case ("else", arms):
                return next((self.draws(arm, up) for arm in arms if self._has(arm, up)), {(): Fraction(1)})
            case ("all", children):
                return self._together([child for child in children if self._has(child, up)], up)
            case ("first", n, children):
                return self._together([child for child in children if self._has(child, up)][:n], up)
            case ("rotate", n, children):
                ready = [child for child in children if self._has(child, up)]
                count = len(ready)
                turns = [(ready[start:] + ready[:start])[: n or count] for start in range(count)]
                return _sum((Fraction(1, count), self._together(turn, up)) for turn in turns) or {(): Fraction(1)}
            case ("weighted" | "sticky", n, *_, choices):
                ready_choices = [choice for choice in choices if choice[0] > 0 and self._has(choice[1], up)]
                return self._without_replacement(n, ready_choices, up)
        raise AssertionError(compiled)

    def _without_replacement(self, n: int, choices: list[tuple[int, Compiled]], up: Callable[[int], bool]) -> _Draws:
        """Weighted draws of `n`; rendezvous hashing has the same distribution over all clients."""
        if not n or not choices:
            return {(): Fraction(1)}
        total = sum(weight for weight, _ in choices)
        return _sum(
            (
                Fraction(weight, total),
                _product(self.draws(child, up), self._without_replacement(n - 1, choices[:i] + choices[i + 1 :], up)),
            )
            for i, (weight, child) in enumerate(choices)
        )

    def _together(self, children: list[Compiled], up: Callable[[int], bool]) -> _Draws:
        drawn: _Draws = {(): Fraction(1)}
        for child in children:
            drawn = _product(drawn, self.draws(child, up))
        return drawn


def _product(left: _Draws, right: _Draws) -> _Draws:
    _check(len(left) * len(right))
    return {a + b: p * q for a, p in left.items() for b, q in right.items()}


def _sum(parts: Iterable[tuple[Fraction, _Draws]]) -> _Draws:
    summed: _Draws = {}
    for share, draws in parts:
        for leaves, probability in draws.items():
            summed[leaves] = summed.get(leaves, Fraction(0)) + share * probability
        _check(len(summed))
    return summed


def _check(answers: int) -> None:
    if answers > MAX_ANSWERS:
        raise PlanError(f"the plan has more than {MAX_ANSWERS:,} different answers; look at a part of it")
