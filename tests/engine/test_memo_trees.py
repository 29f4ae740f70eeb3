"""The search tree of MaxMind DB files: the same leaf and depth as the format's own reader. Both engines."""

from __future__ import annotations

import ipaddress

import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from tests.conftest import uncompiled_twin
from tests.engine.plan_model import Memo, State, a, set_client

NETWORKS = {
    "1.0.0.0/8": "apnic",
    "1.2.3.0/24": "office",
    "192.0.2.77/32": "host",
    "128.0.0.0/2": "quarter",
    "2001:db8::/32": "documentation",
    "2001:db8:0:ffff::/64": "subnet",
    "2001:db8::1/128": "one",
    "fe80::/10": "link",
}
CLIENTS = [
    "0.0.0.0", "1.0.0.0", "1.2.2.255", "1.2.3.4", "1.2.4.0", "128.1.1.1", "192.0.2.76", "192.0.2.77", "192.0.2.78",
    "223.255.255.255", "255.255.255.255", "::", "::1", "::1.2.3.4", "::ffff:1.2.3.4", "2001:db7:ffff::",
    "2001:db8::", "2001:db8::1", "2001:db8::2", "2001:db8:0:ffff::9", "2001:db9::", "fe80::1", "ffff::",
]  # fmt: skip


class Database:
    """A file as MMDBWriter makes it, and what PolicyMemo wants to know about it."""

    def __init__(self, path, ip_version: int, networks: dict[str, str]) -> None:
        writer = MMDBWriter(ip_version, ipv4_compatible=ip_version == 6)
        for network, name in networks.items():
            if ip_version == 6 or "." in network:
                writer.insert_network(IPSet([network]), {"name": name})
        writer.to_db_file(str(path))
        self.reader = maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
        metadata = self.reader.metadata()
        self.octets = path.read_bytes()
        self.tree = (self.octets, metadata.node_count, metadata.record_size, ip_version)


@pytest.fixture
def module(engine_module):
    return engine_module("memo")


@pytest.mark.parametrize("ip_version", [4, 6])
def test_the_leaf_is_that_of_the_formats_reader(module, tmp_path, ip_version):
    database = Database(tmp_path / "networks.mmdb", ip_version, NETWORKS)
    memo = module.PolicyMemo(b"", 1)
    tree = memo.add_tree(*database.tree)
    leaves = {}
    for client in CLIENTS:
        address = ipaddress.ip_address(client)
        leaf, depth = memo.walk(tree, address.packed, address.max_prefixlen)
        if ip_version == 4 and address.version == 6:
            assert (leaf, depth) == (0, 0), "an address that the database knows nothing of"
            continue
        record, prefix = database.reader.get_with_prefix_len(client)
        assert depth == prefix
        assert (leaf == 0) == (record is None)
        assert leaves.setdefault(leaf, record) == record
    assert len(leaves) == (5 if ip_version == 4 else 9)
    assert all(leaf == 0 or leaf > database.tree[1] for leaf in leaves)


def test_a_tree_that_ends_before_ipv4_begins(module, tmp_path):
    """One network holds all IPv4 addresses: the leaf is the same for each, and none of their bits was looked at."""
    database = Database(tmp_path / "networks.mmdb", 6, {"::/8": "low"})
    memo = module.PolicyMemo(b"", 1)
    tree = memo.add_tree(*database.tree)
    leaf, depth = memo.walk(tree, bytes([192, 0, 2, 1]), 32)
    assert leaf == memo.walk(tree, bytes(16), 128)[0] != 0
    assert depth == database.reader.get_with_prefix_len("192.0.2.1")[1] == 0


# ---- trees made by hand: every size of records, against the longest prefix

PREFIXES = st.lists(
    st.builds(
        lambda address, bits: (address >> (32 - bits) << (32 - bits), bits),
        st.integers(0, 2**32 - 1),
        st.integers(1, 32),
    ),
    max_size=12,
)


def make_tree(prefixes: list[tuple[int, int]]) -> list[list[int]]:
    """Nodes of (left, right): another node, -1 for none, -2 - i for the i-th prefix. Longer prefixes win."""
    nodes = [[-1, -1]]
    for i, (address, bits) in sorted(enumerate(prefixes), key=lambda item: item[1][1]):
        node = 0
        for depth in range(bits - 1):
            bit = address >> (31 - depth) & 1
            below = nodes[node][bit]
            if below < 0:
                nodes[node][bit] = len(nodes)
                nodes.append([below, below])
            node = nodes[node][bit]
        nodes[node][address >> (32 - bits) & 1] = -2 - i
    return nodes


def write_tree(nodes: list[list[int]], record_bits: int) -> bytes:
    octets = b""
    for node in nodes:
        left, right = (n if n >= 0 else len(nodes) + (0 if n == -1 else 14 - n) for n in node)
        if record_bits == 28:
            middle = (left >> 24 << 4) | right >> 24
            octets += (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")
        else:
            octets += left.to_bytes(record_bits // 8, "big") + right.to_bytes(record_bits // 8, "big")
    return octets


@pytest.mark.parametrize("record_bits", [24, 28, 32])
def test_the_longest_prefix_is_found(module, record_bits):
    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(PREFIXES, st.lists(st.integers(0, 2**32 - 1), max_size=5), st.integers(0, 32))
    def check(prefixes, others, known):
        nodes = make_tree(prefixes)
        memo = module.PolicyMemo(b"", 1)
        tree = memo.add_tree(write_tree(nodes, record_bits), len(nodes), record_bits, 4)
        for address in [*others, *(first for first, _ in prefixes)]:
            seen = address >> (32 - known) << (32 - known)
            matching = [(bits, p) for p, bits in prefixes if seen >> (32 - bits) == p >> (32 - bits)]
            leaf, depth = memo.walk(tree, address.to_bytes(4, "big"), known)
            assert (leaf != 0) == bool(matching)
            if matching:
                bits, prefix = max(matching)
                assert prefixes[leaf - len(nodes) - 16] == (prefix, bits)
                assert depth >= bits

    check()


def test_large_records(module):
    """All bits of a record count: four of a 28-bit one are in the octet between both."""
    for record_bits in (24, 28, 32):
        left, right = (1 << record_bits) - 2, (0xA5C3F187 >> (32 - record_bits)) | 1
        if record_bits == 28:
            octets = (left & 0xFFFFFF).to_bytes(3, "big") + bytes([(left >> 24 << 4) | right >> 24])
            octets += (right & 0xFFFFFF).to_bytes(3, "big")
        else:
            octets = left.to_bytes(record_bits // 8, "big") + right.to_bytes(record_bits // 8, "big")
        memo = module.PolicyMemo(b"", 1)
        tree = memo.add_tree(octets, 1, record_bits, 4)
        assert memo.walk(tree, bytes(4), 32) == (left, 1)
        assert memo.walk(tree, b"\x80\0\0\0", 32) == (right, 1)


# ---- hostile trees


@pytest.mark.parametrize(
    ("size", "nodes", "record_bits", "ip_version"),
    [
        (5, 1, 24, 4),
        (6, 2, 24, 4),
        (13, 2, 28, 4),
        (15, 2, 32, 6),
        (0, 1, 24, 6),
        (64, 1, 25, 4),
        (64, 1, 24, 5),
        (64, -1, 24, 4),
        (64, 1 << 32, 32, 4),
    ],
)
def test_a_tree_that_is_cut_off_is_refused(module, size, nodes, record_bits, ip_version):
    memo = module.PolicyMemo(b"", 1)
    with pytest.raises(ValueError, match="search tree"):
        memo.add_tree(bytes(size), nodes, record_bits, ip_version)


@settings(deadline=None, derandomize=True)
@given(
    st.binary(max_size=200), st.sampled_from([24, 28, 32]), st.sampled_from([4, 6]), st.binary(min_size=16, max_size=16)
)
def test_no_tree_leads_astray(octets, record_bits, ip_version, address):
    """Cycles end with the address's last bit, records past the end are leaves."""
    nodes = len(octets) // (record_bits // 4)
    memo = uncompiled_twin("memo").PolicyMemo(b"", 1)
    tree = memo.add_tree(octets, nodes, record_bits, ip_version)
    for packed in (address, address[:4]):
        leaf, depth = memo.walk(tree, packed, 8 * len(packed))
        assert leaf == 0 or nodes < leaf < 1 << record_bits
        assert 0 <= depth <= 8 * len(packed)


def test_a_tree_of_nothing(module):
    memo = module.PolicyMemo(b"", 1)
    assert memo.walk(memo.add_tree(b"", 0, 24, 6), bytes(4), 32) == (0, 0)


def test_a_cycle_ends(module):
    memo = module.PolicyMemo(b"", 1)
    tree = memo.add_tree(bytes(6), 1, 24, 6)
    assert memo.walk(tree, bytes(4), 32) == (0, 32)
    assert memo.walk(tree, bytes(16), 128) == (0, 128)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda memo: memo.walk(1, bytes(4), 32),
        lambda memo: memo.walk(-1, bytes(4), 32),
        lambda memo: memo.walk(0, bytes(5), 32),
        lambda memo: memo.teach(1, 0, 0, 0),
        lambda memo: memo.teach(0, 64, 0, 0),
        lambda memo: memo.teach(0, -1, 0, 0),
        lambda memo: memo.replace_tree(1, b"", 0, 24, 4),
    ],
)
def test_what_is_not_there(module, wrong):
    memo = module.PolicyMemo(b"", 1)
    memo.add_tree(b"", 0, 24, 4)
    with pytest.raises(ValueError, match=r"tree|address"):
        wrong(memo)


# ---- as facts


def two_halves(low: int, high: int) -> bytes:
    """The leaves of 0.0.0.0/1 and 128.0.0.0/1."""
    return low.to_bytes(3, "big") + high.to_bytes(3, "big")


def test_what_nobody_taught_is_asked_of_the_slow_path(module):
    memo = Memo(module)
    tree = memo.memo.add_tree(two_halves(100, 200), 1, 24, 4)
    memo.learn([(3, tree, 0, 7)], a(7))
    assert memo.draw() is None, "no field was taught"
    memo.memo.teach(tree, 0, 100, 6)
    assert memo.draw() is None, "this leaf was not"
    memo.memo.teach(tree, 0, 200, 7)
    assert memo.draw().records == ((1, bytes([192, 0, 2, 7])),)
    assert memo.scope == 1
    set_client(memo.memo.ask, "1.2.3.4")
    assert memo.draw() is None, "a value that no plan is known for"
    memo.learn([(3, tree, 0, 6)], ("outcome", 1))
    assert memo.draw() == State(1)


def test_no_leaf_is_a_leaf_that_can_be_taught(module):
    memo = Memo(module)
    tree = memo.memo.add_tree(two_halves(1, 1), 1, 24, 4)
    memo.memo.teach(tree, 2, 0, 0)
    memo.learn([(3, tree, 2, 0)], a(1))
    assert memo.draw().records
    assert memo.scope == 1
    set_client(memo.memo.ask, "2001:db8::1")
    assert memo.draw().records, "no IPv6 address is in a tree of IPv4"
    assert memo.scope == 0


def test_a_replaced_tree_has_to_be_taught_again_but_plans_stay(module):
    memo = Memo(module)
    tree = memo.memo.add_tree(two_halves(100, 200), 1, 24, 4)
    memo.memo.teach(tree, 0, 200, 7)
    memo.learn([(3, tree, 0, 7)], a(7))
    memo.memo.replace_tree(tree, two_halves(200, 100), 1, 24, 4)
    assert memo.draw() is None
    memo.memo.teach(tree, 0, 100, 7)
    assert memo.draw().records


def test_several_trees_and_fields(module):
    """The scope is the deepest walk's."""
    memo = Memo(module)
    nodes = make_tree([(0xC6336400, 24)])
    deep = memo.memo.add_tree(write_tree(nodes, 28), len(nodes), 28, 4)
    flat = memo.memo.add_tree(two_halves(100, 200), 1, 24, 4)
    leaf, depth = memo.memo.walk(deep, bytes([198, 51, 100, 77]), 32)
    assert depth == 24
    for field in (0, 1):
        memo.memo.teach(deep, field, leaf, 10 + field)
    memo.memo.teach(flat, 0, 200, 12)
    memo.learn([(3, flat, 0, 12)], a(1))
    memo.draw()
    assert memo.scope == 1
    memo.learn([(3, deep, 0, 10), (3, flat, 0, 12), (3, deep, 1, 11)], a(2))
    assert memo.draw().records == ((1, bytes([192, 0, 2, 2])),)
    assert memo.scope == 24
    memo.draw_plan(a(1), [(3, flat, 0, 12)])
    assert memo.scope == 1


def test_bits_that_are_not_known_count_as_zero(module):
    memo = Memo(module)
    nodes = make_tree([(0xC6336400, 25)])
    tree = memo.memo.add_tree(write_tree(nodes, 24), len(nodes), 24, 4)
    leaf, _ = memo.memo.walk(tree, bytes([198, 51, 100, 200]), 24)
    assert leaf == len(nodes) + 16
    memo.memo.teach(tree, 0, leaf, 1)
    memo.learn([(3, tree, 0, 1)], a(1))
    set_client(memo.memo.ask, "198.51.100.200", 24)
    assert memo.draw().records
    assert memo.scope == 25, "more than was given: RFC 7871 section 7.2.1 lets the server say so"
    set_client(memo.memo.ask, "198.51.100.200")
    assert memo.draw() is None


def test_what_is_taught_is_bounded(module, monkeypatch):
    if module.is_compiled():
        pytest.skip("the compiled module's bound is too large to be reached here")
    monkeypatch.setattr(module, "TAUGHT_LIMIT", 10)
    memo = module.PolicyMemo(b"", 1)
    tree = memo.add_tree(b"", 0, 24, 4)
    for leaf in range(100):
        memo.teach(tree, 0, leaf, leaf)
        assert len(memo.trees[0].fields[0]) <= 10
