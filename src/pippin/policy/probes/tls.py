"""How long a certificate is still valid (RFC 5280 section 4.1.2.5)."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator

from pippin.policy.checks import TLSCheck
from pippin.policy.probes.stream import connected, tls_context
from pippin.policy.probes.unhealthy import Unhealthy

DAY = 86400.0

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18  # DER tags


async def check(check: TLSCheck, address: str) -> str:
    """The target is well if the handshake succeeds and its certificate has enough days left."""
    context = tls_context(check.verify, compare_names=check.name is not None)
    async with connected(address, check.port, context, check.name) as (_, writer):
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    days = (not_after(der) - time.time()) / DAY
    if days < 0:
        raise Unhealthy(f"certificate expired {-days:.0f} days ago")
    if days < check.days:
        raise Unhealthy(f"certificate expires in {days:.1f} days")
    return f"certificate is valid for {days:.0f} days"


def not_after(certificate: bytes) -> float:
    """Unix time at which a certificate (DER) ends. `Unhealthy` if it is none.

    By hand because the ssl module reads certificates only after it has verified them, and a self-signed one that is
    about to expire should be noticed as well.
    """
    try:
        tag, tbs = next(_values(next(_values(certificate))[1]))
        fields = [field for field in _values(tbs) if field[0] != _VERSION]
        # serial number, signature algorithm, issuer, validity: notBefore and notAfter
        (_, validity) = fields[3]
        _, (tag, text) = _values(validity)
        return _time(tag, text.decode("ascii"))
    except (StopIteration, IndexError, ValueError) as error:
        raise Unhealthy("its certificate cannot be read") from error


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of the values that follow one another (X.690 section 8.1)."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(der[at : at + octets], "big")
            at += octets
        if at + length > len(der):
            raise ValueError("a value is longer than what it is in")
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, text: str) -> float:
    if tag == _UTC_TIME:  # two digits of a year mean 1950 to 2049
        text = ("19" if text[0] >= "5" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("neither of the two forms of a time")
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
