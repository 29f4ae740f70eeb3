"""Records read back from compiled zones, one by one and as messages; both engines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import ModuleType

import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pippin.engine.compile import compile_zone
from pippin.engine.records import append, iterate
from tests.agreement.signing import Nsec, Nsec3, sign
from tests.agreement.worlds import worlds
from tests.conftest import uncompiled_twin
from tests.zone.images import SEED, compiled, stream_of

Record = tuple[bytes, int, int, bytes]

SOA = "@ SOA ns host 1 2 3 4 5"
EVERY_TYPE = f"""
{SOA}
@ NS ns
@ NS ns.elsewhere.test.
@ MX 10 @
@ DNSKEY 256 3 13 AAEC
@ CAA 0 issue "ca.test"
@ ZONEMD 1 1 1 {"ab" * 48}
ns 60 A 192.0.2.1
ns 60 AAAA 2001:db8::1
ns HINFO "a" "b"
ns RP host.ns txt.ns
ns AFSDB 1 ns
ns LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
ns NAPTR 1 2 "s" "x" "" _x.ns
ns KX 1 ns
ns CERT 1 1 1 AAEC
ns APL 1:192.0.2.0/24
ns SSHFP 1 1 0123456789abcdef0123456789abcdef01234567
ns IPSECKEY 1 3 2 ns AAEC
ns DHCID AAEC
ns TLSA 3 1 0 ab
ns SMIMEA 3 1 0 ab
ns HIP 2 200100107B1A74DF365639CC39F1D578 AAEC ns
ns OPENPGPKEY AAEC
ns SVCB 1 svc.ns port=1
ns HTTPS 0 ns
ns SPF "v"
ns EUI48 00-00-5e-00-53-2a
ns URI 1 2 "http://x.test/"
ns TYPE65280 \\# 0
ns TYPE65281 \\# 3 c00c01
mail MX 10 mail
mail MX 20 a.mail
mail MX 30 b.a.mail
mail MX 40 c.elsewhere.test.
mail MX 50 d.elsewhere.test.
mail TXT "x" "" "y"
alias CNAME Mail
gone CNAME gone.elsewhere.test.
loop CNAME loop
1.2.3.rev PTR ns.rev
1.2.4.rev PTR x.1.2.4.rev
2.4.rev PTR 1.2.4.rev
3rev PTR 3.rev
*.wild MX 10 x.wild
*.wild NS *.wild
*.*.star CNAME *.star
d DNAME e.elsewhere.test.
x.d TXT "occluded"
cut NS ns.cut
cut NS cut
cut NS ns.ns.cut
cut DS 1 13 2 {"cd" * 32}
ns.cut A 192.0.2.2
*.cut MX 1 y.cut
_s._tcp SRV 1 2 3 ns
"""


def records_of(text: str, origin: str) -> list[Record]:
    """What a transfer of a text should have, canonical order left aside."""
    return sorted((r.owner.lower(), r.type, r.ttl, r.rdata) for r in iterate(stream_of(text, origin)))


def lower(records: Iterator[Record]) -> list[Record]:
    """Sorted, and rdata in one case: names that a zone shares keep one spelling."""
    return sorted((owner, rdtype, ttl, rdata.lower()) for owner, rdtype, ttl, rdata in records)


def messages(module: ModuleType, image: bytes, origin: str, limit: int) -> Iterator[bytes]:
    question = dns.message.make_query(origin, "AXFR", id=7).to_wire()
    unpacker = module.Unpacker(image)
    while True:
        wire, count = unpacker.message(question[:2] + bytes(10) + question[12:], limit)
        if not count:
            assert wire[12:] == question[12:]
            return
        yield wire[:4] + b"\0\1" + count.to_bytes(2, "big") + bytes(4) + wire[12:]


def in_messages(module: ModuleType, image: bytes, origin: str, limit: int) -> list[Record]:
    found = []
    for wire in messages(module, image, origin, limit):
        message = dns.message.from_wire(wire, one_rr_per_rrset=True)
        assert len(wire) <= limit or len(message.answer) == 1
        for rrset in message.answer:
            found.append(
                (rrset.name.canonicalize().to_wire(), int(rrset.rdtype), rrset.ttl, rrset[0].to_wire())
            )
    return found


@pytest.fixture
def unpack(engine_module: Callable[[str], ModuleType]) -> ModuleType:
    return engine_module("unpack")


@pytest.mark.parametrize("origin", ["example.", "a.long.Origin.test.", "."])
def test_stream_compiles_to_the_same_zone(unpack: ModuleType, origin: str) -> None:
    image = compiled(EVERY_TYPE, origin).image
    stream = unpack.Unpacker(image).stream()
    found = [(r.owner, r.type, r.ttl, r.rdata) for r in iterate(stream)]
    assert found == list(unpack.Unpacker(image))
    wire = dns.name.from_text(origin).canonicalize().to_wire()
    again, findings = compile_zone(stream, wire, SEED)  # in another order, which the hash table shows
    assert (list(unpack.Unpacker(again)), findings) == (found, [])
    assert unpack.Unpacker(again).stream() == stream


def test_stream_leaves_out_whole_owners(unpack: ModuleType) -> None:
    image = compiled(EVERY_TYPE, "example.").image
    every = list(unpack.Unpacker(image))
    for name in {owner for owner, *_ in every} | {b"\7nowhere\7example\0"}:
        stream = unpack.Unpacker(image).stream(frozenset([name]))
        found = [(r.owner, r.type, r.ttl, r.rdata) for r in iterate(stream)]
        assert found == [record for record in every if record[0] != name]


@pytest.mark.parametrize("origin", ["example.", "a.long.Origin.test.", "."])
@pytest.mark.parametrize("limit", [0, 120, 600, 16384, 65535])
def test_every_type_comes_back(unpack: ModuleType, origin: str, limit: int) -> None:
    image = compiled(EVERY_TYPE, origin).image
    one_by_one = list(unpack.Unpacker(image))
    assert lower(one_by_one) == lower(records_of(EVERY_TYPE, origin))
    transferred = in_messages(unpack, image, origin, limit)
    assert transferred[0] == transferred[-1]
    assert lower(transferred[:-1]) == lower(one_by_one)
    assert [record[:3] for record in transferred[:-1]] == [record[:3] for record in one_by_one]


def test_case_of_rdata_is_kept_where_nothing_else_has_the_name(unpack: ModuleType) -> None:
    image = compiled(SOA + "\na PTR UPPER.elsewhere.TEST.\n", "example.").image
    assert b"\5UPPER\11elsewhere\4TEST\0" in {rdata for _, _, _, rdata in unpack.Unpacker(image)}


SIGNATURE = "A 13 2 60 20260101000000 20250101000000 1 example. AAEC"


@pytest.mark.parametrize("owner", ["@", "a", "*.b", "x.cut"])
def test_signature_is_data_also_without_a_proof(unpack: ModuleType, owner: str) -> None:
    """Each with its own TTL, and right after the RRset it covers."""
    text = f"{SOA}\ncut NS ns.elsewhere.test.\n{owner} A 192.0.2.1\n{owner} MX 1 @\n{owner} 60 RRSIG {SIGNATURE}\n"
    image = compiled(text, "example.").image
    found = list(unpack.Unpacker(image))
    assert lower(found) == lower(records_of(text, "example."))
    assert in_messages(unpack, image, "example.", 16384) == [*found, found[0]]
    place = next(i for i, record in enumerate(found) if record[1] == dns.rdatatype.RRSIG)
    assert found[place - 1][1] == dns.rdatatype.A


def test_node_with_thousands_of_records(unpack: ModuleType) -> None:
    origin = b"\4test\0"
    stream = stream_of(SOA, "test.")
    for rdtype, number in itertools.product((1, 65280, 65281), range(3500)):
        append(stream, b"\1a" + origin, rdtype, 60, number.to_bytes(4, "big"))
    for number in range(1500):
        append(stream, b"\1b" + origin, 15, 60, b"\0\1" + b"\5%05d\1b" % number + origin)
    image, findings = compile_zone(stream, origin, SEED)
    assert [code for code, _ in findings] == ["no-apex-ns"]
    found = list(unpack.Unpacker(image))
    assert len(set(found)) == 3 * 3500 + 1500 + 1
    assert in_messages(unpack, image, "test.", 16384) == [*found, found[0]]


def test_message_is_as_full_as_can_be(unpack: ModuleType) -> None:
    text = SOA + "".join(f"\nhost{number} A 192.0.2.1" for number in range(3000))
    sizes = [len(wire) for wire in messages(unpack, compiled(text, "test.").image, "test.", 16384)]
    assert all(16384 - 40 < size <= 16384 for size in sizes[:-1])
    assert sum(sizes) < 3000 * 25


def test_record_longer_than_the_limit_is_alone_in_its_message(unpack: ModuleType) -> None:
    origin, stream = b"\4test\0", stream_of(SOA, "test.")
    for name, length in (
        (b"\1a", 4),
        (b"\1b", 20_000),
        (b"\1c", 4),
        (b"\1d" * 100, 64_900),
        (b"\1e", 64_900),
    ):
        append(stream, name + origin, 65280, 60, bytes(length))
    image, _ = compile_zone(stream, origin, SEED)
    counts = [int.from_bytes(wire[6:8], "big") for wire in messages(unpack, image, "test.", 16384)]
    assert counts == [2, 1, 1, 1, 1, 1]
    assert max(len(wire) for wire in messages(unpack, image, "test.", 16384)) <= 65535 - 11


def test_names_share_what_stands_in_the_message_already(unpack: ModuleType) -> None:
    deep = "a-label-of-some-length.another-label-that-is-long"
    text = f"{SOA}\n" + "".join(f"{number}.{deep} PTR x.{number}.{deep}\n" for number in range(100, 200))
    image = compiled(text, "test.").image
    (wire,) = messages(unpack, image, "test.", 16384)
    assert len(wire) < 200 + 100 * (4 + 2 + 10 + 2 + 2)
    assert len(in_messages(unpack, image, "test.", 16384)) == 102


def test_what_is_not_a_compiled_zone_is_refused(unpack: ModuleType) -> None:
    with pytest.raises(ValueError, match="not a compiled zone"):
        unpack.Unpacker(bytes(1000))


@settings(
    max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(
    worlds(),
    st.sampled_from([None, Nsec(), Nsec3(), Nsec3(1, b"\1", True)]),
    st.sampled_from([100, 512, 16384]),
)
def test_twins_and_messages_lose_nothing(world, how, limit):
    import pippin.engine.unpack

    for origin, text in world.items():
        signed = text if how is None else sign(text, origin, how)
        zone = compiled(signed, origin)
        outcomes = []
        for module in (pippin.engine.unpack, uncompiled_twin("unpack")):
            found = list(module.Unpacker(zone.image))
            wires = list(messages(module, zone.image, origin, limit))
            outcomes.append((found, wires))
        assert outcomes[0] == outcomes[1]
        assert len(set(found)) == len(found) == zone.statistics().records
        assert lower(in_messages(module, zone.image, origin, limit)[:-1]) == lower(found)
