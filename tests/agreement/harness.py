"""Asks the engine and the oracle the same question and compares the replies, record for record.

Replies are compared as they go to the client: header, and every section as a sequence of RRsets (an RRset is a
set: the order of its records is free).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from itertools import groupby

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from pippin.engine.not_ready import not_ready_image
from pippin.engine.path import CLIENT_SIZE, HIT, SLOW
from pippin.query.compose import compose
from pippin.zone.answer import Zones, answer
from pippin.zone.zone import Zone
from tests.agreement.worlds import is_below
from tests.conftest import uncompiled_twin
from tests.zone.images import SEED, marks_of, stream_of

CLIENT = bytes(CLIENT_SIZE)
NOW = 1_800_000_000


@dataclass
class Told:
    """A reply as it can be compared."""

    rcode: str
    flags: str
    answer: list
    authority: list
    additional: list


def twins(name):
    """An engine module uncompiled, and compiled where that is installed."""
    module = importlib.import_module(f"pippin.engine.{name}")
    return [uncompiled_twin(name), *([module] if module.is_compiled() else [])]


class World:
    """Zones, compiled and placed in Responders, and as views for the oracle.

    `marks` are (owner, type) that policies answer for. Every zone above one gets it; the findings say which could
    not take it, and only those may be. Of the zones in `not_ready` there is no version.
    """

    def __init__(self, texts, marks=(), not_ready=()):
        self.views = []
        self.placed = {}
        memory = bytearray()
        bases = []
        for origin, text in texts.items():
            stream = stream_of(text, origin)
            wire = dns.name.from_text(origin).canonicalize().to_wire()
            own = [mark for mark in marks if is_below(mark[0], origin)]
            (image, findings), *others = [
                module.compile_zone(stream, wire, SEED, b"", marks_of(own)) for module in twins("compile")
            ]
            assert [finding for finding in findings if len(finding) == 2] == [], (origin, findings)
            self.placed[origin] = [
                mark for i, mark in enumerate(own) if not any(finding[2] == i for finding in findings)
            ]
            assert all(other == (image, findings) for other in others), (
                f"compilers differ over {origin}\n{text}"
            )
            if origin in not_ready:
                image = not_ready_image(wire, SEED)
            self.views.append(Zone(image))
            bases.append(len(memory))
            memory += image + bytes(-len(image) % 8)
        self.responders = []
        for module in twins("path"):
            responder = module.Responder(module.Options(seed=SEED))
            responder.map(bytes(memory))
            for base in bases:
                responder.place(base)
            self.responders.append(responder)
        self.zones = Zones(self.views)

    def query(self, question):
        message = dns.message.make_query(question.name, question.rdtype)
        message.id = 4711
        message.use_edns(0, dns.flags.DO if question.dnssec_ok else 0, 1232)
        return message.to_wire()

    def engine(self, question):
        """The engine's reply, None if it leaves the question to the slow path. Twins agree to the byte."""
        verdicts = [
            responder.answer_stream(self.query(question), CLIENT, NOW) for responder in self.responders
        ]
        verdict, reply = verdicts[0]
        assert verdict in (HIT, SLOW)
        assert all(other == (verdict, reply) for other in verdicts), f"twins differ: {question} {verdicts}"
        return told(reply) if verdict == HIT else None

    def oracle(self, question, zones=None):
        return told(self.oracle_wire(question, zones))

    def oracle_wire(self, question, zones=None):
        """The oracle's answer, composed and finished like every slow reply."""
        name = dns.name.from_text(question.name)
        rdtype = dns.rdatatype.from_text(question.rdtype)
        result = answer(zones or self.zones, name, rdtype, question.dnssec_ok)
        reply = compose(name.to_wire(), rdtype, result)
        return self.responders[0].finish(self.query(question), CLIENT, NOW, True, reply)


def told(wire):
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    return Told(
        dns.rcode.to_text(message.rcode()),
        dns.flags.to_text(message.flags),
        *map(rrsets, (message.answer, message.authority, message.additional)),
    )


def rrsets(section):
    """[(owner, TTL, type, {rdata})], records that follow each other in one RRset taken together."""

    def key(rr):
        return rr.name.canonicalize().to_text(), rr.ttl, dns.rdatatype.to_text(rr.rdtype), int(rr.covers)

    return [
        (owner, ttl, rdtype, sorted({rdata.to_digestable() for rr in group for rdata in rr}))
        for (owner, ttl, rdtype, _), group in groupby(section, key)
    ]


def show(texts, question, one, other, marks=()):
    """What a failure prints: all that is needed to ask again."""
    zones = "\n".join(f"; {origin}\n{text}" for origin, text in texts.items())
    return f"\n{zones}\n; {marks}\n; {question}\n; engine {one}\n; oracle {other}"
