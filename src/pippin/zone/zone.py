"""Zone: a read-only view on a compiled zone, in dnspython's names and rdata.

It decodes what it is asked for and keeps nothing, so a view costs a header whatever the zone's size. It reads
names and RRsets from the image but none of the compiler's conclusions (links, occlusion, prepared proofs):
what follows from the data is worked out again here and in `answer.py`, or the oracle could not disagree.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from pippin.engine import find, layout
from pippin.engine.unpack import Unpacker

_IN = dns.rdataclass.IN
_WILDCARD = dns.name.Name([b"*"])
_NS = dns.rdatatype.NS
_DNAME = dns.rdatatype.DNAME
_RRSIG = dns.rdatatype.RRSIG


class Statistics(NamedTuple):
    """Sizes of one zone: owner names (empty non-terminals included), records, bytes of the image."""

    nodes: int
    records: int
    bytes: int


class Nsec3Params(NamedTuple):
    """How owner names are hashed (RFC 5155 section 4)."""

    algorithm: int
    iterations: int
    salt: bytes


class Node:
    """One name of a zone and what it owns. Empty non-terminals, and names for policies alone, own nothing."""

    __slots__ = ("_entries", "_flags", "_zone", "name", "policies", "types")

    def __init__(self, zone: Zone, raw: layout.Node) -> None:
        self._zone = zone
        self.name = dns.name.from_wire(raw.name + b"\0", 0)[0].relativize(dns.name.root) + zone.origin
        self._flags = raw.flags
        self._entries = {entry.type: entry for entry in raw.entries if entry.flags & layout.OWN}
        self.types: tuple[int, ...] = tuple(sorted(self._entries))
        """Types of the RRsets owned, ascending, without RRSIG."""
        self.policies: tuple[int, ...] = tuple(
            entry.type for entry in raw.entries if entry.flags & layout.POLICY
        )
        """Types that policies answer for, ascending, whether or not there is an RRset."""

    def get(self, rdtype: int) -> dns.rrset.RRset | None:
        """The RRset of one type, None if there is none. RRSIGs are under `signatures`."""
        entry = self._entries.get(rdtype)
        return None if entry is None else self._decode(entry.plain, rdtype, 0)

    def signatures(self, rdtype: int) -> dns.rrset.RRset | None:
        """The RRSIGs that cover `rdtype`, as one RRset."""
        entry = self._entries.get(rdtype)
        return None if entry is None or not entry.signed else self._decode(entry.signed, _RRSIG, rdtype)

    def _decode(self, position: int, rdtype: int, covers: int) -> dns.rrset.RRset | None:
        # The blocks of a wildcard are written for the name above it, but not where they can't be answers to
        # other names: below a cut, and for the referral of a wildcard that is one (layout.py).
        above = self._flags & (layout.IS_WILDCARD | layout.OCCLUDED) == layout.IS_WILDCARD
        if rdtype == _NS and self._flags & layout.CUT:
            above = False
        reference = self.name.parent() if above else self.name
        return self._zone.decode(position, reference, self.name, rdtype, covers)

    def __repr__(self) -> str:
        return f"<Node {self.name} {' '.join(map(str, self.types))}>"


class Zone:
    """A compiled zone. Names given are absolute and compared case-blind."""

    def __init__(self, image: bytes | memoryview) -> None:
        """ValueError if `image` is not a compiled zone. One that is not ready has no `soa`."""
        self.image = image
        self._header = layout.read_header(image)
        self._signed = bool(self._header.flags & layout.SIGNED)
        self.origin: dns.name.Name = dns.name.from_wire(layout.origin(image), 0)[0]
        self.serial = self._header.serial
        self.is_ready = not self._header.flags & layout.NOT_READY
        """False: there is no version of this zone yet (`engine/not_ready.py`)."""
        if not self.is_ready:
            return
        soa = self.node_at(self._header.apex).get(dns.rdatatype.SOA)
        if soa is None:
            raise ValueError(f"compiled zone {self.origin} has no SOA at its apex")
        self.soa: dns.rrset.RRset = soa

    def statistics(self) -> Statistics:
        return Statistics(self._header.nodes, self._header.records, self._header.size)

    @property
    def note(self) -> bytes:
        """What the compiler was given to keep with the zone."""
        start = self._header.note
        return bytes(self.image[start : start + self._header.note_length])

    # Names

    def node(self, name: dns.name.Name) -> Node | None:
        """The node of a name that exists; owners of nothing but NSEC3 don't (RFC 5155 section 7.2.8)."""
        if not name.is_subdomain(self.origin):
            return None
        position = find.find(self.image, self._header, _wire(name))
        return self.node_at(position) if position else None

    def nodes(self) -> Iterator[Node]:
        """Every name that exists, in canonical order (RFC 4034 section 6.1), also occluded ones."""
        return (Node(self, raw) for raw in self._in_order() if not raw.flags & layout.IS_NSEC3)

    def cut_above(self, name: dns.name.Name) -> Node | None:
        """The topmost zone cut at or above `name`: NS below the apex (RFC 1034 section 4.2.1)."""
        return self._topmost(name, _NS, len(self.origin) + 1, len(name))

    def dname_above(self, name: dns.name.Name) -> Node | None:
        """The topmost owner of a DNAME strictly above `name` (RFC 6672 section 2.3)."""
        return self._topmost(name, _DNAME, len(self.origin), len(name) - 1)

    def _topmost(self, name: dns.name.Name, rdtype: int, first: int, last: int) -> Node | None:
        for depth in range(first, last + 1):
            node = self.node(name.split(depth)[1])
            if node is None:
                return None
            if rdtype in node.types:
                return node
        return None

    def closest_encloser(self, name: dns.name.Name) -> Node:
        """The longest ancestor of `name`, or `name`, that exists (RFC 4592 section 3.3.1)."""
        while True:
            node = self.node(name)
            if node is not None:
                return node
            if name == self.origin:
                raise KeyError(f"{self.origin} has no apex")
            name = name.parent()

    def policy_owner(self, name: dns.name.Name, rdtype: int) -> dns.name.Name | None:
        """The name of the policy that answers for this name and type: the name, or a wildcard; None if none does.

        A policy is found as data would be: not below a cut or DNAME, and a name that exists, with whatever types,
        has no wildcard (RFC 4592 section 3.3.1). Aliases are not followed.
        """
        # Every question to a policy that needs thought comes here, so no more is decoded than it takes. Where names
        # are delegated or redirected away there are no policies (`check`), so there is no need to look above.
        if not name.is_subdomain(self.origin):
            return None
        wire = _wire(name)
        position = find.find(self.image, self._header, wire)
        if not position:
            while not position:
                wire = wire[1 + wire[0] :]
                position = find.find(self.image, self._header, wire)
            name = _WILDCARD + name.split(len(find.labels(wire)) + 1)[1]
            position = find.find(self.image, self._header, b"\1*" + wire)
        if not position:
            return None
        entries = layout.read_node(self.image, position, self._signed).entries
        return name if any(e.type == rdtype and e.flags & layout.POLICY for e in entries) else None

    # Proofs

    @property
    def is_signed(self) -> bool:
        """Whether the zone can prove that names don't exist."""
        return bool(self._header.flags & (layout.NSEC | layout.NSEC3))

    def predecessor(self, name: dns.name.Name) -> Node:
        """The last owner of an NSEC at or before `name` in canonical order. LookupError without NSECs."""
        low, high = 0, self._header.proof_count if self._header.flags & layout.NSEC else 0
        if not high:
            raise LookupError(f"{self.origin} has no NSEC records")
        while high - low > 1:
            middle = (low + high) // 2
            if self._nsec_owner(middle).name <= name:
                low = middle
            else:
                high = middle
        return self._nsec_owner(low)

    def _nsec_owner(self, index: int) -> Node:
        at = self._header.proof_table + layout.NSEC_PROOF_SIZE * index + 8
        return self.node_at(int.from_bytes(self.image[at : at + 4], "little"))

    @property
    def nsec3params(self) -> Nsec3Params | None:
        """Set in zones signed with NSEC3."""
        header = self._header
        if not header.flags & layout.NSEC3:
            return None
        salt = bytes(self.image[header.nsec3_salt : header.nsec3_salt + header.nsec3_salt_length])
        return Nsec3Params(header.nsec3_algorithm, header.nsec3_iterations, salt)

    def nsec3_matching(self, name: dns.name.Name) -> Node | None:
        """The node of the NSEC3 record whose owner is the hash of `name`."""
        digest = self._nsec3_hash(name)
        found = self._nsec3_at_or_before(digest)
        return self.node_at(found[1]) if found is not None and found[0] == digest else None

    def nsec3_covering(self, name: dns.name.Name) -> Node | None:
        """The node of the NSEC3 record whose span, which may wrap round, has the hash of `name` inside."""
        digest = self._nsec3_hash(name)
        found = self._nsec3_at_or_before(digest)
        return self.node_at(found[1]) if found is not None and found[0] != digest else None

    def _nsec3_hash(self, name: dns.name.Name) -> bytes:
        params = self.nsec3params
        return b"" if params is None else nsec3_hash(name, params)

    def _nsec3_at_or_before(self, digest: bytes) -> tuple[bytes, int] | None:
        low, high = 0, self._header.proof_count if self._header.flags & layout.NSEC3 else 0
        if not high:
            return None
        if self._nsec3_entry(0)[0] > digest:
            return self._nsec3_entry(high - 1)
        while high - low > 1:
            middle = (low + high) // 2
            if self._nsec3_entry(middle)[0] <= digest:
                low = middle
            else:
                high = middle
        return self._nsec3_entry(low)

    def _nsec3_entry(self, index: int) -> tuple[bytes, int]:
        at = self._header.proof_table + layout.NSEC3_PROOF_SIZE * index
        entry = bytes(self.image[at : at + layout.NSEC3_PROOF_SIZE])
        return entry[:20], int.from_bytes(entry[20:], "little")

    # Everything

    def records(self) -> Iterator[tuple[dns.name.Name, int, dns.rdata.Rdata]]:
        """(owner, TTL, rdata) of each record: the SOA, then canonical order, RRSIGs after what they cover."""
        last, name = b"", self.origin
        for owner, rdtype, ttl, rdata in Unpacker(self.image):
            if owner is not last:
                last, name = owner, dns.name.from_wire(owner, 0)[0]
            kind = dns.rdatatype.RdataType.make(rdtype)
            yield name, ttl, dns.rdata.from_wire(_IN, kind, rdata, 0, len(rdata))

    def _in_order(self) -> Iterator[layout.Node]:
        for index in range(self._header.nodes):
            at = self._header.order_table + 4 * index
            position = int.from_bytes(self.image[at : at + 4], "little")
            yield layout.read_node(self.image, position, self._signed)

    def node_at(self, position: int) -> Node:
        """The node at a position that the image itself gave."""
        return Node(self, layout.read_node(self.image, position, self._signed))

    def decode(
        self, position: int, reference: dns.name.Name, owner: dns.name.Name, rdtype: int, covers: int
    ) -> dns.rrset.RRset | None:
        """The RRset of one type at the head of a block, owned by `owner`; None if it is not there."""
        block = layout.read_block(self.image, position)
        message = bytes(12) + _wire(reference) + bytes(4)
        at = len(message)
        message += block.body
        kind = dns.rdatatype.RdataType.make(rdtype)
        rrset = dns.rrset.RRset(owner, _IN, kind, dns.rdatatype.RdataType.make(covers))
        for _ in range(block.answers + block.authorities):
            if at == len(message):
                break  # an RRset too large for a message, which `check` calls an error
            _, used = dns.name.from_wire(message, at)
            at += used
            found = int.from_bytes(message[at : at + 2], "big")
            ttl = int.from_bytes(message[at + 4 : at + 8], "big")
            length = int.from_bytes(message[at + 8 : at + 10], "big")
            at += 10
            if found == rdtype:
                rdata = dns.rdata.from_wire(_IN, kind, message, at, length)
                if rdata.covers() == covers:
                    rrset.add(rdata, ttl)
            elif len(rrset):
                break
            at += length
        return rrset if len(rrset) else None


def _wire(name: dns.name.Name) -> bytes:
    wire = name.to_wire()
    assert wire is not None  # None is for names written to a file
    return wire


def nsec3_hash(name: dns.name.Name, params: Nsec3Params) -> bytes:
    """The hash of an owner name (RFC 5155 section 5); SHA-1 is the only algorithm there is."""
    digest = hashlib.sha1(_wire(name.canonicalize()) + params.salt).digest()
    for _ in range(params.iterations):
        digest = hashlib.sha1(digest + params.salt).digest()
    return digest


def nsec3_label(digest: bytes) -> bytes:
    """A hash as the first label of an NSEC3 record's owner: base32hex, lower case, no padding."""
    return base64.b32hexencode(digest).lower()
