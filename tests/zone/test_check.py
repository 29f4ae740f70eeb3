"""Every message about a zone that a user can cause, with its place. Texts are zones; the first line is line 1."""

from __future__ import annotations

import re
from pathlib import Path

import dns.name
import pytest

import pippin.engine
from pippin.engine.compile import compile_zone
from pippin.zone.check import CODES, check
from pippin.zone.problem import Severity
from tests.zone.images import SEED, stream_of

APEX = "@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"


def problems(text, origin="example.", **options):
    """What `check` says about a zone, as lines."""
    wire = dns.name.from_text(origin).to_wire()
    stream = stream_of(text, origin)
    _, findings = compile_zone(stream, wire, SEED)
    return [str(p) for p in check(stream, wire, ["zone.txt"], findings, **options)]


def test_good_zone_has_no_problems():
    assert problems(APEX + "www A 192.0.2.2\nmail CNAME www\n@ MX 10 www\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            APEX + "w A 192.0.2.1\nw CNAME ns",
            "zone.txt:5:1: w.example. has a CNAME and other records (RFC 1034 section 3.6.2); "
            "a CNAME must be the only record of its name",
        ),
        (
            APEX + "@ CNAME www.other.",
            "zone.txt:4:1: the apex example. has SOA and NS records, so it can't have a CNAME "
            "(RFC 1034 section 3.6.2); give it A and AAAA records",
        ),
        (
            APEX + "@ SOA ns host 2 2 3 4 5",
            "zone.txt:4:1: example. has a second SOA record (RFC 1035 section 5.2); a zone must have exactly one",
        ),
        (
            APEX + "sub SOA ns host 2 2 3 4 5",
            "zone.txt:4:1: SOA record at sub.example., below the apex example. (RFC 1035 section 5.2); "
            "put sub.example. into a zone of its own, or delegate it with NS records",
        ),
        (
            "@ NS ns.other.",
            "zone.txt: the zone example. has no SOA record (RFC 1035 section 5.2); "
            "it must have exactly one, at example.",
        ),
        (
            APEX + "www.other. A 192.0.2.1",
            "zone.txt:4:1: www.other. is outside the zone example. (RFC 1035 section 5.2); "
            "names must end in example.: is there a dot too many at the end of it?",
        ),
        (
            APEX + "o TYPE41 \\# 0",
            "zone.txt:4:1: o.example. has a record of a type that only queries and messages have "
            "(RFC 6895 section 3.1); leave it out",
        ),
        (
            APEX + "w CNAME ns\nw CNAME other.",
            "zone.txt:5:1: w.example. has a second CNAME record (RFC 2181 section 10.1); "
            "a name has one CNAME or none",
        ),
        (
            APEX + "d DNAME other.\nd DNAME else.",
            "zone.txt:5:1: d.example. has a second DNAME record (RFC 6672 section 2.4); "
            "a name has one DNAME or none",
        ),
        (
            APEX + "d NS ns.other.\nd DNAME else.",
            "zone.txt:5:1: d.example. is delegated by NS records and has a DNAME (RFC 6672 section 2.3); "
            "below the apex a name has one or the other",
        ),
        (
            "@ SOA ns.other. host 1 2 3 4 5\nwww A 192.0.2.1",
            "zone.txt:1:1: the apex example. has no NS records (RFC 1035 section 5.2); "
            "resolvers and secondaries need the names of its servers there",
        ),
    ],
)
def test_error(text, message):
    assert message in problems(text)
    assert message in problems(text, warnings=False)


def test_all_errors_at_once():
    text = APEX + "w CNAME ns\nw A 192.0.2.1\nwww.other. A 192.0.2.1\nd DNAME a.\nd DNAME b."
    assert [line.split(": ")[0] for line in problems(text)] == [
        "zone.txt:5:1",
        "zone.txt:6:1",
        "zone.txt:8:1",
    ]


def test_source_without_ns_records_is_warned_only():
    text = "@ SOA ns.other. host 1 2 3 4 5\nwww A 192.0.2.1"
    (line,) = problems(text, is_master_file=False)
    assert line.startswith("zone.txt:1:1: warning: the apex example. has no NS records")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "w 60 A 192.0.2.1\nw 30 A 192.0.2.2",
            "5:1: warning: TTL 30 differs from 60 of the same RRset (RFC 2181 section 5.2); "
            "all its records are served with the lowest, 30",
        ),
        (
            "w CNAME missing",
            "4:1: warning: CNAME target missing.example. does not exist in this zone; "
            "add records for it, or correct the name",
        ),
        (
            "w MX 10 missing",
            "4:1: warning: MX target missing.example. does not exist in this zone; "
            "add records for it, or correct the name",
        ),
        (
            "w SRV 0 0 53 missing",
            "4:1: warning: SRV target missing.example. does not exist in this zone; "
            "add records for it, or correct the name",
        ),
        (
            "sub NS missing",
            "4:1: warning: NS target missing.example. does not exist in this zone; "
            "add records for it, or correct the name",
        ),
        (
            "a CNAME ns\nw MX 10 a",
            "5:1: warning: MX target a.example. is an alias (RFC 2181 section 10.3); "
            "name the host itself, which has the addresses",
        ),
        (
            "a CNAME ns\nsub NS a",
            "5:1: warning: NS target a.example. is an alias (RFC 2181 section 10.3); "
            "name the host itself, which has the addresses",
        ),
        (
            't TXT "no host"\nw MX 10 t',
            "5:1: warning: MX target t.example. has no address; add an A or AAAA record for it",
        ),
        (
            't TXT "no host"\nsub NS t',
            "5:1: warning: name server t.example. has no address in this zone; add an A or AAAA record for it",
        ),
        (
            "sub NS ns.sub",
            "4:1: warning: name server ns.sub.example. has no address in this zone, and lies below the delegation "
            "of sub.example.; add an A or AAAA record for it",
        ),
        (
            "sub NS ns\nw.sub TXT x",
            "5:1: warning: w.sub.example. is delegated at sub.example., so this record is never answered "
            "(RFC 1034 section 4.2.1); move it to the zone of that name",
        ),
        (
            "sub NS ns\nsub MX 10 ns",
            "5:1: warning: sub.example. is delegated at sub.example., so this record is never answered "
            "(RFC 1034 section 4.2.1); move it to the zone of that name",
        ),
        (
            "sub NS ns\nw.sub A 192.0.2.3",
            "5:1: warning: w.sub.example. is delegated at sub.example., so this record is never answered "
            "(RFC 1034 section 4.2.1); move it to the zone of that name",
        ),
        (
            "d DNAME other.\nw.d A 192.0.2.3",
            "5:1: warning: w.d.example. is below the DNAME at d.example. (RFC 6672 section 2.4) "
            "and is never answered; remove it, or the DNAME",
        ),
        (
            "*.w NS ns",
            "4:1: warning: NS at the wildcard *.w.example., which servers understand differently "
            "(RFC 4592 section 4); write out the names",
        ),
        (
            "*.w DNAME other.",
            "4:1: warning: DNAME at the wildcard *.w.example., which servers understand differently "
            "(RFC 4592 section 4); write out the names",
        ),
        (
            "a CNAME b\nb CNAME a",
            "4:1: warning: CNAME loop a.example. -> b.example. -> a.example.; "
            "one of them must lead to a name with data",
        ),
        (
            "*.a CNAME x.a",
            "4:1: warning: CNAME loop *.a.example. -> *.a.example.; one of them must lead to a name with data",
        ),
        (
            "d DNAME x.d",
            "4:1: warning: DNAME target x.d.example. is at or below its owner, so it leads into itself; "
            "it must lead to another part of the tree",
        ),
        (
            "@ NSEC3PARAM 1 0 151 -",
            "4:1: warning: 151 NSEC3 iterations, and validators stop at 150 or before "
            "(RFC 9276 section 3.2); sign the zone with 0",
        ),
        (
            "@ DS 1 8 1 0101010101010101010101010101010101010101",
            "4:1: warning: DS at the apex example. (RFC 4034 section 5); it belongs into the zone above it",
        ),
        (
            "w DS 1 8 1 0101010101010101010101010101010101010101",
            "4:1: warning: DS at w.example., which is not delegated (RFC 4034 section 5); "
            "add NS records, or remove the DS",
        ),
    ],
)
def test_warning(text, message):
    assert problems(APEX + text) == [f"zone.txt:{message}"]
    assert problems(APEX + text, warnings=False) == []


@pytest.mark.parametrize(
    "text",
    [
        "w MX 0 .",
        "w SRV 0 0 0 .",
        "*.w A 192.0.2.2\nm MX 10 x.w",
        "c CNAME x.sub\nsub NS ns\n",
        "d DNAME other.\nc CNAME x.d",
        "sub NS a.sub\na.sub A 192.0.2.2\nother NS a.sub\n",
        "sub NS sub\nsub AAAA 2001:db8::1\n",
    ],
)
def test_not_suspect(text):
    """Null MX and SRV (RFC 7505, RFC 2782), wildcard targets, targets of others, glue."""
    assert problems(APEX + text) == []


def test_nsec3_owner_that_is_no_hash():
    text = (
        APEX + "@ RRSIG SOA 8 1 300 20300101000000 20200101000000 1 example. AAAA\n@ NSEC3PARAM 1 0 0 -\n"
        "0w000000000000000000000000000000 NSEC3 1 0 0 - 00000000000000000000000000000000 A\n"
    )
    assert problems(text) == [
        "zone.txt:6:1: 0w000000000000000000000000000000.example. owns an NSEC3 record, "
        "but is no hash in base32hex (RFC 5155 section 3); sign the zone again"
    ]


@pytest.mark.parametrize("signature", ["", "b RRSIG TXT 13 2 3600 20400101000000 20200101000000 1 @ AAAA\n"])
def test_rrset_that_no_message_can_hold(signature):
    text = APEX + "".join("b TXT " + f'"{i} is long{" " * 240}" ' * 5 + "\n" for i in range(60)) + signature
    assert problems(text) == [
        "zone.txt:4:1: the RRset of this record at b.example. does not fit into a message of 65535 octets "
        "(RFC 1035 section 4.2.2); no server could send it: give the name fewer records"
    ]


@pytest.mark.parametrize(
    ("owner", "covered"), [("b", "TXT"), ("nothing-else", "A"), ("cut", "NS")], ids=["lacking", "alone", "at a cut"]
)
def test_signature_that_covers_nothing_is_a_warning(owner, covered):
    text = APEX + "b A 192.0.2.1\ncut NS ns.example.net.\n"
    text += f"{owner} RRSIG {covered} 13 2 3600 20400101000000 20200101000000 1 @ AAAA\n"
    assert problems(text, warnings=False) == [
        f"zone.txt:6:1: warning: {owner}.example. has a signature that covers no RRset signed here "
        "(RFC 4035 section 2.2), so it is left out; sign the zone anew"
    ]


def test_nsec3_iterations_that_cost_too_much():
    text = (
        APEX + "@ RRSIG SOA 8 1 300 20300101000000 20200101000000 1 example. AAAA\n@ NSEC3PARAM 1 0 2501 -\n"
    )
    assert problems(text, warnings=False) == [
        "zone.txt:5:1: more than 2500 NSEC3 iterations (RFC 5155 section 10.3); "
        "sign the zone with 0 (RFC 9276 section 3.1)"
    ]


def test_suspects_never_push_out_an_error():
    ghost = "g{0} TXT x\ng{0} RRSIG A 8 2 300 20300101000000 20200101000000 1 example. AAAA\n"
    ghosts = "".join(ghost.format(i) for i in range(1100))
    found = problems(APEX + ghosts + "zz CNAME a\nzz A 192.0.2.1\n", warnings=False)
    assert sum("covers no RRset" in problem for problem in found) == 100
    assert "zz.example. has a CNAME and other records" in found[-1]


def test_that_there_are_more_errors_is_said():
    outside = "".join(f"h{i}.elsewhere. A 192.0.2.1\n" for i in range(1100))
    found = problems(APEX + outside, warnings=False)
    assert len(found) == 1001
    assert found[0] == "zone.txt: more errors are not shown; these may be the cause of them"


def test_every_finding_of_the_compiler_has_words():
    source = Path(pippin.engine.__file__).parent / "compile.py"
    code = r'"([a-z0-9-]+)"'
    pattern = rf"(?:_find|append\()\({code}|_check_single\(.*{code}\)|return {code}"
    found = re.findall(pattern, source.read_text())
    assert {code for codes in found for code in codes if code} == set(CODES)


def test_place_names_the_file_it_was_written_in():
    """A stream of several files ($INCLUDE): `Record.file` says which."""
    from pippin.engine import records

    stream = stream_of(APEX, "example.")
    records.append(stream, b"\1w\5other\0", 1, 60, bytes(4), 1, 17, 3)
    _, findings = compile_zone(stream, b"\7example\0", SEED)
    (problem,) = check(stream, b"\7example\0", ["a.zone", "b.zone"], findings)
    assert (problem.file, problem.line, problem.column, problem.severity) == ("b.zone", 17, 3, Severity.ERROR)
