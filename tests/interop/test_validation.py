"""Signed zones served by Pippin, in the eyes of three validators: ldns-verify-zone, delv and unbound."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest

from tests.interop.questions import questions
from tests.peers import pippin, unbound
from tests.peers.server import HOST, Server, Zone, program
from tests.peers.signing import Signed

NAMES = ("nsec.test", "nsec3.test", "optout.test")
TYPES = ("A", "AAAA", "TXT", "DS")  # not CNAME: unbound 1.17 takes those below a DNAME for bogus

# What delv has to say of (owner below the zone, type); %s is the zone.
SECURE = [
    ("www", "A", "fully validated"),
    ("alias", "A", "fully validated"),
    ("any.wild", "A", "fully validated"),
    ("any.cn", "A", "fully validated"),
    ("x.old", "A", "fully validated"),
    ("www.old", "A", "fully validated"),
    ("www", "MX", "negative response, fully validated"),
    ("any.wild", "MX", "negative response, fully validated"),
    ("b.ent", "A", "negative response, fully validated"),
    ("missing", "A", "negative response, fully validated"),
    ("missing.www", "A", "negative response, fully validated"),
    ("secure", "DS", "fully validated"),
]
# Opt-out spans prove nothing about the names in them (RFC 5155 section 12.2).
UNSURE_WITH_OPT_OUT = ("optout.test", "any.wild", "A")


@pytest.fixture(scope="module")
def server(zones: list[Zone]) -> Iterator[Server]:
    with pippin.serving(zones) as running:
        yield running


@pytest.fixture(scope="module")
def resolver(server: Server, signed: dict[str, Signed]) -> Iterator[Server]:
    with unbound.validating(server.port, {name: zone.ds for name, zone in signed.items()}) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_transferred_zone_verifies(name: str, server: Server, tmp_path: Path) -> None:
    verify = program("ldns-verify-zone", "ldnsutils")
    path = tmp_path / "transferred.zone"
    path.write_text(server.transfer(name).to_text(relativize=False))
    result = subprocess.run([verify, str(path)], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("owner", "rdtype", "expected"), SECURE)
def test_delv_validates(
    name: str, owner: str, rdtype: str, expected: str, server: Server, signed: dict[str, Signed], tmp_path: Path
) -> None:
    delv = program("delv", "bind9-dnsutils")
    tag, algorithm, digest_type, digest = signed[name].ds.split(maxsplit=3)
    anchors = tmp_path / "anchors"
    anchors.write_text(
        f'trust-anchors {{ "{name}" static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n'
    )
    command = [delv, f"@{HOST}", "-p", str(server.port), "-a", str(anchors), f"+root={name}"]
    result = subprocess.run(
        [*command, f"{owner}.{name}", rdtype], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    )
    if (name, owner, rdtype) == UNSURE_WITH_OPT_OUT:
        expected = "unsigned answer"
    assert f"; {expected}" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_unbound_finds_nothing_bogus(
    name: str, server: Server, resolver: Server, signed: dict[str, Signed]
) -> None:
    """Every question; SERVFAIL is what a bogus proof gets, and AD is on what the zone itself can vouch for."""
    zone = dns.zone.from_file(str(signed[name].file), name, relativize=False)
    bogus = []
    unsure = []
    for question in questions(zone, TYPES):
        if question.name == zone.origin and question.rdtype == dns.rdatatype.DS:
            continue  # unbound asks the parent
        direct = server.ask(question.name, question.rdtype)
        if not direct.flags & dns.flags.AA or "elsewhere.example" in str(direct):
            continue  # a referral or a name outside: unbound would ask servers that don't exist
        reply = resolver.ask(question.name, question.rdtype, dnssec=True, recursive=True)
        if reply.rcode() != direct.rcode():
            bogus.append(f"{question}: {dns.rcode.to_text(reply.rcode())}\n{direct}")
        elif not reply.flags & dns.flags.AD:
            unsure.append(str(question))
    assert not bogus, "\n".join(bogus[:10]) + resolver.log()[-3000:]
    if name != "optout.test":  # opt-out spans prove nothing about the names in them (RFC 5155 section 12.2)
        assert not unsure
