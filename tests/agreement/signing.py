"""Signed versions of generated zones: the chains of real signers, under signatures of zeros.

No server looks into a signature, so agreement needs none; what matters is which RRsets have RRSIGs and which
names NSEC or NSEC3 records (RFC 4035 section 2, RFC 5155 section 7.1). `test_signing.py` holds this against
what dnssec-signzone makes of the same zone.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from pippin.zone.zone import Nsec3Params, nsec3_hash
from tests.zone.images import parse

KEY = "256 3 13 " + "A" * 86 + "=="


@dataclass(frozen=True)
class Nsec:
    """Sign with NSEC."""


@dataclass(frozen=True)
class Nsec3:
    """Sign with NSEC3."""

    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False


class _Signer:
    def __init__(self, text, origin):
        self.origin = dns.name.from_text(origin)
        self.text = text + f"\n{origin} 3600 DNSKEY {KEY}\n"
        self.read()

    def read(self):
        self.types = {}
        self.ttls = {}
        for _, owner, ttl, rdata in parse(self.text, self.origin):
            self.types.setdefault(owner, set()).add(dns.rdatatype.to_text(rdata.rdtype))
            key = owner, dns.rdatatype.to_text(rdata.rdtype)
            self.ttls[key] = min(ttl, self.ttls.get(key, ttl))
            if rdata.rdtype == dns.rdatatype.SOA:
                self.negative_ttl = min(ttl, rdata.minimum)

    def is_cut(self, name):
        return name != self.origin and "NS" in self.types.get(name, ())

    def is_occluded(self, name):
        if "NSEC3" in self.types.get(name, ()):
            return False  # hashed names stand beside the name space, also under a DNAME at the apex
        while name != self.origin:
            name = name.parent()
            if self.is_cut(name) or "DNAME" in self.types.get(name, ()):
                return True
        return False

    def visible(self):
        """Names that own something, in canonical order."""
        return sorted(name for name in self.types if not self.is_occluded(name))

    def signed_types(self, name):
        return self.types[name] & {"DS", "NSEC"} if self.is_cut(name) else set(self.types[name])

    def bitmap(self, name, chain):
        """What an NSEC or NSEC3 record says about `name`."""
        own = self.types.get(name, set())
        if self.is_cut(name):
            own = own & {"NS", "DS"}
        if chain == "NSEC":
            own = own | {"NSEC", "RRSIG"}
        elif own and (not self.is_cut(name) or "DS" in own):
            own = own | {"RRSIG"}
        return " ".join(sorted(own))

    def add_nsec(self):
        names = self.visible()
        for name, after in zip(names, [*names[1:], names[0]], strict=True):
            self.text += f"{name} {self.negative_ttl} NSEC {after} {self.bitmap(name, 'NSEC')}\n"

    def add_nsec3(self, how):
        salt = how.salt.hex() or "-"
        self.text += f"{self.origin} 0 NSEC3PARAM 1 0 {how.iterations} {salt}\n"
        self.read()
        params = Nsec3Params(1, how.iterations, how.salt)
        names = set()
        for name in self.visible():
            if how.opt_out and self.is_cut(name) and "DS" not in self.types[name]:
                continue
            while name not in names:
                names.add(name)
                if name == self.origin:
                    break
                name = name.parent()
        hashed = sorted((base64.b32hexencode(nsec3_hash(name, params)).decode(), name) for name in names)
        for i, (digest, name) in enumerate(hashed):
            after = hashed[(i + 1) % len(hashed)][0]
            owner = dns.name.Name([digest.lower().encode(), *self.origin.labels])
            self.text += (
                f"{owner} {self.negative_ttl} NSEC3 1 {int(how.opt_out)} {how.iterations} {salt} "
                f"{after} {self.bitmap(name, 'NSEC3')}\n"
            )

    def add_signatures(self):
        self.read()
        for name in self.visible():
            for rdtype in sorted(self.signed_types(name)):
                ttl = self.ttls[name, rdtype]
                self.text += (
                    f"{name} {ttl} RRSIG {rdtype} 13 {len(name) - 1 - name.is_wild()} {ttl} "
                    f"20400101000000 20200101000000 1 {self.origin} {'A' * 86}==\n"
                )


def sign(text, origin, how):
    """The signed zone of a text, signed as `how` (an Nsec or Nsec3) says."""
    signer = _Signer(text, origin)
    if isinstance(how, Nsec):
        signer.add_nsec()
    else:
        signer.add_nsec3(how)
    signer.add_signatures()
    return signer.text
