"""The tests' own signer makes the chains and signs the RRsets that BIND's dnssec-signzone does."""

from __future__ import annotations

import dns.name
import dns.rdatatype
import dns.zonefile
import pytest

from tests.agreement.signing import Nsec, Nsec3, sign
from tests.peers import signing
from tests.zone.images import parse
from tests.zone.test_denial import ZONE


@pytest.mark.parametrize(
    ("how", "options"),
    [
        (Nsec(), []),
        (Nsec3(1, b"\xab"), ["-3", "ab", "-H", "1"]),
        (Nsec3(0, b"", True), ["-3", "-", "-H", "0", "-A"]),
    ],
    ids=["nsec", "nsec3", "optout"],
)
def test_chains_are_those_of_a_real_signer(tmp_path, how, options):
    source = tmp_path / "zone"
    source.write_text(
        "\n".join(f"{line.split()[0]} {line.split(None, 1)[1]}" for line in ZONE.split("\n") if line)
    )
    signed = signing.sign("z", source, tmp_path / "keys", "-P", *options)
    origin = dns.name.from_text("z.")
    theirs = dns.zonefile.read_rrsets(signed.file.read_text(), origin=origin, relativize=False, rdclass=None)
    ours = [(owner, rdata) for _, owner, _, rdata in parse(sign(ZONE, "z.", how), origin)]
    assert outline((rrset.name, rdata) for rrset in theirs for rdata in rrset) == outline(ours)


def outline(records):
    """What there is to compare: denials whole, signatures by what they cover, nothing of the keys."""
    found = set()
    for owner, rdata in records:
        if rdata.rdtype == dns.rdatatype.RRSIG:
            found.add((owner, "RRSIG", rdata.covers(), rdata.labels))
        elif rdata.rdtype in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3):
            found.add((owner, dns.rdatatype.to_text(rdata.rdtype), rdata.to_text()))
    return found
