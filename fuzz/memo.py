"""The policy memo between hostile plans, hostile facts, a hostile search tree and any question."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from fuzz.checks import require

ROWS = 4
POSITION = 7
NOW = 1_800_000_000
ENTRIES = 20
OCTETS = 60_000
NAMES = ("record", "all", "first", "weighted", "rotate", "sticky", "else", "open", "outcome", "nothing")
ODD = (-1, 0, 255, 4096, 4097, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64, -(2**63), None, "text", b"", 0.5, ())
DEEPEST = 20


class MemoTarget:
    """Octets are read as a plan, then facts, then the question; the whole is the search tree too."""

    def __init__(self, engine: Callable[[str], ModuleType]) -> None:
        self.module = engine("memo")
        self.health = bytearray(16 * ROWS)
        self.memo = self.module.PolicyMemo(self.health, 1, audit_every=3)
        self.policy = self.memo.add(30, ENTRIES, OCTETS)
        self.memo.link(POSITION, self.policy)
        self.clock = self.memo.add_clock(lambda now: (now & 1, now + 1))
        self.tree = self.memo.add_tree(b"", 0, 24, 4)

    def __call__(self, data: bytes) -> None:
        octets = Octets(data)
        self._plant(octets, data)
        plan, path = octets.plan(0), [octets.fact() for _ in range(octets.next() % 6)]
        for row in range(ROWS):
            octet = octets.next()
            self.health[16 * row] = octet & 1
            self.health[16 * row + 2] = (octet >> 1) & 3
        question = octets.rest()[: self.module.ASK_SIZE]
        self.memo.ask[: len(question)] = question
        good = True
        try:
            self.memo.learn(self.policy, path, plan, octets.next() - 1, NOW + octets.next() // 200 * 10)
        except ValueError:
            good = False
        else:
            self._follow(path)
        held = self.memo.statistics(self.policy)
        require(held["entries"] <= ENTRIES and held["bytes"] <= OCTETS, f"past its bounds: {held}")
        drawn = self.memo.draw(POSITION, NOW)
        if drawn != -1:
            self._check(drawn)
        self.memo.audits()
        if good:
            self.memo.rest(self.policy, plan, 0, NOW, NOW + 1)
            self._check(self.memo.draw(POSITION, NOW))
            self.memo.wake(self.policy)
        try:
            self._check(self.memo.draw_plan(self.policy, plan, NOW))
        except ValueError:
            require(not good, "a plan that can be learned but not drawn")
            return
        if good:
            self._check(self.memo.draw_plan(self.policy, plan, NOW, path))

    def _plant(self, octets: Octets, data: bytes) -> None:
        """The octets as a search tree, walked for themselves as an address."""
        record_bits, version = (24, 28, 32)[octets.next() % 3], (4, 6)[octets.next() % 2]
        nodes = min(octets.next(), len(data) // (record_bits // 4))
        self.memo.replace_tree(self.tree, data, nodes, record_bits, version)
        for length in (4, 16):
            leaf, depth = self.memo.walk(self.tree, data[-length:].rjust(length, b"\0"), octets.next())
            require(leaf == 0 or nodes < leaf < 1 << record_bits, f"{leaf} is no leaf of {nodes} nodes")
            require(0 <= depth <= 8 * length, f"a walk of {depth} bits")
            self.memo.teach(self.tree, octets.next() % 64, leaf, octets.next())

    def _follow(self, path: list[Any]) -> None:
        """Make the question one that has these facts, where that takes an octet."""
        for kind, _, _, value in path:
            if kind in (self.module.F_TRANSPORT, self.module.F_SUBNET_GIVEN, self.module.F_QTYPE):
                place = {4: 19, 7: 18, 8: 22}[kind]
                self.memo.ask[place] = value & 255

    def _check(self, result: int) -> None:
        """What was drawn is well formed, and what RFC 2181 sections 5, 5.2 and 10.1 say of an answer."""
        ask = self.memo.ask
        kind, count, size = result >> 16, result & 0xFFFF, int.from_bytes(ask[308:312], "little")
        require(0 <= kind <= 6 and size <= 65535, f"kind {kind}, {size} octets")
        require(kind == 0 or count == 0, f"kind {kind} with {count} records")
        require(ask[304] <= (128 if ask[16] == 6 else 32), f"scope {ask[304]} for family {ask[16]}")
        body = bytes(self.memo.drawn[:size])
        contents, ttls, at = [], set(), 0
        while at < size:
            length = int.from_bytes(body[at + 10 : at + 12], "big")
            require(body[at : at + 2] == b"\xc0\x0c" and at + 12 + length <= size, "no record")
            contents.append(body[at + 2 : at + 4] + body[at + 12 : at + 12 + length])
            ttls.add(body[at + 6 : at + 10])
            at += 12 + length
        require(len(contents) == count == len(set(contents)), "another number of records than said, or one twice")
        require(len(ttls) <= 1, "several TTLs")
        require(count <= 1 or not any(content.startswith(b"\0\5") for content in contents), "beside a CNAME")


class Octets:
    """Structures made of octets, none left is 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def next(self) -> int:
        """An octet."""
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def rest(self) -> bytes:
        """All octets not read."""
        return self.data[self.at :]

    def number(self, usual: int) -> Any:
        """Mostly a number below `usual`, sometimes something else."""
        octet = self.next()
        return ODD[self.next() % len(ODD)] if octet > 250 else octet % usual

    def text(self) -> Any:
        """Mostly octets."""
        length = self.next()
        length = 65535 - 12 if length == 255 else length % 20
        text = self.data[self.at : self.at + length].ljust(length, b"\0")
        self.at += length
        return text if self.next() < 250 else self.number(4)

    def plan(self, depth: int) -> Any:
        """Mostly a plan."""
        name = NAMES[self.next() % len(NAMES)]
        if name == "record" or depth == DEEPEST:
            ttl = -1 if self.next() < 128 else self.number(3)
            row = -1 if self.next() < 128 else self.number(ROWS)
            return ("record", 1 + self.next() % 6, self.text(), ttl, row)
        if name == "outcome":
            return ("outcome", self.number(7))
        if name == "open":
            return ("open", self.plan(depth + 1))
        if name == "nothing":
            return ODD[self.next() % len(ODD)]
        parts: list[Any] = [name]
        if name in ("first", "weighted", "rotate", "sticky"):
            parts.append(self.number(5))
        if name == "sticky":
            parts += (self.number(33), self.number(129))
        children = tuple(self.plan(depth + 1) for _ in range(self.next() % 5))
        if name in ("weighted", "sticky"):
            children = tuple((self.number(9), child) for child in children)
        return (*parts, children)

    def fact(self) -> Any:
        """Mostly a fact."""
        kind = self.number(15)
        if kind in (1, 2):
            bits4, bits6 = self.next() % 33, self.next() % 129
            six = self.next() & 1
            length = ((bits6 if six else bits4) + 7) // 8
            return (kind, bits4, bits6, bytes([6 if six else 4]) + bytes(self.next() for _ in range(length)))
        if kind == 9:
            return (kind, 0, 0, self.text())
        return (kind, self.number(2), self.number(2), self.number(3))
