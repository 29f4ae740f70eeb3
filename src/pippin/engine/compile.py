# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""A record stream -> a compiled zone (`layout.py`), and what is wrong with the records.

Names are gathered in a hash table, sorted once into canonical order, and every reply that a copy can give is laid
out: positive answers with their additional records, CNAME chains inside the zone, wildcards, referrals with glue,
negative answers. No Python object is made per record. What needs more thought at query time (chains that end in a
delegation, DNAME, proofs that no copy can give) is marked BLOCK_SLOW and left to the answer algorithm in zone/.

A *mark* is a name and type that a policy answers for. It is no data, but the name exists: it has a node, names above
it are empty non-terminals, a wildcard matches. So all the questions beside it have the answers that follow from that.

The compiler knows nothing of files or text: findings are (code, offset of the record in the stream).

The file is long because it is one compiled unit: a call across modules would be a Python call for each record.
"""

from __future__ import annotations

import base64
import hashlib
from array import array
from collections.abc import Sequence

try:
    import cython
except ModuleNotFoundError:
    from pippin.engine import shim as cython

from pippin.engine import layout

CHAIN_LIMIT = cython.declare(cython.int, 16)  # CNAMEs followed in one reply; longer chains end there, like a loop
NSEC3_ITERATIONS_LIMIT = 2500  # RFC 5155 section 10.3: no zone may use more; each costs a hash in every denial
FINDINGS_LIMIT = cython.declare(cython.int, 1000)  # findings kept for one zone; that there are more is one as well
SUSPECTS_LIMIT = cython.declare(cython.int, 100)  # of those that are no errors, so that they leave room for errors
LABEL_LIMIT = cython.declare(cython.int, 128)
CANDIDATE_LIMIT = cython.declare(cython.int, 96)  # names in one reply that later names are compressed against
ADDITIONAL_TARGETS = cython.declare(cython.int, 32)  # targets of one RRset whose addresses are looked up for the additional section
GLUE_LIMIT = cython.declare(cython.int, 64)  # name servers of one referral

# Bits of what a node owns
HAS_NS = cython.declare(cython.int, 1)
HAS_CNAME = cython.declare(cython.int, 2)
HAS_DNAME = cython.declare(cython.int, 4)
HAS_SOA = cython.declare(cython.int, 8)
HAS_OTHER = cython.declare(cython.int, 16)  # anything that may not stand beside a CNAME
HAS_NSEC = cython.declare(cython.int, 32)
HAS_NSEC3 = cython.declare(cython.int, 64)
HAS_RRSIG = cython.declare(cython.int, 128)
HAS_DS = cython.declare(cython.int, 256)
HAS_MARK = cython.declare(cython.int, 512)  # no record: a policy answers for one type or more

# Where a name inside the zone leads
OUTSIDE = cython.declare(cython.int, 0)
FOUND = cython.declare(cython.int, 1)
WILDCARD = cython.declare(cython.int, 2)
MISSING = cython.declare(cython.int, 3)
DELEGATED = cython.declare(cython.int, 4)
RENAMED = cython.declare(cython.int, 5)  # below a DNAME

# The layout's flags as C constants
AUTHORITATIVE = cython.declare(cython.int, layout.AUTHORITATIVE)
BLOCK_SLOW = cython.declare(cython.int, layout.BLOCK_SLOW)
BODY_LIMIT = cython.declare(cython.int, layout.BODY_LIMIT)
CHASE = cython.declare(cython.int, layout.CHASE)
CUT = cython.declare(cython.int, layout.CUT)
GLUE_REQUIRED = cython.declare(cython.int, layout.GLUE_REQUIRED)
DNAME_HERE = cython.declare(cython.int, layout.HAS_DNAME)
WILDCARD_HERE = cython.declare(cython.int, layout.HAS_WILDCARD)
IS_NSEC3 = cython.declare(cython.int, layout.IS_NSEC3)
IS_WILDCARD = cython.declare(cython.int, layout.IS_WILDCARD)
NSEC_ZONE = cython.declare(cython.int, layout.NSEC)
NSEC3_ZONE = cython.declare(cython.int, layout.NSEC3)
SIGNATURES = cython.declare(cython.int, layout.SIGNATURES)
OCCLUDED = cython.declare(cython.int, layout.OCCLUDED)
OWN = cython.declare(cython.int, layout.OWN)
POLICY = cython.declare(cython.int, layout.POLICY)
SIGNED_ZONE = cython.declare(cython.int, layout.SIGNED)

PRIME = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)

T_NS = cython.declare(cython.int, 2)
T_CNAME = cython.declare(cython.int, 5)
T_SOA = cython.declare(cython.int, 6)
T_PTR = cython.declare(cython.int, 12)
T_MX = cython.declare(cython.int, 15)
T_KEY = cython.declare(cython.int, 25)
T_AAAA = cython.declare(cython.int, 28)
T_SRV = cython.declare(cython.int, 33)
T_DNAME = cython.declare(cython.int, 39)
T_OPT = cython.declare(cython.int, 41)
T_DS = cython.declare(cython.int, 43)
T_RRSIG = cython.declare(cython.int, 46)
T_NSEC = cython.declare(cython.int, 47)
T_NSEC3 = cython.declare(cython.int, 50)
T_NSEC3PARAM = cython.declare(cython.int, 51)
T_SVCB = cython.declare(cython.int, 64)
T_HTTPS = cython.declare(cython.int, 65)

UNMARKED = frozenset({0, 2, 5, 6, 24, 25, 30, 39, 41, 43, 46, 47, 48, 50, 51, 59, 60, *range(128, 256), 65535})
"""Types that make the zone what it is (SOA, NS, CNAME, DNAME), that DNSSEC makes of it, or that no data has."""


def is_compiled() -> bool:
    """True when this module runs as a compiled extension."""
    return cython.compiled


def compile_zone(
    records: bytes | bytearray | memoryview,
    origin: bytes,
    seed: int,
    note: bytes = b"",
    marks: Sequence[tuple[bytes, int]] = (),
) -> tuple[bytes, list[tuple[str, int] | tuple[str, int, int]]]:
    """Compile the record stream of the zone `origin` (wire format).

    `marks` are the names (absolute, wire format) and types that policies answer for. One that can't be is left out,
    with a finding.

    Returns the image and the findings, (code, offset of the record in the stream; -1 for the zone as a whole); about
    a mark (code, offset of the record in its way or -1, index of the mark). An image is returned whenever there is a
    SOA, so that further checks can look at it; it is fit to be served only if no finding is an error. `seed` must be
    the one that queries are hashed with, `note` is kept in the image.
    """
    marked = b"".join([owner for owner, _ in marks])
    if len(records) + len(marked) > 0xFFFFFFF0:
        raise ValueError("zone too large: the record stream must be under 4 GiB")
    compiler = Compiler(bytes(origin).lower(), seed & 0xFFFFFFFFFFFFFFFF)
    image = compiler.compile(records, note, marks, marked)
    return image, compiler.findings


@cython.final
@cython.cclass
class Compiler:
    """One zone on its way from records to an image."""

    findings: object
    origin: bytes
    seed: cython.ulonglong
    origin_hash: cython.ulonglong
    origin_length: cython.Py_ssize_t
    origin_labels: cython.Py_ssize_t
    # the stream: records, then the origin's name and those of the marks, so that every name is a place in one buffer
    s: cython.const[cython.uchar][::1]
    stream_end: cython.Py_ssize_t
    record_offset: cython.uint[::1]
    record_next: cython.uint[::1]
    record_count: cython.Py_ssize_t
    kept: cython.Py_ssize_t
    # nodes, in the order they were met; index 0 is the apex
    node_count: cython.Py_ssize_t
    node_name: cython.uint[::1]
    node_length: cython.ushort[::1]
    node_hash: cython.ulonglong[::1]
    node_parent: cython.uint[::1]
    node_first: cython.uint[::1]
    node_last: cython.uint[::1]
    node_has: cython.ushort[::1]
    node_flags: cython.uchar[::1]
    node_above: cython.uint[::1]
    node_wildcard: cython.uint[::1]
    node_position: cython.uint[::1]
    order: cython.uint[::1]
    table: cython.uint[::1]
    table_mask: cython.ulonglong
    # label offsets and suffix hashes of the name at hand
    label: cython.int[::1]
    label_hash: cython.ulonglong[::1]
    # sorting
    key: cython.ulonglong[::1]
    spare_key: cython.ulonglong[::1]
    spare: cython.uint[::1]
    bucket: cython.uint[::1]
    # the body being written
    body: cython.uchar[::1]
    size: cython.Py_ssize_t
    overflow: cython.bint
    base: cython.Py_ssize_t
    reference: cython.Py_ssize_t
    reference_length: cython.Py_ssize_t
    seeded: cython.bint
    spell_out: cython.bint
    candidates: cython.Py_ssize_t
    candidate_hash: cython.ulonglong[::1]
    candidate_place: cython.int[::1]
    candidate_name: cython.uint[::1]
    candidate_length: cython.int[::1]
    relocation: cython.ushort[::1]
    relocations: cython.Py_ssize_t
    answers: cython.int
    authorities: cython.int
    additionals: cython.int
    rcode: cython.int
    block_flags: cython.int
    # blocks and entries of the node being written
    scratch: cython.uchar[::1]
    scratch_size: cython.Py_ssize_t
    entry_type: cython.int[::1]
    entry_flags: cython.int[::1]
    entry_plain: cython.uint[::1]
    entry_signed: cython.uint[::1]
    entries: cython.Py_ssize_t
    # the image being written
    out: cython.uchar[::1]
    out_size: cython.Py_ssize_t
    zone_flags: cython.int
    has_signatures: cython.bint
    hash_mask: cython.ulonglong
    found: cython.Py_ssize_t
    suspects: cython.Py_ssize_t
    marks: dict  # node -> the types marked there, ascending
    nsec3: object
    nsec3_parameters: object

    def __init__(self, origin: bytes, seed: int) -> None:
        self.findings = []
        self.has_signatures = False
        self.origin = origin
        self.seed = seed
        self.label = array("i", bytes(4 * LABEL_LIMIT))
        self.label_hash = array("Q", bytes(8 * LABEL_LIMIT))
        self.bucket = array("I", bytes(4 * 257))
        self.body = bytearray(65536 + 1024)
        self.candidate_hash = array("Q", bytes(8 * (CANDIDATE_LIMIT + LABEL_LIMIT)))
        self.candidate_place = array("i", bytes(4 * (CANDIDATE_LIMIT + LABEL_LIMIT)))
        self.candidate_name = array("I", bytes(4 * (CANDIDATE_LIMIT + LABEL_LIMIT)))
        self.candidate_length = array("i", bytes(4 * (CANDIDATE_LIMIT + LABEL_LIMIT)))
        self.relocation = array("H", bytes(2 * 32768))
        self.scratch = bytearray(1 << 18)
        self.entry_type = array("i", bytes(4 * 256))
        self.entry_flags = array("i", bytes(4 * 256))
        self.entry_plain = array("I", bytes(4 * 256))
        self.entry_signed = array("I", bytes(4 * 256))
        self.nsec3_parameters = None
        self.nsec3 = None
        self.found = 0
        self.suspects = 0
        self.marks = {}

    def compile(self, records: object, note: bytes, marks: object, marked: bytes) -> bytes:
        """The image of `records`, or b"" where there is no SOA to build one on. `marked`: the names of all `marks`."""
        i: cython.Py_ssize_t
        self._gather(records, marked)
        self._check_nodes()
        if not self.node_has[0] & HAS_SOA:
            self._find("no-soa", -1)
            return b""
        self._place_marks(marks)
        self._sort_nodes()
        self._relate_nodes()
        self.out = bytearray(max(4096, 2 * self.stream_end + 64 * self.node_count))
        self.out_size = layout.HEADER_SIZE
        self._reserve(len(self.origin))
        i = 0
        for octet in self.origin:
            self.out[self.out_size + i] = octet
            i += 1
        self.out_size += len(self.origin)
        negative = self._write_negative(False)
        negative_signed = self._write_negative(True) if self.zone_flags & SIGNED_ZONE else 0
        for i in range(self.node_count):
            self._write_node(self.order[i])
        return self._finish(note, negative, negative_signed)

    # ---- gathering: records -> nodes

    @cython.cfunc
    def _find(self, code: object, record: cython.Py_ssize_t) -> cython.void:
        """Remember a finding about the record with that index (-1: the zone)."""
        if len(self.findings) < FINDINGS_LIMIT:
            self.findings.append((code, int(self.record_offset[record]) if record >= 0 else -1))
        elif len(self.findings) == FINDINGS_LIMIT:
            self.findings.append(("more-findings", -1))

    @cython.cfunc
    def _gather(self, records: object, marked: bytes) -> cython.void:
        at: cython.Py_ssize_t = 0
        n: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        owner_length: cython.Py_ssize_t
        previous: cython.Py_ssize_t = 0
        previous_length: cython.Py_ssize_t = 0
        node: cython.Py_ssize_t = -1
        rdtype: cython.int
        end: cython.Py_ssize_t = len(records)
        # Names follow the records, so that those made of the origin have a place in the same buffer.
        stream = bytes(records) + self.origin + marked
        self.s = stream
        self.stream_end = end
        while at + 20 <= end:
            at += 20 + _u16(self.s, at) + _u16(self.s, at + 8)
            n += 1
        if at != end:
            raise ValueError("the record stream ends inside a record")
        self.record_count = n
        self.kept = n
        self.record_offset = array("I", bytes(4 * (n + 1)))
        self.record_next = array("I", bytes(4 * (n + 1)))
        self._make_nodes(n + (n >> 2) + 64)
        self.origin_length = len(self.origin)
        self.origin_labels = self._split(end, self.origin_length, self.seed)
        self.origin_hash = self.label_hash[0] if self.origin_labels else self.seed
        self._add_node(end, 0, self.origin_hash, 0)
        at = 0
        for i in range(n):
            self.record_offset[i] = at
            owner = at + 20
            owner_length = _u16(self.s, at)
            rdtype = _u16(self.s, at + 2)
            if node < 0 or owner_length != previous_length or not _same(self.s, owner, previous, owner_length):
                node = self._node_of(owner, owner_length)
                previous = owner
                previous_length = owner_length
            self._check_rdata(rdtype, owner + owner_length, _u16(self.s, at + 8))
            at += 20 + owner_length + _u16(self.s, at + 8)
            if node < 0:
                self._find("out-of-zone", i)
                self.kept -= 1
                continue
            if rdtype == T_OPT or rdtype == 0 or 128 <= rdtype <= 255:
                self._find("meta-type", i)
                self.kept -= 1
                continue
            if self.node_first[node] == 0:
                self.node_first[node] = i + 1
            elif self._is_duplicate(node, i):
                self.kept -= 1
                continue
            else:
                self.record_next[self.node_last[node] - 1] = i + 1
            self.node_last[node] = i + 1
            self.node_has[node] |= _kind(rdtype)
            if rdtype == T_RRSIG:
                self.has_signatures = True

    @cython.cfunc
    def _check_rdata(
        self, rdtype: cython.int, start: cython.Py_ssize_t, length: cython.Py_ssize_t
    ) -> cython.void:
        """What is looked at later without asking for its length is as long as it has to be; else ValueError."""
        if rdtype == T_SRV or rdtype == T_SVCB or rdtype == T_HTTPS:
            if length < (7 if rdtype == T_SRV else 3):
                raise ValueError("SRV, SVCB or HTTPS rdata is cut short")
            self._name_length(start + (6 if rdtype == T_SRV else 2), length - (6 if rdtype == T_SRV else 2))
        elif rdtype == T_RRSIG and length < 19:
            raise ValueError("RRSIG rdata is cut short")
        elif rdtype == T_SOA and length < 22:
            raise ValueError("SOA rdata is cut short")

    @cython.cfunc
    def _is_duplicate(self, node: cython.Py_ssize_t, record: cython.Py_ssize_t) -> cython.bint:
        """The node already owns a record with this type and rdata (RFC 2181 section 5)."""
        at: cython.Py_ssize_t = self.record_offset[record]
        length: cython.Py_ssize_t = _u16(self.s, at + 8)
        rdata: cython.Py_ssize_t = at + 20 + _u16(self.s, at)
        other: cython.Py_ssize_t = self.node_first[node]
        there: cython.Py_ssize_t
        steps: cython.Py_ssize_t = 0
        while other:
            there = self.record_offset[other - 1]
            if (
                _u16(self.s, there + 2) == _u16(self.s, at + 2)
                and _u16(self.s, there + 8) == length
                and _same(self.s, there + 20 + _u16(self.s, there), rdata, length)
            ):
                return True
            other = self.record_next[other - 1]
            steps += 1
            if steps > 4096:  # a larger RRset cannot be served in one message anyway
                return False
        return False

    @cython.cfunc
    def _split(
        self, start: cython.Py_ssize_t, length: cython.Py_ssize_t, h: cython.ulonglong
    ) -> cython.Py_ssize_t:
        """Fill `label` and `label_hash` for the absolute name at `start`; the number of its labels."""
        at: cython.Py_ssize_t = start
        end: cython.Py_ssize_t = start + length - 1
        n: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        chunk: cython.ulonglong
        if length < 1 or length > 255:
            raise ValueError("a name in the record stream has a wrong length")
        while at < end:
            if self.s[at] > 63 or self.s[at] == 0:
                raise ValueError("a name in the record stream has a wrong label")
            self.label[n] = at - start
            n += 1
            at += 1 + self.s[at]
        if at != end or self.s[at] != 0:
            raise ValueError("a name in the record stream does not end in the root")
        i = n
        while i > 0:
            i -= 1
            at = start + self.label[i]
            while at < end:
                chunk = 0
                for j in range(min(8, end - at)):
                    chunk |= cython.cast(cython.ulonglong, _lower(self.s[at + j])) << (8 * j)
                h = ((h ^ chunk) * PRIME) & MASK
                h ^= h >> 29
                at += 8
            self.label_hash[i] = h
            end = start + self.label[i]
        return n

    @cython.cfunc
    def _below_origin(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The length of the name's part below the origin, or -1 if it is not at or below it. Splits the name."""
        n: cython.Py_ssize_t = self._split(start, length, self.seed)
        k: cython.Py_ssize_t = n - self.origin_labels
        below: cython.Py_ssize_t = length - self.origin_length
        if k < 0 or below < 0:
            return -1
        if self.origin_labels and (self.label[k] != below or self.label_hash[k] != self.origin_hash):
            return -1
        if not _same_name(self.s, start + below, self.stream_end, self.origin_length):
            return -1
        return below

    @cython.cfunc
    def _node_of(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The node of an owner name, made with its ancestors if it is new; -1 if it is outside the zone."""
        below: cython.Py_ssize_t = self._below_origin(start, length)
        k: cython.Py_ssize_t
        node: cython.Py_ssize_t
        child: cython.Py_ssize_t
        first: cython.Py_ssize_t
        j: cython.Py_ssize_t = 0
        if below < 0:
            return -1
        if below == 0:
            return 0
        first = self._probe(self.label_hash[0], start, below)
        if first >= 0:
            return first
        k = self._count_labels(start, below)
        first = self._add_node(start, below, self.label_hash[0], 0)
        child = first
        for j in range(1, k):
            node = self._probe(self.label_hash[j], start + self.label[j], below - self.label[j])
            if node >= 0:
                self.node_parent[child] = node
                return first
            node = self._add_node(start + self.label[j], below - self.label[j], self.label_hash[j], 0)
            self.node_parent[child] = node
            child = node
        return first

    @cython.cfunc
    def _count_labels(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.Py_ssize_t:
        n: cython.Py_ssize_t = 0
        at: cython.Py_ssize_t = start
        while at < start + length:
            at += 1 + self.s[at]
            n += 1
        return n

    @cython.cfunc
    def _probe(
        self, h: cython.ulonglong, start: cython.Py_ssize_t, length: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """The node with this relative name, or -1."""
        slot: cython.ulonglong = (h ^ (h >> 32)) & self.table_mask
        node: cython.Py_ssize_t
        while True:
            node = self.table[slot]
            if node == 0:
                return -1
            node -= 1
            if (
                self.node_hash[node] == h
                and self.node_length[node] == length
                and _same_name(self.s, self.node_name[node], start, length)
            ):
                return node
            slot = (slot + 1) & self.table_mask

    @cython.cfunc
    def _add_node(
        self, start: cython.Py_ssize_t, length: cython.Py_ssize_t, h: cython.ulonglong, parent: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        node: cython.Py_ssize_t = self.node_count
        slot: cython.ulonglong
        if node >= len(self.node_name):
            self._grow_nodes()
        self.node_name[node] = start
        self.node_length[node] = length
        self.node_hash[node] = h
        self.node_parent[node] = parent
        self.node_count = node + 1
        slot = (h ^ (h >> 32)) & self.table_mask
        while self.table[slot]:
            slot = (slot + 1) & self.table_mask
        self.table[slot] = node + 1
        return node

    @cython.cfunc
    def _make_nodes(self, capacity: cython.Py_ssize_t) -> cython.void:
        self.node_count = 0
        self.node_name = array("I", bytes(4 * capacity))
        self.node_length = array("H", bytes(2 * capacity))
        self.node_hash = array("Q", bytes(8 * capacity))
        self.node_parent = array("I", bytes(4 * capacity))
        self.node_first = array("I", bytes(4 * capacity))
        self.node_last = array("I", bytes(4 * capacity))
        self.node_has = array("H", bytes(2 * capacity))
        self._make_table(capacity)

    @cython.cfunc
    def _make_table(self, capacity: cython.Py_ssize_t) -> cython.void:
        slots: cython.Py_ssize_t = 64
        while slots < 2 * capacity:
            slots *= 2
        self.table = array("I", bytes(4 * slots))
        self.table_mask = slots - 1

    @cython.cfunc
    def _grow_nodes(self) -> cython.void:
        """Twice the room; every empty non-terminal above a name is a node, so the records don't bound their number."""
        n: cython.Py_ssize_t = self.node_count
        i: cython.Py_ssize_t
        h: cython.ulonglong
        slot: cython.ulonglong
        names, lengths, hashes, parents = self.node_name, self.node_length, self.node_hash, self.node_parent
        firsts, lasts, has = self.node_first, self.node_last, self.node_has
        self._make_nodes(2 * n)
        self.node_count = n
        self.node_name[:n] = names[:n]
        self.node_length[:n] = lengths[:n]
        self.node_hash[:n] = hashes[:n]
        self.node_parent[:n] = parents[:n]
        self.node_first[:n] = firsts[:n]
        self.node_last[:n] = lasts[:n]
        self.node_has[:n] = has[:n]
        for i in range(n):
            h = self.node_hash[i]
            slot = (h ^ (h >> 32)) & self.table_mask
            while self.table[slot]:
                slot = (slot + 1) & self.table_mask
            self.table[slot] = i + 1

    # ---- marks

    def _place_marks(self, marks: Sequence[tuple[bytes, int]]) -> None:
        """Give the names of policies their nodes, beside those of the records."""
        start: cython.Py_ssize_t = self.stream_end + self.origin_length
        node: cython.Py_ssize_t
        record: cython.Py_ssize_t
        index = 0
        for owner, rdtype in marks:
            code = self._obstacle(start, len(owner), rdtype)
            if code is None:
                node = self._node_of(start, len(owner))
                self.node_has[node] |= HAS_MARK
                types = self.marks.setdefault(node, [])
                if rdtype not in types:
                    types.append(rdtype)
                    types.sort()
            elif len(self.findings) < FINDINGS_LIMIT:
                record = self.found
                self.findings.append((code, int(self.record_offset[record]) if record >= 0 else -1, index))
            start += len(owner)
            index += 1

    def _obstacle(self, start: int, length: int, rdtype: int) -> str | None:
        """Why no policy can answer for this name and type, None if one can; `found` is the record in the way, or -1."""
        below: cython.Py_ssize_t = self._below_origin(start, length)
        node: cython.Py_ssize_t = 0
        k: cython.Py_ssize_t
        self.found = -1
        if below < 0:
            return "policy-out-of-zone"
        if rdtype in UNMARKED or not 0 < rdtype < 65536:
            return "policy-type"
        k = self._count_labels(start, below)
        while k > 0:
            if self.node_has[node] & HAS_DNAME:
                self.found = self._first_of(node, T_DNAME)
                return "policy-below-dname"
            k -= 1
            node = self._probe(self.label_hash[k], start + self.label[k], below - self.label[k])
            if node < 0:
                break  # empty non-terminals are nodes, so nothing exists further down
            if self.node_has[node] & HAS_NS:
                self.found = self._first_of(node, T_NS)
                return "policy-below-cut"
        if self.has_signatures:
            return "policy-in-signed-zone"
        if node >= 0 and self.node_has[node] & HAS_CNAME:
            self.found = self._first_of(node, T_CNAME)
            return "policy-and-cname"
        return None

    @cython.cfunc
    def _is_marked(self, node: cython.Py_ssize_t, rdtype: cython.int) -> cython.bint:
        """A policy answers for this type at the node."""
        return self.node_has[node] & HAS_MARK != 0 and rdtype in self.marks[node]

    # ---- checks that every zone gets (RFC 1034 3.6.2, RFC 2181 10.1, RFC 6672 2.4)

    @cython.cfunc
    def _check_nodes(self) -> cython.void:
        node: cython.Py_ssize_t
        has: cython.int
        for node in range(self.node_count):
            has = self.node_has[node]
            if has & HAS_CNAME:
                if has & (HAS_OTHER | HAS_NS | HAS_SOA | HAS_DNAME | HAS_DS):
                    self._find("cname-and-other-data", self._offender(node, T_CNAME))
                self._check_single(node, T_CNAME, "second-cname")
            if has & HAS_DNAME:
                self._check_single(node, T_DNAME, "second-dname")
                if has & HAS_NS and node:
                    self._find("dname-and-ns", self._first_of(node, T_DNAME))
            if has & HAS_SOA:
                if node:
                    self._find("second-soa", self._first_of(node, T_SOA))
                else:
                    self._check_single(node, T_SOA, "second-soa")
            if has & HAS_RRSIG:
                self._check_signatures(node)
        if self.node_count and self.node_has[0] & HAS_SOA and not self.node_has[0] & HAS_NS:
            self._find("no-apex-ns", self._first_of(0, T_SOA))

    @cython.cfunc
    def _check_signatures(self, node: cython.Py_ssize_t) -> cython.void:
        """Signatures stand beside what they cover, so one that covers nothing has no place (RFC 4035 section 2.2)."""
        record: cython.Py_ssize_t = self._first_of(node, T_RRSIG)
        covered: cython.int
        while record >= 0:
            covered = self._covers(record)
            if not self._owns(node, covered) or (covered == T_NS and node and self.node_has[node] & HAS_NS):
                if self.suspects < SUSPECTS_LIMIT:
                    self._find("signature-of-nothing", record)
                self.suspects += 1
                self.kept -= 1
            record = self._next_of(record, T_RRSIG)

    @cython.cfunc
    def _type_of(self, record: cython.Py_ssize_t) -> cython.int:
        return _u16(self.s, self.record_offset[record] + 2)

    @cython.cfunc
    def _first_of(self, node: cython.Py_ssize_t, rdtype: cython.int) -> cython.Py_ssize_t:
        """The index of the node's first record of a type, or -1."""
        record: cython.Py_ssize_t = self.node_first[node]
        while record:
            if self._type_of(record - 1) == rdtype:
                return record - 1
            record = self.record_next[record - 1]
        return -1

    @cython.cfunc
    def _next_of(self, record: cython.Py_ssize_t, rdtype: cython.int) -> cython.Py_ssize_t:
        """The index of the record of a type that follows another at the same node, or -1."""
        record = self.record_next[record]
        while record:
            if self._type_of(record - 1) == rdtype:
                return record - 1
            record = self.record_next[record - 1]
        return -1

    @cython.cfunc
    def _check_single(self, node: cython.Py_ssize_t, rdtype: cython.int, code: object) -> cython.void:
        record: cython.Py_ssize_t = self._next_of(self._first_of(node, rdtype), rdtype)
        if record >= 0:
            self._find(code, record)

    @cython.cfunc
    def _offender(self, node: cython.Py_ssize_t, rdtype: cython.int) -> cython.Py_ssize_t:
        """The record that came to a CNAME, or the CNAME that came to it: the one written second."""
        record: cython.Py_ssize_t = self.node_first[node]
        first: cython.int = self._type_of(record - 1)
        kind: cython.int
        while record:
            kind = self._type_of(record - 1)
            if kind != T_RRSIG and kind != T_NSEC and kind != T_KEY and (kind == rdtype) != (first == rdtype):
                return record - 1
            record = self.record_next[record - 1]
        return self.node_first[node] - 1

    # ---- canonical order (RFC 4034 section 6.1)

    @cython.cfunc
    def _sort_nodes(self) -> cython.void:
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = self.node_count
        self.order = array("I", bytes(4 * n))
        self.spare = array("I", bytes(4 * n))
        self.key = array("Q", bytes(8 * n))
        self.spare_key = array("Q", bytes(8 * n))
        for i in range(n):
            self.order[i] = i
        self._sort(0, n, 0)

    @cython.cfunc
    def _sort(self, low: cython.Py_ssize_t, high: cython.Py_ssize_t, depth: cython.int) -> cython.void:
        """Sort order[low:high], names that agree in the first 8 * depth bytes of their keys."""
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        k: cython.ulonglong
        node: cython.uint
        if high - low < 2:
            return
        for i in range(low, high):
            self.key[i] = self._key(self.order[i], depth)
        if high - low <= 48:
            for i in range(low + 1, high):
                k = self.key[i]
                node = self.order[i]
                j = i
                while j > low and self.key[j - 1] > k:
                    self.key[j] = self.key[j - 1]
                    self.order[j] = self.order[j - 1]
                    j -= 1
                self.key[j] = k
                self.order[j] = node
        else:
            self._radix_sort(low, high)
        i = low
        while i < high:
            j = i + 1
            while j < high and self.key[j] == self.key[i]:
                j += 1
            # A key that ends in a zero byte inside these eight is a whole name, and names are unique.
            if j - i > 1:
                self._sort(i, j, depth + 1)
                # the deeper pass has overwritten these keys; they are not looked at again
            i = j

    @cython.cfunc
    def _radix_sort(self, low: cython.Py_ssize_t, high: cython.Py_ssize_t) -> cython.void:
        shift: cython.int = 0
        i: cython.Py_ssize_t
        place: cython.uint
        total: cython.uint
        count: cython.uint
        b: cython.Py_ssize_t
        while shift < 64:
            for b in range(257):
                self.bucket[b] = 0
            for i in range(low, high):
                self.bucket[cython.cast(cython.Py_ssize_t, (self.key[i] >> shift) & 255)] += 1
            b = cython.cast(cython.Py_ssize_t, (self.key[low] >> shift) & 255)
            if self.bucket[b] != high - low:
                total = 0
                for b in range(256):
                    count = self.bucket[b]
                    self.bucket[b] = total
                    total += count
                for i in range(low, high):
                    b = cython.cast(cython.Py_ssize_t, (self.key[i] >> shift) & 255)
                    place = self.bucket[b]
                    self.bucket[b] = place + 1
                    self.spare[low + place] = self.order[i]
                    self.spare_key[low + place] = self.key[i]
                for i in range(low, high):
                    self.order[i] = self.spare[i]
                    self.key[i] = self.spare_key[i]
            shift += 8

    @cython.cfunc
    def _key(self, node: cython.Py_ssize_t, depth: cython.int) -> cython.ulonglong:
        """Bytes 8 * depth to 8 * depth + 8 of the canonical key of a node's name (`find.canonical_key`)."""
        start: cython.Py_ssize_t = self.node_name[node]
        end: cython.Py_ssize_t = start + self.node_length[node]
        n: cython.Py_ssize_t = 0
        at: cython.Py_ssize_t = start
        skip: cython.Py_ssize_t = 8 * depth
        got: cython.Py_ssize_t = 0
        key: cython.ulonglong = 0
        octet: cython.uint
        while at < end:
            self.label[n] = at - start
            n += 1
            at += 1 + self.s[at]
        while n > 0 and got < 8:
            n -= 1
            at = start + self.label[n] + 1
            while at < end and got < 8:
                octet = _lower(self.s[at])
                at += 1
                if octet <= 1:
                    if skip:
                        skip -= 1
                    else:
                        key = (key << 8) | 1
                        got += 1
                    octet += 1
                    if got == 8:
                        break
                if skip:
                    skip -= 1
                else:
                    key = (key << 8) | octet
                    got += 1
            if got < 8:
                if skip:
                    skip -= 1
                else:
                    key <<= 8
                    got += 1
            end = start + self.label[n]
        while got < 8:
            key <<= 8
            got += 1
        return key & MASK

    @cython.cfunc
    def _relate_nodes(self) -> cython.void:
        """Cuts, occlusion and wildcards: parents come before their children in canonical order."""
        i: cython.Py_ssize_t
        node: cython.Py_ssize_t
        parent: cython.Py_ssize_t
        has: cython.int
        flags: cython.int
        n: cython.Py_ssize_t = self.node_count
        self.node_flags = bytearray(n)
        self.node_above = array("I", bytes(4 * n))
        self.node_wildcard = array("I", bytes(4 * n))
        self.node_position = array("I", bytes(4 * n))
        self.zone_flags = 0
        if self.node_has[0] & HAS_RRSIG:
            if self._first_of(0, T_NSEC3PARAM) >= 0:
                if self._nsec3_parameters_of_apex()[1] > NSEC3_ITERATIONS_LIMIT:
                    self._find("nsec3-iterations", self._first_of(0, T_NSEC3PARAM))
                else:
                    self.zone_flags = NSEC3_ZONE
            elif self.node_has[0] & HAS_NSEC:
                self.zone_flags = NSEC_ZONE
        if self.zone_flags == 0 and self.has_signatures:
            self.zone_flags = SIGNATURES
        for i in range(n):
            node = self.order[i]
            has = self.node_has[node]
            flags = 0
            if node:
                parent = self.node_parent[node]
                if self.node_flags[parent] & OCCLUDED:
                    flags |= OCCLUDED
                    self.node_above[node] = self.node_above[parent]
                elif self.node_flags[parent] & (CUT | DNAME_HERE):
                    flags |= OCCLUDED
                    self.node_above[node] = parent
                if has & HAS_NS:
                    flags |= CUT
                if self.s[self.node_name[node]] == 1 and self.s[self.node_name[node] + 1] == 42:
                    flags |= IS_WILDCARD
                    if not self.node_flags[parent] & OCCLUDED:
                        self.node_flags[parent] |= WILDCARD_HERE
                        self.node_wildcard[parent] = node
                if (
                    self.zone_flags & NSEC3_ZONE
                    and has & HAS_NSEC3
                    and not has & ~(HAS_NSEC3 | HAS_RRSIG)
                ):
                    flags = IS_NSEC3  # beside the name space, so a DNAME at the apex does not occlude it
            if has & HAS_DNAME:
                flags |= DNAME_HERE
            self.node_flags[node] = flags

    # ---- looking up names inside the zone while compiling

    @cython.cfunc
    def _lookup(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.int:
        """Where an absolute name leads (OUTSIDE … RENAMED); `found` is the node that decides it."""
        below: cython.Py_ssize_t = self._below_origin(start, length)
        node: cython.Py_ssize_t = 0
        k: cython.Py_ssize_t
        j: cython.Py_ssize_t = 0
        flags: cython.int
        if below < 0:
            return OUTSIDE
        k = self._count_labels(start, below)
        for j in range(k + 1):
            if j == k:
                node = 0
            else:
                node = self._probe(self.label_hash[j], start + self.label[j], below - self.label[j])
            if node >= 0:
                if self.node_flags[node] & IS_NSEC3:
                    continue
                break
        self.found = node
        flags = self.node_flags[node]
        if flags & OCCLUDED:
            self.found = self.node_above[node]
            return DELEGATED if self.node_flags[self.found] & CUT else RENAMED
        if flags & CUT:
            return DELEGATED
        if j == 0 or (k == 0 and node == 0):
            return FOUND
        if flags & DNAME_HERE:
            return RENAMED
        if flags & WILDCARD_HERE:
            self.found = self.node_wildcard[node]
            return WILDCARD
        return MISSING

    @cython.cfunc
    def _exact(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The node of an absolute name, occluded or not, or -1."""
        below: cython.Py_ssize_t = self._below_origin(start, length)
        if below < 0:
            return -1
        if below == 0:
            return 0
        return self._probe(self.label_hash[0], start, below)

    # ---- bodies

    @cython.cfunc
    def _begin(self, reference: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.void:
        """Start a body whose reference name is the absolute name at `reference`."""
        self.size = 0
        self.overflow = False
        self.reference = reference
        self.reference_length = length
        self.base = 16 + length
        self.seeded = False
        self.spell_out = False
        self.candidates = 0
        self.relocations = 0
        self.answers = 0
        self.authorities = 0
        self.additionals = 0
        self.rcode = 0
        self.block_flags = AUTHORITATIVE

    @cython.cfunc
    def _put_name(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.void:
        """Write an absolute name, compressed against the reference name and the names before it."""
        n: cython.Py_ssize_t
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        c: cython.Py_ssize_t
        place: cython.int = -1
        written: cython.Py_ssize_t
        if not self.seeded:
            self.seeded = True
            n = self._split(self.reference, self.reference_length, self.seed)
            for i in range(n):
                self._add_candidate(
                    self.label_hash[i], 12 + self.label[i], self.reference + self.label[i],
                    self.reference_length - self.label[i],
                )
        n = self._split(start, length, self.seed)
        written = length - 1
        for i in range(n):
            for c in range(self.candidates):
                if (
                    self.candidate_hash[c] == self.label_hash[i]
                    and self.candidate_length[c] == length - self.label[i]
                    and _same_name(self.s, self.candidate_name[c], start + self.label[i], length - self.label[i])
                ):
                    place = self.candidate_place[c]
                    break
            if place >= 0:
                written = self.label[i]
                break
        if self.size + written + 2 > BODY_LIMIT:
            self.overflow = True
            return
        for j in range(n):
            if self.label[j] >= written:
                break
            if self.base + self.size + self.label[j] < 0x3F00:
                self._add_candidate(
                    self.label_hash[j], self.base + self.size + self.label[j], start + self.label[j],
                    length - self.label[j],
                )
        for j in range(written):
            self.body[self.size + j] = self.s[start + j]
        self.size += written
        if place < 0:
            self.body[self.size] = 0
            self.size += 1
        else:
            self.relocation[self.relocations] = self.size
            self.relocations += 1
            self.body[self.size] = 0xC0 | (place >> 8)
            self.body[self.size + 1] = place & 255
            self.size += 2

    @cython.cfunc
    def _add_candidate(
        self, h: cython.ulonglong, place: cython.int, start: cython.Py_ssize_t, length: cython.Py_ssize_t
    ) -> cython.void:
        c: cython.Py_ssize_t = self.candidates
        if c < CANDIDATE_LIMIT:
            self.candidate_hash[c] = h
            self.candidate_place[c] = place
            self.candidate_name[c] = start
            self.candidate_length[c] = length
            self.candidates = c + 1

    @cython.cfunc
    def _put_record(
        self, owner: cython.Py_ssize_t, owner_length: cython.Py_ssize_t, record: cython.Py_ssize_t, ttl: cython.uint
    ) -> cython.void:
        """Write one record. `owner_length` 0: the owner is the query name."""
        at: cython.Py_ssize_t = self.record_offset[record]
        rdtype: cython.int = _u16(self.s, at + 2)
        length: cython.Py_ssize_t = _u16(self.s, at + 8)
        rdata: cython.Py_ssize_t = at + 20 + _u16(self.s, at)
        mark: cython.Py_ssize_t
        i: cython.Py_ssize_t
        if self.overflow or self.size + 300 + length > BODY_LIMIT:
            self.overflow = True
            return
        if owner_length == 0:
            self.body[self.size] = 0xC0
            self.body[self.size + 1] = 12
            self.size += 2
        else:
            self._put_name(owner, owner_length)
        i = self.size
        self.body[i] = rdtype >> 8
        self.body[i + 1] = rdtype & 255
        self.body[i + 2] = 0
        self.body[i + 3] = 1
        self.body[i + 4] = ttl >> 24
        self.body[i + 5] = (ttl >> 16) & 255
        self.body[i + 6] = (ttl >> 8) & 255
        self.body[i + 7] = ttl & 255
        self.size += 10
        mark = self.size
        if self.spell_out:
            self._put_bytes(rdata, length)
        elif rdtype == T_NS or rdtype == T_CNAME or rdtype == T_PTR:
            self._put_name(rdata, length)
        elif rdtype == T_MX:
            self._put_bytes(rdata, 2)
            self._put_name(rdata + 2, length - 2)
        elif rdtype == T_SOA:
            i = self._name_length(rdata, length)
            self._put_name(rdata, i)
            self._put_name(rdata + i, length - 20 - i)
            self._put_bytes(rdata + length - 20, 20)
        else:
            self._put_bytes(rdata, length)
        length = self.size - mark
        self.body[mark - 2] = length >> 8
        self.body[mark - 1] = length & 255

    @cython.cfunc
    def _name_length(self, start: cython.Py_ssize_t, limit: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The wire length of the name at `start`, root label included."""
        at: cython.Py_ssize_t = start
        while self.s[at]:
            at += 1 + self.s[at]
            if at - start >= limit:
                raise ValueError("a name in rdata runs past its end")
        return at - start + 1

    @cython.cfunc
    def _put_bytes(self, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.void:
        i: cython.Py_ssize_t
        for i in range(length):
            self.body[self.size + i] = self.s[start + i]
        self.size += length

    @cython.cfunc
    def _ttl(self, node: cython.Py_ssize_t, rdtype: cython.int) -> cython.uint:
        """The TTL of an RRset: the lowest of its records (RFC 2181 section 5.2)."""
        record: cython.Py_ssize_t = self._first_of(node, rdtype)
        ttl: cython.uint = 0xFFFFFFFF
        own: cython.uint
        while record >= 0:
            own = _u32(self.s, self.record_offset[record] + 4)
            if own < ttl:
                ttl = own
            record = self._next_of(record, rdtype)
        return ttl

    @cython.cfunc
    def _put_rrset(
        self,
        owner: cython.Py_ssize_t,
        owner_length: cython.Py_ssize_t,
        node: cython.Py_ssize_t,
        rdtype: cython.int,
        signed: cython.bint,
    ) -> cython.int:
        """Write an RRset and, if `signed`, its signatures; how many records that were."""
        n: cython.int = 0
        ttl: cython.uint = self._ttl(node, rdtype)
        record: cython.Py_ssize_t = self._first_of(node, rdtype)
        while record >= 0:
            self._put_record(owner, owner_length, record, ttl)
            n += 1
            record = self._next_of(record, rdtype)
        if signed:
            n += self._put_signatures(owner, owner_length, node, rdtype, -1)
        return n

    @cython.cfunc
    def _put_signatures(
        self,
        owner: cython.Py_ssize_t,
        owner_length: cython.Py_ssize_t,
        node: cython.Py_ssize_t,
        rdtype: cython.int,
        ttl: cython.longlong,
    ) -> cython.int:
        """Write the RRSIGs that cover `rdtype`; `ttl` < 0: with their own TTL."""
        n: cython.int = 0
        record: cython.Py_ssize_t
        if not self.node_has[node] & HAS_RRSIG:
            return 0
        record = self._first_of(node, T_RRSIG)
        while record >= 0:
            if self._covers(record) == rdtype:
                self._put_record(
                    owner, owner_length, record,
                    _u32(self.s, self.record_offset[record] + 4) if ttl < 0 else cython.cast(cython.uint, ttl),
                )
                n += 1
            record = self._next_of(record, T_RRSIG)
        return n

    @cython.cfunc
    def _covers(self, record: cython.Py_ssize_t) -> cython.int:
        """The type that an RRSIG record covers."""
        at: cython.Py_ssize_t = self.record_offset[record]
        at += 20 + _u16(self.s, at)
        return (self.s[at] << 8) | self.s[at + 1]

    # ---- what goes into a block

    @cython.cfunc
    def _build(
        self, node: cython.Py_ssize_t, rdtype: cython.int, signed: cython.bint, default: cython.bint
    ) -> cython.void:
        """The body of the reply at `node` for `rdtype` (`default`: for any type the node and its alias lack)."""
        owner: cython.Py_ssize_t = 0
        owner_length: cython.Py_ssize_t = 0
        hops: cython.int = 0
        kind: cython.int = FOUND
        next_kind: cython.int
        record: cython.Py_ssize_t
        at: cython.Py_ssize_t
        start: cython.Py_ssize_t
        length: cython.Py_ssize_t
        if self.node_flags[node] & IS_WILDCARD and not self.node_flags[node] & OCCLUDED:
            # The query name stands in for the wildcard: only what is above it is known now.
            start = self.node_name[node] + 2
            self._begin(start, self.node_length[node] - 2 + self.origin_length)
        else:
            self._begin(self.node_name[node], self.node_length[node] + self.origin_length)
        while self.node_has[node] & HAS_CNAME and rdtype != T_CNAME and (default or not self._owns(node, rdtype)):
            record = self._first_of(node, T_CNAME)
            at = self.record_offset[record]
            start = at + 20 + _u16(self.s, at)
            length = _u16(self.s, at + 8)
            next_kind = self._lookup(start, length)
            # A target outside the zone is spelled out, so that `path.py` can look for its zone without unpacking.
            self.spell_out = next_kind == OUTSIDE
            self.answers += self._put_rrset(owner, owner_length, node, T_CNAME, signed)
            self.spell_out = False
            if signed and kind == WILDCARD:
                self.block_flags |= BLOCK_SLOW  # the proof that no closer name exists
            owner = start
            owner_length = length
            kind = next_kind
            node = self.found
            hops += 1
            if kind == OUTSIDE:
                self.block_flags |= CHASE
                return
            if kind == DELEGATED or kind == RENAMED or hops >= CHAIN_LIMIT:
                self.block_flags |= BLOCK_SLOW
                return
            if kind == MISSING:
                self.rcode = 3
                self._put_negative(signed)
                return
        if signed and kind == WILDCARD:
            self.block_flags |= BLOCK_SLOW
        if default:
            self._put_negative(signed)
            return
        if self._is_marked(node, rdtype):
            if hops:
                return  # the policy decides what comes next, when it is asked for by that name
            if not self._owns(node, rdtype):
                self._put_negative(signed)
                return
        self.answers += self._put_rrset(owner, owner_length, node, rdtype, signed)
        if self.overflow and owner_length == 0:
            self._find_too_large(node, rdtype)
        if rdtype == T_NS or rdtype == T_MX or rdtype == T_SRV or rdtype == T_SVCB or rdtype == T_HTTPS:
            self._put_targets(node, rdtype, signed)

    @cython.cfunc
    def _find_too_large(self, node: cython.Py_ssize_t, rdtype: cython.int) -> cython.void:
        """An RRset that no message can hold; it is met once without its signatures and once with them."""
        record: cython.Py_ssize_t = self._first_of(node, rdtype)
        if ("rrset-too-large", int(self.record_offset[record])) not in self.findings:
            self._find("rrset-too-large", record)

    @cython.cfunc
    def _put_negative(self, signed: cython.bint) -> cython.void:
        """The end of a chain that leads to nothing: the SOA with the negative TTL (RFC 2308 section 3)."""
        if signed:
            self.block_flags |= BLOCK_SLOW  # needs the proof that the end of the chain has nothing
        self._put_soa()

    @cython.cfunc
    def _put_soa(self) -> cython.void:
        record: cython.Py_ssize_t = self._first_of(0, T_SOA)
        self._put_record(self.stream_end, self.origin_length, record, self._negative_ttl())
        self.authorities += 1

    @cython.cfunc
    def _negative_ttl(self) -> cython.uint:
        at: cython.Py_ssize_t = self.record_offset[self._first_of(0, T_SOA)]
        ttl: cython.uint = self._ttl(0, T_SOA)
        minimum: cython.uint
        at += 20 + _u16(self.s, at) + _u16(self.s, at + 8) - 4
        minimum = (
            (cython.cast(cython.uint, self.s[at]) << 24) | (self.s[at + 1] << 16) | (self.s[at + 2] << 8) | self.s[at + 3]
        )
        return min(ttl, minimum)

    @cython.cfunc
    def _owns(self, node: cython.Py_ssize_t, rdtype: cython.int) -> cython.bint:
        return self._first_of(node, rdtype) >= 0

    @cython.cfunc
    def _target(self, record: cython.Py_ssize_t, rdtype: cython.int) -> cython.Py_ssize_t:
        """Where the target name in the rdata of an NS, MX, SRV, SVCB or HTTPS record begins in the stream."""
        at: cython.Py_ssize_t = self.record_offset[record]
        at += 20 + _u16(self.s, at)
        if rdtype == T_NS:
            return at
        return at + (6 if rdtype == T_SRV else 2)

    @cython.cfunc
    def _priority(self, record: cython.Py_ssize_t) -> cython.int:
        """The first field of an MX, SRV, SVCB or HTTPS record."""
        at: cython.Py_ssize_t = self.record_offset[record]
        at += 20 + _u16(self.s, at)
        return (self.s[at] << 8) | self.s[at + 1]

    @cython.cfunc
    def _put_targets(self, node: cython.Py_ssize_t, rdtype: cython.int, signed: cython.bint) -> cython.void:
        """Additional section: addresses of the RRset's targets, as far as this zone is authoritative for them."""
        record: cython.Py_ssize_t = self._first_of(node, rdtype)
        start: cython.Py_ssize_t
        length: cython.Py_ssize_t
        target: cython.Py_ssize_t
        n: cython.int = 0
        seen: list = []
        while record >= 0 and n < ADDITIONAL_TARGETS:
            start = self._target(record, rdtype)
            length = self._name_length(start, 255)
            if length == 1 and (rdtype == T_SVCB or rdtype == T_HTTPS):
                # "." is the owner itself (RFC 9460 section 2.5.2); a wildcard's owner is not known yet, and
                # with priority 0 it means that there is no service (section 2.5.1).
                target = -1 if self.node_flags[node] & IS_WILDCARD or self._priority(record) == 0 else node
                start = self.node_name[node]
                length = self.node_length[node] + self.origin_length
            else:
                target = self.found if self._lookup(start, length) == FOUND else -1
            if target >= 0 and target not in seen:
                seen.append(target)
                self._put_addresses(start, length, target, signed)
            record = self._next_of(record, rdtype)
            n += 1
        if record >= 0:
            self.block_flags |= BLOCK_SLOW

    @cython.cfunc
    def _put_addresses(
        self, start: cython.Py_ssize_t, length: cython.Py_ssize_t, target: cython.Py_ssize_t, signed: cython.bint
    ) -> cython.void:
        if self._owns(target, 1) and not self._is_marked(target, 1):
            self.additionals += self._put_rrset(start, length, target, 1, signed)
        if self._owns(target, T_AAAA) and not self._is_marked(target, T_AAAA):
            self.additionals += self._put_rrset(start, length, target, T_AAAA, signed)

    @cython.cfunc
    def _build_referral(self, cut: cython.Py_ssize_t, signed: cython.bint) -> cython.void:
        """NS in the authority section, proof of (in)security, and all glue (RFC 9471)."""
        start: cython.Py_ssize_t = self.node_name[cut]
        length: cython.Py_ssize_t = self.node_length[cut] + self.origin_length
        record: cython.Py_ssize_t
        target: cython.Py_ssize_t
        name: cython.Py_ssize_t
        name_length: cython.Py_ssize_t
        below: cython.bint
        round_: cython.int
        n: cython.int
        self._begin(start, length)
        self.block_flags = GLUE_REQUIRED
        self.authorities += self._put_rrset(start, length, cut, T_NS, False)
        if self.overflow:
            self._find_too_large(cut, T_NS)
        if signed:
            if self.node_has[cut] & HAS_DS:
                self.authorities += self._put_rrset(start, length, cut, T_DS, True)
            elif self.zone_flags & NSEC_ZONE and self.node_has[cut] & HAS_NSEC:
                self.authorities += self._put_rrset(start, length, cut, T_NSEC, True)
            elif self.zone_flags & NSEC_ZONE:
                self.block_flags |= BLOCK_SLOW
            # In an NSEC3 zone the proof has another owner; `path.py` puts it between the NS records and the glue.
        # In-domain glue first: it is what the resolver cannot do without.
        for round_ in range(2):
            record = self._first_of(cut, T_NS)
            n = 0
            seen: list = []
            while record >= 0 and n < GLUE_LIMIT:
                name = self._target(record, T_NS)
                name_length = self._name_length(name, 255)
                target = self._exact(name, name_length)
                if (
                    target >= 0
                    and self.node_flags[target] & OCCLUDED
                    and not self.node_flags[self.node_above[target]] & CUT
                ):
                    target = -1  # below a DNAME: no such name, whatever the zone says there
                if target >= 0 and target not in seen:
                    seen.append(target)
                    below = target == cut or (
                        self.node_flags[target] & OCCLUDED != 0 and self.node_above[target] == cut
                    )
                    if below == (round_ == 0):
                        self._put_addresses(
                            name, name_length, target,
                            signed and not self.node_flags[target] & (OCCLUDED | CUT),
                        )
                record = self._next_of(record, T_NS)
                n += 1
            if record >= 0:
                self.block_flags |= BLOCK_SLOW  # more than are looked up here; none may be missing (RFC 9471)

    # ---- writing blocks, entries, nodes

    @cython.cfunc
    def _save_block(self) -> cython.uint:
        """Append the body as a block to the node's blocks; its place there."""
        place: cython.Py_ssize_t = self.scratch_size
        i: cython.Py_ssize_t
        at: cython.Py_ssize_t
        if self.overflow:
            self.block_flags |= BLOCK_SLOW
        if place + 12 + self.size + 2 * self.relocations > len(self.scratch):
            bigger: cython.uchar[::1] = bytearray(2 * len(self.scratch) + self.size + 2 * self.relocations)
            bigger[:place] = self.scratch[:place]
            self.scratch = bigger
        at = place
        self._scratch_u16(at, self.size)
        self._scratch_u16(at + 2, self.answers)
        self._scratch_u16(at + 4, self.authorities)
        self._scratch_u16(at + 6, self.additionals)
        self._scratch_u16(at + 8, self.relocations)
        self.scratch[at + 10] = self.rcode
        self.scratch[at + 11] = self.block_flags
        at += 12
        for i in range(self.size):
            self.scratch[at + i] = self.body[i]
        at += self.size
        for i in range(self.relocations):
            self._scratch_u16(at + 2 * i, self.relocation[i])
        self.scratch_size = at + 2 * self.relocations
        return place

    @cython.cfunc
    def _scratch_u16(self, at: cython.Py_ssize_t, value: cython.Py_ssize_t) -> cython.void:
        self.scratch[at] = value & 255
        self.scratch[at + 1] = (value >> 8) & 255

    @cython.cfunc
    def _add_entry(self, rdtype: cython.int, flags: cython.int, plain: cython.uint, signed: cython.uint) -> cython.void:
        n: cython.Py_ssize_t = self.entries
        if n >= len(self.entry_type):
            self._grow_entries()
        self.entry_type[n] = rdtype
        self.entry_flags[n] = flags
        self.entry_plain[n] = plain
        self.entry_signed[n] = signed
        self.entries = n + 1

    @cython.cfunc
    def _grow_entries(self) -> cython.void:
        n: cython.Py_ssize_t = self.entries
        kinds, flags, plain, signed = self.entry_type, self.entry_flags, self.entry_plain, self.entry_signed
        self.entry_type = array("i", bytes(8 * n))
        self.entry_flags = array("i", bytes(8 * n))
        self.entry_plain = array("I", bytes(8 * n))
        self.entry_signed = array("I", bytes(8 * n))
        self.entry_type[:n] = kinds[:n]
        self.entry_flags[:n] = flags[:n]
        self.entry_plain[:n] = plain[:n]
        self.entry_signed[:n] = signed[:n]

    @cython.cfunc
    def _next_type(self, node: cython.Py_ssize_t, after: cython.int) -> cython.int:
        """The node's lowest type above `after` (RRSIG left out), owned or marked, or 65536."""
        record: cython.Py_ssize_t = self.node_first[node]
        best: cython.int = 65536
        kind: cython.int
        while record:
            kind = self._type_of(record - 1)
            if after < kind < best and kind != T_RRSIG:
                best = kind
            record = self.record_next[record - 1]
        if self.node_has[node] & HAS_MARK:
            for marked in self.marks[node]:
                if after < marked < best:
                    best = marked
        return best

    @cython.cfunc
    def _write_entry(
        self, node: cython.Py_ssize_t, rdtype: cython.int, flags: cython.int, default: cython.bint
    ) -> cython.void:
        plain: cython.uint
        signed: cython.uint = 0xFFFFFFFF
        self._build(node, rdtype, False, default)
        plain = self._save_block()
        if self.zone_flags & SIGNED_ZONE and (self.node_flags[node] & OCCLUDED == 0 or self.node_has[node] & HAS_RRSIG):
            self._build(node, rdtype, True, default)
            signed = self._save_block()
        self._add_entry(layout.DEFAULT_TYPE if default else rdtype, flags, plain, signed)

    @cython.cfunc
    def _write_node(self, node: cython.Py_ssize_t) -> cython.void:
        rdtype: cython.int
        flags: cython.int = self.node_flags[node]
        end: cython.Py_ssize_t
        plain: cython.uint
        signed: cython.uint
        alias: cython.bint = self.node_has[node] & HAS_CNAME != 0 and flags & OCCLUDED == 0
        self.scratch_size = 0
        self.entries = 0
        if alias:
            end = self._chain_end(node)
            self._write_entry(node, 0, 0, True)
            rdtype = self._next_type(end, -1) if end >= 0 else 65536
            while rdtype < 65536:
                if not self._owns(node, rdtype):
                    self._write_entry(node, rdtype, 0, False)
                rdtype = self._next_type(end, rdtype)
        rdtype = self._next_type(node, -1)
        while rdtype < 65536:
            if rdtype == T_NS and flags & CUT and flags & OCCLUDED == 0:
                self._build_referral(node, False)
                plain = self._save_block()
                signed = 0xFFFFFFFF
                if self.zone_flags & SIGNED_ZONE:
                    self._build_referral(node, True)
                    signed = self._save_block()
                self._add_entry(rdtype, OWN, plain, signed)
            elif self._is_marked(node, rdtype):
                self._write_entry(node, rdtype, POLICY | OWN if self._owns(node, rdtype) else POLICY, False)
            else:
                self._write_entry(node, rdtype, OWN, False)
            rdtype = self._next_type(node, rdtype)
        self._emit_node(node)

    @cython.cfunc
    def _chain_end(self, node: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The node at the end of a CNAME chain inside the zone, or -1 if it ends elsewhere or nowhere."""
        hops: cython.int = 0
        kind: cython.int
        record: cython.Py_ssize_t
        at: cython.Py_ssize_t
        while self.node_has[node] & HAS_CNAME:
            record = self._first_of(node, T_CNAME)
            at = self.record_offset[record]
            kind = self._lookup(at + 20 + _u16(self.s, at), _u16(self.s, at + 8))
            hops += 1
            if hops >= CHAIN_LIMIT or (kind != FOUND and kind != WILDCARD):
                return -1
            node = self.found
        return node

    @cython.cfunc
    def _emit_node(self, node: cython.Py_ssize_t) -> cython.void:
        """Write the node, its entries and its blocks to the image."""
        signed: cython.bint = self.zone_flags & SIGNED_ZONE != 0
        length: cython.Py_ssize_t = self.node_length[node]
        name: cython.Py_ssize_t = self.node_name[node]
        stride: cython.Py_ssize_t = 12 if signed else 8
        position: cython.Py_ssize_t = self.out_size
        at: cython.Py_ssize_t
        blocks: cython.Py_ssize_t
        i: cython.Py_ssize_t
        above: cython.Py_ssize_t
        self._reserve(16 + length + stride * self.entries + self.scratch_size)
        self.node_position[node] = position
        self.out[position] = self.node_flags[node]
        self.out[position + 1] = length
        self._out_u16(position + 2, self.entries)
        if self.node_flags[node] & OCCLUDED:
            above = self.node_above[node]
            self._out_u32(position + 4, self.node_position[above])
        else:
            self._out_u32(position + 4, 0)
        if node and self.node_flags[node] & IS_WILDCARD:
            above = self.node_parent[node]
            if self.node_flags[above] & WILDCARD_HERE and self.node_wildcard[above] == node:
                self._out_u32(self.node_position[above] + 4, position)
        at = position + 8
        if signed:
            self._out_u32(at, 0)
            self._out_u32(at + 4, 0)
            at += 8
        for i in range(length):
            self.out[at + i] = _lower(self.s[name + i])
        at += length
        blocks = at + stride * self.entries
        for i in range(self.entries):
            self._out_u16(at, self.entry_type[i])
            self._out_u16(at + 2, self.entry_flags[i])
            self._out_u32(at + 4, blocks + self.entry_plain[i])
            if signed:
                self._out_u32(at + 8, 0 if self.entry_signed[i] == 0xFFFFFFFF else blocks + self.entry_signed[i])
            at += stride
        for i in range(self.scratch_size):
            self.out[blocks + i] = self.scratch[i]
        self.out_size = blocks + self.scratch_size

    @cython.cfunc
    def _write_negative(self, signed: cython.bint) -> cython.Py_ssize_t:
        """The zone's negative block; its position in the image."""
        i: cython.Py_ssize_t
        position: cython.Py_ssize_t = self.out_size
        self._begin(self.stream_end, self.origin_length)
        self._put_soa()
        if signed:
            self.authorities += self._put_signatures(
                self.stream_end, self.origin_length, 0, T_SOA, self._negative_ttl()
            )
        self.scratch_size = 0
        self._save_block()
        self._reserve(self.scratch_size)
        for i in range(self.scratch_size):
            self.out[position + i] = self.scratch[i]
        self.out_size = position + self.scratch_size
        return position

    @cython.cfunc
    def _reserve(self, more: cython.Py_ssize_t) -> cython.void:
        need: cython.Py_ssize_t = self.out_size + more
        if need > layout.IMAGE_LIMIT:
            raise ValueError("zone too large: a compiled zone must be under 4 GiB")
        if need > len(self.out):
            bigger: cython.uchar[::1] = bytearray(need + need // 2)
            bigger[: self.out_size] = self.out[: self.out_size]
            self.out = bigger

    @cython.cfunc
    def _out_u16(self, at: cython.Py_ssize_t, value: cython.Py_ssize_t) -> cython.void:
        self.out[at] = value & 255
        self.out[at + 1] = (value >> 8) & 255

    @cython.cfunc
    def _out_u32(self, at: cython.Py_ssize_t, value: cython.Py_ssize_t) -> cython.void:
        self.out[at] = value & 255
        self.out[at + 1] = (value >> 8) & 255
        self.out[at + 2] = (value >> 16) & 255
        self.out[at + 3] = (value >> 24) & 255

    # ---- tables and header

    @cython.cfunc
    def _write_hash_table(self) -> cython.int:
        """The hash table at the end of the image; the longest run that a probe has to walk."""
        slots: cython.Py_ssize_t = 4
        at: cython.Py_ssize_t
        node: cython.Py_ssize_t
        run: cython.int
        longest: cython.int = 0
        h: cython.ulonglong
        slot: cython.ulonglong
        start: cython.Py_ssize_t = self.out_size
        while 3 * slots < 4 * self.node_count + 4:
            slots *= 2
        self._reserve(8 * slots)
        self.hash_mask = slots - 1
        for at in range(start, start + 8 * slots):
            self.out[at] = 0
        for node in range(self.node_count):
            if self.node_flags[node] & IS_NSEC3:
                continue
            h = self.node_hash[node]
            slot = (h ^ (h >> 32)) & self.hash_mask
            run = 0
            while _u32w(self.out, start + 8 * cython.cast(cython.Py_ssize_t, slot) + 4):
                slot = (slot + 1) & self.hash_mask
                run += 1
            at = start + 8 * cython.cast(cython.Py_ssize_t, slot)
            self._out_u32(at, cython.cast(cython.Py_ssize_t, h >> 32))
            self._out_u32(at + 4, self.node_position[node])
            longest = max(longest, run)
        self.out_size = start + 8 * slots
        return longest

    def _finish(self, note: bytes, negative: int, negative_signed: int) -> bytes:
        """Tables, note and header; the finished image."""
        i: cython.Py_ssize_t
        at: cython.Py_ssize_t
        soa: cython.Py_ssize_t = self.record_offset[self._first_of(0, T_SOA)]
        soa += 20 + _u16(self.s, soa) + _u16(self.s, soa + 8) - 20
        hash_table = self.out_size
        max_probe = self._write_hash_table()
        order_table = self.out_size
        self._reserve(4 * self.node_count)
        for i in range(self.node_count):
            self._out_u32(order_table + 4 * i, self.node_position[self.order[i]])
        self.out_size += 4 * self.node_count
        proof_table = self.out_size
        proof_count = 0
        salt = b""
        algorithm = iterations = 0
        if self.zone_flags & NSEC_ZONE:
            proof_count = self._write_nsec_table()
        elif self.zone_flags & NSEC3_ZONE:
            algorithm, iterations, salt = self._nsec3_parameters_of_apex()
            proof_count = self._write_nsec3_table(iterations, salt)
        salt_position = self.out_size
        self._put_out(salt)
        note_position = self.out_size
        self._put_out(note)
        header = layout.Header(
            magic=layout.MAGIC,
            size=self.out_size,
            flags=self.zone_flags,
            seed=self.seed,
            nodes=self.node_count,
            records=self.kept,
            hash_table=hash_table,
            hash_mask=self.hash_mask,
            order_table=order_table,
            apex=self.node_position[0],
            serial=int.from_bytes(bytes(self.s[soa : soa + 4]), "big"),
            negative=negative,
            negative_signed=negative_signed,
            proof_table=proof_table,
            proof_count=proof_count,
            nsec3_iterations=iterations,
            nsec3_algorithm=algorithm,
            nsec3_salt_length=len(salt),
            nsec3_salt=salt_position,
            note=note_position,
            note_length=len(note),
            origin_length=self.origin_length,
            origin_labels=self.origin_labels,
            max_probe=max_probe,
        )
        at = 0
        for octet in layout.write_header(header):
            self.out[at] = octet
            at += 1
        return bytes(self.out[: self.out_size])

    def _put_out(self, data: bytes) -> None:
        i: cython.Py_ssize_t = 0
        self._reserve(len(data))
        for octet in data:
            self.out[self.out_size + i] = octet
            i += 1
        self.out_size += len(data)

    # ---- denial of existence: NSEC (RFC 4034) and NSEC3 (RFC 5155)

    @cython.cfunc
    def _write_nsec_table(self) -> cython.Py_ssize_t:
        """Owners of NSEC records in canonical order, and for each name which of them covers its wildcard."""
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        node: cython.Py_ssize_t
        key: cython.ulonglong
        count: cython.Py_ssize_t = 0
        at: cython.Py_ssize_t = self.out_size
        self._reserve(12 * self.node_count)
        for i in range(self.node_count):
            node = self.order[i]
            if self.node_has[node] & HAS_NSEC and not self.node_flags[node] & OCCLUDED:
                key = self._key(node, 0)
                for j in range(8):
                    self.out[at + j] = cython.cast(cython.uchar, (key >> (56 - 8 * j)) & 255)
                self._out_u32(at + 8, self.node_position[node])
                at += 12
                count += 1
        self.out_size = at
        self._cover_wildcards()
        return count

    @cython.cfunc
    def _cover_wildcards(self) -> cython.void:
        """`wild` of every node: the last NSEC owner before `*.name`.

        In canonical order a name is followed by its descendants; `*.name` would stand among its children, after
        those whose label sorts before `*`. So it is the last NSEC owner below such a child, or the name itself.
        One walk over the order with a stack of open ancestors finds all of them.
        """
        i: cython.Py_ssize_t
        node: cython.Py_ssize_t
        parent: cython.Py_ssize_t
        last: cython.uint = 0
        for i in range(self.node_count):
            node = self.order[i]
            if node and self._sorts_after_star(node):
                parent = self.node_parent[node]
                if _u32w(self.out, self.node_position[parent] + 12) == 0:
                    self._out_u32(self.node_position[parent] + 12, last)
            if self.node_has[node] & HAS_NSEC and not self.node_flags[node] & OCCLUDED:
                last = self.node_position[node]
            self.node_above[node] = last  # reused: the last NSEC owner at or before this name
        # Names without a child after `*`: the last NSEC owner at or below the name.
        for i in range(self.node_count - 1, -1, -1):
            node = self.order[i]
            if _u32w(self.out, self.node_position[node] + 12) == 0:
                self._out_u32(self.node_position[node] + 12, self.node_above[self._last_below(i)])

    @cython.cfunc
    def _last_below(self, i: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The last node at or below the name at place `i` of the canonical order."""
        node: cython.Py_ssize_t = self.order[i]
        low: cython.Py_ssize_t = i
        high: cython.Py_ssize_t = self.node_count
        middle: cython.Py_ssize_t
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_below(self.order[middle], node):
                low = middle
            else:
                high = middle
        return self.order[low]

    @cython.cfunc
    def _is_below(self, node: cython.Py_ssize_t, ancestor: cython.Py_ssize_t) -> cython.bint:
        """`node` is at or below `ancestor` (both at or after `ancestor` in canonical order)."""
        extra: cython.Py_ssize_t = self.node_length[node] - self.node_length[ancestor]
        at: cython.Py_ssize_t = self.node_name[node]
        if extra < 0:
            return False
        while at < self.node_name[node] + extra:
            at += 1 + self.s[at]
        return at == self.node_name[node] + extra and _same_name(
            self.s, at, self.node_name[ancestor], self.node_length[ancestor]
        )

    @cython.cfunc
    def _sorts_after_star(self, node: cython.Py_ssize_t) -> cython.bint:
        """The first label of the node sorts at or after `*`."""
        at: cython.Py_ssize_t = self.node_name[node]
        return self.s[at] > 0 and self.s[at + 1] >= 42

    def _nsec3_parameters_of_apex(self) -> tuple[int, int, bytes]:
        """Algorithm, iterations and salt of the apex's NSEC3PARAM (RFC 5155 section 4)."""
        at: cython.Py_ssize_t = self.record_offset[self._first_of(0, T_NSEC3PARAM)]
        length = _u16(self.s, at + 8)
        at += 20 + _u16(self.s, at)
        rdata = bytes(self.s[at : at + length])
        if length < 5 or len(rdata) < 5 + rdata[4]:
            raise ValueError("NSEC3PARAM rdata is cut short")
        return rdata[0], (rdata[2] << 8) | rdata[3], rdata[5 : 5 + rdata[4]]

    def _write_nsec3_table(self, iterations: int, salt: bytes) -> int:
        """NSEC3 owners by hash, and for each name the NSEC3 that matches it and the one that covers its wildcard."""
        node: cython.Py_ssize_t
        owners = []
        for node in range(self.node_count):
            if self.node_has[node] & HAS_NSEC3:
                label = bytes(self.s[self.node_name[node] + 1 : self.node_name[node] + 33])
                if self.node_length[node] == 33:
                    try:
                        owners.append((base64.b32hexdecode(label.upper()), node))
                    except ValueError:
                        self._find("nsec3-owner", self._first_of(node, T_NSEC3))
        owners.sort()
        for digest, node in owners:
            self._put_out(digest + int(self.node_position[node]).to_bytes(4, "little"))
        if not owners:
            return 0
        hashes = [digest for digest, _ in owners]
        places = [int(self.node_position[node]) for _, node in owners]
        exact = dict(zip(hashes, places))
        from bisect import bisect_right

        sha1 = hashlib.sha1
        for node in range(self.node_count):
            if self.node_flags[node] & (OCCLUDED | IS_NSEC3):
                continue
            name = bytes(self.s[self.node_name[node] : self.node_name[node] + self.node_length[node]]).lower()
            name += self.origin
            digest = sha1(name + salt).digest()
            for _ in range(iterations):
                digest = sha1(digest + salt).digest()
            self._out_u32(self.node_position[node] + 8, exact.get(digest, 0))
            if self.node_flags[node] & WILDCARD_HERE:
                continue
            digest = sha1(b"\1*" + name + salt).digest()
            for _ in range(iterations):
                digest = sha1(digest + salt).digest()
            if digest not in exact:
                self._out_u32(self.node_position[node] + 12, places[bisect_right(hashes, digest) - 1])
        return len(owners)


@cython.cfunc
@cython.inline
def _u16(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.int:
    return b[at] | (b[at + 1] << 8)


@cython.cfunc
@cython.inline
def _u32(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.uint:
    return b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (cython.cast(cython.uint, b[at + 3]) << 24)


@cython.cfunc
@cython.inline
def _u32w(b: cython.uchar[::1], at: cython.Py_ssize_t) -> cython.uint:
    return b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (cython.cast(cython.uint, b[at + 3]) << 24)


@cython.cfunc
@cython.inline
def _lower(octet: cython.uint) -> cython.uint:
    return octet + 32 if 65 <= octet <= 90 else octet


@cython.cfunc
def _same(
    b: cython.const[cython.uchar][::1], one: cython.Py_ssize_t, other: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.bint:
    """The bytes at two places are the same."""
    i: cython.Py_ssize_t
    for i in range(length):
        if b[one + i] != b[other + i]:
            return False
    return True


@cython.cfunc
def _same_name(
    b: cython.const[cython.uchar][::1], one: cython.Py_ssize_t, other: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.bint:
    """The names at two places are the same, case-blind (length bytes are below `A`)."""
    i: cython.Py_ssize_t
    for i in range(length):
        if _lower(b[one + i]) != _lower(b[other + i]):
            return False
    return True


@cython.cfunc
def _kind(rdtype: cython.int) -> cython.int:
    """The HAS_ bit of a record type."""
    if rdtype == T_NS:
        return HAS_NS
    if rdtype == T_CNAME:
        return HAS_CNAME
    if rdtype == T_DNAME:
        return HAS_DNAME
    if rdtype == T_SOA:
        return HAS_SOA
    if rdtype == T_NSEC:
        return HAS_NSEC
    if rdtype == T_NSEC3:
        return HAS_NSEC3
    if rdtype == T_RRSIG:
        return HAS_RRSIG
    if rdtype == T_DS:
        return HAS_DS
    if rdtype == T_KEY:
        return 0
    return HAS_OTHER
