"""Reply message -> what of it is believed: the records that answer the question, and nothing else.

    answer      from the question's name along CNAMEs (and the DNAMEs that made them) to the RRset asked for
    authority   of a negative answer the SOA of a zone above the name; with DO the proofs (NSEC, NSEC3), signed by
                such a zone
    additional  nothing: it answers no question, and is where poison comes in (RFC 5452 section 6, RFC 2181 5.4.1)

A chain is cut where its next name is for somebody else to answer (another upstream's suffix, or ourselves).
"""

from __future__ import annotations

from collections.abc import Iterable

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from pippin.forward.accepted import Accepted, IsElsewhere, Limits, Useless
from pippin.forward.cache import ttl_places
from pippin.forward.plain import read_plainly
from pippin.forward.wire import Question
from pippin.query.compose import compose
from pippin.zone.answer import CHAIN_LIMIT, Answer

_ANSWERS = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})
_PROOFS = frozenset({dns.rdatatype.NSEC, dns.rdatatype.NSEC3})
_TTL_SIGN = 1 << 31


def accept(reply: bytes, question: Question, is_elsewhere: IsElsewhere, limits: Limits) -> Accepted:
    """Read a reply that `wire.mismatch` has nothing against. Raises `Useless`."""
    name, qtype, dnssec_ok, _ = question
    plain = read_plainly(reply, name, qtype, dnssec_ok, is_elsewhere, limits)
    return plain or accept_any(reply, question, is_elsewhere, limits)


def accept_any(reply: bytes, question: Question, is_elsewhere: IsElsewhere, limits: Limits) -> Accepted:
    """`accept` without its short way, which gives the same for what it takes."""
    _, qtype, dnssec_ok, _ = question
    name = dns.name.from_wire(question.name, 0)[0]
    try:
        message = dns.message.from_wire(reply, ignore_trailing=True)
    except dns.exception.DNSException as error:
        raise Useless(f"not to be parsed: {error or type(error).__name__}") from error
    rcode = message.rcode()
    if rcode not in _ANSWERS:
        raise Useless(dns.rcode.to_text(rcode), _ede(message))
    chain = _Chain(message.answer, name, qtype, dnssec_ok, is_elsewhere)
    answer = Answer(rcode, aa=False, answer=chain.rrsets, ede=_ede(message))
    follow = chain.follow
    soa = None
    if follow is not None:
        answer.rcode = dns.rcode.NOERROR  # it was about the chain's end, which others know better
    elif not chain.is_complete:
        soa = _soa_above(message.authority, chain.names[-1])
        if soa is not None:
            answer.authority += _with_signatures(soa, message.authority, dnssec_ok)
        elif rcode == dns.rcode.NOERROR and chain.aliases:
            follow = chain.names[-1]  # the upstream did not go to the end of the chain
        elif rcode == dns.rcode.NOERROR and _refers(message, name):
            raise Useless("a referral: it is no resolver, and not responsible for the name")
    if dnssec_ok and follow is None:
        answer.authority += _proofs(message.authority, chain.names)
    ttl = _limit_ttls(answer, limits.ttl)
    if soa is not None:
        ttl = min(ttl, limits.negative, _negative_ttl(answer.authority, limits.negative))
    elif not chain.is_complete and follow is None:
        ttl = 0  # RFC 2308 section 5: without an SOA, not to be cached
    composed = compose(question.name, qtype, answer)
    return Accepted(
        composed.body,
        composed.answers,
        composed.authorities,
        ttl_places(composed.body, composed.answers + composed.authorities),
        composed.rcode,
        composed.ede,
        ttl,
        bool(message.flags & dns.flags.AD),
        tuple(map(wire_of, chain.aliases)),
        None if follow is None else wire_of(follow),
    )


def wire_of(name: dns.name.Name) -> bytes:
    """Lower-case wire format."""
    wire = name.canonicalize().to_wire()
    assert wire is not None
    return wire


class _Chain:
    """The way from the question's name to its answer. `aliases` are the names that CNAMEs lead to, in order."""

    def __init__(
        self,
        section: list[dns.rrset.RRset],
        name: dns.name.Name,
        qtype: int,
        dnssec_ok: bool,
        is_elsewhere: IsElsewhere,
    ) -> None:
        self.rrsets: list[dns.rrset.RRset] = []
        self.names = [name]
        self.follow: dns.name.Name | None = None
        self.is_complete = False
        self._section = section
        self._dnssec_ok = dnssec_ok
        while len(self.names) <= CHAIN_LIMIT:
            found = [
                rrset for rrset in section if rrset.rdtype == qtype and rrset.name == name and len(rrset)
            ]
            if found:  # several only for RRSIG, which has no RRset of its own
                for rrset in found:
                    self._add(rrset)
                self.is_complete = True
                return
            alias = _cname(section, name)
            if alias is None:
                return
            target: dns.name.Name = alias[0].target
            self._add_dname(name, target)
            self._add(alias)
            if target in self.names:
                self.is_complete = True  # a loop, each alias once
                return
            self.names.append(target)
            if is_elsewhere(wire_of(target)):
                self.follow = target
                return
            name = target
        self.is_complete = True  # longer than anybody follows

    @property
    def aliases(self) -> list[dns.name.Name]:
        return self.names[1:]

    def _add(self, rrset: dns.rrset.RRset) -> None:
        self.rrsets += _with_signatures(rrset, self._section, self._dnssec_ok)

    def _add_dname(self, name: dns.name.Name, target: dns.name.Name) -> None:
        """The DNAME that a CNAME was made from (RFC 6672 section 3.1), if it really leads there."""
        for rrset in self._section:
            if rrset.rdtype != dns.rdatatype.DNAME or rrset.name == name or not name.is_subdomain(rrset.name):
                continue
            try:
                made = name.relativize(rrset.name) + rrset[0].target
            except dns.exception.DNSException:
                continue
            if made == target:
                self._add(rrset)
                return


def _cname(section: Iterable[dns.rrset.RRset], name: dns.name.Name) -> dns.rrset.RRset | None:
    return next((r for r in section if r.rdtype == dns.rdatatype.CNAME and r.name == name and len(r)), None)


def _with_signatures(
    rrset: dns.rrset.RRset, section: list[dns.rrset.RRset], dnssec_ok: bool
) -> list[dns.rrset.RRset]:
    if not dnssec_ok:
        return [rrset]
    return [rrset, *(other for other in section if _signs(other, rrset))]


def _signs(signatures: dns.rrset.RRset, rrset: dns.rrset.RRset) -> bool:
    return (
        signatures.rdtype == dns.rdatatype.RRSIG
        and signatures.covers == rrset.rdtype
        and signatures.name == rrset.name
    )


def _soa_above(section: list[dns.rrset.RRset], name: dns.name.Name) -> dns.rrset.RRset | None:
    """The SOA of a zone that the name can be in (RFC 2308 section 2)."""
    return next((r for r in section if r.rdtype == dns.rdatatype.SOA and name.is_subdomain(r.name)), None)


def _refers(message: dns.message.Message, name: dns.name.Name) -> bool:
    if message.flags & dns.flags.RA or message.flags & dns.flags.AA:
        return False
    return any(r.rdtype == dns.rdatatype.NS for r in message.authority) or not message.authority


def _proofs(section: list[dns.rrset.RRset], names: list[dns.name.Name]) -> list[dns.rrset.RRset]:
    """NSEC and NSEC3 RRsets with their signatures, if a zone above one of the names signed them."""
    found: list[dns.rrset.RRset] = []
    for rrset in section:
        if rrset.rdtype in _PROOFS:
            signatures = [other for other in section if _signs(other, rrset)]
            signers = {rdata.signer for other in signatures for rdata in other}
            if any(rrset.name.is_subdomain(s) and any(n.is_subdomain(s) for n in names) for s in signers):
                found += [rrset, *signatures]
    return found


def _limit_ttls(answer: Answer, limit: int) -> int:
    """Bring all TTLs within the limit (a set highest bit means 0, RFC 2181 section 8); the lowest of them."""
    lowest = limit
    for rrset in (*answer.answer, *answer.authority):
        rrset.ttl = 0 if rrset.ttl >= _TTL_SIGN else min(rrset.ttl, limit)
        lowest = min(lowest, rrset.ttl)
    return lowest


def _negative_ttl(authority: list[dns.rrset.RRset], limit: int) -> int:
    """RFC 2308 section 5: the lower of the SOA's TTL and its last field, written into the SOA as well."""
    soa = authority[0]
    ttl: int = min(soa.ttl, soa[0].minimum, limit)
    for rrset in authority:
        if rrset is soa or _signs(rrset, soa):
            rrset.ttl = min(rrset.ttl, ttl)
    return ttl


def _ede(message: dns.message.Message) -> int:
    return next(
        (int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)), -1
    )
