# ruff: noqa: E501  (tables: one case a line)
"""Master files through dnspython's eyes: every type it knows, and whole generated zones, read the same by both."""

from __future__ import annotations

import os
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
import dns.zonefile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.engine.records import iterate
from pippin.engine.scan import Scanner
from pippin.source.files import load
from pippin.source.loaded import Dependency, Loaded
from pippin.source.masterfile import MasterFile, name_from_path
from pippin.zone.problem import Severity

EXAMPLES = Path(__file__).parents[2] / "examples"
SOA = "@ 60 SOA ns h 1 2 3 4 5\n"

SAMPLES = {
    "A": "192.0.2.1", "AAAA": "2001:db8::1", "AFSDB": "1 host", "AMTRELAY": "10 1 3 relay", "APL": "1:192.168.32.0/21 !2:fe80::/10",
    "AVC": '"app-name:x" y', "BRID": "AAEC", "CAA": '0 iodef "mailto:a@example.com"', "CDNSKEY": "257 3 13 AAEC",
    "CDS": "1 13 2 " + "ab" * 32, "CERT": "PKIX 1 RSASHA256 AAEC", "CNAME": "target", "CSYNC": "66 3 A NS AAAA", "DHCID": "AAEC",
    "DLV": "1 13 2 " + "ab" * 32, "DNAME": "target", "DNSKEY": "256 3 RSASHA256 AAECAw==", "DS": "1 ECDSAP256SHA256 2 " + "ab" * 32,
    "DSYNC": "CDS NOTIFY 53 notify", "EUI48": "01-23-45-67-89-ab", "EUI64": "01-23-45-67-89-ab-cd-ef", "GPOS": "1.5 -2.5 3",
    "HHIT": "AAEC", "HINFO": '"PC" unix', "HIP": "2 200100107b1a74df365639cc39f1d578 AwEAAbdx rvs1 rvs2.example.net.",
    "HTTPS": '1 . alpn="h2,h3" ipv4hint=192.0.2.1,192.0.2.2 key667="a b\\255"', "IPSECKEY": "10 3 2 gateway AAEC", "ISDN": '"1234" "5"',
    "KEY": "512 255 1 AAEC", "KX": "10 kx", "L32": "10 192.0.2.1", "L64": "10 2001:0db8:1140:1000",
    "LOC": "42 21 54.123 N 71 06 18.5 W -24.00m 30m 10m 5m", "LP": "10 l64", "MX": "10 mail", "NAPTR": '100 50 "s" "http+I2L+I2C" "" _http._tcp',
    "NID": "10 0014:4fff:ff20:ee64", "NINFO": '"status" ok', "NS": "ns", "NSAP": "0x47.0005.80.005a00", "NSAP-PTR": "target",
    "NSEC": "next A MX RRSIG TYPE1234", "NSEC3": "1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s MX DNSKEY NS TYPE999",
    "NSEC3PARAM": "1 0 12 aabbccdd", "OPENPGPKEY": "AAEC AwQF", "PTR": "target", "PX": "65 foo bar", "RESINFO": 'qnamemin exterr=15-17',
    "RP": "mbox txt", "RRSIG": "DNSKEY ED25519 2 3600 20301231235959 20260101000000 12345 @ AAEC AwQF", "RT": "10 host",
    "SIG": "A 1 3 3600 20260101000000 20250101000000 2143 foo AAEC", "SMIMEA": "3 0 0 abcdef", "SOA": "ns h 2147483648 1h 2m 3w 4d", "SPF": '"v=spf1 -all"',
    "SRV": "0 65535 53 target", "SSHFP": "1 1 " + "ab" * 20, "SVCB": "16 svc alpn=dot port=853 mandatory=port dohpath=/q{?dns}",
    "TLSA": "3 1 1 " + "a" * 64, "TXT": '"a;b" c\\"d \\200', "URI": '10 1 "https://example.com/"', "WALLET": '"a" "b"',
    "WKS": "192.0.2.1 TCP 25 80", "X25": '"12345"', "ZONEMD": "1 1 1 " + "ab" * 48,
}  # fmt: skip


def known_types() -> set[str]:
    """Every type that dnspython can read from text and that can stand in a zone."""
    import dns.rdtypes.ANY
    import dns.rdtypes.IN

    modules = {*dns.rdtypes.ANY.__all__, *dns.rdtypes.IN.__all__}
    return {name.replace("_", "-") for name in modules} - {"OPT", "TSIG", "TKEY"}


def scan(text: str | bytes, origin: str = "example.com.") -> Loaded:
    host = MasterFile("text", Dependency("text", 0, 0))
    scanner = Scanner(host, dns.name.from_text(origin).to_wire() or b"")
    scanner.scan(text if isinstance(text, bytes) else text.encode())
    assert scanner.errors() == []
    return Loaded(scanner.zone(), scanner.take(), ("text",), (), ())


def as_set(loaded: Loaded) -> set[tuple[bytes, int, int, bytes]]:
    return {(r.owner.lower(), r.type, r.ttl, r.rdata) for r in iterate(loaded.records)}


def by_dnspython(text: str, origin: str = "example.com.") -> set[tuple[bytes, int, int, bytes]]:
    """The same from dnspython's zone reader. It lets the lowest TTL of an RRset win; so do the zones made here."""
    zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
    return {
        (name.to_wire().lower(), int(rdata.rdtype), ttl, rdata.to_wire())
        for name, ttl, rdata in zone.iterate_rdatas()
    }


def test_every_type_has_a_sample() -> None:
    assert known_types() <= set(SAMPLES)


@pytest.mark.parametrize("rdtype", sorted(SAMPLES))
def test_type_is_read_as_dnspython_reads_it(rdtype: str) -> None:
    line = f"@ 60 IN {rdtype} {SAMPLES[rdtype]}\n"
    assert as_set(scan(line)) == by_dnspython(line)


@pytest.mark.parametrize("rdtype", sorted(SAMPLES))
def test_type_is_read_from_generic_form(rdtype: str) -> None:
    line = f"owner 60 {rdtype} {SAMPLES[rdtype]}\n"
    (record,) = iterate(scan(line).records)
    for name in (rdtype, f"TYPE{record.type}"):
        generic = f"owner 60 {name} \\# {len(record.rdata)} {record.rdata.hex()}\n"
        assert as_set(scan(generic)) == as_set(scan(line))


@pytest.mark.parametrize("rdtype", sorted(SAMPLES))
def test_type_cut_short_or_with_more_is_an_error(rdtype: str) -> None:
    first = SAMPLES[rdtype].split()[0]
    host = MasterFile("text", Dependency("text", 0, 0))
    scanner = Scanner(host, b"\0")
    scanner.scan(f"owner 60 {rdtype} {SAMPLES[rdtype]} )\nnext 60 A 192.0.2.1\n".encode())
    scanner.scan(f"owner 60 {rdtype} (\n".encode())
    scanner.scan(f"owner 60 {rdtype} \\# 1\n".encode())
    assert len(scanner.errors()) == 3, first
    assert [r.type for r in iterate(scanner.take())] == [1]


# ---- whole zones


LABELS = st.sampled_from(["a", "B", "c-1", "_tcp", "*", "\\065", "x\\.y", "\\000", "z" * 63, "d\\@"])
NAMES = st.one_of(
    st.lists(LABELS, min_size=1, max_size=3).map(".".join),
    st.lists(LABELS, max_size=3).map(lambda labels: ".".join([*labels, "example.com."])),
    st.just("@"),
)
TARGETS = st.one_of(NAMES, st.sampled_from([".", "example.net.", "A.EXAMPLE.ORG."]))
NUMBERS = st.integers(0, 65535).map(str)
ADDRESSES4 = st.ip_addresses(v=4).map(str)
ADDRESSES6 = st.one_of(
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
    ADDRESSES4.map(lambda address: f"::ffff:{address}"),
)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
STRINGS = st.one_of(
    TEXT.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    st.binary(max_size=20).map(lambda data: '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'),
    st.sampled_from(["plain", "a\\ b", "x=y", "\\;", "@"]),
)
TTLS = st.one_of(st.integers(0, 2**31 - 1).map(str), st.sampled_from(["1h", "1w2d3h4m5s", "0", "1H30M"]))
RDATA = st.one_of(
    ADDRESSES4.map(lambda a: f"A {a}"),
    ADDRESSES6.map(lambda a: f"AAAA {a}"),
    TARGETS.map(lambda n: f"NS {n}"),
    TARGETS.map(lambda n: f"PTR {n}"),
    st.tuples(NUMBERS, TARGETS).map(lambda f: f"MX {f[0]} {f[1]}"),
    st.tuples(NUMBERS, NUMBERS, NUMBERS, TARGETS).map(lambda f: "SRV " + " ".join(f)),
    st.lists(STRINGS, min_size=1, max_size=4).map(lambda s: "TXT " + " ".join(s)),
    st.sampled_from(sorted(set(SAMPLES) - {"SOA", "CNAME", "DNAME", "RRSIG", "SIG"})).map(lambda t: f"{t} {SAMPLES[t]}"),
    st.tuples(st.integers(256, 65279), st.binary(max_size=40)).map(lambda f: f"TYPE{f[0] | 32768} \\# {len(f[1])} {f[1].hex()}"),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> str:
    """One record, in one of the many forms that all say the same."""
    owner = draw(st.one_of(NAMES, st.just("")))
    ttl = draw(st.one_of(TTLS, st.just("")))
    rdclass = draw(st.sampled_from(["", "IN", "in", "CLASS1"]))
    fields = draw(st.permutations([ttl, rdclass]))
    rdata = draw(RDATA)
    blank = draw(st.sampled_from([" ", "\t", "  \t"]))
    if draw(st.booleans()):
        rdata = rdata.replace(" ", " ( ; comment )\n ", 1) + " \n)"
    line = blank.join([owner, *[f for f in fields if f], rdata])
    return (line if owner else blank + line.lstrip()) + draw(
        st.sampled_from(["\n", ' ; comment "(\n', "\r\n", "\n\n"])
    )


DIRECTIVES = st.one_of(
    NAMES.filter(lambda name: name.endswith("example.com.") or "*" not in name).map(
        lambda n: f"$ORIGIN {n}\n"
    ),
    TTLS.map(lambda ttl: f"$TTL {ttl} ; comment\n"),
    st.just("\n; comment\n  ; another\n"),
)


@given(st.lists(st.one_of(records(), records(), DIRECTIVES), min_size=3, max_size=12))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_zone_is_read_as_dnspython_reads_it(lines: list[str]) -> None:
    text = "$TTL 99\n@ SOA ns h 1 2 3 4 5\n" + "".join(lines)
    try:
        expected = by_dnspython(text)
    except dns.exception.DNSException:  # a name became too long
        scanner = Scanner(MasterFile("text", Dependency("text", 0, 0)), b"\7example\3com\0")
        scanner.scan(text.encode())
        assert scanner.errors()
        return
    got = scan(text)
    lowest: dict[tuple[bytes, int], int] = {}
    for owner, rdtype, ttl, _ in as_set(got):
        lowest[owner, rdtype] = min(ttl, lowest.get((owner, rdtype), ttl))
    lowest_expected = {(owner, rdtype): ttl for owner, rdtype, ttl, _ in expected}
    # dnspython folds names in rdata that differ only in case into one record; so does comparing them folded.
    assert {(o, t, lowest[o, t], d.lower()) for o, t, _, d in as_set(got)} == {
        (o, t, lowest_expected[o, t], d.lower()) for o, t, _, d in expected
    }


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_without_raising(data: bytes) -> None:
    host = MasterFile("text", Dependency("text", 0, 0))
    scanner = Scanner(host, b"", b"\x01x\0")
    scanner.scan(b"$TTL 1\na A 192.0.2.1\n" + data.replace(b"$I", b"$i"))
    for record in iterate(scanner.take()):
        dns.name.from_wire(record.owner, 0)
        dns.rdata.from_wire(
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(record.type), record.rdata, 0, len(record.rdata)
        )


WORDS = st.sampled_from([*"()\"\\;@.$ \n\t", "\n", "\n", " ", "a", "A", "MX", "TXT", "10", "192.0.2.1", "::1", "IN", "1h", "$TTL", "$ORIGIN", "$GENERATE", "1-3", "${0,3}", "\\#", "HTTPS", "NSEC3", "RRSIG", "abcd", "alpn=h2", "CAA", "issue", "SOA", "é", "\\200", "TYPE999"])  # fmt: skip


@given(st.lists(WORDS, max_size=60).map("".join))
@settings(max_examples=500, deadline=None)
def test_any_words_are_read_without_raising_and_what_is_read_is_right(text: str) -> None:
    test_any_bytes_are_read_without_raising.hypothesis.inner_test(text.encode())  # type: ignore[attr-defined]


# ---- files


def test_example_zone_is_read_as_dnspython_reads_it() -> None:
    path = EXAMPLES / "example.com.zone"
    loaded = load(str(path))
    assert loaded.problems == ()
    assert loaded.origin == b"\x07example\x03com\x00"
    assert loaded.is_master_file
    assert as_set(loaded) == by_dnspython(path.read_text())


def test_included_files_are_dependencies(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "x.zone").write_text("$ORIGIN example.com.\n" + SOA + "$INCLUDE sub/a sub\n$INCLUDE sub/a\n")
    (tmp_path / "sub" / "a").write_text("a A 192.0.2.1\n$INCLUDE b\n")
    (tmp_path / "sub" / "b").write_text("b A 192.0.2.2\n")
    loaded = load(str(tmp_path / "x.zone"))
    assert loaded.problems == ()
    sub = f"{tmp_path}/sub"
    assert loaded.files == (f"{tmp_path}/x.zone", f"{sub}/a", f"{sub}/b", f"{sub}/a", f"{sub}/b")
    status = os.stat(f"{sub}/b")
    assert loaded.dependencies[2] == Dependency(f"{sub}/b", status.st_size, status.st_mtime_ns)
    assert len(loaded.dependencies) == 3
    assert [(r.file, r.line) for r in iterate(loaded.records)] == [(0, 2), (1, 1), (2, 1), (3, 1), (4, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "$INCLUDE none",
            "x.zone:1:10: '{0}/none' is not included: the file cannot be read: No such file or directory",
        ),
        (
            "$INCLUDE .",
            "x.zone:1:10: '{0}/.' is not included: the file cannot be read: it is not a regular file",
        ),
        (
            "$INCLUDE pipe",
            "x.zone:1:10: '{0}/pipe' is not included: the file cannot be read: it is not a regular file",
        ),
        ("$INCLUDE a\\000b", "x.zone:1:10: '{0}/a\\x00b' is not included: embedded null byte"),
        ("$INCLUDE x.zone", "x.zone:1:10: '{0}/x.zone' includes itself; remove one of the $INCLUDE lines"),
        ("$INCLUDE inner", "inner:2:10: '{0}/x.zone' includes itself; remove one of the $INCLUDE lines"),
        (
            "$INCLUDE bad",
            "bad:1:8: 'x' is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1",
        ),
        ("a 1 LOC here", "x.zone:1:9: this is not the data of a LOC record: expecting an integer"),
        (
            "a 1 LOC ( 1\n 2 3 4 5 )",
            "x.zone:1:11: this is not the data of a LOC record: bad latitude hemisphere value",
        ),
        (
            "a 1 AAAA \\# 1 00",
            "x.zone:1:10: this is not the data of a AAAA record: IPv6 addresses are 16 bytes long",
        ),
    ],
)
def test_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.zone").write_text(text + "\n")
    (tmp_path / "inner").write_text("\n$INCLUDE x.zone\n")
    (tmp_path / "bad").write_text("a 1 A  x\n")
    os.mkfifo(tmp_path / "pipe")
    loaded = load(str(tmp_path / "x.zone"), "example.com")
    assert [str(problem) for problem in loaded.problems] == [f"{tmp_path}/{message}".format(tmp_path)]


def test_far_too_many_errors_are_counted_and_bounded(tmp_path: Path) -> None:
    (tmp_path / "x.zone").write_text("a B\n" * 1001)
    assert load(str(tmp_path / "x.zone")).problems[-1].message == "1 more errors are not shown"
    (tmp_path / "x.zone").write_text("a B\n" * 60_000)
    last = load(str(tmp_path / "x.zone")).problems[-1]
    assert last.message == "50000 more errors are not shown, and the text after them was not read"


def test_missing_include_is_a_dependency_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "x.zone").write_text("$INCLUDE none\n")
    assert load(str(tmp_path / "x.zone")).dependencies[1] == Dependency(f"{tmp_path}/none", 0, 0)


def test_includes_that_multiply_are_bounded(tmp_path: Path) -> None:
    for depth in range(15):
        (tmp_path / f"f{depth}").write_text(f"$INCLUDE f{depth + 1}\n" * 2)
    (tmp_path / "f15").write_text("")
    loaded = load(str(tmp_path / "f0"), "example.com")
    assert loaded.problems[0].message == "the zone includes more than 10000 files"


@pytest.mark.parametrize(
    ("name", "text", "origin"),
    [
        ("x.zone", "$ORIGIN a.\n" + SOA, "a."),
        ("x.zone", "A.example. 1 SOA ns h 1 2 3 4 5\n", "a.example."),
        ("a.example.zone", SOA, "a.example."),
        ("a.example.zone", "www 60 A 192.0.2.1\n", "a.example."),
        ("a.example.zone", "", "a.example."),
        ("A.Example.db", SOA, "a.example."),
        ("db.a.example", SOA, "a.example."),
        ("a.example.zone.signed", SOA, "a.example."),
        ("a.example", SOA, "a.example."),
    ],
)
def test_zone_name_is_found(tmp_path: Path, name: str, text: str, origin: str) -> None:
    (tmp_path / name).write_text(text)
    loaded = load(str(tmp_path / name))
    assert loaded.problems == ()
    assert loaded.origin == dns.name.from_text(origin).to_wire()


def test_zone_name_given_goes_first(tmp_path: Path) -> None:
    (tmp_path / "x.zone").write_text(SOA + "$ORIGIN b.\n")
    assert load(str(tmp_path / "x.zone"), "A.example").origin == b"\x01a\x07example\x00"


def test_zone_name_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.zone").write_text(SOA)
    loaded = load(str(tmp_path / "x.zone"), "a..b")
    assert [p.message for p in loaded.problems] == ["'a..b' is not a zone name: A DNS label is empty."]
    assert loaded.origin == b""


def test_missing_last_dot_of_the_soa_owner_is_suspected(tmp_path: Path) -> None:
    (tmp_path / "a.example.zone").write_text("a.example 60 SOA ns h 1 2 3 4 5\n")
    (problem,) = load(str(tmp_path / "a.example.zone")).problems
    assert problem.severity is Severity.WARNING
    assert (
        problem.message
        == "the zone is named a.example.a.example., its own name twice over; the SOA owner may lack its last dot"
    )


def test_file_name_that_is_no_zone_name(tmp_path: Path) -> None:
    (tmp_path / "a..b.zone").write_text("")
    (problem,) = load(str(tmp_path / "a..b.zone")).problems
    assert problem.message == "the zone's name is not known; write $ORIGIN on top of the file"
    assert name_from_path("a..b") == b""


@pytest.mark.parametrize("name", ["none.zone", "", "pipe.zone"])
def test_file_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.zone")
    loaded = load(str(tmp_path / name))
    assert len(loaded.problems) == 1
    assert loaded.problems[0].message.startswith("the file cannot be read: ")
    assert loaded.problems[0].line == 0
