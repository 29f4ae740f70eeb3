"""Policies run for traffic that nobody has sent, as the simulation asks for it."""

from __future__ import annotations

import dns.name

from pippin.engine.memo import F_HEALTH, F_LOAD
from pippin.policy.given import AllUp, GivenFacts, Lookups
from pippin.policy.load import Loaded
from pippin.policy.policies import Policy
from pippin.policy.simulate import Run
from pippin.policy.traffic import Traffic
from pippin.policy.trial import Trials
from pippin.policy.way import captured, find_by_name


class Evaluation:
    """`simulate.Evaluate` for loaded policies, at one moment. Policies are found by name, whatever zones there are.

    A policy is asked for a network's first address. A row that asks for a wildcard (`*.cdn.example.com`) asks for the
    label `any` below it.
    """

    def __init__(self, loaded: Loaded, lookups: Lookups, unix: float, trials: Trials) -> None:
        self._loaded = loaded
        self._lookups = lookups
        self._unix = unix
        self._trials = trials
        self._targets = tuple(target.key for target in loaded.targets)
        self._found: dict[tuple[str, str], Policy | None] = {}

    def __call__(self, asked: Traffic, down: frozenset[str]) -> Run:
        name, rdtype = asked.name or "", asked.type or ""
        policy = self._find(name, rdtype)
        if policy is None:
            raise KeyError(name)
        concrete = dns.name.from_text(f"any{name[1:]}" if name.startswith("*.") else name)
        facts = GivenFacts(
            asked.network,
            self._unix,
            lookups=self._lookups,
            health=AllUp(down),
            targets=self._targets,
            qtype=policy.rdtype,
            captured=captured(concrete, policy.name),
        )
        trial = self._trials.run(policy, facts)
        health = frozenset(self._targets[a] for kind, a, _, _ in trial.path if kind in (F_HEALTH, F_LOAD))
        return Run(trial.plan, policy.options.ttl, health, trial.why)

    def _find(self, name: str, rdtype: str) -> Policy | None:
        key = name, rdtype
        if key not in self._found:
            self._found[key] = find_by_name(self._loaded, name, rdtype)
        return self._found[key]
