"""Record types and data as text, in and out of wire format; dnspython does the parsing, this says what is wrong."""

from __future__ import annotations

import functools
import ipaddress

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

A, CNAME, TXT, AAAA = 1, 5, 16, 28
LONGEST_STRING = 255
"""Octets of a string in TXT data, RFC 1035 section 3.3."""

NOT_FROM_POLICIES = {
    "CNAME": "return cname(...) from a policy for A or AAAA",
    "DNAME": "it changes the names below it; write it into the zone",
    "NS": "delegations and the names of a zone's servers are zone data",
    "SOA": "the SOA record is zone data",
    **dict.fromkeys(
        ("DS", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "KEY", "SIG", "NXT"),
        "DNSSEC's own records are zone data",
    ),
}
"""Types that no policy decides, and what is meant instead."""


class RdataError(ValueError):
    """A type or data that does not exist; the message says what was found and what would be right."""


def type_number(text: str) -> int:
    """`"A"` -> 1. Raises `RdataError`, also for types that only questions have."""
    try:
        number = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise RdataError(
            f"{text!r} is no record type; right would be 'A', 'AAAA', 'TXT' or 'TYPE65280'"
        ) from None
    if number == 0 or dns.rdatatype.is_metatype(number):
        raise RdataError(f"{text!r} is a type that only questions and messages have (RFC 6895 section 3.1)")
    return int(number)


def type_text(number: int) -> str:
    """1 -> `"A"`."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))


def address_type(text: str) -> int:
    """`A` or `AAAA` if `text` is an address, else 0."""
    try:
        return A if ipaddress.ip_address(text).version == 4 else AAAA
    except ValueError:
        return 0


@functools.lru_cache(maxsize=65536)
def parse(rdtype: int, text: str) -> bytes:
    """Data in uncompressed wire format. Raises `RdataError`.

    Names are absolute with or without the last dot. TXT data without quotes is one text, cut into strings of 255
    octets; in a master file each of its words would be a string.
    """
    written = text
    if rdtype == TXT and not text.lstrip().startswith('"'):
        written = _quoted(text)
    try:
        rdata = dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), written, dns.name.root, relativize=False
        )
        wire = rdata.to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        raise RdataError(_explain(rdtype, text, error)) from None
    assert wire is not None  # only None when written to a file object
    return wire


@functools.lru_cache(maxsize=65536)
def text_of(rdtype: int, wire: bytes) -> str:
    """Data in wire format as a master file has it."""
    number = dns.rdatatype.RdataType.make(rdtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, number, wire, 0, len(wire)).to_text()


def _quoted(text: str) -> str:
    octets = text.encode()
    strings = [octets[i : i + LONGEST_STRING] for i in range(0, len(octets), LONGEST_STRING)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03}" for octet in string) + '"' for string in strings)


def _explain(rdtype: int, text: str, error: Exception) -> str:
    kind = type_text(rdtype)
    if rdtype in (A, AAAA):
        address = address_type(text)
        version = "IPv4" if rdtype == A else "IPv6"
        hint = "" if address else f"; for a name, return cname({text!r}) or alias({text!r})"
        return f"{text!r} is no {version} address, which {kind} data is{hint}"
    return f"{text!r} is no {kind} data: {error or type(error).__name__}"
