"""A compiled zone in words, for people who want to see what the engine sees: `engine/layout.py` read aloud.

In: an image, and perhaps an owner name. Out: lines of text. Every position is given as in the image, so that the
bytes themselves can be looked up. ValueError where the bytes are no compiled zone.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from pippin.engine import find, layout

Image = bytes | memoryview

_ZONE_FLAGS = {
    layout.NSEC: "NSEC",
    layout.NSEC3: "NSEC3",
    layout.SIGNATURES: "SIGNATURES",
    layout.NOT_READY: "NOT_READY",
}
_NODE_FLAGS = {
    layout.CUT: "CUT",
    layout.OCCLUDED: "OCCLUDED",
    layout.HAS_WILDCARD: "HAS_WILDCARD",
    layout.HAS_DNAME: "HAS_DNAME",
    layout.IS_WILDCARD: "IS_WILDCARD",
    layout.IS_NSEC3: "IS_NSEC3",
}
_ENTRY_FLAGS = {layout.OWN: "OWN", layout.POLICY: "POLICY"}
_BLOCK_FLAGS = {
    layout.AUTHORITATIVE: "AUTHORITATIVE",
    layout.GLUE_REQUIRED: "GLUE_REQUIRED",
    layout.CHASE: "CHASE",
    layout.BLOCK_SLOW: "BLOCK_SLOW",
}


def sections(image: Image) -> list[tuple[str, int, int]]:
    """Name, position and size in bytes of each section, in the order they lie in. They fill the image."""
    header = layout.read_header(image)
    starts = [
        ("origin", layout.HEADER_SIZE),
        ("nodes and blocks", layout.HEADER_SIZE + header.origin_length),
        ("hash table", header.hash_table),
        ("order table", header.order_table),
        *([("proof table", header.proof_table)] if header.proof_table else []),
        ("note", header.note),
    ]
    starts = sorted((start for start in starts if start[1]), key=lambda start: start[1])
    starts.insert(0, ("header", 0))
    ends = [start for _, start in starts[1:]] + [header.size]
    return [(name, start, end - start) for (name, start), end in zip(starts, ends, strict=True)]


def overview(image: Image) -> Iterator[str]:
    """The zone as a whole: header, sections, how full and how long the hash table is."""
    header = layout.read_header(image)
    slots = header.hash_mask + 1
    yield f"zone {_text(layout.origin(image))}  serial {header.serial}  flags {_flags(header.flags, _ZONE_FLAGS)}"
    yield f"{header.records:,} records  {header.nodes:,} nodes  {header.size:,} bytes"
    if header.records:
        yield f"{header.size / header.records:.1f} bytes a record"
    yield f"hash table: {slots:,} slots, {100 * header.nodes / slots:.0f} % used, longest probe {header.max_probe}"
    if header.flags & layout.NSEC3:
        salt = bytes(image[header.nsec3_salt : header.nsec3_salt + header.nsec3_salt_length]).hex() or "-"
        yield f"NSEC3: algorithm {header.nsec3_algorithm}, {header.nsec3_iterations} iterations, salt {salt}"
    yield ""
    for name, start, size in sections(image):
        yield f"{start:>11,}  {name:<17} {size:>13,} bytes  {100 * size / header.size:5.1f} %"
    yield ""
    yield "header"
    for name, value in zip(header._fields, header, strict=True):
        yield f"  {name:<18} {value!r}"
    for name, position in (("negative", header.negative), ("negative signed", header.negative_signed)):
        if position:
            yield ""
            yield f"{name} block"
            yield from _block(image, position, layout.origin(image))
    if header.note_length:
        note = bytes(image[header.note : header.note + header.note_length])
        yield ""
        yield f"note  {note.decode('utf-8', 'backslashreplace')}"


def name(image: Image, owner: bytes) -> Iterator[str]:
    """One name (absolute, wire format): its node, entries and blocks. A name that has no node gets one line."""
    header = layout.read_header(image)
    origin = layout.origin(image)
    position = find.find(image, header, owner) if owner.lower().endswith(origin) else 0
    if not position:
        yield f"{_text(owner)} has no node in the zone {_text(origin)}"
        return
    node = layout.read_node(image, position, bool(header.flags & layout.SIGNED))
    hashed = find.name_hash(owner, header.seed)
    yield f"node {_text(owner.lower())} at {position:,}  flags {_flags(node.flags, _NODE_FLAGS)}  hash {hashed:016x}"
    for what, other in (("link", node.link), ("proof", node.proof), ("wild", node.wild)):
        if other:
            there = layout.read_node(image, other, bool(header.flags & layout.SIGNED))
            yield f"  {what:<6} {_text(there.name + origin)} at {other:,}"
    if not node.entries:
        yield "  no entries: an empty non-terminal"
    for entry in node.entries:
        is_default = entry.type == layout.DEFAULT_TYPE
        rdtype = dns.rdatatype.RdataType.make(entry.type)
        kind = "DEFAULT_TYPE" if is_default else dns.rdatatype.to_text(rdtype)
        yield f"  entry {kind}  flags {_flags(entry.flags, _ENTRY_FLAGS)}"
        reference = _reference(node, entry.type, origin)
        for what, block in (("plain", entry.plain), ("signed", entry.signed)):
            if block:
                yield f"    {what} block"
                yield from (f"    {line}" for line in _block(image, block, reference))


def _reference(node: layout.Node, rdtype: int, origin: bytes) -> bytes:
    """The name a block's pointers are right for: a wildcard's answers are written for the name above it."""
    is_wildcard = node.flags & (layout.IS_WILDCARD | layout.OCCLUDED) == layout.IS_WILDCARD
    if is_wildcard and not (rdtype == dns.rdatatype.NS and node.flags & layout.CUT):
        return node.name[2:] + origin
    return node.name + origin


def _block(image: Image, position: int, reference: bytes) -> Iterator[str]:
    block = layout.read_block(image, position)
    yield (
        f"  at {position:,}  {len(block.body)} bytes  {dns.rcode.to_text(dns.rcode.Rcode.make(block.rcode))}"
        f"  flags {_flags(block.flags, _BLOCK_FLAGS)}  {len(block.relocations)} relocations"
    )
    if not block.body:
        return
    counts = (1, block.answers, block.authorities, block.additionals)
    head = b"\0\0\x84\0" + b"".join(count.to_bytes(2, "big") for count in counts)
    try:
        message = dns.message.from_wire(head + reference + b"\0\1\0\1" + block.body)
    except (dns.exception.DNSException, ValueError) as error:
        yield f"  not readable as a reply: {error}"
        return
    for title, rrsets in (
        ("answer", message.answer),
        ("authority", message.authority),
        ("additional", message.additional),
    ):
        for rrset in rrsets:
            yield from (f"  {title:<10} {line}" for line in rrset.to_text().splitlines())


def _flags(value: int, names: dict[int, str]) -> str:
    return "|".join(name for bit, name in names.items() if value & bit) or "none"


def _text(wire: bytes) -> str:
    return dns.name.from_wire(wire, 0)[0].to_text()
