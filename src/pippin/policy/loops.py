"""Names that a plan leads to: an answer that leads back to the name asked for is none (RFC 1034 section 3.6.2).

What a file says plainly is refused when it is read: `refuse_own_name` for plans that are known then, `written_loops.py`
for `cname("…")` and `alias("…")` in the source of a policy. What only a run shows is refused there, by `refuse_loop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import dns.name

from pippin.policy.plans import Alias, Plan, PlanError, Record
from pippin.policy.pools import Pool

if TYPE_CHECKING:
    from pippin.zone.answer import Zones

CNAME_LOOP = "leads back to the name that it answers, which resolvers follow in a circle (RFC 1034 section 3.6.2)"
ALIAS_LOOP = "is the name that it answers; PASS gives the zone's own records of that"


def names_led_to(plan: Plan) -> frozenset[str]:
    """The targets of all CNAMEs and aliases in a plan; lower case, without the last dot."""
    return frozenset(plain(name) for _, name in _leading(plan))


def refuse_own_name(plan: Plan, owner: str) -> None:
    """PlanError if a plan for this name leads to itself. Of a wildcard nothing can be said without the zone."""
    for leading, name in _leading(plan):
        if plain(name) == owner:
            raise PlanError(f"{leading!r} {ALIAS_LOOP if isinstance(leading, Alias) else CNAME_LOOP}")


def refuse_loop(
    names: Iterable[str], owner: str, asked: dns.name.Name, rdtype: int, zones: Zones | None, name_was_read: bool
) -> None:
    """PlanError if one of the names that a plan leads to is one that this very policy answers in the same way.

    A policy for a wildcard may lead from one of its names to another, if it has looked which one is asked for.
    """
    for text in names:
        name = dns.name.from_text(text)
        is_own = name == asked
        if not is_own and owner.startswith("*.") and not name_was_read and zones is not None:
            zone = zones.find(name, rdtype)
            found = None if zone is None else zone.policy_owner(name, rdtype)
            is_own = found is not None and plain(found.to_text()) == owner
        if is_own:
            raise PlanError(f"{text} {CNAME_LOOP}")


def _leading(plan: Plan) -> Iterator[tuple[Plan, str]]:
    if isinstance(plan, Alias):
        yield plan, plan.name
    elif isinstance(plan, Record) and plan.type == "CNAME":
        yield plan, plan.data
    elif isinstance(plan, Pool):
        for target in plan.targets:
            if target.type == "CNAME":
                yield Record(target.data, "CNAME"), target.data
        if plan.empty is not None:
            yield from _leading(plan.empty)
    for child in plan.children():
        yield from _leading(child)


def plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")
