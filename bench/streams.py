"""Query streams for a `Plan`, in dnsperf's data format: one `name type` per line.

Each function returns an endless, reproducible iterator; the caller takes as many lines as it wants.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate
from random import Random

from bench.zones import Plan

MIXTURE = (
    # percent, kind: the proportions of an ordinary authoritative server
    (62, "a"),
    (12, "aaaa"),
    (8, "cname"),
    (4, "mx"),
    (4, "referral"),
    (4, "wildcard"),
    (6, "nxdomain"),
)


def mixed(plan: Plan, seed: int) -> Iterator[str]:
    """The mixture above, each name of a kind equally likely."""
    random = Random(seed)
    origin = plan.origin
    bounds = list(accumulate(percent for percent, _ in MIXTURE))
    hosts, dual_stack, aliases = plan.hosts, plan.dual_stack_hosts, plan.aliases
    mail_domains, delegations, wildcards = plan.mail_domains, plan.delegations, plan.wildcards

    def missing(draw: float) -> str:
        return f"{random.getrandbits(48):x}.{origin} A"

    makers: dict[str, Callable[[float], str]] = {
        "a": lambda draw: f"{plan.host(int(draw * hosts))}.{origin} A",
        "aaaa": lambda draw: f"{plan.host(int(draw * dual_stack))}.{origin} AAAA",
        "cname": lambda draw: f"{plan.alias(int(draw * aliases))}.{origin} A",
        "mx": lambda draw: f"{plan.mail_domain(int(draw * mail_domains))}.{origin} MX",
        "referral": lambda draw: f"www.{plan.delegation(int(draw * delegations))}.{origin} A",
        "wildcard": lambda draw: (
            f"{random.getrandbits(24):x}.{plan.wildcard_parent(int(draw * wildcards))}.{origin} A"
        ),
        "nxdomain": missing,
    }
    order = [makers[kind] for _, kind in MIXTURE]
    while True:
        yield order[bisect(bounds, random.random() * 100)](random.random())


def hot(plan: Plan, seed: int) -> Iterator[str]:
    """One name, always."""
    line = f"{plan.host(Random(seed).randrange(plan.hosts))}.{plan.origin} A"
    while True:
        yield line


def nxdomain(plan: Plan, seed: int) -> Iterator[str]:
    """Names that do not exist and hardly ever repeat, as in a random-subdomain attack."""
    random = Random(seed)
    origin = plan.origin
    while True:
        yield f"{random.getrandbits(48):x}.{origin} A"


def referral(plan: Plan, seed: int) -> Iterator[str]:
    """Names below the zone's delegations."""
    random = Random(seed)
    origin, delegations = plan.origin, plan.delegations
    while True:
        yield f"www.{plan.delegation(int(random.random() * delegations))}.{origin} A"


STREAMS: dict[str, Callable[[Plan, int], Iterator[str]]] = {
    "mixed": mixed,
    "hot": hot,
    "nxdomain": nxdomain,
    "referral": referral,
}
