"""Everything that is wrong or suspect with policy files, for `pippin check`: they are imported, nothing is served."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pippin.policy.geo import FIELDS
from pippin.policy.load import Loaded, load
from pippin.policy.purity import facts_read, suspicions
from pippin.zone.problem import Problem, Severity


def inspect(files: Sequence[str]) -> tuple[Loaded, list[Problem]]:
    """What the files declare, and their problems by place, warnings included."""
    loaded = load(files)
    problems = list(loaded.problems)
    for file in dict.fromkeys((*files, *loaded.modules)):
        if file.endswith(".py") and os.path.isfile(file):
            with open(file, encoding="utf-8", errors="replace") as source:
                text = source.read()
            problems += suspicions(text, file)
            problems += _facts_without_source(text, file, loaded)
    return loaded, sorted(problems)


def _facts_without_source(text: str, file: str, loaded: Loaded) -> list[Problem]:
    """What a policy reads and nothing here can know."""
    found = []
    for attribute, line, column in facts_read(text):
        message = ""
        if attribute == "network" and not loaded.networks:
            message = "needs names; right would be Policies(networks={'office': ['10.0.0.0/8']})"
        elif attribute in FIELDS and not loaded.geo:
            message = "needs a MaxMind database; right would be Policies(geo='GeoLite2-City.mmdb')"
        if message:
            found.append(Problem(file, line, column, f"client.{attribute} {message}", Severity.WARNING))
    return found
