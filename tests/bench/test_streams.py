"""Query streams hit the zone the way their names say."""

from collections import Counter
from itertools import islice

import dns.name
import dns.rdatatype
import dns.zone
import pytest

from bench.streams import MIXTURE, STREAMS
from bench.zones import Plan

PLAN = Plan("example.test", 2_000, 2_700)
COUNT = 4_000


@pytest.fixture(scope="module")
def zone():
    return dns.zone.from_text("\n".join(PLAN.lines()) + "\n", relativize=False)


def kind(zone, line):
    """What a question of a stream runs into."""
    text, rdtype = line.split()
    name = dns.name.from_text(text)
    if (node := zone.get_node(name)) is not None:
        return "cname" if node.get_rdataset(1, dns.rdatatype.CNAME) else rdtype.lower()
    parent = name.parent()
    if zone.find_rdataset(parent, "NS") if parent != zone.origin and zone.get_node(parent) else None:
        return "referral"
    return "wildcard" if zone.get_node(dns.name.Name((b"*", *parent.labels))) is not None else "nxdomain"


def test_the_mixture_is_whole():
    assert sum(percent for percent, _ in MIXTURE) == 100


def test_the_mixed_stream_has_its_proportions(zone):
    found = Counter(kind(zone, line) for line in islice(STREAMS["mixed"](PLAN, 1), COUNT))
    for percent, name in MIXTURE:
        assert 100 * found[name] / COUNT == pytest.approx(percent, abs=2.5), name


@pytest.mark.parametrize("stream", ["nxdomain", "referral"])
def test_a_pure_stream_asks_one_kind_only(zone, stream):
    assert {kind(zone, line) for line in islice(STREAMS[stream](PLAN, 1), 500)} == {stream}


def test_the_hot_stream_asks_one_name():
    assert len(set(islice(STREAMS["hot"](PLAN, 1), 100))) == 1


def test_random_names_do_not_repeat():
    assert len(set(islice(STREAMS["nxdomain"](PLAN, 1), COUNT))) == COUNT


@pytest.mark.parametrize("stream", STREAMS)
def test_the_same_seed_gives_the_same_stream(stream):
    first, second = (list(islice(STREAMS[stream](PLAN, 7), 200)) for _ in range(2))
    assert first == second
