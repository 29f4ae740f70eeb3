"""What is legal in a zone but suspect: each rule looks at the records and says what it finds odd, and where.

All rules see one index of the zone, made from the record stream: owners, empty non-terminals, types. Names are
lower-case wire format throughout, which compares faster than anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dns.name

from pippin.engine.records import Record, iterate

_A, _NS, _CNAME, _SOA, _MX, _AAAA, _SRV, _DNAME, _DS, _RRSIG, _NSEC, _NSEC3, _NSEC3PARAM = (
    1, 2, 5, 6, 15, 28, 33, 39, 43, 46, 47, 50, 51,
)  # fmt: skip
_ADDRESSES = frozenset({_A, _AAAA})
_AT_A_CUT = frozenset({_NS, _DS, _RRSIG, _NSEC})
_TARGET_AT = {_NS: 0, _CNAME: 0, _MX: 2, _SRV: 6}
_NAMES = {_NS: "NS", _CNAME: "CNAME", _MX: "MX", _SRV: "SRV", _DNAME: "DNAME", _DS: "DS"}

NSEC3_ITERATIONS_LIMIT = 150
"""Validators treat zones above it as unsigned, or worse (RFC 9276 section 3.2)."""

Suspicion = tuple[Record, str]


def suspicions(
    records: bytes | bytearray | memoryview, origin: bytes, marks: Sequence[tuple[bytes, int]] = ()
) -> Iterator[Suspicion]:
    """Every (record, what is odd about it and what would be right) of a zone, rule by rule.

    `marks` are the names and types that policies answer for.
    """
    zone = _Index(records, origin, marks)
    for rule in (_differing_ttls, _targets, _glueless, _occluded, _wildcards, _loops, _signing):
        yield from rule(zone)


class _Index:
    """The zone's names: what each owns, and which exist only because of others below them."""

    def __init__(
        self, records: bytes | bytearray | memoryview, origin: bytes, marks: Sequence[tuple[bytes, int]]
    ) -> None:
        self.origin = origin
        self.owners: dict[bytes, dict[int, list[Record]]] = {}
        self.existing: set[bytes] = {origin}
        self.answered: dict[bytes, set[int]] = {}
        for record in iterate(records):
            name = record.owner.lower()
            types = self.owners.get(name)
            if types is None:
                if not _is_below(name, origin):
                    continue
                types = self.owners[name] = {}
                self._add(name)
            types.setdefault(record.type, []).append(record)
        for owner, rdtype in marks:
            name = owner.lower()
            if _is_below(name, origin):
                self._add(name)
                self.answered.setdefault(name, set()).add(rdtype)

    def _add(self, name: bytes) -> None:
        while name not in self.existing:
            self.existing.add(name)
            name = _parent(name)

    def of_type(self, rdtype: int) -> Iterator[Record]:
        """All records of one type."""
        for types in self.owners.values():
            yield from types.get(rdtype, ())

    def topmost(self, name: bytes, rdtype: int) -> bytes | None:
        """The highest name below the apex, at or above `name`, that owns the type."""
        found = None
        while name != self.origin:
            if rdtype in self.owners.get(name, ()):
                found = name
            name = _parent(name)
        return found

    def dname_above(self, name: bytes) -> bytes | None:
        """An owner of a DNAME strictly above `name`."""
        found = None
        while name != self.origin:
            name = _parent(name)
            if _DNAME in self.owners.get(name, ()):
                found = name
        return found

    def source(self, name: bytes) -> bytes | None:
        """The name that answers for `name`: itself, or a wildcard (RFC 4592 section 3.3.1)."""
        if name in self.existing:
            return name
        while name not in self.existing:
            name = _parent(name)
        wildcard = b"\1*" + name
        return wildcard if wildcard in self.existing else None

    def types(self, name: bytes) -> dict[int, list[Record]]:
        return self.owners.get(name, {})

    def has_address(self, name: bytes) -> bool:
        """A or AAAA, from records or from a policy."""
        return not _ADDRESSES.isdisjoint((*self.types(name), *self.answered.get(name, ())))


def _differing_ttls(zone: _Index) -> Iterator[Suspicion]:
    for types in zone.owners.values():
        for rdtype, records in types.items():
            if len(records) == 1 or rdtype == _RRSIG:
                continue  # signatures each belong to the RRset they cover
            lowest = min(record.ttl for record in records)
            odd = next((record for record in records if record.ttl != records[0].ttl), None)
            if odd is not None:
                yield (
                    odd,
                    (
                        f"TTL {odd.ttl} differs from {records[0].ttl} of the same RRset (RFC 2181 section 5.2); "
                        f"all its records are served with the lowest, {lowest}"
                    ),
                )


def _targets(zone: _Index) -> Iterator[Suspicion]:
    """Names in rdata that lead to nothing, or through an alias where none may be."""
    for rdtype, start in _TARGET_AT.items():
        kind = _NAMES[rdtype]
        for record in zone.of_type(rdtype):
            target = record.rdata[start:].lower()
            if not _is_below(target, zone.origin):
                continue
            if zone.topmost(target, _NS) is not None or zone.dname_above(target) is not None:
                continue  # somebody else's names; glue has its own rule
            source = zone.source(target)
            if source is None:
                yield (
                    record,
                    (
                        f"{kind} target {_text(target)} does not exist in this zone; "
                        "add records for it, or correct the name"
                    ),
                )
            elif rdtype == _CNAME:
                continue
            elif _CNAME in zone.types(source):
                yield (
                    record,
                    (
                        f"{kind} target {_text(target)} is an alias (RFC 2181 section 10.3); "
                        "name the host itself, which has the addresses"
                    ),
                )
            elif rdtype != _NS and not zone.has_address(source):
                yield record, f"{kind} target {_text(target)} has no address; add an A or AAAA record for it"


def _glueless(zone: _Index) -> Iterator[Suspicion]:
    """Name servers inside the zone that nobody could find (RFC 1912 section 2.3, RFC 9471)."""
    for record in zone.of_type(_NS):
        target = record.rdata.lower()
        if not _is_below(target, zone.origin) or zone.dname_above(target) is not None:
            continue
        cut = zone.topmost(target, _NS)
        has_address = not _ADDRESSES.isdisjoint(zone.types(target))  # glue has to be records
        if cut is None:
            source = zone.source(target)
            if source is None or _CNAME in zone.types(source):
                continue  # said already
            has_address = zone.has_address(source)
        if not has_address:
            why = "" if cut is None else f", and lies below the delegation of {_text(cut)}"
            yield (
                record,
                (
                    f"name server {_text(target)} has no address in this zone{why}; add an A or AAAA record for it"
                ),
            )


def _occluded(zone: _Index) -> Iterator[Suspicion]:
    """Records that no query can reach (RFC 2136 section 7.18 calls them so)."""
    if not any((name != zone.origin and _NS in types) or _DNAME in types for name, types in zone.owners.items()):
        return
    servers = {record.rdata.lower() for record in zone.of_type(_NS)}
    for name, types in zone.owners.items():
        dname = zone.dname_above(name)
        cut = zone.topmost(name, _NS)
        if dname is not None and (cut is None or _is_below(cut, dname)):
            yield (
                _first(types),
                (
                    f"{_text(name)} is below the DNAME at {_text(dname)} (RFC 6672 section 2.4) and is never answered; "
                    "remove it, or the DNAME"
                ),
            )
        elif cut is not None:
            for rdtype, records in types.items():
                if name == cut and rdtype in _AT_A_CUT:
                    continue
                if rdtype in _ADDRESSES and name in servers:
                    continue
                yield (
                    records[0],
                    (
                        f"{_text(name)} is delegated at {_text(cut)}, so this record is never answered "
                        "(RFC 1034 section 4.2.1); move it to the zone of that name"
                    ),
                )


def _wildcards(zone: _Index) -> Iterator[Suspicion]:
    for name, types in zone.owners.items():
        if name[:2] != b"\1*":
            continue
        for rdtype in (_NS, _DNAME, _DS):
            if rdtype in types:
                yield (
                    types[rdtype][0],
                    (
                        f"{_NAMES[rdtype]} at the wildcard {_text(name)}, which servers understand differently "
                        "(RFC 4592 section 4); write out the names"
                    ),
                )


def _loops(zone: _Index) -> Iterator[Suspicion]:
    """Aliases that lead back to themselves; each loop is told once, at one of its records."""
    done: set[bytes] = set()
    for start, types in zone.owners.items():
        if _CNAME not in types:
            continue
        path: list[bytes] = []
        name: bytes | None = start
        while name is not None and name not in done and _CNAME in zone.types(name):
            done.add(name)
            path.append(name)
            target = zone.types(name)[_CNAME][0].rdata.lower()
            name = zone.source(target) if _is_below(target, zone.origin) else None
        if name in path:
            loop = path[path.index(name) :]
            chain = " -> ".join(_text(part) for part in [*loop, name])
            yield (
                zone.types(name)[_CNAME][0],
                f"CNAME loop {chain}; one of them must lead to a name with data",
            )
    for record in zone.of_type(_DNAME):
        if _is_below(record.rdata.lower(), record.owner.lower()):
            yield (
                record,
                (
                    f"DNAME target {_text(record.rdata)} is at or below its owner, so it leads into itself; "
                    "it must lead to another part of the tree"
                ),
            )


def _signing(zone: _Index) -> Iterator[Suspicion]:
    for record in zone.of_type(_NSEC3PARAM):
        iterations = int.from_bytes(record.rdata[2:4], "big")
        if iterations > NSEC3_ITERATIONS_LIMIT:
            yield (
                record,
                (
                    f"{iterations} NSEC3 iterations, and validators stop at {NSEC3_ITERATIONS_LIMIT} or before "
                    "(RFC 9276 section 3.2); sign the zone with 0"
                ),
            )
    for record in zone.of_type(_DS):
        name = record.owner.lower()
        if name == zone.origin:
            yield (
                record,
                (f"DS at the apex {_text(name)} (RFC 4034 section 5); it belongs into the zone above it"),
            )
        elif _NS not in zone.types(name):
            yield (
                record,
                (
                    f"DS at {_text(name)}"
                    ", which is not delegated (RFC 4034 section 5); add NS records, or remove the DS"
                ),
            )


def _first(types: dict[int, list[Record]]) -> Record:
    return next(iter(types.values()))[0]


def _parent(name: bytes) -> bytes:
    return name[1 + name[0] :]


def _is_below(name: bytes, ancestor: bytes) -> bool:
    """`name` is `ancestor` or below it."""
    while len(name) > len(ancestor):
        name = _parent(name)
    return name == ancestor


def _text(name: bytes) -> str:
    return dns.name.from_wire(name, 0)[0].to_text()
