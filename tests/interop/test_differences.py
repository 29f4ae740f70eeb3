"""The same zones and questions to Pippin, NSD, Knot and BIND: every difference is in the table and explained.

Each peer gets the zones twice: from the files, and by AXFR from Pippin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dns.message
import dns.name
import dns.rdatatype
import dns.zone
import pytest

from tests.interop import differences
from tests.interop.questions import Question, Records, meaning, questions
from tests.peers import bind, knot, nsd, pippin
from tests.peers.server import Server, Zone

PEERS = {"nsd": nsd, "knot": knot, "bind": bind}
TABLE = differences.allowed(differences.TABLE.read_text())
SHOWN = 5


@pytest.fixture(scope="module")
def server(zones: list[Zone]) -> Iterator[Server]:
    with pippin.serving(zones) as running:
        yield running


def compare(ours: Server, theirs: Server, peer: str, zone: dns.zone.Zone) -> tuple[list[str], set[str]]:
    """Ask both every question; what stays unexplained, and which explanations were needed."""
    explanations = [name for name, peers in TABLE.items() if peer in peers]
    signed = zone.get_rdataset(zone.origin, "DNSKEY") is not None
    unexplained = []
    used: set[str] = set()
    for question in questions(zone):
        mine = meaning(ours.ask(question.name, question.rdtype, dnssec=signed))
        other = meaning(theirs.ask(question.name, question.rdtype, dnssec=signed))
        rest, needed = differences.explain(question, mine, other, explanations)
        used |= needed
        if rest != mine:
            unexplained.append(f"{question}\nPippin: {mine.besides(rest)}\n{peer}: {rest.besides(mine)}\n")
    return unexplained, used


def contents(zone: dns.zone.Zone) -> Records:
    return frozenset(
        (name.canonicalize(), rdata.rdtype, ttl, rdata.to_digestable()) for name, ttl, rdata in zone.iterate_rdatas()
    )


def parsed(zone: Zone) -> dns.zone.Zone:
    return dns.zone.from_file(str(zone.file), zone.name, relativize=False)


@pytest.mark.parametrize("peer", PEERS)
def test_differences_are_explained(peer: str, server: Server, zones: list[Zone]) -> None:
    used: set[str] = set()
    with PEERS[peer].serving(zones) as other:
        for zone in zones:
            unexplained, needed = compare(server, other, peer, parsed(zone))
            used |= needed
            assert not unexplained, f"{len(unexplained)} in {zone.name}:\n" + "\n".join(unexplained[:SHOWN])
    listed = {name for name, peers in TABLE.items() if peer in peers}
    assert used == listed, "rows that no difference needs"


@pytest.mark.parametrize("peer", PEERS)
def test_secondary_has_the_same_zone_and_answers(peer: str, server: Server, zones: list[Zone]) -> None:
    fed = [Zone(zone.name, primary=server.port) for zone in zones]
    with PEERS[peer].serving(fed) as secondary:
        for zone in zones:
            expected = contents(parsed(zone))
            assert contents(server.transfer(zone.name)) == expected
            assert contents(secondary.transfer(zone.name)) == expected
        unexplained, _ = compare(server, secondary, peer, parsed(zones[0]))
    assert not unexplained, f"{len(unexplained)}:\n" + "\n".join(unexplained[:SHOWN])


def test_table_and_explanations_are_the_same_list() -> None:
    assert set(TABLE) == set(differences.EXPLANATIONS)
    assert set().union(*TABLE.values()) <= set(PEERS)


def test_an_unknown_difference_is_not_explained() -> None:
    query = dns.message.make_query("www.corners.test", "A")
    reply = dns.message.make_response(query)
    ours = meaning(reply)
    theirs = replace(ours, authoritative=True)
    question = Question(dns.name.from_text("www.corners.test"), dns.rdatatype.A)
    rest, used = differences.explain(question, ours, theirs, TABLE)
    assert rest != ours
    assert not used
