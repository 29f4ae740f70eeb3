"""Plans for tests, drawn by hypothesis, and what they mean: written down a second time, without compiling anything."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from pippin.policy.checks import HTTPCheck
from pippin.policy.plans import (
    NODATA,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
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
    all_of,
    first,
    rotate,
    sticky,
    weighted,
)
from pippin.policy.pools import Pool, pools_in
from pippin.policy.rdata import address_type

CHECK = HTTPCheck("/healthz")
EU = Pool("eu", {"192.0.2.10": 3, "192.0.2.11": 1, "2001:db8::10": 2}, check=CHECK)
US = Pool("us", ["198.51.100.10", "198.51.100.11"], check=CHECK, empty="servfail")
ASIA = Pool("asia", {"203.0.113.1": 0, "203.0.113.2": 5}, check=CHECK, empty="192.0.2.99")
SIX = Pool("six", ["2001:db8::1", "2001:db8::2"], check=CHECK, empty=US)
NONE = Pool("none", [])
POOLS = (EU, US, ASIA, SIX, NONE)

TARGETS = tuple(target.key for pool in POOLS for target in pool.targets)

Answers = dict[tuple[str, ...] | Outcome, Fraction]

leaves = st.sampled_from([*POOLS, Record("192.0.2.1"), Record("192.0.2.2"), Record("2001:db8::9")])
weights = st.integers(0, 4)
numbers = st.integers(1, 3)


def combined(parts: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
    some = st.lists(parts, min_size=1, max_size=3, unique=True)
    choices = st.dictionaries(parts, weights, min_size=1, max_size=3)
    outcome = st.sampled_from([None, NODATA, NXDOMAIN, REFUSED, SERVFAIL])
    return st.one_of(
        st.builds(attempt, st.just(all_of), some),
        st.builds(attempt, numbers.map(lambda n: lambda *plans: first(n, *plans)), some),
        st.builds(
            attempt, st.sampled_from([None, 1, 2]).map(lambda n: lambda *plans: rotate(*plans, n=n)), some
        ),
        st.builds(
            attempt, numbers.map(lambda n: lambda given: weighted(given, n)), choices.map(lambda c: [c])
        ),
        st.builds(attempt, numbers.map(lambda n: lambda given: sticky(given, n)), choices.map(lambda c: [c])),
        st.builds(
            attempt,
            numbers.map(lambda n: lambda given: weighted(given, n)),
            st.sampled_from(POOLS).map(lambda p: [p]),
        ),
        st.builds(lambda given, last: given[0].or_else(*given[1:], *([last] if last else [])), some, outcome),
    )


def attempt(make, arguments):  # type: ignore[no-untyped-def]
    """What `make` refuses to make is nothing to draw."""
    try:
        return make(*arguments)
    except PlanError:
        return EU


plans = st.recursive(leaves, combined, max_leaves=6)


def meaning(plan: Plan, rdtype: int, down: frozenset[str], drained: frozenset[str] = frozenset()) -> Answers:
    """All answers of a whole plan."""
    answers = _answers(plan, rdtype, down | drained)
    if answers is None:
        last = list(pools_in(plan))[-1:]
        if last and last[0].empty is not None:
            return meaning(last[0].empty, rdtype, down, drained)
        answers = _answers(plan, rdtype, drained) if last else None
    if answers is None or answers is OTHER:
        return {NODATA: Fraction(1)}
    return answers


OTHER: Answers = {NODATA: Fraction(1)}
"""By identity: the plan has records, but of other types only."""


def _is_of(data: str, rdtype: int) -> bool:
    return address_type(data) in (0, rdtype)


def _answers(plan: Plan, rdtype: int, down: frozenset[str], alone: bool = True) -> Answers | None:
    """None: nothing is available. `alone`: nothing stands beside it in an answer."""
    match plan:
        case Outcome():
            return {plan: Fraction(1)}
        case Record():
            return {(plan.data,): Fraction(1)} if _is_of(plan.data, rdtype) else OTHER
        case Pool():
            if plan.targets and not any(_is_of(target.data, rdtype) for target in plan.targets):
                return OTHER
            return _drawn(1, _targets(plan, rdtype, down))
        case Else():
            return _first_arm(plan, rdtype, down, alone)
        case Weighted() | Sticky():
            return _chosen(plan, rdtype, down, alone)
        case AllOf() | First() | Rotate():
            return _several(plan, rdtype, down, alone)
    raise AssertionError(plan)


def _first_arm(plan: Else, rdtype: int, down: frozenset[str], alone: bool) -> Answers | None:
    exists = False
    for arm in plan.arms:
        if _answers(arm, rdtype, NOBODY, alone) is OTHER:
            return OTHER if not exists else {NODATA: Fraction(1)} if alone else None
        exists = exists or _answers(arm, rdtype, NOBODY, alone) is not None
        if (found := _answers(arm, rdtype, down, alone)) is not None:
            return found
    return None


def _several(plan: AllOf | First | Rotate, rdtype: int, down: frozenset[str], alone: bool) -> Answers | None:
    n = 0 if isinstance(plan, AllOf) else plan.n
    alone = alone and (n == 1 or len(plan.plans) == 1)
    if not _parts(plan, rdtype, NOBODY, alone):
        return OTHER if any(_answers(part, rdtype, NOBODY, alone) is OTHER for part in plan.plans) else None
    parts = _parts(plan, rdtype, down, alone)
    if not parts:
        return None
    if isinstance(plan, Rotate):
        turns = [(parts[i:] + parts[:i])[: n or len(parts)] for i in range(len(parts))]
        return _mixed([(Fraction(1, len(parts)), _together(turn)) for turn in turns])
    return _together(parts[: n or len(parts)])


NOBODY: frozenset[str] = frozenset()


def _targets(pool: Pool, rdtype: int, down: frozenset[str]) -> list[tuple[int, Answers]]:
    return [
        (target.weight, {(target.data,): Fraction(1)})
        for target in pool.targets
        if _is_of(target.data, rdtype) and target.key not in down and target.weight
    ]


def _parts(whole: AllOf | First | Rotate, rdtype: int, down: frozenset[str], alone: bool) -> list[Answers]:
    """Those of an answer with several parts, pools by their targets."""
    parts: list[Answers] = []
    named: list[Answers] = []
    for plan in whole.plans:
        within = isinstance(plan, AllOf) and isinstance(whole, AllOf)
        if isinstance(plan, Pool):
            found = [answers for _, answers in _targets(plan, rdtype, down)]
        elif within:
            assert isinstance(plan, AllOf)
            found = _parts(plan, rdtype, down, alone and len(plan.plans) == 1)
        else:
            answers = _answers(plan, rdtype, down, alone)
            found = [] if answers is None or answers is OTHER else [answers]
        if within or isinstance(plan, Pool | Record):
            found = [answers for answers in found if answers not in named]
            named += found
        parts += found
    return parts


def _chosen(plan: Weighted | Sticky, rdtype: int, down: frozenset[str], alone: bool) -> Answers | None:
    choices: list[tuple[int, Answers]] = []
    has_other, has_own = False, False
    alone = alone and plan.n == 1
    for child, weight in plan.choices:
        if weight == 0:
            continue
        answers = _answers(child, rdtype, down, alone)
        if _answers(child, rdtype, NOBODY, alone) is OTHER:
            if weight is None or not alone or isinstance(child, Record):
                has_other = True
                continue
            answers = {NODATA: Fraction(1)}
        has_own = has_own or not isinstance(child, Pool) or weight is not None or bool(child.targets)
        if weight is None:
            assert isinstance(child, Pool)
            choices += _targets(child, rdtype, down)
        elif answers is not None:
            choices.append((weight, answers))
    return _drawn(plan.n, choices) or (OTHER if has_other and not has_own else None)


def _drawn(n: int, choices: list[tuple[int, Answers]]) -> Answers | None:
    if not choices:
        return None
    total = sum(weight for weight, _ in choices)
    parts = []
    for number, (weight, answers) in enumerate(choices):
        rest = _drawn(n - 1, choices[:number] + choices[number + 1 :]) if n > 1 else None
        parts.append((Fraction(weight, total), _product(answers, rest or {(): Fraction(1)})))
    return _mixed(parts)


def _together(parts: list[Answers]) -> Answers:
    product: Answers = {(): Fraction(1)}
    for part in parts:
        product = _product(product, part)
    return product


def _product(left: Answers, right: Answers) -> Answers:
    if left == {(): Fraction(1)}:
        return right
    if right == {(): Fraction(1)}:
        return left
    return {
        (*a, *b): p * q  # type: ignore[misc]  # an outcome is alone, so there is nothing to multiply it with
        for a, p in left.items()
        for b, q in right.items()
    }


def _mixed(parts: list[tuple[Fraction, Answers]]) -> Answers:
    mixed: Answers = {}
    for share, answers in parts:
        for answer, probability in answers.items():
            mixed[answer] = mixed.get(answer, Fraction(0)) + share * probability
    return mixed
