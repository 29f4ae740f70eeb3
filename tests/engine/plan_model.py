"""What may come out of a plan, said as simply as possible, and how tests ask a PolicyMemo for it."""

from __future__ import annotations

import ipaddress
from itertools import permutations
from typing import Any, NamedTuple

Plan = tuple[Any, ...]
TTL = 30
POSITION = 4096
NOW = 1_800_000_000


def a(last: int, row: int = -1, ttl: int = -1) -> Plan:
    """An address record."""
    return ("record", 1, bytes([192, 0, 2, last]), ttl, row)


class State(NamedTuple):
    """What was drawn so far."""

    kind: int = 0
    records: tuple[tuple[int, bytes], ...] = ()


def outcomes(plan: Plan, up: set[int], by_hand: set[int] = frozenset()) -> set[State]:  # type: ignore[assignment]
    """Everything that a draw may come to, while the targets in `up` are available, and some set down by hand."""
    return {state if gave else State(1) for state, gave in _run(plan, State(), up - by_hand, ALL - by_hand)}


ALL = frozenset(range(100))


def _run(plan: Plan, state: State, up: set[int], usable: set[int]) -> set[tuple[State, bool]]:
    """`usable`: what failing open takes."""
    name, children = plan[0], plan[-1]
    if state.kind:
        return {(state, True)}
    if name == "record":
        _, rdtype, rdata, _, row = plan
        if row >= 0 and row not in up:
            return {(state, False)}
        alias = any(kind == 5 for kind, _ in state.records)
        if (rdtype, rdata) in state.records or alias or (rdtype == 5 and state.records):
            return {(state, True)}
        return {(State(0, (*state.records, (rdtype, rdata))), True)}
    if name == "outcome":
        return {(state if state.records else State(plan[1]), True)}
    if name == "open":
        normal = _run(plan[1], state, up, usable)
        return _run(plan[1], state, usable, usable) if not any(gave for _, gave in normal) else normal
    if name in ("weighted", "sticky"):
        children = tuple(child for weight, child in children if weight)
    available = [child for child in children if any(gave for _, gave in _run(child, State(), up, usable))]
    count = {"all": len(available), "else": 1, "rotate": plan[1] or len(available)}.get(name, plan[1])
    if name in ("all", "else", "first"):
        orders = [available[:count]]
    elif name == "rotate":
        orders = [(available[i:] + available[:i])[:count] for i in range(len(available) or 1)]
    else:
        orders = [list(chosen) for chosen in permutations(available, min(count, len(available)))]
    found: set[tuple[State, bool]] = set()
    for order in orders:
        states = {state}
        for child in order:
            states = {after for before in states for after, _ in _run(child, before, up, usable)}
        found |= {(after, bool(order)) for after in states}
    return found


def set_client(ask: bytearray, address: str, known: int | None = None) -> None:
    """The client's address; only its first `known` bits are."""
    packed = ipaddress.ip_address(address).packed
    ask[0:16] = packed.ljust(16, b"\0")
    ask[16] = 4 if len(packed) == 4 else 6
    ask[17] = 8 * len(packed) if known is None else known


class Memo:
    """A PolicyMemo with one policy at one position."""

    def __init__(self, module, rows: int = 8, entries: int = 1000, size: int = 1 << 20, **options) -> None:
        self.module = module
        self.health = bytearray(16 * rows)
        for row in range(rows):
            self.health[16 * row] = 1
        self.memo = module.PolicyMemo(self.health, options.pop("seed", 1), **options)
        self.policy = self.memo.add(TTL, entries, size)
        self.memo.link(POSITION, self.policy)
        set_client(self.memo.ask, "198.51.100.77")

    def set_up(self, up: set[int], by_hand: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """Exactly these targets are available, but for some that are set down by hand (forced down or drained)."""
        for row in range(len(self.health) // 16):
            self.health[16 * row] = row in up and row not in by_hand
            self.health[16 * row + 2] = (2 + row % 2) if row in by_hand else 0

    def learn(self, path, plan, *rest, **more) -> None:
        self.memo.learn(self.policy, path, plan, *rest, **more)

    def draw(self, now: int = NOW) -> State | None:
        """What the memo answers, or None if it has to be learned."""
        result = self.memo.draw(POSITION, now)
        return None if result < 0 else self.read(result)

    def draw_plan(self, plan: Plan, path=()) -> State:
        return self.read(self.memo.draw_plan(self.policy, plan, NOW, path))

    def read(self, result: int) -> State:
        kind, count = result >> 16, result & 0xFFFF
        records = self.records()
        assert len(records) == count
        assert not (kind and records)
        return State(kind, tuple((rdtype, rdata) for rdtype, _, rdata in records))

    def records(self) -> list[tuple[int, int, bytes]]:
        """(type, TTL, rdata) of the records drawn; every octet of the body belongs to one."""
        ask = self.memo.ask
        body = bytes(self.memo.drawn[: int.from_bytes(ask[308:312], "little")])
        found = []
        while body:
            assert body[:2] == b"\xc0\x0c"
            assert body[4:6] == b"\0\1"
            length = int.from_bytes(body[10:12], "big")
            assert len(body) >= 12 + length
            found.append((int.from_bytes(body[2:4], "big"), int.from_bytes(body[6:10], "big"), body[12 : 12 + length]))
            body = body[12 + length :]
        return found

    def last(self) -> list[int]:
        """The last octets of the addresses drawn."""
        return [rdata[-1] for _, _, rdata in self.records()]

    @property
    def scope(self) -> int:
        return self.memo.ask[304]

    @property
    def ede(self) -> int:
        return int.from_bytes(self.memo.ask[306:308], "little") - 1

    @property
    def statistics(self) -> dict[str, Any]:
        return self.memo.statistics(self.policy)


def chi_square(seen: dict[Any, int], expected: dict[Any, float]) -> float:
    """How far counts are from what is expected; `expected` are probabilities of all that may be seen."""
    assert set(seen) <= set(expected)
    total = sum(seen.values())
    return sum((seen.get(k, 0) - total * p) ** 2 / (total * p) for k, p in expected.items())
