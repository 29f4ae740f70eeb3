"""Which NSEC or NSEC3 RRsets prove that something is not there (RFC 4035 section 3.1.3, RFC 5155 section 7.2).

`of(zone)` gives the kind of proof a zone has: none unless its apex is signed, NSEC3 if that has NSEC3PARAM, else
NSEC. Each proof is a lazy iterator over (node, type) in the order in which the RRsets are sent; a hole in the
zone's chain is passed over, for an answer with a part of its proof is still the right answer without DO.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import dns.name
import dns.rdatatype

from pippin.zone.zone import Node, Zone

Proof = Iterator[tuple[Node, dns.rdatatype.RdataType]]

_WILDCARD = dns.name.Name([b"*"])


class Denial(Protocol):
    """The proofs that an authoritative server has to give."""

    def nodata(self, name: dns.name.Name) -> Proof:
        """`name` exists, the type does not; also a delegation's missing DS."""

    def nxdomain(self, name: dns.name.Name, encloser: Node) -> Proof:
        """Neither `name` nor a wildcard for it exists; `encloser` is its closest encloser."""

    def expansion(self, name: dns.name.Name, encloser: Node) -> Proof:
        """A wildcard answered, so `name` and everything between it and `encloser` does not exist."""

    def wildcard_nodata(self, name: dns.name.Name, encloser: Node, source: Node) -> Proof:
        """As `expansion`, and the wildcard `source` does not have the type."""


def of(zone: Zone) -> Denial:
    """The proofs that `zone` can give."""
    if not zone.is_signed:
        return _Nothing()
    return _Nsec(zone) if zone.nsec3params is None else _Nsec3(zone)


class _Nothing:
    """The proofs of an unsigned zone."""

    def nodata(self, name: dns.name.Name) -> Proof:
        return iter(())

    def nxdomain(self, name: dns.name.Name, encloser: Node) -> Proof:
        return iter(())

    def expansion(self, name: dns.name.Name, encloser: Node) -> Proof:
        return iter(())

    def wildcard_nodata(self, name: dns.name.Name, encloser: Node, source: Node) -> Proof:
        return iter(())


class _Nsec:
    """RFC 4035 sections 3.1.3.1 to 3.1.3.4. The NSEC at or before a name either is its own or covers it.

    For an empty non-terminal, wildcard or not, it is the one before it, whose next name lies below it.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def nodata(self, name: dns.name.Name) -> Proof:
        yield self.zone.predecessor(name), dns.rdatatype.NSEC

    def nxdomain(self, name: dns.name.Name, encloser: Node) -> Proof:
        yield from self.nodata(name)
        yield from self.nodata(_WILDCARD + encloser.name)

    def expansion(self, name: dns.name.Name, encloser: Node) -> Proof:
        yield from self.nodata(name)

    def wildcard_nodata(self, name: dns.name.Name, encloser: Node, source: Node) -> Proof:
        yield from self.nodata(name)
        yield from self.nodata(source.name)


class _Nsec3:
    """RFC 5155 sections 7.2.1 to 7.2.7."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def nodata(self, name: dns.name.Name) -> Proof:
        matching = self.zone.nsec3_matching(name)
        if matching is not None:
            yield matching, dns.rdatatype.NSEC3
        else:  # opted out: an unsigned delegation, or an ENT above nothing else (sections 7.2.4 and 7.2.7)
            yield from self._closest_encloser(name, name)

    def nxdomain(self, name: dns.name.Name, encloser: Node) -> Proof:
        yield from self._closest_encloser(name, encloser.name)
        yield from self._covering(_WILDCARD + self._provable(encloser.name))

    def expansion(self, name: dns.name.Name, encloser: Node) -> Proof:
        yield from self._covering(_next_closer(name, encloser.name))

    def wildcard_nodata(self, name: dns.name.Name, encloser: Node, source: Node) -> Proof:
        yield from self._closest_encloser(name, encloser.name)
        yield from self._matching(source.name)

    def _closest_encloser(self, name: dns.name.Name, above: dns.name.Name) -> Proof:
        """The closest provable encloser at or above `above` and the cover of the next closer (section 7.2.1)."""
        encloser = self._provable(above)
        yield from self._matching(encloser)
        if encloser != name:
            yield from self._covering(_next_closer(name, encloser))

    def _provable(self, name: dns.name.Name) -> dns.name.Name:
        """Names that were opted out have no NSEC3; their first ancestor that has one serves instead."""
        while name != self.zone.origin and self.zone.nsec3_matching(name) is None:
            name = name.parent()
        return name

    def _matching(self, name: dns.name.Name) -> Proof:
        node = self.zone.nsec3_matching(name)
        if node is not None:
            yield node, dns.rdatatype.NSEC3

    def _covering(self, name: dns.name.Name) -> Proof:
        node = self.zone.nsec3_covering(name)
        if node is not None:
            yield node, dns.rdatatype.NSEC3


def _next_closer(name: dns.name.Name, encloser: dns.name.Name) -> dns.name.Name:
    """The name one label longer than `encloser` on the way to `name` (RFC 5155 section 1.3)."""
    return name.split(len(encloser.labels) + 1)[1]
