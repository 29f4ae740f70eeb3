"""What in a policy file would be remembered wrongly, read from its source: nothing is run here.

A policy's answer is kept under the facts that it read. So whatever else it depends on must not change, and what it
does besides answering happens once, not for each query. Looked at are the functions that `answer` decorates and the
functions of the same file that they call. A policy with `memo=False` may depend on anything.

This finds what is written plainly. The server finds the rest: it runs a sample of remembered answers again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from pippin.zone.problem import Problem, Severity

_DRAW = (
    "draws once and is remembered; return a plan instead, weighted(), rotate() or sticky(), which is drawn "
    "from for each query"
)
_TIME = (
    "is not seen by the memo, so the answer outlives the moment; take the parameter `now`: now.hour, "
    "now.at('Europe/Prague').weekday"
)
_ENVIRONMENT = "is read once and remembered; read it outside the function, when the file is imported"
_FILE = (
    "is read once and remembered, and holds up every query meanwhile; read it outside the function, when the file is "
    "imported"
)
_NETWORK = (
    "holds up every query of this worker, and what it finds is remembered for good; let a health check or a load "
    "source ask (health.up, health.load), or make the policy `async def`, which is asked again after its TTL"
)
_SLEEP = "holds up every query of this worker"
_HASH = "differs from process to process; sticky() makes the same choice everywhere"

_CALLS = {
    "random": _DRAW,
    "secrets": _DRAW,
    "numpy.random": _DRAW,
    "uuid.uuid1": _DRAW,
    "uuid.uuid4": _DRAW,
    "os.urandom": _DRAW,
    "time.sleep": _SLEEP,
    "time": _TIME,
    "datetime.datetime.now": _TIME,
    "datetime.datetime.utcnow": _TIME,
    "datetime.datetime.today": _TIME,
    "datetime.date.today": _TIME,
    "os.getenv": _ENVIRONMENT,
    "open": _FILE,
    "io.open": _FILE,
    "os.listdir": _FILE,
    "os.scandir": _FILE,
    "os.stat": _FILE,
    "os.path.exists": _FILE,
    "input": _FILE,
    "requests": _NETWORK,
    "urllib.request": _NETWORK,
    "urllib3": _NETWORK,
    "http.client": _NETWORK,
    "httpx": _NETWORK,
    "socket": _NETWORK,
    "subprocess": _NETWORK,
    "os.system": _NETWORK,
    "os.popen": _NETWORK,
    "sqlite3": _NETWORK,
    "psycopg": _NETWORK,
    "psycopg2": _NETWORK,
    "pymysql": _NETWORK,
    "redis": _NETWORK,
    "dns.resolver": _NETWORK,
    "hash": _HASH,
}
"""What is called, by its full name or the module it is from; the longest match counts."""

_BLOCKING = frozenset({_NETWORK, _FILE})
"""What is no fault where a coroutine awaits it."""

_VALUES = {"os.environ": _ENVIRONMENT}
"""What is looked at without a call."""

_READING_METHODS = frozenset({"read_text", "read_bytes"})
"""Of `pathlib.Path`."""

_CHANGING_METHODS = frozenset(
    (
        *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"),
        *("remove", "reverse", "setdefault", "sort", "update"),
    )
)
"""Of the built-in containers."""

_CHANGE = (
    "is changed here, but the function is not run for each query: the server counts queries itself (`pippin status`); "
    "for turns there is rotate(), for load health.load()"
)

_MANY = {
    "address": "puts every single address into the memo's key; client.subnet() or client.network is enough mostly",
    "resolver": "puts every single resolver into the memo's key; client.resolver_subnet() is enough mostly",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def suspicions(source: str, file: str) -> list[Problem]:
    """Warnings about the policies in a file, by place. A file that is no Python has none here: `load` says that."""
    try:
        tree = ast.parse(source, file)
    except (SyntaxError, ValueError):
        return []
    module = _Module(tree)
    found: dict[tuple[int, int, str], None] = {}
    for policy in module.policies:
        for function in module.called_from(policy):
            for node, message in _Body(module, function, function is policy).suspicions():
                found.setdefault((node.lineno, node.col_offset + 1, message))
    return [Problem(file, line, column, message, Severity.WARNING) for line, column, message in sorted(found)]


def facts_read(source: str) -> Iterator[tuple[str, int, int]]:
    """(attribute, line, column) of everything that policies read of `client`."""
    try:
        module = _Module(ast.parse(source))
    except (SyntaxError, ValueError):
        return
    for policy in module.policies + module.unremembered:
        for node in ast.walk(policy):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "client"
            ):
                yield node.attr, node.lineno, node.col_offset + 1


@dataclass
class _Module:
    """What the top level of a file says: its functions, what names mean, and what is changed somewhere."""

    tree: ast.Module
    policies: list[Function] = field(default_factory=list)
    unremembered: list[Function] = field(default_factory=list)
    """Policies with `memo=False`."""
    functions: dict[str, Function] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    """Name here -> full name."""
    variables: set[str] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)
    """Variables that functions change -> the line."""

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    self.imported[name.asname or name.name.partition(".")[0]] = (
                        name.name if name.asname else name.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for name in node.names:
                    self.imported[name.asname or name.name] = f"{node.module}.{name.name}"
            elif isinstance(node, Function) and (decorator := _answering(node)) is not None:
                (self.policies if _is_remembered(decorator) else self.unremembered).append(node)
        for statement in self.tree.body:
            if isinstance(statement, Function):
                self.functions[statement.name] = statement
            else:
                self._note_generator(statement)
                self.variables |= {
                    node.id
                    for node in ast.walk(statement)
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                }
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                body = _Body(self, node, False)
                for changed, variable in body.changes():
                    self.changed.setdefault(variable, changed.lineno)

    def _note_generator(self, statement: ast.stmt) -> None:
        """`rng = random.Random()`: what `rng` is asked for is random too."""
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
            return
        written = ast.unparse(statement.value.func)
        first, _, rest = written.partition(".")
        name = ".".join(filter(None, [self.imported.get(first, first), rest]))
        for target in statement.targets:
            if isinstance(target, ast.Name) and name in (
                "random.Random",
                "random.SystemRandom",
                "secrets.SystemRandom",
            ):
                self.imported[target.id] = name

    def called_from(self, policy: Function) -> list[Function]:
        """A policy and the functions of this file that it calls, and those that they call."""
        reached = [policy]
        for function in reached:
            for node in ast.walk(function):
                called = self.functions.get(node.id) if isinstance(node, ast.Name) else None
                if called is not None and called not in reached and _answering(called) is None:
                    reached.append(called)
        return reached


class _Body:
    """One function."""

    def __init__(self, module: _Module, function: Function, is_policy: bool) -> None:
        self._module = module
        self._function = function
        self._is_policy = is_policy
        self._nodes = [node for statement in function.body for node in ast.walk(statement)]
        self._global = {name for node in self._nodes if isinstance(node, ast.Global) for name in node.names}
        self._local = {
            node.id for node in self._nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        } - self._global
        self._local |= {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
        self._awaited = {id(node.value) for node in self._nodes if isinstance(node, ast.Await)}

    def suspicions(self) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
                name = self._full_name(node)
                if name in _VALUES:
                    yield node, f"{name} {_VALUES[name]}"
                elif self._is_policy and (message := _many_values(node)) is not None:
                    yield node, f"client.{message}"
        changes = list(self.changes())
        yield from ((node, f"{variable} {_CHANGE}") for node, variable in changes)
        changed_here = {variable for _, variable in changes}
        for node in self._nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and self._is_outer(node.id):
                line = self._module.changed.get(node.id)
                if line is not None and node.id not in changed_here:
                    yield (
                        node,
                        f"{node.id} is changed in line {line}, which the memo does not see: the answer stays as it is; "
                        "read a fact instead, or say memo=False",
                    )

    def changes(self) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        """Where the function changes a variable of the module, and which."""
        for node in self._nodes:
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id in self._global:
                yield node, node.id
            elif isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                if (root := _root(node)) is not None and self._is_outer(root):
                    yield node, root
            elif isinstance(node, ast.Call):
                changed: ast.expr | None = None
                if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING_METHODS:
                    changed = node.func.value
                elif isinstance(node.func, ast.Name) and node.func.id == "next" and node.args:
                    changed = node.args[0]
                if changed is not None and (root := _root(changed)) is not None and self._is_outer(root):
                    yield node, root

    def _call(self, call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
        name = self._full_name(call.func)
        message = _longest(name)
        if message is None and isinstance(call.func, ast.Attribute) and call.func.attr in _READING_METHODS:
            name, message = call.func.attr, _FILE
        if message is None or (message in _BLOCKING and id(call) in self._awaited):
            return
        given = len(call.args) + len(call.keywords)
        if name.startswith("time.") and given > (name == "time.strftime") and message is _TIME:
            return  # it formats the moment that it is given
        if name == "random.Random" and given:
            return  # seeded
        yield call, f"{name}() {message}"

    def _full_name(self, node: ast.expr) -> str:
        """`dt.now` as `datetime.datetime.now`, if that is what it was imported as; "" for what is no name."""
        steps: list[str] = []
        while isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id in self._local:
            return ""
        imported = self._module.imported.get(node.id)
        if imported is None and (
            steps or node.id in self._module.functions or node.id in self._module.variables
        ):
            return ""
        return ".".join([imported or node.id, *reversed(steps)])

    def _is_outer(self, name: str) -> bool:
        return name not in self._local and name in self._module.variables


def _answering(function: Function) -> ast.Call | None:
    """The decorator `@….answer(…)` of a function."""
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else None
        if isinstance(decorator, ast.Call) and isinstance(called, ast.Attribute) and called.attr == "answer":
            return decorator
    return None


def _is_remembered(decorator: ast.Call) -> bool:
    return not any(
        keyword.arg == "memo" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in decorator.keywords
    )


def _longest(name: str) -> str | None:
    steps = name.split(".")
    for length in range(len(steps), 0, -1):
        message = _CALLS.get(".".join(steps[:length]))
        if message is not None:
            return message
    return None


def _is_client(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "client"


def _many_values(node: ast.Attribute | ast.Name) -> str | None:
    """What is to be said about reading this of the client, if anything."""
    if not isinstance(node, ast.Attribute) or not _is_client(node.value) or node.attr not in _MANY:
        return None
    return f"{node.attr} {_MANY[node.attr]}"


def _root(node: ast.expr) -> str | None:
    """`counts` of `counts[client].total`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
