"""Marks in compiled zones, byte by byte where it matters: both engines."""

from __future__ import annotations

import dns.name
import pytest

from pippin.engine import find, layout
from tests.zone.images import SEED, marks_of, stream_of

SOA = "@ SOA ns host 1 2 3 4 5\n@ NS ns\nwww A 192.0.2.1\n"
ORIGIN = b"\7example\0"


@pytest.fixture
def compile_zone(engine_module):
    return engine_module("compile").compile_zone


def compiled(compile_zone, *marks, text=SOA):
    return compile_zone(stream_of(text, "example."), ORIGIN, SEED, b"note", marks_of(marks))


def node_of(image, name):
    position = find.find(image, layout.read_header(image), dns.name.from_text(name).to_wire())
    return layout.read_node(image, position, False) if position else None


def flags_of(image, name):
    """Type -> flags of the entries of a name."""
    return {entry.type: entry.flags for entry in node_of(image, name).entries}


def test_no_marks_are_no_difference(compile_zone):
    stream = stream_of(SOA, "example.")
    assert compile_zone(stream, ORIGIN, SEED, b"note") == compiled(compile_zone)


def test_entries_are_sorted_by_type_owned_or_not(compile_zone):
    image, findings = compiled(
        compile_zone,
        ("www.example.", "TYPE65280"),
        ("www.example.", "A"),
        ("www.example.", "MX"),
        ("www.example.", "TXT"),
    )
    assert findings == []
    assert list(flags_of(image, "www.example.").items()) == [
        (1, layout.OWN | layout.POLICY), (15, layout.POLICY), (16, layout.POLICY), (65280, layout.POLICY),
    ]  # fmt: skip


def test_block_of_a_policy_alone_is_nodata_for_its_own_name(compile_zone):
    """Its pointers are right for the node's own name, like those of every block beside it."""
    image, _ = compiled(compile_zone, ("a.long.name.example.", "A"))
    (entry,) = node_of(image, "a.long.name.example.").entries
    block = layout.read_block(image, entry.plain)
    assert (block.answers, block.authorities, block.additionals, block.rcode) == (0, 1, 0, 0)
    assert block.flags == layout.AUTHORITATIVE
    origin = 12 + len(b"\1a\4long\4name")
    assert block.body[:2] == bytes([0xC0, origin])
    assert 0 in block.relocations


def test_marks_given_twice_or_in_any_case_are_one(compile_zone):
    once, _ = compiled(compile_zone, ("a.example.", "A"), ("b.example.", "A"))
    stream = stream_of(SOA, "example.")
    marks = [(b"\1B\7EXample\0", 1), (b"\1a\7example\0", 1), (b"\1A\7example\0", 1), (b"\1b\7example\0", 1)]
    again, findings = compile_zone(stream, ORIGIN, SEED, b"note", marks)
    assert findings == []
    assert flags_of(again, "a.example.") == flags_of(once, "a.example.") == {1: layout.POLICY}
    assert node_of(again, "b.example.").name == b"\1b"
    assert layout.read_header(again)._replace(seed=0) == layout.read_header(once)._replace(seed=0)


def test_more_marks_than_records(compile_zone):
    """Each brings an empty non-terminal with it, so the tables of nodes have to grow after the records are in."""
    marks = [(f"a.n{i}.example.", "A") for i in range(700)]
    image, findings = compiled(compile_zone, *marks)
    assert findings == []
    header = layout.read_header(image)
    assert (header.records, header.nodes) == (3, 2 + 2 * 700)
    assert all(flags_of(image, owner) == {1: layout.POLICY} for owner, _ in marks)
    assert all(node_of(image, f"n{i}.example.").entries == () for i in range(700))
    assert flags_of(image, "www.example.") == {1: layout.OWN}
    order = memoryview(image)[header.order_table :].cast("B")
    places = [int.from_bytes(order[4 * i : 4 * i + 4], "little") for i in range(header.nodes)]
    keys = [find.canonical_key(layout.read_node(image, place, False).name) for place in places]
    assert keys == sorted(keys)


def test_findings_name_the_mark_and_the_record(compile_zone):
    text = SOA + "alias CNAME www\ncut NS ns.elsewhere.\n"
    stream = bytes(stream_of(text, "example."))
    _, findings = compiled(
        compile_zone, ("fine.example.", "A"), ("alias.example.", "A"), ("x.cut.example.", "A"), ("a.other.", "A"),
        ("www.example.", "DS"), text=text,
    )  # fmt: skip
    alias = stream.index(b"\5alias\7example\0") - 20
    cut = stream.index(b"\3cut\7example\0") - 20
    assert findings == [
        ("policy-and-cname", alias, 1), ("policy-below-cut", cut, 2), ("policy-out-of-zone", -1, 3),
        ("policy-type", -1, 4),
    ]  # fmt: skip


def test_findings_about_marks_are_bounded(compile_zone):
    _, findings = compiled(compile_zone, *((f"n{i}.other.", "A") for i in range(1100)))
    assert len(findings) == 1000


NO_NAMES = [b"", b"a", b"\1a", b"\5a", b"\1a\0\0", b"\x40" + bytes(64) + b"\0", b"\1a" * 128 + b"\0"]


@pytest.mark.parametrize("owner", NO_NAMES)
def test_mark_that_is_no_name_is_refused(compile_zone, owner):
    with pytest.raises(ValueError, match="name in the record stream"):
        compile_zone(stream_of(SOA, "example."), ORIGIN, SEED, b"", [(owner, 1)])


def test_longest_names(compile_zone):
    """127 labels, and 255 octets of long ones, as far down as a name can be."""
    deep, long = b"\1a" * 123 + ORIGIN, b"\x3f" + b"l" * 63
    long = long * 3 + b"\x35" + b"m" * 53 + ORIGIN
    assert (len(deep), len(long)) == (255, 255)
    image, findings = compile_zone(stream_of(SOA, "example."), ORIGIN, SEED, b"", [(deep, 1), (long, 1)])
    assert findings == []
    assert all(find.find(image, layout.read_header(image), name) for name in (deep, long))
