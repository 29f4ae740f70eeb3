"""Marks: the names and types that policies answer for, and which zones they go into.

A zone gets every mark at or below its origin. Of the zones above a name the deepest one served answers, but which that
is cannot be known while a zone is prepared: zones are read in any order, several at a time, and come and go. So the
mark goes into the zones above too, where it lies below a delegation: there it is left out, and is no error. That way
a zone is made of its own source and marks and nothing else, and no zone is compiled because of another one.
Policies that no zone answers for are looked for afterwards, in what is published (`misplaced`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from pippin.engine import find, layout
from pippin.zone.problem import Problem, Severity

Mark = tuple[bytes, int]
"""The name (lower-case wire format) and type that a policy answers for."""

ANOTHER_ZONES = frozenset({"policy-below-cut", "policy-below-dname"})
"""Findings of the compiler that are no error of the zone: the name may be answered for by a zone below."""


class Marks:
    """The marks of all policies together. Immutable."""

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        self._all = tuple(sorted(set(marks)))
        below: dict[bytes, list[Mark]] = {}
        for mark in self._all:
            for name in _at_and_above(mark[0]):
                below.setdefault(name, []).append(mark)
        self._below = {name: tuple(found) for name, found in below.items()}

    def __iter__(self) -> Iterator[Mark]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, origin: bytes) -> tuple[Mark, ...]:
        """Those at or below a zone's origin (lower-case wire format), sorted."""
        return self._below.get(origin, ())

    def digest(self, origin: bytes) -> str:
        """Tells the marks of a zone from others; "" for none."""
        marks = self.of(origin)
        return hashlib.blake2b(repr(marks).encode(), digest_size=16).hexdigest() if marks else ""

    def changed(self, other: Marks) -> set[bytes]:
        """The origins that zones would have whose marks are not the same in both."""
        names = {name for name, _ in set(self._all) ^ set(other._all)}
        return {above for name in names for above in _at_and_above(name)}


NO_MARKS = Marks()


def misplaced(
    marks: Iterable[Mark], image_of: Callable[[bytes], bytes | memoryview | None]
) -> dict[Mark, Problem]:
    """The marks that no served zone answers for, and why. `image_of` gives the published image of an origin.

    A name in no zone is a warning, for its zone may come; one that its zone delegates away, or has below a DNAME, is
    an error.
    """
    found: dict[Mark, Problem] = {}
    for mark in marks:
        served = ((origin, image_of(origin)) for origin in _at_and_above(mark[0]))
        origin, image = next((zone for zone in served if zone[1] is not None), (b"", None))
        if image is None:
            why = "the name is in no zone served here, so it is never asked; serve its zone, or correct the name"
            found[mark] = _problem(mark, why, Severity.WARNING)
        elif (obstacle := _obstacle(mark[0], origin, image)) is not None:
            from pippin.zone.check import policy_message

            code, owner = obstacle
            found[mark] = _problem(mark, policy_message(code, owner, origin), Severity.ERROR)
    return found


def _obstacle(name: bytes, origin: bytes, image: bytes | memoryview) -> tuple[str, bytes] | None:
    """Why the zone does not answer for the name itself: a finding's code, and the owner of what is in the way."""
    header = layout.read_header(image)
    for above in reversed(list(_at_and_above(name))):
        if len(above) < len(origin):
            continue
        position = find.find(image, header, above)
        if not position:
            return None
        flags = layout.read_node(image, position, bool(header.flags & layout.SIGNED)).flags
        if flags & layout.CUT:
            return "policy-below-cut", above
        if flags & layout.HAS_DNAME and above != name:
            return "policy-below-dname", above
    return None


def _problem(mark: Mark, message: str, severity: Severity) -> Problem:
    # Not on top: dnspython is more than a restart with nothing wrong has a use for.
    from pippin.zone.check import policy_name

    return Problem(policy_name(mark), 0, 0, message, severity)


def _at_and_above(name: bytes) -> Iterator[bytes]:
    """A name in wire format and its ancestors, the root last."""
    at = 0
    while name[at]:
        yield name[at:]
        at += 1 + name[at]
    yield name[at:]
