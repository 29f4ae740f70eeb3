"""Fields become the records they mean; what is no record is reported with its place and spoils no other."""

from __future__ import annotations

import re

import pytest

from pippin.engine.scan import MAX_ERRORS
from pippin.source.loaded import Loaded
from pippin.source.redis.values import VALUE_LIMIT, Fields
from pippin.zone.problem import Problem
from tests.source.redis.zones import SOA, shown

ORIGIN = b"\x04octo\x04test\x00"


def loaded(fields: dict[bytes, bytes]) -> Loaded:
    reader = Fields("redis://h/0 pippin:zone:octo.test", ORIGIN, "v1")
    reader.add(fields.items())
    return reader.loaded()


def test_fields_are_the_records_they_mean() -> None:
    zone = loaded(
        {
            b"@": SOA.encode() + b"\n300 NS ns1\n\n60 MX 10 @\n",
            b"www": b"0 A 192.0.2.1\r\n60 IN AAAA 2001:db8::1",
            b"*.cdn": b"60 cname www.elsewhere.test.",
            b"_sip._tcp": b"60\tSRV\t0 5 5060\tsip",
            b"a\\;b": b'60 TXT "x; (y" "z\\"\\200"',
            b"\\@": b"60 CAA 0 issue \"ca.test\"",
            b"x\\.y": b"60 TYPE65400 \\# 2 abcd",
            b"$1": b"60 A 192.0.2.2",
            b"empty": b"",
            b";note": b"anything at all (\n",
        }
    )
    assert [str(problem) for problem in zone.problems] == [
        "redis://h/0 pippin:zone:octo.test $1: the field is written in another way than names are looked up; "
        r"right would be \$1"
    ]
    assert shown(zone) == sorted(
        [
            "octo.test. 300 SOA ns1.octo.test. hostmaster.octo.test. 1 7200 3600 1209600 300",
            "octo.test. 300 NS ns1.octo.test.",
            "octo.test. 60 MX 10 octo.test.",
            "www.octo.test. 0 A 192.0.2.1",
            "www.octo.test. 60 AAAA 2001:db8::1",
            "*.cdn.octo.test. 60 CNAME www.elsewhere.test.",
            "_sip._tcp.octo.test. 60 SRV 0 5 5060 sip.octo.test.",
            r'a\;b.octo.test. 60 TXT "x; (y" "z\"\200"',
            r'\@.octo.test. 60 CAA 0 issue "ca.test"',
            r"x\.y.octo.test. 60 TYPE65400 \# 2 abcd",
        ]
    )
    assert zone.version == "v1"
    assert zone.is_master_file
    assert not loaded({b"; a zone without NS records": b""}).is_master_file


@pytest.mark.parametrize(
    ("value", "line", "reason"),
    [
        (b"300 A 192.0.2.300", 1, "'192.0.2.300' is not an IPv4 address"),
        (b"300 A 192.0.2.1\n300 A", 2, "'300 A' has no data after its type"),
        (b"A 192.0.2.1", 1, "does not begin with a TTL in seconds"),
        (b"1h A 192.0.2.1", 1, "does not begin with a TTL in seconds"),
        (b"-1 A 192.0.2.1", 1, "does not begin with a TTL in seconds"),
        (b"99999999999 A 192.0.2.1", 1, "TTL"),
        (b"300 300 A 192.0.2.1", 1, "has no type after its TTL"),
        (b"300", 1, "has no type after its TTL"),
        (b"300 CH TXT x", 1, "has a class"),
        (b"300 IN IN A 192.0.2.1", 1, "has a class"),
        (b"300 NONSENSE x", 1, "NONSENSE"),
        (b"300 A 192.0.2.1 300 A 192.0.2.2", 1, "more than A data has"),
        (b"300 A 192.0.2.1\x00", 1, "has a control character"),
        (b"300 A 192.0.2.1\r300 A 192.0.2.2", 1, "has a control character"),
        (b"300 A 192.0.2.1\x0b", 1, "has a control character"),
        (b'300 TXT "open', 1, "a quote that is never closed"),
        (b'300 TXT "open\n300 A 192.0.2.1"', 1, "a quote that is never closed"),
        (b"300 TXT (open\n300 A 192.0.2.1", 1, "has a '(' outside quotes"),
        (b"300 TXT v=DKIM1; p=none", 1, "has a ';' outside quotes"),
        (b"300 CNAME b\xc3\xbccher", 1, "outside quotes"),
        (b"300 CNAME x\\", 1, "ends in the middle of an escape"),
        (b"300 CNAME x\\1y", 1, "has an escape that is none"),
        (b"$INCLUDE /etc/passwd", 1, "does not begin with a TTL"),
        (b"$ORIGIN elsewhere.test.", 1, "does not begin with a TTL"),
        (b"300 A 192.0.2.1\n" * (VALUE_LIMIT // 16 + 1), 0, "the value has 1,048,592 octets, more than 1,048,576"),
        (b"\xef\xbb\xbf300 A 192.0.2.1", 1, "does not begin with a TTL"),
    ],
)
def test_garbage_is_reported_with_its_place_and_spoils_no_other(value: bytes, line: int, reason: str) -> None:
    fields = {b"before": b"300 A 192.0.2.1", b"x": value, b"y": b"300 A 192.0.2.2"}
    zone = loaded(fields)
    problem = zone.problems[0]
    assert reason in problem.message
    assert (problem.file, problem.line) == ("redis://h/0 pippin:zone:octo.test x", line)
    others = [text for text in shown(zone) if not text.startswith("x.")]
    assert others == ["before.octo.test. 300 A 192.0.2.1", "y.octo.test. 300 A 192.0.2.2"]


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b"", "the zone itself is @"),
        (b"WWW", "right would be www"),
        (b"www.octo.test.", "ends in a dot"),
        (b"two words", r"right would be two\\032words"),
        (b"b\xc3\xbccher", "not a name; octets beyond ASCII"),
        (b"a..b", "not a name"),
        (b"x" * 64, "not a name"),
        (b"x\n300 A 192.0.2.3", "right would be"),
        (b"x\ty", "right would be"),
        (b"(", r"right would be \\\("),
        (b'"', "right would be"),
        (b"$INCLUDE", r"right would be \\\$include"),
        (b"$ORIGIN\telsewhere.test", "right would be"),
        (b"\\119ww", "right would be www"),
        (b"\\", "not a name"),
    ],
)
def test_field_that_is_no_name_is_reported(field: bytes, reason: str) -> None:
    zone = loaded({b"before": b"300 A 192.0.2.1", field: b"300 A 192.0.2.3", b"y": b"300 A 192.0.2.2"})
    (problem,) = zone.problems
    assert re.search(reason, problem.message), problem.message
    assert len(shown(zone)) == 2


def test_name_too_long_with_its_zone_is_reported() -> None:
    field = b".".join([b"x" * 62] * 4)
    (problem,) = loaded({field: b"300 A 192.0.2.3"}).problems
    assert problem.file.startswith("redis://h/0 pippin:zone:octo.test xxx")
    assert "255" in problem.message


def test_many_errors_are_counted() -> None:
    zone = loaded({b"n%d" % number: b"300 A garbage" for number in range(MAX_ERRORS + 500)})
    assert zone.problems[-1].message.endswith("more errors are not shown")
    assert len(zone.problems) == MAX_ERRORS + 1


def test_problems_found_later_have_the_place_in_redis() -> None:
    zone = loaded({b"@": SOA.encode(), b"www": b"300 A 192.0.2.1\n300 A 192.0.2.2"})
    (problem,) = [zone.locate(Problem("x", 3, 12, "what"))]
    assert problem.place == "redis://h/0 pippin:zone:octo.test www:2:8"
    assert zone.locate(Problem("x", 0, 0, "what")).place == "redis://h/0 pippin:zone:octo.test"
