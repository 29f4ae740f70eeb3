# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""The path of a packet: query bytes in, a verdict out, and for HIT the reply.

A packet is parsed in one pass, its name hashed label by label from the right, the deepest zone and the node found
by hash probes, and the reply copied from the compiled zone. What cannot be answered by copying is SLOW; what gets no
answer is DROP. Nothing is allocated per packet, nothing is logged, nothing is raised out of here: an index outside a
buffer (a hostile packet, or a bug) is counted as `malformed` and answered with FORMERR.

It knows nothing of sockets, files, time or Python that decides; the caller passes the time, and maps the zones. What a
policy decided is drawn from `memo.py`, what other servers said is remembered in an `AnswerCache`.

The file is long because it is one compiled unit: a call across modules would be a Python call for each packet.
"""

from __future__ import annotations

from array import array
from hashlib import sha1

try:
    import cython
except ModuleNotFoundError:
    from pippin.engine import shim as cython

from pippin.engine import layout, memo
from pippin.engine.cache import AnswerCache
from pippin.engine.counters import (
    C_ANSWERS, C_BADVERS, C_CACHE_HITS, C_DROPPED, C_FORMERR, C_MALFORMED, C_NOTIMP, C_NOT_READY, C_NXDOMAIN, C_QUERIES,
    C_REFUSED, C_SLOW, C_TRUNCATED, COUNTERS,
)  # fmt: skip
from pippin.engine.find import name_hash

HIT = 1  # the reply is ready
SLOW = 2  # the slow path has to answer
DROP = 3  # no reply at all

# Places of packets are an odd number of 64-byte lines apart: at a power of two all packets would fight for the same
# few cache sets (measured: 158 ns an answer against 108).
QUERY_SIZE = 33 * 64  # a longer UDP query cannot be genuine
UDP_SIZE_LIMIT = 4096  # the largest `Options.udp_size`
MESSAGE_SIZE = 65535
CLIENT_SIZE = 28  # a sockaddr_in6; a sockaddr_in uses its first 16 bytes
# Looking ahead reads each question twice. It is worth it where the zones are larger than what the processor's caches
# keep for us (`Options.ahead_above`), and where a batch has packets enough to wait together.
AHEAD_FROM = cython.declare(cython.Py_ssize_t, 4)
NAME_LIMIT = cython.declare(cython.Py_ssize_t, 255)
NAME_ROOM = 320  # a name, what the cache's key adds, and slack for loads of eight bytes

_HIT = cython.declare(cython.int, HIT)
_SLOW = cython.declare(cython.int, SLOW)
_DROP = cython.declare(cython.int, DROP)

# Rcodes (RFC 6895 section 2.3)
FORMERR = cython.declare(cython.int, 1)
NXDOMAIN = cython.declare(cython.int, 3)
SERVFAIL = cython.declare(cython.int, 2)
NOTIMP = cython.declare(cython.int, 4)
REFUSED = cython.declare(cython.int, 5)
BADVERS = cython.declare(cython.int, 16)
BADCOOKIE = cython.declare(cython.int, 23)

# EDNS options (RFC 5001, 7871, 7873, 7828, 8914)
NSID = cython.declare(cython.int, 3)
SUBNET = cython.declare(cython.int, 8)
COOKIE = cython.declare(cython.int, 10)
KEEPALIVE = cython.declare(cython.int, 11)

# Extended DNS errors (RFC 8914 section 5.2)
EDE_NOT_READY = cython.declare(cython.int, 14)
NOT_AUTHORITATIVE = cython.declare(cython.int, 20)

PRIME = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
ONE = cython.declare(cython.ulonglong, 1)

T_A = cython.declare(cython.int, 1)
T_CNAME = cython.declare(cython.int, 5)
T_AAAA = cython.declare(cython.int, 28)
T_DS = cython.declare(cython.int, 43)
T_RRSIG = cython.declare(cython.int, 46)
T_NSEC = cython.declare(cython.int, 47)
T_NSEC3 = cython.declare(cython.int, 50)
T_IXFR = cython.declare(cython.int, 251)
T_AXFR = cython.declare(cython.int, 252)
T_ANY = cython.declare(cython.int, 255)

# The layout's flags and sizes as C constants
AUTHORITATIVE = cython.declare(cython.int, layout.AUTHORITATIVE)
GLUE_REQUIRED = cython.declare(cython.int, layout.GLUE_REQUIRED)
CHASE = cython.declare(cython.int, layout.CHASE)
BLOCK_SLOW = cython.declare(cython.int, layout.BLOCK_SLOW)
CUT = cython.declare(cython.int, layout.CUT)
OCCLUDED = cython.declare(cython.int, layout.OCCLUDED)
WILDCARD_HERE = cython.declare(cython.int, layout.HAS_WILDCARD)
DNAME_HERE = cython.declare(cython.int, layout.HAS_DNAME)
IS_WILDCARD = cython.declare(cython.int, layout.IS_WILDCARD)
OWN = cython.declare(cython.int, layout.OWN)
POLICY = cython.declare(cython.int, layout.POLICY)
DEFAULT_TYPE = cython.declare(cython.int, layout.DEFAULT_TYPE)
SIGNED_ZONE = cython.declare(cython.int, layout.SIGNED)
NSEC3_ZONE = cython.declare(cython.int, layout.NSEC3)
PROVABLE = cython.declare(cython.int, layout.NSEC | layout.NSEC3)
NOT_READY = cython.declare(cython.int, layout.NOT_READY)
H_PROOF_TABLE = cython.declare(cython.Py_ssize_t, layout.H_PROOF_TABLE)
H_PROOF_COUNT = cython.declare(cython.Py_ssize_t, layout.H_PROOF_COUNT)
H_NSEC3_ITERATIONS = cython.declare(cython.Py_ssize_t, layout.H_NSEC3_ITERATIONS)
H_NSEC3_SALT_LENGTH = cython.declare(cython.Py_ssize_t, layout.H_NSEC3_SALT_LENGTH)
H_NSEC3_SALT = cython.declare(cython.Py_ssize_t, layout.H_NSEC3_SALT)
HEADER_SIZE = cython.declare(cython.Py_ssize_t, layout.HEADER_SIZE)

# More flags of remembered answers, beside those of blocks
RECURSION = cython.declare(cython.int, 16)  # RA, and CD as it was asked for
AUTHENTIC = cython.declare(cython.int, 32)  # AD for who wants it
FORWARDED = cython.declare(cython.int, 64)  # made from other servers' answers: TTLs age

# What a policy may look at, and what came of it (`memo.py`)
CLIENT_AT = cython.declare(cython.Py_ssize_t, memo.ASK_CLIENT)
FAMILY_AT = cython.declare(cython.Py_ssize_t, memo.ASK_FAMILY)
BITS_AT = cython.declare(cython.Py_ssize_t, memo.ASK_BITS)
SUBNET_GIVEN_AT = cython.declare(cython.Py_ssize_t, memo.ASK_SUBNET_GIVEN)
TRANSPORT_AT = cython.declare(cython.Py_ssize_t, memo.ASK_TRANSPORT)
FLAGS_AT = cython.declare(cython.Py_ssize_t, memo.ASK_FLAGS)
QTYPE_AT = cython.declare(cython.Py_ssize_t, memo.ASK_QTYPE)
RESOLVER_AT = cython.declare(cython.Py_ssize_t, memo.ASK_RESOLVER)
RESOLVER_FAMILY_AT = cython.declare(cython.Py_ssize_t, memo.ASK_RESOLVER_FAMILY)
CAPTURED_LENGTH_AT = cython.declare(cython.Py_ssize_t, memo.ASK_CAPTURED_LENGTH)
GENERATION_AT = cython.declare(cython.Py_ssize_t, memo.ASK_GENERATION)
CAPTURED_AT = cython.declare(cython.Py_ssize_t, memo.ASK_CAPTURED)
SCOPE_AT = cython.declare(cython.Py_ssize_t, memo.OUT_SCOPE)
EDE_AT = cython.declare(cython.Py_ssize_t, memo.OUT_EDE)
LENGTH_AT = cython.declare(cython.Py_ssize_t, memo.OUT_LENGTH)
DRAWN_ANSWER = cython.declare(cython.int, memo.ANSWER)
DRAWN_NODATA = cython.declare(cython.int, memo.NODATA)
DRAWN_NXDOMAIN = cython.declare(cython.int, memo.NXDOMAIN)
DRAWN_REFUSED = cython.declare(cython.int, memo.REFUSED)
DRAWN_DROP = cython.declare(cython.int, memo.DROP)
DRAWN_PASS = cython.declare(cython.int, memo.PASS)

# Answers of other servers are asked for again in the last tenth of their time, if somebody still wants them then.
LAST_PART = cython.declare(cython.int, 10)
DUE_LIMIT = cython.declare(cython.Py_ssize_t, 64)  # such questions between two looks at them
NETWORK_SIZE = cython.declare(cython.Py_ssize_t, 18)  # family (4 or 6), bits, address

c_ANSWERS = cython.declare(cython.Py_ssize_t, C_ANSWERS)
c_BADVERS = cython.declare(cython.Py_ssize_t, C_BADVERS)
c_CACHE_HITS = cython.declare(cython.Py_ssize_t, C_CACHE_HITS)
c_DROPPED = cython.declare(cython.Py_ssize_t, C_DROPPED)
c_FORMERR = cython.declare(cython.Py_ssize_t, C_FORMERR)
c_MALFORMED = cython.declare(cython.Py_ssize_t, C_MALFORMED)
c_NOTIMP = cython.declare(cython.Py_ssize_t, C_NOTIMP)
c_NOT_READY = cython.declare(cython.Py_ssize_t, C_NOT_READY)
c_NXDOMAIN = cython.declare(cython.Py_ssize_t, C_NXDOMAIN)
c_QUERIES = cython.declare(cython.Py_ssize_t, C_QUERIES)
c_REFUSED = cython.declare(cython.Py_ssize_t, C_REFUSED)
c_SLOW = cython.declare(cython.Py_ssize_t, C_SLOW)
c_TRUNCATED = cython.declare(cython.Py_ssize_t, C_TRUNCATED)


def is_compiled() -> bool:
    """True when this module runs as a compiled extension."""
    return cython.compiled


def reply_place(udp_size: int) -> int:
    """Bytes to set aside for each reply of a batch whose replies are at most `udp_size` long."""
    return 64 * (-(-udp_size // 64) | 1)


class Options:
    """What a Responder is told once. Sizes in bytes, times in seconds."""

    def __init__(
        self,
        udp_size: int = 1232,
        server_id: bytes = b"",
        cookie_secret: bytes = bytes(16),
        require_cookie: bool = False,
        rotate: bool = False,
        ahead_above: int = 32 << 20,
        cache_entries: int = 10_000,
        cache_bytes: int = 16 << 20,
        tcp_keepalive: int = 10,
        seed: int = 0,
        subnet_from: tuple[str, ...] = (),
        forward_for: tuple[str, ...] = (),
        live: bool = False,
    ) -> None:
        if not 512 <= udp_size <= UDP_SIZE_LIMIT:
            raise ValueError(f"udp_size is {udp_size}; it must be from 512 to {UDP_SIZE_LIMIT}")
        if len(cookie_secret) != 16:
            raise ValueError("cookie_secret must be 16 bytes")
        if len(server_id) > 128:
            raise ValueError("server_id must be at most 128 bytes")
        self.udp_size = udp_size
        self.server_id = server_id
        self.cookie_secret = cookie_secret
        self.require_cookie = require_cookie
        self.rotate = rotate
        self.ahead_above = ahead_above
        self.cache_entries = cache_entries
        self.cache_bytes = cache_bytes
        self.tcp_keepalive = tcp_keepalive
        self.seed = seed
        self.subnet_from = subnet_from
        """Networks whose EDNS Client Subnet options are believed (RFC 7871); from others they are ignored."""
        self.forward_for = forward_for
        """Networks whose questions for names outside the zones are SLOW instead of REFUSED."""
        self.live = live
        """Questions for names outside the zones are SLOW for everybody: some are in a database."""


def networks(texts: tuple[str, ...]) -> bytes:
    """Networks as `_is_within` reads them, 18 octets each: 4 or 6, prefix length, address."""
    from ipaddress import ip_network

    packed = bytearray()
    for text in texts:
        network = ip_network(text)
        packed += bytes((network.version, network.prefixlen)) + network.network_address.packed.ljust(16, b"\0")
    return bytes(packed)


@cython.final
@cython.cclass
class Batch:
    """Memory for `capacity` packets, allocated once and shared with `sockets`: queries, replies, clients, verdicts."""

    capacity: cython.Py_ssize_t
    query_size: cython.Py_ssize_t
    reply_size: cython.Py_ssize_t
    memory: object
    q: cython.uchar[::1]
    r: cython.uchar[::1]
    c: cython.uchar[::1]
    ql: cython.int[::1]
    rl: cython.int[::1]
    v: cython.uchar[::1]

    def __init__(self, capacity: int, query_size: int = QUERY_SIZE, reply_size: int = UDP_SIZE_LIMIT + 64) -> None:
        self.capacity = capacity
        self.query_size = query_size
        self.reply_size = reply_size
        queries = bytearray(capacity * query_size)
        replies = bytearray(capacity * reply_size)
        clients = bytearray(capacity * CLIENT_SIZE)
        query_lengths = array("i", bytes(4 * capacity))
        reply_lengths = array("i", bytes(4 * capacity))
        verdicts = bytearray(capacity)
        self.memory = (queries, query_lengths, replies, reply_lengths, clients, verdicts)
        self.q = queries
        self.r = replies
        self.c = clients
        self.ql = query_lengths
        self.rl = reply_lengths
        self.v = verdicts

    def buffers(self) -> tuple[bytearray, array[int], bytearray, array[int], bytearray, bytearray]:
        """(queries, query lengths, replies, reply lengths, clients, verdicts): packet i starts at i times the size."""
        return self.memory

    def sizes(self) -> tuple[int, int, int]:
        """(capacity, bytes per query, bytes per reply)."""
        return self.capacity, self.query_size, self.reply_size

    def set_query(self, i: int, query: bytes, client: bytes) -> None:
        """Put a packet at place `i`, for callers that receive in another way than `sockets`."""
        if len(query) > self.query_size:
            raise ValueError(f"a query of {len(query)} bytes does not fit {self.query_size}")
        start = i * self.query_size
        self.memory[0][start : start + len(query)] = query
        self.memory[4][i * CLIENT_SIZE : i * CLIENT_SIZE + len(client)] = client
        self.ql[i] = len(query)

    def query(self, i: int) -> bytes:
        """A copy of packet `i`."""
        start = i * self.query_size
        return bytes(self.memory[0][start : start + self.ql[i]])

    def reply(self, i: int) -> bytes:
        """A copy of the reply to packet `i`; only meaningful if its verdict is HIT."""
        start = i * self.reply_size
        return bytes(self.memory[2][start : start + self.rl[i]])

    def client(self, i: int) -> bytes:
        """The raw socket address that packet `i` came from (`client_address` reads it)."""
        return bytes(self.memory[4][i * CLIENT_SIZE : (i + 1) * CLIENT_SIZE])

    def verdict(self, i: int) -> int:
        """HIT, SLOW or DROP."""
        return self.v[i]


@cython.final
@cython.cclass
class Responder:
    """Answers packets from the zones placed in it. One for each worker; not for use from several threads."""

    counters: cython.ulonglong[::1]
    m: cython.const[cython.uchar][::1]  # the mapped zones
    q: cython.uchar[::1]  # queries of the batch at hand
    o: cython.uchar[::1]  # replies of the batch at hand
    c: cython.uchar[::1]  # clients of the batch at hand
    single: Batch
    cache: object
    elsewhere: object  # answers for names outside the zones
    due: dict
    live: cython.bint
    forward_for: cython.const[cython.uchar][::1]
    # policies
    memo: object
    steering: cython.bint
    locating: cython.bint
    chosen: cython.Py_ssize_t  # the entry that `_entry` found
    position: cython.Py_ssize_t
    ask: cython.uchar[::1]
    drawn: cython.const[cython.uchar][::1]
    subnet_from: cython.const[cython.uchar][::1]
    subnet: cython.Py_ssize_t  # where the data of the client subnet option starts, or 0
    subnet_length: cython.int
    scope: cython.int
    seed: cython.ulonglong
    udp_size: cython.Py_ssize_t
    server_id: cython.const[cython.uchar][::1]
    require_cookie: cython.bint
    rotate: cython.bint
    turn: cython.int
    turning: cython.uchar[::1]
    keepalive: cython.int
    sip: cython.uchar[::1]
    digest: cython.uchar[::1]
    key0: cython.ulonglong
    key1: cython.ulonglong
    now: cython.uint
    # zones: a row for each, and an open-addressing table of rows by the hash of the origin
    places: object
    free_rows: object
    zone_count: cython.Py_ssize_t
    zone_hash: cython.ulonglong[::1]
    zone_base: cython.ulonglong[::1]
    zone_table: cython.ulonglong[::1]
    zone_mask: cython.ulonglong[::1]
    zone_flags: cython.int[::1]
    zone_probe: cython.int[::1]
    zone_origin_length: cython.int[::1]
    zone_origin_labels: cython.int[::1]
    zone_negative: cython.ulonglong[::1]
    zone_negative_signed: cython.ulonglong[::1]
    zone_children: cython.int[::1]
    below: dict
    zone_rows: cython.int[::1]
    zone_rows_mask: cython.ulonglong
    zone_rows_used: cython.Py_ssize_t
    depth: cython.int[::1]  # how many zones have an origin of that many labels
    # memory asked for ahead of its use
    ahead: cython.ulonglong[::1]
    ahead_base: cython.ulonglong[::1]
    ahead_above: cython.longlong
    placed_bytes: cython.longlong
    zone_bytes: dict
    changes: cython.longlong
    touched: cython.int
    # the query at hand
    at: cython.Py_ssize_t  # where it starts in q
    end: cython.Py_ssize_t
    out: cython.Py_ssize_t  # where its reply starts in o
    room: cython.Py_ssize_t  # bytes there
    size: cython.Py_ssize_t  # bytes written there
    client: cython.Py_ssize_t
    stream: cython.bint
    labels: cython.Py_ssize_t
    label: cython.int[::1]
    label_hash: cython.ulonglong[::1]
    name: cython.uchar[::1]  # lower case, with the root label; then qtype and DO: the answer cache's key
    key: object  # the bytearray under `name`
    name_length: cython.Py_ssize_t
    qtype: cython.int
    qclass: cython.int
    question_length: cython.Py_ssize_t
    edns: cython.bint
    edns_version: cython.int
    dnssec_ok: cython.bint
    asked_size: cython.Py_ssize_t
    cookie: cython.Py_ssize_t  # where the client's cookie starts, or 0
    cookie_length: cython.int
    asked_nsid: cython.bint
    asked_keepalive: cython.bint
    ede: cython.int
    # another name, while looking for the zone of a CNAME's target
    other_label: cython.int[::1]
    other_hash: cython.ulonglong[::1]
    # a body put together from parts
    filled: cython.Py_ssize_t
    fill_limit: cython.Py_ssize_t
    sum_answers: cython.int
    sum_authorities: cython.int
    sum_additionals: cython.int
    # what `_fit` found
    fit_length: cython.Py_ssize_t
    fit_end: cython.Py_ssize_t
    fit_answers: cython.int
    fit_authorities: cython.int
    fit_additionals: cython.int
    fit_truncated: cython.bint

    def __init__(self, options: Options, counters: object = None) -> None:
        self.counters = counters if counters is not None else array("Q", bytes(8 * len(COUNTERS)))
        self.m = b""
        self.seed = options.seed
        self.udp_size = options.udp_size
        self.server_id = options.server_id
        self.require_cookie = options.require_cookie
        self.rotate = options.rotate
        self.turn = 0
        self.turning = bytearray(MESSAGE_SIZE)
        self.keepalive = 10 * options.tcp_keepalive
        self.sip = bytearray(32)
        self.digest = bytearray(20)
        self.key0 = int.from_bytes(options.cookie_secret[:8], "little")
        self.key1 = int.from_bytes(options.cookie_secret[8:], "little")
        self.cache = AnswerCache(options.cache_entries, options.cache_bytes)
        self.elsewhere = AnswerCache(options.cache_entries, options.cache_bytes)
        self.live = options.live
        self.due = {}
        self.forward_for = networks(options.forward_for)
        self.memo = None
        self.steering = False
        self.locating = False
        self.ask = bytearray(1)
        self.drawn = b""
        self.subnet_from = networks(options.subnet_from)
        self.single = Batch(1, MESSAGE_SIZE, MESSAGE_SIZE)
        self.places = {}
        self.ahead_above = options.ahead_above
        self.placed_bytes = 0
        self.zone_bytes = {}
        self.changes = 0
        self.below = {}
        self.free_rows = []
        self.zone_count = 0
        self._make_rows(16)
        self._make_zone_table(64)
        self.depth = array("i", bytes(4 * 129))
        self.ahead = array("Q", bytes(8 * 64))
        self.ahead_base = array("Q", bytes(8 * 64))
        self.label = array("i", bytes(4 * 129))
        self.label_hash = array("Q", bytes(8 * 129))
        self.other_label = array("i", bytes(4 * 129))
        self.other_hash = array("Q", bytes(8 * 129))
        self.key = bytearray(NAME_ROOM)
        self.name = self.key

    # ---- zones

    def map(self, memory: object) -> None:
        """The memory that holds the compiled zones; `place` speaks of positions in it."""
        self.m = memory

    def place(self, base: int) -> None:
        """Serve the compiled zone at `base` of the mapped memory, instead of an older version if there is one."""
        header = layout.read_header(memoryview(self.m)[base:])
        if header.seed != self.seed:
            raise ValueError("the compiled zone was hashed with another seed than queries are")
        origin = layout.origin(memoryview(self.m)[base : base + layout.HEADER_SIZE + 255])
        row: cython.Py_ssize_t
        known = self.places.get(origin)
        if known is not None:
            row = known
        elif self.free_rows:
            row = self.free_rows.pop()
        else:
            row = self.zone_count
            if row >= len(self.zone_base):
                self._grow_rows()
            self.zone_count += 1
        h: cython.ulonglong = name_hash(origin, self.seed)
        self.zone_hash[row] = h
        self.zone_base[row] = base
        self.zone_table[row] = base + header.hash_table
        self.zone_mask[row] = header.hash_mask
        self.zone_flags[row] = header.flags
        self.zone_probe[row] = header.max_probe
        self.zone_origin_length[row] = header.origin_length
        self.zone_origin_labels[row] = header.origin_labels
        self.zone_negative[row] = base + header.negative
        self.zone_negative_signed[row] = base + header.negative_signed
        if known is None:
            self.places[origin] = row
            self.depth[header.origin_labels] += 1
            self._enter_row(h, row)
            self._count_below(origin, 1)
        self.zone_children[row] = self.below.get(origin, 0)
        self.placed_bytes += header.size - self.zone_bytes.get(origin, 0)
        self.zone_bytes[origin] = header.size
        self._forget()

    def remove(self, origin: bytes) -> None:
        """Stop serving the zone with that origin (lower-case wire format). KeyError if it is not served."""
        row: cython.Py_ssize_t = self.places.pop(origin)
        slot: cython.ulonglong = (self.zone_hash[row] ^ (self.zone_hash[row] >> 32)) & self.zone_rows_mask
        while self.zone_rows[slot] != row + 1:
            slot = (slot + 1) & self.zone_rows_mask
        self.zone_rows[slot] = -1
        self.depth[self.zone_origin_labels[row]] -= 1
        self.free_rows.append(row)
        self._count_below(origin, -1)
        self.placed_bytes -= self.zone_bytes.pop(origin)
        self._forget()

    def _forget(self) -> None:
        """Zones have changed: what was worked out from them, and where their entries stood, is no longer true."""
        self.cache.clear()
        if self.memo is not None:
            self.memo.unlink_all()
        self.changes += 1

    def _count_below(self, origin: bytes, change: int) -> None:
        """Keep count of the zones served below every name, and tell the zones above this one."""
        at = 0
        while origin[at]:
            at += 1 + origin[at]
            above = origin[at:]
            self.below[above] = self.below.get(above, 0) + change
            if not self.below[above]:
                del self.below[above]
            row = self.places.get(above)
            if row is not None:
                self.zone_children[row] += change

    def base_of(self, origin: bytes) -> int:
        """Where the zone with that origin starts in the mapped memory. KeyError if it is not served."""
        return self.zone_base[self.places[origin]]

    def set_memo(self, policies: object) -> None:
        """Answer what zones leave to policies (layout.POLICY) from this `PolicyMemo`; without one zones answer alone."""
        self.memo = policies
        self.ask = policies.ask
        self.drawn = policies.drawn
        self.steering = True
        self.memo.unlink_all()

    def write_ask(self, query: bytes, client: bytes, stream: bool) -> int:
        """Write what a policy may look at in a question into the memo's `ask`, as `answer` does.

        Returns where the entry stands that leaves the question to a policy (for `PolicyMemo.link`), 0 if none does;
        good until `generation` changes. `client` as `client_from` makes it.
        """
        steering: cython.bint = self.steering
        self._take_single(query, client, 0, stream)
        self.position = 0
        self.locating = self.steering = True
        try:
            self._path()
        except IndexError:
            self.position = 0  # a packet that points outside itself asks for nothing
        self.locating = False
        self.steering = steering
        return self.position

    def generation(self) -> int:
        """Counts the changes of the zones served: an answer worked out in an older one may be stale."""
        return self.changes

    def origins(self) -> list[bytes]:
        """The origins of all zones served."""
        return list(self.places)

    @cython.cfunc
    def _make_rows(self, n: cython.Py_ssize_t) -> cython.void:
        self.zone_hash = array("Q", bytes(8 * n))
        self.zone_base = array("Q", bytes(8 * n))
        self.zone_table = array("Q", bytes(8 * n))
        self.zone_mask = array("Q", bytes(8 * n))
        self.zone_flags = array("i", bytes(4 * n))
        self.zone_probe = array("i", bytes(4 * n))
        self.zone_origin_length = array("i", bytes(4 * n))
        self.zone_origin_labels = array("i", bytes(4 * n))
        self.zone_negative = array("Q", bytes(8 * n))
        self.zone_negative_signed = array("Q", bytes(8 * n))
        self.zone_children = array("i", bytes(4 * n))

    @cython.cfunc
    def _grow_rows(self) -> cython.void:
        n: cython.Py_ssize_t = len(self.zone_base)
        hashes, bases, tables, masks = self.zone_hash, self.zone_base, self.zone_table, self.zone_mask
        flags, probes = self.zone_flags, self.zone_probe
        lengths, labels = self.zone_origin_length, self.zone_origin_labels
        negatives, signed, children = self.zone_negative, self.zone_negative_signed, self.zone_children
        self._make_rows(2 * n)
        self.zone_hash[:n] = hashes
        self.zone_base[:n] = bases
        self.zone_table[:n] = tables
        self.zone_mask[:n] = masks
        self.zone_flags[:n] = flags
        self.zone_probe[:n] = probes
        self.zone_origin_length[:n] = lengths
        self.zone_origin_labels[:n] = labels
        self.zone_negative[:n] = negatives
        self.zone_negative_signed[:n] = signed
        self.zone_children[:n] = children

    @cython.cfunc
    def _make_zone_table(self, slots: cython.Py_ssize_t) -> cython.void:
        self.zone_rows = array("i", bytes(4 * slots))
        self.zone_rows_mask = slots - 1
        self.zone_rows_used = 0

    @cython.cfunc
    def _enter_row(self, h: cython.ulonglong, row: cython.Py_ssize_t) -> cython.void:
        """Put a row into the table of zones; removed entries count as used until the table is made anew."""
        slot: cython.ulonglong
        if 2 * (self.zone_rows_used + 1) > len(self.zone_rows):
            self._make_zone_table(4 * len(self.zone_rows) if 4 * len(self.places) > len(self.zone_rows) else len(self.zone_rows))
            for other in self.places.values():
                if other != row:
                    self._enter_row(self.zone_hash[other], other)
        slot = (h ^ (h >> 32)) & self.zone_rows_mask
        while self.zone_rows[slot] > 0:
            slot = (slot + 1) & self.zone_rows_mask
        if self.zone_rows[slot] == 0:
            self.zone_rows_used += 1
        self.zone_rows[slot] = row + 1

    # ---- packets

    def answer(self, batch: Batch, count: cython.Py_ssize_t, now: cython.uint) -> int:
        """Give packets 0 … count - 1 of a UDP batch their verdicts and replies; how many are SLOW. `now`: Unix time."""
        i: cython.Py_ssize_t
        slow: cython.int = 0
        verdict: cython.int
        self.q = batch.q
        self.o = batch.r
        self.c = batch.c
        self.now = now
        self.stream = False
        self.room = batch.reply_size
        if count >= AHEAD_FROM and self.placed_bytes > self.ahead_above:
            self._look_ahead(batch, count)
        for i in range(count):
            self.at = i * batch.query_size
            self.end = self.at + batch.ql[i]
            self.out = i * batch.reply_size
            self.client = i * CLIENT_SIZE
            verdict = self._verdict()
            batch.v[i] = verdict
            if verdict == _HIT:
                batch.rl[i] = cython.cast(cython.int, self.size)
            elif verdict == _SLOW:
                slow += 1
        return slow

    @cython.cfunc
    def _look_ahead(self, batch: Batch, count: cython.Py_ssize_t) -> cython.void:
        """Touch the memory that the packets of a batch will need, so that the waits for it overlap.

        In zones larger than the processor's caches an answer waits twice: for the slot of the hash table, and for
        the node it names. Here all slots are asked for one after the other, and then all nodes, none of which has to
        wait for another; the questions are read twice, which costs less than one such wait.
        """
        i: cython.Py_ssize_t
        row: cython.Py_ssize_t
        at: cython.Py_ssize_t
        node: cython.Py_ssize_t
        h: cython.ulonglong
        sum_: cython.int = 0
        if count > len(self.ahead):
            self.ahead = array("Q", bytes(8 * count))
            self.ahead_base = array("Q", bytes(8 * count))
        for i in range(count):
            self.ahead[i] = 0
            self.at = i * batch.query_size
            self.end = self.at + batch.ql[i]
            if self.end - self.at < 17 or self._read_question() < 0:
                continue
            row = self._find_zone(0)
            if row < 0:
                continue
            h = self.label_hash[0] if self.labels else self.seed
            self.ahead[i] = self.zone_table[row] + 8 * ((h ^ (h >> 32)) & self.zone_mask[row])
            self.ahead_base[i] = self.zone_base[row]
        for i in range(count):
            at = self.ahead[i]
            if at:
                node = self._u32(at + 4)
                self.ahead[i] = self.ahead_base[i] + node if node else 0
        for i in range(count):
            at = self.ahead[i]
            if at:
                sum_ ^= self.m[at]
        self.touched = sum_  # so that the loads are not left out

    def answer_stream(self, query: bytes, client: bytes, now: int) -> tuple[int, bytes]:
        """One message that came over a stream transport: its verdict, and the reply if that is HIT."""
        verdict: cython.int
        self._take_single(query, client, now, True)
        verdict = self._verdict()
        return verdict, bytes(self.single.buffers()[2][: self.size]) if verdict == _HIT else b""

    def finish(self, query: bytes, client: bytes, now: int, stream: bool, reply: object) -> bytes:
        """The reply message around a body that the slow path made: header, question, truncation, OPT.

        `reply` has the attributes of `query.reply.Reply`. b"" if the query is one that gets no reply.
        """
        self._take_single(query, client, now, stream)
        if not self._read_query():
            return b""
        self.ede = reply.ede
        self.scope = reply.scope
        self._give_body(
            reply.body, reply.answers, reply.authorities, reply.additionals, reply.rcode, _flags_of(reply), 0
        )
        return bytes(self.single.buffers()[2][: self.size])

    def error(self, query: bytes, client: bytes, now: int, stream: bool, rcode: int) -> bytes:
        """A reply without records: FORMERR for what can't be read, else `rcode`. b"" if none may be sent."""
        self._take_single(query, client, now, stream)
        if self.end - self.at < 12 or self.q[self.at + 2] & 0x80:
            return b""
        if rcode == 1 or not self._read_query():
            self._give_bare(rcode)
        else:
            self._give_error(rcode)
        return bytes(self.single.buffers()[2][: self.size])

    def remember(self, query: bytes, now: int, reply: object) -> None:
        """Keep a slow answer for `reply.ttl` seconds. Any change of a zone forgets those for names in zones."""
        self._take_single(query, b"", now, False)
        if not self._read_query():
            return
        flags = _flags_of(reply)
        entry = (
            now + reply.ttl, now, reply.body, reply.answers, reply.authorities, reply.additionals, reply.rcode, flags,
            reply.ede,
        )  # fmt: skip
        key = self._cache_key()
        if self._find_zone(0) < 0:
            self.due.pop(key, None)
            self.elsewhere.put(key, entry)
        else:
            self.cache.put(key, entry)

    def take_due(self) -> list[bytes]:
        """Questions for names outside the zones that are asked while their answers are about to end, since the last call."""
        due = list(self.due.values())
        self.due.clear()
        return due

    def _take_single(self, query: bytes, client: bytes, now: int, stream: bool) -> None:
        self.single.set_query(0, query, client)
        self.q = self.single.q
        self.o = self.single.r
        self.c = self.single.c
        self.at = 0
        self.end = len(query)
        self.out = 0
        self.room = MESSAGE_SIZE
        self.client = 0
        self.now = now
        self.stream = stream

    @cython.cfunc
    def _verdict(self) -> cython.int:
        self.size = 0
        self.counters[c_QUERIES] += 1
        try:
            verdict: cython.int = self._path()
        except IndexError:
            # Something pointed outside its buffer: a hostile packet gets FORMERR and is counted.
            self.counters[c_MALFORMED] += 1
            verdict = self._give_bare(FORMERR)
        if verdict == _HIT:
            self.counters[c_ANSWERS] += 1
        elif verdict == _SLOW:
            self.counters[c_SLOW] += 1
        else:
            self.counters[c_DROPPED] += 1
        return verdict

    @cython.cfunc
    def _path(self) -> cython.int:
        """What to do with the packet, step by step. The order of the checks is the order of the message."""
        at: cython.Py_ssize_t = self.at
        questions: cython.int
        others: cython.int
        additionals: cython.int
        after: cython.Py_ssize_t
        if self.end - at < 12 or self.q[at + 2] & 0x80:
            return _DROP  # not a query: answering could start a loop (RFC 8906 section 3.1.1)
        self._forget_query()
        if (self.q[at + 2] >> 3) & 15:
            self.counters[c_NOTIMP] += 1
            return self._give_bare(NOTIMP)
        questions = (self.q[at + 4] << 8) | self.q[at + 5]
        others = (self.q[at + 6] << 8) | self.q[at + 7] | (self.q[at + 8] << 8) | self.q[at + 9]
        additionals = (self.q[at + 10] << 8) | self.q[at + 11]
        if questions != 1:
            return self._without_question(questions, others, additionals)
        after = self._read_question()
        if after < 0:
            return self._formerr()
        if others:
            return _SLOW if self.qtype == T_IXFR else self._formerr()  # RFC 1995 section 3: the SOA held
        if additionals:
            after = self._read_additional(after, additionals)
            if after == 0:  # not only an OPT record: TSIG, or nonsense
                return self._answer() if self.locating and self.qclass == 1 and self.qtype < 128 else _SLOW
            if after == -2:
                self.counters[c_FORMERR] += 1
                return self._give_error(FORMERR)  # RFC 7873 section 5.2.2
        if after != self.end:
            return self._formerr()
        if self.edns_version:
            self.counters[c_BADVERS] += 1
            return self._give_error(BADVERS)  # RFC 6891 section 6.1.3
        if self.qclass != 1:
            if self.qclass == 3:
                return _SLOW  # CH: version.bind and its like
            return self._refuse(False)
        if 128 <= self.qtype < T_ANY:
            if self.qtype == T_IXFR or self.qtype == T_AXFR:
                return _SLOW
            self.counters[c_NOTIMP] += 1
            return self._give_error(NOTIMP)
        if self.require_cookie and self.cookie and not (self.stream or self.locating) and not self._cookie_is_ours():
            return self._give_error(BADCOOKIE)  # RFC 7873 section 5.2.3
        return self._answer()

    @cython.cfunc
    def _forget_query(self) -> cython.void:
        self.edns = False
        self.edns_version = 0
        self.dnssec_ok = False
        self.cookie = 0
        self.cookie_length = 0
        self.asked_nsid = False
        self.asked_keepalive = False
        self.subnet = 0
        self.scope = 0
        self.asked_size = 512
        self.ede = -1

    @cython.cfunc
    def _without_question(
        self, questions: cython.int, others: cython.int, additionals: cython.int
    ) -> cython.int:
        """No question is fine only for a client that asks for a cookie (RFC 7873 section 5.4; RFC 9619)."""
        if questions == 0 and others == 0 and additionals == 1:
            self.question_length = 0
            if self._read_additional(self.at + 12, 1) == self.end and not self.edns_version:
                if self.cookie:
                    return self._give_error(0)
                self.counters[c_FORMERR] += 1
                return self._give_error(FORMERR)  # with OPT, as RFC 6891 section 6.1.1 demands
            self._forget_query()
        return self._formerr()

    @cython.cfunc
    def _read_query(self) -> cython.bint:
        """Read a query that may already have passed `_path`; False if it cannot be answered with its question."""
        after: cython.Py_ssize_t
        additionals: cython.int
        self.size = 0
        if self.end < 12 or self.q[2] & 0x80:
            return False
        self._forget_query()
        try:
            if self.q[4] != 0 or self.q[5] != 1:
                return False
            after = self._read_question()
            if after < 0:
                return False
            additionals = (self.q[10] << 8) | self.q[11]
            if additionals and self._read_additional(after, 1) == 0:
                self.edns = False
        except IndexError:
            return False
        return True

    @cython.cfunc
    def _read_question(self) -> cython.Py_ssize_t:
        """Read name, type and class; the place after them, or -1."""
        at: cython.Py_ssize_t = self.at + 12
        limit: cython.Py_ssize_t = min(self.end - at, NAME_LIMIT)
        k: cython.Py_ssize_t = 0
        n: cython.Py_ssize_t = 0
        length: cython.Py_ssize_t
        # Lower case first, structure after: a length byte that this would change is no length (RFC 1035 3.1).
        _lower(self.name, self.q, at, limit)
        while True:
            if k >= limit:
                return -1
            length = self.name[k]
            if length == 0:
                break
            # Compression pointers have no place in a question: there is nothing before it to point to.
            if length > 63 or k + length > 253:
                return -1
            self.label[n] = cython.cast(cython.int, k)
            n += 1
            k += length + 1
        self.name_length = k + 1
        self.labels = n
        at += k + 1
        if at + 4 > self.end:
            return -1
        self._hash_labels()
        self.qtype = (self.q[at] << 8) | self.q[at + 1]
        self.qclass = (self.q[at + 2] << 8) | self.q[at + 3]
        self.question_length = self.name_length + 4
        return at + 4

    @cython.cfunc
    def _hash_labels(self) -> cython.void:
        """`label_hash` of every suffix of the name (the definition: `find.name_hash`)."""
        n: cython.Py_ssize_t = self.labels
        end: cython.Py_ssize_t = self.name_length - 1
        at: cython.Py_ssize_t
        h: cython.ulonglong = self.seed
        chunk: cython.ulonglong
        while n > 0:
            n -= 1
            at = self.label[n]
            while at < end:
                chunk = _u64(self.name, at)
                if end - at < 8:
                    chunk &= (ONE << (8 * (end - at))) - 1
                h = ((h ^ chunk) * PRIME) & MASK
                h ^= h >> 29
                at += 8
            self.label_hash[n] = h
            end = self.label[n]

    @cython.cfunc
    def _read_additional(self, at: cython.Py_ssize_t, count: cython.int) -> cython.Py_ssize_t:
        """Read one OPT record (RFC 6891 section 6.1.2); the place after it, 0 if it is something else,
        -1 if it is bad, -2 if it is well-formed but for its cookie: the reply to that has an OPT record (section 7)."""
        end: cython.Py_ssize_t = self.end
        stop: cython.Py_ssize_t
        code: cython.int
        length: cython.Py_ssize_t
        if at + 11 > end:
            return -1
        if count != 1 or self.q[at] != 0 or self.q[at + 1] != 0 or self.q[at + 2] != 41:
            return 0
        self.edns = True
        self.asked_size = (self.q[at + 3] << 8) | self.q[at + 4]
        self.edns_version = self.q[at + 6]
        self.dnssec_ok = self.q[at + 7] & 0x80 != 0
        stop = at + 11 + ((self.q[at + 9] << 8) | self.q[at + 10])
        if stop > end:
            return -1
        at += 11
        while at < stop:
            if at + 4 > stop:
                return -1
            code = (self.q[at] << 8) | self.q[at + 1]
            length = (self.q[at + 2] << 8) | self.q[at + 3]
            at += 4
            if at + length > stop:
                return -1
            if code == COOKIE:
                # RFC 7873 section 5.2.2: 8 bytes of client cookie, then none or 8 to 32 of server cookie
                if length != 8 and (length < 16 or length > 40):
                    self.cookie = 0
                    return -2
                if not self.cookie:
                    self.cookie = at
                    self.cookie_length = cython.cast(cython.int, length)
            elif code == NSID:
                self.asked_nsid = True
            elif code == KEEPALIVE:
                self.asked_keepalive = True
            elif code == SUBNET and len(self.subnet_from) and not self.subnet and self._believes_client():
                if not self._subnet_is_right(at, length):
                    return -2
                self.subnet = at
                self.subnet_length = cython.cast(cython.int, length)
            at += length
        return at

    @cython.cfunc
    def _subnet_is_right(self, at: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.bint:
        """A client subnet option as RFC 7871 section 6 wants it: else FORMERR (section 7.1.2)."""
        bits: cython.int
        limit: cython.int = 0
        if length < 4 or self.q[at] or self.q[at + 3]:
            return False  # families have small numbers; in queries the scope is 0
        bits = self.q[at + 2]
        if self.q[at + 1] == 1:
            limit = 32
        elif self.q[at + 1] == 2:
            limit = 128
        elif self.q[at + 1]:
            return False  # family 0 says "don't use mine" (`dig +subnet=0`)
        if bits > limit or length != 4 + (bits + 7) // 8:
            return False
        return not bits & 7 or self.q[at + length - 1] & (0xFF >> (bits & 7)) == 0

    # ---- from the question to a block

    @cython.cfunc
    def _answer(self) -> cython.int:
        """RFC 1034 section 4.3.2 by hash probes: zone, node, cut, alias, data, wildcard, nothing."""
        row: cython.Py_ssize_t = self._find_zone(0)
        parent: cython.Py_ssize_t = -1
        base: cython.Py_ssize_t
        node: cython.Py_ssize_t = 0
        encloser: cython.Py_ssize_t = 0
        block: cython.Py_ssize_t
        reference: cython.Py_ssize_t
        i: cython.Py_ssize_t = 0
        top: cython.Py_ssize_t
        flags: cython.int
        wildcard: cython.bint = False
        proofs: cython.bint
        if row < 0:
            return self._answer_from_elsewhere()
        if self.qtype == T_DS and self.labels and self.labels == self.zone_origin_labels[row]:
            # DS lives on the parent's side of the cut (RFC 4035 section 3.1.4.1)
            parent = self._find_zone(1)
            if parent >= 0:
                row = parent
        base = self.zone_base[row]
        proofs = self.dnssec_ok and self.zone_flags[row] & PROVABLE
        top = self.labels - self.zone_origin_labels[row]
        for i in range(top + 1):
            node = self._probe(row, i)
            if node:
                break
        if node == 0:
            return self._slow()
        flags = self.m[node]
        if parent >= 0 and (flags & OCCLUDED or (flags & CUT and i)):
            if self.zone_flags[row] & NOT_READY:
                return self._give_not_ready()
            return self._slow()  # the zone above has delegated the parent away: the child has to answer after all
        if flags & OCCLUDED:
            if self.zone_flags[row] & NOT_READY:
                return self._give_not_ready()
            node = base + self._u32(node + 4)
            if not self.m[node] & CUT:
                return self._slow()  # below a DNAME
            return self._refer(node, row)
        if flags & CUT and not (self.qtype == T_DS and i == 0):
            return self._refer(node, row)
        if i == 0:
            reference = self.name_length - 2 if flags & IS_WILDCARD else self.name_length
        elif flags & DNAME_HERE:
            return self._slow()
        elif flags & WILDCARD_HERE:
            reference = self.name_length - self._label_at(i)
            encloser = node
            node = base + self._u32(node + 4)
            wildcard = True
            if self.m[node] & (CUT | DNAME_HERE):
                return self._slow()
        else:
            self.counters[c_NXDOMAIN] += 1
            if proofs:
                return self._deny(row, node, 0, i, NXDOMAIN)
            return self._give_negative(row, NXDOMAIN)
        if self.qtype == T_RRSIG:
            return self._slow()
        if self.qtype == T_DS and self._is_alias(node, row):
            return self._slow()  # it may lead to the apex, where the zone above has to answer
        block = self._entry(node, row)
        if block < 0:
            return self._slow()
        if self.steering and block and self.qtype != T_ANY and self._u16(self.chosen + 2) & POLICY:
            return self._steer(row, block, reference, i)
        if block == 0:
            if proofs:
                return self._deny(row, encloser, node, i, 0)
            return self._give_negative(row, 0)
        if wildcard and proofs:
            return self._give_expansion(row, block, reference, i)
        return self._give_block(block, reference, -1)

    @cython.cfunc
    def _find_zone(self, first: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row of the deepest zone at or above the suffix that starts at label `first`, or -1."""
        i: cython.Py_ssize_t
        row: cython.Py_ssize_t
        start: cython.Py_ssize_t
        h: cython.ulonglong
        slot: cython.ulonglong
        for i in range(first, self.labels + 1):
            if self.depth[self.labels - i] == 0:
                continue
            h = self.label_hash[i] if i < self.labels else self.seed
            start = self._label_at(i)
            slot = (h ^ (h >> 32)) & self.zone_rows_mask
            while self.zone_rows[slot]:
                row = self.zone_rows[slot] - 1
                if (
                    row >= 0
                    and self.zone_hash[row] == h
                    and self.zone_origin_length[row] == self.name_length - start
                    and self._matches(
                        cython.cast(cython.Py_ssize_t, self.zone_base[row]) + HEADER_SIZE, start, self.name_length - start
                    )
                ):
                    return row
                slot = (slot + 1) & self.zone_rows_mask
        return -1

    @cython.cfunc
    @cython.inline
    def _label_at(self, i: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Where label `i` starts in the name; the root label after the last."""
        return self.label[i] if i < self.labels else self.name_length - 1

    @cython.cfunc
    def _probe(self, row: cython.Py_ssize_t, i: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The position of the node whose name is the suffix from label `i`, or 0."""
        h: cython.ulonglong = self.label_hash[i] if i < self.labels else self.seed
        mask: cython.ulonglong = self.zone_mask[row]
        slot: cython.ulonglong = (h ^ (h >> 32)) & mask
        tag: cython.uint = cython.cast(cython.uint, h >> 32)
        table: cython.Py_ssize_t = self.zone_table[row]
        start: cython.Py_ssize_t = self._label_at(i)
        length: cython.Py_ssize_t = self.name_length - self.zone_origin_length[row] - start
        at: cython.Py_ssize_t
        node: cython.Py_ssize_t
        name: cython.Py_ssize_t = 16 if self.zone_flags[row] & SIGNED_ZONE else 8
        _step: cython.int
        for _step in range(self.zone_probe[row] + 1):
            at = table + 8 * cython.cast(cython.Py_ssize_t, slot)
            node = self._u32(at + 4)
            if node == 0:
                return 0
            if self._u32(at) == tag:
                node += cython.cast(cython.Py_ssize_t, self.zone_base[row])
                if self.m[node + 1] == length and self._matches(node + name, start, length):
                    return node
            slot = (slot + 1) & mask
        return 0

    @cython.cfunc
    def _is_alias(self, node: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.bint:
        """The node owns a CNAME: then its first entry is the one for every type (layout.py)."""
        at: cython.Py_ssize_t = node + (16 if self.zone_flags[row] & SIGNED_ZONE else 8) + self.m[node + 1]
        return self._u16(node + 2) != 0 and self._u16(at) == DEFAULT_TYPE

    @cython.cfunc
    def _entry(self, node: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The block that answers the query type at a node; 0 if there is none, -1 if the slow path has to look."""
        signed: cython.bint = self.zone_flags[row] & SIGNED_ZONE != 0
        stride: cython.Py_ssize_t = 12 if signed else 8
        at: cython.Py_ssize_t = node + (16 if signed else 8) + self.m[node + 1]
        stop: cython.Py_ssize_t = at + stride * self._u16(node + 2)
        default: cython.Py_ssize_t = 0
        chosen: cython.Py_ssize_t = 0
        kind: cython.int
        qtype: cython.int = self.qtype
        while at < stop:
            kind = self._u16(at)
            if kind == qtype:
                chosen = at
                break
            if kind == DEFAULT_TYPE:
                default = at
            elif qtype == T_ANY and self._u16(at + 2) & OWN:
                # RFC 8482 section 4.1: one RRset; the alias, or the lowest type that is data
                if kind == T_CNAME:
                    chosen = at
                    break
                if chosen == 0 or self._u16(chosen) == T_NSEC or self._u16(chosen) == T_NSEC3:
                    chosen = at
            at += stride
        if chosen == 0:
            if default == 0 or qtype == T_ANY:
                return 0
            chosen = default
        self.chosen = chosen
        if self.zone_children[row] and not self._u16(chosen + 2) & (OWN | POLICY):
            return -1  # an alias was followed inside this zone, and a zone below may know its target better
        if signed and self.dnssec_ok:
            at = self._u32(chosen + 8)
            if at:
                return cython.cast(cython.Py_ssize_t, self.zone_base[row]) + at
        return cython.cast(cython.Py_ssize_t, self.zone_base[row]) + cython.cast(cython.Py_ssize_t, self._u32(chosen + 4))

    @cython.cfunc
    def _refer(self, cut: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """The referral at a zone cut; the name asked for is at the cut or below it."""
        qtype: cython.int = self.qtype
        block: cython.Py_ssize_t
        self.qtype = 2
        block = self._entry(cut, row)
        self.qtype = qtype
        if self.dnssec_ok and self.zone_flags[row] & NSEC3_ZONE and not self._owns(cut, row, T_DS):
            return self._refer_insecurely(cut, row, block)
        return self._give_block(block, self.m[cut + 1] + self.zone_origin_length[row], -1)

    @cython.cfunc
    def _give_negative(self, row: cython.Py_ssize_t, rcode: cython.int) -> cython.int:
        """SOA and, for who asked for it, its signatures; no proofs."""
        block: cython.Py_ssize_t = self.zone_negative[row]
        if self.dnssec_ok and self.zone_flags[row] & SIGNED_ZONE:
            block = self.zone_negative_signed[row]
        return self._give_block(block, self.zone_origin_length[row], rcode)

    # ---- answers that policies decide

    @cython.cfunc
    def _steer(
        self, row: cython.Py_ssize_t, block: cython.Py_ssize_t, reference: cython.Py_ssize_t, i: cython.Py_ssize_t
    ) -> cython.int:
        """What the policy at the entry `chosen` decides for this client: from the memo, else the slow path.

        `block` is the zone's own answer; `i` the label at which the closest encloser begins, 0 without a wildcard.
        """
        drawn: cython.longlong
        kind: cython.int
        self._write_ask(i)
        if self.locating:
            self.position = self.chosen
            return _SLOW
        drawn = self.memo.draw(self.chosen, self.now)
        if drawn < 0:
            return _SLOW
        self.scope = self.ask[SCOPE_AT]
        self.ede = (self.ask[EDE_AT] | (self.ask[EDE_AT + 1] << 8)) - 1
        kind = cython.cast(cython.int, drawn >> 16)
        if kind == DRAWN_ANSWER:
            return self._give_part(
                self.drawn,
                self.ask[LENGTH_AT] | (self.ask[LENGTH_AT + 1] << 8),
                cython.cast(cython.int, drawn & 0xFFFF), 0, 0, 0, AUTHORITATIVE, 0,
            )  # fmt: skip
        if kind == DRAWN_PASS and self._u16(self.chosen + 2) & OWN:
            return self._give_block(block, reference, -1)
        if kind == DRAWN_PASS or kind == DRAWN_NODATA:
            return self._give_negative(row, 0)
        if kind == DRAWN_NXDOMAIN:
            self.counters[c_NXDOMAIN] += 1
            return self._give_negative(row, NXDOMAIN)
        if kind == DRAWN_REFUSED:
            return self._refuse(False)
        if kind == DRAWN_DROP:
            return _DROP
        return self._give_error(SERVFAIL)

    @cython.cfunc
    def _write_ask(self, i: cython.Py_ssize_t) -> cython.void:
        """Everything that policies may look at, for the memo."""
        n: cython.Py_ssize_t = self._label_at(i) if i else 0
        family: cython.int = self._source(RESOLVER_AT)
        bits: cython.int
        k: cython.Py_ssize_t
        generation: cython.ulonglong = self.changes
        self.ask[RESOLVER_FAMILY_AT] = family
        if self.subnet and self.q[self.subnet + 2]:
            family = 4 if self.q[self.subnet + 1] == 1 else 6
            bits = self.q[self.subnet + 2]
            for k in range(16):
                self.ask[CLIENT_AT + k] = self.q[self.subnet + 4 + k] if k < self.subnet_length - 4 else 0
            self.ask[SUBNET_GIVEN_AT] = 1
        else:
            bits = 32 if family == 4 else 128
            for k in range(16):
                self.ask[CLIENT_AT + k] = self.ask[RESOLVER_AT + k]
            self.ask[SUBNET_GIVEN_AT] = 0
        self.ask[FAMILY_AT] = family
        self.ask[BITS_AT] = bits
        self.ask[TRANSPORT_AT] = self.stream
        self.ask[FLAGS_AT] = self.edns | (self.dnssec_ok << 1)  # memo.ASK_EDNS, memo.ASK_DNSSEC_OK
        self.ask[QTYPE_AT] = self.qtype & 255
        self.ask[QTYPE_AT + 1] = self.qtype >> 8
        for k in range(4):
            self.ask[GENERATION_AT + k] = cython.cast(cython.uchar, (generation >> (8 * k)) & 255)
        self.ask[CAPTURED_LENGTH_AT] = cython.cast(cython.uchar, n)
        if n:
            _copy(self.ask, CAPTURED_AT, self.name, 0, n)

    @cython.cfunc
    def _source(self, at: cython.Py_ssize_t) -> cython.int:
        """Write the address that the packet came from to ask[at:at + 16], and return its family, 4 or 6."""
        c: cython.Py_ssize_t = self.client
        start: cython.Py_ssize_t = c + 4
        size: cython.Py_ssize_t = 4
        k: cython.Py_ssize_t
        if self.c[c] | (self.c[c + 1] << 8) != 2:
            start = c + 8
            size = 16
            if self._is_mapped(start):
                start += 12
                size = 4
        for k in range(16):
            self.ask[at + k] = self.c[start + k] if k < size else 0
        return 4 if size == 4 else 6

    @cython.cfunc
    def _is_mapped(self, at: cython.Py_ssize_t) -> cython.bint:
        """The IPv6 address at c[at] is an IPv4 one (::ffff:0:0/96, RFC 4291 section 2.5.5.2)."""
        k: cython.Py_ssize_t
        for k in range(10):
            if self.c[at + k]:
                return False
        return self.c[at + 10] == 255 and self.c[at + 11] == 255

    @cython.cfunc
    def _believes_client(self) -> cython.bint:
        return self._is_within(self.subnet_from)

    @cython.cfunc
    def _is_within(self, packed: cython.const[cython.uchar][::1]) -> cython.bint:
        """The address that the packet came from is in one of these networks (`networks` packs them)."""
        start: cython.Py_ssize_t = self.client + 4
        family: cython.int = 4
        at: cython.Py_ssize_t = 0
        bits: cython.int
        k: cython.Py_ssize_t
        if self.c[self.client] | (self.c[self.client + 1] << 8) != 2:
            start = self.client + 8
            family = 6
            if self._is_mapped(start):
                start += 12
                family = 4
        while at < len(packed):
            if packed[at] == family:
                bits = packed[at + 1]
                k = 0
                while bits >= 8 and packed[at + 2 + k] == self.c[start + k]:
                    bits -= 8
                    k += 1
                if bits < 8 and (bits == 0 or (packed[at + 2 + k] ^ self.c[start + k]) >> (8 - bits) == 0):
                    return True
            at += NETWORK_SIZE
        return False

    # ---- answers from other servers and live databases

    @cython.cfunc
    def _answer_from_elsewhere(self) -> cython.int:
        """For a name outside all zones: remembered, or SLOW, or for who must not ask for it REFUSED."""
        key: object
        entry: tuple
        forwards: cython.bint = len(self.forward_for) and self._is_within(self.forward_for)
        if not forwards and not self.live:
            return self._refuse(True)
        key = self._cache_key()
        entry = self.elsewhere.get(key, self.now)
        if entry is None:
            return _SLOW
        if entry[7] & FORWARDED and not forwards:
            return self._refuse(True)
        self.counters[c_CACHE_HITS] += 1
        if (entry[0] - self.now) * LAST_PART <= entry[0] - entry[1] and len(self.due) < DUE_LIMIT:
            self.due.setdefault(key, bytes(self.q[self.at : self.end]))
        self.ede = entry[8]
        return self._give_body(entry[2], entry[3], entry[4], entry[5], entry[6], entry[7], self.now - entry[1])

    @cython.cfunc
    def _make_recursive(self, flags: cython.int, records: cython.int, age: cython.uint) -> cython.void:
        """Header bits and TTLs of a forwarded answer, once it stands in the reply."""
        o: cython.Py_ssize_t = self.out
        at: cython.Py_ssize_t = o + 12 + self.question_length
        ttl: cython.uint
        k: cython.int
        self.o[o + 3] |= 0x80 | (self.q[self.at + 3] & 0x10)  # RA; CD is copied (RFC 4035 section 3.2.2)
        if flags & AUTHENTIC and (self.dnssec_ok or self.q[self.at + 3] & 0x20):
            self.o[o + 3] |= 0x20  # RFC 6840 section 5.8: for who shows that it understands AD
        while age and flags & FORWARDED and records > 0:
            while self.o[at] and self.o[at] < 0xC0:
                at += 1 + self.o[at]
            at += 2 if self.o[at] else 1
            ttl = (
                (cython.cast(cython.uint, self.o[at + 4]) << 24)
                | (self.o[at + 5] << 16) | (self.o[at + 6] << 8) | self.o[at + 7]
            )  # fmt: skip
            ttl = ttl - age if ttl > age else 0
            for k in range(4):
                self.o[at + 4 + k] = cython.cast(cython.uchar, (ttl >> (24 - 8 * k)) & 255)
            at += 10 + ((self.o[at + 8] << 8) | self.o[at + 9])
            records -= 1

    # ---- denial of existence (RFC 4035 section 3.1.3, RFC 5155 section 7.2)

    @cython.cfunc
    def _deny(
        self,
        row: cython.Py_ssize_t,
        encloser: cython.Py_ssize_t,
        node: cython.Py_ssize_t,
        i: cython.Py_ssize_t,
        rcode: cython.int,
    ) -> cython.int:
        """SOA and proofs: NXDOMAIN (`node` 0), NODATA at `node` (`i` 0), or NODATA at the wildcard `node`.

        `i` is the label at which `encloser`, the closest encloser, begins.
        """
        base: cython.Py_ssize_t = self.zone_base[row]
        one: cython.Py_ssize_t = 0
        two: cython.Py_ssize_t = 0
        three: cython.Py_ssize_t = 0
        if self.zone_flags[row] & NSEC3_ZONE:
            if i == 0:
                one = self._u32(node + 8)
            else:
                one = self._u32(encloser + 8)
                two = self._covering_hash(row, i - 1)
                three = self._u32(node + 8) if node else self._u32(encloser + 12)
                if two == 0 or three == 0:
                    return self._slow()
            if one == 0:
                return self._slow()  # opted out: the proof has to start further up
        elif i == 0:
            one = node - base if self._owns(node, row, T_NSEC) else self._predecessor(row)
        else:
            one = self._predecessor(row)
            if node == 0:
                two = self._u32(encloser + 12)
            elif self._owns(node, row, T_NSEC):
                two = node - base
            else:
                return self._slow()
        if one == 0:
            return self._slow()
        self._open()
        if (
            self._add_block(self.zone_negative_signed[row], self.zone_origin_length[row])
            and self._add_proof(base + one, row)
            and (two == 0 or two == one or self._add_proof(base + two, row))
            and (three == 0 or three == one or three == two or self._add_proof(base + three, row))
        ):
            return self._shut(rcode, True)
        return self._slow()

    @cython.cfunc
    def _give_expansion(
        self, row: cython.Py_ssize_t, block: cython.Py_ssize_t, reference: cython.Py_ssize_t, i: cython.Py_ssize_t
    ) -> cython.int:
        """A wildcard's answer, and the proof that no name closer than its encloser at label `i` exists."""
        proof: cython.Py_ssize_t
        if self.m[block + 11] & (BLOCK_SLOW | CHASE) or self._u16(block + 4) or self._u16(block + 6):
            return self._slow()
        if self.zone_flags[row] & NSEC3_ZONE:
            proof = self._covering_hash(row, i - 1)
        else:
            proof = self._predecessor(row)
        self._open()
        if (
            proof
            and self._add_block(block, reference)
            and self._add_proof(cython.cast(cython.Py_ssize_t, self.zone_base[row]) + proof, row)
        ):
            return self._shut(0, True)
        return self._slow()

    @cython.cfunc
    def _refer_insecurely(
        self, cut: cython.Py_ssize_t, row: cython.Py_ssize_t, block: cython.Py_ssize_t
    ) -> cython.int:
        """A referral without DS in an NSEC3 zone: NS, the NSEC3 that matches the cut, glue (RFC 5155 section 7.2.7)."""
        base: cython.Py_ssize_t = self.zone_base[row]
        proof: cython.Py_ssize_t = self._u32(cut + 8)
        reference: cython.Py_ssize_t = self.m[cut + 1] + self.zone_origin_length[row]
        length: cython.Py_ssize_t = self._u16(block)
        at: cython.Py_ssize_t = 0
        left: cython.int = self._u16(block + 4)
        if proof == 0 or self.m[block + 11] & BLOCK_SLOW:
            return self._slow()
        while left > 0:
            at = self._after_record(block + 12 + at) - block - 12
            left -= 1
        self._open()
        if (
            self._add_part(block, reference, 0, at)
            and self._add_proof(base + proof, row)
            and self._add_part(block, reference, at, length)
        ):
            self.sum_authorities += self._u16(block + 4)
            self.sum_additionals += self._u16(block + 6)
            return self._shut(0, False)
        return self._slow()

    @cython.cfunc
    def _owns(self, node: cython.Py_ssize_t, row: cython.Py_ssize_t, rdtype: cython.int) -> cython.bint:
        """The node owns records of that type."""
        signed: cython.bint = self.zone_flags[row] & SIGNED_ZONE != 0
        stride: cython.Py_ssize_t = 12 if signed else 8
        at: cython.Py_ssize_t = node + (16 if signed else 8) + self.m[node + 1]
        stop: cython.Py_ssize_t = at + stride * self._u16(node + 2)
        while at < stop:
            if self._u16(at) == rdtype and self._u16(at + 2) & OWN:
                return True
            at += stride
        return False

    @cython.cfunc
    def _predecessor(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The last owner of an NSEC record at or before the query name, relative to the zone's base; 0 if none."""
        base: cython.Py_ssize_t = self.zone_base[row]
        table: cython.Py_ssize_t = base + self._u32(base + H_PROOF_TABLE)
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self._u32(base + H_PROOF_COUNT)
        middle: cython.Py_ssize_t
        key: cython.ulonglong = self._canonical_key(row)
        other: cython.ulonglong
        before: cython.bint
        while low < high:
            middle = (low + high) >> 1
            other = self._u64_big(table + 12 * middle)
            if other == key:
                before = self._stands_after(base + cython.cast(cython.Py_ssize_t, self._u32(table + 12 * middle + 8)), row) >= 0
            else:
                before = other < key
            if before:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return 0
        return self._u32(table + 12 * (low - 1) + 8)

    @cython.cfunc
    def _canonical_key(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """The first eight bytes of the query name's key below the origin (`find.canonical_key`)."""
        n: cython.Py_ssize_t = self.labels - self.zone_origin_labels[row]
        at: cython.Py_ssize_t
        end: cython.Py_ssize_t = self._label_at(n)
        got: cython.int = 0
        key: cython.ulonglong = 0
        octet: cython.uint
        while n > 0 and got < 8:
            n -= 1
            at = self.label[n] + 1
            while at < end and got < 8:
                octet = self.name[at]
                at += 1
                if octet <= 1:
                    key = (key << 8) | 1
                    got += 1
                    octet += 1
                    if got == 8:
                        break
                key = (key << 8) | octet
                got += 1
            if got < 8:
                key <<= 8
                got += 1
            end = self.label[n]
        while got < 8:
            key <<= 8
            got += 1
        return key & MASK

    @cython.cfunc
    def _stands_after(self, node: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """Canonical order of the query name against a node of a signed zone: 1 after it, 0 the same, -1 before."""
        n: cython.Py_ssize_t = self.labels - self.zone_origin_labels[row]
        k: cython.Py_ssize_t = 0
        start: cython.Py_ssize_t = node + 16
        at: cython.Py_ssize_t = start
        end: cython.Py_ssize_t = start + self.m[node + 1]
        one: cython.int
        two: cython.int
        i: cython.int
        while at < end and k < 128:
            self.other_label[k] = cython.cast(cython.int, at - start)
            k += 1
            at += 1 + self.m[at]
        while n > 0 and k > 0:
            n -= 1
            k -= 1
            at = start + self.other_label[k]
            one = self.name[self.label[n]]
            two = self.m[at]
            for i in range(1, min(one, two) + 1):
                if self.name[self.label[n] + i] != self.m[at + i]:
                    return 1 if self.name[self.label[n] + i] > self.m[at + i] else -1
            if one != two:
                return 1 if one > two else -1
        if n == k:
            return 0
        return 1 if n > k else -1

    @cython.cfunc
    def _covering_hash(self, row: cython.Py_ssize_t, i: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The node of the NSEC3 that covers the hash of the name from label `i`, relative to the base; 0 if none.

        0 also if an NSEC3 matches: then the name was thought not to exist by mistake, and the slow path looks again.
        """
        base: cython.Py_ssize_t = self.zone_base[row]
        table: cython.Py_ssize_t = base + self._u32(base + H_PROOF_TABLE)
        count: cython.Py_ssize_t = self._u32(base + H_PROOF_COUNT)
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = count
        middle: cython.Py_ssize_t
        step: cython.Py_ssize_t = 8
        order: cython.int
        key: cython.ulonglong
        if count == 0:
            return 0
        self._hash_name(row, i)
        key = _u64_big(self.digest, 0)
        # Hashes are spread evenly, so the place is known within a few: widen from there, then halve.
        middle = cython.cast(cython.Py_ssize_t, ((key >> 32) * cython.cast(cython.ulonglong, count)) >> 32)
        if self._u64_big(table + 24 * middle) <= key:
            low = middle
            while low + step < count and self._u64_big(table + 24 * (low + step)) <= key:
                low += step
                step *= 2
            high = min(low + step, count)
        else:
            high = middle
            while high - step >= 0 and self._u64_big(table + 24 * (high - step)) > key:
                high -= step
                step *= 2
            low = max(high - step, 0)
        while low < high:
            middle = (low + high) >> 1
            order = self._compare_digest(table + 24 * middle)
            if order == 0:
                return 0
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return self._u32(table + 24 * (low - 1 if low else count - 1) + 20)

    @cython.cfunc
    def _compare_digest(self, at: cython.Py_ssize_t) -> cython.int:
        """A hash of the proof table against `digest`."""
        i: cython.int
        for i in range(20):
            if self.m[at + i] != self.digest[i]:
                return -1 if self.m[at + i] < self.digest[i] else 1
        return 0

    @cython.cfunc
    def _hash_name(self, row: cython.Py_ssize_t, i: cython.Py_ssize_t) -> cython.void:
        """SHA-1 of the name from label `i` into `digest`, iterated and salted as the zone says (RFC 5155 section 5)."""
        base: cython.Py_ssize_t = self.zone_base[row]
        iterations: cython.int = self._u16(base + H_NSEC3_ITERATIONS)
        salt_length: cython.Py_ssize_t = self.m[base + H_NSEC3_SALT_LENGTH]
        at: cython.Py_ssize_t
        view: cython.const[cython.uchar][::1]
        digest: bytes
        salt: bytes = b""
        if salt_length:
            at = base + self._u32(base + H_NSEC3_SALT)
            salt = bytes(self.m[at : at + salt_length])
        digest = sha1(self.key[self._label_at(i) : self.name_length] + salt).digest()
        for _ in range(iterations):
            digest = sha1(digest + salt).digest()
        view = digest
        _copy(self.digest, 0, view, 0, 20)

    # ---- replies of several parts

    @cython.cfunc
    def _open(self) -> cython.void:
        """Begin a body that is put together from parts."""
        self.filled = self.out + 12 + self.question_length
        self.fill_limit = self.filled + self._room_for_body()
        self.sum_answers = 0
        self.sum_authorities = 0
        self.sum_additionals = 0

    @cython.cfunc
    def _shut(self, rcode: cython.int, authoritative: cython.bint) -> cython.int:
        """End a body that was put together from parts."""
        self._close(
            self.filled - self.out - 12 - self.question_length,
            rcode, authoritative, False, self.sum_answers, self.sum_authorities, self.sum_additionals,
        )  # fmt: skip
        return _HIT

    @cython.cfunc
    def _add_block(self, block: cython.Py_ssize_t, reference: cython.Py_ssize_t) -> cython.bint:
        """Add a block as the first part; False if it does not fit."""
        self.sum_answers += self._u16(block + 2)
        self.sum_authorities += self._u16(block + 4)
        self.sum_additionals += self._u16(block + 6)
        return self._add_part(block, reference, 0, self._u16(block))

    @cython.cfunc
    def _add_part(
        self,
        block: cython.Py_ssize_t,
        reference: cython.Py_ssize_t,
        start: cython.Py_ssize_t,
        stop: cython.Py_ssize_t,
    ) -> cython.bint:
        """Add bytes `start` to `stop` of a block's body; False if they do not fit.

        Pointers move as the query name is longer than the reference name. They point into the question or into a
        first part, so a part added later may stand anywhere.
        """
        body: cython.Py_ssize_t = self.filled - start
        relocations: cython.Py_ssize_t = block + 12 + self._u16(block)
        delta: cython.Py_ssize_t = self.name_length - reference
        pointer: cython.Py_ssize_t
        at: cython.Py_ssize_t
        i: cython.Py_ssize_t
        if self.filled + stop - start > self.fill_limit:
            return False
        _copy(self.o, self.filled, self.m, block + 12 + start, stop - start)
        self.filled += stop - start
        if delta:
            for i in range(self._u16(block + 8)):
                at = self._u16(relocations + 2 * i)
                if start <= at < stop:
                    pointer = ((self.o[body + at] & 0x3F) << 8 | self.o[body + at + 1]) + delta
                    self.o[body + at] = cython.cast(cython.uchar, 0xC0 | (pointer >> 8))
                    self.o[body + at + 1] = cython.cast(cython.uchar, pointer & 255)
        return True

    @cython.cfunc
    def _add_proof(self, node: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.bint:
        """Add the NSEC or NSEC3 RRset of a node and its signatures, owner spelled out; False if it does not fit.

        In the block all owners are pointers to the query name. The first is replaced by the labels below the origin
        and a pointer to the origin in the question, the others by a pointer to that.
        """
        qtype: cython.int = self.qtype
        block: cython.Py_ssize_t
        length: cython.Py_ssize_t
        labels: cython.Py_ssize_t = self.m[node + 1]
        origin: cython.Py_ssize_t = 12 + self.name_length - self.zone_origin_length[row]
        owner: cython.Py_ssize_t = self.filled - self.out if labels else origin
        at: cython.Py_ssize_t
        end: cython.Py_ssize_t
        self.qtype = T_NSEC3 if self.zone_flags[row] & NSEC3_ZONE else T_NSEC
        block = self._entry(node, row)
        self.qtype = qtype
        if block == 0:
            return False
        length = self._u16(block)
        if length < 12 or self.filled + labels + length > self.fill_limit:
            return False
        _copy(self.o, self.filled, self.m, node + 16, labels)
        at = self.filled + labels
        self.o[at] = cython.cast(cython.uchar, 0xC0 | (origin >> 8))
        self.o[at + 1] = cython.cast(cython.uchar, origin & 255)
        _copy(self.o, at + 2, self.m, block + 14, length - 2)
        end = at + length
        at += 12 + ((self.o[at + 10] << 8) | self.o[at + 11])
        while at + 12 <= end:
            self.o[at] = cython.cast(cython.uchar, 0xC0 | (owner >> 8))
            self.o[at + 1] = cython.cast(cython.uchar, owner & 255)
            at += 12 + ((self.o[at + 10] << 8) | self.o[at + 11])
        self.filled = end
        self.sum_authorities += self._u16(block + 2)
        return True

    @cython.cfunc
    def _after_record(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Where the record at a mapped position ends."""
        while self.m[at] and self.m[at] < 0xC0:
            at += 1 + self.m[at]
        at += 2 if self.m[at] else 1
        return at + 10 + ((self.m[at + 8] << 8) | self.m[at + 9])

    @cython.cfunc
    def _slow(self) -> cython.int:
        """The slow path's answer if it is remembered, else SLOW."""
        entry: tuple = self.cache.get(self._cache_key(), self.now)
        if entry is None:
            return _SLOW
        self.counters[c_CACHE_HITS] += 1
        self.ede = entry[8]
        return self._give_body(entry[2], entry[3], entry[4], entry[5], entry[6], entry[7], 0)

    @cython.cfunc
    def _cache_key(self) -> object:
        """Everything that a slow answer depends on: name, type, class, DO, CD."""
        n: cython.Py_ssize_t = self.name_length
        self.name[n] = self.qtype >> 8
        self.name[n + 1] = self.qtype & 255
        self.name[n + 2] = self.qclass & 255
        self.name[n + 3] = self.dnssec_ok | (self.q[self.at + 3] & 0x10)
        return bytes(self.key[: n + 4])

    # ---- replies

    @cython.cfunc
    def _give_block(self, block: cython.Py_ssize_t, reference: cython.Py_ssize_t, rcode: cython.int) -> cython.int:
        """Copy a block into the reply. `reference`: the length of its reference name; `rcode` -1: the block's own."""
        length: cython.Py_ssize_t = self._u16(block)
        answers: cython.int = self._u16(block + 2)
        authorities: cython.int = self._u16(block + 4)
        additionals: cython.int = self._u16(block + 6)
        relocations: cython.Py_ssize_t = self._u16(block + 8)
        flags: cython.int = self.m[block + 11]
        room: cython.Py_ssize_t = self._room_for_body()
        body: cython.Py_ssize_t = self.out + 12 + self.question_length
        delta: cython.Py_ssize_t = self.name_length - reference
        truncated: cython.bint = False
        i: cython.Py_ssize_t
        at: cython.Py_ssize_t
        pointer: cython.Py_ssize_t
        kept: cython.Py_ssize_t = length
        if flags & BLOCK_SLOW:
            return self._slow()
        if flags & CHASE:
            if len(self.places) > 1 and self._target_is_served(block):
                return self._slow()
            if len(self.forward_for) and self.q[self.at + 2] & 1 and self._is_within(self.forward_for):
                return self._slow()  # the alias leads outside, where another server knows the rest
        if rcode < 0:
            rcode = self.m[block + 10]
        if length > room:
            self._fit(self.m, block + 12, length, 16 + reference, answers, authorities, additionals, room, flags)
            kept = self.fit_length
            answers = self.fit_answers
            authorities = self.fit_authorities
            additionals = self.fit_additionals
            truncated = self.fit_truncated
        _copy(self.o, body, self.m, block + 12, kept)
        if self.rotate and answers > 1:
            self._rotate(body, answers)
        if delta:
            for i in range(relocations):
                at = self._u16(block + 12 + length + 2 * i)
                if at < kept:
                    pointer = ((self.o[body + at] & 0x3F) << 8 | self.o[body + at + 1]) + delta
                    self.o[body + at] = cython.cast(cython.uchar, 0xC0 | (pointer >> 8))
                    self.o[body + at + 1] = cython.cast(cython.uchar, pointer & 255)
        self._close(kept, rcode, flags & AUTHORITATIVE != 0, truncated, answers, authorities, additionals)
        return _HIT

    @cython.cfunc
    def _rotate(self, at: cython.Py_ssize_t, answers: cython.int) -> cython.void:
        """Begin the last RRset of A or AAAA records in an answer section with another record each time.

        Only the addresses change places: owner, TTL and length are the same in all records of the set.
        """
        kind: cython.int = 0
        size: cython.Py_ssize_t
        first: cython.Py_ssize_t = 0
        count: cython.int = 0
        stride: cython.Py_ssize_t
        shift: cython.int
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        while answers > 0:
            while self.o[at] and self.o[at] < 0xC0:
                at += 1 + self.o[at]
            at += 2 if self.o[at] else 1
            size = (self.o[at + 8] << 8) | self.o[at + 9]
            i = (self.o[at] << 8) | self.o[at + 1]
            if i == kind:
                count += 1
            elif (i == T_A and size == 4) or (i == T_AAAA and size == 16):
                kind = cython.cast(cython.int, i)
                first = at
                count = 1
            at += 10 + size
            answers -= 1
        if count < 2:
            return
        size = 4 if kind == T_A else 16
        stride = 12 + size  # owners are pointers from the second record on
        self.turn = (self.turn + 1) & 0xFFFF
        shift = self.turn % count
        first += 10
        if first + (count - 1) * stride + size > at or count * size > len(self.turning):
            return
        for i in range(count):
            for j in range(size):
                self.turning[i * size + j] = self.o[first + ((i + shift) % count) * stride + j]
        for i in range(count):
            for j in range(size):
                self.o[first + i * stride + j] = self.turning[i * size + j]

    @cython.cfunc
    def _give_body(
        self,
        body: object,
        answers: cython.int,
        authorities: cython.int,
        additionals: cython.int,
        rcode: cython.int,
        flags: cython.int,
        age: cython.uint,
    ) -> cython.int:
        """Copy a body that was composed for this question, `age` seconds ago, into the reply."""
        source: cython.const[cython.uchar][::1] = body
        return self._give_part(source, len(source), answers, authorities, additionals, rcode, flags, age)

    @cython.cfunc
    def _give_part(
        self,
        source: cython.const[cython.uchar][::1],
        length: cython.Py_ssize_t,
        answers: cython.int,
        authorities: cython.int,
        additionals: cython.int,
        rcode: cython.int,
        flags: cython.int,
        age: cython.uint,
    ) -> cython.int:
        """`_give_body` for the first `length` bytes of `source`."""
        room: cython.Py_ssize_t = self._room_for_body()
        truncated: cython.bint = False
        if length > room:
            self._fit(source, 0, length, 16 + self.name_length, answers, authorities, additionals, room, flags)
            length = self.fit_length
            answers = self.fit_answers
            authorities = self.fit_authorities
            additionals = self.fit_additionals
            truncated = self.fit_truncated
        _copy(self.o, self.out + 12 + self.question_length, source, 0, length)
        self._close(length, rcode, flags & AUTHORITATIVE != 0, truncated, answers, authorities, additionals)
        if flags & RECURSION:
            self._make_recursive(flags, answers + authorities + additionals, age)
        return _HIT

    @cython.cfunc
    def _refuse(self, explain: cython.bint) -> cython.int:
        self.counters[c_REFUSED] += 1
        if explain:
            self.ede = NOT_AUTHORITATIVE
        return self._give_error(REFUSED)

    @cython.cfunc
    def _give_not_ready(self) -> cython.int:
        self.counters[c_NOT_READY] += 1
        self.ede = EDE_NOT_READY
        return self._give_error(SERVFAIL)

    @cython.cfunc
    def _formerr(self) -> cython.int:
        self.counters[c_FORMERR] += 1
        return self._give_bare(FORMERR)

    @cython.cfunc
    def _give_error(self, rcode: cython.int) -> cython.int:
        """A reply with the question and no records."""
        self._close(0, rcode, False, False, 0, 0, 0)
        return _HIT

    @cython.cfunc
    def _give_bare(self, rcode: cython.int) -> cython.int:
        """A header alone: for what could not be read (RFC 8906 section 3.1.3 for unknown opcodes)."""
        i: cython.Py_ssize_t
        o: cython.Py_ssize_t = self.out
        self.o[o] = self.q[self.at]
        self.o[o + 1] = self.q[self.at + 1]
        self.o[o + 2] = 0x80 | (self.q[self.at + 2] & 0x79)
        self.o[o + 3] = rcode & 15
        for i in range(4, 12):
            self.o[o + i] = 0
        self.size = 12
        return _HIT

    @cython.cfunc
    def _room_for_body(self) -> cython.Py_ssize_t:
        """Bytes between the question and the OPT record, within what the client and we allow."""
        limit: cython.Py_ssize_t
        if self.stream:
            limit = MESSAGE_SIZE
        else:
            limit = self.asked_size
            if limit < 512:
                limit = 512  # RFC 6891 section 6.2.3
            if limit > self.udp_size:
                limit = self.udp_size
        if limit > self.room:
            limit = self.room
        return limit - 12 - self.question_length - self._opt_length()

    @cython.cfunc
    def _opt_length(self) -> cython.Py_ssize_t:
        n: cython.Py_ssize_t = 11
        if not self.edns:
            return 0
        if self.cookie:
            n += 28
        if self.asked_nsid and len(self.server_id):
            n += 4 + len(self.server_id)
        if self.asked_keepalive and self.stream:
            n += 6
        if self.subnet:
            n += 4 + self.subnet_length
        if self.ede >= 0:
            n += 6
        return n

    @cython.cfunc
    def _close(
        self,
        length: cython.Py_ssize_t,
        rcode: cython.int,
        authoritative: cython.bint,
        truncated: cython.bint,
        answers: cython.int,
        authorities: cython.int,
        additionals: cython.int,
    ) -> cython.void:
        """Write header and question before a body of that length, and OPT after it."""
        o: cython.Py_ssize_t = self.out
        at: cython.Py_ssize_t = self.at
        self.o[o] = self.q[at]
        self.o[o + 1] = self.q[at + 1]
        # RD is copied (RFC 1035 section 4.1.1); CD and AD are not ours to set (RFC 4035 section 3.1.6)
        self.o[o + 2] = 0x80 | (self.q[at + 2] & 1) | (4 if authoritative else 0) | (2 if truncated else 0)
        self.o[o + 3] = rcode & 15
        self.o[o + 4] = 0
        self.o[o + 5] = 1 if self.question_length else 0
        self.o[o + 6] = (answers >> 8) & 255
        self.o[o + 7] = answers & 255
        self.o[o + 8] = (authorities >> 8) & 255
        self.o[o + 9] = authorities & 255
        if self.edns:
            additionals += 1
        self.o[o + 10] = (additionals >> 8) & 255
        self.o[o + 11] = additionals & 255
        _copy(self.o, o + 12, self.q, at + 12, self.question_length)
        self.size = 12 + self.question_length + length
        if truncated:
            self.counters[c_TRUNCATED] += 1
        if self.edns:
            self._put_opt(rcode)

    @cython.cfunc
    def _put_opt(self, rcode: cython.int) -> cython.void:
        """The OPT record (RFC 6891 section 6.1) with what was asked for."""
        at: cython.Py_ssize_t = self.out + self.size
        length: cython.Py_ssize_t = self._opt_length()
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t
        self.o[at] = 0
        self.o[at + 1] = 0
        self.o[at + 2] = 41
        self.o[at + 3] = (self.udp_size >> 8) & 255
        self.o[at + 4] = self.udp_size & 255
        self.o[at + 5] = (rcode >> 4) & 255
        self.o[at + 6] = 0
        self.o[at + 7] = 0x80 if self.dnssec_ok else 0
        self.o[at + 8] = 0
        self.o[at + 9] = ((length - 11) >> 8) & 255
        self.o[at + 10] = (length - 11) & 255
        self.size += length
        at += 11
        if length == 11:
            return
        if self.cookie:
            self._option(at, COOKIE, 24)
            self._make_cookie(self.now, False)
            for i in range(8):
                self.o[at + 4 + i] = self.q[self.cookie + i]
            for i in range(16):
                self.o[at + 12 + i] = self.sip[8 + i]
            at += 28
        if self.asked_nsid and len(self.server_id):
            n = len(self.server_id)
            self._option(at, NSID, n)
            _copy(self.o, at + 4, self.server_id, 0, n)
            at += 4 + n
        if self.asked_keepalive and self.stream:
            self._option(at, KEEPALIVE, 2)
            self.o[at + 4] = (self.keepalive >> 8) & 255
            self.o[at + 5] = self.keepalive & 255
            at += 6
        if self.subnet:
            # RFC 7871 section 7.2.1: the option as it came, and how much of the address the answer depends on
            n = self.subnet_length
            self._option(at, SUBNET, n)
            _copy(self.o, at + 4, self.q, self.subnet, n)
            self.o[at + 7] = self.scope if self.q[self.subnet + 2] else 0
            at += 4 + n
        if self.ede >= 0:
            self._option(at, 15, 2)
            self.o[at + 4] = (self.ede >> 8) & 255
            self.o[at + 5] = self.ede & 255

    @cython.cfunc
    def _option(self, at: cython.Py_ssize_t, code: cython.int, length: cython.Py_ssize_t) -> cython.void:
        self.o[at] = 0
        self.o[at + 1] = code
        self.o[at + 2] = (length >> 8) & 255
        self.o[at + 3] = length & 255

    @cython.cfunc
    def _fit(
        self,
        source: cython.const[cython.uchar][::1],
        start: cython.Py_ssize_t,
        length: cython.Py_ssize_t,
        base: cython.Py_ssize_t,
        answers: cython.int,
        authorities: cython.int,
        additionals: cython.int,
        room: cython.Py_ssize_t,
        flags: cython.int,
    ) -> cython.void:
        """How much of a body fits, in whole RRsets (RFC 2181 section 9), and whether what is left out sets TC.

        `base` is where the body stands in the message that its compression pointers are made for. Additional
        records may be left out silently, except glue (RFC 9471).
        """
        at: cython.Py_ssize_t = 0
        owner: cython.Py_ssize_t
        last_owner: cython.Py_ssize_t = -1
        last_type: cython.int = -1
        last_section: cython.int = -1
        kind: cython.int
        section: cython.int
        seen: cython.int = 0
        kept: cython.int = 0
        total: cython.int = answers + authorities + additionals
        self.fit_length = 0
        self.fit_end = 0
        while seen < total:
            section = 0 if seen < answers else 1 if seen < answers + authorities else 2
            owner = base + at
            while True:
                if source[start + at] >= 0xC0:
                    if owner == base + at:
                        owner = ((source[start + at] & 0x3F) << 8) | source[start + at + 1]
                    at += 2
                    break
                if source[start + at] == 0:
                    at += 1
                    break
                at += 1 + source[start + at]
            kind = (source[start + at] << 8) | source[start + at + 1]
            if owner != last_owner or kind != last_type or section != last_section:
                # A new RRset: all before it are whole.
                kept = seen
                self.fit_length = self.fit_end
            last_owner = owner
            last_type = kind
            last_section = section
            at += 10 + ((source[start + at + 8] << 8) | source[start + at + 9])
            if at > length:
                raise IndexError("a body ends inside a record")
            seen += 1
            if at > room:
                break
            self.fit_end = at
        self.fit_truncated = kept < answers + authorities or flags & GLUE_REQUIRED != 0
        self.fit_answers = min(kept, answers)
        self.fit_authorities = min(max(0, kept - answers), authorities)
        self.fit_additionals = max(0, kept - answers - authorities)

    @cython.cfunc
    def _target_is_served(self, block: cython.Py_ssize_t) -> cython.bint:
        """The CNAME at the end of a block leads into another zone served here."""
        at: cython.Py_ssize_t = block + 12
        left: cython.int = self._u16(block + 2)
        rdata: cython.Py_ssize_t = 0
        n: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        k: cython.Py_ssize_t
        end: cython.Py_ssize_t
        row: cython.Py_ssize_t
        octet: cython.uint
        chunk: cython.ulonglong
        h: cython.ulonglong = self.seed
        slot: cython.ulonglong
        # In these blocks every owner is a pointer or the target written before; the last CNAME is spelled out.
        while left > 0:
            end = self._after_record(at)
            while self.m[at] and self.m[at] < 0xC0:
                at += 1 + self.m[at]
            at += 2 if self.m[at] else 1
            if self.m[at] == 0 and self.m[at + 1] == T_CNAME:
                rdata = at + 10
            at = end
            left -= 1
        at = rdata
        while self.m[at] and n < 128:
            self.other_label[n] = cython.cast(cython.int, at - rdata)
            n += 1
            at += 1 + self.m[at]
        end = at
        for i in range(n, -1, -1):
            if i < n:
                at = rdata + self.other_label[i]
                while at < end:
                    chunk = 0
                    for k in range(min(8, end - at)):
                        octet = self.m[at + k]
                        if octet - 65 < 26 and octet >= 65:
                            octet |= 32
                        chunk |= cython.cast(cython.ulonglong, octet) << (8 * k)
                    h = ((h ^ chunk) * PRIME) & MASK
                    h ^= h >> 29
                    at += 8
                end = rdata + self.other_label[i]
            if self.depth[n - i] == 0:
                continue
            slot = (h ^ (h >> 32)) & self.zone_rows_mask
            while self.zone_rows[slot]:
                row = self.zone_rows[slot] - 1
                # An equal hash is enough: at worst the slow path finds that the zone is another.
                if row >= 0 and self.zone_hash[row] == h:
                    return True
                slot = (slot + 1) & self.zone_rows_mask
        return False

    # ---- cookies (RFC 7873, RFC 9018)

    @cython.cfunc
    def _make_cookie(self, when: cython.uint, again: cython.bint) -> cython.void:
        """The server cookie for this client, made at `when`, into sip[8:24]: version, reserved, timestamp, hash.

        `again`: the one that a cookie received is compared with. Its reserved octets count as they came, they need
        not be zero (RFC 9018 section 4.2).
        """
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t
        family: cython.int = self.c[self.client] | (self.c[self.client + 1] << 8)
        h: cython.ulonglong
        for i in range(8):
            self.sip[i] = self.q[self.cookie + i]
        self.sip[8] = 1
        for i in range(9, 12):
            self.sip[i] = self.q[self.cookie + i] if again else 0
        self.sip[12] = (when >> 24) & 255
        self.sip[13] = (when >> 16) & 255
        self.sip[14] = (when >> 8) & 255
        self.sip[15] = when & 255
        if family == 2:
            n = 20
            for i in range(4):
                self.sip[16 + i] = self.c[self.client + 4 + i]
        else:
            n = 32
            for i in range(16):
                self.sip[16 + i] = self.c[self.client + 8 + i]
        h = self._siphash(n)
        for i in range(8):
            self.sip[16 + i] = cython.cast(cython.uchar, (h >> (8 * i)) & 255)

    @cython.cfunc
    def _cookie_is_ours(self) -> cython.bint:
        """The query carries a server cookie that we made for this client within the last hour (RFC 9018 section 4.3)."""
        i: cython.Py_ssize_t
        when: cython.uint
        age: cython.uint
        different: cython.int = 0
        if self.cookie_length != 24:
            return False
        when = (
            (cython.cast(cython.uint, self.q[self.cookie + 12]) << 24)
            | (self.q[self.cookie + 13] << 16)
            | (self.q[self.cookie + 14] << 8)
            | self.q[self.cookie + 15]
        )
        age = (self.now - when) & 0xFFFFFFFF  # serial arithmetic: a time in the near future is huge
        if age > 3600 and age < 0xFFFFFFFF - 300:
            return False
        self._make_cookie(when, True)
        for i in range(16):
            different |= self.sip[8 + i] ^ self.q[self.cookie + 8 + i]
        return different == 0

    @cython.cfunc
    def _siphash(self, n: cython.Py_ssize_t) -> cython.ulonglong:
        """SipHash-2-4 of sip[:n] under the cookie secret."""
        v0: cython.ulonglong = self.key0 ^ 0x736F6D6570736575
        v1: cython.ulonglong = self.key1 ^ 0x646F72616E646F6D
        v2: cython.ulonglong = self.key0 ^ 0x6C7967656E657261
        v3: cython.ulonglong = self.key1 ^ 0x7465646279746573
        word: cython.ulonglong
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        rounds: cython.int
        for i in range(n // 8 + 2):
            # whole words, then the rest with the length in its last byte, then the finish of four rounds
            word = 0
            rounds = 2
            if i <= n // 8:
                for j in range(8):
                    if 8 * i + j < n:
                        word |= cython.cast(cython.ulonglong, self.sip[8 * i + j]) << (8 * j)
                if i == n // 8:
                    word |= cython.cast(cython.ulonglong, n & 255) << 56
                v3 ^= word
            else:
                v2 ^= 0xFF
                rounds = 4
            for j in range(rounds):
                v0 = (v0 + v1) & MASK
                v1 = ((v1 << 13) | (v1 >> 51)) & MASK
                v1 ^= v0
                v0 = ((v0 << 32) | (v0 >> 32)) & MASK
                v2 = (v2 + v3) & MASK
                v3 = ((v3 << 16) | (v3 >> 48)) & MASK
                v3 ^= v2
                v0 = (v0 + v3) & MASK
                v3 = ((v3 << 21) | (v3 >> 43)) & MASK
                v3 ^= v0
                v2 = (v2 + v1) & MASK
                v1 = ((v1 << 17) | (v1 >> 47)) & MASK
                v1 ^= v2
                v2 = ((v2 << 32) | (v2 >> 32)) & MASK
            if i <= n // 8:
                v0 ^= word
        return v0 ^ v1 ^ v2 ^ v3

    # ---- bytes: ranges are checked on the first line, the loads after it are not

    @cython.cfunc
    @cython.inline
    @cython.boundscheck(False)
    def _u16(self, at: cython.Py_ssize_t) -> cython.int:
        if at < 0 or at + 2 > len(self.m):
            raise IndexError("outside the mapped zones")
        return self.m[at] | (self.m[at + 1] << 8)

    @cython.cfunc
    @cython.inline
    @cython.boundscheck(False)
    def _u32(self, at: cython.Py_ssize_t) -> cython.uint:
        if at < 0 or at + 4 > len(self.m):
            raise IndexError("outside the mapped zones")
        return (
            self.m[at]
            | (self.m[at + 1] << 8)
            | (self.m[at + 2] << 16)
            | (cython.cast(cython.uint, self.m[at + 3]) << 24)
        )

    @cython.cfunc
    @cython.inline
    @cython.boundscheck(False)
    def _u64_big(self, at: cython.Py_ssize_t) -> cython.ulonglong:
        i: cython.Py_ssize_t
        value: cython.ulonglong = 0
        if at < 0 or at + 8 > len(self.m):
            raise IndexError("outside the mapped zones")
        for i in range(8):
            value = (value << 8) | self.m[at + i]
        return value

    @cython.cfunc
    @cython.boundscheck(False)
    def _matches(self, at: cython.Py_ssize_t, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.bint:
        """The mapped bytes at `at` are those of the name from `start`."""
        i: cython.Py_ssize_t
        if at < 0 or start < 0 or length < 0 or at + length > len(self.m) or start + length > NAME_LIMIT:
            raise IndexError("outside the mapped zones or the name")
        for i in range(length):
            if self.m[at + i] != self.name[start + i]:
                return False
        return True


def _flags_of(reply: object) -> int:
    """The flags of a reply of the slow path."""
    return (
        (AUTHORITATIVE if reply.authoritative else 0)
        | (GLUE_REQUIRED if reply.glue_required else 0)
        | (RECURSION if reply.recursion_available or reply.forwarded else 0)
        | (FORWARDED if reply.forwarded else 0)
        | (AUTHENTIC if reply.authentic else 0)
    )


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u64_big(b: cython.uchar[::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    """Eight bytes, the first one highest."""
    i: cython.Py_ssize_t
    value: cython.ulonglong = 0
    if at < 0 or at + 8 > len(b):
        raise IndexError("outside a buffer")
    for i in range(8):
        value = (value << 8) | b[at + i]
    return value


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u64(b: cython.uchar[::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    """Eight bytes, the first one lowest."""
    if at < 0 or at + 8 > len(b):
        raise IndexError("outside the name")
    if not cython.compiled:
        return int.from_bytes(b[at : at + 8], "little")
    return (
        cython.cast(cython.ulonglong, b[at])
        | (cython.cast(cython.ulonglong, b[at + 1]) << 8)
        | (cython.cast(cython.ulonglong, b[at + 2]) << 16)
        | (cython.cast(cython.ulonglong, b[at + 3]) << 24)
        | (cython.cast(cython.ulonglong, b[at + 4]) << 32)
        | (cython.cast(cython.ulonglong, b[at + 5]) << 40)
        | (cython.cast(cython.ulonglong, b[at + 6]) << 48)
        | (cython.cast(cython.ulonglong, b[at + 7]) << 56)
    )


@cython.cfunc
@cython.boundscheck(False)
def _lower(
    target: cython.uchar[::1], source: cython.uchar[::1], start: cython.Py_ssize_t, n: cython.Py_ssize_t
) -> cython.int:
    """Copy n bytes to the beginning of `target`, capital letters as small ones."""
    i: cython.Py_ssize_t
    octet: cython.uchar
    if n < 0 or start < 0 or n > len(target) or start + n > len(source):
        raise IndexError("copy outside a buffer")
    if not cython.compiled:
        target[:n] = bytes(source[start : start + n]).lower()
        return 0
    for i in range(n):
        octet = source[start + i]
        target[i] = octet + 32 if 65 <= octet <= 90 else octet
    return 0


@cython.cfunc
def _copy(
    target: cython.uchar[::1],
    to: cython.Py_ssize_t,
    source: cython.const[cython.uchar][::1],
    start: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
) -> cython.int:
    """Copy n bytes; the ranges are checked once, here."""
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


def client_from(host: str, port: int) -> bytes:
    """The raw socket address of a numeric host, as `Batch.client` gives it."""
    import socket
    import sys

    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        raw = int(socket.AF_INET6).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + bytes(4) + packed + bytes(4)
    else:
        packed = socket.inet_pton(socket.AF_INET, host)
        raw = int(socket.AF_INET).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + packed + bytes(8)
    return raw.ljust(CLIENT_SIZE, b"\0")


def client_address(client: bytes) -> tuple[str, int]:
    """(host, port) of a raw socket address."""
    import socket
    import sys

    family = int.from_bytes(client[:2], sys.byteorder)
    port = int.from_bytes(client[2:4], "big")
    if family == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, client[8:24]), port
    return socket.inet_ntop(socket.AF_INET, client[4:8]), port
