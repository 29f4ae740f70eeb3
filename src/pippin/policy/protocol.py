"""What the control process and the checker say to each other, and what control passes on to workers.

JSON, one object a line. Values only: nothing here imports a policy, so these words are cheap for all who need them.

    control -> checker   `Begin`; then `Command`s
    checker -> control   `Declared` or `Failed`; `Settled`; `Flip` and `Warned` as things happen; `States` when asked
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pippin.store.health import HealthRow


class DeclaredPolicy(Struct, frozen=True):
    """A policy that a file declares."""

    name: str
    """Absolute, lower case, without the final dot; may begin with `*.`."""
    type: str
    """As dnspython writes it: `A`, `TYPE65280`."""
    ttl: int
    place: str
    """`file:line`, for messages."""
    owner: bytes
    """`name` in wire format."""
    rdtype: int
    """`type` as its number."""


class DeclaredTarget(Struct, frozen=True):
    """A target of a pool."""

    key: str
    """`<pool>/<address>`."""
    checked: bool
    """Whether anything ever finds out how it is; what nobody checks counts as available."""


class Begin(Struct, frozen=True, tag_field="do", tag="begin"):
    """The first line: what to load and where to write.

    `resume` names the targets of `health_file`, in the order of its rows, if another checker has begun it; what is
    declared now has to be the same. Otherwise the table is made, with what `known` says about targets in it.
    """

    files: tuple[str, ...]
    health_file: str
    resume: tuple[str, ...] | None = None
    known: dict[str, HealthRow] = {}
    """Target key to the row of an earlier table."""
    overrides: dict[str, str] = {}
    """Target key to `up`, `down` or `drain`."""
    sources: Mapping[str, bytes] = {}
    """`Declared.sources` of the checker before: what its files were, whatever they are now."""
    orphan_patience: float = 10.0
    """Seconds to go on without the control process, as workers do."""


class Override(Struct, frozen=True, tag_field="do", tag="override"):
    """`to` is `up`, `down`, `drain` or `auto`."""

    target: str
    to: str


class Status(Struct, frozen=True, tag_field="do", tag="status"):
    """Answered by `States`."""


class Stop(Struct, frozen=True, tag_field="do", tag="stop"):
    """End."""


class Declared(Struct, frozen=True, tag_field="event", tag="declared"):
    """The files were loaded, the health table is there, with the rows in the order of `targets`.

    `problems` are warnings.
    """

    policies: tuple[DeclaredPolicy, ...]
    targets: tuple[DeclaredTarget, ...]
    modules: tuple[str, ...]
    """Files of the modules that policy files imported from beside them: watched like these."""
    sources: Mapping[str, bytes]
    """What was read, by absolute path: for others to run the same."""
    problems: tuple[str, ...] = ()


class Failed(Struct, frozen=True, tag_field="event", tag="failed"):
    """The files cannot be used. Each problem is complete: `file:line: what`, maybe with a traceback in more lines."""

    problems: tuple[str, ...]
    modules: tuple[str, ...] = ()


class Settled(Struct, frozen=True, tag_field="event", tag="settled"):
    """Every target has its first result."""


class Flip(Struct, frozen=True, tag_field="event", tag="flip"):
    """A target came up or went down, by its checks."""

    target: str
    up: bool
    reason: str


class Warned(Struct, frozen=True, tag_field="event", tag="warned"):
    """Something for the log that is no flip: a load that cannot be read, a check that fails by a fault of its own."""

    target: str
    what: str
    reason: str


class TargetState(Struct, frozen=True):
    """One target, as `pippin health` shows it."""

    target: str
    available: bool
    checked: str
    """`unknown`, `up` or `down`."""
    override: str
    """`up`, `down`, `drain`, or `auto` for none."""
    since: float
    """Unix time of the last change of `available`."""
    reason: str = ""
    """Why the last check found it up or down."""
    latency: float = -1.0
    """Seconds the last check took; -1: none yet, or it got no answer."""
    last_check: float = 0.0
    """Unix time; 0: none yet."""
    load: float = -1.0
    """Share of its capacity in use; -1: unknown."""
    check: str = ""
    """What is asked where."""


class States(Struct, frozen=True, tag_field="event", tag="states"):
    """The answer to `Status` and to `Override`."""

    targets: tuple[TargetState, ...]


Command = Override | Status | Stop
Event = Declared | Failed | Settled | Flip | Warned | States
