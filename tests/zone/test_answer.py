"""The answer algorithm, phenomenon by phenomenon. Each case runs on both implementations of a zone view."""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from pippin.zone.answer import CHAIN_LIMIT, Zones, answer
from tests.zone.images import compiled
from tests.zone.standin import DictZone

EXAMPLE = """
@ 3600 IN SOA ns1 host 7 3600 900 86400 300
@ NS ns1
@ NS ns.other.
@ MX 10 mail
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
www A 192.0.2.3
www A 192.0.2.4
alias CNAME www
far CNAME www.other.
nowhere CNAME missing
empty CNAME deep.ent
deeper.ent TXT "below an empty non-terminal"
a.deep.ent TXT "two of them"
*.wild A 192.0.2.5
*.wild MX 10 mail
sub.host.wild TXT "blocks host.wild"
*.walias CNAME www
*.went.x TXT "the wildcard is not at x"
under.*.estar TXT "the wildcard itself is empty"
cut NS ns.cut
cut NS ns.sibling
cut NS ns1
cut NS ns.other.
ns.cut A 192.0.2.6
ns.cut AAAA 2001:db8::6
sibling NS ns.sibling
ns.sibling A 192.0.2.7
secure NS ns.other.
secure DS 1 8 2 0101010101010101010101010101010101010101010101010101010101010101
tree DNAME forest.example.
tree A 192.0.2.8
hidden.tree A 192.0.2.9
x.forest A 192.0.2.10
loop1 CNAME loop2
loop2 CNAME loop1
self CNAME self
grow DNAME a.grow
intocut CNAME host.cut
srv SRV 0 0 53 ns1
srv SRV 1 0 53 mail
srv SRV 2 0 53 ns1
srv SRV 3 0 53 ns.cut
srv SRV 4 0 53 alias
srv SRV 5 0 53 x.wild
svc HTTPS 1 .
svc A 192.0.2.11
nosvc HTTPS 0 .
nosvc A 192.0.2.12
unknown TYPE65280 \\# 2 0102
"""

LONG = ".".join(["l" * 60] * 3)


@pytest.fixture(params=[DictZone, compiled], ids=["dictionaries", "compiled"])
def view(request):
    return request.param


@pytest.fixture
def ask(view):
    """ask("name TYPE", zone text by origin…) -> the reply as text."""

    def ask(question, *, dnssec_ok=False, **more):
        zones = [view(EXAMPLE, "example.")]
        zones += [view(text, origin.replace("_", ".") + ".") for origin, text in more.items()]
        name, rdtype = question.split()
        return Reply(
            answer(Zones(zones), dns.name.from_text(name), dns.rdatatype.from_text(rdtype), dnssec_ok)
        )

    return ask


class Reply:
    """An Answer with its sections as lists of lines `owner ttl type rdata`, rdata of an RRset sorted."""

    def __init__(self, reply):
        self.rcode = dns.rcode.to_text(reply.rcode)
        self.aa, self.glue_required, self.ede = reply.aa, reply.glue_required, reply.ede
        self.answer, self.authority, self.additional = map(
            lines, (reply.answer, reply.authority, reply.additional)
        )


def lines(section):
    return [
        f"{r.name} {r.ttl} {dns.rdatatype.to_text(r.rdtype)} {rdata}"
        for r in section
        for rdata in sorted(rdata.to_text() for rdata in r)
    ]


SOA = ["example. 300 SOA ns1.example. host.example. 7 3600 900 86400 300"]


def expect(reply, rcode, answer=(), authority=(), additional=(), aa=True):
    assert (reply.rcode, reply.aa) == (rcode, aa)
    assert (reply.answer, reply.authority, reply.additional) == (
        list(answer),
        list(authority),
        list(additional),
    )


def test_exact_match(ask):
    expect(
        ask("www.example. A"), "NOERROR", ["www.example. 3600 A 192.0.2.3", "www.example. 3600 A 192.0.2.4"]
    )


def test_names_compare_case_blind(ask):
    assert len(ask("WWW.eXample. A").answer) == 2


def test_positive_answers_are_minimal(ask):
    """No NS in the authority section."""
    assert ask("www.example. A").authority == []


def test_unknown_type_is_data(ask):
    """RFC 3597."""
    expect(ask("unknown.example. TYPE65280"), "NOERROR", ["unknown.example. 3600 TYPE65280 \\# 2 0102"])


def test_negative_ttl_is_the_soa_minimum(ask):
    """RFC 2308 section 3."""
    expect(ask("www.example. TXT"), "NOERROR", authority=SOA)


def test_negative_ttl_is_the_soa_ttl_when_that_is_lower(view):
    text = "@ 60 IN SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1"
    reply = answer(Zones([view(text, "low.")]), dns.name.from_text("x.low."), 1, False)
    assert reply.authority[0].ttl == 60


def test_soa_asked_for_keeps_its_ttl(ask):
    assert ask("example. SOA").answer[0].startswith("example. 3600 SOA")


def test_missing_name_is_nxdomain(ask):
    expect(ask("missing.example. A"), "NXDOMAIN", authority=SOA)


def test_empty_non_terminal_is_nodata(ask):
    """RFC 8020, RFC 4592 section 2.2.2."""
    expect(ask("ent.example. A"), "NOERROR", authority=SOA)
    expect(ask("deep.ent.example. TXT"), "NOERROR", authority=SOA)


def test_below_an_existing_leaf_is_nxdomain(ask):
    expect(ask("x.www.example. A"), "NXDOMAIN", authority=SOA)


def test_not_served_is_refused(ask):
    reply = ask("www.elsewhere. A")
    expect(reply, "REFUSED", aa=False)
    assert reply.ede == 20


def test_apex_mx_brings_addresses(ask):
    expect(
        ask("example. MX"),
        "NOERROR",
        ["example. 3600 MX 10 mail.example."],
        additional=["mail.example. 3600 A 192.0.2.2"],
    )


def test_apex_ns(ask):
    reply = ask("example. NS")
    assert reply.answer == ["example. 3600 NS ns.other.", "example. 3600 NS ns1.example."]
    assert reply.additional == ["ns1.example. 3600 A 192.0.2.1", "ns1.example. 3600 AAAA 2001:db8::1"]


def test_additional_of_srv(ask):
    """Targets in order, each once; neither glue, nor through an alias, nor from a wildcard."""
    assert ask("srv.example. SRV").additional == [
        "ns1.example. 3600 A 192.0.2.1",
        "ns1.example. 3600 AAAA 2001:db8::1",
        "mail.example. 3600 A 192.0.2.2",
    ]


def test_https_target_of_itself(ask):
    """RFC 9460 section 2.5.2, and 2.5.1 for AliasMode."""
    assert ask("svc.example. HTTPS").additional == ["svc.example. 3600 A 192.0.2.11"]
    assert ask("nosvc.example. HTTPS").additional == []


# Wildcards: RFC 4592


def test_wildcard_answers_under_the_asked_name(ask):
    expect(ask("any.wild.example. A"), "NOERROR", ["any.wild.example. 3600 A 192.0.2.5"])


def test_wildcard_covers_several_labels(ask):
    expect(ask("a.b.wild.example. A"), "NOERROR", ["a.b.wild.example. 3600 A 192.0.2.5"])


def test_wildcard_without_the_type_is_nodata(ask):
    expect(ask("any.wild.example. TXT"), "NOERROR", authority=SOA)


def test_wildcard_is_blocked_by_an_existing_name(ask):
    expect(ask("x.sub.host.wild.example. A"), "NXDOMAIN", authority=SOA)


def test_wildcard_is_blocked_by_an_empty_non_terminal(ask):
    """RFC 4592 section 4.9 example: host.wild exists, so nothing below it comes from *.wild."""
    expect(ask("host.wild.example. A"), "NOERROR", authority=SOA)
    expect(ask("other.host.wild.example. A"), "NXDOMAIN", authority=SOA)


def test_wildcard_asked_for_by_name(ask):
    expect(ask("*.wild.example. A"), "NOERROR", ["*.wild.example. 3600 A 192.0.2.5"])


def test_asterisk_below_a_wildcard_does_not_exist(ask):
    expect(ask("x.*.wild.example. A"), "NXDOMAIN", authority=SOA)


def test_wildcard_that_is_empty_gives_nodata(ask):
    """RFC 4592 section 4.4: `*.estar` exists through `under.*.estar`."""
    expect(ask("x.estar.example. A"), "NOERROR", authority=SOA)


def test_wildcard_cname_is_followed(ask):
    assert ask("q.walias.example. A").answer == [
        "q.walias.example. 3600 CNAME www.example.",
        "www.example. 3600 A 192.0.2.3",
        "www.example. 3600 A 192.0.2.4",
    ]


def test_wildcard_mx_brings_addresses(ask):
    assert ask("q.wild.example. MX").additional == ["mail.example. 3600 A 192.0.2.2"]


# CNAME: RFC 1034 section 3.6.2


def test_alias_is_followed(ask):
    reply = ask("alias.example. A")
    assert reply.answer[0] == "alias.example. 3600 CNAME www.example."
    assert len(reply.answer) == 3


def test_alias_itself(ask):
    expect(ask("alias.example. CNAME"), "NOERROR", ["alias.example. 3600 CNAME www.example."])


def test_alias_to_a_missing_name_is_nxdomain(ask):
    """RFC 6604 section 3."""
    expect(ask("nowhere.example. A"), "NXDOMAIN", ["nowhere.example. 3600 CNAME missing.example."], SOA)


def test_alias_to_nodata(ask):
    expect(ask("alias.example. TXT"), "NOERROR", ["alias.example. 3600 CNAME www.example."], SOA)
    expect(ask("empty.example. A"), "NOERROR", ["empty.example. 3600 CNAME deep.ent.example."], SOA)


def test_alias_out_of_what_is_served_ends_the_answer(ask):
    expect(ask("far.example. A"), "NOERROR", ["far.example. 3600 CNAME www.other."])


OTHER = "@ 9 IN SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.99\nwww A 192.0.2.98\nback CNAME far.example."


def test_alias_into_another_zone_is_followed(ask):
    expect(
        ask("far.example. A", other=OTHER),
        "NOERROR",
        ["far.example. 3600 CNAME www.other.", "www.other. 3600 A 192.0.2.98"],
    )


def test_negative_answer_comes_from_the_zone_where_the_chain_ends(ask):
    reply = ask("far.example. TXT", other=OTHER)
    assert reply.authority == ["other. 5 SOA ns.other. h.other. 1 2 3 4 5"]


def test_alias_across_zones_and_back(ask):
    assert [line.split()[0] for line in ask("back.other. A", other=OTHER).answer] == [
        "back.other.",
        "far.example.",
        "www.other.",
    ]


def test_alias_loop_is_shown_once(ask):
    expect(
        ask("loop1.example. A"),
        "NOERROR",
        ["loop1.example. 3600 CNAME loop2.example.", "loop2.example. 3600 CNAME loop1.example."],
    )
    expect(ask("self.example. A"), "NOERROR", ["self.example. 3600 CNAME self.example."])


def test_long_chain_is_cut_at_the_limit(view):
    text = "@ 60 IN SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\n"
    text += "\n".join(f"c{i} CNAME c{i + 1}" for i in range(CHAIN_LIMIT + 5))
    reply = answer(Zones([view(text, "chain.")]), dns.name.from_text("c0.chain."), 1, False)
    assert len(reply.answer) == CHAIN_LIMIT
    assert reply.rcode == dns.rcode.NOERROR


def test_alias_into_a_delegation_ends_in_a_referral(ask):
    reply = ask("intocut.example. A")
    assert reply.aa  # of the first owner in the answer section (RFC 1035 section 4.1.1)
    assert reply.answer == ["intocut.example. 3600 CNAME host.cut.example."]
    assert reply.authority[0].startswith("cut.example. 3600 NS")
    assert reply.glue_required


# DNAME: RFC 6672


def test_dname_synthesises_a_cname(ask):
    expect(
        ask("x.tree.example. A"),
        "NOERROR",
        [
            "tree.example. 3600 DNAME forest.example.",
            "x.tree.example. 3600 CNAME x.forest.example.",
            "x.forest.example. 3600 A 192.0.2.10",
        ],
    )


def test_dname_owner_is_not_redirected(ask):
    expect(ask("tree.example. A"), "NOERROR", ["tree.example. 3600 A 192.0.2.8"])
    expect(ask("tree.example. DNAME"), "NOERROR", ["tree.example. 3600 DNAME forest.example."])
    expect(ask("tree.example. TXT"), "NOERROR", authority=SOA)


def test_dname_hides_what_is_below_it(ask):
    reply = ask("hidden.tree.example. A")
    assert reply.rcode == "NXDOMAIN"
    assert reply.answer[1] == "hidden.tree.example. 3600 CNAME hidden.forest.example."


def test_synthesised_cname_answers_qtype_cname(ask):
    """A deviation from step 3c, which restarts at the new name whatever the type: NSD, Knot and BIND stop here."""
    reply = ask("x.tree.example. CNAME")
    assert (reply.rcode, len(reply.answer), reply.authority) == ("NOERROR", 2, [])


def test_dname_overflow_is_yxdomain(view):
    text = f"@ 60 IN SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\nd 77 DNAME {LONG}\n"
    name = dns.name.from_text(f"{LONG}.d.long.")
    reply = answer(Zones([view(text, "long.")]), name, 1, False)
    assert reply.rcode == dns.rcode.YXDOMAIN
    assert [r.rdtype for r in reply.answer] == [dns.rdatatype.DNAME]
    assert reply.authority == []


def test_synthesised_cname_has_the_ttl_of_the_dname(view):
    """RFC 6672 section 3.1."""
    text = "@ 60 IN SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\nd 77 DNAME else.\n"
    reply = answer(Zones([view(text, "t.")]), dns.name.from_text("x.d.t."), 1, False)
    assert [r.ttl for r in reply.answer] == [77, 77]


def test_dname_that_grows_terminates(ask):
    reply = ask("x.grow.example. A")
    assert 2 <= len(reply.answer) <= CHAIN_LIMIT + 1
    assert sum(" DNAME " in line for line in reply.answer) == 1


def test_dname_at_the_apex(view):
    text = "@ 60 IN SOA ns.z. host.z. 1 2 3 4 300\n@ NS ns.z.\n@ DNAME z.\n"
    zones = Zones([view(text, "apex.")])
    reply = answer(zones, dns.name.from_text("w.apex."), 1, False)
    assert lines(reply.answer) == ["apex. 3600 DNAME z.", "w.apex. 3600 CNAME w.z."]
    assert lines(answer(zones, dns.name.from_text("apex."), 2, False).answer) == ["apex. 3600 NS ns.z."]


# Delegations: RFC 1034 section 4.2.1, RFC 9471

CUT_NS = [
    f"cut.example. 3600 NS {ns}"
    for ns in ("ns.cut.example.", "ns.other.", "ns.sibling.example.", "ns1.example.")
]
CUT_GLUE = [
    "ns.cut.example. 3600 A 192.0.2.6",
    "ns.cut.example. 3600 AAAA 2001:db8::6",
    "ns.sibling.example. 3600 A 192.0.2.7",
    "ns1.example. 3600 A 192.0.2.1",
    "ns1.example. 3600 AAAA 2001:db8::1",
]


@pytest.mark.parametrize(
    "question", ["cut.example. A", "x.cut.example. A", "cut.example. NS", "ns.cut.example. A"]
)
def test_referral_with_in_domain_then_other_glue(ask, question):
    reply = ask(question)
    expect(reply, "NOERROR", authority=CUT_NS, additional=CUT_GLUE, aa=False)
    assert reply.glue_required


@pytest.mark.parametrize("rdtype", ["ANY", "SOA", "NSEC", "RRSIG", "TXT"])
def test_referral_for_every_type_but_ds(ask, rdtype):
    assert ask(f"cut.example. {rdtype}").authority == CUT_NS


def test_ds_is_answered_at_the_parent(ask):
    reply = ask("secure.example. DS")
    assert reply.aa
    assert reply.answer[0].startswith("secure.example. 3600 DS 1 8 2 ")


def test_missing_ds_is_nodata_at_the_parent(ask):
    expect(ask("cut.example. DS"), "NOERROR", authority=SOA)


def test_ds_below_the_cut_is_referred(ask):
    assert ask("x.cut.example. DS").authority == CUT_NS


CHILD = "@ 60 IN SOA ns host 1 2 3 4 6\n@ NS ns\nns A 192.0.2.50\nwww A 192.0.2.51\n"


def test_child_answers_when_both_are_served(ask):
    expect(ask("www.cut.example. A", cut_example=CHILD), "NOERROR", ["www.cut.example. 3600 A 192.0.2.51"])
    assert ask("cut.example. SOA", cut_example=CHILD).answer[0].startswith("cut.example. 60 SOA")


def test_parent_answers_ds_when_both_are_served(ask):
    """RFC 4035 section 3.1.4.1."""
    assert ask("secure.example. DS", secure_example=CHILD).answer[0].startswith("secure.example. 3600 DS")
    expect(ask("cut.example. DS", cut_example=CHILD), "NOERROR", authority=SOA)


def test_ds_at_the_apex_of_a_lone_child_is_nodata(ask):
    expect(ask("example. DS"), "NOERROR", authority=SOA)


def test_ds_is_not_asked_of_a_grandparent(ask):
    """It delegates the parent away, so it knows nothing; a referral from it would lead round in a circle."""
    reply = ask("deep.cut.example. DS", deep_cut_example=CHILD)
    assert reply.authority[0].startswith("deep.cut.example. 6 SOA")


# ANY and RRSIG: RFC 8482


def test_any_gives_one_rrset(ask):
    expect(ask("wild.example. ANY"), "NOERROR", authority=SOA)
    assert ask("www.example. ANY").answer == [
        "www.example. 3600 A 192.0.2.3",
        "www.example. 3600 A 192.0.2.4",
    ]
    assert [line.split()[2] for line in ask("example. ANY").answer] == ["NS", "NS"]


def test_any_at_an_alias_is_not_followed(ask):
    expect(ask("alias.example. ANY"), "NOERROR", ["alias.example. 3600 CNAME www.example."])


def test_any_from_a_wildcard(ask):
    expect(ask("q.wild.example. ANY"), "NOERROR", ["q.wild.example. 3600 A 192.0.2.5"])


def test_rrsig_in_an_unsigned_zone_is_nodata(ask):
    expect(ask("www.example. RRSIG"), "NOERROR", authority=SOA)


# The root zone


def test_root_zone(view):
    text = ". 60 IN SOA ns. h. 1 2 3 4 5\n. NS ns.\nns. A 192.0.2.1\ncom. NS a.com.\na.com. A 192.0.2.2\n"
    zones = Zones([view(text, ".")])
    root = dns.name.root
    assert lines(answer(zones, root, dns.rdatatype.NS, False).answer) == [". 3600 NS ns."]
    assert lines(answer(zones, root, dns.rdatatype.DS, False).authority) == [". 5 SOA ns. h. 1 2 3 4 5"]
    referral = answer(zones, dns.name.from_text("www.x.com."), 1, False)
    assert lines(referral.additional) == ["a.com. 3600 A 192.0.2.2"]
    assert answer(zones, dns.name.from_text("nope."), 1, False).rcode == dns.rcode.NXDOMAIN
