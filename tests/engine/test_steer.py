"""Questions that a zone leaves to a policy, answered from the memo in the receive loop. Both engines."""

from __future__ import annotations

import itertools

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from pippin.engine import layout
from tests.engine.packets import NOW, opt, option, query, wire
from tests.engine.test_path import Asking
from tests.zone.images import SEED, stream_of

ZONE = """
@ SOA ns host 7 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
own A 192.0.2.5
alias CNAME www
"""
MARKS = [("www.example.", 1), ("*.cdn.example.", 1), ("own.example.", 1), ("a.b.example.", 16)]
ROWS = bytes(16 * 4)


class Steering(Asking):
    """A zone with marks, and a memo."""

    def __init__(self, engine_module, **options):
        path, memo = engine_module("path"), engine_module("memo")
        self.memo_module = memo
        super().__init__(path, **{"subnet_from": ("0.0.0.0/0",), **options})
        marks = [(wire(name), rdtype) for name, rdtype in MARKS]
        image, findings = engine_module("compile").compile_zone(
            stream_of(ZONE.strip(), "example."), wire("example."), SEED, b"", marks
        )
        assert not findings
        self.responder.map(image)
        self.responder.place(0)
        self.memo = memo.PolicyMemo(ROWS, 1)
        self.responder.set_memo(self.memo)

    def policy(self, question, plan, facts=(), **more):
        """Link a policy to what this question leaves to one, and teach it a plan."""
        policy = self.memo.add(30, 100, 100_000)
        position = self.responder.write_ask(question, self.client, False)
        assert position
        self.memo.link(position, policy)
        self.memo.learn(policy, list(facts), plan, **more)
        return policy


def record(address=b"\xc0\0\2\x50", rdtype=1):
    return ("record", rdtype, address, -1, -1)


@pytest.fixture
def ask(engine_module):
    return Steering(engine_module)


WWW = query("www.example.", "A", opt())


def test_an_unknown_answer_is_slow_until_it_is_learned(ask):
    assert ask.udp(WWW)[0] == ask.path.SLOW
    ask.policy(WWW, record())
    reply = ask.reply(WWW)
    assert dns.flags.to_text(reply.flags) == "QR AA RD"
    assert [str(rrset) for rrset in reply.answer] == ["www.example. 30 IN A 192.0.2.80"]
    assert [str(rrset) for rrset in ask.stream(WWW).answer] == ["www.example. 30 IN A 192.0.2.80"]


def test_other_types_are_nodata_and_names_above_exist(ask):
    ask.policy(WWW, record())
    assert ask.reply(query("www.example.", "AAAA")).rcode() == dns.rcode.NOERROR
    assert ask.reply(query("b.example.", "A")).rcode() == dns.rcode.NOERROR
    assert not ask.reply(query("www.example.", "ANY")).answer


def test_a_wildcard_policy_sees_the_labels_it_stands_for(ask):
    one, other = query("one.cdn.example.", "A"), query("a.Two.cdn.example.", "A")
    captured = ask.memo_module.F_CAPTURED
    policy = ask.policy(one, record(b"\1\1\1\1"), [(captured, 0, 0, b"\3one")])
    ask.memo.learn(policy, [(captured, 0, 0, b"\1a\3two")], record(b"\2\2\2\2"))
    assert str(ask.reply(one).answer[0]) == "one.cdn.example. 30 IN A 1.1.1.1"
    assert str(ask.reply(other).answer[0]) == "a.Two.cdn.example. 30 IN A 2.2.2.2"
    assert ask.udp(query("three.cdn.example.", "A"))[0] == ask.path.SLOW


@pytest.mark.parametrize(
    ("kind", "rcode", "authorities"),
    [("NODATA", 0, 1), ("NXDOMAIN", 3, 1), ("REFUSED", 5, 0), ("SERVFAIL", 2, 0), ("PASS", 0, 1)],
)
def test_outcomes_without_records(ask, kind, rcode, authorities):
    ask.policy(WWW, ("outcome", getattr(ask.memo_module, kind)))
    reply = ask.reply(WWW)
    assert (reply.rcode(), len(reply.authority), reply.answer) == (rcode, authorities, [])


def test_drop_is_silence(ask):
    ask.policy(WWW, ("outcome", ask.memo_module.DROP))
    assert ask.udp(WWW)[0] == ask.path.DROP


def test_pass_gives_the_zones_own_records(ask):
    question = query("own.example.", "A")
    ask.policy(question, ("outcome", ask.memo_module.PASS))
    assert str(ask.reply(question).answer[0]) == "own.example. 3600 IN A 192.0.2.5"


def test_an_alias_to_a_policy_ends_with_the_alias(ask):
    ask.policy(WWW, record())
    reply = ask.reply(query("alias.example.", "A"))
    assert [str(rrset) for rrset in reply.answer] == ["alias.example. 3600 IN CNAME www.example."]


def test_the_scope_says_how_much_of_the_subnet_was_looked_at(ask):
    fact = (ask.memo_module.F_CLIENT, 16, 48)
    policy = ask.policy(WWW, record(b"\1\1\1\1"), [(*fact, b"\4\xcb\0")])
    ask.memo.learn(policy, [(*fact, b"\4\xc0\0")], record(b"\2\2\2\2"))
    reply = ask.reply(query("www.example.", "A", opt(option(8, b"\0\1\x18\0\xcb\0\x71"))))
    assert str(reply.answer[0][0]) == "1.1.1.1"
    (subnet,) = (o for o in reply.options if o.otype == dns.edns.ECS)
    assert (subnet.address, subnet.srclen, subnet.scopelen) == ("203.0.113.0", 24, 16)
    # Without a subnet, and with one of no bits (RFC 7871 section 7.1.2), it is the resolver's address: 192.0.2.99.
    assert str(ask.reply(WWW).answer[0][0]) == "2.2.2.2"
    reply = ask.reply(query("www.example.", "A", opt(option(8, b"\0\1\0\0"))))
    assert str(reply.answer[0][0]) == "2.2.2.2"
    assert next(o for o in reply.options if o.otype == dns.edns.ECS).scopelen == 0


def test_an_extended_error_comes_with_the_answer(ask):
    ask.policy(WWW, record(), ede=0)
    assert [int(o.code) for o in ask.reply(WWW).options] == [0]


def test_a_change_of_zones_forgets_where_policies_stand_but_not_what_they_said(ask):
    policy = ask.policy(WWW, record())
    ask.responder.place(0)
    assert ask.udp(WWW)[0] == ask.path.SLOW
    ask.memo.link(ask.responder.write_ask(WWW, ask.client, False), policy)
    assert ask.udp(WWW)[0] == ask.path.HIT


@pytest.mark.parametrize("packet", [b"", b"\0" * 12, query("own.example.", "AAAA"), query("x.test.", "A"), WWW[:20]])
def test_questions_that_no_policy_answers_have_no_position(ask, packet):
    assert ask.responder.write_ask(packet, ask.client, False) == 0


EVERYBODY = ("0.0.0.0/0", "::/0")
CLIENTS = ["192.0.2.99", "198.51.100.7", "2001:db8::99", "2001:db9::1", "::ffff:198.51.100.7", "fe80::1%1"]
SUBNETS = [b"\0\1\0\0", b"\0\1\x18\0\xcb\0\x71", b"\0\1\x09\0\xcb\x80", b"\0\2\x30\0\x20\1\x0d\xb8\0\1"]


@pytest.mark.parametrize("believed", [(), EVERYBODY, ("198.51.100.0/24", "2001:db8::/32")])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_slow_path_asks_as_the_receive_loop_did(engine_module, believed, client, stream):
    """Other packets come in between; and what is learned under other facts than are looked up is never found."""
    ask = Steering(engine_module, subnet_from=believed)
    source = ask.path.client_from(client, 5353)
    other = query("other.cdn.example.", "A", opt(option(8, b"\0\1\x20\0\x0a\0\0\1"), flags=0x8000))
    for name, options in itertools.product(("www.example.", "One.Two.cdn.example."), (b"", *SUBNETS)):
        edns = opt(option(3) + (option(8, options) if options else b""), flags=0x8000)
        for packet in (query(name, "A"), query(name, "A", edns)):
            ask.client = source
            verdict = ask.responder.answer_stream(packet, source, NOW) if stream else ask.udp(packet)
            assert verdict[0] == ask.path.SLOW
            asked = bytes(ask.memo.ask)
            assert ask.responder.answer_stream(other, ask.path.client_from("203.0.113.1", 1), NOW)[0] == ask.path.SLOW
            assert bytes(ask.memo.ask) != asked
            assert ask.responder.write_ask(packet, source, stream)
            length = ask.memo_module.ASK_CAPTURED + ask.memo.ask[ask.memo_module.ASK_CAPTURED_LENGTH]
            assert bytes(ask.memo.ask[:length]) == asked[:length]
            assert ask.memo.ask[ask.memo_module.ASK_TRANSPORT] == stream


def test_a_cookie_that_has_expired_meanwhile_does_not_matter(engine_module):
    """It was good when the question came."""
    ask = Steering(engine_module, require_cookie=True)
    old = query("www.example.", "A", opt(option(10, bytes(24))))
    assert ask.udp(old)[0] == ask.path.HIT, "BADCOOKIE"
    assert ask.responder.write_ask(old, ask.client, False)


def test_a_body_that_does_not_fit_is_cut(ask):
    ask.policy(WWW, ("all", tuple(record(bytes((10, 0, i >> 8, i & 255))) for i in range(200))))
    reply = ask.reply(query("www.example.", "A"))
    assert reply.flags & dns.flags.TC
    assert len(ask.stream(WWW).answer[0]) == 200


def test_facts_reach_the_memo(ask):
    memo = ask.memo_module
    facts = [
        (memo.F_TRANSPORT, 0, 0, 0), (memo.F_EDNS, 0, 0, 1), (memo.F_DNSSEC_OK, 0, 0, 1), (memo.F_QTYPE, 0, 0, 1),
        (memo.F_SUBNET_GIVEN, 0, 0, 0), (memo.F_RESOLVER, 32, 128, b"\4\xc0\0\2\x63"), (memo.F_CAPTURED, 0, 0, b""),
    ]  # fmt: skip
    signed = query("www.example.", "A", opt(flags=0x8000))
    ask.policy(signed, record(), facts)
    assert ask.udp(signed)[0] == ask.path.HIT
    assert ask.udp(WWW)[0] == ask.path.SLOW
    assert ask.responder.answer_stream(signed, ask.client, NOW)[0] == ask.path.SLOW


def test_marks_are_answered_by_the_zone_where_there_is_no_memo(engine_module):
    ask = Steering(engine_module)
    plain = engine_module("path").Responder(engine_module("path").Options(seed=SEED))
    image = engine_module("compile").compile_zone(
        stream_of(ZONE.strip(), "example."), wire("example."), SEED, b"", [(wire("own.example."), 1)]
    )[0]
    assert layout.read_header(image).records == 5
    plain.map(image)
    plain.place(0)
    verdict, reply = plain.answer_stream(query("own.example.", "A"), ask.client, NOW)
    assert verdict == ask.path.HIT
    assert str(dns.message.from_wire(reply).answer[0][0]) == "192.0.2.5"
