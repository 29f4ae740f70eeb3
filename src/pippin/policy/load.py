"""Import policy files: what they declare, and everything that is wrong with them, with places.

A file is run as a module of its own, whatever it is called, with its folder first on the module path, as
`python FILE` would do. What has been read before may be given instead of being read again (`policy/sources.py`).
Nothing is ever unloaded: a changed file is loaded by a fresh process. A configuration (`.toml`) may stand among the
files, for the policies that it declares without code.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from pippin.policy.checks import CheckError
from pippin.policy.declared import DeclarationError, read_declared
from pippin.policy.evaluate import Overrun, Watchdog, place_of
from pippin.policy.geo import Database, GeoError
from pippin.policy.networks import Networks, NetworksError, merge
from pippin.policy.plans import PlanError
from pippin.policy.policies import Policies, Policy, PolicyError, collecting_policies
from pippin.policy.pools import Pool, Target, collecting_pools
from pippin.policy.sources import Sources
from pippin.policy.written_loops import written_loops
from pippin.zone.problem import Problem, Severity

MODULE_PREFIX = "pippin_policy_file_"

IMPORT_PATIENCE = 45.0
"""Seconds for importing all files."""

_PLAIN = (PolicyError, PlanError, CheckError, NetworksError)
"""Errors whose message says everything."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What policy files declare, together. With errors among `problems` it must not be served."""

    policies: tuple[Policy, ...]
    pools: tuple[Pool, ...]
    networks: Networks
    geo: tuple[str, ...]
    """Paths of MaxMind databases, in the order in which they are asked."""
    modules: tuple[str, ...]
    """Files of modules that were imported from the policy files' folders, to be watched like these."""
    sources: Mapping[str, bytes]
    """What was read, by absolute path: the policy files, and modules from their folders."""
    problems: tuple[Problem, ...]
    """A message may go on in further lines, with a traceback."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets of all pools; their order is that of the health table's rows."""
        return tuple(target for pool in self.pools for target in pool.targets)

    @property
    def has_errors(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def find(self, name: str, type: str) -> Policy | None:  # noqa: A002 - DNS's own word
        """The policy declared for this name (lower case, no final dot, a wildcard by its `*.`) and type."""
        return next((policy for policy in self.policies if (policy.name, policy.type) == (name, type)), None)


def load(files: Sequence[str], kept: Mapping[str, bytes] | None = None) -> Loaded:
    """Import `files`, from the texts `kept` from an earlier time if there are any. Never raises: see `problems`."""
    sources = Sources(kept)
    sources.import_beside(files)
    problems: list[Problem] = []
    before = set(sys.modules)
    declared: list[Policies] = []
    pools: list[tuple[str, Pool]] = []
    for file in files:
        with collecting_policies() as made, collecting_pools() as made_pools:
            known = sum(len(policies) for policies in declared)
            problem = _read_toml(file, sources) if file.endswith(".toml") else _run(file, sources)
        declared += made
        if problem is not None:
            problems.append(problem)
            continue
        pools += [(file, pool) for pool in made_pools]
        if not file.endswith(".toml"):
            problems += written_loops(sources.read(file).decode("utf-8", "replace"), file)
        if sum(len(policies) for policies in declared) == known and not file.endswith(".toml"):
            message = "no policies here; right would be `policies = Policies()` and `@policies.answer(...)`"
            problems.append(Problem(file, 0, 0, message))
    networks = Networks({})
    try:
        networks = merge(policies.networks for policies in declared)
    except NetworksError as error:
        problems.append(Problem(files[0], 0, 0, str(error)))
    policies = [policy for each in declared for policy in each]
    problems += _declared_twice(policies)
    problems += _unusable_databases(declared)
    different, pool_problems = _pools(pools)
    return Loaded(
        tuple(policies),
        different,
        networks,
        tuple(dict.fromkeys(path for each in declared for path in each.geo)),
        _imported_beside(files, before),
        sources.texts,
        (*problems, *pool_problems),
    )


def load_in_time(files: Sequence[str], kept: Mapping[str, bytes] | None = None) -> Loaded:
    """`load`; in a process's main thread a file that is never done is ended, and it is said where it was."""
    watchdog = Watchdog()
    try:
        result = watchdog.evaluate(partial(load, files, kept), IMPORT_PATIENCE)
    finally:
        watchdog.close()
    if result.value is not None:
        return result.value
    assert result.error is not None
    if not isinstance(result.error, Overrun):
        raise result.error
    file, _, line = place_of(result.error).rpartition(":")
    message = f"not imported after {IMPORT_PATIENCE:g} s; does it wait for something?"
    return Loaded((), (), Networks({}), (), (), {}, (Problem(file or files[0], int(line or 0), 0, message),))


def _run(file: str, sources: Sources) -> Problem | None:
    """Run a policy file."""
    path = os.path.abspath(file)
    name = MODULE_PREFIX + "".join(
        c if c.isalnum() else "_" for c in os.path.splitext(os.path.basename(path))[0]
    )
    while name in sys.modules:
        name += "_"
    spec = importlib.machinery.ModuleSpec(name, None, origin=path)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses and pickles look for it there
    try:
        code = compile(sources.read(path), file, "exec")
        exec(code, module.__dict__)
    except OSError as error:
        if error.filename == path:
            return Problem(file, 0, 0, f"cannot be read: {error.strerror}")
        return _problem(file, error)
    except SyntaxError as error:
        message = f"{type(error).__name__}: {error.msg}"
        return Problem(error.filename or file, error.lineno or 0, error.offset or 0, message)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the door: this is the user's code
        return _problem(file, error)
    return None


def _read_toml(file: str, sources: Sources) -> Problem | None:
    try:
        read_declared(file, sources)
    except DeclarationError as error:
        return error.problem
    return None


def _problem(file: str, error: BaseException) -> Problem:
    """Where in the user's files an error came from, and the way there if it is longer than one step."""
    frames = _users_frames(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    place = own[-1] if own else None
    message = str(error) if isinstance(error, _PLAIN) else f"{type(error).__name__}: {error}"
    if len(frames) > 1:
        lines = "".join(traceback.StackSummary.from_list(frames).format()).rstrip()
        message += f"\n{lines}"
    return Problem(file, place.lineno or 0 if place else 0, 0, message)


def _users_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    return [
        frame
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith((_PACKAGE, "<frozen importlib"))
    ]


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def _declared_twice(policies: Iterable[Policy]) -> list[Problem]:
    first: dict[tuple[str, str], Policy] = {}
    problems = []
    for policy in policies:
        known = first.setdefault((policy.name, policy.type), policy)
        if known is not policy:
            message = f"{policy} is answered at {known.place} already; one of them is right"
            problems.append(Problem(policy.place.file, policy.place.line, 0, message))
    return problems


def _unusable_databases(declared: Iterable[Policies]) -> list[Problem]:
    """Told here, where a reload can still be refused, and not first by the workers that need them."""
    problems = []
    for policies in declared:
        for path in policies.geo:
            try:
                Database(path)
            except GeoError as error:
                problems.append(Problem(policies.place.file, policies.place.line, 0, f"geo: {error}"))
    return problems


def _pools(made: Iterable[tuple[str, Pool]]) -> tuple[tuple[Pool, ...], list[Problem]]:
    """The different pools, and a problem for each name that two of them have."""
    pools: dict[str, Pool] = {}
    problems = []
    for file, pool in made:
        if pools.setdefault(pool.name, pool) != pool:
            message = (
                f"another pool is named {pool.name!r} already; health and commands could not tell them apart"
            )
            problems.append(Problem(file, 0, 0, message))
    return tuple(pools.values()), problems


def _imported_beside(files: Sequence[str], before: set[str]) -> tuple[str, ...]:
    folders = {os.path.dirname(os.path.abspath(file)) + os.sep for file in files}
    found = {
        file: None
        for name in sys.modules.keys() - before
        if not name.startswith(MODULE_PREFIX)
        and (file := getattr(sys.modules[name], "__file__", None))
        and any(file.startswith(folder) for folder in folders)
    }
    return tuple(sorted(found))
