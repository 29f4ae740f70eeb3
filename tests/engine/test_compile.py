"""Invariants of compiled zones, over generated zones and by hand. Both engines."""

from __future__ import annotations

import importlib
from functools import cache

import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.engine import find, layout, records
from tests.agreement.signing import Nsec, Nsec3, sign
from tests.agreement.worlds import worlds
from tests.conftest import uncompiled_twin
from tests.zone.images import SEED, parse, stream_of

generated = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
SOA = "@ SOA ns host 1 2 3 4 5\n@ NS ns\n"
ORIGIN = dns.name.from_text("example.")


@pytest.fixture
def compile_zone(engine_module):
    return engine_module("compile").compile_zone


@cache
def engines():
    """Uncompiled, and the compiled one where there is one."""
    modules = [uncompiled_twin("compile")]
    module = importlib.import_module("pippin.engine.compile")
    return modules + [module] * module.is_compiled()


def of_text(compile_zone, text, origin="example."):
    return compile_zone(stream_of(text, origin), dns.name.from_text(origin).canonicalize().to_wire(), SEED)


class Image:
    """A compiled zone, read with layout.py alone."""

    def __init__(self, image):
        self.image = image
        self.header = layout.read_header(image)
        self.signed = bool(self.header.flags & layout.SIGNED)
        self.origin = dns.name.from_wire(layout.origin(image), 0)[0]
        order = memoryview(image)[self.header.order_table :]
        positions = [int.from_bytes(order[4 * i : 4 * i + 4], "little") for i in range(self.header.nodes)]
        self.nodes = [layout.read_node(image, position, self.signed) for position in positions]

    def name(self, node):
        return dns.name.from_wire(node.name + self.origin.to_wire(), 0)[0]

    def node(self, name):
        position = find.find(self.image, self.header, name.to_wire())
        return layout.read_node(self.image, position, self.signed) if position else None

    def message(self, position, reference, question, rdtype=1):
        """The message that a block makes for a question, pointers moved from the reference name to it."""
        block = layout.read_block(self.image, position)
        body = bytearray(block.body)
        delta = len(question.to_wire()) - len(reference.to_wire())
        for at in block.relocations:
            pointer = (int.from_bytes(body[at : at + 2], "big") & 0x3FFF) + delta
            body[at : at + 2] = (0xC000 | pointer).to_bytes(2, "big")
        counts = (1, block.answers, block.authorities, block.additionals)
        head = b"\0\0\x84\0" + b"".join(count.to_bytes(2, "big") for count in counts)
        return dns.message.from_wire(head + question.to_wire() + rdtype.to_bytes(2, "big") + b"\0\1" + bytes(body))


def contents(text, origin):
    """(owner, type) -> (lowest TTL, {rdata})."""
    found = {}
    for _, owner, ttl, rdata in parse(text, dns.name.from_text(origin)):
        lowest, rdatas = found.get((owner.canonicalize(), rdata.rdtype), (ttl, set()))
        found[owner.canonicalize(), rdata.rdtype] = min(ttl, lowest), rdatas | {rdata.to_digestable()}
    return found


def all_names(text, origin):
    """Owners and the empty non-terminals above them."""
    top = dns.name.from_text(origin).canonicalize()
    names = set()
    for owner, _ in contents(text, origin):
        while owner != top:
            names.add(owner)
            owner = owner.parent()
    return names | {top}


def prefixes(name, lengths=(1, 7, 63)):
    """Longer names that end in this one."""
    longer = [name]
    for length in lengths:
        if len(name.to_wire()) + length + 1 <= 255:
            longer.append(dns.name.Name([b"q" * length, *name.labels]))
    while len(longer[-1].to_wire()) <= 191:
        longer.append(dns.name.Name([b"r" * 63, *longer[-1].labels]))
    return longer


def reference_of(image, node):
    name = image.name(node)
    return name.parent() if node.flags & layout.IS_WILDCARD and not node.flags & layout.OCCLUDED else name


# ---- generated zones


@generated
@given(st.data())
def test_every_name_is_found_and_the_order_is_canonical(data):
    for origin, text in data.draw(worlds()).items():
        for module in engines():
            image = Image(of_text(module.compile_zone, text, origin)[0])
            names = [image.name(node) for node in image.nodes]
            assert names == sorted(all_names(text, origin))
            for node, name in zip(image.nodes, names, strict=True):
                for spelling in (name.to_wire(), name.to_wire().upper()):
                    assert find.find(image.image, image.header, spelling) == node.position
            for name in [*names, dns.name.from_text("c.b.a.c.b.a", names[0])]:
                other = dns.name.from_text("no-such-label", name)
                assert find.find(image.image, image.header, other.to_wire()) == 0


@generated
@given(st.data())
def test_own_blocks_hold_the_records_that_went_in(data):
    for origin, text in data.draw(worlds()).items():
        expected = contents(text, origin)
        for module in engines():
            image = Image(of_text(module.compile_zone, text, origin)[0])
            found = {}
            for node in image.nodes:
                name, reference = image.name(node), reference_of(image, node)
                for entry in node.entries:
                    if entry.flags & layout.OWN:
                        message = image.message(entry.plain, reference, name)
                        rrset = (message.answer or message.authority)[0]
                        assert (rrset.name, rrset.rdtype) == (name, entry.type)
                        found[name, rrset.rdtype] = rrset.ttl, {rdata.to_digestable() for rdata in rrset}
            assert found == expected


@generated
@given(st.data())
def test_relocated_blocks_say_the_same_to_names_of_any_length(data):
    for origin, text in data.draw(worlds()).items():
        for module in engines():
            image = Image(of_text(module.compile_zone, text, origin)[0])
            negative = {
                str(image.message(image.header.negative, image.origin, question).authority[0])
                for question in prefixes(image.origin)
            }
            assert len(negative) == 1
            for node in image.nodes:
                reference = reference_of(image, node)
                wild = node.flags & layout.IS_WILDCARD
                if not (wild or node.flags & layout.CUT) or node.flags & layout.OCCLUDED:
                    continue
                for entry in node.entries:
                    slow = layout.read_block(image.image, entry.plain).flags & layout.BLOCK_SLOW
                    if slow or not (wild or entry.type == dns.rdatatype.NS):
                        continue
                    said = set()
                    for question in prefixes(reference)[1 if wild else 0 :]:
                        message = image.message(entry.plain, reference, question)
                        sections = (message.answer, message.authority, message.additional)
                        said.add(
                            tuple(
                                (i, "Q" if rrset.name == question and wild else rrset.name, tuple(map(str, rrset)))
                                for i, section in enumerate(sections)
                                for rrset in section
                            )
                        )
                    assert len(said) == 1, (entry, said)


@generated
@given(st.data())
def test_both_engines_write_the_same_bytes(data):
    uncompiled, *compiled = engines()
    if not compiled:
        pytest.skip("the compiler is not compiled in this installation")
    for origin, text in data.draw(worlds()).items():
        how = data.draw(st.sampled_from([None, Nsec(), Nsec3(), Nsec3(2, b"\xab\xcd", True)]))
        text = sign(text, origin, how) if how else text
        assert of_text(uncompiled.compile_zone, text, origin) == of_text(compiled[0].compile_zone, text, origin)


LABELS = st.binary(min_size=1, max_size=9) | st.sampled_from([b"\0", b"\1", b"\0\0", b"\1\1", b"A", b"a\0", b"*"])
OWNERS = st.lists(st.lists(LABELS, min_size=1, max_size=6), min_size=1, max_size=90)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(OWNERS, st.sampled_from([".", "example.", "a.b.c.d.e."]))
def test_any_bytes_sort_as_dnspython_has_it(owners, origin):
    """More names than the insertion sort takes, labels with zeros and ones in them."""
    top = dns.name.from_text(origin)
    stream = stream_of(SOA, origin)
    names = {top, dns.name.from_text("ns", top)} - {dns.name.from_text("ns", top)}
    for labels in owners:
        owner = dns.name.Name(labels).concatenate(top)
        records.append(stream, owner.to_wire(), 16, 60, b"\1x")
        while owner != top:
            names.add(owner.canonicalize())
            owner = owner.parent()
    for module in engines():
        image = Image(module.compile_zone(stream, top.to_wire(), SEED)[0])
        assert [image.name(node) for node in image.nodes] == sorted(names)
        assert all(image.node(name) for name in names)


# ---- by hand


def test_header(compile_zone):
    stream = stream_of(SOA + "a.b A 192.0.2.1", "example.")
    image, findings = compile_zone(stream, b"\7EXAMPLE\0", 2**64 + 5, b"from here")
    header = layout.read_header(image)
    assert findings == []
    assert (header.magic, header.size, header.seed, header.serial) == (layout.MAGIC, len(image), 5, 1)
    assert (header.nodes, header.records, header.flags) == (3, 3, 0)
    assert (header.origin_length, header.origin_labels) == (9, 1)
    assert layout.origin(image) == b"\7example\0"
    assert image[header.note : header.note + header.note_length] == b"from here"
    assert layout.write_header(header) == image[: layout.HEADER_SIZE]


def test_what_is_no_image_is_not_read():
    with pytest.raises(ValueError, match="first eight bytes"):
        layout.read_header(bytes(200))
    image, _ = of_text(engines()[0].compile_zone, SOA)
    with pytest.raises(ValueError, match="cut short"):
        layout.read_header(image[:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a A 192.0.2.1", [("no-soa", None)]),
        (SOA + "@ SOA ns host 2 2 3 4 5", [("second-soa", 3)]),
        (SOA + "a SOA ns host 2 2 3 4 5", [("second-soa", 3)]),
        ("@ SOA ns host 1 2 3 4 5", [("no-apex-ns", 1)]),
        (SOA + "other. A 192.0.2.1\nx.example.com. A 192.0.2.1", [("out-of-zone", 3), ("out-of-zone", 4)]),
        (SOA + "xexample. A 192.0.2.1", [("out-of-zone", 3)]),
        (SOA + "a CNAME b\na CNAME c", [("second-cname", 4)]),
        (SOA + "a DNAME b\na DNAME c", [("second-dname", 4)]),
        (SOA + "a A 192.0.2.1\na CNAME b", [("cname-and-other-data", 4)]),
        (SOA + "a CNAME b\na TXT x", [("cname-and-other-data", 4)]),
        (SOA + "a CNAME b\na DNAME x", [("cname-and-other-data", 4)]),
        (SOA + "@ CNAME b", [("cname-and-other-data", 3)]),
        (SOA + "a NS b\na DNAME x", [("dname-and-ns", 4)]),
        (SOA + "a TYPE41 \\# 0", [("meta-type", 3)]),
        (SOA + "a CNAME b\nA cname B", []),
        (SOA + "@ DNAME b.", []),
    ],
)
def test_findings(compile_zone, text, expected):
    stream = stream_of(text, "example.")
    _, findings = compile_zone(stream, ORIGIN.to_wire(), SEED)
    lines = [(code, records.record_at(stream, offset).line if offset >= 0 else None) for code, offset in findings]
    assert lines == expected or (text.endswith("cname B") and {code for code, _ in lines} <= {"second-cname"})


def test_findings_are_bounded(compile_zone):
    text = SOA + "\n".join(f"x{i}.other. A 192.0.2.1" for i in range(1500))
    findings = of_text(compile_zone, text)[1]
    assert len(findings) == 1001
    assert findings[-1] == ("more-findings", -1)


def test_no_soa_no_image(compile_zone):
    assert compile_zone(b"", ORIGIN.to_wire(), SEED) == (b"", [("no-soa", -1)])


def test_duplicates_are_dropped_and_the_lowest_ttl_wins(compile_zone):
    text = SOA + "a 60 A 192.0.2.1\nA 30 A 192.0.2.1\na 90 A 192.0.2.2\na 50 A 192.0.2.3"
    image = Image(of_text(compile_zone, text)[0])
    node = image.node(dns.name.from_text("a", ORIGIN))
    rrset = image.message(node.entries[0].plain, image.name(node), image.name(node)).answer[0]
    assert sorted(map(str, rrset)) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert rrset.ttl == 50
    assert image.header.records == 5


def test_an_rrset_that_no_message_holds_is_slow(compile_zone):
    text = SOA + "\n".join(f'a TXT "{i:03}{"x" * 250}"' for i in range(300))
    image = Image(of_text(compile_zone, text)[0])
    entry = image.node(dns.name.from_text("a", ORIGIN)).entries[0]
    assert layout.read_block(image.image, entry.plain).flags & layout.BLOCK_SLOW


def test_pointers_stay_within_14_bits(compile_zone):
    """A body that is longer than a pointer reaches, for questions of any length."""
    text = SOA + "\n".join(f"*.m MX {i} a{i}.{'y' * 50}.net." for i in range(900))
    image = Image(of_text(compile_zone, text)[0])
    node = image.node(dns.name.from_text("*.m", ORIGIN))
    entry = next(entry for entry in node.entries if entry.type == 15)
    block = layout.read_block(image.image, entry.plain)
    assert len(block.body) > 0x4000
    for question in prefixes(dns.name.from_text("m", ORIGIN)):
        message = image.message(entry.plain, dns.name.from_text("m", ORIGIN), question, 15)
        exchanges = {rdata.preference: rdata.exchange.to_text() for rdata in message.answer[0]}
        assert exchanges == {i: f"a{i}.{'y' * 50}.net." for i in range(900)}


def test_names_of_every_depth(compile_zone):
    deepest = ".".join(["d"] * 123)
    text = SOA + f"{deepest} A 192.0.2.1\n{'x' * 63}.{'y' * 63}.{'z' * 63} A 192.0.2.2"
    image = Image(of_text(compile_zone, text)[0])
    assert image.header.nodes == 1 + 123 + 3
    name = dns.name.from_text(deepest, ORIGIN)
    assert len(name.to_wire()) == 255
    while name != ORIGIN:
        assert image.node(name)
        name = name.parent()


def test_wildcards_cuts_and_what_is_below_them(compile_zone):
    text = SOA + "*.w TXT x\nsub NS ns.sub\nns.sub A 192.0.2.1\n*.sub A 192.0.2.1\nd DNAME x.\nu.d A 192.0.2.1"
    image = Image(of_text(compile_zone, text)[0])

    def node(text):
        return image.node(dns.name.from_text(text, ORIGIN))

    assert node("w").flags == layout.HAS_WILDCARD
    assert node("w").link == node("*.w").position
    assert node("*.w").flags == layout.IS_WILDCARD
    assert node("sub").flags & layout.CUT
    assert node("ns.sub").flags == layout.OCCLUDED
    assert node("ns.sub").link == node("sub").position
    assert node("d").flags == layout.HAS_DNAME
    assert (node("u.d").flags, node("u.d").link) == (layout.OCCLUDED, node("d").position)


def test_a_long_chain_is_left_to_the_slow_path(compile_zone):
    for length, slow in ((15, False), (16, True), (40, True)):
        text = SOA + "\n".join(f"c{i} CNAME c{i + 1}" for i in range(length)) + f"\nc{length} A 192.0.2.1"
        image = Image(of_text(compile_zone, text)[0])
        entry = image.node(dns.name.from_text("c0", ORIGIN)).entries[0]
        assert bool(layout.read_block(image.image, entry.plain).flags & layout.BLOCK_SLOW) == slow, length


@pytest.mark.parametrize(
    ("rdtype", "rdata"),
    [
        (2, b""), (2, b"\3abc"), (2, b"\1a\0x"), (2, b"\xc0\x0c"), (2, b"\x40" + bytes(70)), (5, b"\4abc\0"),
        (15, b"\0"),
        (15, b"\0\1"), (33, b""), (33, b"\0\0\0\0\0\1"), (33, b"\0\0\0\0\0\1\5ab"), (64, b"\0\1"), (65, b"\0\1\7ab"),
        (6, b""), (6, b"\0\0" + bytes(19)), (6, b"\1a\0\1b" + bytes(20)), (46, b""), (46, bytes(18)),
    ],
)  # fmt: skip
def test_rdata_that_is_cut_short_is_refused(compile_zone, rdtype, rdata):
    """As the last record, so that reading on would leave the buffer: the name of the root zone is one byte."""
    for origin, text in (("example.", SOA), (".", SOA.replace("ns", ".").replace("host", "."))):
        stream = stream_of(text, origin)
        owner = dns.name.from_text("a" if rdtype != 6 else "@", dns.name.from_text(origin)).to_wire()
        records.append(stream, owner, rdtype, 60, rdata)
        with pytest.raises(ValueError, match=r"\w"):
            compile_zone(stream, dns.name.from_text(origin).to_wire(), SEED)


@pytest.mark.parametrize("kept", range(1, 51))
def test_a_stream_that_is_cut_short_is_refused(compile_zone, kept):
    for origin in ("example.", "."):
        with pytest.raises(ValueError, match="ends inside a record"):
            compile_zone(stream_of(SOA, origin)[:kept], b"\0", SEED)


@pytest.mark.parametrize("owner", [b"", b"a", b"\1a", b"\1a\0\0", b"\x40" + bytes(64) + b"\0", b"\1a" * 127 + b"\1a\0"])
def test_an_owner_that_is_no_name_is_refused(compile_zone, owner):
    stream = stream_of(SOA, "example.")
    records.append(stream, owner, 1, 60, bytes(4))
    with pytest.raises(ValueError, match="name in the record stream"):
        compile_zone(stream, ORIGIN.to_wire(), SEED)
