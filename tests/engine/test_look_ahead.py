"""Looking ahead changes when memory is touched, never an answer."""

from __future__ import annotations

import dns.message
import dns.name

from tests.engine.test_neighbours_and_rotation import CHILD, CLIENT, PARENT, SEED, stream

NAMES = [
    ("many.example.com.", "A"), ("nothing.example.com.", "A"), ("www.child.example.com.", "A"), ("example.com.", "MX"),
    ("elsewhere.test.", "A"), (".", "NS"), ("to-many.example.com.", "AAAA"), ("a.b.c.example.com.", "TXT"),
]  # fmt: skip


def replies(engine_module, ahead_above: int) -> list[tuple[int, bytes]]:
    path, compile_zone = engine_module("path"), engine_module("compile").compile_zone
    responder = path.Responder(path.Options(seed=SEED, ahead_above=ahead_above))
    memory = b""
    for text, origin in ((PARENT, "example.com."), (CHILD, "child.example.com.")):
        base = len(memory)
        memory += compile_zone(stream(text, origin), dns.name.from_text(origin).to_wire(), SEED)[0]
        responder.map(memory)
        responder.place(base)
    queries = []
    for number, (name, rdtype) in enumerate(NAMES):
        query = dns.message.make_query(name, rdtype)
        query.id = number
        queries.append(query.to_wire())
    queries += [b"", queries[0][:12], queries[0][:-3], queries[0] + b"\0", bytes(12), bytes([255] * 40)]
    batch = path.Batch(len(queries) + 64)
    for place, query in enumerate(queries):
        batch.set_query(place, query, CLIENT)
    for place in range(len(queries), len(queries) + 64):
        batch.set_query(place, queries[place % len(NAMES)], CLIENT)
    responder.answer(batch, len(queries) + 64, 0)
    return [
        (batch.verdict(i), batch.reply(i) if batch.verdict(i) == path.HIT else b"") for i in range(len(queries) + 64)
    ]


def test_the_same_answers_with_and_without(engine_module):
    assert replies(engine_module, 0) == replies(engine_module, 1 << 40)
