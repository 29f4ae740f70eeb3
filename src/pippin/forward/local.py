"""Names that must not leave: special use (RFC 6761) and private address space backwards (RFC 6303).

They get their answers here, unless the operator's `suffix` says who knows better.
"""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from pippin.zone.answer import Answer

_NEGATIVE_TTL = 10800
"""Seconds, as in RFC 6303 section 3."""

_LOCALHOST_TTL = 10800

_REVERSE_IPV4 = (
    # RFC 6303 sections 4.1 and 4.2
    *("0", "10", "127", "254.169", "168.192", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"),
    *(f"{n}.172" for n in range(16, 32)),
    *(f"{n}.100" for n in range(64, 128)),  # RFC 7793
)

_REVERSE_IPV6 = (
    "0." * 31 + "0",  # ::
    "1." + "0." * 30 + "0",  # ::1
    "d.f",  # unique local
    "8.e.f",
    "9.e.f",
    "a.e.f",
    "b.e.f",  # link-local
    "8.b.d.0.1.0.0.2",  # documentation
)

_LOCALHOST = dns.name.from_text("localhost.")

LOCAL_ZONES: frozenset[dns.name.Name] = frozenset(
    dns.name.from_text(text)
    for text in (
        "localhost.",  # RFC 6761 section 6.3
        "invalid.",  # section 6.4
        "test.",  # section 6.2
        "local.",  # RFC 6762 section 22.1
        "onion.",  # RFC 7686
        "home.arpa.",  # RFC 8375
        "resolver.arpa.",  # RFC 9462 section 6.4
        "service.arpa.",  # RFC 9665
        *(f"{name}.in-addr.arpa." for name in _REVERSE_IPV4),
        *(f"{name}.ip6.arpa." for name in _REVERSE_IPV6),
    )
)


def answer_locally(name: dns.name.Name, qtype: int, zone: dns.name.Name) -> Answer:
    """The answer for a name in a zone that stays here: NXDOMAIN, NODATA at its apex, addresses for localhost."""
    if zone == _LOCALHOST and qtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
        kind, address = ("A", "127.0.0.1") if qtype == dns.rdatatype.A else ("AAAA", "::1")
        return Answer(aa=False, answer=[dns.rrset.from_text(name, _LOCALHOST_TTL, "IN", kind, address)])
    exists = name == zone or zone == _LOCALHOST
    soa = dns.rdata.from_text(
        dns.rdataclass.IN, dns.rdatatype.SOA, f"{zone} nobody.invalid. 1 3600 1200 604800 {_NEGATIVE_TTL}"
    )
    authority = [dns.rrset.from_rdata(zone, _NEGATIVE_TTL, soa)]
    rcode = dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN
    return Answer(rcode, aa=False, authority=authority)
