"""How names are hashed and ordered, and found."""

from __future__ import annotations

import dns.name
from hypothesis import given, settings
from hypothesis import strategies as st

from pippin.engine import find, layout
from tests.zone.images import SEED, compile_text

labels = st.binary(min_size=1, max_size=12) | st.sampled_from([b"a", b"A", b"\0", b"\1", b"\0\1", b"*", b"z", b"\xff"])
names = st.lists(labels, max_size=8).map(lambda parts: dns.name.Name([*parts, b""]))


def relative(name):
    return name.to_wire()[:-1]


@settings(deadline=None, derandomize=True)
@given(st.lists(names, min_size=2, max_size=12))
def test_keys_sort_like_dnspython(several):
    by_key = sorted(several, key=lambda name: find.canonical_key(relative(name)))
    assert [name.canonicalize() for name in by_key] == sorted(name.canonicalize() for name in several)


@settings(deadline=None, derandomize=True)
@given(names, st.integers(0, 2**64 - 1))
def test_hashes_are_case_blind_and_of_64_bits(name, seed):
    wire = name.to_wire()
    h = find.name_hash(wire, seed)
    assert h == find.name_hash(wire.upper(), seed) == find.name_hash(wire.lower(), seed)
    assert 0 <= h < 2**64


@settings(deadline=None, derandomize=True)
@given(names)
def test_label_offsets(name):
    wire = name.to_wire()
    assert [wire[at + 1 : at + 1 + wire[at]] for at in find.labels(wire)] == list(name.labels[:-1])


def test_hashes_depend_on_the_seed_and_on_where_labels_end():
    hashes = {
        find.name_hash(dns.name.from_text(text).to_wire(), seed)
        for text in ("a.bc.", "ab.c.", "abc.", "c.ab.", "a.b.c.", "bc.a.", "abcdefgh.i.", "abcdefghi.")
        for seed in range(50)
    }
    assert len(hashes) == 8 * 50


def test_the_root_hashes_to_the_seed():
    assert find.name_hash(b"\0", 42) == 42


def test_names_are_found_and_others_are_not():
    image, _ = compile_text("@ SOA . . 1 2 3 4 5\n@ NS .\nA.b A 192.0.2.1\n* TXT x", "Example.")
    header = layout.read_header(image)

    def found(text):
        position = find.find(image, header, dns.name.from_text(text).to_wire())
        return position and layout.read_node(image, position, False).name

    assert found("eXample.") == b""
    assert found("a.B.example.") == b"\1a\1b"
    assert found("b.example.") == b"\1b", "an empty non-terminal"
    assert found("*.example.") == b"\1*"
    assert found("c.example.") == 0
    assert found("x.a.b.example.") == 0
    assert header.seed == SEED
