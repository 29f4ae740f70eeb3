"""A second `Zone`, made straight from text with dictionaries: what the compiled one is compared with."""

from __future__ import annotations

import dns.dnssec
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.zone.images import parse

_NSEC, _NSEC3, _RRSIG = dns.rdatatype.NSEC, dns.rdatatype.NSEC3, dns.rdatatype.RRSIG


class DictNode:
    def __init__(self, name):
        self.name = name
        self.rrsets = {}
        self.sigs = {}
        self.policies = set()

    @property
    def types(self):
        return tuple(sorted(self.rrsets))

    def get(self, rdtype):
        return self.rrsets.get(rdtype)

    def signatures(self, rdtype):
        return self.sigs.get(rdtype)


class DictZone:
    """`text` is a master file; duplicate records drop, the lowest TTL of an RRset wins.

    `marks` are (owner, type) in text that policies answer for; none may be below a cut or DNAME.
    """

    is_ready = True

    def __init__(self, text, origin, marks=()):
        self.origin = dns.name.from_text(origin)
        self._nodes = {}
        self._hashed = {}
        parsed = list(parse(text, self.origin))
        hashed = any(rdata.rdtype == dns.rdatatype.NSEC3PARAM for _, _, _, rdata in parsed)
        for _, owner, ttl, rdata in parsed:
            about_nsec3 = hashed and _NSEC3 in (rdata.rdtype, rdata.covers())
            names = self._hashed if about_nsec3 else self._nodes
            node = names.setdefault(owner, DictNode(owner))
            kind, key = (node.sigs, rdata.covers()) if rdata.rdtype == _RRSIG else (node.rrsets, rdata.rdtype)
            if key not in kind:
                kind[key] = dns.rrset.RRset(owner, dns.rdataclass.IN, rdata.rdtype, rdata.covers())
            kind[key].add(rdata, ttl)
        for owner, rdtype in marks:
            name = dns.name.from_text(owner)
            node = self._nodes.setdefault(name, DictNode(name))
            node.policies.add(dns.rdatatype.from_text(rdtype))
        for name in list(self._nodes):
            while name != self.origin:
                name = name.parent()
                self._nodes.setdefault(name, DictNode(name))
        self.soa = self._nodes[self.origin].rrsets[dns.rdatatype.SOA]
        self.serial = self.soa[0].serial
        param = self._nodes[self.origin].get(dns.rdatatype.NSEC3PARAM)
        self.nsec3params = None if param is None else (param[0].algorithm, param[0].iterations, param[0].salt)

    @property
    def is_signed(self):
        apex = self._nodes[self.origin]
        return bool(apex.sigs) and (self.nsec3params is not None or apex.get(_NSEC) is not None)

    def node(self, name):
        return self._nodes.get(name)

    def nodes(self):
        return iter(sorted(self._nodes.values(), key=lambda node: node.name))

    def _above(self, name):
        """All names from just under the origin down to `name`."""
        return [name.split(depth)[1] for depth in range(len(self.origin), len(name) + 1)]

    def cut_above(self, name):
        nodes = (self.node(n) for n in self._above(name)[1:])
        return next((n for n in nodes if n and n.get(dns.rdatatype.NS)), None)

    def dname_above(self, name):
        nodes = (self.node(n) for n in self._above(name)[:-1])
        return next((n for n in nodes if n and n.get(dns.rdatatype.DNAME)), None)

    def closest_encloser(self, name):
        return next(n for n in map(self.node, reversed(self._above(name))) if n)

    def policy_owner(self, name, rdtype):
        if not name.is_subdomain(self.origin) or self.cut_above(name) or self.dname_above(name):
            return None
        node = self.node(name)
        if node is None:
            node = self.node(dns.name.Name([b"*"]) + self.closest_encloser(name).name)
        return node.name if node and rdtype in node.policies else None

    def predecessor(self, name):
        return max((n for n in self._nodes.values() if n.get(_NSEC) and n.name <= name), key=lambda n: n.name)

    def _hash(self, name):
        algorithm, iterations, salt = self.nsec3params
        return dns.dnssec.nsec3_hash(name, salt, iterations, algorithm)

    def nsec3_matching(self, name):
        return self._hashed.get(dns.name.Name([self._hash(name).encode(), *self.origin.labels]))

    def nsec3_covering(self, name):
        digest = self._hash(name).lower()
        if self.nsec3_matching(name):
            return None
        chain = sorted(self._hashed.values(), key=lambda n: n.name.labels[0].lower())
        before = [n for n in chain if n.name.labels[0].lower().decode() < digest]
        return before[-1] if before else chain[-1]

    def records(self):
        yield from ((self.origin, self.soa.ttl, rdata) for rdata in self.soa)
        everything = list(self._nodes.values()) + list(self._hashed.values())
        for node in sorted(everything, key=lambda n: n.name):
            for rdtype in node.types:
                for rrset in (node.get(rdtype), node.signatures(rdtype)):
                    if rrset is not None and rrset.rdtype != dns.rdatatype.SOA:
                        yield from ((node.name, rrset.ttl, rdata) for rdata in rrset)
