"""What policy files and the modules beside them say, read from their source: nothing is run here.

In: sources. Out: functions, what the names in them mean (through imports, aliases, and instances that modules make of
their classes), and which functions a policy calls, in whatever of these files they are.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

POLICY_FILE = "__policy__"
"""The name that a policy file has here as a module: nobody imports it."""

STEPS_LIMIT = 32
"""From a name to what it means: modules may import it from each other in a circle."""

FUNCTIONS_LIMIT = 1000
"""That are looked at for one policy."""

_BUILTINS = frozenset(dir(builtins))
_MAKERS = frozenset(
    ("open", "sqlite3.connect", "psycopg.connect", "psycopg2.connect", "pymysql.connect", "redis.from_url")
)
"""Functions that make an object which does what they do, beside classes."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Beside(NamedTuple):
    """A module that policy files import from their own folder."""

    file: str
    source: str


class Reached(NamedTuple):
    """A function that a policy calls, itself included."""

    module: Module
    function: Function
    of_class: str = ""
    is_shared: bool = False
    """It is a method of an object that a module holds, so what it changes of `self` stays."""

    @property
    def self_name(self) -> str:
        """What a method calls its object; "" in other functions."""
        parameters = self.function.args.posonlyargs + self.function.args.args
        return parameters[0].arg if self.of_class and parameters else ""


class Modules:
    """A policy file, and those beside it by their dotted names. SyntaxError and ValueError for what is no Python."""

    def __init__(self, source: str, file: str, beside: Mapping[str, Beside]) -> None:
        self._beside = beside
        name = next((name for name, module in beside.items() if module.file == file), POLICY_FILE)
        self.policy_file = Module(name, file, ast.parse(source, file))
        self._known: dict[str, Module | None] = {name: self.policy_file}

    def get(self, name: str) -> Module | None:
        if name not in self._known:
            found = self._beside.get(name)
            try:
                tree = None if found is None else ast.parse(found.source, found.file)
            except (SyntaxError, ValueError):
                tree = None
            self._known[name] = None if found is None or tree is None else Module(name, found.file, tree)
        return self._known[name]

    def look_up(self, name: str) -> tuple[Module, str] | None:
        """The module and the rest of a full name there (`pick`, `Balancer.next`); None for what is not beside."""
        for _ in range(STEPS_LIMIT):
            steps = name.split(".")
            for length in range(len(steps) - 1, 0, -1):
                module = self.get(".".join(steps[:length]))
                if module is not None:
                    break
            else:
                return None
            first, *others = steps[length:]
            elsewhere = module.meaning.get(first)
            if elsewhere is None and not module.has(first):
                elsewhere = next(
                    (f"{star}.{first}" for star in module.stars if (m := self.get(star)) and m.has(first)), None
                )
            if elsewhere is None:
                return module, ".".join((first, *others))
            name = ".".join((elsewhere, *others))
        return None

    def called_from(self, policy: Function) -> list[Reached]:
        """A policy, the functions that it calls, and those that they call; of a class that is used all methods."""
        reached = [Reached(self.policy_file, policy)]
        seen = {id(policy)}
        for caller in reached:
            for node in body_of(caller.function):
                if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
                    continue
                for called in self._meant(caller, node):
                    if id(called.function) not in seen and len(reached) < FUNCTIONS_LIMIT:
                        seen.add(id(called.function))
                        reached.append(called)
        return reached

    def _meant(self, caller: Reached, node: ast.Name | ast.Attribute) -> Iterator[Reached]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and caller.self_name == node.value.id:
            method = caller.module.functions.get(f"{caller.of_class}.{node.attr}")
            if method is not None:
                yield Reached(caller.module, method, caller.of_class, caller.is_shared)
            return
        found = self.look_up(caller.module.full_name(node, caller.function))
        if found is None:
            return
        module, name = found
        function = module.functions.get(name)
        if function is not None and answering(function) is None:
            yield Reached(module, function, name.rpartition(".")[0], "." in name)
        elif name in module.classes:
            for method_name, method in module.functions.items():
                if method_name.startswith(f"{name}."):
                    yield Reached(module, method, name)


@dataclass
class Module:
    """What the top level of a file says."""

    name: str
    file: str
    tree: ast.Module
    policies: list[Function] = field(default_factory=list)
    unremembered: list[Function] = field(default_factory=list)
    """Policies with `memo=False`."""
    functions: dict[str, Function] = field(default_factory=dict)
    """Methods by `Class.method`."""
    meaning: dict[str, str] = field(default_factory=dict)
    """Full names of what is imported, of other names for things, and of the classes of objects."""
    stars: list[str] = field(default_factory=list)
    """Modules of which everything is imported."""
    classes: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    enclosing: dict[int, set[str]] = field(default_factory=dict)
    """Variables of the functions around a function, by its `id`."""

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._note_import(node)
            elif isinstance(node, Function):
                self._note_function(node)
        for statement in self.tree.body:
            if isinstance(statement, Function):
                self.functions[statement.name] = statement
            elif isinstance(statement, ast.ClassDef):
                self.classes.add(statement.name)
                for member in statement.body:
                    if isinstance(member, Function):
                        self.functions[f"{statement.name}.{member.name}"] = member
            else:
                self.variables |= stored_in(statement)
        for statement in self.tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._note_value(statement.targets[0], statement.value)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self._note_value(statement.target, statement.value)

    def has(self, name: str) -> bool:
        return any(name in known for known in (self.functions, self.classes, self.variables, self.meaning))

    def full_name(self, node: ast.expr, function: Function | None = None) -> str:
        """`dt.now` as `datetime.datetime.now`, if that is what it was imported as; "" for what is no name, or begins
        with a variable of the function."""
        steps: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                steps.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Call) and steps and self.full_name(node.func, function) == "pathlib.Path":
                node = node.func  # Path("x").exists
            else:
                break
        if not isinstance(node, ast.Name) or (function is not None and node.id in locals_of(function)):
            return ""
        known = self.meaning.get(node.id)
        if known is None and (self.has(node.id) or (self.stars and node.id not in _BUILTINS)):
            known = f"{self.name}.{node.id}"
        if known is None and steps:
            return ""  # of a builtin, or of nothing
        return ".".join([known or node.id, *reversed(steps)])

    def _note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for name in node.names:
                top = name.name.partition(".")[0]
                self.meaning[name.asname or top] = name.name if name.asname else top
            return
        source = node.module or ""
        if node.level:
            if self.name == POLICY_FILE:
                return  # it is in no package
            is_package = self.file.endswith("__init__.py")
            package = self.name.split(".")
            package = package[: len(package) - node.level + is_package]
            source = ".".join(filter(None, (*package, source)))
        for name in node.names:
            if name.name == "*":
                self.stars.append(source)
            else:
                self.meaning[name.asname or name.name] = f"{source}.{name.name}" if source else name.name

    def _note_function(self, function: Function) -> None:
        if (decorator := answering(function)) is not None:
            (self.policies if _is_remembered(decorator) else self.unremembered).append(function)
        inner = [node for node in body_of(function) if isinstance(node, Function)]
        theirs = {id(node) for each in inner for node in body_of(each)}
        own = _parameters(function)
        for node in body_of(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in theirs:
                own.add(node.id)
        for each in inner:
            self.enclosing.setdefault(id(each), set()).update(own)

    def _note_value(self, target: ast.expr, value: ast.expr) -> None:
        """`rng = random.Random()`, `pick = helpers.pick`, `pick = lambda: …`, `pick = partial(choose, eu)`."""
        if not isinstance(target, ast.Name):
            return
        if isinstance(value, ast.Lambda):
            self.functions[target.id] = value
        elif isinstance(value, ast.Name | ast.Attribute):
            if name := self.full_name(value):
                self.meaning[target.id] = name
        elif isinstance(value, ast.Call):
            name = self.full_name(value.func)
            if name == "functools.partial" and value.args:
                self.meaning[target.id] = self.full_name(value.args[0])
            elif name.rpartition(".")[2][:1].isupper() or name in _MAKERS:
                self.meaning[target.id] = name


def answering(function: Function) -> ast.Call | None:
    """The decorator `@….answer(…)` of a function."""
    for decorator in () if isinstance(function, ast.Lambda) else function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else None
        if isinstance(decorator, ast.Call) and isinstance(called, ast.Attribute) and called.attr == "answer":
            return decorator
    return None


def body_of(function: Function) -> Iterator[ast.AST]:
    """Every node in it, default values and decorators left out."""
    for statement in [function.body] if isinstance(function, ast.Lambda) else function.body:
        yield from ast.walk(statement)


def stored_in(node: ast.AST) -> set[str]:
    """The variables that are set in it."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def outside_names(function: Function) -> set[str]:
    """What is declared `global` or `nonlocal` in it."""
    declared = (node for node in body_of(function) if isinstance(node, ast.Global | ast.Nonlocal))
    return {name for node in declared for name in node.names}


def locals_of(function: Function) -> set[str]:
    """Its parameters and variables."""
    stored = {
        node.id for node in body_of(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return (stored - outside_names(function)) | _parameters(function)


def _parameters(function: Function) -> set[str]:
    return {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}


def _is_remembered(decorator: ast.Call) -> bool:
    return not any(
        keyword.arg == "memo" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in decorator.keywords
    )
