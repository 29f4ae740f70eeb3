"""Types and data as text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pippin.policy.rdata import AAAA, TXT, A, RdataError, address_type, parse, text_of, type_number, type_text

MX, TYPE65280 = 15, 65280


def test_names_are_absolute_with_or_without_the_last_dot() -> None:
    assert (
        parse(MX, "10 mail.example.com")
        == parse(MX, "10 mail.example.com.")
        == b"\0\12\4mail\7example\3com\0"
    )


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("v=spf1 -all", b"\x0bv=spf1 -all"),
        ('"a b" c', b"\3a b\1c"),  # as in a master file
        ("", b"\0"),
        ('say "yes"', b'\x09say "yes"'),
        ("\u00e9", b"\2\xc3\xa9"),
    ],
)
def test_text_data_without_quotes_is_one_text(text: str, wire: bytes) -> None:
    assert parse(TXT, text) == wire


@settings(deadline=None)
@given(st.text(max_size=700).filter(lambda text: not text.lstrip().startswith('"')))
def test_long_text_is_cut_into_strings(text: str) -> None:
    wire, joined = parse(TXT, text), b""
    while wire:
        joined += wire[1 : 1 + wire[0]]
        wire = wire[1 + wire[0] :]
    assert joined == text.encode()


def test_unknown_types_have_generic_data() -> None:
    assert type_number("TYPE65280") == TYPE65280
    assert type_text(TYPE65280) == "TYPE65280"
    assert parse(TYPE65280, r"\# 2 abcd") == b"\xab\xcd"
    assert text_of(TYPE65280, b"\xab\xcd") == r"\# 2 abcd"


def test_address_types() -> None:
    assert [address_type(text) for text in ("192.0.2.1", "2001:db8::1", "a")] == [A, AAAA, 0]


@pytest.mark.parametrize(
    ("rdtype", "text", "message"),
    [
        (A, "2001:db8::1", "'2001:db8::1' is no IPv4 address, which A data is"),
        (AAAA, "www.example.com", r"for a name, return cname\('www.example.com'\) or alias"),
        (MX, "mail.example.com", "'mail.example.com' is no MX data: "),
        (MX, "10 " + "a" * 64, "is no MX data: "),
    ],
)
def test_data_that_is_none(rdtype: int, text: str, message: str) -> None:
    with pytest.raises(RdataError, match=message):
        parse(rdtype, text)


@pytest.mark.parametrize("text", ["", "AX", "ANY", "AXFR", "OPT", "TYPE99999", "NONE"])
def test_type_that_no_record_has(text: str) -> None:
    with pytest.raises(RdataError):
        type_number(text)
