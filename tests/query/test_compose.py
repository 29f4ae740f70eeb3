"""compose: records to wire format, compressed against a question that is not part of the result."""

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from pippin.query.compose import compose
from pippin.zone.answer import Answer


def rrset(text):
    owner, ttl, rdtype, rdata = text.split(" ", 3)
    return dns.rrset.from_text_list(owner, int(ttl), "IN", rdtype, rdata.split("; "))


def message(question, reply):
    """The whole message around a body, read by dnspython."""
    name = dns.name.from_text(question).to_wire()
    header = bytes([0, 0, 0x84, reply.rcode & 15, 0, 1])
    for count in (reply.answers, reply.authorities, reply.additionals):
        header += count.to_bytes(2, "big")
    return dns.message.from_wire(header + name + b"\0\1\0\1" + reply.body)


def wire(question):
    return dns.name.from_text(question).to_wire()


def test_every_section_reads_back():
    answer = Answer(
        answer=[
            rrset("www.example. 300 CNAME web.example."),
            rrset("web.example. 60 A 192.0.2.1; 192.0.2.2"),
        ],
        authority=[rrset("example. 900 NS ns1.example.; ns2.other.")],
        additional=[rrset("ns1.example. 900 AAAA 2001:db8::1")],
    )
    reply = compose(wire("www.example."), dns.rdatatype.A, answer)
    assert (reply.answers, reply.authorities, reply.additionals) == (3, 2, 1)
    read = message("www.example.", reply)
    assert read.answer == answer.answer
    assert read.authority == answer.authority
    assert read.additional == answer.additional


def test_owner_equal_to_the_question_is_a_pointer_in_any_case():
    reply = compose(
        wire("wWw.eXample."), dns.rdatatype.A, Answer(answer=[rrset("www.example. 1 A 192.0.2.1")])
    )
    assert reply.body == b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\1"


def test_suffix_of_the_question_is_pointed_at():
    reply = compose(
        wire("www.example."), dns.rdatatype.NS, Answer(answer=[rrset("example. 1 NS ns.example.")])
    )
    assert reply.body.startswith(b"\xc0\x10")  # 12 bytes of header, 4 of "www"
    assert reply.body.endswith(b"\0\5\2ns\xc0\x10")


def test_names_of_earlier_records_are_pointed_at():
    answer = Answer(
        answer=[rrset("example. 1 MX 10 mail.other.")], additional=[rrset("mail.other. 1 A 192.0.2.1")]
    )
    reply = compose(wire("example."), dns.rdatatype.MX, answer)
    offset = 12 + len(wire("example.")) + 4 + 2 + 10 + 2
    assert reply.body[-16:-14] == (0xC000 | offset).to_bytes(2, "big")


@pytest.mark.parametrize(
    "text",
    [
        "example. 1 SRV 0 0 53 ns.example.",
        "example. 1 DNAME ns.example.",
        "example. 1 NSEC ns.example. A",
        "example. 1 RRSIG A 8 1 300 20300101000000 20200101000000 1 example. AAAA",
        "example. 1 HTTPS 1 ns.example.",
    ],
)
def test_names_in_rdata_of_later_types_stay_whole(text):
    """RFC 3597 section 4."""
    reply = compose(wire("example."), dns.rdatatype.ANY, Answer(answer=[rrset(text)]))
    assert b"\7example\0" in reply.body


def test_soa_names_are_compressed():
    soa = rrset("example. 300 SOA ns.example. host.example. 1 2 3 4 5")
    reply = compose(wire("x.example."), dns.rdatatype.A, Answer(dns.rcode.NXDOMAIN, authority=[soa]))
    assert b"\2ns\xc0\x0e\4host\xc0\x0e" in reply.body
    assert reply.rcode == dns.rcode.NXDOMAIN
    assert message("x.example.", reply).authority == [soa]


def test_case_of_rdata_is_kept():
    reply = compose(wire("example."), dns.rdatatype.NS, Answer(answer=[rrset("example. 1 NS Ns1.Other.")]))
    assert b"\3Ns1\5Other\0" in reply.body


def test_names_past_the_reach_of_a_pointer_stay_whole():
    """A pointer has 14 bits (RFC 1035 section 4.1.4)."""
    filler = rrset("example. 1 TXT " + "; ".join(f'"{i:0250}"' for i in range(70)))
    late = [rrset(f"{owner}.far.other. 1 A 192.0.2.1") for owner in "ab"]
    answer = Answer(answer=[filler], additional=late)
    reply = compose(wire("example."), dns.rdatatype.TXT, answer)
    assert reply.body.count(b"\3far\5other\0") == 2
    assert message("example.", reply).additional == late


def test_ttl_is_the_lowest_of_all_records():
    answer = Answer(
        answer=[rrset("a. 300 CNAME b."), rrset("b. 60 A 192.0.2.1")], additional=[rrset("c. 70 A 192.0.2.1")]
    )
    assert compose(wire("a."), dns.rdatatype.A, answer).ttl == 60


def test_reply_without_records_is_not_cached():
    refused = Answer(dns.rcode.REFUSED, aa=False, ede=20)
    reply = compose(wire("a."), dns.rdatatype.A, refused)
    assert (reply.body, reply.ttl, reply.authoritative, reply.ede) == (b"", 0, False, 20)


def test_referral_marks_its_glue():
    reply = compose(
        wire("a.sub."),
        dns.rdatatype.A,
        Answer(aa=False, glue_required=True, authority=[rrset("sub. 9 NS ns.sub.")]),
    )
    assert reply.glue_required
    assert not reply.authoritative


def test_question_for_the_root():
    answer = Answer(answer=[rrset(". 9 NS a.root-servers.net.")])
    reply = compose(b"\0", dns.rdatatype.NS, answer)
    assert reply.body.startswith(b"\0\0\2\0\1")
    assert message(".", reply).answer == answer.answer
