# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""What policies answered, remembered by the facts they looked at; and the draw from the plan that they answered with.

A policy's memo is a decision tree learned from its runs: a node is a fact about the query, an edge a value of it, a
leaf the *plan* that the policy returned. A draw walks from the root to a leaf, draws records from the plan (weights,
rotation, stickiness, health) and leaves them in `drawn` as the answer section of a reply to a question at offset 12.

The path of a packet writes what is known about the query into `ask` (layout below), calls `draw`, and reads `drawn`
and the outputs in `ask`. It knows nothing of clients, databases or clocks beyond their numbers. Time and randomness
are parameters. Not for use from several threads.

    fact              a, b                       value
    F_CLIENT          bits of IPv4, of IPv6      octet 4 or 6, then the prefix in ceil(bits / 8) octets
    F_RESOLVER        the same of the address that the packet came from
    F_TREE            tree, field                int that `teach` gave for the leaf of the client's address
    F_TRANSPORT                                  0 UDP, 1 TCP
    F_EDNS, F_DNSSEC_OK, F_SUBNET_GIVEN          0 or 1
    F_QTYPE                                      int
    F_CAPTURED                                   labels that a wildcard stands for, lower-case wire, no root label
    F_HEALTH          row                        0 or 1
    F_LOAD            row, step in permille      load // step, -1 unknown
    F_TIME            clock                      int
    F_GENERATION                                 int

Plans are in `plan.py`. The file is long because it is one compiled unit, from the facts to the bytes of the answer: a
call across modules would be a Python call for each fact and each record.
"""

from __future__ import annotations

from array import array
from typing import Any

try:
    import cython
except ModuleNotFoundError:
    from pippin.engine import shim as cython

from pippin.engine import plan as plans
from pippin.engine.plan import ANSWER as ANSWER
from pippin.engine.plan import DROP as DROP
from pippin.engine.plan import NODATA as NODATA
from pippin.engine.plan import NXDOMAIN as NXDOMAIN
from pippin.engine.plan import PASS as PASS
from pippin.engine.plan import REFUSED as REFUSED
from pippin.engine.plan import SERVFAIL as SERVFAIL
from pippin.engine.plan import BODY_SIZE, NODE_LIMIT, compile_plan, require_shallow

F_CLIENT = 1
F_RESOLVER = 2
F_TREE = 3
F_TRANSPORT = 4
F_EDNS = 5
F_DNSSEC_OK = 6
F_SUBNET_GIVEN = 7
F_QTYPE = 8
F_CAPTURED = 9
F_HEALTH = 10
F_LOAD = 11
F_TIME = 12
F_GENERATION = 13

# `ask`, integers little-endian. An IPv4 address is in the first four octets of its sixteen.
ASK_CLIENT = 0
ASK_FAMILY = 16  # 4 or 6
ASK_BITS = 17  # of the client's address are known, the others count as 0
ASK_SUBNET_GIVEN = 18
ASK_TRANSPORT = 19
ASK_FLAGS = 20  # ASK_EDNS, ASK_DNSSEC_OK
ASK_QTYPE = 22  # u16
ASK_RESOLVER = 24
ASK_RESOLVER_FAMILY = 40
ASK_CAPTURED_LENGTH = 41
ASK_GENERATION = 44  # u32
ASK_CAPTURED = 48
# and what a draw leaves there
OUT_SCOPE = 304  # octet: bits of the client's address that the answer depends on (RFC 7871 section 7.2.1)
OUT_EDE = 306  # u16: INFO-CODE + 1, or 0
OUT_LENGTH = 308  # u32: octets of `drawn`
ASK_SIZE = 312
ASK_EDNS = 1
ASK_DNSSEC_OK = 2

HEALTH_ROW_SIZE = 16  # octet 0: available; octet 2: override; u32 at 4: load in permille
HEALTH_OVERRIDE = 2
BY_HAND_DOWN = 2  # this override and those above it: an operator wants no answer with the target

# Bounds
PATH_LIMIT = 64  # facts that one answer depends on
POLICY_LIMIT = 65536
TREE_LIMIT = 64
FIELD_LIMIT = 64  # of a tree
TAUGHT_LIMIT = 1 << 18  # leaves of a tree with a value taught, for each field; then all are learned again
CLOCK_LIMIT = 1024
AUDIT_LIMIT = 16  # samples waiting to be looked at
UNMEMOIZED_LIMIT = 256  # plans kept ready for `draw_plan`
STALE_LIMIT = 2  # seconds past its time for which an answer is drawn while a newer one is worked out

# What things take in memory: rounded up from measurements (CPython 3.11, 64 bits, with their dictionary slots)
STEP_COST = 180
BRANCH_COST = 230
PLAN_COST = 950
PLAN_NODE_COST = 260

# What `plan.py` writes, as C constants
_STRIDE = cython.declare(cython.Py_ssize_t, plans.STRIDE)
_OP = cython.declare(cython.Py_ssize_t, plans.OP)
_N = cython.declare(cython.Py_ssize_t, plans.N)
_END = cython.declare(cython.Py_ssize_t, plans.END)
_WEIGHT = cython.declare(cython.Py_ssize_t, plans.WEIGHT)
_ROW = cython.declare(cython.Py_ssize_t, plans.ROW)
_START = cython.declare(cython.Py_ssize_t, plans.START)
_LENGTH = cython.declare(cython.Py_ssize_t, plans.LENGTH)
_TURN = cython.declare(cython.Py_ssize_t, plans.TURN)
_BITS4 = cython.declare(cython.Py_ssize_t, plans.BITS4)
_BITS6 = cython.declare(cython.Py_ssize_t, plans.BITS6)
_IDENTITY = cython.declare(cython.Py_ssize_t, plans.IDENTITY)
_CNAME = cython.declare(cython.int, plans.CNAME)
_OUTCOME = cython.declare(cython.int, plans.OUTCOME)
_IN_ORDER = cython.declare(cython.int, plans.IN_ORDER)
_ROTATE = cython.declare(cython.int, plans.ROTATE)
_STICKY = cython.declare(cython.int, plans.STICKY)
_OPEN = cython.declare(cython.int, plans.OPEN)

# The facts and places as C constants
_CLIENT = cython.declare(cython.int, F_CLIENT)
_RESOLVER = cython.declare(cython.int, F_RESOLVER)
_TREE = cython.declare(cython.int, F_TREE)
_TRANSPORT = cython.declare(cython.int, F_TRANSPORT)
_EDNS = cython.declare(cython.int, F_EDNS)
_DNSSEC_OK = cython.declare(cython.int, F_DNSSEC_OK)
_SUBNET_GIVEN = cython.declare(cython.int, F_SUBNET_GIVEN)
_QTYPE = cython.declare(cython.int, F_QTYPE)
_CAPTURED = cython.declare(cython.int, F_CAPTURED)
_HEALTH = cython.declare(cython.int, F_HEALTH)
_LOAD = cython.declare(cython.int, F_LOAD)
_TIME = cython.declare(cython.int, F_TIME)
_AT_CLIENT = cython.declare(cython.Py_ssize_t, ASK_CLIENT)
_AT_FAMILY = cython.declare(cython.Py_ssize_t, ASK_FAMILY)
_AT_BITS = cython.declare(cython.Py_ssize_t, ASK_BITS)
_AT_SUBNET_GIVEN = cython.declare(cython.Py_ssize_t, ASK_SUBNET_GIVEN)
_AT_TRANSPORT = cython.declare(cython.Py_ssize_t, ASK_TRANSPORT)
_AT_FLAGS = cython.declare(cython.Py_ssize_t, ASK_FLAGS)
_AT_QTYPE = cython.declare(cython.Py_ssize_t, ASK_QTYPE)
_AT_RESOLVER = cython.declare(cython.Py_ssize_t, ASK_RESOLVER)
_AT_RESOLVER_FAMILY = cython.declare(cython.Py_ssize_t, ASK_RESOLVER_FAMILY)
_AT_CAPTURED_LENGTH = cython.declare(cython.Py_ssize_t, ASK_CAPTURED_LENGTH)
_AT_GENERATION = cython.declare(cython.Py_ssize_t, ASK_GENERATION)
_AT_CAPTURED = cython.declare(cython.Py_ssize_t, ASK_CAPTURED)
_AT_SCOPE = cython.declare(cython.Py_ssize_t, OUT_SCOPE)
_AT_EDE = cython.declare(cython.Py_ssize_t, OUT_EDE)
_AT_LENGTH = cython.declare(cython.Py_ssize_t, OUT_LENGTH)
_BODY_SIZE = cython.declare(cython.Py_ssize_t, BODY_SIZE)
_STALE_LIMIT = cython.declare(cython.longlong, STALE_LIMIT)
_ROW_SIZE = cython.declare(cython.Py_ssize_t, HEALTH_ROW_SIZE)
_AT_OVERRIDE = cython.declare(cython.Py_ssize_t, HEALTH_OVERRIDE)
_BY_HAND_DOWN = cython.declare(cython.int, BY_HAND_DOWN)
_UNKNOWN_LOAD = cython.declare(cython.ulonglong, 0xFFFFFFFF)

MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
LONG_KEY = 1 << 128  # longer than any key of one word
HIGHEST = cython.declare(cython.ulonglong, 0x8000000000000000)


def is_compiled() -> bool:
    """True when this module runs as a compiled extension."""
    return cython.compiled


def _logarithms() -> array[int]:
    """log2(1 + i / 256) in 24 bits of fraction, for i from 0 to 256.

    By integers alone: squaring doubles the logarithm, so each square's first bit is the next bit of it. Every
    server, compiled or not, has to make the same sticky choice; C libraries differ in the last bit.
    """
    table = []
    for i in range(257):
        x = (256 + i) << 54  # 62 bits of fraction
        value = 0
        for _ in range(25):
            value = (value << 1) | (x >> 63)
            x = (x >> (x >> 63)) ** 2 >> 62
        table.append(value)
    return array("I", table)


@cython.final
@cython.cclass
class Plan:
    """A plan ready to draw from. Equal plans of a policy are one."""

    source: tuple
    code: cython.ulonglong[::1]
    records: cython.const[cython.uchar][::1]
    uses: cython.Py_ssize_t
    cost: cython.Py_ssize_t
    bits4: cython.int
    bits6: cython.int
    repeats: cython.bint
    uneven: cython.bint

    def __init__(self, source, compiled):
        self.source = source
        self.code = array("Q", compiled.code)
        self.records = compiled.records
        self.uses = 0
        self.cost = PLAN_COST + PLAN_NODE_COST * (len(compiled.code) // _STRIDE) + len(compiled.records)
        self.bits4 = compiled.bits4
        self.bits6 = compiled.bits6
        self.repeats = compiled.repeats
        self.uneven = compiled.uneven


@cython.final
@cython.cclass
class Step:
    """A place in a policy's tree: a fact to look at and where its values lead, or (kind 0) a leaf."""

    kind: cython.int
    a: cython.int
    b: cython.int
    ede: cython.int
    children: dict
    plan: Plan
    until: cython.longlong
    tick: cython.longlong
    renewing: cython.bint  # its time is over, and somebody has been sent to ask anew

    def __init__(self):
        self.kind = 0
        self.a = 0
        self.b = 0
        self.ede = 0
        self.children = None
        self.plan = None
        self.until = 0
        self.tick = 0
        self.renewing = False


@cython.final
@cython.cclass
class Tree:
    """A search tree in the format of MaxMind DB, and for each field what its leaves mean."""

    memory: cython.const[cython.uchar][::1]
    node_count: cython.ulonglong
    record_bits: cython.int
    node_size: cython.ulonglong
    ip_version: cython.int
    start4: cython.ulonglong  # where IPv4 begins
    fields: list

    def __init__(self, memory, node_count, record_bits, ip_version):
        if record_bits not in (24, 28, 32) or ip_version not in (4, 6):
            raise ValueError(f"a search tree with records of {record_bits} bits for IP version {ip_version}")
        if not 0 <= node_count <= 0xFFFFFFFF or node_count * record_bits // 4 > memoryview(memory).nbytes:
            raise ValueError(f"a search tree of {node_count} nodes is not in {memoryview(memory).nbytes} octets")
        self.memory = memory
        self.node_count = node_count
        self.record_bits = record_bits
        self.node_size = record_bits // 4
        self.ip_version = ip_version
        self.fields = []
        self.start4 = 0
        if ip_version == 6:
            for _ in range(96):
                if self.start4 < self.node_count:
                    self.start4 = self.follow(self.start4, 0)

    @cython.cfunc
    @cython.inline
    @cython.boundscheck(False)
    def follow(self, node: cython.ulonglong, bit: cython.ulonglong) -> cython.ulonglong:
        """The left (0) or right (1) record of a node."""
        at: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, node * self.node_size)
        if node >= self.node_count or at + cython.cast(cython.Py_ssize_t, self.node_size) > len(self.memory):
            raise IndexError("outside the search tree")
        if self.record_bits == 24:
            at += 3 if bit else 0
            return (self.memory[at] << 16) | (self.memory[at + 1] << 8) | self.memory[at + 2]
        if self.record_bits == 28:
            if bit:
                return (
                    ((self.memory[at + 3] & 15) << 24)
                    | (self.memory[at + 4] << 16)
                    | (self.memory[at + 5] << 8)
                    | self.memory[at + 6]
                )
            return (
                ((self.memory[at + 3] >> 4) << 24)
                | (self.memory[at] << 16)
                | (self.memory[at + 1] << 8)
                | self.memory[at + 2]
            )
        at += 4 if bit else 0
        return (
            (cython.cast(cython.ulonglong, self.memory[at]) << 24)
            | (self.memory[at + 1] << 16)
            | (self.memory[at + 2] << 8)
            | self.memory[at + 3]
        )


@cython.final
@cython.cclass
class Clock:
    """What a function of the time gives, until it says that it changes."""

    function: object
    value: object
    since: cython.longlong
    until: cython.longlong

    def __init__(self, function):
        self.function = function
        self.value = None
        self.since = 0
        self.until = 0


@cython.final
@cython.cclass
class Policy:
    """The memo of one policy, its bounds and its counters."""

    index: cython.Py_ssize_t
    ttl: cython.uint
    entry_limit: cython.Py_ssize_t
    byte_limit: cython.longlong
    root: Step
    plans: dict
    entries: cython.Py_ssize_t
    bytes_held: cython.longlong
    hits: cython.longlong
    learned: cython.longlong
    evicted: cython.longlong
    fail_open: cython.longlong
    conflicts: cython.longlong
    resting: Plan
    rest_ede: cython.int
    rest_since: cython.longlong
    rest_until: cython.longlong
    rested: cython.longlong

    def __init__(self, index, ttl, entry_limit, byte_limit):
        self.index = index
        self.ttl = ttl
        self.entry_limit = entry_limit
        self.byte_limit = byte_limit
        self.root = Step()
        self.plans = {}
        self.entries = 0
        self.bytes_held = 0
        self.hits = 0
        self.learned = 0
        self.evicted = 0
        self.fail_open = 0
        self.conflicts = 0
        self.resting = None
        self.rest_ede = 0
        self.rest_since = 0
        self.rest_until = 0
        self.rested = 0


@cython.final
@cython.cclass
class PolicyMemo:
    """All policies of a worker. `health` is the mapped table (see `store/health.py`), read at each draw."""

    asked: bytearray
    body: bytearray
    q: cython.uchar[::1]  # asked
    o: cython.uchar[::1]  # body
    health: cython.const[cython.uchar][::1]
    state: cython.ulonglong  # of the generator
    secret: cython.ulonglong
    logarithm: cython.uint[::1]
    policies: list
    links: dict
    trees: list
    clocks: list
    unmemoized: dict
    tick: cython.longlong
    audit_every: cython.longlong
    audit_in: cython.longlong
    samples: list
    # the draw at hand
    depth: cython.int
    kind: cython.int
    count: cython.Py_ssize_t
    size: cython.Py_ssize_t
    alone: cython.bint
    opened: cython.bint
    turned: cython.bint  # a rotation before has more than one turn in which the next one is drawn
    place: cython.Py_ssize_t[::1]  # of each record drawn
    stack: cython.Py_ssize_t[::1]  # children to choose from, of each node on the way down
    top: cython.Py_ssize_t
    score: cython.ulonglong[::1]  # beside it, in a sticky choice

    def __init__(self, health: object, seed: int, *, audit_every: int = 1000) -> None:
        """`audit_every`: of so many hits one is kept for `audits`; 0 for none."""
        self.asked = bytearray(ASK_SIZE)
        self.body = bytearray(BODY_SIZE)
        self.q = self.asked
        self.o = self.body
        self.health = health
        self.state = seed & 0xFFFFFFFFFFFFFFFF
        self.secret = _mix(seed & 0xFFFFFFFFFFFFFFFF ^ 0x706970706D656D6F)
        self.logarithm = _logarithms()
        self.policies = []
        self.links = {}
        self.trees = []
        self.clocks = []
        self.unmemoized = {}
        self.tick = 0
        self.audit_every = audit_every
        self.audit_in = audit_every
        self.samples = []
        self.place = array("q", bytes(8 * NODE_LIMIT))
        self.stack = array("q", bytes(8 * NODE_LIMIT))
        self.score = array("Q", bytes(8 * NODE_LIMIT))
        self.top = 0

    @property
    def ask(self) -> bytearray:
        """What is known about the query, written before `draw`; ASK_SIZE octets, always the same object."""
        return self.asked

    @property
    def drawn(self) -> bytearray:
        """The records of the last draw, owners C00C, in its first OUT_LENGTH octets; always the same object."""
        return self.body

    # ---- policies

    def add(self, ttl: int, entries: int, bytes: int) -> int:  # noqa: A002
        """A policy whose records have `ttl` and whose memo has at most so many entries and octets; its index."""
        if not 0 <= ttl <= 0x7FFFFFFF:
            raise ValueError(f"a TTL of {ttl}")
        if len(self.policies) >= POLICY_LIMIT:
            raise ValueError(f"more than {POLICY_LIMIT} policies")
        self.policies.append(Policy(len(self.policies), ttl, entries, bytes))
        return len(self.policies) - 1

    def link(self, position: int, policy: int) -> None:
        """The policy answers at this position of the mapped zones."""
        self.links[position] = self._policy(policy)

    def unlink_all(self) -> None:
        """No policy answers anywhere."""
        self.links.clear()

    def forget(self, policy: int = -1) -> None:
        """Empty the memo of one policy, or of all."""
        held: Policy
        for held in self.policies if policy < 0 else [self._policy(policy)]:
            held.root = Step()
            held.plans = {}
            held.entries = 0
            held.bytes_held = 0

    def rest(self, policy: int, plan: object, ede: int, since: int, until: int) -> None:
        """From one Unix time to another `draw` gives this plan where it would have to ask the slow path."""
        held: Policy = self._policy(policy)
        require_shallow(plan)
        if not -1 <= ede <= 0xFFFE:
            raise ValueError(f"an extended DNS error {ede}")
        held.resting = self._compile(held, plan)
        held.rest_ede = ede + 1
        held.rest_since = since
        held.rest_until = until

    def wake(self, policy: int) -> None:
        """End the policy's rest."""
        self._policy(policy).resting = None

    def statistics(self, policy: int) -> dict[str, Any]:
        """Counters of a policy; `distinct`: how many values of each fact are remembered (walks the whole memo).

        `conflicts` counts runs that read other facts than an earlier run with the same values before them: the
        policy depends on something that is no fact. `rested` counts draws of what `rest` was given.
        """
        held: Policy = self._policy(policy)
        values: dict = {}
        _collect_values(held.root, values)
        return {
            "hits": held.hits,
            "learned": held.learned,
            "entries": held.entries,
            "bytes": held.bytes_held,
            "evicted": held.evicted,
            "fail_open": held.fail_open,
            "conflicts": held.conflicts,
            "rested": held.rested,
            "distinct": {fact: len(keys) for fact, keys in values.items()},
        }

    def audits(self) -> list[tuple[int, bytes, tuple[Any, ...]]]:
        """(policy, copy of `ask`, plan) of some hits since the last call, at most AUDIT_LIMIT."""
        samples = self.samples
        self.samples = []
        return samples

    @cython.cfunc
    def _policy(self, index: object) -> Policy:
        if not 0 <= index < len(self.policies):
            raise ValueError(f"there is no policy {index}")
        return self.policies[index]

    # ---- what facts are looked up in

    def add_tree(self, memory: object, node_count: int, record_bits: int, ip_version: int) -> int:
        """A MaxMind DB search tree, its first octet that of the first node; its index. ValueError if it is cut off."""
        if len(self.trees) >= TREE_LIMIT:
            raise ValueError(f"more than {TREE_LIMIT} search trees")
        self.trees.append(Tree(memory, node_count, record_bits, ip_version))
        return len(self.trees) - 1

    def replace_tree(self, index: int, memory: object, node_count: int, record_bits: int, ip_version: int) -> None:
        """Another version of a database: what was taught about the old one's leaves is forgotten, no plan is."""
        self._tree(index)
        self.trees[index] = Tree(memory, node_count, record_bits, ip_version)

    def walk(self, tree: int, address: bytes, bits: int) -> tuple[int, int]:
        """(leaf, depth) of an address of which `bits` are known, the others taken as 0.

        The leaf is the record as the tree has it (node count + 16 + offset in the data section), or 0 for none.
        """
        if len(address) not in (4, 16):
            raise ValueError(f"an address of {len(address)} octets")
        known: cython.int = max(0, min(bits, 8 * len(address)))
        padded: bytearray = bytearray(address.ljust(16, b"\0"))
        octets: cython.uchar[::1] = padded
        leaf: cython.ulonglong = self._walk(self._tree(tree), octets, 0, 8 * len(address), known)
        return leaf, self.depth

    def teach(self, tree: int, field: int, pointer: int, value: int) -> None:
        """What the field is in a leaf that `walk` found (0: in none)."""
        fields: list = self._tree(tree).fields
        if not 0 <= field < FIELD_LIMIT:
            raise ValueError(f"field {field} of a search tree")
        while len(fields) <= field:
            fields.append({})
        taught: dict = fields[field]
        if len(taught) >= TAUGHT_LIMIT:
            taught.clear()
        taught[pointer] = value

    def add_clock(self, function: object) -> int:
        """A function of the Unix time that gives (int, time until which that holds) and never raises; its index."""
        if len(self.clocks) >= CLOCK_LIMIT:
            raise ValueError(f"more than {CLOCK_LIMIT} clocks")
        self.clocks.append(Clock(function))
        return len(self.clocks) - 1

    @cython.cfunc
    def _tree(self, index: object) -> Tree:
        if not 0 <= index < len(self.trees):
            raise ValueError(f"there is no search tree {index}")
        return self.trees[index]

    # ---- the draw

    def draw(self, position: int, now: cython.longlong, fresh: cython.bint = False) -> int:
        """Answer what `ask` says from the memo: kind << 16 | number of answers, or -1 if that has to be learned.

        When the time of an answer is over, the first question goes to be learned anew, and others get the old one for
        up to STALE_LIMIT seconds meanwhile: else all of them would ask whatever the policy awaits. `fresh`: they don't.
        """
        policy: Policy = self.links.get(position)
        if policy is None:
            return -1
        step: Step = policy.root
        if step.plan is None and step.children is None:
            return self._stand_in(policy, 0, now)
        key: object
        tree: Tree
        clock: Clock
        taught: dict
        walked: cython.int = -1
        leaf: cython.ulonglong = 0
        kind: cython.int
        bits: cython.int
        at: cython.Py_ssize_t
        load: cython.ulonglong
        scope: cython.int = 0
        known: cython.int = self.q[_AT_BITS]
        four: cython.bint = self.q[_AT_FAMILY] != 6
        width: cython.int = 32 if four else 128
        if known > width:
            known = width
        while step.kind:
            kind = step.kind
            if kind == _TREE:
                tree = self.trees[step.a]
                if walked != step.a:
                    walked = step.a
                    leaf = self._walk(tree, self.q, _AT_CLIENT, width, known)
                    if self.depth > scope:
                        scope = self.depth
                if step.b >= len(tree.fields):
                    return self._stand_in(policy, scope, now)
                taught = tree.fields[step.b]
                key = taught.get(leaf)
                if key is None:
                    return self._stand_in(policy, scope, now)
            elif kind == _CLIENT:
                bits = step.a if four else step.b
                if bits > scope:
                    scope = bits
                key = self._prefix(self.q, _AT_CLIENT, four, bits, min(bits, known))
            elif kind == _HEALTH:
                key = 1 if self.health[_ROW_SIZE * step.a] == 1 else 0
            elif kind == _CAPTURED:
                at = self.q[_AT_CAPTURED_LENGTH]
                key = self.asked[_AT_CAPTURED : _AT_CAPTURED + at].decode("latin-1")
            elif kind == _TIME:
                clock = self.clocks[step.a]
                if now >= clock.until or now < clock.since:
                    clock.value, clock.until = clock.function(now)
                    clock.since = now
                key = clock.value
            elif kind == _LOAD:
                load = _u32(self.health, _ROW_SIZE * step.a + 4)
                key = -1 if load == _UNKNOWN_LOAD else load // cython.cast(cython.ulonglong, step.b)
            elif kind == _RESOLVER:
                bits = step.b if self.q[_AT_RESOLVER_FAMILY] == 6 else step.a
                key = self._prefix(self.q, _AT_RESOLVER, self.q[_AT_RESOLVER_FAMILY] != 6, bits, bits)
            elif kind == _TRANSPORT:
                key = self.q[_AT_TRANSPORT]
            elif kind == _EDNS:
                key = self.q[_AT_FLAGS] & 1
            elif kind == _DNSSEC_OK:
                key = (self.q[_AT_FLAGS] >> 1) & 1
            elif kind == _SUBNET_GIVEN:
                key = self.q[_AT_SUBNET_GIVEN]
            elif kind == _QTYPE:
                key = self.q[_AT_QTYPE] | (self.q[_AT_QTYPE + 1] << 8)
            else:
                key = _u32(self.q, _AT_GENERATION)
            step = step.children.get(key)
            if step is None:
                return self._stand_in(policy, scope, now)
        if step.plan is None:
            return self._stand_in(policy, scope, now)
        if step.until != 0 and now >= step.until:
            if fresh or not step.renewing or now >= step.until + _STALE_LIMIT:
                step.renewing = True
                return self._stand_in(policy, scope, now)
        self.tick += 1
        step.tick = self.tick
        policy.hits += 1
        self.audit_in -= 1
        if self.audit_in == 0:
            self._sample(policy, step)
        return self._play(policy, step.plan, scope, step.ede)

    @cython.cfunc
    def _stand_in(self, policy: Policy, scope: cython.int, now: cython.longlong) -> cython.int:
        """What is not known: while the policy rests its fallback, else -1. `scope` is of the facts looked at so far."""
        if policy.resting is None or now >= policy.rest_until or now < policy.rest_since:
            return -1
        policy.rested += 1
        return self._play(policy, policy.resting, scope, policy.rest_ede)

    def draw_plan(self, policy: int, plan: object, now: int, path: object = ()) -> int:
        """Draw from a plan without remembering it; results as `draw` gives them.

        `path`: the facts (as `learn` takes them) that the answer depends on, for the scope.
        """
        held: Policy = self._policy(policy)
        require_shallow(plan)
        found: Plan = self._known(self.unmemoized, (policy, plan))
        if found is None:
            found = self._compile(held, plan)
            if len(self.unmemoized) >= UNMEMOIZED_LIMIT:
                self.unmemoized.clear()
            self.unmemoized[(policy, plan)] = found
        four: cython.bint = self.q[_AT_FAMILY] != 6
        width: cython.int = 32 if four else 128
        scope: cython.int = 0
        for kind, a, b, _ in path:
            if kind == F_CLIENT:
                scope = max(scope, a if four else b)
            elif kind == F_TREE:
                self._walk(self._tree(a), self.q, _AT_CLIENT, width, min(self.q[_AT_BITS], width))
                scope = max(scope, self.depth)
        return self._play(held, found, scope, 0)

    @cython.cfunc
    def _sample(self, policy: Policy, step: Step) -> cython.void:
        """Keep a hit for `audits`; not one of an answer that stands in for the policy's own."""
        self.audit_in = self.audit_every
        if len(self.samples) < AUDIT_LIMIT and step.until == 0 and step.ede == 0:
            self.samples.append((policy.index, bytes(self.asked), step.plan.source))

    @cython.cfunc
    def _prefix(
        self,
        source: cython.uchar[::1],
        at: cython.Py_ssize_t,
        four: cython.bint,
        bits: cython.int,
        known: cython.int,
    ) -> object:
        """The key of an address's first `bits`, of which those past `known` count as 0.

        Anybody can choose addresses, and Python's hash of an int can be foreseen: the words go through a secret
        one-to-one mixing, so that nobody can fill one place of a dictionary.
        """
        high: cython.ulonglong = _u64_big(source, at)
        low: cython.ulonglong = 0
        whole: object
        if four:
            high = high >> 32 << 32
        elif known > 64:
            low = _u64_big(source, at + 8)
            if known < 128:
                low &= ~(MASK >> (known - 64))
        if known < 64:
            high &= ~(MASK >> known)
        if four or bits <= 56:
            # the last octet is free: the families never meet
            return _mix((high | (4 if four else 6)) ^ self.secret)
        high = _mix(high ^ self.secret)
        whole = high
        return (whole << 64) | _mix(low ^ high) | LONG_KEY

    @cython.cfunc
    def _walk(
        self, tree: Tree, source: cython.uchar[::1], at: cython.Py_ssize_t, width: cython.int, known: cython.int
    ) -> cython.ulonglong:
        """The leaf of an address of `width` bits, or 0; its depth in `depth`."""
        node: cython.ulonglong = 0
        word: cython.ulonglong = 0
        i: cython.int = 0
        self.depth = 0
        if width == 32:
            if tree.ip_version == 6:
                node = tree.start4
        elif tree.ip_version == 4:
            return 0
        while i < width and node < tree.node_count:
            if (i & 63) == 0:
                word = _u64_big(source, at + (i >> 3))
            node = tree.follow(node, (word >> 63) if i < known else 0)
            word = (word << 1) & MASK
            i += 1
        self.depth = i
        return node if node > tree.node_count else 0

    @cython.cfunc
    def _play(self, policy: Policy, plan: Plan, scope: cython.int, ede: cython.int) -> cython.int:
        """Draw, and write the outputs."""
        four: cython.bint = self.q[_AT_FAMILY] != 6
        self.kind = 0
        self.count = 0
        self.size = 0
        self.top = 0
        self.alone = False
        self.opened = False
        self.turned = False
        if not self._run(plan, 0, False):
            self.kind = 1
        if plan.uneven and self.count > 1:
            self._level()
        if self.opened:
            policy.fail_open += 1
        scope = max(scope, plan.bits4 if four else plan.bits6)
        self.q[_AT_SCOPE] = min(scope, 32 if four else 128)
        self.q[_AT_EDE] = ede & 255
        self.q[_AT_EDE + 1] = (ede >> 8) & 255
        self.q[_AT_LENGTH] = self.size & 255
        self.q[_AT_LENGTH + 1] = (self.size >> 8) & 255
        self.q[_AT_LENGTH + 2] = 0
        self.q[_AT_LENGTH + 3] = 0
        return (self.kind << 16) | cython.cast(cython.int, self.count)

    @cython.cfunc
    def _run(self, plan: Plan, at: cython.Py_ssize_t, everything: cython.bint) -> cython.bint:
        """Draw from a node; False if nothing in it is available. `everything`: also targets that checks found down."""
        op: cython.int = cython.cast(cython.int, plan.code[at + _OP])
        child: cython.Py_ssize_t = at + _STRIDE
        end: cython.Py_ssize_t
        wanted: cython.Py_ssize_t
        given: cython.Py_ssize_t = 0
        if self.kind:
            return True
        if op <= _CNAME:
            if plan.code[at + _ROW] and not self._is_up(plan.code[at + _ROW], everything):
                return False
            self._append(plan, at, op)
            return True
        if op == _OUTCOME:
            if self.count == 0:
                self.kind = cython.cast(cython.int, plan.code[at + _N])
            return True
        if op == _OPEN:
            if self._run(plan, child, everything):
                return True
            if everything or not self._run(plan, child, True):
                return False
            self.opened = True
            return True
        if op == _IN_ORDER:
            end = cython.cast(cython.Py_ssize_t, plan.code[at + _END])
            wanted = cython.cast(cython.Py_ssize_t, plan.code[at + _N])
            while child < end and given < wanted:
                if self._run(plan, child, everything):
                    given += 1
                child = cython.cast(cython.Py_ssize_t, plan.code[child + _END])
            return given > 0
        return self._choose(plan, at, op, everything)

    @cython.cfunc
    def _choose(self, plan: Plan, at: cython.Py_ssize_t, op: cython.int, everything: cython.bint) -> cython.bint:
        """Draw from some of the available children: by weight, by turn, or by the client."""
        base: cython.Py_ssize_t = self.top
        top: cython.Py_ssize_t = base
        child: cython.Py_ssize_t = at + _STRIDE
        end: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, plan.code[at + _END])
        wanted: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, plan.code[at + _N])
        given: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        total: cython.ulonglong = 0
        while child < end:
            if plan.code[child + _WEIGHT] and self._is_available(plan, child, everything):
                self.stack[top] = child
                top += 1
                total += plan.code[child + _WEIGHT]
            child = cython.cast(cython.Py_ssize_t, plan.code[child + _END])
        if top == base:
            return False
        if op == _ROTATE:
            self.top = top
            if self.turned:
                # Two that turn together would never be seen in some of their positions.
                i = cython.cast(cython.Py_ssize_t, self._random() % cython.cast(cython.ulonglong, top - base))
            else:
                i = cython.cast(
                    cython.Py_ssize_t, plan.code[at + _TURN] % cython.cast(cython.ulonglong, top - base)
                )
                plan.code[at + _TURN] = (plan.code[at + _TURN] + 1) & 0xFFFFFFFF
            wanted = min(wanted, top - base)
            if wanted > 1:
                self.turned = True
            while wanted > 0:
                if self._run(plan, self.stack[base + i], everything):
                    given += 1
                i += 1
                if i == top - base:
                    i = 0
                wanted -= 1
            self.turned = True
            self.top = base
            return given > 0
        if op == _STICKY:
            self._score(plan, at, base, top)
        while given < wanted and top > base:
            i = self._best(plan, base, top) if op == _STICKY else self._weighted(plan, base, top, total)
            child = self.stack[i]
            total -= plan.code[child + _WEIGHT]
            top -= 1
            self.stack[i] = self.stack[top]
            self.score[i] = self.score[top]
            self.top = top
            if self._run(plan, child, everything):
                given += 1
        self.top = base
        return given > 0

    @cython.cfunc
    def _weighted(
        self, plan: Plan, base: cython.Py_ssize_t, top: cython.Py_ssize_t, total: cython.ulonglong
    ) -> cython.Py_ssize_t:
        """A place of the stack, with the probability of its weight."""
        i: cython.Py_ssize_t
        weight: cython.ulonglong
        pick: cython.ulonglong
        pick = self._random() % total
        for i in range(base, top - 1):
            weight = plan.code[self.stack[i] + _WEIGHT]
            if pick < weight:
                return i
            pick -= weight
        return top - 1

    @cython.cfunc
    @cython.inline
    def _random(self) -> cython.ulonglong:
        """SplitMix64 (Steele, Lea and Flood 2014)."""
        self.state = (self.state + cython.cast(cython.ulonglong, 0x9E3779B97F4A7C15)) & MASK
        return _mix(self.state)

    @cython.cfunc
    def _score(
        self, plan: Plan, at: cython.Py_ssize_t, base: cython.Py_ssize_t, top: cython.Py_ssize_t
    ) -> cython.void:
        """-log2 of a number from 0 to 1 made of the client's prefix and the child, for each child on the stack.

        The child with the lowest score by weight is chosen with the probability of its weight, and keeps its
        clients whatever happens to the others (weighted rendezvous hashing). No secret goes in: all workers and all
        servers have to choose the same.
        """
        four: cython.bint = self.q[_AT_FAMILY] != 6
        bits: cython.int = cython.cast(cython.int, plan.code[at + (_BITS4 if four else _BITS6)])
        high: cython.ulonglong
        low: cython.ulonglong = 0
        h: cython.ulonglong
        zeros: cython.ulonglong
        part: cython.ulonglong
        i: cython.Py_ssize_t
        bits = min(bits, self.q[_AT_BITS])
        high = _u64_big(self.q, _AT_CLIENT)
        if four:
            high = high >> 32 << 32
        elif bits > 64:
            low = _u64_big(self.q, _AT_CLIENT + 8)
            if bits < 128:
                low &= ~(MASK >> (bits - 64))
        if bits < 64:
            high &= ~(MASK >> bits)
        high = _mix(_mix((high + (4 if four else 6)) & MASK) ^ low)
        for i in range(base, top):
            h = _mix(high ^ plan.code[self.stack[i] + _IDENTITY]) | 1
            zeros = 1
            while h < HIGHEST:
                h <<= 1
                zeros += 1
            # linear between the 256 steps of the table
            part = (h >> 55) & 255
            self.score[i] = (zeros << 24) - (
                self.logarithm[part]
                + (((self.logarithm[part + 1] - self.logarithm[part]) * ((h >> 31) & 0xFFFFFF)) >> 24)
            )

    @cython.cfunc
    def _best(self, plan: Plan, base: cython.Py_ssize_t, top: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The place of the stack with the lowest score by weight. (Scores have 30 bits, weights 32.)"""
        best: cython.Py_ssize_t = base
        i: cython.Py_ssize_t
        for i in range(base + 1, top):
            if (
                plan.code[self.stack[i] + _WEIGHT] * self.score[best]
                > plan.code[self.stack[best] + _WEIGHT] * self.score[i]
            ):
                best = i
        return best

    @cython.cfunc
    def _is_available(self, plan: Plan, at: cython.Py_ssize_t, everything: cython.bint) -> cython.bint:
        """Anything in the node can be drawn."""
        op: cython.int = cython.cast(cython.int, plan.code[at + _OP])
        child: cython.Py_ssize_t = at + _STRIDE
        end: cython.Py_ssize_t
        if op <= _CNAME:
            return plan.code[at + _ROW] == 0 or self._is_up(plan.code[at + _ROW], everything)
        if op == _OUTCOME:
            return True
        if op == _OPEN:
            everything = True
        end = cython.cast(cython.Py_ssize_t, plan.code[at + _END])
        while child < end:
            if plan.code[child + _WEIGHT] and self._is_available(plan, child, everything):
                return True
            child = cython.cast(cython.Py_ssize_t, plan.code[child + _END])
        return False

    @cython.cfunc
    @cython.inline
    def _is_up(self, row: cython.ulonglong, everything: cython.bint) -> cython.bint:
        at: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, row - 1) * _ROW_SIZE
        if everything:
            return self.health[at + _AT_OVERRIDE] < _BY_HAND_DOWN
        return self.health[at] == 1

    @cython.cfunc
    def _append(self, plan: Plan, at: cython.Py_ssize_t, op: cython.int) -> cython.void:
        """Put a record behind those drawn; one too many for a message is left out."""
        start: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, plan.code[at + _START])
        length: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, plan.code[at + _LENGTH])
        i: cython.Py_ssize_t
        if self.count:
            if self.alone or op == _CNAME:
                return
            if plan.repeats:
                for i in range(self.count):
                    if self.place[i] == start:
                        return
        if self.size + length > _BODY_SIZE:
            return
        _copy(self.o, self.size, plan.records, start, length)
        self.alone = op == _CNAME
        self.place[self.count] = start
        self.count += 1
        self.size += length

    @cython.cfunc
    def _level(self) -> cython.void:
        """Give all records drawn the lowest TTL among them."""
        at: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        lowest: cython.ulonglong = 0xFFFFFFFF
        while at < self.size:
            lowest = min(lowest, _u64_big(self.o, at + 2) & 0xFFFFFFFF)
            at += 12 + ((self.o[at + 10] << 8) | self.o[at + 11])
        at = 0
        while at < self.size:
            for i in range(4):
                self.o[at + 6 + i] = (lowest >> (24 - 8 * i)) & 255
            at += 12 + ((self.o[at + 10] << 8) | self.o[at + 11])

    # ---- learning

    def learn(self, policy: int, path: object, plan: object, ede: int = -1, until: int = 0) -> None:
        """The policy answers with `plan` whenever the facts of `path` have these values, until a time (0: for good).

        `path`: (kind, a, b, value) in the order in which the policy looked at them. The least recently drawn make
        room; what is larger than the whole memo is not kept. ValueError for what no policy can have said. A `draw`
        after it can still be -1 (bounds, a leaf that nobody taught): `draw_plan` then.
        """
        held: Policy = self._policy(policy)
        require_shallow(plan)
        if not -1 <= ede <= 0xFFFE:
            raise ValueError(f"an extended DNS error {ede}")
        facts = self._facts(path)
        found: Plan = self._known(held.plans, plan)
        if found is None:
            found = self._compile(held, plan)
        if held.entry_limit < 1 or found.cost + (STEP_COST + BRANCH_COST) * (len(facts) + 1) > held.byte_limit:
            return
        held.learned += 1
        step: Step = held.root
        child: Step
        for kind, a, b, key in facts:
            if step.kind != kind or step.a != a or step.b != b:
                if step.plan is not None or step.children is not None:
                    held.conflicts += 1
                    _clear(held, step)
                step.kind = kind
                step.a = a
                step.b = b
                step.children = {}
                held.bytes_held += BRANCH_COST
            child = step.children.get(key)
            if child is None:
                child = Step()
                step.children[key] = child
                held.bytes_held += _edge_cost(key)
            step = child
        if step.kind:
            held.conflicts += 1
        _clear(held, step)
        if found.uses == 0:
            held.plans[plan] = found
            held.bytes_held += found.cost
        found.uses += 1
        held.entries += 1
        self.tick += 1
        step.plan = found
        step.tick = self.tick
        step.ede = ede + 1
        step.until = until
        step.renewing = False
        while held.entries > held.entry_limit or held.bytes_held > held.byte_limit:
            ticks: list = []
            _collect_ticks(held.root, ticks)
            ticks.sort()
            eighth: cython.Py_ssize_t = (len(ticks) + 7) // 8
            _evict(held, held.root, ticks[eighth - 1])
            held.evicted += eighth

    @cython.cfunc
    def _facts(self, path: object) -> list:
        """(kind, a, b, key of the value) of each fact, all of them such as `draw` can look up."""
        facts: list = []
        for kind, a, b, value in path:
            numbers = isinstance(kind, int) and isinstance(a, int) and isinstance(b, int)
            if not numbers or not 0 <= a <= 0x7FFFFFFF or not 0 <= b <= 0x7FFFFFFF:
                raise ValueError(f"no fact: {(kind, a, b, value)!r:.200}")
            key = self._key(kind, a, b, value)
            if key is None:
                raise ValueError(f"no fact: {(kind, a, b, value)!r:.200}")
            facts.append((kind, a, b, key))
        if len(facts) > PATH_LIMIT:
            raise ValueError(f"a path of {len(facts)} facts; at most {PATH_LIMIT} are remembered")
        return facts

    @cython.cfunc
    def _key(self, kind: object, a: object, b: object, value: object) -> object:
        """What `draw` looks a value up by, or None if there is no such fact."""
        good: cython.bint = True
        if kind in (F_CLIENT, F_RESOLVER):
            if a > 32 or b > 128 or not isinstance(value, bytes) or value[:1] not in (b"\4", b"\6"):
                return None
            bits = a if value[0] == 4 else b
            if len(value) != 1 + (bits + 7) // 8:
                return None
            return self._prefix(bytearray(value[1:].ljust(16, b"\0")), 0, value[0] == 4, bits, bits)
        if kind == F_CAPTURED:
            return value.decode("latin-1") if isinstance(value, bytes) else None
        if kind == F_TREE:
            good = a < len(self.trees) and b < FIELD_LIMIT
        elif kind == F_HEALTH:
            good = a < len(self.health) // _ROW_SIZE
        elif kind == F_LOAD:
            good = a < len(self.health) // _ROW_SIZE and b > 0
        elif kind == F_TIME:
            good = a < len(self.clocks)
        elif not 0 < kind <= F_GENERATION:
            good = False
        return value if good and isinstance(value, int) else None

    @cython.cfunc
    def _known(self, plans: dict, plan: object) -> Plan:
        try:
            return plans.get(plan)
        except TypeError as error:
            raise ValueError(f"no plan: {error}") from error

    @cython.cfunc
    def _compile(self, policy: Policy, plan: object) -> Plan:
        """A plan made ready. Rotations begin anywhere: all workers beginning at the first child would prefer it."""
        compiled = compile_plan(plan, policy.ttl, len(self.health) // _ROW_SIZE)
        for turn in compiled.turns:
            compiled.code[turn] = self._random() >> 32
        return Plan(plan, compiled)


@cython.cfunc
def _clear(policy: Policy, step: Step) -> cython.void:
    """Make a place blank, and everything below it go."""
    child: Step
    if step.plan is not None:
        _release(policy, step)
    if step.children is not None:
        for key, child in step.children.items():
            _clear(policy, child)
            policy.bytes_held -= _edge_cost(key)
        policy.bytes_held -= BRANCH_COST
        step.children = None
    step.kind = 0


@cython.cfunc
def _edge_cost(key: object) -> cython.Py_ssize_t:
    return STEP_COST + (len(key) if isinstance(key, str) else 0)


@cython.cfunc
def _release(policy: Policy, step: Step) -> cython.void:
    """Take the plan from a leaf."""
    plan: Plan = step.plan
    step.plan = None
    policy.entries -= 1
    plan.uses -= 1
    if plan.uses == 0:
        del policy.plans[plan.source]
        policy.bytes_held -= plan.cost


@cython.cfunc
def _evict(policy: Policy, step: Step, newest: cython.longlong) -> cython.bint:
    """Take out leaves last drawn at `newest` or before, and places that lead to no other; True if none is left."""
    if step.children is None:
        if step.plan is not None and step.tick <= newest:
            _release(policy, step)
        return step.plan is None
    gone = [key for key, child in step.children.items() if _evict(policy, child, newest)]
    for key in gone:
        del step.children[key]
        policy.bytes_held -= _edge_cost(key)
    if step.children:
        return False
    step.children = None
    step.kind = 0
    policy.bytes_held -= BRANCH_COST
    return True


@cython.cfunc
def _collect_ticks(step: Step, ticks: list) -> cython.void:
    child: Step
    if step.plan is not None:
        ticks.append(step.tick)
    if step.children is not None:
        for child in step.children.values():
            _collect_ticks(child, ticks)


@cython.cfunc
def _collect_values(step: Step, values: dict) -> cython.void:
    """Put the values of each fact below a place into a set for each (kind, a, b)."""
    child: Step
    if step.children is not None:
        values.setdefault((step.kind, step.a, step.b), set()).update(step.children)
        for child in step.children.values():
            _collect_values(child, values)


# ---- numbers: ranges are checked on the first line, the loads after it are not


@cython.cfunc
@cython.inline
def _mix(h: cython.ulonglong) -> cython.ulonglong:
    """SplitMix64's finisher: every bit of the input counts for every bit of the output."""
    h = ((h ^ (h >> 30)) * cython.cast(cython.ulonglong, 0xBF58476D1CE4E5B9)) & MASK
    h = ((h ^ (h >> 27)) * cython.cast(cython.ulonglong, 0x94D049BB133111EB)) & MASK
    return h ^ (h >> 31)


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u32(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    """Four octets, the first one lowest."""
    if at < 0 or at + 4 > len(b):
        raise IndexError("outside a buffer")
    return b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (cython.cast(cython.ulonglong, b[at + 3]) << 24)


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u64_big(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    """Eight octets, the first one highest."""
    i: cython.Py_ssize_t
    value: cython.ulonglong = 0
    if at < 0 or at + 8 > len(b):
        raise IndexError("outside a buffer")
    for i in range(8):
        value = (value << 8) | b[at + i]
    return value


@cython.cfunc
def _copy(
    target: cython.uchar[::1],
    to: cython.Py_ssize_t,
    source: cython.const[cython.uchar][::1],
    start: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
) -> cython.int:
    """Copy n octets; the ranges are checked once, here."""
    if n < 0 or to < 0 or start < 0 or to + n > len(target) or start + n > len(source):
        raise IndexError("copy outside a buffer")
    if cython.compiled:
        _copy_checked(target, to, source, start, n)
    else:
        target[to : to + n] = source[start : start + n]
    return 0


@cython.cfunc
@cython.boundscheck(False)
@cython.exceptval(check=False)
def _copy_checked(
    target: cython.uchar[::1],
    to: cython.Py_ssize_t,
    source: cython.const[cython.uchar][::1],
    start: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(n):
        target[to + i] = source[start + i]
