"""The short way of reading replies gives what the long one gives, or leaves the reply to it."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from pippin.forward.accept import accept_any
from pippin.forward.accepted import Accepted, Limits, Useless
from pippin.forward.plain import read_plainly
from pippin.forward.wire import Question
from tests.forward.upstreams import rrset_of

LIMITS = Limits(86400, 3600)
SOA = "example.net. {ttl} IN SOA ns.example.net. host.example.net. 1 7200 3600 1209600 {minimum}"
RRSIG = "{owner} 300 IN RRSIG {covers} 8 3 300 20300101000000 20200101000000 1 example.net. AAAA"


def question_of(name: str, rdtype: str = "A", *, dnssec: bool = False) -> Question:
    wire = dns.name.from_text(name).canonicalize().to_wire()
    assert wire is not None
    return Question(wire, int(dns.rdatatype.from_text(rdtype)), dnssec, False)


def reply_to(
    question: Question,
    *records: str,
    rcode: int = 0,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    ede: int = -1,
    authentic: bool = False,
) -> bytes:
    name = dns.name.from_wire(question.name, 0)[0]
    query = dns.message.make_query(name, question.type, use_edns=0)
    reply = dns.message.make_response(query, recursion_available=True)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.flags |= dns.flags.AD if authentic else 0
    for section, lines in ((reply.answer, records), (reply.authority, authority), (reply.additional, additional)):
        for line in lines:
            new = rrset_of(line)
            old = next((r for r in section if r.match(new.name, new.rdclass, new.rdtype, new.covers)), None)
            if old is None:
                section.append(new)
            else:
                old.add(new[0])
    if ede >= 0:
        reply.use_edns(0, options=[dns.edns.EDEOption(ede)])
    return reply.to_wire(max_size=65535)


def nowhere(name: bytes) -> bool:
    return False


def plainly(reply: bytes, question: Question) -> Accepted | None:
    return read_plainly(reply, question.name, question.type, question.dnssec_ok, nowhere, LIMITS)


def told(accepted: Accepted, question: Question) -> tuple[object, ...]:
    """What clients see of it, and for how long, however it is written."""
    counts = b"\0\1" + accepted.answers.to_bytes(2, "big") + accepted.authorities.to_bytes(2, "big") + b"\0\0"
    wire = b"\0\0\x80\0" + counts + question.name + question.type.to_bytes(2, "big") + b"\0\1" + accepted.body
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)

    def lines(section: list[dns.rrset.RRset]) -> set[str]:
        return {f"{r.name.canonicalize()} {r.rdtype} {r[0].to_digestable().hex()}" for r in section}

    for place in accepted.places:
        assert int.from_bytes(accepted.body[place : place + 4], "big") <= LIMITS.ttl
    assert len(accepted.places) == accepted.answers + accepted.authorities
    return (
        lines(message.answer),
        lines(message.authority),
        accepted.rcode,
        accepted.ede,
        accepted.ttl,
        accepted.authentic,
        accepted.aliases,
        accepted.follow,
    )


def agree(reply: bytes, question: Question) -> bool:
    """Both ways say the same; whether the short one says anything."""
    plain = plainly(reply, question)
    if plain is None:
        return False
    try:
        other = accept_any(reply, question, nowhere, LIMITS)
    except Useless:
        return True  # a fault in something that is not given to anybody
    assert told(plain, question) == told(other, question)
    return True


@pytest.mark.parametrize(
    ("rdtype", "records"),
    [
        ("A", ["www.example.net. 300 IN A 192.0.2.1"]),
        ("A", ["www.example.net. 300 IN A 192.0.2.1", "www.example.net. 300 IN A 192.0.2.2"]),
        ("A", ["www.example.net. 200000 IN A 192.0.2.1"]),
        ("AAAA", ["www.example.net. 0 IN AAAA 2001:db8::1"]),
        ("MX", ["www.example.net. 300 IN MX 10 mail.example.net.", "www.example.net. 300 IN MX 20 mail.example.org."]),
        ("PTR", ["www.example.net. 300 IN PTR host.example.org."]),
        ("NS", ["www.example.net. 300 IN NS www.example.net."]),
        ("CNAME", ["www.example.net. 300 IN CNAME host.example.org."]),
        ("A", ["www.example.net. 300 IN CNAME a.example.org.", "a.example.org. 60 IN A 192.0.2.1"]),
        (
            "A",
            [
                "www.example.net. 300 IN CNAME a.b.example.net.",
                "a.b.example.net. 20 IN CNAME b.b.example.net.",
                "b.b.example.net. 60 IN A 192.0.2.1",
            ],
        ),
    ],
)
def test_positive_answers_are_copied(rdtype: str, records: list[str]) -> None:
    question = question_of("www.example.net.", rdtype)
    assert agree(reply_to(question, *records), question)
    more = reply_to(
        question,
        *records,
        authority=("example.net. 300 IN NS ns.example.net.",),
        additional=("ns.example.net. 300 IN A 192.0.2.66",),
        ede=3,
        authentic=True,
    )
    assert agree(more, question)
    accepted = plainly(more, question)
    assert accepted is not None
    assert (accepted.authorities, accepted.ede, accepted.authentic) == (0, 3, True)


@pytest.mark.parametrize("rcode", [0, 3])
@pytest.mark.parametrize("rdtype", ["A", "TXT", "HTTPS", "TYPE65280"])
@pytest.mark.parametrize(("ttl", "minimum"), [(300, 60), (60, 300), (100000, 100000)])
def test_negative_answers_are_copied(rdtype: str, rcode: int, ttl: int, minimum: int) -> None:
    for records in ([], ["www.example.net. 300 IN CNAME a.example.net."]):
        question = question_of("www.example.net.", rdtype)
        reply = reply_to(question, *records, rcode=rcode, authority=(SOA.format(ttl=ttl, minimum=minimum),))
        assert agree(reply, question)


def test_signatures_are_copied_for_who_wants_them() -> None:
    records = ["www.example.net. 300 IN A 192.0.2.1", RRSIG.format(owner="www.example.net.", covers="A")]
    for dnssec in (True, False):
        question = question_of("www.example.net.", dnssec=dnssec)
        assert agree(reply_to(question, *records), question) is dnssec


@pytest.mark.parametrize(
    ("dnssec", "rdtype", "rcode", "records", "authority"),
    [
        (False, "A", 0, ["other.example.net. 300 IN A 192.0.2.1"], []),
        (False, "A", 0, ["www.example.net. 300 IN A 192.0.2.1", "x.example.net. 300 IN A 192.0.2.1"], []),
        (False, "A", 0, ["www.example.net. 300 IN A 192.0.2.1", "www.example.net. 300 IN TXT x"], []),
        (False, "A", 0, ["www.example.net. 300 IN CNAME www.example.net."], []),
        (False, "A", 0, ["www.example.net. 300 IN CNAME a.example.net."], []),
        (False, "A", 3, ["www.example.net. 300 IN A 192.0.2.1"], []),
        (False, "A", 2, [], [SOA.format(ttl=1, minimum=1)]),
        (False, "A", 3, [], []),
        (False, "A", 3, [], [SOA.format(ttl=1, minimum=1).replace("example.net.", "evil.example.")]),
        (False, "A", 3, [], [SOA.format(ttl=1, minimum=1).replace("example.net.", "ww.example.net.", 1)]),
        (True, "A", 0, ["www.example.net. 300 IN A 192.0.2.1"], ["a.example.net. 1 IN NSEC b.example.net. A"]),
        (True, "A", 3, [], [SOA.format(ttl=1, minimum=1), RRSIG.format(owner="example.net.", covers="SOA")]),
    ],
)
def test_what_needs_thought_is_left_to_the_long_way(
    dnssec: bool, rdtype: str, rcode: int, records: list[str], authority: list[str]
) -> None:
    question = question_of("www.example.net.", rdtype, dnssec=dnssec)
    assert plainly(reply_to(question, *records, rcode=rcode, authority=tuple(authority)), question) is None


def test_an_alias_that_others_answer_for_is_left_to_the_long_way() -> None:
    question = question_of("www.example.net.")
    reply = reply_to(question, "www.example.net. 300 IN CNAME in.corp.example.", "in.corp.example. 1 IN A 192.0.2.1")
    asked: list[bytes] = []
    assert read_plainly(reply, question.name, 1, False, lambda name: not asked.append(name), LIMITS) is None
    assert asked == [b"\2in\4corp\7example\0"]


def test_an_extended_rcode_is_no_answer() -> None:
    question = question_of("www.example.net.")
    reply = bytearray(reply_to(question, "www.example.net. 300 IN A 192.0.2.1", ede=0))
    opt = reply.rindex(b"\0\0\x29")
    reply[opt + 5] = 1  # BADVERS
    assert plainly(bytes(reply), question) is None


@pytest.mark.parametrize("target", [b"\xc0\x0c", b"\xc0\xff", b"\xc0\x00", b"\xc0\x0d", b"\x3fx", b"\x80\0"])
def test_pointers_to_other_places_than_labels_are_not_copied(target: bytes) -> None:
    """Of a CNAME's rdata: the name itself, forward, the header, the middle of a label, cut off, reserved."""
    question = question_of("www.example.net.", "MX")
    head = b"\0\0\x81\x80\0\1\0\1\0\0\0\0" + question.name + b"\0\x0f\0\1"
    fixed = b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c" + (2 + len(target)).to_bytes(2, "big") + b"\0\x0a"
    found = plainly(head + fixed + target, question)
    assert (found is not None) == (target == b"\xc0\x0c")


names = st.sampled_from(["www.example.net.", "a.example.net.", "WWW.b.example.org.", "example.net.", "net.", "."])
addresses = st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", "TXT x", "MX 1 example.net."])
aliases = names.map("CNAME {}".format)
ttls = st.sampled_from([0, 1, 300, 86401, 2147483647])
lines = st.builds("{} {} IN {}".format, names, ttls, st.one_of(addresses, aliases))
soas = st.builds(SOA.format, ttl=ttls, minimum=ttls)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(lines, max_size=4),
    st.lists(st.one_of(soas, soas, lines), max_size=3),
    st.sampled_from(["A", "AAAA", "MX", "CNAME", "TXT"]),
    st.sampled_from([0, 0, 0, 3, 2]),
    st.booleans(),
)
def test_both_ways_agree(records: list[str], authority: list[str], rdtype: str, rcode: int, dnssec: bool) -> None:
    question = question_of("www.example.net.", rdtype, dnssec=dnssec)
    records = [line.replace("a.example.net. ", "www.example.net. ", 1) for line in records]
    event("short" if agree(reply_to(question, *records, rcode=rcode, authority=tuple(authority)), question) else "long")


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_damaged_replies_are_no_other_answers(data: st.DataObject) -> None:
    """Whatever octets are changed or missing: no exception, and what is taken makes a message that can be read."""
    question = question_of("www.example.net.", data.draw(st.sampled_from(["A", "MX"])))
    reply = bytearray(
        data.draw(
            st.sampled_from(
                [
                    reply_to(question, "www.example.net. 3 IN CNAME b.example.net.", "b.example.net. 6 IN A 192.0.2.1"),
                    reply_to(question, "www.example.net. 3 IN MX 1 mail.example.net.", ede=3),
                    reply_to(question, rcode=3, authority=(SOA.format(ttl=1, minimum=1),)),
                ]
            )
        )
    )
    start = 12 + len(question.name) + 4
    for _ in range(data.draw(st.integers(1, 3))):
        reply[data.draw(st.integers(start, len(reply) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(start, len(reply)))
    accepted = plainly(bytes(reply[:cut]), question)
    if accepted is not None:
        told(accepted, question)
