"""Answers of other servers on the fast path: who may have them, their header, their age. Both engines."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import pytest

from pippin.query.reply import Reply
from tests.engine.packets import NOW, opt, query
from tests.engine.test_path import Asking

BODY = b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x0c" + b"\xc0\x27\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\7"
OUTSIDE = query("host.test.", "A", opt())


def forwarded(ttl: int = 60, **more: object) -> Reply:
    return Reply(BODY, 2, 0, 0, authoritative=False, forwarded=True, recursion_available=True, ttl=ttl, **more)


@pytest.fixture
def path(engine_module):
    return engine_module("path")


@pytest.fixture
def ask(path):
    return Asking(path, forward_for=("192.0.2.0/24",))


def test_a_name_outside_all_zones_is_slow_for_whom_it_is_forwarded(ask):
    assert ask.udp(OUTSIDE)[0] == ask.path.SLOW


def test_it_is_refused_for_everybody_else(ask):
    ask.responder.remember(OUTSIDE, NOW, forwarded())
    ask.client = ask.path.client_from("198.51.100.1", 5353)
    reply = ask.reply(OUTSIDE)
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.answer


def test_a_remembered_answer_has_aged(ask):
    ask.responder.remember(OUTSIDE, NOW - 20, forwarded())
    reply = ask.reply(OUTSIDE)
    assert dns.flags.to_text(reply.flags) == "QR RD RA"
    assert [rrset.ttl for rrset in reply.answer] == [40, 280]
    assert str(reply.answer[1]) == "x.host.test. 280 IN A 192.0.2.7"


def test_it_ends_with_its_ttl(ask):
    ask.responder.remember(OUTSIDE, NOW - 60, forwarded())
    assert ask.udp(OUTSIDE)[0] == ask.path.SLOW


def test_it_survives_a_change_of_a_zone(ask):
    ask.responder.remember(OUTSIDE, NOW, forwarded())
    ask.responder.place(0)
    assert ask.udp(OUTSIDE)[0] == ask.path.HIT


def test_our_own_zones_are_not_asked_elsewhere(ask):
    ask.responder.remember(query("www.example.", "A", opt()), NOW, forwarded())
    assert str(ask.reply(query("www.example.", "A", opt())).answer[0]) == "www.example. 3600 IN A 192.0.2.2"


@pytest.mark.parametrize(
    ("flags", "edns", "authentic"), [(0x0100, 0, False), (0x0120, 0, True), (0x0100, 0x8000, True)]
)
def test_ad_is_for_who_shows_that_it_is_understood(ask, flags, edns, authentic):
    packet = query("host.test.", "A", opt(flags=edns), flags=flags)
    ask.responder.remember(packet, NOW, forwarded(authentic=True))
    assert bool(ask.reply(packet).flags & dns.flags.AD) is authentic


def test_cd_is_copied_and_another_question(ask):
    packet = query("host.test.", "A", opt(), flags=0x0110)
    ask.responder.remember(OUTSIDE, NOW, forwarded())
    assert ask.udp(packet)[0] == ask.path.SLOW
    ask.responder.remember(packet, NOW, forwarded())
    assert ask.reply(packet).flags & dns.flags.CD


def test_what_is_wanted_near_its_end_is_due(ask):
    ask.responder.remember(OUTSIDE, NOW - 53, forwarded())
    ask.reply(OUTSIDE)
    assert ask.responder.take_due() == []
    ask.responder.remember(OUTSIDE, NOW - 55, forwarded())
    ask.reply(OUTSIDE)
    ask.reply(OUTSIDE)
    assert ask.responder.take_due() == [OUTSIDE]
    assert ask.responder.take_due() == []


def test_without_forwarding_such_names_are_refused(path):
    assert Asking(path).reply(OUTSIDE).rcode() == dns.rcode.REFUSED


def test_live_answers_are_for_everybody_and_do_not_age(path):
    ask = Asking(path, live=True, forward_for=("198.51.100.0/24",))
    assert ask.udp(OUTSIDE)[0] == path.SLOW
    ask.responder.remember(OUTSIDE, NOW - 20, Reply(BODY, 2, 0, 0, ttl=60))
    reply = ask.reply(OUTSIDE)
    assert dns.flags.to_text(reply.flags) == "QR AA RD"
    assert [rrset.ttl for rrset in reply.answer] == [60, 300]
    ask.responder.remember(OUTSIDE, NOW - 20, forwarded())
    assert ask.reply(OUTSIDE).rcode() == dns.rcode.REFUSED


def test_an_alias_out_of_our_zones_is_slow_for_whom_it_can_be_followed(ask):
    question = query("far.example.", "A", opt())
    assert ask.udp(question)[0] == ask.path.SLOW
    assert ask.udp(query("far.example.", "CNAME", opt()))[0] == ask.path.HIT
    assert ask.udp(query("far.example.", "A", opt(), flags=0))[0] == ask.path.HIT
    ask.client = ask.path.client_from("198.51.100.1", 5353)
    assert ask.udp(question)[0] == ask.path.HIT
