"""Which differences between Pippin and a peer are known, and why: docs/design/differences.md is the list.

An explanation takes (question, ours, theirs) and returns `theirs` as it would be without that one difference, or
`theirs` unchanged. What is still different after all explanations allowed for a peer is unexplained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import dns.name
import dns.rcode
import dns.rdata
from dns.rdatatype import AAAA, ANY, CNAME, DNAME, HTTPS, NS, NSEC, NSEC3, RRSIG, SOA, SVCB, A

from tests.interop.questions import Meaning, Question, Records

TABLE = Path(__file__).parents[2] / "docs" / "design" / "differences.md"

Explanation = Callable[[Question, Meaning, Meaning], Meaning]


def allowed(text: str) -> dict[str, frozenset[str]]:
    """The table: name of the difference -> peers that have it."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([a-z, ]+) \|", text, re.MULTILINE)
    return {name: frozenset(peers.split(", ")) for name, peers in rows if name != "difference"}


def explain(
    question: Question, ours: Meaning, theirs: Meaning, explanations: Iterable[str]
) -> tuple[Meaning, set[str]]:
    """`theirs` without the differences that are explained, and the explanations that were needed for that."""
    used = set()
    for name in explanations:
        if ours == theirs:
            break
        without = EXPLANATIONS[name](question, ours, theirs)
        if without != theirs:
            used.add(name)
            theirs = without
    return theirs, used


def apex_ns_added(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    added = _of_type(theirs.authority - ours.authority, NS)
    if not theirs.answer or not theirs.authoritative or not added:
        return theirs
    targets = {dns.rdata.from_wire(1, NS, data, 0, len(data)).target for *_, data in _only(added, NS)}
    addresses = {record for record in theirs.additional if record[0] in targets}
    return replace(
        theirs,
        authority=theirs.authority - added,
        additional=theirs.additional - (addresses - ours.additional),
    )


def negative_soa_ttl_zero(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    if question.rdtype != SOA:
        return theirs
    ttls = {rdtype: ttl for _, rdtype, ttl, _ in _of_type(ours.authority, SOA)}
    soas = _of_type(theirs.authority, SOA)
    same = frozenset((name, rdtype, ttls.get(rdtype, ttl), data) for name, rdtype, ttl, data in soas)
    return replace(theirs, authority=theirs.authority - soas | same)


def any_other_rrset(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    if question.rdtype != ANY or not ours.answer or not theirs.answer:
        return theirs
    if ours.rcode == theirs.rcode and _owners(ours.answer) == _owners(theirs.answer):
        return replace(theirs, answer=ours.answer, additional=ours.additional)
    return theirs


def any_below_dname(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    if question.rdtype == ANY and theirs.answer < ours.answer and _only(theirs.answer, DNAME):
        return ours
    if question.rdtype == ANY and theirs.answer == ours.answer and _only(theirs.answer, DNAME):
        return replace(ours, additional=theirs.additional)
    return theirs


def loop_is_servfail(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    chain = _only(ours.answer, CNAME)
    if theirs.rcode == dns.rcode.SERVFAIL and chain and chain == _only(theirs.answer, CNAME):
        return replace(theirs, rcode=ours.rcode, authority=ours.authority, additional=ours.additional)
    return theirs


def sibling_glue_missing(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    cuts = _owners(_only(ours.authority, NS))
    if len(cuts) != 1:
        return theirs
    (cut,) = cuts
    left_out = ours.additional - theirs.additional
    if any(name.is_subdomain(cut) for name in _owners(left_out)):
        return theirs
    return replace(theirs, additional=theirs.additional | left_out)


def nsec_at_cut(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    referral = not ours.authoritative and bool(_only(ours.authority, NS))
    if question.rdtype == NSEC and referral and theirs.authoritative and _only(theirs.answer, NSEC):
        return ours
    return theirs


def hashed_name_exists(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    looks_hashed = any(re.fullmatch(rb"[0-9a-v]{32}", label.lower()) for label in question.name.labels)
    if looks_hashed and ours.rcode == dns.rcode.NXDOMAIN and _only(ours.authority, NSEC3):
        return ours
    return theirs


def nsec_at_alias(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    if question.rdtype == NSEC and _only(ours.answer - theirs.answer, CNAME) and theirs.rcode == 0:
        return ours
    return theirs


def svcb_additional(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    targets = set()
    for owner, rdtype, _, data in _only(ours.answer, HTTPS) | _only(ours.answer, SVCB):
        target = dns.rdata.from_wire(1, rdtype, data, 0, len(data)).target
        targets.add(owner if target == dns.name.root else target)
    differing = {record[0] for record in ours.additional ^ theirs.additional}
    return replace(theirs, additional=ours.additional) if differing <= targets else theirs


def dname_proof_short(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    missing = ours.authority - theirs.authority
    if _only(ours.answer, DNAME) and ours.rcode == dns.rcode.NXDOMAIN and missing <= _of_type(missing, NSEC):
        return replace(theirs, authority=theirs.authority | missing)
    return theirs


def wildcard_nsec_asked(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    missing = ours.authority - theirs.authority
    if question.rdtype == NSEC and _only(ours.answer, NSEC) and missing <= _of_type(missing, NSEC):
        return replace(theirs, authority=theirs.authority | missing)
    return theirs


def wildcard_owner_asked(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    added = theirs.authority - ours.authority
    if question.name.is_wild() and not ours.answer and added <= _of_type(added, NSEC3):
        return replace(theirs, authority=theirs.authority - added)
    return theirs


def optout_ent_proof(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    differing = ours.authority ^ theirs.authority
    if differing <= _of_type(differing, NSEC3) and all(data[1] & 1 for *_, data in _only(differing, NSEC3)):
        return replace(theirs, authority=ours.authority)
    return theirs


def address_by_wildcard(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    added = theirs.additional - ours.additional
    if added == _of_type(added, A) | _of_type(added, AAAA) and ours.additional <= theirs.additional:
        return replace(theirs, additional=ours.additional)
    return theirs


def ent_wildcard_proof(question: Question, ours: Meaning, theirs: Meaning) -> Meaning:
    missing = ours.authority - theirs.authority
    if ours.rcode == dns.rcode.NOERROR and not ours.answer and missing <= _of_type(missing, NSEC):
        return replace(theirs, authority=theirs.authority | missing)
    return theirs


def _only(records: Records, rdtype: int) -> Records:
    return frozenset(record for record in records if record[1] == rdtype)


def _of_type(records: Records, rdtype: int) -> Records:
    """Records of a type and the signatures that cover that type."""
    covered = int(rdtype).to_bytes(2, "big")
    return frozenset(
        record
        for record in records
        if record[1] == rdtype or (record[1] == RRSIG and record[3].startswith(covered))
    )


def _owners(records: Records) -> set[dns.name.Name]:
    return {record[0] for record in records}


EXPLANATIONS: dict[str, Explanation] = {
    "apex-ns-added": apex_ns_added,
    "negative-soa-ttl-zero": negative_soa_ttl_zero,
    "any-other-rrset": any_other_rrset,
    "any-below-dname": any_below_dname,
    "loop-is-servfail": loop_is_servfail,
    "sibling-glue-missing": sibling_glue_missing,
    "nsec-at-cut": nsec_at_cut,
    "hashed-name-exists": hashed_name_exists,
    "nsec-at-alias": nsec_at_alias,
    "svcb-additional": svcb_additional,
    "dname-proof-short": dname_proof_short,
    "wildcard-nsec-asked": wildcard_nsec_asked,
    "address-by-wildcard": address_by_wildcard,
    "ent-wildcard-proof": ent_wildcard_proof,
    "wildcard-owner-asked": wildcard_owner_asked,
    "optout-ent-proof": optout_ent_proof,
}
