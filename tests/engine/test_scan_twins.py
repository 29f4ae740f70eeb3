"""The scanner, compiled and uncompiled, on the same mangled zone text: the same records, errors and places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pippin.engine import scan
from tests.conftest import uncompiled_twin
from tests.engine.test_scan import ORIGIN, Host, Read

GOOD = [
    "a 60 A 192.0.2.1\n", "  60 AAAA 2001:db8::1\n", "@ 60 SOA n h ( 1 ; serial\n 2h 3 4 5 )\n", "b 60 MX 10 c\n",
    'c 60 TXT "x y" \\065 ""\n', "d 60 NSEC e A TYPE1234\n", "e 60 DS 1 13 9 ab cd\n", "$TTL 1h\n", "$ORIGIN sub\n",
    "$GENERATE 1-3 h${0,3} A 10.0.0.$\n", "$INCLUDE inner sub\n", "f 60 TYPE999 \\# 3 abcdef\n",
    'g 60 HTTPS 1 . alpn="h2"\n',
    "h 60 RRSIG A 13 2 60 20260101000000 1 1 @ AAEC\n", "i 60 NSEC3 1 0 0 - 2vptu5tim A\n", 'j 60 CAA 0 issue "x"\n',
    "k 60 DNSKEY 257 3 13 AAEC\n", "l 60 SRV 1 2 3 m\n",
]  # fmt: skip
MANGLES = [*'()"\\;\n .@=\0\xff', "\\256", "\r\n", "..", "x" * 70, "y." * 130, "9" * 12]


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    text = "".join(draw(st.lists(st.sampled_from(GOOD), max_size=6)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(MANGLES)) + text[at + draw(st.integers(0, 3)) :]
    return text.encode("latin-1")


@pytest.mark.skipif(not scan.is_compiled(), reason="pippin.engine.scan is not compiled in this installation")
@given(texts(), st.sampled_from([ORIGIN, b""]))
@settings(max_examples=500, deadline=None)
def test_twins_read_the_same(text: bytes, origin: bytes) -> None:
    outcomes = []
    for module in (scan, uncompiled_twin("scan")):
        scanner = module.Scanner(Host(inner="a 5 A 192.0.2.9\nb A\n"), origin, b"\x01f\0")
        scanner.scan(text)
        read = Read(scanner)
        outcomes.append((read.errors, read.unreported, read.zone, read.records))
    assert outcomes[0] == outcomes[1]
