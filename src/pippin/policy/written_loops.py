"""`cname("…")` and `alias("…")` of a policy's own name, found in its source: nothing is run here."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pippin.policy.loops import ALIAS_LOOP, CNAME_LOOP, plain
from pippin.policy.written import Function, Modules, answering, body_of
from pippin.zone.problem import Problem

_WRITTEN = {
    f"{module}.{name}": loop
    for module in ("pippin", "pippin.policy.plans")
    for name, loop in (("cname", CNAME_LOOP), ("alias", ALIAS_LOOP))
}


def written_loops(source: str, file: str) -> Iterator[Problem]:
    """Where a policy's source says that it leads to itself. For a file that is no Python there is nothing to say."""
    try:
        modules = Modules(source, file, {})
    except (SyntaxError, ValueError):
        return
    module = modules.policy_file
    for policy in module.policies + module.unremembered:
        names = set(_declared_names(policy))
        if len(names) > 1 and any(parameter.arg == "name" for parameter in policy.args.args + policy.args.kwonlyargs):
            continue  # it may look which of them is asked for
        for node in body_of(policy):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called, argument = module.full_name(node.func, policy), node.args[0].value
            message = _WRITTEN.get(called)
            if message is not None and isinstance(argument, str) and plain(argument) in names:
                yield Problem(file, node.lineno, node.col_offset + 1, f"{ast.unparse(node)} {message}")


def _declared_names(policy: Function) -> Iterator[str]:
    """The names in `@policies.answer(…)`, as far as they are written there."""
    decorator = answering(policy)
    if decorator is None:
        return
    given = [*decorator.args[:1], *(keyword.value for keyword in decorator.keywords if keyword.arg == "name")]
    for value in given:
        for each in value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else [value]:
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield plain(each.value)
