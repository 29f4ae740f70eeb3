"""What one zone's prepared answers owe to the zones served beside it, and RRset rotation."""

from __future__ import annotations

import dns.message
import dns.name
import dns.zone
import pytest

from pippin.engine.records import append

SEED = 0x0123456789ABCDEF
CLIENT = bytes(28)

PARENT = """
@ 300 SOA ns1 host 1 2 3 4 5
@ 300 NS ns1
ns1 300 A 192.0.2.1
alias 300 CNAME www.child
away 300 CNAME www.example.org.
many 300 A 192.0.2.1
many 300 A 192.0.2.2
many 300 A 192.0.2.3
six 300 AAAA 2001:db8::1
six 300 AAAA 2001:db8::2
to-many 300 CNAME many
mail 300 MX 1 ns1
mail 300 MX 2 many
"""
CHILD = "@ 300 SOA ns1 host 1 2 3 4 5\n@ 300 NS ns1\nns1 300 A 192.0.2.7\nwww 300 A 192.0.2.8\n"


def stream(text: str, origin: str) -> bytearray:
    records = bytearray()
    zone = dns.zone.from_text(text, origin, relativize=False)
    for name, ttl, rdata in zone.iterate_rdatas():
        append(records, name.to_wire(), rdata.rdtype, ttl, rdata.to_wire())
    return records


class Served:
    """A Responder and the zones in its memory, side by side as in a store."""

    def __init__(self, engine_module, **options) -> None:
        self.path = engine_module("path")
        self.compile_zone = engine_module("compile").compile_zone
        self.responder = self.path.Responder(self.path.Options(seed=SEED, **options))
        self.memory = b""

    def place(self, text: str, origin: str) -> None:
        image, findings = self.compile_zone(stream(text, origin), dns.name.from_text(origin).to_wire(), SEED)
        assert not findings
        base = len(self.memory)
        self.memory += image
        self.responder.map(self.memory)
        self.responder.place(base)

    def ask(self, name: str, rdtype: str):
        query = dns.message.make_query(name, rdtype)
        verdict, reply = self.responder.answer_stream(query.to_wire(), CLIENT, 0)
        return verdict, dns.message.from_wire(reply) if reply else None


def test_an_alias_into_an_undelegated_zone_below_is_left_to_the_slow_path(engine_module):
    served = Served(engine_module)
    served.place(PARENT, "example.com.")
    verdict, reply = served.ask("alias.example.com.", "A")
    assert (verdict, reply.rcode()) == (served.path.HIT, 3)
    served.place(CHILD, "child.example.com.")
    assert served.ask("alias.example.com.", "A")[0] == served.path.SLOW
    served.responder.remove(dns.name.from_text("child.example.com.").to_wire())
    assert served.ask("alias.example.com.", "A")[0] == served.path.HIT


def test_zones_below_count_whichever_came_first(engine_module):
    served = Served(engine_module)
    served.place(CHILD, "child.example.com.")
    served.place(PARENT, "example.com.")
    assert served.ask("alias.example.com.", "A")[0] == served.path.SLOW


def test_an_alias_out_of_the_zone_is_slow_only_if_its_target_is_served(engine_module):
    served = Served(engine_module)
    served.place(PARENT, "example.com.")
    served.place(CHILD, "example.net.")
    assert served.ask("away.example.com.", "A")[0] == served.path.HIT
    served.place(CHILD, "example.org.")
    assert served.ask("away.example.com.", "A")[0] == served.path.SLOW


@pytest.mark.parametrize(("name", "rdtype", "count"), [("many", "A", 3), ("six", "AAAA", 2), ("to-many", "A", 3)])
def test_rotation_begins_with_another_address_each_time(engine_module, name, rdtype, count):
    served = Served(engine_module, rotate=True)
    served.place(PARENT, "example.com.")
    replies = [served.ask(f"{name}.example.com.", rdtype)[1] for _ in range(2 * count)]
    firsts = [reply.answer[-1][0].address for reply in replies]
    assert firsts[:count] == firsts[count:]
    assert len(set(firsts)) == count
    assert len({frozenset(rdata.address for rdata in reply.answer[-1]) for reply in replies}) == 1


def test_without_rotation_the_order_is_the_source_s(engine_module):
    served = Served(engine_module)
    served.place(PARENT, "example.com.")
    for _ in range(3):
        addresses = [rdata.address for rdata in served.ask("many.example.com.", "A")[1].answer[0]]
        assert addresses == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_rotation_leaves_other_types_alone(engine_module):
    served = Served(engine_module, rotate=True)
    served.place(PARENT, "example.com.")
    replies = [served.ask("mail.example.com.", "MX")[1] for _ in range(3)]
    assert all(reply.answer == replies[0].answer for reply in replies)
    assert [rdata.preference for rdata in replies[0].answer[0]] == [1, 2]


def test_every_change_of_a_zone_begins_a_new_generation(engine_module):
    served = Served(engine_module)
    seen = [served.responder.generation()]
    for change in (
        lambda: served.place(PARENT, "example.com."),
        lambda: served.place(PARENT, "example.com."),
        lambda: served.responder.remove(dns.name.from_text("example.com.").to_wire()),
    ):
        change()
        seen.append(served.responder.generation())
    assert len(set(seen)) == 4
