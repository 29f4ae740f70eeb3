# ruff: noqa: E501  (tables: one case a line, with the whole message)
"""The master-file scanner, uncompiled and compiled."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import dns.name
import dns.rdata
import pytest

from pippin.engine.records import Record, iterate
from pippin.source.masterfile import TYPE_TABLE, TYPES

ORIGIN = b"\x07example\x03com\x00"
HEAD = "$TTL 60\n"


class Host:
    """Knows no rare types, has two files to include."""

    types = TYPES
    table = TYPE_TABLE

    def __init__(self, **files: str) -> None:
        self.files = files
        self.opened: list[str] = []

    def rare(self, rdtype: int, text: str, origin: bytes) -> bytes:
        if "bad" in text:
            raise ValueError("bad is bad")
        return text.encode()

    def generic(self, rdtype: int, wire: bytes) -> bytes:
        if rdtype == 1 and len(wire) != 4:
            raise ValueError("an address has 4 bytes")
        return wire

    def include(self, path: str, file: int) -> tuple[int, bytes]:
        if path not in self.files:
            raise ValueError(f"'{path}' is not there")
        self.opened.append(path)
        return len(self.opened), self.files[path].encode()


class Read:
    """What came out of a scan."""

    def __init__(self, scanner: Any) -> None:
        self.errors: list[tuple[int, int, int, str]] = scanner.errors()
        self.unreported: int = scanner.unreported()
        self.zone: bytes = scanner.zone()
        self.records: list[Record] = list(iterate(scanner.take()))

    @property
    def texts(self) -> list[str]:
        """The records as dnspython writes them."""
        return [
            f"{dns.name.from_wire(r.owner, 0)[0]} {r.ttl} "
            + dns.rdata.from_wire("IN", r.type, r.rdata, 0, len(r.rdata)).to_text()
            for r in self.records
        ]

    @property
    def places(self) -> list[tuple[int, int, int]]:
        return [(r.file, r.line, r.column) for r in self.records]


class Scan:
    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def __call__(
        self, text: str | bytes, origin: bytes = ORIGIN, fallback: bytes = b"", **files: str
    ) -> Read:
        scanner = self.module.Scanner(Host(**files), origin, fallback)
        scanner.scan(text if isinstance(text, bytes) else text.encode())
        return Read(scanner)

    def one(self, text: str) -> str:
        read = self(HEAD + text)
        assert read.errors == []
        assert len(read.records) == 1
        return read.texts[0]

    def error(self, text: str) -> str:
        """The only error in a text that stands under HEAD and above a good record, as line:column: message."""
        read = self(HEAD + text + "\ngood A 192.0.2.1\n")
        assert len(read.errors) == 1, read.errors
        assert read.texts[-1] == "good.example.com. 60 192.0.2.1", "scanning goes on after an error"
        _, line, column, message = read.errors[0]
        return f"{line - 1}:{column}: {message}"


@pytest.fixture
def scan(engine_module: Any) -> Scan:
    return Scan(engine_module("scan"))


def test_says_whether_it_is_compiled(engine_module: Any, request: pytest.FixtureRequest) -> None:
    module = engine_module("scan")
    assert module.is_compiled() == ("[compiled]" in request.node.name)


# ---- records of every type that is read here, and the forms of RFC 1035 section 5.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a A 192.0.2.1", "a.example.com. 60 192.0.2.1"),
        ("a AAAA 2001:DB8::1", "a.example.com. 60 2001:db8::1"),
        ("a AAAA ::", "a.example.com. 60 ::"),
        ("a AAAA ::1", "a.example.com. 60 ::1"),
        ("a AAAA 1::", "a.example.com. 60 1::"),
        ("a AAAA 1:2:3:4:5:6:7:8", "a.example.com. 60 1:2:3:4:5:6:7:8"),
        ("a AAAA 1:2:3:4:5:6:7::", "a.example.com. 60 1:2:3:4:5:6:7:0"),
        ("a AAAA ::ffff:192.0.2.1", "a.example.com. 60 ::ffff:192.0.2.1"),
        ("a AAAA 64:ff9b::192.0.2.33", "a.example.com. 60 64:ff9b::c000:221"),
        ("a NS b", "a.example.com. 60 b.example.com."),
        ("a CNAME b.example.net.", "a.example.com. 60 b.example.net."),
        ("a CNAME @", "a.example.com. 60 example.com."),
        ("a CNAME .", "a.example.com. 60 ."),
        ("a PTR B", "a.example.com. 60 B.example.com."),
        ("a DNAME b", "a.example.com. 60 b.example.com."),
        ("a MX 10 m", "a.example.com. 60 10 m.example.com."),
        ("a TXT x", 'a.example.com. 60 "x"'),
        ('a TXT "a b" c ""', 'a.example.com. 60 "a b" "c" ""'),
        ('a TXT "a""b"', 'a.example.com. 60 "a" "b"'),
        ('a TXT "\\"\\\\;()" \\065\\066', 'a.example.com. 60 "\\"\\\\;()" "AB"'),
        ("a SPF x", 'a.example.com. 60 "x"'),
        ("_a._tcp SRV 1 2 3 h", "_a._tcp.example.com. 60 1 2 3 h.example.com."),
        ("@ SOA n h 1 2 3 4 5", "example.com. 60 n.example.com. h.example.com. 1 2 3 4 5"),
        ("@ SOA n h 4294967295 1h 1M 1w2d 1D", "example.com. 60 n.example.com. h.example.com. 4294967295 3600 60 777600 86400"),
        ('a CAA 0 issue "ca.example; x=y"', 'a.example.com. 60 0 issue "ca.example; x=y"'),
        ("a DS 1 13 1 0123456789abcdef 0123456789abcdef01234567", "a.example.com. 60 1 13 1 0123456789abcdef0123456789abcdef01234567"),
        ("a DNSKEY 257 3 ED25519 AAEC AwQ=", "a.example.com. 60 257 3 15 AAECAwQ="),
        ("a RRSIG A 13 2 3600 20260101000000 20251231235959 1 @ AAEC", "a.example.com. 60 A 13 2 3600 20260101000000 20251231235959 1 example.com. AAEC"),
        ("a RRSIG A 13 2 3600 20240229120000 19700101000000 1 @ AAECAw==", "a.example.com. 60 A 13 2 3600 20240229120000 19700101000000 1 example.com. AAECAw=="),
        ("a RRSIG TYPE999 13 2 3600 1000 2000 1 @ AAEC", "a.example.com. 60 TYPE999 13 2 3600 19700101001640 19700101003320 1 example.com. AAEC"),
        ("a NSEC b A TYPE65534 NSEC RRSIG", "a.example.com. 60 b.example.com. A RRSIG NSEC TYPE65534"),
        ("a NSEC b", "a.example.com. 60 b.example.com."),
        ("a NSEC3 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG", "a.example.com. 60 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG"),
        ("a NSEC3 1 0 0 - 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S", "a.example.com. 60 1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s"),
        ("a NSEC3PARAM 1 0 0 -", "a.example.com. 60 1 0 0 -"),
        ("a TLSA 3 1 0 ab cd", "a.example.com. 60 3 1 0 abcd"),
        ("a SSHFP 4 2 " + "a bc d" * 16, "a.example.com. 60 4 2 " + "abcd" * 16),
        ("a TYPE1 192.0.2.1", "a.example.com. 60 192.0.2.1"),
        ("a A \\# 4 C0 000201", "a.example.com. 60 192.0.2.1"),
        ("a TYPE999 \\# 3 abcdef", "a.example.com. 60 \\# 3 abcdef"),
        ("a TYPE999 \\# 0", "a.example.com. 60 \\# 0 "),
        ("a 1h IN A 192.0.2.1", "a.example.com. 3600 192.0.2.1"),
        ("a IN 1h30m A 192.0.2.1", "a.example.com. 5400 192.0.2.1"),
        ("a in 0 a 192.0.2.1", "a.example.com. 0 192.0.2.1"),
        ("a CLASS1 2147483647 A 192.0.2.1", "a.example.com. 2147483647 192.0.2.1"),
        ("a. A 192.0.2.1", "a. 60 192.0.2.1"),
        ("@ A 192.0.2.1", "example.com. 60 192.0.2.1"),
        (". A 192.0.2.1", ". 60 192.0.2.1"),
        ("*.a A 192.0.2.1", "*.a.example.com. 60 192.0.2.1"),
        ("a\\.b A 192.0.2.1", "a\\.b.example.com. 60 192.0.2.1"),
        ("\\097\\000\\@ A 192.0.2.1", "a\\000\\@.example.com. 60 192.0.2.1"),
        ("\\@ A 192.0.2.1", "\\@.example.com. 60 192.0.2.1"),
        ("a A ( 192.0.2.1 )", "a.example.com. 60 192.0.2.1"),
        ("a (\n IN ; comment (\n A\n(192.0.2.1)) ; more", "a.example.com. 60 192.0.2.1"),
        ("(a\n A 192.0.2.1)", "a.example.com. 60 192.0.2.1"),
        ("a A 192.0.2.1;comment", "a.example.com. 60 192.0.2.1"),
        ("a\tA\t192.0.2.1 \r\n\r\n", "a.example.com. 60 192.0.2.1"),
        ("IN A 192.0.2.1", "IN.example.com. 60 192.0.2.1"),
        ("\n; comment\n  \n  ; comment\na A 192.0.2.1", "a.example.com. 60 192.0.2.1"),
    ],
)  # fmt: skip
def test_record_is_read(scan: Scan, text: str, expected: str) -> None:
    assert scan.one(text) == expected


def test_utf8_in_strings_and_names_is_kept_as_bytes(scan: Scan) -> None:
    read = scan(HEAD + 'né TXT "Grüße"\n')
    assert read.records[0].owner == b"\x03n\xc3\xa9" + ORIGIN
    assert read.records[0].rdata == b"\x07Gr\xc3\xbc\xc3\x9fe"


def test_bytes_that_are_not_utf8_are_kept(scan: Scan) -> None:
    assert scan(b'$TTL 1\na TXT "\xff\xfe"').records[0].rdata == b"\x02\xff\xfe"


def test_byte_order_mark_is_skipped(scan: Scan) -> None:
    read = scan(b"\xef\xbb\xbf$TTL 1\na A 192.0.2.1\n")
    assert read.errors == []
    assert len(read.records) == 1


def test_omitted_owner_is_the_last_one(scan: Scan) -> None:
    read = scan("a 1 A 192.0.2.1\n  A 192.0.2.2\n\tIN A 192.0.2.3\n")
    assert {r.owner for r in read.records} == {b"\x01a" + ORIGIN}
    assert len(read.records) == 3


def test_omitted_owner_after_a_record_with_an_error_is_that_records(scan: Scan) -> None:
    read = scan("a 1 A 192.0.2.1\nb A nonsense\n  A 192.0.2.2\n")
    assert len(read.errors) == 1
    assert [r.owner for r in read.records] == [b"\x01a" + ORIGIN, b"\x01b" + ORIGIN]


def test_place_is_the_line_and_column_the_record_begins_at(scan: Scan) -> None:
    read = scan(
        "$TTL 1\na A 192.0.2.1\n\n   A (\n 192.0.2.2\n)\n b A 192.0.2.3\nc A 192.0.2.4".replace(" b", "b")
    )
    assert read.places == [(0, 2, 1), (0, 4, 4), (0, 7, 1), (0, 8, 1)]


def test_rare_types_get_their_text_on_one_line(scan: Scan) -> None:
    read = scan(HEAD + 'a HTTPS 1 . ( alpn="h2,h3" ; comment\n  key9="ü;x" )\nb LOC \\# 1 ab\nc APL\n')
    assert read.records[0].rdata == b'1 . alpn="h2,h3" key9="\\195\\188;x"'
    assert read.records[1].rdata == b"\xab"
    assert read.records[2].rdata == b""


def test_more_text_than_the_buffer_was_made_for(scan: Scan) -> None:
    line = "$GENERATE 1-300 a$ TXT " + " ".join(['"' + "x" * 250 + '"'] * 8)
    read = scan(HEAD + line)
    assert read.errors == []
    assert len(read.records) == 300
    assert len(read.records[-1].rdata) == 8 * 251


# ---- TTLs (RFC 2308 section 4, RFC 1035 section 5.1)


def test_ttl_directive_goes_before_the_last_ttl(scan: Scan) -> None:
    read = scan("a 5 A 192.0.2.1\nb A 192.0.2.1\n$TTL 7\nc 9 A 192.0.2.1\nd A 192.0.2.1\n")
    assert [r.ttl for r in read.records] == [5, 5, 9, 7]


def test_soa_minimum_is_the_last_resort_for_ttls(scan: Scan) -> None:
    read = scan("@ SOA n h 1 2 3 4 77\na A 192.0.2.1\n")
    assert [r.ttl for r in read.records] == [77, 77]


def test_ttl_of_the_soa_is_taken_over_without_ttl_directive(scan: Scan) -> None:
    read = scan("@ 5 SOA n h 1 2 3 4 77\na A 192.0.2.1\n")
    assert [r.ttl for r in read.records] == [5, 5]


def test_no_ttl_anywhere_is_an_error(scan: Scan) -> None:
    read = scan("a A 192.0.2.1\n")
    assert read.errors == [
        (0, 1, 14, "the record has no TTL, and there is none to take over; write $TTL above it")
    ]


# ---- origins


def test_origin_directive_is_relative_to_the_origin(scan: Scan) -> None:
    read = scan(HEAD + "$ORIGIN sub\na A 192.0.2.1\n$ORIGIN example.net.\na A 192.0.2.1")
    assert read.texts == ["a.sub.example.com. 60 192.0.2.1", "a.example.net. 60 192.0.2.1"]
    assert read.zone == ORIGIN


def test_zone_is_found_by_the_first_origin(scan: Scan) -> None:
    read = scan(
        "$ORIGIN Example.com.\n$TTL 1\na A 192.0.2.1\n$ORIGIN other.\n", origin=b"", fallback=b"\x01f\x00"
    )
    assert read.zone == b"\x07Example\x03com\x00"
    assert read.errors == []


def test_zone_is_found_by_an_absolute_soa_owner(scan: Scan) -> None:
    read = scan("example.com. 1 SOA n h 1 2 3 4 5\n", origin=b"", fallback=b"\x01f\x00")
    assert read.zone == ORIGIN
    assert read.texts == ["example.com. 1 n.example.com. h.example.com. 1 2 3 4 5"]


def test_zone_is_the_soa_owner_in_a_file_as_bind_writes_it(scan: Scan) -> None:
    read = scan("$ORIGIN .\nexample.com 1 SOA n.x h.x 1 2 3 4 5\n$ORIGIN example.com.\n", origin=b"")
    assert read.zone == ORIGIN


def test_zone_is_the_file_name_where_nothing_else_says_it(scan: Scan) -> None:
    read = scan("@ 1 SOA n h 1 2 3 4 5\n", origin=b"", fallback=ORIGIN)
    assert read.zone == ORIGIN
    assert read.texts == ["example.com. 1 n.example.com. h.example.com. 1 2 3 4 5"]


def test_relative_name_without_an_origin_is_an_error(scan: Scan) -> None:
    read = scan("a 1 A 192.0.2.1\n", origin=b"")
    assert read.errors == [(0, 1, 1, "'a' is relative, but no origin is known; write $ORIGIN above it")]


def test_relative_origin_without_an_origin_is_an_error(scan: Scan) -> None:
    read = scan("$ORIGIN example.com\n", origin=b"", fallback=ORIGIN)
    assert read.errors == [(0, 1, 9, "'example.com' is relative, but no origin is known; end it with a dot")]


# ---- $INCLUDE


def test_include_leaves_origin_owner_and_ttl_alone(scan: Scan) -> None:
    inner = "$TTL 5\nb A 192.0.2.2\n$ORIGIN x.\nc 9 A 192.0.2.3"
    read = scan(
        HEAD + "a A 192.0.2.1\n$INCLUDE inner sub ; comment\n A 192.0.2.4\nd A 192.0.2.5\n", inner=inner
    )
    assert read.errors == []
    assert read.texts == [
        "a.example.com. 60 192.0.2.1",
        "b.sub.example.com. 5 192.0.2.2",
        "c.x. 9 192.0.2.3",
        "a.example.com. 60 192.0.2.4",
        "d.example.com. 60 192.0.2.5",
    ]
    assert read.places == [(0, 2, 1), (1, 1 + 1, 1), (1, 4, 1), (0, 4, 2), (0, 5, 1)]


def test_include_path_may_be_quoted_and_escaped(scan: Scan) -> None:
    read = scan('$INCLUDE "a b"\n$INCLUDE a\\ b\n', **{"a b": "x 1 A 192.0.2.1\n"})
    assert read.errors == []
    assert [r.file for r in read.records] == [1, 2]


def test_error_in_an_included_file_is_told_with_its_file(scan: Scan) -> None:
    read = scan(HEAD + "$INCLUDE inner\nb A 2.3.4\n", inner="\na A 1.2.3\n")
    assert [(file, line, column) for file, line, column, _ in read.errors] == [(1, 2, 5), (0, 3, 5)]


def test_includes_have_a_depth_bound(scan: Scan) -> None:
    read = scan("$INCLUDE inner\n", inner="$INCLUDE inner\n")
    assert [message for *_, message in read.errors] == ["files include each other more than 16 deep"]


def test_origin_found_in_an_included_file_counts_for_the_rest(scan: Scan) -> None:
    read = scan(
        "$INCLUDE soa\na 1 A 192.0.2.1\n", origin=b"", fallback=b"", soa="example.com. 1 SOA n h 1 2 3 4 5"
    )
    assert read.errors == []
    assert read.texts[1] == "a.example.com. 1 192.0.2.1"


# ---- $GENERATE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-3 h$ A 10.0.0.$", ["h1 10.0.0.1", "h2 10.0.0.2", "h3 10.0.0.3"]),
        ("0-4/2 h$ A 10.0.0.$", ["h0 10.0.0.0", "h2 10.0.0.2", "h4 10.0.0.4"]),
        ("1-1 h${10} A 10.0.0.${-1}", ["h11 10.0.0.0"]),
        ("9-10 h${0,3} A 10.0.0.$", ["h009 10.0.0.9", "h010 10.0.0.10"]),
        ("10-10 ${0,4,x} A 10.0.0.$", ["000a 10.0.0.10"]),
        ("10-10 ${0,0,X} A 10.0.0.$", ["A 10.0.0.10"]),
        ("10-10 ${0,3,o} A 10.0.0.$", ["012 10.0.0.10"]),
        ("26-26 ${0,0,n} A 10.0.0.$", ["a.1 10.0.0.26"]),
        ("26-26 ${0,5,N} A 10.0.0.$", ["A.1.0 10.0.0.26"]),
        ("26-26 ${0,4,n}x A 10.0.0.$", ["a.1.x 10.0.0.26"]),
        ("1-1 a\\$$ CNAME $.b", ["a\\$1 1.b.example.com."]),
        ("1-1 a$$ CNAME b", ["a\\$ b.example.com."]),
        ('1-2 @ TXT "a $; b" ; comment ${', ["@ \"a 1; b\"", "@ \"a 2; b\""]),
        ("1-1 h$ 5 IN A 10.0.0.$", ["h1 10.0.0.1"]),
        ("1-1 h$ IN 5 A 10.0.0.$", ["h1 10.0.0.1"]),
    ],
)  # fmt: skip
def test_generate(scan: Scan, text: str, expected: list[str]) -> None:
    read = scan(HEAD + "\n $GENERATE ".replace(" $", "$") + text + "\n")
    assert read.errors == []
    assert [t.replace("@.example.com.", "@") for t in read.texts] == [
        (e.split(" ", 1)[0] + ".example.com.").replace("@.example.com.", "example.com.")
        + (" 5 " if " 5 " in text else " 60 ")
        + e.split(" ", 1)[1]
        for e in expected
    ]
    assert set(read.places) == {(0, 3, 1)}


def test_generate_leaves_the_owner_alone(scan: Scan) -> None:
    read = scan(HEAD + "a A 192.0.2.1\n$GENERATE 1-2 h$ A 10.0.0.$\n  A 192.0.2.2\n")
    assert read.texts[-1] == "a.example.com. 60 192.0.2.2"


# ---- every error a user can cause


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a A 999.1.2.3", "1:5: '999.1.2.3' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a A 1.2.3", "1:5: '1.2.3' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a A 1.2.3.4.5", "1:5: '1.2.3.4.5' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a A 1.2.3.04", "1:5: '1.2.3.04' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a A 1.2.3.-4", "1:5: '1.2.3.-4' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
        ("a AAAA 2001:db8::g", "1:8: '2001:db8::g' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 1::2::3", "1:8: '1::2::3' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 12345::", "1:8: '12345::' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 1:2:3:4:5:6:7", "1:8: '1:2:3:4:5:6:7' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 1:2:3:4::5:6:7:8", "1:8: '1:2:3:4::5:6:7:8' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 1:2:3:4:5:6:7:8:9", "1:8: '1:2:3:4:5:6:7:8:9' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 1:2:3:4:5:6:7:", "1:8: '1:2:3:4:5:6:7:' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA :1", "1:8: ':1' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA ::1.2.3.999", "1:8: '::1.2.3.999' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a AAAA 1:2:3:4:5:6:7:1.2.3.4", "1:8: '1:2:3:4:5:6:7:1.2.3.4' is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"),
        ("a CNAME", "1:8: the record ends here; a target name is missing"),
        ("a A ; none", "1:11: the record ends here; an IPv4 address is missing"),
        ("a MX 10", "1:8: the record ends here; the name of a mail server is missing"),
        ("a MX mail", "1:6: 'mail' is not a preference; it is a number from 0 to 65535"),
        ("a MX 65536 mail", "1:6: '65536' is not a preference; it is a number from 0 to 65535"),
        ('a MX "10" mail', "1:7: a preference belongs here, and is written without quotes"),
        ("a TXT", "1:6: the record ends here; a text is missing"),
        ("a A 192.0.2.1 192.0.2.2", "1:15: '192.0.2.2' is more than A data has; another record needs a line of its own"),
        ("a CNAME b c", "1:11: 'c' is more than CNAME data has; another record needs a line of its own"),
        ("a TYPE999 \\# 0 ab", "1:16: 'ab' is more than TYPE999 data has; another record needs a line of its own"),
        ("a", "1:2: the record ends here; a record type is missing"),
        ("a 60 IN", "1:8: the record ends here; a record type is missing"),
        ('a "A" 192.0.2.1', "1:4: a record type belongs here, and is written without quotes"),
        ("a 1 IN 2 A 192.0.2.1", "1:8: '2' follows a TTL; a record type belongs here"),
        ("a IN IN A 192.0.2.1", "1:6: the class is given twice; a record type belongs here"),
        ("a CNMAE b", "1:3: 'CNMAE' is not a record type; did you mean CNAME or DNAME?"),
        ("a 1.2.3.4", "1:3: '1.2.3.4' is not a TTL; it is a number of seconds, or has units, as in 1h30m"),
        ("a XYZZY b", "1:3: 'XYZZY' is not a record type; a type is a word such as A or MX"),
        ("a TYPE65536 b", "1:3: 'TYPE65536' is not a record type; the numbers go from 1 to 65535"),
        ("a AXFR b", "1:3: AXFR is not a type of zone data; it only has a meaning in messages"),
        ("a OPT b", "1:3: OPT is not a type of zone data; it only has a meaning in messages"),
        ("a TYPE0 \\# 0", "1:3: TYPE0 is not a type of zone data; it only has a meaning in messages"),
        ("a TYPE200 \\# 0", "1:3: TYPE200 is not a type of zone data; it only has a meaning in messages"),
        ("a CH A 192.0.2.1", "1:3: class 'CH' cannot be served; zone data is of class IN"),
        ("a CLASS3 A 192.0.2.1", "1:3: class 'CLASS3' cannot be served; zone data is of class IN"),
        ("a CLASS99999999999 A 192.0.2.1", "1:3: class 'CLASS99999999999' cannot be served; zone data is of class IN"),
        ("a 2147483648 A 192.0.2.1", "1:3: '2147483648' is too large for a TTL; the largest is 2147483647"),
        ("a 9999w A 192.0.2.1", "1:3: '9999w' is too large for a TTL; the largest is 2147483647"),
        ("a 99999999999999999999 A 192.0.2.1", "1:3: '99999999999999999999' is too large for a TTL; the largest is 2147483647"),
        ("a 1x A 192.0.2.1", "1:3: '1x' is not a TTL; it is a number of seconds, or has units, as in 1h30m"),
        ("a 1h30 A 192.0.2.1", "1:3: '1h30' is not a TTL; it is a number of seconds, or has units, as in 1h30m"),
        ("x" * 64 + " A 192.0.2.1", "1:1: '" + "x" * 56 + "... has a label of 64 bytes; at most 63 are allowed".replace("...", "x...'", 1)),
        ("a..b A 192.0.2.1", "1:1: 'a..b' has an empty label; labels are joined by single dots"),
        (".a A 192.0.2.1", "1:1: '.a' has an empty label; labels are joined by single dots"),
        ("a CNAME b..", "1:9: 'b..' has an empty label; labels are joined by single dots"),
        (".".join(["x" * 49] * 5) + " A 192.0.2.1", "1:1: '" + ("x" * 49 + "." + "x" * 7) + "...' makes a name of 263 bytes; at most 255 are allowed"),
        ("x." * 1000 + " A 192.0.2.1", "1:1: '" + ("x." * 29)[:57] + "...' is too long for a name; a name has at most 255 bytes"),
        ('"a" A 192.0.2.1', "1:2: an owner name belongs here, and is written without quotes"),
        ('a CNAME "b"', "1:10: a target name belongs here, and is written without quotes"),
        ("a\\1 A 192.0.2.1", "1:2: a backslash and a digit must be three digits, as in \\065"),
        ("a\\256 A 192.0.2.1", "1:2: '\\256' is not a byte; the number goes from 000 to 255"),
        ("a TXT \\99x", "1:7: a backslash and a digit must be three digits, as in \\065"),
        ("a TXT x\\", "1:8: nothing follows the backslash; it takes a character or three digits"),
        ('a TXT "x', "1:7: this quote is never closed; a quoted string ends on the line it begins on"),
        ('a TXT ( "x', "1:7: this parenthesis is never closed; the record must end with )"),
        ("a TXT x )", "1:9: this parenthesis was never opened; remove it, or open it with ( before"),
        ("a A ( 192.0.2.1", "1:5: this parenthesis is never closed; the record must end with )"),
        ("a TXT " + "x" * 256, "1:7: this string is too long; longer text is split into strings of at most 255 bytes"),
        ("a TXT" + (" " + "x" * 255) * 257, "1:65543: the data of this record is longer than 65535 bytes"),
        ('a CAA 0 is-sue "x"', "1:9: 'is-sue' is not a tag; a tag has letters and digits only, as in issue"),
        ("a CAA 0 " + "x" * 256 + " x", "1:9: this tag is too long; at most 255 letters and digits are allowed"),
        ("a CAA 0 issue", "1:14: the record ends here; the value, in quotes is missing"),
        ("a CAA 256 issue x", "1:7: '256' is not the flags; it is a number from 0 to 255"),
        ("a DS 1 13 2 abcd", "1:17: a digest in hex has 2 bytes here; of type 2 it has 32"),
        ("a DS 1 13 0 00", "1:11: digest type 0 is reserved (RFC 3658 section 2.4); 2 is SHA-256"),
        ("a TLSA 3 1 1 abcd", "1:18: certificate data in hex has 2 bytes here; of type 1 it has 32"),
        ("a SSHFP 4 2 abcd", "1:17: a fingerprint in hex has 2 bytes here; of type 2 it has 32"),
        ("a NSEC b TYPE0", "1:10: TYPE0 is not in any bitmap (RFC 4034 section 4.1.2)"),
        ("a DS 1 13 9 abc", "1:16: a digest in hex has an odd number of digits; two make a byte"),
        ("a DS 1 13 9 xy", "1:13: 'xy' is not hex data; the digits are 0-9 and a-f, without quotes"),
        ("a DS 1 ED25518 9 ab", "1:8: 'ED25518' is not a DNSSEC algorithm; did you mean ED25519?"),
        ("a DS 1 xyzzy 9 ab", "1:8: 'xyzzy' is not a DNSSEC algorithm; it is a number from 0 to 255 or a name such as ED25519"),
        ("a DNSKEY 256 3 13", "1:18: the record ends here; a public key in base64 is missing"),
        ("a DNSKEY 256 3 13 A*", "1:19: 'A*' is not base64 data; its characters are A-Z a-z 0-9 + / and = last"),
        ("a DNSKEY 256 3 13 AAA", "1:22: a public key in base64 is cut short; base64 has a multiple of four characters, filled up with ="),
        ("a DNSKEY 256 3 13 AA=A", "1:19: 'AA=A' is not base64 data; its characters are A-Z a-z 0-9 + / and = last"),
        ("a RRSIG FOO 13 2 60 1 1 1 @ AAAA", "1:9: 'FOO' is not a record type; a type is a word such as A or MX"),
        ("a RRSIG A 13 2 60 20261301000000 1 1 @ AAAA", "1:19: '20261301000000' is not a time; a time is written YYYYMMDDHHmmSS, in UTC"),
        ("a RRSIG A 13 2 60 soon 1 1 @ AAAA", "1:19: 'soon' is not the expiration time (YYYYMMDDHHmmSS or seconds); it is a number from 0 to 4294967295"),
        ("a NSEC b AXX", "1:10: 'AXX' is not a record type; a type is a word such as A or MX"),
        ("a NSEC3 1 0 0 abc 2vpt", "1:15: 'abc' is not hex data; hex digits come in pairs, without quotes"),
        ("a NSEC3 1 0 0 xx 2vpt", "1:15: 'xx' is not hex data; the digits are 0-9 and a-f"),
        ("a NSEC3 1 0 0 " + "ab" * 256 + " 2vpt", "1:15: this hex data is too long; at most 260 bytes fit"),
        ("a NSEC3 1 0 0 - wxyz", "1:17: 'wxyz' is not a hashed name; it is written in base32hex (0-9, A-V)"),
        ("a NSEC3 1 0 0 - 2vp", "1:17: '2vp' is not a hashed name; it has a digit too many or too few"),
        ("a TYPE999 \\# 3 ab", "1:11: the data has 1 bytes, but its length is given as 3"),
        ("a TYPE999 \\# x", "1:14: 'x' is not the length of the data; it is a number from 0 to 65535"),
        ("a A \\# 3 abcdef", "1:5: this is not the data of a A record: an address has 4 bytes"),
        ("a LOC so bad", "1:7: this is not the data of a LOC record: bad is bad"),
        ("$TTL 1x", "1:6: '1x' is not a TTL; it is a number of seconds, or has units, as in 1h30m"),
        ("$TTL", "1:5: the record ends here; the TTL is missing"),
        ("$TTL 60 60", "1:9: '60' is more than the directive takes; it must end before this"),
        ("$ORIGIN", "1:8: the record ends here; the origin is missing"),
        ("$ORIGIN a..b.", "1:9: 'a..b.' has an empty label; labels are joined by single dots"),
        ("$ORIGN a.", "1:1: '$ORIGN' is not a directive; did you mean $ORIGIN?"),
        ("$foo a.", "1:1: '$foo' is not a directive; those are $ORIGIN, $TTL, $INCLUDE, $GENERATE"),
        ("$INCLUDE", "1:9: the record ends here; the path of the file to include is missing"),
        ("$INCLUDE nowhere", "1:10: 'nowhere' is not there"),
        ("$INCLUDE nowhere a..b", "1:18: 'a..b' has an empty label; labels are joined by single dots"),
        ("$GENERATE", "1:10: the record ends here; a range such as 1-254 is missing"),
        ("$GENERATE 1 a$ A 10.0.0.$", "1:11: '1' is not a range; a range is start-stop or start-stop/step, as in 1-254"),
        ("$GENERATE 2-1 a$ A 10.0.0.$", "1:11: the range '2-1' runs backwards; the lower number comes first"),
        ("$GENERATE 1-2/0 a$ A 10.0.0.$", "1:11: the range '1-2/0' has step 0; a step is at least 1"),
        ("$GENERATE 1-9999999 a$ A 10.0.0.$", "1:11: the range '1-9999999' makes 9999999 records; at most 1048576 are allowed"),
        ("$GENERATE 1-2 a$", "1:15: a range, an owner, a type and data belong after $GENERATE"),
        ("$GENERATE 1-2 a${ A 10.0.0.$", "1:15: '${ A 10.0.0.$' has no closing brace; a modifier is ${offset,width,base}"),
        ("$GENERATE 1-2 a${x} A 10.0.0.$", "1:15: '${x}' is not a modifier; it is ${offset,width,base}, as in ${0,3,d}"),
        ("$GENERATE 1-2 a${0,0,q} A 10.0.0.$", "1:15: 'q' is not a base; the bases are d, o, x, X, n and N"),
        ("$GENERATE 1-2 a${0,999} A 10.0.0.$", "1:15: the width 999 is too large; at most 255 is allowed"),
        ("$GENERATE 1-2 a${-5} A 10.0.0.$", "1:15: '${-5}' gives the negative number -4 at step 1"),
        ("$GENERATE 255-300 a$ A 10.0.0.$", "1:1: in the generated line 'a256 A 10.0.0.256': '10.0.0.256' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"),
    ],
)  # fmt: skip
def test_error(scan: Scan, text: str, error: str) -> None:
    assert scan.error(text) == error


def test_first_record_without_owner_is_an_error(scan: Scan) -> None:
    read = scan(" 1 A 192.0.2.1\n")
    assert [e[3] for e in read.errors] == [
        "the first record has no owner; its line must begin with a name or @"
    ]


def test_all_errors_are_found(scan: Scan) -> None:
    read = scan(HEAD + 'a A 1\nb A (2\n)\nc A 192.0.2.1\nd X 3\ne A 192.0.2.2 ; (\nf A "\ng TXT (x\n\n')
    assert [e[1] for e in read.errors] == [2, 3, 6, 8, 9]
    assert [r.owner[1:2] for r in read.records] == [b"c", b"e"]


def test_column_of_an_error_counts_characters(scan: Scan) -> None:
    assert scan(HEAD + 'a TXT "éé" "ü\n').errors[0][1:3] == (2, 12)


def test_column_of_an_error_inside_parentheses_is_that_of_its_line(scan: Scan) -> None:
    assert scan(HEAD + "@ SOA n h (\n 1 2\n  x 4 5 )\n").errors[0][1:3] == (4, 3)


def test_errors_are_bounded_and_counted(scan: Scan) -> None:
    read = scan(HEAD + "a A 1\n" * 1500 + "b A 192.0.2.1\n")
    assert len(read.errors) == 1000
    assert read.unreported == 500
    assert len(read.records) == 1


def test_scanning_stops_at_far_too_many_errors(scan: Scan) -> None:
    read = scan(HEAD + "a B\n" * 60_000 + "b A 192.0.2.1\n")
    assert read.unreported == 50_000
    assert read.records == []


def test_parentheses_never_closed_are_bounded(scan: Scan) -> None:
    read = scan(HEAD + "a A (\n" * 100)
    assert 0 < len(read.errors) <= 18


def test_strange_bytes_do_no_harm(scan: Scan) -> None:
    for text in (
        b"\\",
        b'"',
        b"(",
        b")",
        b"$",
        b"\x00",
        b"@",
        b"a\\",
        b"a A \\",
        b"\xff" * 300,
        b"$GENERATE 1-1 \\",
        b"( \\",
    ):
        for end in (b"", b"\n", b" \n a"):
            scan(b"$TTL 1\n" + text + end)
            scan(text + end, origin=b"", fallback=b"")
