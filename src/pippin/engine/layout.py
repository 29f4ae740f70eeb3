"""Every offset, width and flag of a compiled zone: `compile.py` writes it, `find.py`, `path.py` and Zone views read it.

A compiled zone ("image") is one immutable run of bytes. All integers are little-endian; every position is an
unsigned 32-bit offset from the image's first byte, so an image can be mapped anywhere and is at most 4 GiB.

    image   +--------+--------+------------------------------+-------+-------+-------+------+
            | header | origin | nodes, each with its blocks  | hash  | order | proof | note |
            |  128   | name   | (canonical order, RFC 4034   | table | table | table |      |
            |        |        |  6.1; the apex comes first)  |       |       |       |      |
            +--------+--------+------------------------------+-------+-------+-------+------+

**Node**: an owner name, a name that a policy answers for, or an empty non-terminal. The node, its entries and its
blocks lie side by side, so that one look-up touches the hash slot and then one place.

    0       1        2        4        8                   (signed zones only: 8        12)
    +-------+--------+--------+--------+                   +----------+---------+
    | flags | name   | entries| link   |                   | proof    | wild    |     name     entries
    |       | length |        |        |                   |          |         |     (wire)   ENTRY each
    +-------+--------+--------+--------+                   +----------+---------+

  name    relative to the origin, lower case, without the root label; empty at the apex
  link    OCCLUDED: the cut or DNAME owner above; else HAS_WILDCARD: the wildcard node `*.name`; else 0
  proof   NSEC3 zones: the node of the NSEC3 record that matches this name, or 0
  wild    the node of the NSEC or NSEC3 record that covers `*.name` (0: none, or the wildcard exists)

**Entry**: how to answer one query type at this node; sorted by type, the DEFAULT_TYPE entry first.

    0      2       4        8        (signed zones only: 8)
    +------+-------+--------+        +--------+
    | type | flags | plain  |        | signed |      positions of the blocks without and with DNSSEC records
    +------+-------+--------+        +--------+

  OWN           the node owns this RRset, the plain block begins with it (in the authority section at a cut)
  POLICY        a policy decides the answer to questions for this very type (not ANY); the plain block is the static
                one, which the policy may fall back to: the RRset with OWN, else NODATA. Only in unsigned zones
  DEFAULT_TYPE  only where there is a CNAME: the answer for every type that has no entry of its own
  other         (none of these) the answer reached by following a CNAME inside the zone. Where that leads to an entry
                with POLICY it ends with the CNAME: no block has in it what a policy decides, in no section

**Block**: everything of a reply that follows the question, ready to be copied.

    0        2         4             6             8        10      11      12
    +--------+---------+-------------+-------------+--------+-------+-------+--------+---------------+
    | length | answers | authorities | additionals | relocs | rcode | flags | body   | relocations   |
    +--------+---------+-------------+-------------+--------+-------+-------+--------+---------------+

Compression pointers in a body are right for a question whose name is the block's *reference name*: the node's
own name, the closest encloser for a wildcard node, the origin for the negative blocks. For a longer query name
each two-byte pointer named in `relocations` (16-bit offsets into the body) moves by the difference in length.
Pointers to the query name itself (0xC00C as the owner of an answer) stay and are not listed.

**Hash table**: open addressing, linear probing, slots of 8 bytes: high half of the name's hash, node position
(0 = empty). `find.py` has the hash. Owners of nothing but NSEC3 records (and their RRSIGs) are not in it: they
don't exist in the zone's name space (RFC 5155 section 7.2.8).

**Order table**: the position of every node, canonical order, 4 bytes each.

**Proof table**: NSEC zones: owners of NSEC records in canonical order, 12 bytes each: the first 8 bytes of the
canonical key (`find.canonical_key`) big-endian as one integer, node. NSEC3 zones: 24 bytes each, by hash: hash
(20 bytes), node.

**Note**: bytes that the writer may leave in the image for itself (where the zone came from).

**Not ready**: a zone that is to be served but has no version yet is an image too (`not_ready.py`): the zone flag
NOT_READY, and an apex without entries that is OCCLUDED, so that nothing at or below it is answered from.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

MAGIC = b"PIPPINZ1"
HEADER_SIZE = 128

# Header: offset of each 32-bit field, except where another width is named.
H_SIZE = 8
H_FLAGS = 12
H_SEED = 16  # 64 bits
H_NODES = 24
H_RECORDS = 28
H_HASH_TABLE = 32
H_HASH_MASK = 36
H_ORDER_TABLE = 40
H_APEX = 44
H_SERIAL = 48
H_NEGATIVE = 52  # block NODATA/NXDOMAIN without DNSSEC: SOA in the authority section; reference name = origin
H_NEGATIVE_SIGNED = 56  # the same followed by its RRSIGs
H_PROOF_TABLE = 60
H_PROOF_COUNT = 64
H_NSEC3_ITERATIONS = 68  # 16 bits
H_NSEC3_ALGORITHM = 70  # 8 bits
H_NSEC3_SALT_LENGTH = 71  # 8 bits
H_NSEC3_SALT = 72  # position
H_NOTE = 76
H_NOTE_LENGTH = 80
H_ORIGIN_LENGTH = 84  # 8 bits, wire length with the root label
H_ORIGIN_LABELS = 85  # 8 bits, without the root label
H_MAX_PROBE = 88

_HEADER = Struct("<8sIIQIIIIIIIIIIIHBBIIIBBxxI")


class Header(NamedTuple):
    """The header of an image, field by field in the order of the `H_` offsets."""

    magic: bytes
    size: int
    flags: int
    seed: int
    nodes: int
    records: int
    hash_table: int
    hash_mask: int
    order_table: int
    apex: int
    serial: int
    negative: int
    negative_signed: int
    proof_table: int
    proof_count: int
    nsec3_iterations: int
    nsec3_algorithm: int
    nsec3_salt_length: int
    nsec3_salt: int
    note: int
    note_length: int
    origin_length: int
    origin_labels: int
    max_probe: int


# Zone flags
NSEC = 1  # the zone is signed with NSEC
NSEC3 = 2  # the zone is signed with NSEC3
SIGNATURES = 4  # there are RRSIG records, but no proofs that could go with them
SIGNED = NSEC | NSEC3 | SIGNATURES  # any of them: nodes and entries have the longer form
NOT_READY = 8  # there is no version of the zone: every question for a name in it gets SERVFAIL

# Node flags
CUT = 1  # a zone cut: NS below the apex
OCCLUDED = 2  # below a cut or below a DNAME: never answered from
HAS_WILDCARD = 4  # the name `*.this` exists
HAS_DNAME = 8
IS_WILDCARD = 16  # the first label is `*`
IS_NSEC3 = 32  # owns only NSEC3 and RRSIG records of an NSEC3 zone
NODE_SIZE = 8
SIGNED_NODE_SIZE = 16

# Entry flags
OWN = 1
POLICY = 2
DEFAULT_TYPE = 65535  # a reserved type number (RFC 6895 section 3.1), so no query can mean it
ENTRY_SIZE = 8
SIGNED_ENTRY_SIZE = 12

# Block flags
AUTHORITATIVE = 1  # AA
GLUE_REQUIRED = 2  # a referral: additional records that do not fit set TC (RFC 9471)
CHASE = 4  # ends in a CNAME whose target lies outside this zone: another zone served here may go on
BLOCK_SLOW = 8  # not prepared (too big, or needs thought): ask the slow path
BLOCK_SIZE = 12

HASH_SLOT_SIZE = 8
NSEC_PROOF_SIZE = 12
NSEC3_PROOF_SIZE = 24

IMAGE_LIMIT = 0xFFFFFFFF
BODY_LIMIT = 65535 - 12 - 5 - 255  # what a block may hold so that every message with it fits 65,535 bytes


def read_header(image: bytes | memoryview) -> Header:
    """The header of `image`. ValueError if the bytes are not a compiled zone."""
    if len(image) < HEADER_SIZE or bytes(image[:8]) != MAGIC:
        raise ValueError("not a compiled zone: the first eight bytes should be 'PIPPINZ1'")
    header = Header._make(_HEADER.unpack_from(image))
    if header.size > len(image):
        raise ValueError(f"compiled zone is cut short: {len(image)} of {header.size} bytes")
    return header


def write_header(header: Header) -> bytes:
    """The packed header, padded to HEADER_SIZE."""
    return _HEADER.pack(*header).ljust(HEADER_SIZE, b"\0")


def origin(image: bytes | memoryview) -> bytes:
    """The zone's origin, lower case, wire format."""
    return bytes(image[HEADER_SIZE : HEADER_SIZE + image[H_ORIGIN_LENGTH]])


class Node(NamedTuple):
    """A node in plain Python, for readers that are in no hurry."""

    position: int
    flags: int
    name: bytes
    link: int
    proof: int
    wild: int
    entries: tuple[Entry, ...]


class Entry(NamedTuple):
    """One entry of a node. `signed` is 0 in unsigned zones, and where the signed block is the plain one."""

    type: int
    flags: int
    plain: int
    signed: int


class Block(NamedTuple):
    """One block of an image."""

    answers: int
    authorities: int
    additionals: int
    rcode: int
    flags: int
    body: bytes
    relocations: tuple[int, ...]


_NODE = Struct("<BBHI")
_NODE_PROOF = Struct("<II")
_ENTRY = Struct("<HHI")
_SIGNED_ENTRY = Struct("<HHII")
_BLOCK = Struct("<HHHHHBB")


def write_node(flags: int, entries: int, link: int) -> bytes:
    """The head of a node of an unsigned zone; without a name it is an apex."""
    return _NODE.pack(flags, 0, entries, link)


def read_node(image: bytes | memoryview, position: int, signed: bool) -> Node:
    """Unpack the node at `position`."""
    flags, length, count, link = _NODE.unpack_from(image, position)
    start = position + NODE_SIZE
    proof = wild = 0
    if signed:
        proof, wild = _NODE_PROOF.unpack_from(image, start)
        start = position + SIGNED_NODE_SIZE
    name = bytes(image[start : start + length])
    start += length
    entries = []
    for i in range(count):
        if signed:
            entries.append(Entry(*_SIGNED_ENTRY.unpack_from(image, start + SIGNED_ENTRY_SIZE * i)))
        else:
            rdtype, entry_flags, plain = _ENTRY.unpack_from(image, start + ENTRY_SIZE * i)
            entries.append(Entry(rdtype, entry_flags, plain, 0))
    return Node(position, flags, name, link, proof, wild, tuple(entries))


def read_block(image: bytes | memoryview, position: int) -> Block:
    """Unpack the block at `position`."""
    length, answers, authorities, additionals, relocs, rcode, flags = _BLOCK.unpack_from(image, position)
    start = position + BLOCK_SIZE
    body = bytes(image[start : start + length])
    relocations = tuple(
        int.from_bytes(image[start + length + 2 * i : start + length + 2 * i + 2], "little") for i in range(relocs)
    )
    return Block(answers, authorities, additionals, rcode, flags, body, relocations)
