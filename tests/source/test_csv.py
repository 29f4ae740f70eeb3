# ruff: noqa: E501  (tables: one case a line, with the whole message)
"""The CSV of the original system, both forms, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import dns.name
import dns.rdata
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.engine.compile import compile_zone
from pippin.engine.records import iterate
from pippin.source.files import load
from pippin.source.loaded import Loaded

SOA = "apple.tree,apple-vm apple.tree.com 2016071114 28800 7200 604800 86400\n"
EXAMPLES = Path(__file__).parents[2] / "examples"


def read(folder: Path, text: str | bytes, origin: str | None = None) -> Loaded:
    path = folder / "db.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(str(path), origin)


def texts(loaded: Loaded) -> list[str]:
    assert loaded.problems == ()
    return [
        f"{dns.name.from_wire(r.owner, 0)[0]} {r.ttl} {dns.rdatatype.to_text(r.type)} "
        + dns.rdata.from_wire("IN", r.type, r.rdata, 0, len(r.rdata)).to_text()
        for r in iterate(loaded.records)
    ]


def errors(loaded: Loaded) -> list[str]:
    return [f"{p.line}:{p.column}: {p.message}" for p in loaded.problems]


def test_the_example_is_read() -> None:
    loaded = load(str(EXAMPLES / "apple.tree.csv"))
    assert loaded.origin == b"\x05apple\x04tree\x00"
    assert not loaded.is_master_file
    assert texts(loaded) == [
        "apple.tree. 86400 SOA apple-vm. apple.tree.com. 2016071114 28800 7200 604800 86400",
        "aaa.apple.tree. 86400 A 192.168.4.100",
        "bbb.apple.tree. 86400 A 192.168.4.101",
        "ccc.apple.tree. 86400 CNAME aaa.apple.tree.",
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a.apple.tree,192.0.2.1", "a.apple.tree. 86400 A 192.0.2.1"),
        ("a.apple.tree.,192.0.2.1", "a.apple.tree. 86400 A 192.0.2.1"),
        ("A.Apple.Tree,192.0.2.1", "A.Apple.Tree. 86400 A 192.0.2.1"),
        ("a.apple.tree,2001:db8::1", "a.apple.tree. 86400 AAAA 2001:db8::1"),
        ("a.apple.tree,www.example.com", "a.apple.tree. 86400 CNAME www.example.com."),
        ("a.apple.tree,www.example.com.", "a.apple.tree. 86400 CNAME www.example.com."),
        ("*.apple.tree,192.0.2.1", "*.apple.tree. 86400 A 192.0.2.1"),
        ("$a.apple.tree,192.0.2.1", "\\$a.apple.tree. 86400 A 192.0.2.1"),
        (" a.apple.tree\t, 192.0.2.1 ", "a.apple.tree. 86400 A 192.0.2.1"),
        ("a.apple.tree,192.0.2.1,,", "a.apple.tree. 86400 A 192.0.2.1"),
        ('"a.apple.tree","192.0.2.1"', "a.apple.tree. 86400 A 192.0.2.1"),
        ("apple.tree,NS,60,ns.apple.tree", "apple.tree. 60 NS ns.apple.tree."),
        ("a.apple.tree,mx,,10 mail.apple.tree.", "a.apple.tree. 86400 MX 10 mail.apple.tree."),
        ("a.apple.tree,A,1h,192.0.2.1", "a.apple.tree. 3600 A 192.0.2.1"),
        ('a.apple.tree,TXT,60,"a, b" c', 'a.apple.tree. 60 TXT "a, b" "c"'),
        ('a.apple.tree,TXT,60,"a, b"', 'a.apple.tree. 60 TXT "a, b"'),
        ('a.apple.tree,"TXT","60","""a, b"" ""c"""', 'a.apple.tree. 60 TXT "a, b" "c"'),
        ('a.apple.tree,MX,60,"10 mail.apple.tree"', "a.apple.tree. 60 MX 10 mail.apple.tree."),
        ('a.apple.tree,HTTPS,60,1 . alpn="h2,h3"', 'a.apple.tree. 60 HTTPS 1 . alpn="h2,h3"'),
        ('a.apple.tree,CAA,60,0 issue "ca.example"', 'a.apple.tree. 60 CAA 0 issue "ca.example"'),
        ("a.apple.tree,TYPE999,60,\\# 2 abcd", "a.apple.tree. 60 TYPE999 \\# 2 abcd"),
    ],
)  # fmt: skip
def test_row_is_read(tmp_path: Path, row: str, expected: str) -> None:
    assert texts(read(tmp_path, SOA + row + "\n"))[1:] == [expected]


def test_repeated_names_are_one_rrset(tmp_path: Path) -> None:
    loaded = read(
        tmp_path, SOA + "a.apple.tree,192.0.2.1\na.apple.tree,192.0.2.2\na.apple.tree,2001:db8::1\n"
    )
    assert len(texts(loaded)) == 4


def test_byte_order_mark_crlf_blank_lines_and_comments(tmp_path: Path) -> None:
    text = (
        b"\xef\xbb\xbf# comment\r\n\r\n"
        + SOA.strip().encode()
        + b"\r\n   \r\n # comment, with comma\r\na.apple.tree,192.0.2.1\r\nb.apple.tree,A,5,192.0.2.2"
    )
    loaded = read(tmp_path, text)
    assert [r.line for r in iterate(loaded.records)] == [3, 6, 7]
    assert len(texts(loaded)) == 3


def test_soa_names_may_end_with_a_dot(tmp_path: Path) -> None:
    loaded = read(tmp_path, "apple.tree.,ns.apple.tree. h.apple.tree. 1 1h 1h 1h 1h")
    assert texts(loaded) == ["apple.tree. 3600 SOA ns.apple.tree. h.apple.tree. 1 3600 3600 3600 3600"]


def test_origin_given_is_compared(tmp_path: Path) -> None:
    assert read(tmp_path, SOA, "Apple.Tree").problems == ()
    assert errors(read(tmp_path, SOA, "pear.tree")) == [
        "1:1: the file is the zone apple.tree., but it is given as the zone pear.tree."
    ]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("a.apple.tree,999.1.2.3", "2:14: '999.1.2.3' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a.apple.tree,192.168.4", "2:14: '192.168.4' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a.apple.tree,192.168.4.0/24", "2:14: '192.168.4.0/24' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a.apple.tree,  2001:db8::g", "2:16: '2001:db8::g' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("é.apple.tree,1.2.3.999", "2:14: '1.2.3.999' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("x y.apple.tree,192.0.2.1", "2:2: 'x y.apple.tree' is not a name; it has ' ' in it"),
        ("a.apple.tree,b c", "2:15: 'b c' is not a name; it has ' ' in it"),
        ("a..b.apple.tree,192.0.2.1", "2:1: 'a..b.apple.tree' has an empty label; labels are joined by single dots"),
        ("a.apple.tree,b..c", "2:14: 'b..c' has an empty label; labels are joined by single dots"),
        ("x" * 64 + ".apple.tree,192.0.2.1", "2:1: '" + "x" * 57 + "...' has a label of 64 bytes; at most 63 are allowed"),
        ("x." * 123 + "apple.tree,192.0.2.1", "2:1: '" + ("x." * 29)[:57] + "...' makes a name of 258 bytes; at most 255 are allowed"),
        (",192.0.2.1", "2:1: a name is missing; a row is name,content or name,type,ttl,content"),
        ("a.apple.tree,", "2:14: an address or a target name is missing after the comma"),
        ("a.apple.tree", "2:1: 'a.apple.tree' has no comma; a row is name,content or name,type,ttl,content"),
        ("a.apple.tree,A,192.0.2.1", "2:16: the row has 3 fields; a row is name,content or name,type,ttl,content"),
        ("a.apple.tree,AAA,60,192.0.2.1", "2:14: 'AAA' is not a record type; did you mean AAAA or CAA?"),
        ("a.apple.tree,A A,60,192.0.2.1", "2:15: 'A A' is not a type; it has ' ' in it"),
        ("a.apple.tree,A,soon,192.0.2.1", "2:16: 'soon' is not a TTL; it is a number of seconds, or empty"),
        ("a.apple.tree,A,1x,192.0.2.1", "2:16: '1x' is not a TTL; it is a number of seconds, or has units, as in 1h30m"),
        ("a.apple.tree,A,99999999999,192.0.2.1", "2:16: '99999999999' is too large for a TTL; the largest is 2147483647"),
        ("a.apple.tree,MX,60,mail.apple.tree", "2:20: 'mail.apple.tree' is not a preference; it is a number from 0 to 65535"),
        ("a.apple.tree,MX,60,10 a..b", "2:23: 'a..b' has an empty label; labels are joined by single dots"),
        ("a.apple.tree,A,60,(192.0.2.1", "2:19: this parenthesis is never closed; the record must end with )"),
        ('a.apple.tree,TXT,60,"x', "2:21: this quote is never closed; a quoted string ends on the line it begins on"),
        ('a.apple.tree,"192.0.2.1', "2:14: '\"192.0.2.1' is not a name; it has '\"' in it"),
        ("a.apple.tree,a.apple.tree", "2:14: CNAME loop: a.apple.tree -> a.apple.tree; the chain must end at a name with an address"),
        ("x.apple.tree,a.apple.tree\na.apple.tree,b.apple.tree\nb.apple.tree,A.apple.tree.", "3:14: CNAME loop: a.apple.tree -> b.apple.tree -> a.apple.tree; the chain must end at a name with an address"),
    ],
)  # fmt: skip
def test_row_with_an_error(tmp_path: Path, row: str, error: str) -> None:
    assert errors(read(tmp_path, SOA + row + "\nz.apple.tree,192.0.2.9\n")) == [error]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "0:0: the file is empty; its first row is zone,mname rname serial refresh retry expire minimum"),
        ("\n# nothing\n", "0:0: the file is empty; its first row is zone,mname rname serial refresh retry expire minimum"),
        ("apple.tree,192.0.2.1", "1:12: the SOA has 1 values; the first row is zone,mname rname serial refresh retry expire minimum"),
        ("apple.tree,a b 1 2 3 4", "1:12: the SOA has 6 values; the first row is zone,mname rname serial refresh retry expire minimum"),
        ("apple.tree,a b 1,2 3", "1:18: the row has 3 fields; the first row is zone,mname rname serial refresh retry expire minimum"),
        ("apple.tree,a b@c 1 2 3 4 5", "1:12: the mailbox is written with a dot for the @; write 'b.c'"),
        ("apple.tree,a b x 2 3 4 5", "1:16: 'x' is not a serial; it is a number from 0 to 4294967295"),
        ("apple..tree,a b 1 2 3 4 5", "1:1: 'apple..tree' has an empty label; labels are joined by single dots"),
        ("apple tree,a b 1 2 3 4 5", "1:6: 'apple tree' is not a name; it has ' ' in it"),
        (",a b 1 2 3 4 5", "1:1: a name is missing; a row is name,content or name,type,ttl,content"),
        ("apple.tree", "1:1: 'apple.tree' has no comma; a row is name,content or name,type,ttl,content"),
    ],
)  # fmt: skip
def test_soa_row_with_an_error(tmp_path: Path, text: str, error: str) -> None:
    assert errors(read(tmp_path, text)) == [error]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ("pineapple.tree,192.0.2.1", "out-of-zone"),
        ("apple.tree,b.apple.tree", "cname-and-other-data"),
        ("a.apple.tree,192.0.2.1\nA.apple.tree,b.apple.tree", "cname-and-other-data"),
        ("a.apple.tree,b.apple.tree\na.apple.tree,MX,60,10 b", "cname-and-other-data"),
        ("a.apple.tree,b.apple.tree\na.apple.tree,CNAME,60,c.apple.tree", "second-cname"),
        ("apple.tree,SOA,60,a b 1 2 3 4 6", "second-soa"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_records_is_found_by_the_compiler(tmp_path: Path, rows: str, code: str) -> None:
    loaded = read(tmp_path, SOA + "ok.apple.tree,192.0.2.1\n" + rows + "\n")
    assert loaded.problems == ()
    _, findings = compile_zone(loaded.records, loaded.origin, 1)
    assert code in [finding for finding, _ in findings]


def test_all_errors_are_found_in_order(tmp_path: Path) -> None:
    text = "apple.tree,a b x 2 3 4 5\na.apple.tree,999.1.2.3\nb.pear.tree,192.0.2.1\nc.apple.tree,192.0.2.1\nd.apple.tree,XX,1,2\ne.apple.tree,e.apple.tree\n"
    assert [p.line for p in read(tmp_path, text).problems] == [1, 2, 5, 6]
    assert read(tmp_path, text).origin == b"\x05apple\x04tree\x00"


def test_plain_rows_are_read_in_batches(tmp_path: Path) -> None:
    rows = [f"h{i}.apple.tree,10.0.{i >> 8}.{i & 255}\n" for i in range(25_000)]
    rows[12_000] = "# comment\n"
    rows[20_000] = "bad.apple.tree,10.0.0.256\n"
    rows[20_001] = "é..bad.apple.tree,10.0.0.2\n"
    rows[20_002] = "bad.apple.tree,é..bad\n"
    loaded = read(tmp_path, SOA + "".join(rows))
    assert [(p.line, p.column) for p in loaded.problems] == [(20_002, 16), (20_003, 1), (20_004, 16)]
    places = {r.owner: r.line for r in iterate(loaded.records)}
    assert len(places) == 24_997
    assert places[b"\x06h24999\x05apple\x04tree\0"] == 25_001


def test_errors_are_bounded(tmp_path: Path) -> None:
    loaded = read(tmp_path, SOA + "a.apple.tree,1.2.3\n" * 1200)
    assert len(loaded.problems) == 1001
    assert loaded.problems[-1].message == "200 more errors are not shown"


def test_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    loaded = load(str(tmp_path / "none.csv"))
    assert [str(p) for p in loaded.problems] == [
        f"{tmp_path}/none.csv: the file cannot be read: No such file or directory"
    ]
    assert loaded.records == b""


ROWS = st.lists(
    st.sampled_from([*',."\\;()@#$ \t\r\n', "\n", ",", "a", "apple.tree", "b.apple.tree", "A", "TXT", "60", "192.0.2.1", "::1", "é", "\udcff"]),
    max_size=40,
)  # fmt: skip


@given(ROWS.map("".join), st.sampled_from([SOA, "", "\ufeff", "apple.tree,"]))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_without_raising_and_what_is_read_is_right(
    tmp_path: Path, text: str, head: str
) -> None:
    loaded = read(tmp_path, (head + text).encode("utf-8", "surrogateescape"))
    for problem in loaded.problems:
        str(problem).encode()
    for r in iterate(loaded.records):
        dns.name.from_wire(r.owner, 0)
        dns.rdata.from_wire("IN", r.type, r.rdata, 0, len(r.rdata))
