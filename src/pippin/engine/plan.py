"""A plan (what a policy answers with: a distribution of answers, not one of them) made ready for the draw.

    plan                                                 what is drawn from it
    ("record", type, rdata, TTL or -1, row or -1)        the record, if `row` of the health table is available;
                                                         -1: the policy's TTL, always available
    ("all", children)                                    everything available, in order
    ("first", n, children)                               the first n available children
    ("weighted", n, ((weight, child), ...))              n available children, drawn without replacement
    ("rotate", n, children)                              n (0: all) available children, one further each time;
                                                         beginning anywhere after another rotation
    ("sticky", n, v4 bits, v6 bits, weighted children)   n by weighted rendezvous hashing of the client's prefix
    ("else", children)                                   the first child in which anything is available
    ("open", child)                                      child; if nothing is available in it, with the targets too
                                                         that are down by their checks, not by hand
    ("outcome", kind)                                    no records but NODATA, NXDOMAIN ...; always available

A weight of 0 is never chosen. A plan that gives nothing is NODATA. What is drawn first decides: nothing follows an
outcome or a CNAME (RFC 2181 section 10.1), and neither follows other records. A record is in an answer once, and all
have the lowest of their TTLs (RFC 2181 sections 5 and 5.2).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

# Kinds of a draw. ANSWER is one with records; PASS leaves the answer to the zone.
ANSWER = 0
NODATA = 1
NXDOMAIN = 2
REFUSED = 3
DROP = 4
PASS = 5
SERVFAIL = 6

# Bounds
NODE_LIMIT = 4096
DEPTH_LIMIT = 16
WEIGHT_LIMIT = 0xFFFFFFFF  # with 30 bits of a sticky choice's score it still fits 64
BODY_SIZE = 65535

# What `compile_plan` gives: the nodes in preorder, STRIDE integers each, at these places
STRIDE = 8
OP = 0
N = 1  # children to draw; an outcome's kind
END = 2  # behind the last node below: where the next sibling is
WEIGHT = 3  # among its siblings
ROW = 4  # of the health table, + 1; 0 for none
START = 5  # of the record in `records`
LENGTH = 6
TURN = 5  # of a rotation
BITS4 = 5  # of a sticky choice
BITS6 = 6
IDENTITY = 7  # of a child of a sticky choice

RECORD = 1
CNAME = 2
OUTCOME = 3
IN_ORDER = 4  # "all", "first", "else": the first n children
WEIGHTED = 5
ROTATE = 6
STICKY = 7
OPEN = 8

OPS = {
    "record": RECORD,
    "all": IN_ORDER,
    "first": IN_ORDER,
    "weighted": WEIGHTED,
    "rotate": ROTATE,
    "sticky": STICKY,
    "else": IN_ORDER,
    "open": OPEN,
    "outcome": OUTCOME,
}
PARTS = {  # of the tuple
    "record": 5,
    "all": 2,
    "first": 3,
    "weighted": 3,
    "rotate": 3,
    "sticky": 5,
    "else": 2,
    "open": 2,
    "outcome": 2,
}

T_CNAME = 5
RECORD_FIXED = 12  # octets of a record with a compressed owner, before its rdata


class Code(NamedTuple):
    """A plan as the draw reads it."""

    code: list[int]
    records: bytes  # in wire format, owners C00C (the name in the question), each once
    turns: list[int]  # places in `code` of the turns of rotations
    bits4: int  # the longest prefix of an IPv4 client that a sticky choice looks at
    bits6: int
    repeats: bool  # a record is in the plan several times
    uneven: bool  # there are different TTLs


def compile_plan(plan: Any, ttl: int, rows: int) -> Code:
    """`ttl`: of records that say -1; `rows`: of the health table. ValueError if it is no plan, or past a bound."""
    compiler = _Compiler(ttl, rows)
    compiler.add(plan, 1, 1)
    records = bytes(compiler.records)
    uneven = len(compiler.ttls) > 1
    return Code(
        compiler.code, records, compiler.turns, compiler.bits4, compiler.bits6, compiler.repeats, uneven
    )


def require_shallow(plan: Any, depth: int = 3 * DEPTH_LIMIT) -> None:
    """ValueError for no tuple, and for tuples nested without end: to hash or compare them would end the process."""
    if not isinstance(plan, tuple):
        raise ValueError(f"no plan: {plan!r:.200}")
    if depth < 0:
        raise ValueError(f"a plan is deeper than {DEPTH_LIMIT}")
    for part in plan:
        if isinstance(part, tuple):
            require_shallow(part, depth - 1)


class _Compiler:
    def __init__(self, ttl: int, rows: int) -> None:
        self.ttl = ttl
        self.rows = rows
        self.code: list[int] = []
        self.records = bytearray()
        self.places: dict[bytes, int] = {}  # of records by type and rdata
        self.ttls: set[int] = set()
        self.turns: list[int] = []
        self.repeats = False
        self.bits4 = 0
        self.bits6 = 0

    def add(self, plan: Any, weight: Any, depth: int) -> None:
        """Write a node and all below it."""
        if not isinstance(plan, tuple) or not plan or not isinstance(plan[0], str) or plan[0] not in OPS:
            raise ValueError(f"no plan: {plan!r:.200}")
        if depth > DEPTH_LIMIT:
            raise ValueError(f"a plan is deeper than {DEPTH_LIMIT}")
        at = len(self.code)
        if at >= STRIDE * NODE_LIMIT:
            raise ValueError(f"a plan has more than {NODE_LIMIT} nodes")
        self.code += (OPS[plan[0]], 0, 0, _number(weight, 0, WEIGHT_LIMIT, "weight"), 0, 0, 0, 0)
        if len(plan) != PARTS[plan[0]]:
            raise ValueError(f"no plan: {plan!r:.200}")
        if plan[0] == "record":
            self._record(at, *plan[1:])
        elif plan[0] == "outcome":
            self.code[at + N] = _number(plan[1], NODATA, SERVFAIL, "outcome")
        elif plan[0] == "open":
            self.add(plan[1], 1, depth + 1)
        else:
            self._group(at, depth, plan)
        self.code[at + END] = len(self.code)

    def _group(self, at: int, depth: int, plan: tuple[Any, ...]) -> None:
        name, children = plan[0], plan[-1]
        if not isinstance(children, tuple):
            raise ValueError(f"no children: {children!r:.200}")
        wanted = 1
        if name == "all":
            wanted = NODE_LIMIT
        elif name == "rotate":
            wanted = _number(plan[1], 0, NODE_LIMIT, "number to draw") or NODE_LIMIT
            self.turns.append(at + TURN)
        elif name != "else":
            wanted = _number(plan[1], 1, NODE_LIMIT, "number to draw")
        if name == "sticky":
            self.code[at + BITS4] = _number(plan[2], 0, 32, "prefix of IPv4")
            self.code[at + BITS6] = _number(plan[3], 0, 128, "prefix of IPv6")
            self.bits4 = max(self.bits4, plan[2])
            self.bits6 = max(self.bits6, plan[3])
        self.code[at + N] = wanted
        weight = 1
        weighted = name in ("weighted", "sticky")
        for child in children:
            if weighted:
                if not isinstance(child, tuple) or len(child) != 2:
                    raise ValueError(f"no weight and child: {child!r:.200}")
                weight, child = child
            place = len(self.code)
            self.add(child, weight, depth + 1)
            if name == "sticky":
                self.code[place + IDENTITY] = self._identity(place)

    def _identity(self, at: int) -> int:
        """A hash of the records and outcomes in a node, of nothing that a new configuration may number anew."""
        content = blake2b(digest_size=8)
        for node in range(at, len(self.code), STRIDE):
            op, start, length = self.code[node + OP], self.code[node + START], self.code[node + LENGTH]
            if op in (RECORD, CNAME):
                content.update(self.records[start + 2 : start + 4])
                content.update(self.records[start + 10 : start + length])
            elif op == OUTCOME:
                content.update(bytes([self.code[node + N]]))
        return int.from_bytes(content.digest(), "big")

    def _record(self, at: int, rdtype: Any, rdata: Any, ttl: Any, row: Any) -> None:
        _number(rdtype, 1, 0xFFFF, "record type")
        if not isinstance(rdata, bytes) or len(rdata) > BODY_SIZE - RECORD_FIXED:
            raise ValueError(f"no rdata, or more than fits a message: {rdata!r:.200}")
        if _number(ttl, -1, 0x7FFFFFFF, "TTL") < 0:
            ttl = self.ttl
        content = rdtype.to_bytes(2, "big") + rdata
        place = self.places.get(content)
        if place is None:
            place = self.places[content] = len(self.records)
            self.records += b"\xc0\x0c" + content[:2] + b"\0\1" + ttl.to_bytes(4, "big")
            self.records += len(rdata).to_bytes(2, "big") + rdata
        else:
            self.repeats = True
            held = self.records[place + 6 : place + 10]
            self.records[place + 6 : place + 10] = min(bytes(held), ttl.to_bytes(4, "big"))
        self.ttls.add(ttl)
        self.code[at + OP] = CNAME if rdtype == T_CNAME else RECORD
        self.code[at + ROW] = 1 + _number(row, -1, self.rows - 1, "row of the health table")
        self.code[at + START] = place
        self.code[at + LENGTH] = RECORD_FIXED + len(rdata)


def _number(value: Any, low: int, high: int, what: str) -> int:
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{what} {value!r:.50} in a plan; it must be from {low} to {high}")
    return value
