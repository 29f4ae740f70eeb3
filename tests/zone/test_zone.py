"""The view on a compiled zone, held against a dictionary of the same text."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pippin.zone.zone import Nsec3Params, Zone, nsec3_hash, nsec3_label
from tests.agreement.signing import Nsec, Nsec3, sign
from tests.agreement.worlds import worlds
from tests.zone.images import compiled
from tests.zone.standin import DictZone

TEXT = """
@ 60 SOA ns host 42 2 3 4 5
@ NS ns
ns A 192.0.2.1
*.w MX 10 ns
cut NS ns.cut
ns.cut A 192.0.2.2
b.a.deep TXT "x"
Mixed CNAME Ns
"""


@pytest.fixture
def zone():
    return compiled(TEXT, "example.")


def name(text):
    return dns.name.from_text(text)


def test_what_is_not_a_compiled_zone_is_refused():
    with pytest.raises(ValueError, match="not a compiled zone"):
        Zone(b"nonsense" * 30)


def test_header(zone):
    assert (zone.origin, zone.serial, zone.is_signed) == (name("example."), 42, False)
    assert zone.statistics().nodes == 10
    assert zone.statistics().records == 8


def test_names_in_canonical_order_with_empty_non_terminals(zone):
    """RFC 4034 section 6.1."""
    found = [node.name for node in zone.nodes()]
    assert found == sorted(found)
    assert name("deep.example.") in found


def test_look_up_is_case_blind_and_rdata_keeps_its_case(zone):
    node = zone.node(name("MIXED.example."))
    assert node is not None
    assert node.get(5)[0].target.to_text() == "Ns.example."


def test_names_outside_the_zone_are_not_there(zone):
    assert zone.node(name("ns.other.")) is None
    assert zone.node(name("ample.")) is None


def test_cut_above(zone):
    assert zone.cut_above(name("x.ns.cut.example.")).name == name("cut.example.")
    assert zone.cut_above(name("cut.example.")).name == name("cut.example.")
    assert zone.cut_above(name("example.")) is None


def test_closest_encloser(zone):
    assert zone.closest_encloser(name("x.y.a.deep.example.")).name == name("a.deep.example.")
    assert zone.closest_encloser(name("x.example.")).name == name("example.")


def test_unsigned_zone_has_no_predecessor(zone):
    with pytest.raises(LookupError):
        zone.predecessor(name("x.example."))


def test_nsec3_hash_of_rfc_5155_appendix_a():
    params = Nsec3Params(1, 12, bytes.fromhex("aabbccdd"))
    assert nsec3_label(nsec3_hash(name("example."), params)) == b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
    assert nsec3_label(nsec3_hash(name("x.y.w.example."), params)) == b"2vptu5timamqttgl4luu9kg21e0aor3s"


@settings(
    max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(worlds(), st.sampled_from([None, Nsec(), Nsec3(), Nsec3(1, b"\1", True)]))
def test_every_record_can_be_read_back(world, how):
    for origin, text in world.items():
        signed = text if how is None else sign(text, origin, how)
        views = compiled(signed, origin), DictZone(signed, origin)
        one, other = ([(n.canonicalize(), ttl, rdata) for n, ttl, rdata in view.records()] for view in views)
        assert one[0] == other[0]
        assert set(one) == set(other)
        assert len(one) == len(set(one)) == views[0].statistics().records
