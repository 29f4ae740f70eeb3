"""The answer algorithm: RFC 1034 section 4.3.2 step by step, on `Zone` views. Slow and obviously right.

It answers every question about zones that the engine leaves to the slow path (a CNAME chain that leaves its
zone, for one), and it is the oracle that the engine has to agree with. So the order of records is fixed:

    answer      the alias chain in order (a DNAME before the CNAME made from it), then the RRset asked for
    authority   referral: NS, then DS or the proof that there is none
                negative answer: SOA, then the NSEC or NSEC3 RRsets
                Proofs come in the order of the chain; for one name: the one that matches the closest encloser
                (NSEC3), the one that covers the name or the next closer name, the one for the wildcard.
    additional  referral: addresses of in-domain name servers, then of all others in the zone
                else: addresses of the targets in the order of the records; A before AAAA

A name and type that a policy answers for has the zone's own answer here, which is what the policy may fall back to. A
chain of aliases ends before such a name, and the additional section leaves its addresses out: what a policy decides
is in the policy's own reply and no other.

With DO every RRset is followed by its RRSIGs. No RRset appears twice. Positive answers carry no NS RRset in
the authority section (minimal responses).

It refuses to know: packets, EDNS, classes other than IN, transfers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import dns.edns
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME

from pippin.zone import denial
from pippin.zone.zone import Node, Zone

CHAIN_LIMIT = 16
"""Aliases in one reply; a longer chain ends there, like a loop, and the resolver may ask on."""

_WILDCARD = dns.name.Name([b"*"])
_DENIAL_TYPES = frozenset({dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3})


@dataclass(slots=True)
class Answer:
    """What to say to one question. Section lists hold RRsets; an RRSIG RRset follows the RRset it covers."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    aa: bool = True
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    additional: list[dns.rrset.RRset] = field(default_factory=list)
    glue_required: bool = False
    """A referral: additional records that don't fit must set TC (RFC 9471)."""
    ede: int = -1
    """Extended DNS error info-code (RFC 8914), -1 for none."""


class Zones:
    """The zones served, by origin."""

    def __init__(self, zones: Mapping[dns.name.Name, Zone] | Iterable[Zone] = ()) -> None:
        listed = zones.values() if isinstance(zones, Mapping) else zones
        self._zones = {zone.origin: zone for zone in listed}

    def deepest(self, name: dns.name.Name) -> Zone | None:
        """The zone with the longest origin at or above `name` (RFC 1034 section 4.3.2 step 2)."""
        while True:
            zone = self._zones.get(name)
            if zone is not None:
                return zone
            if name == dns.name.root:
                return None
            name = name.parent()

    def has(self, name: bytes) -> bool:
        """Whether `deepest` finds one for a name in lower-case wire format."""
        return self.deepest(dns.name.from_wire(name, 0)[0]) is not None

    def find(self, name: dns.name.Name, qtype: int) -> Zone | None:
        """The zone to answer from. DS belongs to the parent side of a cut (RFC 4035 section 3.1.4.1).

        A zone above that delegates something between its own origin and `name` is no parent of `name`; then
        the child's NODATA is the best there is.
        """
        zone = self.deepest(name)
        if qtype != dns.rdatatype.DS or zone is None or zone.origin != name or name == dns.name.root:
            return zone
        parent = self.deepest(name.parent())
        if parent is None:
            return zone
        cut = parent.cut_above(name)
        return parent if cut is None or cut.name == name else zone


def answer(
    zones: Zones,
    qname: dns.name.Name,
    qtype: int,
    dnssec_ok: bool,
    *,
    chain_limit: int = CHAIN_LIMIT,
) -> Answer:
    """Answer a question of class IN from the zones served (RFC 1034 section 4.3.2, RFC 4035 section 3.1).

    `qname` is absolute. Aliases are followed through all zones; a loop, or more than `chain_limit` aliases,
    ends the chain with NOERROR and each alias once, and so does an alias for a name that a policy answers for. No
    zone: REFUSED, with EDE "Not Authoritative". A zone that is not ready: SERVFAIL, with EDE "Not Ready"; an alias that
    leads into one ends the chain, for other servers may have the zone.
    """
    walk = _Walk(qtype, dnssec_ok)
    followed = {qname}
    name: dns.name.Name | None = qname
    while name is not None:
        zone = zones.find(name, qtype)
        if zone is None:
            if len(followed) == 1:
                return Answer(dns.rcode.REFUSED, aa=False, ede=dns.edns.EDECode.NOT_AUTHORITATIVE)
            break  # the chain leaves what is served here: the resolver goes on
        if not zone.is_ready:
            if len(followed) == 1:
                return Answer(dns.rcode.SERVFAIL, aa=False, ede=dns.edns.EDECode.NOT_READY)
            break
        if len(followed) > 1 and zone.policy_owner(name, qtype) is not None:
            break
        name = walk.step(zone, name)
        if name in followed or len(followed) >= chain_limit:
            break
        if name is not None:
            followed.add(name)
    return walk.reply()


class _Walk:
    """The way of one question along its chain of aliases; AA is the first name's (RFC 1035 section 4.1.1)."""

    def __init__(self, qtype: int, dnssec_ok: bool) -> None:
        self.qtype = qtype
        self.dnssec_ok = dnssec_ok
        self.result = Answer()
        self.proofs: list[dns.rrset.RRset] = []

    def step(self, zone: Zone, name: dns.name.Name) -> dns.name.Name | None:
        """Add what `zone` says about `name`; the next name of the chain, None at its end."""
        cut = zone.cut_above(name)
        dname = zone.dname_above(name)
        if dname is not None and (cut is None or cut.name.is_subdomain(dname.name)):
            return self.redirect(dname, name)
        if cut is not None and not (self.qtype == dns.rdatatype.DS and cut.name == name):
            self.refer(zone, cut)
            return None
        node = zone.node(name)
        if node is not None:
            return self.match(zone, node, name)
        encloser = zone.closest_encloser(name)
        source_of_synthesis = zone.node(_WILDCARD + encloser.name)
        if source_of_synthesis is not None:
            return self.synthesise(zone, source_of_synthesis, name, encloser)
        self.result.rcode = dns.rcode.NXDOMAIN  # also at the end of a chain (RFC 6604 section 3)
        self.negative(zone)
        self.prove(denial.of(zone).nxdomain(name, encloser))
        return None

    def match(self, zone: Zone, node: Node, name: dns.name.Name) -> dns.name.Name | None:
        """The name exists: data, an alias, or NODATA, also for empty non-terminals (RFC 4592 section 2.2.2)."""
        chosen = self.choose(node)
        if chosen is not None:
            self.positive(zone, node, chosen, name)
        elif (alias := node.get(dns.rdatatype.CNAME)) is not None:
            return self.alias(node, alias, name)
        else:
            self.negative(zone)
            self.prove(denial.of(zone).nodata(name))
        return None

    def synthesise(
        self, zone: Zone, source: Node, name: dns.name.Name, encloser: Node
    ) -> dns.name.Name | None:
        """The same from a wildcard (RFC 4592 section 3.3), and the proof that nothing closer exists."""
        chosen = self.choose(source)
        if chosen is not None:
            self.positive(zone, source, chosen, name)
            self.prove(denial.of(zone).expansion(name, encloser))
        elif (alias := source.get(dns.rdatatype.CNAME)) is not None:
            target = self.alias(source, alias, name)
            self.prove(denial.of(zone).expansion(name, encloser))
            return target
        else:
            self.negative(zone)
            self.prove(denial.of(zone).wildcard_nodata(name, encloser, source))
        return None

    def choose(self, node: Node) -> dns.rrset.RRset | None:
        """The RRset that answers QTYPE at this node.

        ANY gets one RRset (RFC 8482 section 4.1): the CNAME, else the lowest type, DNSSEC's own types last.
        RRSIG, which has no RRset of its own (RFC 4035 section 2.2), gets the signatures of the lowest type.
        An RRset of the very type goes before a CNAME: only NSEC and KEY may stand beside one.
        """
        if self.qtype == dns.rdatatype.ANY:
            types = sorted(node.types, key=lambda t: (t != dns.rdatatype.CNAME, t in _DENIAL_TYPES, t))
            return node.get(types[0]) if types else None
        if self.qtype == dns.rdatatype.RRSIG:
            signed = (node.signatures(rdtype) for rdtype in sorted(node.types))
            return next((signatures for signatures in signed if signatures is not None), None)
        return node.get(self.qtype)

    def positive(self, zone: Zone, node: Node, rrset: dns.rrset.RRset, name: dns.name.Name) -> None:
        self.add(self.result.answer, node, rrset, name)
        self.add_addresses(zone, [t for t in targets(rrset, name) if zone.cut_above(t) is None])

    def alias(self, node: Node, cname: dns.rrset.RRset, name: dns.name.Name) -> dns.name.Name:
        self.add(self.result.answer, node, cname, name)
        target: dns.name.Name = cname[0].target
        return target

    def redirect(self, owner: Node, name: dns.name.Name) -> dns.name.Name | None:
        """Substitute a DNAME (RFC 6672 section 3.2); the chain goes on at the new name.

        Not if CNAME was asked for. There the RFC's algorithm, which does not look at QTYPE in this step, would go
        on too; but NSD, Knot and BIND all take the synthesised CNAME for the answer, so it is what clients know.
        """
        dname = owner.get(dns.rdatatype.DNAME)
        assert dname is not None
        self.add(self.result.answer, owner, dname, owner.name)
        try:
            target: dns.name.Name = name.relativize(owner.name) + dname[0].target
        except dns.name.NameTooLong:
            self.result.rcode = dns.rcode.YXDOMAIN
            return None
        cname = CNAME(dns.rdataclass.IN, dns.rdatatype.CNAME, target)  # type: ignore[no-untyped-call]
        # TTL as RFC 6672 section 3.1; never signed: validators check the DNAME and do the substitution
        self.result.answer.append(dns.rrset.from_rdata(name, dname.ttl, cname))
        return None if self.qtype == dns.rdatatype.CNAME else target

    def refer(self, zone: Zone, cut: Node) -> None:
        """A referral (RFC 1034 section 4.3.2 step 3b, RFC 4035 section 3.1.4, RFC 9471)."""
        result = self.result
        if not result.answer:
            result.aa = False
        result.glue_required = True
        delegation = cut.get(dns.rdatatype.NS)
        assert delegation is not None
        result.authority.append(delegation)  # the parent's NS RRset is never signed
        if self.dnssec_ok and zone.is_signed:
            ds = cut.get(dns.rdatatype.DS)
            if ds is not None:
                self.add(self.proofs, cut, ds, cut.name)
            else:
                self.prove(denial.of(zone).nodata(cut.name))
        servers = targets(delegation, cut.name)
        self.add_addresses(zone, [server for server in servers if server.is_subdomain(cut.name)])
        self.add_addresses(zone, [server for server in servers if not server.is_subdomain(cut.name)])

    def negative(self, zone: Zone) -> None:
        """The SOA, to be cached for min(its TTL, MINIMUM) (RFC 2308 section 3); its RRSIG likewise."""
        ttl = min(zone.soa.ttl, zone.soa[0].minimum)
        apex = zone.node(zone.origin)
        assert apex is not None
        self.add(self.result.authority, apex, zone.soa, zone.origin, ttl)

    def prove(self, proof: denial.Proof) -> None:
        """With DO, the NSEC or NSEC3 RRsets of `proof`."""
        if self.dnssec_ok:
            for node, rdtype in proof:
                rrset = node.get(rdtype)
                if rrset is not None:
                    self.add(self.proofs, node, rrset, node.name)

    def add_addresses(self, zone: Zone, names: Iterable[dns.name.Name]) -> None:
        """A and AAAA RRsets of names that exist in `zone` itself; wildcards and aliases are not expanded.

        What lies below a DNAME is occluded. What lies below a cut is glue, which referrals alone may give.
        """
        for name in names:
            node = zone.node(name) if name.is_subdomain(zone.origin) else None
            if node is None or zone.dname_above(name) is not None:
                continue
            for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                rrset = None if rdtype in node.policies else node.get(rdtype)
                if rrset is not None and not _holds(self.result.answer, rrset):
                    self.add(self.result.additional, node, rrset, name)

    def add(
        self,
        section: list[dns.rrset.RRset],
        node: Node,
        rrset: dns.rrset.RRset,
        owner: dns.name.Name,
        ttl: int | None = None,
    ) -> None:
        """`rrset` of `node` under `owner` (not its own if from a wildcard), and its RRSIGs with DO."""
        if any(_same(rrset, owner, there) for there in section):
            return
        signatures = node.signatures(rrset.rdtype) if self.dnssec_ok else None
        for part in (rrset, signatures):
            if part is not None:
                copy = part.copy()  # type: ignore[no-untyped-call]
                copy.name = owner
                copy.ttl = part.ttl if ttl is None else ttl
                section.append(copy)

    def reply(self) -> Answer:
        self.result.authority += self.proofs
        return self.result


def targets(rrset: dns.rrset.RRset, owner: dns.name.Name) -> list[dns.name.Name]:
    """The host names an RRset leads to, in the order of its records, each once."""
    return list(dict.fromkeys(_targets(rrset, owner)))


def _targets(rrset: dns.rrset.RRset, owner: dns.name.Name) -> Iterator[dns.name.Name]:
    for rdata in rrset:
        match rrset.rdtype:
            case dns.rdatatype.NS | dns.rdatatype.SRV:
                yield rdata.target
            case dns.rdatatype.MX:
                yield rdata.exchange
            case dns.rdatatype.SVCB | dns.rdatatype.HTTPS:
                # "." is the owner itself, but no service at all in AliasMode (RFC 9460 section 2.5)
                if rdata.target != dns.name.root:
                    yield rdata.target
                elif rdata.priority > 0 and not owner.is_wild():
                    yield owner


def _same(rrset: dns.rrset.RRset, owner: dns.name.Name, other: dns.rrset.RRset) -> bool:
    return rrset.rdtype == other.rdtype and rrset.covers == other.covers and owner == other.name


def _holds(section: list[dns.rrset.RRset], rrset: dns.rrset.RRset) -> bool:
    return any(_same(rrset, rrset.name, other) for other in section)
