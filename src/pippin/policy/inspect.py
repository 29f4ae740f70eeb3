"""Everything that is wrong or suspect with policy files, for `pippin check`: they are imported, nothing is served."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from pippin.policy.geo import FIELDS
from pippin.policy.load import Loaded, load_in_time
from pippin.policy.purity import facts_read, suspicions
from pippin.policy.written import Beside
from pippin.zone.problem import Problem, Severity

MODULES_LIMIT = 200
"""Modules beside policy files that are looked into."""


def inspect(files: Sequence[str]) -> tuple[Loaded, list[Problem]]:
    """What the files declare, and their problems by place, warnings included."""
    loaded = load_in_time(files)
    problems = list(loaded.problems)
    beside = _modules_beside(files, loaded)
    for file in dict.fromkeys((*files, *loaded.modules)):
        source = loaded.sources.get(os.path.abspath(file))
        if file.endswith(".py") and source is not None:
            text = source.decode("utf-8", "replace")
            problems += suspicions(text, file, beside)
            problems += _facts_without_source(text, file, beside, loaded)
    return loaded, sorted(set(problems))


def _modules_beside(files: Sequence[str], loaded: Loaded) -> dict[str, Beside]:
    """The modules that were imported from the folders of policy files, as these name them."""
    folders = sorted({os.path.dirname(os.path.abspath(file)) for file in files}, key=len, reverse=True)
    found = {}
    for file in loaded.modules[:MODULES_LIMIT]:
        folder = next((folder for folder in folders if file.startswith(folder + os.sep)), None)
        source = loaded.sources.get(file)
        if folder is None or source is None:
            continue
        steps = os.path.relpath(file, folder).removesuffix(".py").split(os.sep)
        name = ".".join(steps[:-1] if steps[-1] == "__init__" else steps)
        found[name] = Beside(file, source.decode("utf-8", "replace"))
    return found


def _facts_without_source(text: str, file: str, beside: Mapping[str, Beside], loaded: Loaded) -> list[Problem]:
    """What a policy reads and nothing here can know."""
    found = []
    for attribute, where, line, column in facts_read(text, file, beside):
        message = ""
        if attribute == "network" and not loaded.networks:
            message = "needs names; right would be Policies(networks={'office': ['10.0.0.0/8']})"
        elif attribute in FIELDS and not loaded.geo:
            message = "needs a MaxMind database; right would be Policies(geo='GeoLite2-City.mmdb')"
        if message:
            found.append(Problem(where, line, column, f"client.{attribute} {message}", Severity.WARNING))
    return found
