"""Whatever a Redis holds, a line of a value means what it means alone, or is refused: it reaches into no other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pippin.engine.records import iterate
from pippin.source.redis.values import Fields

ORIGIN = b"\x04octo\x04test\x00"
PIECES = [
    b"300", b"A", b"192.0.2.1", b"TXT", b'"', b'"a b"', b"(", b")", b";", b"\\", b"\\;", b"\\010", b"@", b"$INCLUDE",
    b"$ORIGIN x.", b"$TTL 5", b"$GENERATE 1-9", b"IN", b"CH", b"\n", b"\r", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"www", b"NS", b"CNAME", b"\\# 4 01020304", b"TYPE1", b"1h", b"-1", b"", b"MX 10",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=8).flatmap(
    lambda words: st.sampled_from([b" ", b""]).map(lambda blank: blank.join(words))
)
GOOD = st.sampled_from([b"300 A 192.0.2.1", b'60 TXT "x;(" y', b"5 MX 10 mail", b"5 IN NS @"])
LINES = st.lists(GOOD | TEXTS, max_size=4).map(b"\n".join)


def records(fields: dict[bytes, bytes]) -> list[tuple[bytes, int, int, bytes]]:
    reader = Fields("x", ORIGIN)
    reader.add(fields.items())
    return [(one.owner, one.type, one.ttl, one.rdata) for one in iterate(reader.loaded().records)]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([b"@", b"www", b"a.b"]) | TEXTS, LINES, max_size=5))
def test_lines_do_not_reach_into_each_other(fields: dict[bytes, bytes]) -> None:
    alone = [
        record
        for field, value in fields.items()
        for line in value.split(b"\n")
        for record in records({b"before": b"7 A 192.0.2.7", field: line, b"after": b"8 A 192.0.2.8"})[1:-1]
    ]
    whole = records({b"before": b"7 A 192.0.2.7", **fields, b"after": b"8 A 192.0.2.8"})
    before = (b"\x06before" + ORIGIN, 1, 7, b"\xc0\x00\x02\x07")
    after = (b"\x05after" + ORIGIN, 1, 8, b"\xc0\x00\x02\x08")
    assert whole == [before, *alone, after]
