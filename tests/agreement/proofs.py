"""Checks a signed reply as a validating resolver does, from the reply alone (RFC 4035 section 5.4, RFC 5155 section 8).

It shares no code with `pippin.zone.denial`, which chooses the proofs. Signatures are taken as good; what is
checked is whether the NSEC or NSEC3 records prove what the reply says.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from itertools import pairwise

import dns.name
import dns.rcode
import dns.rdatatype

NSEC, NSEC3, RRSIG = dns.rdatatype.NSEC, dns.rdatatype.NSEC3, dns.rdatatype.RRSIG


class Unproved(AssertionError):
    """The reply says something that its records don't prove."""


@dataclass
class Chain:
    """The NSEC or NSEC3 records that one signer put into a reply."""

    signer: dns.name.Name
    records: list


def types_of(rdata):
    found = set()
    for window, bitmap in rdata.windows:
        for i, octet in enumerate(bitmap):
            found |= {window * 256 + i * 8 + bit for bit in range(8) if octet & (0x80 >> bit)}
    return found


def chain_of(message, signer):
    """Records of `signer`, known by the RRSIG that follows each of them."""
    records = []
    rrs = message.authority
    for rr, after in pairwise(rrs):
        if rr.rdtype in (NSEC, NSEC3):
            if after.rdtype != RRSIG or after.name != rr.name:
                raise Unproved(f"{rr.name} has no signature")
            if after[0].signer == signer:
                records.append((rr.name, rr[0]))
    return (
        NsecChain(signer, records)
        if all(r.rdtype == NSEC for _, r in records)
        else Nsec3Chain(signer, records)
    )


class NsecChain(Chain):
    def covering(self, name):
        for owner, rdata in self.records:
            last = rdata.next == self.signer
            if owner < name and (last or name < rdata.next):
                types = types_of(rdata)
                above = name.is_subdomain(owner)
                if above and (dns.rdatatype.DNAME in types or (2 in types and 6 not in types)):
                    continue  # from above a cut or DNAME: says nothing about names below (RFC 6840 section 4.1)
                return owner, rdata
        return None

    def matching(self, name):
        return next((rdata for owner, rdata in self.records if owner == name), None)

    def encloser(self, name):
        """The closest encloser, if `name` is proved not to exist."""
        found = self.covering(name)
        if found is None or found[1].next.is_subdomain(name):
            raise Unproved(f"{name} is not proved absent")
        return max((name.fullcompare(other)[2], other) for other in (found[0], found[1].next))[0]

    def absent_name(self, name, true_encloser):
        wildcard = dns.name.Name([b"*"]) + name.split(self.encloser(name))[1]
        self.encloser(wildcard)

    def absent_type(self, name, rdtype):
        rdata = self.matching(name)
        if rdata is not None:
            check_types(name, types_of(rdata), rdtype)
            return
        found = self.covering(name)
        if found is not None and found[1].next.is_subdomain(name):
            return  # an empty non-terminal
        wildcard = dns.name.Name([b"*"]) + name.split(self.encloser(name))[1]
        if wildcard == name:
            raise Unproved(f"{name} is not proved absent")
        self.absent_type(wildcard, rdtype)

    def expanded(self, name, labels):
        self.encloser(name.split(labels + 2)[1])

    def no_ds(self, name):
        self.absent_type(name, dns.rdatatype.DS)


class Nsec3Chain(Chain):
    def hash(self, name):
        rdata = self.records[0][1]
        digest = hashlib.sha1(name.canonicalize().to_wire() + rdata.salt).digest()
        for _ in range(rdata.iterations):
            digest = hashlib.sha1(digest + rdata.salt).digest()
        return digest

    def matching(self, name):
        for owner, rdata in self.records:
            if base64.b32hexdecode(owner.labels[0].upper()) == self.hash(name):
                return rdata
        return None

    def covering(self, name):
        digest = self.hash(name)
        for owner, rdata in self.records:
            first = base64.b32hexdecode(owner.labels[0].upper())
            inside = (
                first < digest < rdata.next if first < rdata.next else digest > first or digest < rdata.next
            )
            if inside:
                return rdata
        return None

    def encloser(self, name):
        """(closest encloser, NSEC3 that covers the next closer name)."""
        for depth in range(len(name) - 1, len(self.signer) - 1, -1):
            encloser = name.split(depth)[1]
            rdata = self.matching(encloser)
            if rdata is not None:
                types = types_of(rdata)
                if dns.rdatatype.DNAME in types or (2 in types and 6 not in types):
                    raise Unproved(f"{encloser} is a cut or a DNAME")
                cover = self.covering(name.split(depth + 1)[1])
                if cover is None:
                    raise Unproved(f"the next closer name of {name} is not covered")
                return encloser, cover
        raise Unproved(f"no closest encloser of {name}")

    def absent_name(self, name, true_encloser):
        encloser, cover = self.encloser(name)
        if cover.flags & 1 and encloser != true_encloser:
            return  # the closest encloser is an empty non-terminal that was opted out: nobody can prove more
        if self.covering(dns.name.Name([b"*"]) + encloser) is None:
            raise Unproved(f"the wildcard for {name} is not covered")

    def absent_type(self, name, rdtype):
        rdata = self.matching(name)
        if rdata is not None:
            check_types(name, types_of(rdata), rdtype)
            return
        encloser, cover = self.encloser(name)
        if cover.flags & 1:
            return  # opted out: an unsigned delegation, or an empty non-terminal above such only
        rdata = self.matching(dns.name.Name([b"*"]) + encloser)
        if rdata is None:
            raise Unproved(f"{name} has no NSEC3, nor has its wildcard")
        check_types(name, types_of(rdata), rdtype)

    def expanded(self, name, labels):
        if self.covering(name.split(labels + 2)[1]) is None:
            raise Unproved(f"{name} came from a wildcard, but its next closer name is not covered")

    def no_ds(self, name):
        rdata = self.matching(name)
        if rdata is not None:
            check_types(name, types_of(rdata), dns.rdatatype.DS)
        elif not self.encloser(name)[1].flags & 1:
            raise Unproved(f"{name} is not opted out")


def check_types(name, types, rdtype):
    if rdtype in types or dns.rdatatype.CNAME in types:
        raise Unproved(f"{name} has that type, or an alias")
    if 2 in types and 6 not in types and rdtype != dns.rdatatype.DS:
        raise Unproved(f"{name} is a cut: only its DS can be denied there")
    if 6 in types and rdtype == dns.rdatatype.DS and name != dns.name.root:
        raise Unproved(f"{name} is an apex: DS is for the zone above to deny")


def validate(message, qname, qtype, zones):
    """Raise Unproved unless `message` (one RR for each RRset) proves what it says in every signed zone of `zones`.

    `zones.find` tells the zone of a name. The DS of an apex whose parent isn't served can't be proved absent by
    its own zone; that is as it must be (RFC 4035 section 3.1.4.1).
    """
    name = qname
    answered = False
    for rr in message.answer:
        if rr.rdtype == RRSIG and qtype != RRSIG:
            labels = rr[0].labels
            if labels < len(rr.name) - 1 - rr.name.is_wild() and rr.covers != dns.rdatatype.DNAME:
                chain_of(message, rr[0].signer).expanded(rr.name, labels)
        elif rr.name == name and rr.rdtype == dns.rdatatype.CNAME and qtype not in (dns.rdatatype.ANY,):
            if qtype == dns.rdatatype.CNAME and not _is_synthesised(message, rr):
                answered = True
            else:
                name = rr[0].target
        elif rr.name == name:
            answered = True
    if answered or message.rcode() == dns.rcode.YXDOMAIN:
        return
    zone = zones.find(name, qtype)
    if zone is None or not zone.is_signed:
        return
    heads = {rr.rdtype for rr in message.authority}
    if dns.rdatatype.SOA in heads:
        chain = chain_of(message, zone.origin)
        if message.rcode() == dns.rcode.NXDOMAIN:
            chain.absent_name(name, zone.closest_encloser(name).name)
        elif qtype != dns.rdatatype.DS or name != zone.origin:
            chain.absent_type(name, qtype)
    elif dns.rdatatype.NS in heads and dns.rdatatype.DS not in heads:
        chain_of(message, zone.origin).no_ds(message.authority[0].name)


def _is_synthesised(message, cname):
    """Made from a DNAME: then there is no signature of its own."""
    return any(
        rr.rdtype == dns.rdatatype.DNAME and cname.name != rr.name and cname.name.is_subdomain(rr.name)
        for rr in message.answer
    )
