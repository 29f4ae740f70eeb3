"""The image of a zone without a version: SERVFAIL at and below its origin, whatever is asked, until it is replaced."""

from __future__ import annotations

from array import array

import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from pippin.engine import find, layout
from pippin.engine.counters import C_NOT_READY, COUNTERS
from pippin.engine.not_ready import not_ready_image
from pippin.engine.path import CLIENT_SIZE, HIT, SLOW
from pippin.engine.unpack import Unpacker
from pippin.zone import inspect
from pippin.zone.zone import Zone
from tests.agreement.harness import twins
from tests.zone.images import SEED, compile_text

ORIGINS = [".", "z.", "a.z.", ("x" * 63 + ".") * 3 + "y" * 61 + "."]
TEXT = "{0} SOA n. h. 1 2 3 4 5\n{0} NS n.\n{1} A 192.0.2.1"


def wire(name):
    return dns.name.from_text(name).to_wire()


def placed(module, *images, **options):
    responder = module.Responder(module.Options(seed=SEED, **options))
    memory, bases = b"", []
    for image in images:
        bases.append(len(memory))
        memory += image
    responder.map(memory)
    for base in bases:
        responder.place(base)
    return responder


def ask(responder, name, rdtype="A", client=bytes(CLIENT_SIZE), **how):
    query = dns.message.make_query(name, rdtype, use_edns=0, **how)
    verdict, reply = responder.answer_stream(query.to_wire(), client, 1_800_000_000)
    return dns.message.from_wire(reply) if verdict == HIT else verdict


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("module", twins("path"))
@pytest.mark.parametrize("rdtype", ["A", "SOA", "DS", "RRSIG", "ANY", "NSEC"])
def test_everything_in_the_zone_is_servfail_with_a_reason(module, origin, rdtype):
    responder = placed(module, not_ready_image(wire(origin), SEED))
    for labels in ("", "a.", "b.a.", "*."):
        name = labels + origin if origin != "." else labels or "."
        if len(name) > 254:
            continue
        for dnssec in (False, True):
            reply = ask(responder, name, rdtype, want_dnssec=dnssec)
            assert reply.rcode() == dns.rcode.SERVFAIL
            assert not reply.flags & dns.flags.AA
            assert [int(option.code) for option in reply.options] == [14]
            assert not reply.answer
            assert not reply.authority


@pytest.mark.parametrize("module", twins("path"))
def test_such_questions_are_counted(module):
    counters = array("Q", bytes(8 * len(COUNTERS)))
    responder = module.Responder(module.Options(seed=SEED), counters)
    responder.map(not_ready_image(wire("z."), SEED))
    responder.place(0)
    ask(responder, "a.z.")
    assert counters[C_NOT_READY] == 1


@pytest.mark.parametrize("module", twins("path"))
def test_names_outside_it_are_none_of_its_business(module):
    responder = placed(module, not_ready_image(wire("a.z."), SEED))
    for name in ("z.", "b.z.", "aa.z.", "a.y."):
        assert ask(responder, name).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("module", twins("path"))
def test_names_in_it_are_not_forwarded(module):
    client = b"\2\0\0\0\x7f\0\0\1".ljust(CLIENT_SIZE, b"\0")
    responder = placed(module, not_ready_image(wire("a.z."), SEED), forward_for=("127.0.0.0/8",))
    assert ask(responder, "b.z.", client=client) == SLOW
    assert ask(responder, "b.a.z.", client=client).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("module", twins("path"))
def test_it_is_replaced_and_removed_like_any_other(module):
    image, _ = compile_text(TEXT.format("a.z.", "www.a.z."), "a.z.")
    nothing = not_ready_image(wire("a.z."), SEED)
    responder = placed(module, nothing, image)
    assert ask(responder, "www.a.z.").rcode() == dns.rcode.NOERROR
    responder.place(0)
    assert ask(responder, "www.a.z.").rcode() == dns.rcode.SERVFAIL
    responder.place(len(nothing))
    assert ask(responder, "www.a.z.").answer
    responder.remove(wire("a.z."))
    assert ask(responder, "www.a.z.").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("module", twins("path"))
def test_policies_have_no_place_in_it(module):
    responder = placed(module, not_ready_image(wire("a.z."), SEED))
    query = dns.message.make_query("a.z.", "A").to_wire()
    assert responder.write_ask(query, bytes(CLIENT_SIZE), True) == 0


@pytest.mark.parametrize("origin", ORIGINS)
def test_those_who_read_images_can_read_it(origin):
    image = not_ready_image(wire(origin), SEED)
    header = layout.read_header(image)
    assert header.size == len(image)
    assert layout.origin(image) == wire(origin)
    assert find.find(image, header, wire(origin)) == header.apex
    zone = Zone(image)
    assert not zone.is_ready
    assert zone.origin == dns.name.from_text(origin)
    assert [node.name for node in zone.nodes()] == [zone.origin]
    assert zone.cut_above(zone.origin) is None
    assert "NOT_READY" in next(inspect.overview(image))
    assert not list(Unpacker(image))
    with pytest.raises(AttributeError):
        zone.soa  # noqa: B018 - nobody can give away what is not there
