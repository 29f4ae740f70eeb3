"""What follows for a zone from the names and types that policies answer for in it; each case on both zone views.

The answers here are the zone's own. For a question that a policy answers that is what it falls back to, with PASS.
"""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from pippin.engine.unpack import Unpacker
from pippin.zone import inspect
from pippin.zone.answer import Zones, answer
from pippin.zone.check import check
from pippin.zone.zone import Zone
from tests.zone.images import compile_text, compiled, marks_of, stream_of
from tests.zone.standin import DictZone

TEXT = """
@ SOA ns host 7 3600 900 86400 300
@ NS ns
@ NS both
@ MX 10 new
@ MX 20 both
ns A 192.0.2.1
both A 192.0.2.2
both AAAA 2001:db8::2
both TXT "own"
alias CNAME both
long CNAME alias
to-new CNAME new
to-wild CNAME x.cdn
svc HTTPS 1 .
svc A 192.0.2.3
svc AAAA 2001:db8::3
taken.cdn TXT "no wildcard here"
tree DNAME cdn
cut NS ns.cut
cut NS both
ns.cut A 192.0.2.4
"""
MARKS = [
    ("example.", "A"), ("both.example.", "A"), ("new.example.", "A"), ("deep.in.the.example.", "AAAA"),
    ("*.cdn.example.", "A"), ("*.cdn.example.", "TXT"), ("svc.example.", "A"),
]  # fmt: skip


@pytest.fixture(params=[DictZone, compiled], ids=["dictionaries", "compiled"])
def zone(request):
    return request.param(TEXT, "example.", MARKS)


def name(text):
    return dns.name.from_text(text, dns.name.from_text("example."))


def ask(zone, owner, rdtype):
    return answer(Zones([zone]), name(owner), dns.rdatatype.from_text(rdtype), False)


def lines(section):
    return [line for rrset in section for line in rrset.to_text().splitlines()]


def assert_nodata(found):
    assert (found.rcode, found.aa, found.answer, found.additional) == (dns.rcode.NOERROR, True, [], [])
    assert [rrset.rdtype for rrset in found.authority] == [dns.rdatatype.SOA]


# --- the name exists


@pytest.mark.parametrize("owner", ["the", "in.the"])
def test_empty_non_terminals_above_a_policy_are_nodata(zone, owner):
    assert_nodata(ask(zone, owner, "A"))


@pytest.mark.parametrize("owner", ["deep.in.the", "new", "x.cdn", "*.cdn"])
def test_other_types_of_a_policys_name_are_nodata(zone, owner):
    assert_nodata(ask(zone, owner, "MX"))


def test_name_beside_a_policys_name_does_not_exist(zone):
    for owner in ("x.new", "other.in.the", "x.deep.in.the"):
        assert ask(zone, owner, "A").rcode == dns.rcode.NXDOMAIN


def test_any_does_not_see_policies(zone):
    assert_nodata(ask(zone, "new", "ANY"))
    assert lines(ask(zone, "both", "ANY").answer) == ["both.example. 3600 IN A 192.0.2.2"]


def test_static_answer_of_a_policy_is_what_the_zone_has(zone):
    assert lines(ask(zone, "both", "A").answer) == ["both.example. 3600 IN A 192.0.2.2"]
    assert_nodata(ask(zone, "new", "A"))
    assert_nodata(ask(zone, "@", "A"))
    assert_nodata(ask(zone, "x.cdn", "TXT"))


def test_other_types_of_an_owner_stay_its_own(zone):
    assert lines(ask(zone, "both", "TXT").answer) == ['both.example. 3600 IN TXT "own"']


# --- nothing else has in it what a policy decides


@pytest.mark.parametrize(
    ("owner", "rdtype", "chain"),
    [
        ("alias", "A", ["alias.example. 3600 IN CNAME both.example."]),
        (
            "long",
            "A",
            ["long.example. 3600 IN CNAME alias.example.", "alias.example. 3600 IN CNAME both.example."],
        ),
        ("to-new", "A", ["to-new.example. 3600 IN CNAME new.example."]),
        ("to-wild", "TXT", ["to-wild.example. 3600 IN CNAME x.cdn.example."]),
        (
            "x.tree",
            "A",
            ["tree.example. 3600 IN DNAME cdn.example.", "x.tree.example. 3600 IN CNAME x.cdn.example."],
        ),
    ],
)
def test_chain_ends_before_a_policys_name(zone, owner, rdtype, chain):
    found = ask(zone, owner, rdtype)
    assert lines(found.answer) == chain
    assert (found.rcode, found.authority, found.additional) == (dns.rcode.NOERROR, [], [])


def test_chain_goes_on_for_other_types(zone):
    assert lines(ask(zone, "long", "TXT").answer)[-1] == 'both.example. 3600 IN TXT "own"'
    found = ask(zone, "to-new", "AAAA")
    assert lines(found.answer) == ["to-new.example. 3600 IN CNAME new.example."]
    assert [rrset.rdtype for rrset in found.authority] == [dns.rdatatype.SOA]


def test_chain_into_another_zone_ends_before_a_policys_name(zone):
    other = compiled(
        "@ SOA ns.example. host.example. 1 2 3 4 5\n@ NS ns.example.\nw CNAME both.example.", "other."
    )
    found = answer(Zones([zone, other]), dns.name.from_text("w.other."), dns.rdatatype.A, False)
    assert lines(found.answer) == ["w.other. 3600 IN CNAME both.example."]


def test_additional_section_leaves_out_what_a_policy_decides(zone):
    assert lines(ask(zone, "@", "MX").additional) == ["both.example. 3600 IN AAAA 2001:db8::2"]
    assert lines(ask(zone, "svc", "HTTPS").additional) == ["svc.example. 3600 IN AAAA 2001:db8::3"]


def test_referral_leaves_out_what_a_policy_decides(zone):
    assert lines(ask(zone, "x.cut", "A").additional) == [
        "ns.cut.example. 3600 IN A 192.0.2.4",
        "both.example. 3600 IN AAAA 2001:db8::2",
    ]


# --- which policy answers


@pytest.mark.parametrize(
    ("owner", "rdtype", "policy"),
    [
        ("both", "A", "both"),
        ("BOTH", "A", "both"),
        ("both", "AAAA", None),
        ("@", "A", "@"),
        ("deep.in.the", "AAAA", "deep.in.the"),
        ("in.the", "AAAA", None),
        ("x.cdn", "A", "*.cdn"),
        ("x.y.cdn", "TXT", "*.cdn"),
        ("*.cdn", "A", "*.cdn"),
        ("cdn", "A", None),
        ("taken.cdn", "A", None),  # it exists, so no wildcard stands in for it (RFC 4592 section 2.2.1)
        ("x.taken.cdn", "A", None),  # its closest encloser is taken.cdn
        ("alias", "A", None),
        ("x.tree", "A", None),
        ("x.cut", "A", None),
        ("nothing", "A", None),
        ("other.", "A", None),
    ],
)
def test_policy_owner(zone, owner, rdtype, policy):
    found = zone.policy_owner(name(owner), dns.rdatatype.from_text(rdtype))
    assert found == (None if policy is None else name(policy))


def test_wildcard_policy_of_the_apex():
    zone = compiled(TEXT, "example.", [("*.example.", "A")])
    assert zone.policy_owner(name("x.y"), dns.rdatatype.A) == name("*")
    assert zone.policy_owner(name("x.cdn"), dns.rdatatype.A) is None  # cdn is the closest encloser
    assert zone.policy_owner(name("cdn"), dns.rdatatype.A) is None


def test_name_is_taken_however_it_is_written():
    zone = compiled(TEXT, "example.", [("WwW.eXample.", "A")])
    assert zone.policy_owner(name("www"), dns.rdatatype.A) == name("www")
    assert zone.node(name("www")).name.to_text() == "www.example."


def test_root_zone():
    zone = compiled(". SOA ns.nic. host. 1 2 3 4 5\n. NS ns.nic.", ".", [("*.", "A"), ("a.b.", "TXT")])
    assert zone.policy_owner(dns.name.from_text("x.y."), dns.rdatatype.A) == dns.name.from_text("*.")
    assert zone.policy_owner(dns.name.from_text("x.b."), dns.rdatatype.A) is None


# --- a mark is no data


def test_transfer_and_export_have_no_policies():
    with_marks, without = compiled(TEXT, "example.", MARKS), compiled(TEXT, "example.")
    assert list(with_marks.records()) == list(without.records())
    assert with_marks.statistics().records == without.statistics().records
    head = bytes(12) + b"\7example\0" + b"\0\xfc\0\1"
    assert Unpacker(with_marks.image).message(head, 16384) == Unpacker(without.image).message(head, 16384)


def test_inspect_shows_policies():
    zone = compiled(TEXT, "example.", MARKS)
    shown = list(inspect.name(zone.image, name("both").to_wire()))
    assert "  entry A  flags OWN|POLICY" in shown
    assert "  entry AAAA  flags OWN" in shown
    shown = list(inspect.name(zone.image, name("*.cdn").to_wire()))
    assert "  entry A  flags POLICY" in shown
    assert any("authority  example. 300 IN SOA" in line for line in shown)


def test_nodes_know_their_policies(zone):
    assert sorted(zone.node(name("*.cdn")).policies) == [dns.rdatatype.A, dns.rdatatype.TXT]
    assert zone.node(name("*.cdn")).types == ()
    assert zone.node(name("both")).types == (dns.rdatatype.A, dns.rdatatype.TXT, dns.rdatatype.AAAA)


# --- policies that can't be


def problems(text, *marks, warnings=False):
    """The zone, and what `check` says about it, as lines; without the marks there is no error in it."""
    assert compile_text(text, "example.")[1] == []
    image, findings = compile_text(text, "example.", marks)
    stream = stream_of(text, "example.")
    found = check(stream, b"\7example\0", ["zone.txt"], findings, warnings=warnings, marks=marks_of(marks))
    return Zone(image), [str(problem) for problem in found]


SIGNED = "@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nns RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"


@pytest.mark.parametrize(
    ("text", "owner", "rdtype", "message"),
    [
        (
            TEXT, "alias.example.", "A",
            "zone.txt:11:1: policy alias.example. A: alias.example. has a CNAME, which must be the only record of its "
            "name (RFC 1034 section 3.6.2); remove one of the two: the policy itself may answer with a CNAME",
        ),
        (
            TEXT, "x.cut.example.", "A",
            "zone.txt:20:1: policy x.cut.example. A: cut.example. is delegated, so the zone example. does not answer "
            "for this name (RFC 1034 section 4.2.1); serve the zone cut.example. here too, or remove the policy",
        ),
        (
            TEXT, "cut.example.", "TXT",
            "zone.txt:20:1: policy cut.example. TXT: cut.example. is delegated, so the zone example. does not answer "
            "for this name (RFC 1034 section 4.2.1); serve the zone cut.example. here too, or remove the policy",
        ),
        (
            TEXT, "*.y.tree.example.", "A",
            "zone.txt:19:1: policy *.y.tree.example. A: the DNAME at tree.example. answers for all names below it "
            "(RFC 6672 section 2.3); remove one of the two, or declare the policy for the name that the DNAME leads to",
        ),
        (
            TEXT, "www.other.", "A",
            "zone.txt: policy www.other. A: the name is outside the zone example.; serve the zone that it is in, or "
            "correct the name",
        ),
        (
            SIGNED, "www.example.", "A",
            "zone.txt: policy www.example. A: the zone example. is signed, and what a policy answers has no "
            "signatures, so validating resolvers would reject it; delegate the name to an unsigned zone, or serve "
            "this one unsigned",
        ),
    ],
)  # fmt: skip
def test_policy_that_cannot_be_is_an_error_and_left_out(text, owner, rdtype, message):
    zone, found = problems(text, (owner, rdtype), ("fine.example.", "A") if text is TEXT else (owner, rdtype))
    assert found == [message] * (1 if text is TEXT else 2)
    assert zone.policy_owner(dns.name.from_text(owner), dns.rdatatype.from_text(rdtype)) is None
    assert (zone.policy_owner(name("fine"), dns.rdatatype.A) is not None) == (text is TEXT)


@pytest.mark.parametrize(
    "rdtype",
    ["NS", "CNAME", "SOA", "DNAME", "DS", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "ANY",
     "AXFR", "OPT", "TYPE0", "TYPE65535"],
)  # fmt: skip
@pytest.mark.parametrize("owner", ["example.", "www.example."])
def test_types_that_make_the_zone_are_no_policys(owner, rdtype):
    _, (message,) = problems(TEXT, (owner, rdtype))
    assert message == (
        f"zone.txt: policy {owner} {rdtype}: records of this type make the zone what it is, so no policy answers for "
        "them; declare the policy for A, AAAA or another type of data (its answer may be a CNAME)"
    )


@pytest.mark.parametrize(
    "rdtype", ["A", "AAAA", "TXT", "MX", "SRV", "PTR", "SVCB", "HTTPS", "CAA", "TYPE65280"]
)
def test_types_of_data_may_be_a_policys(rdtype):
    zone, found = problems(TEXT, ("www.example.", rdtype), ("tree.example.", rdtype), ("example.", rdtype))
    assert found == []
    assert zone.policy_owner(name("tree"), dns.rdatatype.from_text(rdtype)) == name("tree")


def test_policy_below_a_dname_of_the_apex():
    text = "@ SOA ns.o. host.o. 1 2 3 4 5\n@ NS ns.o.\n@ DNAME o.\n"
    zone, (message,) = problems(text, ("www.example.", "A"), ("example.", "A"))
    assert "the DNAME at example. answers for all names below it" in message
    assert zone.policy_owner(zone.origin, dns.rdatatype.A) == zone.origin


def test_delegation_comes_before_signatures():
    """A policy may stand in an unsigned zone below a signed one: there it is none of the signed zone's business."""
    _, (message,) = problems(SIGNED + "cut NS ns.o.", ("x.cut.example.", "A"))
    assert "cut.example. is delegated" in message


# --- warnings


def test_names_of_policies_are_good_targets():
    text = (
        "@ SOA ns host 1 2 3 4 5\n@ NS ns\n@ MX 10 mail\n@ MX 20 x.wild\nto CNAME www\ndeep CNAME b.c\n"
        "a.deep NS ns.elsewhere.\n"
    )
    marks = [
        ("ns.example.", "A"),
        ("mail.example.", "AAAA"),
        ("*.wild.example.", "A"),
        ("www.example.", "TXT"),
    ]
    _, found = problems(text, *marks, ("x.b.c.example.", "A"), warnings=True)
    assert found == []


def test_policy_of_another_type_is_no_address():
    text = "@ SOA ns.o. host 1 2 3 4 5\n@ NS ns.o.\n@ MX 10 mail\n"
    _, (message,) = problems(text, ("mail.example.", "TXT"), warnings=True)
    assert "MX target mail.example. has no address" in message


def test_policy_is_no_glue():
    text = "@ SOA ns.o. host 1 2 3 4 5\n@ NS ns.o.\ncut NS ns.cut\n"
    _, found = problems(text, ("ns.cut.example.", "A"), warnings=True)
    assert any("name server ns.cut.example. has no address" in message for message in found)
