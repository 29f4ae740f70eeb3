"""Which proofs go with which answers, and in which order (RFC 4035 section 3.1.3, RFC 5155 section 7.2).

NSEC3 owners are shown as the names they are hashes of. That the proofs convince a validator is tested with
generated zones in tests/agreement.
"""

from __future__ import annotations

from itertools import pairwise

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from pippin.zone.answer import Zones, answer
from pippin.zone.zone import nsec3_hash, nsec3_label
from tests.agreement.signing import Nsec, Nsec3, sign
from tests.zone.images import compiled

ZONE = """
z. 3600 SOA ns.z. host.z. 1 2 3 4 300
z. 3600 NS ns.z.
ns.z. 3600 A 192.0.2.1
a.b.z. 3600 A 192.0.2.2
*.w.z. 3600 A 192.0.2.3
x.*.v.z. 3600 A 192.0.2.4
cut.z. 3600 NS ns.cut.z.
ns.cut.z. 3600 A 192.0.2.5
p.q.z. 3600 NS ns.other.
secure.z. 3600 NS ns.other.
secure.z. 3600 DS 1 8 1 0101010101010101010101010101010101010101
alias.w.z. 3600 CNAME x.w.z.
tree.z. 3600 DNAME other.
"""
NAMES = (
    "z. ns.z. b.z. a.b.z. w.z. *.w.z. v.z. *.v.z. x.*.v.z. cut.z. q.z. p.q.z. secure.z. alias.w.z. tree.z."
)


@pytest.fixture(params=[Nsec(), Nsec3(1, b"\xab"), Nsec3(0, b"", True)], ids=["nsec", "nsec3", "optout"])
def zone(request):
    view = compiled(sign(ZONE, "z.", request.param), "z.")
    view.kind = request.node.callspec.id
    return view


def proof(zone, question):
    """(rcode, types in the authority section, the names that its NSEC or NSEC3 records belong to)."""
    name, rdtype = question.split()
    reply = answer(Zones([zone]), dns.name.from_text(name), dns.rdatatype.from_text(rdtype), True)
    hashes = {}
    if zone.nsec3params:
        for text in NAMES.split():
            hashes[nsec3_label(nsec3_hash(dns.name.from_text(text), zone.nsec3params))] = text
    owners = [
        hashes.get(rrset.name.labels[0].lower(), rrset.name.to_text())
        for rrset in reply.authority
        if rrset.rdtype in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
    ]
    assert len(owners) == len(set(owners))
    for rrset, after in pairwise(reply.authority):
        if rrset.rdtype not in (dns.rdatatype.NS, dns.rdatatype.RRSIG):
            assert (after.rdtype, after.covers, after.name) == (dns.rdatatype.RRSIG, rrset.rdtype, rrset.name)
    heads = [
        dns.rdatatype.to_text(rrset.rdtype)
        for rrset in reply.authority
        if rrset.rdtype != dns.rdatatype.RRSIG
    ]
    return dns.rcode.to_text(reply.rcode), heads, owners


def covering(zone, name):
    """The name whose NSEC3 covers `name`."""
    labels = {
        nsec3_label(nsec3_hash(dns.name.from_text(text), zone.nsec3params)): text for text in NAMES.split()
    }
    return labels[zone.nsec3_covering(dns.name.from_text(name)).name.labels[0].lower()]


def once(*names):
    return list(dict.fromkeys(names))


def test_name_error(zone):
    """The cover of the name, or the closest encloser's match and the next closer's cover; then the wildcard's."""
    rcode, heads, owners = proof(zone, "x.ns.z. A")
    assert (rcode, heads[0]) == ("NXDOMAIN", "SOA")
    if zone.kind == "nsec":
        assert owners == ["ns.z."]
    else:
        assert owners == once("ns.z.", covering(zone, "x.ns.z."), covering(zone, "*.ns.z."))


def test_name_error_proved_by_two_nsecs(zone):
    if zone.kind == "nsec":
        assert proof(zone, "nothing.z. A")[2] == ["cut.z.", "z."]


def test_nodata(zone):
    assert proof(zone, "ns.z. TXT") == (
        "NOERROR",
        ["SOA", "NSEC" if zone.kind == "nsec" else "NSEC3"],
        ["ns.z."],
    )


def test_empty_non_terminal(zone):
    rcode, heads, owners = proof(zone, "b.z. A")
    assert (rcode, heads[0]) == ("NOERROR", "SOA")
    assert owners == (["z."] if zone.kind == "nsec" else ["b.z."])


def test_wildcard_answer(zone):
    rcode, heads, owners = proof(zone, "m.n.w.z. A")
    assert (rcode, "SOA" in heads) == ("NOERROR", False)
    assert owners == (["alias.w.z."] if zone.kind == "nsec" else [covering(zone, "n.w.z.")])


def test_wildcard_nodata(zone):
    owners = proof(zone, "n.w.z. TXT")[2]
    if zone.kind == "nsec":
        assert owners == ["alias.w.z.", "*.w.z."]
    else:
        assert owners == once("w.z.", covering(zone, "n.w.z."), "*.w.z.")


def test_wildcard_that_is_an_empty_non_terminal(zone):
    """NSD and PowerDNS prove it, Knot and BIND leave one NSEC out."""
    owners = proof(zone, "n.v.z. A")[2]
    if zone.kind == "nsec":
        assert owners == ["x.*.v.z.", "tree.z."]
    else:
        assert owners == once("v.z.", covering(zone, "n.v.z."), "*.v.z.")


def test_wildcard_itself_needs_no_proof(zone):
    assert proof(zone, "*.w.z. A") == ("NOERROR", [], [])


def test_unsigned_referral(zone):
    rcode, heads, owners = proof(zone, "www.cut.z. A")
    assert (rcode, heads[0]) == ("NOERROR", "NS")
    expected = once("z.", covering(zone, "cut.z.")) if zone.kind == "optout" else ["cut.z."]
    assert owners == expected


def test_secure_referral(zone):
    assert proof(zone, "www.secure.z. A") == ("NOERROR", ["NS", "DS"], [])


def test_missing_ds(zone):
    """RFC 5155 section 7.2.4: NODATA at the parent's side."""
    rcode, heads, owners = proof(zone, "cut.z. DS")
    assert (rcode, heads[0]) == ("NOERROR", "SOA")
    assert owners == (once("z.", covering(zone, "cut.z.")) if zone.kind == "optout" else ["cut.z."])


def test_empty_non_terminal_above_an_unsigned_delegation(zone):
    """Opted out, it has no NSEC3 of its own: the closest provable encloser has to do."""
    expected = {"nsec": ["ns.z."], "nsec3": ["q.z."]}
    assert proof(zone, "q.z. A")[2] == (expected.get(zone.kind) or once("z.", covering(zone, "q.z.")))


def test_alias_from_a_wildcard_proves_its_name_too(zone):
    assert proof(zone, "alias.w.z. A")[2] == (
        ["alias.w.z."] if zone.kind == "nsec" else [covering(zone, "x.w.z.")]
    )


def test_dname_needs_no_proof(zone):
    reply = answer(Zones([zone]), dns.name.from_text("x.tree.z."), 1, True)
    assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer] == ["DNAME", "RRSIG", "CNAME"]
    assert reply.authority == []


def test_rrsig_gives_the_signatures_of_the_lowest_type(zone):
    reply = answer(Zones([zone]), dns.name.from_text("ns.z."), dns.rdatatype.RRSIG, False)
    (rrset,) = reply.answer
    assert (rrset.rdtype, rrset.covers) == (dns.rdatatype.RRSIG, dns.rdatatype.A)


def test_soa_of_negative_answers_and_its_signature_share_the_ttl(zone):
    """RFC 2308 section 3; RFC 4034 section 3 ties the RRSIG's TTL to its RRset's."""
    reply = answer(Zones([zone]), dns.name.from_text("x.z."), 1, True)
    assert [rrset.ttl for rrset in reply.authority[:2]] == [300, 300]


def test_hashed_name_asked_for_does_not_exist(zone):
    """RFC 5155 section 7.2.8."""
    if zone.nsec3params:
        digest = nsec3_label(nsec3_hash(dns.name.from_text("ns.z."), zone.nsec3params)).decode()
        assert proof(zone, f"{digest}.z. NSEC3")[0] == "NXDOMAIN"


def test_without_do_the_answer_is_plain(zone):
    reply = answer(Zones([zone]), dns.name.from_text("x.z."), 1, False)
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]
