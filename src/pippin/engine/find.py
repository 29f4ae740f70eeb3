"""How names are hashed and ordered, and how a name is found in a compiled zone, in plain Python.

`compile.py` and `path.py` hold the same two functions typed for the compiler (no calls cross a compiled module's
border on the hot path); this file is the definition they are tested against, and what the Zone view uses.

**Hash.** Labels are taken from the right, the bytes of a label (length byte first, lower case) from the left eight at
a time, so the hash of every suffix of a name comes out of one pass. A 64-bit multiplicative hash with a secret seed;
probing is bounded by the longest run in the table (`Header.max_probe`), so colliding names cost little even to
somebody who knew the seed.
"""

from __future__ import annotations

from pippin.engine import layout

PRIME = 0x9E3779B97F4A7C15  # odd, bits well spread: the golden ratio in 64 bits
MASK = 0xFFFFFFFFFFFFFFFF


def labels(name: bytes) -> list[int]:
    """Offsets of the labels of a valid wire name, the root label not counted."""
    offsets = []
    at = 0
    while name[at]:
        offsets.append(at)
        at += 1 + name[at]
    return offsets


def name_hash(name: bytes, seed: int) -> int:
    """The seeded hash of an absolute wire name, case-blind."""
    h = seed
    lower = name.lower()
    end = len(name) - 1
    for start in reversed(labels(name)):
        for at in range(start, end, 8):
            chunk = int.from_bytes(lower[at : min(at + 8, end)], "little")
            h = ((h ^ chunk) * PRIME) & MASK
            h ^= h >> 29
        end = start
    return h


def canonical_key(name: bytes) -> bytes:
    """Bytes that sort like relative wire names (no root label) do in canonical order (RFC 4034 section 6.1).

    Labels from the right, lower case, each ended by 0; the bytes 0 and 1 inside a label become 1 1 and 1 2.
    """
    key = bytearray()
    for start in reversed(labels(name + b"\0")):
        label = name[start + 1 : start + 1 + name[start]].lower()
        key += label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1")
        key.append(0)
    return bytes(key)


def find(image: bytes | memoryview, header: layout.Header, name: bytes) -> int:
    """Position of the node of an absolute wire name at or below the origin, or 0 if there is none."""
    relative = name[: len(name) - header.origin_length].lower()
    h = name_hash(name, header.seed)
    signed = bool(header.flags & layout.SIGNED)
    slot = (h ^ (h >> 32)) & header.hash_mask
    for _ in range(header.max_probe + 1):
        at = header.hash_table + layout.HASH_SLOT_SIZE * slot
        tag = int.from_bytes(image[at : at + 4], "little")
        position = int.from_bytes(image[at + 4 : at + 8], "little")
        if not position:
            return 0
        if tag == h >> 32 and layout.read_node(image, position, signed).name == relative:
            return position
        slot = (slot + 1) & header.hash_mask
    return 0
