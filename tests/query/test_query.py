"""Query: what is read from a packet, and what is malformed about one."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import pytest

from pippin.query.query import Malformed, Query, Transport


def query_of(wire: bytes) -> Query:
    return Query(wire, ("192.0.2.1", 5353), Transport.UDP)


def test_question_is_read_in_the_case_it_was_asked() -> None:
    query = query_of(dns.message.make_query("WwW.Example.", "MX", id=4711).to_wire())
    assert query.id == 4711
    assert query.name_wire == b"\3WwW\7Example\0"
    assert (query.type, query.rdclass) == (15, 1)


@pytest.mark.parametrize("want_dnssec", [False, True])
def test_do_bit_comes_from_the_opt_record(want_dnssec: bool) -> None:
    query = query_of(dns.message.make_query("example.", "A", want_dnssec=want_dnssec).to_wire())
    assert query.dnssec_ok is want_dnssec
    assert query.has_edns is want_dnssec


@pytest.mark.parametrize("want_dnssec", [False, True])
@pytest.mark.parametrize("options", [(), (dns.edns.GenericOption(10, b"12345678"), dns.edns.ECSOption("192.0.2.0"))])
def test_do_bit_is_read_the_same_with_and_without_parsing(
    want_dnssec: bool, options: tuple[dns.edns.Option, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = dns.message.make_query("example.", "A")
    message.use_edns(0, dns.flags.DO if want_dnssec else 0, options=options)
    wire = message.to_wire()
    signed = wire[:10] + b"\0\2" + wire[12:] + b"\0\xff\0\0\1" + bytes(6)  # another record behind it
    assert query_of(signed).dnssec_ok is want_dnssec
    monkeypatch.setattr(Query, "message", None)
    assert query_of(wire).dnssec_ok is want_dnssec
    assert not query_of(dns.message.make_query("example.", "A").to_wire()).dnssec_ok


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (bytes(12), "no question"),
        (bytes(5) + b"\1" + bytes(6), "no question"),
        (bytes(5) + b"\1" + bytes(6) + b"\3ww", "ends inside the question's name"),
        (bytes(5) + b"\1" + bytes(6) + b"\xc0\x0c\0\1\0\1", "offset 12: label length 192"),
        (bytes(5) + b"\1" + bytes(6) + b"\0\0\1", "ends inside the question"),
        (bytes(5) + b"\1" + bytes(6) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", "longer than 255"),
    ],
)
def test_malformed_question_says_what_is_wrong_and_where(wire: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        query_of(wire).type  # noqa: B018


def test_malformed_remainder_only_matters_to_whoever_reads_it() -> None:
    wire = bytearray(dns.message.make_query("example.", "A").to_wire())
    wire[11] = 1  # an additional record is announced that does not come
    query = query_of(bytes(wire))
    assert query.type == 1
    with pytest.raises(Malformed, match="cannot be parsed"):
        query.message  # noqa: B018
