# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""A compiled zone (`layout.py`) -> its records in wire format: one by one, as the messages of a zone transfer, or as the
record stream of another compilation.

The order is that of a transfer: the SOA, then everything else in canonical order of the owners (RFC 4034 section
6.1), types ascending, the RRSIGs after the RRset they cover. No object is made for a record that goes into a
message: names are moved from block to message by moving their compression pointers.
"""

from __future__ import annotations

from array import array

try:
    import cython
except ModuleNotFoundError:
    from pippin.engine import shim as cython

from pippin.engine import layout, records

MESSAGE_LIMIT = 16384
"""Octets of a message that holds several records. Pointers reach 16383, so longer ones compress no better."""

BUFFER_SIZE = 2 * 65536  # a full message, and behind it a record as long as can be that may turn out not to fit
STREAM_HEADER = cython.declare(cython.int, records.HEADER.size)
STREAM_CHUNK = cython.declare(cython.int, 32768)  # octets of a stream made in one piece
HEADER_SIZE = cython.declare(cython.int, 12)  # of a message; where the question's name, the origin, stands in each
POINTER_REACH = cython.declare(cython.int, 0x4000)  # places that fit the 14 bits of a pointer, RFC 1035 section 4.1.4
LABELS = 128  # a name has at most 127 (RFC 1035 section 2.3.4)

# The layout's flags and widths as C constants
OWN = cython.declare(cython.int, layout.OWN)
CUT = cython.declare(cython.int, layout.CUT)
OCCLUDED = cython.declare(cython.int, layout.OCCLUDED)
IS_WILDCARD = cython.declare(cython.int, layout.IS_WILDCARD)
BLOCK_SIZE = cython.declare(cython.int, layout.BLOCK_SIZE)
ORIGIN = cython.declare(cython.int, layout.HEADER_SIZE)  # place of the origin's name

# Types whose rdata the compiler compresses (RFC 3597 section 4), and nothing else
T_NS = cython.declare(cython.int, 2)
T_CNAME = cython.declare(cython.int, 5)
T_SOA = cython.declare(cython.int, 6)
T_PTR = cython.declare(cython.int, 12)
T_MX = cython.declare(cython.int, 15)


def is_compiled() -> bool:
    """True when this module runs as a compiled extension."""
    return cython.compiled


@cython.final
@cython.cclass
class Unpacker:
    """Reads one image once, either by iteration or by `message`.

    Iteration gives (owner, type, TTL, rdata), names in wire format without compression. The image must stay as it
    is meanwhile. ValueError or IndexError if it is damaged.
    """

    image: cython.const[cython.uchar][::1]
    memory: object  # the same bytes, for cutting objects out of them
    origin: bytes
    origin_length: cython.Py_ssize_t
    signed: cython.bint
    order_table: cython.Py_ssize_t
    nodes: cython.Py_ssize_t
    apex: cython.Py_ssize_t
    # where it is: the next node in canonical order, the next entry of this one, the next record of this RRset
    index: cython.Py_ssize_t
    entry: cython.Py_ssize_t
    entries: cython.Py_ssize_t
    next: cython.Py_ssize_t
    left: cython.Py_ssize_t
    closing: cython.bint
    # the node: relative name, labels from left to right
    flags: cython.int
    name: cython.Py_ssize_t
    name_length: cython.Py_ssize_t
    label: cython.int[::1]
    labels: cython.Py_ssize_t
    fresh: cython.int[::1]
    owner: object  # the absolute name, once it was asked for
    # the block: pointers below `base` lead into the owner's name without its first `shift` octets
    body: cython.Py_ssize_t
    body_end: cython.Py_ssize_t
    base: cython.Py_ssize_t
    shift: cython.Py_ssize_t
    # the record
    rdtype: cython.int
    ttl: cython.uint
    rdata: cython.Py_ssize_t
    length: cython.Py_ssize_t
    pending: cython.bint  # it did not fit the last message
    # the message being written, and where in it the last `known` labels of the owner's name are
    out: cython.uchar[::1]
    written: object  # the same bytes
    size: cython.Py_ssize_t
    spell_out: cython.bint
    place: cython.int[::1]
    known: cython.Py_ssize_t

    def __init__(self, image: bytes | memoryview) -> None:
        header = layout.read_header(image)
        self.image = image
        self.memory = memoryview(image)
        self.origin = layout.origin(image)
        self.origin_length = len(self.origin)
        self.signed = header.flags & layout.SIGNED != 0
        self.order_table = header.order_table
        self.nodes = header.nodes
        self.apex = header.apex
        self.index = 0
        self.closing = True
        self.pending = False
        self.label = array("i", bytes(4 * LABELS))
        self.fresh = array("i", bytes(4 * LABELS))
        self.place = array("i", bytes(4 * LABELS))
        self.labels = 0
        self.known = 0
        self.written = bytearray(BUFFER_SIZE)
        self.out = self.written
        self.size = 0
        self._open_soa()

    # ---- one by one

    def __iter__(self) -> Unpacker:
        return self

    def __next__(self) -> tuple[bytes, int, int, bytes]:
        # Entered with `closing` unset: only a transfer repeats the SOA.
        self.closing = False
        if not self._advance():
            raise StopIteration
        if self.owner is None:
            self.owner = bytes(self.memory[self.name : self.name + self.name_length]) + self.origin
        self.spell_out = True
        self.size = 0
        self._put_rdata()
        return self.owner, self.rdtype, self.ttl, bytes(memoryview(self.written)[: self.size])

    # ---- messages

    def message(self, head: bytes, limit: int) -> tuple[bytes, int]:
        """`head` with the next records behind it, and how many these are; none after the SOA was given again.

        `head` is a header and a question for the origin. Not more than `limit` octets (at most 65535), except that
        a record longer than that gets a message of its own.
        """
        count: cython.Py_ssize_t = 0
        mark: cython.Py_ssize_t
        most: cython.Py_ssize_t = limit
        self.size = len(head)
        self.written[: self.size] = head
        self.spell_out = False
        self.known = 0
        while self.pending or self._advance():
            mark = self.size
            self._put_owner(0)
            self._put_record()
            if self.size > most and count:
                self.size = mark
                self.pending = True
                break
            self.pending = False
            count += 1
        return bytes(memoryview(self.written)[: self.size]), count

    # ---- a record stream

    def stream(self, without: frozenset[bytes] | set[bytes] = frozenset()) -> bytearray:
        """All records (`records.py`) but those of the owners `without` (absolute, lower case), for another compilation.

        Nothing is known of the places they were written at. To be called instead of everything else.
        """
        found = bytearray()
        chunk = memoryview(self.written)
        mark: cython.Py_ssize_t
        length: cython.Py_ssize_t
        node: cython.Py_ssize_t = -1
        is_wanted: cython.bint = False
        lengths: cython.uchar[::1] = bytearray(256)  # a glance at these saves making most names
        for name in without:
            if len(name) <= 255:
                lengths[len(name)] = 1
        self.closing = False
        self.spell_out = True
        self.size = 0
        while self._advance():
            if self.name != node:
                node = self.name
                is_wanted = True
                if lengths[self.name_length + self.origin_length]:
                    owner = bytes(self.memory[self.name : self.name + self.name_length]) + self.origin
                    is_wanted = owner not in without
            if not is_wanted:
                continue
            if self.size >= STREAM_CHUNK:
                found += chunk[: self.size]
                self.size = 0
            mark = self.size
            length = self.name_length + self.origin_length
            self.size += STREAM_HEADER
            self._put_bytes(self.name, self.name_length)
            self._put_bytes(ORIGIN, self.origin_length)
            self._put_rdata()
            self._put_little(mark, length, 2)
            self._put_little(mark + 2, self.rdtype, 2)
            self._put_little(mark + 4, self.ttl, 4)
            self._put_little(mark + 8, self.size - mark - STREAM_HEADER - length, 2)
            self._put_little(mark + 10, 0, 10)
        found += chunk[: self.size]
        return found

    @cython.cfunc
    def _put_little(self, at: cython.Py_ssize_t, value: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.void:
        """Write a little-endian number of n bytes."""
        i: cython.Py_ssize_t
        for i in range(n):
            self.out[at + i] = value & 255
            value >>= 8

    # ---- finding the next record

    @cython.cfunc
    def _advance(self) -> cython.bint:
        """Go to the next record; False after the last one."""
        at: cython.Py_ssize_t
        while True:
            if self.left == 0:
                if not self._next_rrset():
                    return False
                continue
            at = self.next
            if at >= self.body_end:
                self.left = 0  # an RRset too large for a message, which `check` calls an error
                continue
            break
        if self.image[at] != 0xC0 or self.image[at + 1] != HEADER_SIZE:
            raise ValueError("a record of a compiled zone has another owner than its node")
        self.rdtype = _u16_big(self.image, at + 2)
        self.ttl = _u32_big(self.image, at + 6)
        self.length = _u16_big(self.image, at + 10)
        self.rdata = at + 12
        self.next = at + 12 + self.length
        self.left -= 1
        return True

    @cython.cfunc
    def _next_rrset(self) -> cython.bint:
        """Open the next block that begins with an RRset of the node's own."""
        at: cython.Py_ssize_t
        while True:
            if self.entries == 0:
                if self.index == self.nodes:
                    if not self.closing:
                        return False
                    self.closing = False
                    self._open_soa()
                    return True
                self._enter(_u32(self.image, self.order_table + 4 * self.index))
                self.index += 1
                continue
            at = self.entry
            self.entry += layout.SIGNED_ENTRY_SIZE if self.signed else layout.ENTRY_SIZE
            self.entries -= 1
            if _u16(self.image, at + 2) & OWN:
                self._open(at)
                return True

    @cython.cfunc
    def _enter(self, position: cython.Py_ssize_t) -> cython.void:
        """Make the node at `position` the one at hand."""
        n: cython.Py_ssize_t = 0
        same: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        name: cython.Py_ssize_t = position + (layout.SIGNED_NODE_SIZE if self.signed else layout.NODE_SIZE)
        at: cython.Py_ssize_t = name
        end: cython.Py_ssize_t
        self.flags = self.image[position]
        self.name_length = self.image[position + 1]
        self.entries = _u16(self.image, position + 2)
        end = name + self.name_length
        self.entry = end
        self.owner = None
        while at < end:
            self.fresh[n] = at
            n += 1
            at += 1 + self.image[at]
        # In canonical order names follow their parents and siblings: what they share is in the message already.
        while same < self.known and same < n:
            i = self.fresh[n - same - 1]
            j = self.label[self.labels - same - 1]
            if not _same(self.image, i, j, 1 + self.image[i]):
                break
            same += 1
        self.known = same
        self.name = name
        for i in range(n):
            self.label[i] = self.fresh[i]
        self.labels = n

    @cython.cfunc
    def _open(self, entry: cython.Py_ssize_t) -> cython.void:
        """Stand before the first record of the block of an entry, or behind the SOA, which was given already."""
        rdtype: cython.int = _u16(self.image, entry)
        plain: cython.Py_ssize_t = _u32(self.image, entry + 4)
        signed: cython.Py_ssize_t = _u32(self.image, entry + 8) if self.signed else 0
        # A referral has the RRset in its authority section, and no signatures that cover it (RFC 4035 section 2.2).
        referral: cython.bint = rdtype == T_NS and self.flags & (CUT | OCCLUDED) == CUT
        block: cython.Py_ssize_t = plain if referral or signed == 0 else signed
        given: cython.Py_ssize_t
        self._open_block(block, not referral)
        self.left = _u16(self.image, block + (4 if referral else 2))
        if rdtype == T_SOA and self.name_length == 0:
            given = _u16(self.image, plain + 2)
            self.left -= given
            while given > 0:
                self.next += 12 + _u16_big(self.image, self.next + 10)
                given -= 1

    @cython.cfunc
    def _open_soa(self) -> cython.void:
        """Stand before the zone's SOA; canonical order goes on afterwards where it was."""
        plain: cython.Py_ssize_t
        self._enter(self.apex)
        self.left = 0
        while self.entries > 0:
            if _u16(self.image, self.entry) == T_SOA and _u16(self.image, self.entry + 2) & OWN:
                plain = _u32(self.image, self.entry + 4)
                self._open_block(plain, True)
                self.left = _u16(self.image, plain + 2)
                break
            self.entry += layout.SIGNED_ENTRY_SIZE if self.signed else layout.ENTRY_SIZE
            self.entries -= 1
        self.entries = 0

    @cython.cfunc
    def _open_block(self, block: cython.Py_ssize_t, answer: cython.bint) -> cython.void:
        self.body = block + BLOCK_SIZE
        self.body_end = self.body + _u16(self.image, block)
        self.next = self.body
        # Answers of a wildcard are written for the name above it, where names below that can match (layout.py).
        self.shift = 2 if answer and self.flags & (IS_WILDCARD | OCCLUDED) == IS_WILDCARD else 0
        self.base = HEADER_SIZE + self.name_length - self.shift + self.origin_length + 4

    # ---- writing

    @cython.cfunc
    def _put_record(self) -> cython.void:
        """Everything after the owner."""
        mark: cython.Py_ssize_t = self.size
        length: cython.Py_ssize_t
        self._put_bytes(self.rdata - 10, 10)
        self._put_rdata()
        length = self.size - mark - 10
        self.out[mark + 8] = length >> 8
        self.out[mark + 9] = length & 255

    @cython.cfunc
    def _put_rdata(self) -> cython.void:
        at: cython.Py_ssize_t = self.rdata
        if self.rdtype == T_NS or self.rdtype == T_CNAME or self.rdtype == T_PTR:
            self._put_name(at)
        elif self.rdtype == T_MX:
            self._put_bytes(at, 2)
            self._put_name(at + 2)
        elif self.rdtype == T_SOA:
            at = self._put_name(at)
            at = self._put_name(at)
            self._put_bytes(at, 20)
        else:
            self._put_bytes(at, self.length)

    @cython.cfunc
    def _put_name(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Write the name that stands at `at` in the block; where it ends there."""
        after: cython.Py_ssize_t = 0
        target: cython.Py_ssize_t
        octet: cython.Py_ssize_t
        while True:
            octet = self.image[at]
            if octet >= 0xC0:
                target = ((octet & 63) << 8) | self.image[at + 1]
                if after == 0:
                    after = at + 2
                if target < self.base:
                    self._put_owner(target - HEADER_SIZE + self.shift)
                    return after
                if self.body + target - self.base >= at:
                    raise ValueError("a compression pointer of a compiled zone does not point backwards")
                at = self.body + target - self.base
            else:
                self._put_bytes(at, 1 + octet)
                at += 1 + octet
                if octet == 0:
                    return after if after else at

    @cython.cfunc
    def _put_owner(self, offset: cython.Py_ssize_t) -> cython.void:
        """Write the owner's absolute name from an offset, where a label begins."""
        first: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        end: cython.Py_ssize_t = self.name + self.name_length
        if offset >= self.name_length:
            self._put_origin(offset - self.name_length)
            return
        if self.spell_out:
            self._put_bytes(self.name + offset, self.name_length - offset)
            self._put_origin(0)
            return
        while first < self.labels and self.label[first] != self.name + offset:
            first += 1
        stop = self.labels - self.known  # labels from here on are in the message already
        if first < stop:
            if stop < self.labels:
                end = self.label[stop]
            if self.size + end - self.label[first] < POINTER_REACH:
                for i in range(first, stop):
                    self.place[self.labels - i] = self.size + self.label[i] - self.label[first]
                i = self.labels - first
            else:
                i = self.known
            self._put_bytes(self.label[first], end - self.label[first])
            if self.known:
                self._put_pointer(self.place[self.known])
            else:
                self._put_origin(0)
            self.known = i
        elif first < self.labels:
            self._put_pointer(self.place[self.labels - first])
        else:
            raise ValueError("a compression pointer of a compiled zone does not point to a label")

    @cython.cfunc
    def _put_origin(self, offset: cython.Py_ssize_t) -> cython.void:
        """Write the origin from an offset; in a message it is the name of the question."""
        if self.spell_out or offset == self.origin_length - 1:
            self._put_bytes(ORIGIN + offset, self.origin_length - offset)
        else:
            self._put_pointer(HEADER_SIZE + offset)

    @cython.cfunc
    def _put_pointer(self, target: cython.Py_ssize_t) -> cython.void:
        self.out[self.size] = 0xC0 | (target >> 8)
        self.out[self.size + 1] = target & 255
        self.size += 2

    @cython.cfunc
    def _put_bytes(self, start: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.void:
        """Copy n bytes of the image."""
        _copy(self.out, self.size, self.image, start, n)
        self.size += n


# ---- bytes: ranges are checked on the first line, the loads after it are not


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u16(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.int:
    if at < 0 or at + 2 > len(b):
        raise IndexError("outside the compiled zone")
    return b[at] | (b[at + 1] << 8)


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u32(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    if at < 0 or at + 4 > len(b):
        raise IndexError("outside the compiled zone")
    return b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (cython.cast(cython.Py_ssize_t, b[at + 3]) << 24)


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u16_big(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.int:
    if at < 0 or at + 2 > len(b):
        raise IndexError("outside the compiled zone")
    return (b[at] << 8) | b[at + 1]


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
def _u32_big(b: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.uint:
    if at < 0 or at + 4 > len(b):
        raise IndexError("outside the compiled zone")
    return (cython.cast(cython.uint, b[at]) << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]


@cython.cfunc
@cython.boundscheck(False)
def _same(
    b: cython.const[cython.uchar][::1], one: cython.Py_ssize_t, other: cython.Py_ssize_t, n: cython.Py_ssize_t
) -> cython.bint:
    """The n bytes at two places are the same."""
    i: cython.Py_ssize_t
    if one < 0 or other < 0 or n < 0 or one + n > len(b) or other + n > len(b):
        raise IndexError("outside the compiled zone")
    if not cython.compiled:
        return b[one : one + n] == b[other : other + n]
    for i in range(n):
        if b[one + i] != b[other + i]:
            return False
    return True


@cython.cfunc
@cython.boundscheck(False)
def _copy(
    target: cython.uchar[::1],
    to: cython.Py_ssize_t,
    source: cython.const[cython.uchar][::1],
    start: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
) -> cython.int:
    """Copy n bytes."""
    i: cython.Py_ssize_t
    if n < 0 or to < 0 or start < 0 or to + n > len(target) or start + n > len(source):
        raise IndexError("copy outside a buffer")
    if not cython.compiled:
        target[to : to + n] = source[start : start + n]
        return 0
    for i in range(n):
        target[to + i] = source[start + i]
    return 0
