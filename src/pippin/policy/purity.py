"""What in a policy file would be remembered wrongly, read from its source: nothing is run here.

A policy's answer is kept under the facts that it read. So whatever else it depends on must not change, and what it
does besides answering happens once, not for each query. Looked at are the functions that `answer` decorates and those
that they call, in the same file or in modules beside it. A policy with `memo=False` may depend on anything.

This finds what is written plainly. The server finds the rest: it runs a sample of remembered answers again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from pippin.policy.impure import (
    BLOCKING,
    CHANGE,
    CHANGING_METHODS,
    IS_FILE,
    IS_TIME,
    MANY,
    READING_METHODS,
    VALUES,
    said_of,
)
from pippin.policy.written import (
    Beside,
    Function,
    Module,
    Modules,
    Reached,
    body_of,
    locals_of,
    outside_names,
)
from pippin.zone.problem import Problem, Severity

Variable: TypeAlias = tuple[str, str]
"""A module's name and that of a variable in it."""

_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_MAKERS = frozenset({"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict"})


def suspicions(source: str, file: str, beside: Mapping[str, Beside] | None = None) -> list[Problem]:
    """Warnings about the policies in a file, by place. A file that is no Python has none here: `load` says that.

    `beside`: the modules that it imports from its own folder, by their dotted names.
    """
    try:
        modules = Modules(source, file, beside or {})
    except (SyntaxError, ValueError):
        return []
    changed = _changed(modules, beside or {})
    found: dict[tuple[str, int, int, str], None] = {}
    for policy in modules.policy_file.policies:
        for reached in modules.called_from(policy):
            for node, message in _Body(modules, reached, changed).suspicions():
                found.setdefault((reached.module.file, node.lineno, node.col_offset + 1, message))
    return [Problem(where, line, column, message, Severity.WARNING) for where, line, column, message in sorted(found)]


def facts_read(
    source: str, file: str = "", beside: Mapping[str, Beside] | None = None
) -> Iterator[tuple[str, str, int, int]]:
    """(attribute, file, line, column) of everything that policies, and functions they call, read of `client`."""
    try:
        modules = Modules(source, file, beside or {})
    except (SyntaxError, ValueError):
        return
    seen: set[int] = set()
    for policy in modules.policy_file.policies + modules.policy_file.unremembered:
        for module, function, *_ in modules.called_from(policy):
            if id(function) in seen:
                continue
            seen.add(id(function))
            for node in body_of(function):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client":
                    yield node.attr, module.file, node.lineno, node.col_offset + 1


def _changed(modules: Modules, beside: Mapping[str, Beside]) -> dict[Variable, str]:
    """The variables that any function changes, and where."""
    changed: dict[Variable, str] = {}
    for module in (modules.policy_file, *filter(None, map(modules.get, beside))):
        for function in (node for node in ast.walk(module.tree) if isinstance(node, Function)):
            for node, variable, _ in _Body(modules, Reached(module, function), {}).changes():
                where = f"in line {node.lineno}"
                if module is not modules.policy_file:
                    where += f" of {module.file}"
                changed.setdefault(variable, where)
    return changed


class _Body:
    """One function. `changed`: variables that functions change, and where."""

    def __init__(self, modules: Modules, reached: Reached, changed: Mapping[Variable, str]) -> None:
        self._modules = modules
        self._module: Module = reached.module
        self._function = reached.function
        self._shared = reached.self_name if reached.is_shared else ""
        self._changed = changed
        self._nodes = list(body_of(self._function))
        self._outside = outside_names(self._function)
        self._kept = _mutable_defaults(self._function)
        self._local = locals_of(self._function) - self._kept
        self._enclosing = reached.module.enclosing.get(id(self._function), set())
        self._awaited = {id(node.value) for node in self._nodes if isinstance(node, ast.Await)}

    def suspicions(self) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
                name = self._full_name(node)
                if name in VALUES:
                    yield node, f"{name} {VALUES[name]}"
                elif (message := _many_values(node)) is not None:
                    yield node, f"client.{message}"
        changes = list(self.changes())
        yield from ((node, f"{text} {CHANGE}") for node, _, text in changes)
        changed_here = {variable for _, variable, _ in changes}
        for node in self._nodes:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                found = self._variable(node)
                if found is not None and found[0] in self._changed and found[0] not in changed_here:
                    yield (
                        node,
                        f"{found[1]} is changed {self._changed[found[0]]}, which the memo does not see: the answer "
                        "stays as it is; read a fact instead, or say memo=False",
                    )

    def changes(self) -> Iterator[tuple[ast.expr | ast.stmt, Variable, str]]:
        """Where the function changes a variable that outlives it, which, and how that is called here."""
        for node in self._nodes:
            changed: ast.expr | None = None
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                if node.id in self._outside:
                    changed = node
            elif isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                changed = node
            elif isinstance(node, ast.Call):
                if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING_METHODS:
                    changed = node.func.value
                elif isinstance(node.func, ast.Name) and node.func.id == "next" and node.args:
                    changed = node.args[0]
            if changed is not None and (found := self._root(changed)) is not None:
                assert isinstance(node, ast.expr)
                yield node, *found

    def _call(self, call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
        name = self._full_name(call.func)
        message = said_of(name) if name else None
        if message is None and isinstance(call.func, ast.Attribute) and call.func.attr in READING_METHODS:
            name, message = call.func.attr, IS_FILE
        if message is None or (message in BLOCKING and id(call) in self._awaited):
            return
        given = len(call.args) + len(call.keywords)
        if name.startswith("time.") and given > (name == "time.strftime") and message is IS_TIME:
            return  # it formats the moment that it is given
        if name == "random.Random" and given:
            return  # seeded
        yield call, f"{name}() {message}"

    def _full_name(self, node: ast.expr) -> str:
        return self._module.full_name(node, self._function)

    def _root(self, node: ast.expr) -> tuple[Variable, str] | None:
        """The variable, if it outlives the function, whose content this is: `counts` of `counts[client].total`."""
        steps = [node]
        while isinstance(steps[-1], ast.Subscript | ast.Attribute):
            steps.append(steps[-1].value)
        for part in reversed(steps):
            if isinstance(part, ast.Name | ast.Attribute) and (found := self._variable(part)) is not None:
                return found
        return None

    def _variable(self, node: ast.Name | ast.Attribute) -> tuple[Variable, str] | None:
        """A variable that outlives the function, and how it is called here."""
        if isinstance(node, ast.Name):
            if node.id in self._kept or (node.id in self._enclosing and node.id not in self._local):
                return (self._module.name, f"{id(self._function)}.{node.id}"), node.id
            if node.id not in self._local and node.id in self._module.variables:
                return (self._module.name, node.id), node.id
        elif isinstance(node.value, ast.Name) and node.value.id == self._shared != "":
            return (self._module.name, f"{self._shared}.{node.attr}"), f"{self._shared}.{node.attr}"
        name = self._full_name(node)
        found = self._modules.look_up(name) if name else None
        if found is None or found[0] is self._module or found[1] not in found[0].variables:
            return None
        return (found[0].name, found[1]), ast.unparse(node)


def _mutable_defaults(function: Function) -> set[str]:
    """Parameters whose default value is one object for all calls, and can be changed."""
    arguments = function.args
    positional = arguments.posonlyargs + arguments.args
    pairs = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {parameter.arg for parameter, value in pairs if value is not None and _is_mutable(value)}


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in _MUTABLE_MAKERS
    return isinstance(value, _MUTABLE)


def _many_values(node: ast.Attribute | ast.Name) -> str | None:
    """What is to be said about reading this of the client, if anything."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.value.id != "client":
        return None
    return f"{node.attr} {MANY[node.attr]}" if node.attr in MANY else None
