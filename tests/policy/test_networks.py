"""Named networks: the longest prefix wins, in the tree that the engine walks."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pippin.engine.memo import PolicyMemo
from pippin.policy.networks import IP_VERSION, RECORD_BITS, Network, Networks, NetworksError, merge

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Close together, so that prefixes contain each other.
numbers4 = st.integers(0, 255).map(lambda low: (10 << 24) | (low << 4))
numbers6 = st.integers(0, 255).map(lambda low: (0x20010DB8 << 96) | (low << 60))
prefixes = st.one_of(
    st.tuples(numbers4, st.integers(0, 32)).map(lambda p: ipaddress.IPv4Network(p, strict=False)),
    st.tuples(numbers6, st.integers(0, 128)).map(lambda p: ipaddress.IPv6Network(p, strict=False)),
)
addresses = st.one_of(
    numbers4.map(ipaddress.IPv4Address), numbers6.map(ipaddress.IPv6Address), st.ip_addresses()
).filter(lambda address: address.version == 4 or int(address) >> 32)
tables = st.dictionaries(prefixes, st.sampled_from(["a", "b", "c"]), max_size=12)


def names_of(table: dict[Network, str]) -> Networks:
    names: dict[str, list[str]] = {}
    for prefix, name in table.items():
        names.setdefault(name, []).append(str(prefix))
    return Networks(names)


def longest(table: dict[Network, str], address: Address) -> str | None:
    """The definition."""
    matching = [prefix for prefix in table if prefix.version == address.version and address in prefix]
    return table[max(matching, key=lambda prefix: prefix.prefixlen)] if matching else None


@settings(deadline=None)
@given(tables, st.lists(addresses, min_size=1, max_size=10))
def test_longest_prefix_wins(table: dict[Network, str], asked: list[Address]) -> None:
    networks = names_of(table)
    memo = PolicyMemo(bytearray(16), 1)
    tree = memo.add_tree(networks.memory, networks.node_count, RECORD_BITS, IP_VERSION)
    for address in asked:
        leaf, depth = networks.find(address, address.max_prefixlen)
        assert networks.name_of(leaf) == longest(table, address)
        assert memo.walk(tree, address.packed, address.max_prefixlen) == (leaf, depth)


@settings(deadline=None)
@given(tables, addresses, st.integers(0, 128))
def test_depth_says_which_clients_get_the_same_name(
    table: dict[Network, str], address: Address, other: int
) -> None:
    """RFC 7871 section 7.2.1: everybody in the scope prefix gets this answer."""
    networks = names_of(table)
    leaf, depth = networks.find(address, address.max_prefixlen)
    scope = ipaddress.ip_network((address, depth), strict=False)
    neighbour = scope.network_address + other % min(scope.num_addresses, 2**64)
    assert networks.name_of(networks.find(neighbour, neighbour.max_prefixlen)[0]) == networks.name_of(leaf)


def test_what_is_not_known_of_an_address_counts_as_zero() -> None:
    networks = Networks({"low": ["10.0.0.0/9"], "high": ["10.128.0.0/9"]})
    address = ipaddress.ip_address("10.200.0.0")
    assert networks.name_of(networks.find(address, 8)[0]) == "low"
    assert networks.name_of(networks.find(address, 9)[0]) == "high"


def test_default_of_one_family_is_not_that_of_the_other() -> None:
    six = Networks({"six": ["::/0"]})
    assert six.name_of(six.find(ipaddress.ip_address("2001:db8::"), 128)[0]) == "six"
    assert six.name_of(six.find(ipaddress.ip_address("192.0.2.1"), 32)[0]) is None
    four = Networks({"four": ["0.0.0.0/0"]})
    assert four.name_of(four.find(ipaddress.ip_address("2001:db8::"), 128)[0]) is None


def test_mapped_and_loopback_addresses() -> None:
    networks = Networks({"mapped": ["::ffff:192.0.2.0/120"], "here": ["::1/128", "127.0.0.0/8"]})
    assert networks.name_of(networks.find(ipaddress.ip_address("192.0.2.7"), 32)[0]) == "mapped"
    assert networks.name_of(networks.find(ipaddress.ip_address("::1"), 128)[0]) == "here"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"a": ["10.0.0.1/8"]},
            "'10.0.0.1/8' is no network: 10.0.0.1/8 has host bits set; right would be 192.0.2.0/24",
        ),
        ({"a": ["10.0.0.0/8"], "b": ["10.0.0.0/8"]}, "10.0.0.0/8 is both 'a' and 'b'"),
        ({"a": "10.0.0.0/8"}, "'a' has a list of prefixes"),
    ],
)
def test_mistakes_are_told(table: dict[str, list[str]], message: str) -> None:
    with pytest.raises(NetworksError, match=message):
        Networks(table)


def test_networks_of_several_files_are_one_table() -> None:
    a, b = Networks({"a": ["10.0.0.0/8"]}), Networks({"b": ["10.1.0.0/16"], "a": ["192.0.2.0/24"]})
    assert merge([a, b]) == Networks({"a": ["10.0.0.0/8", "192.0.2.0/24"], "b": ["10.1.0.0/16"]})
    with pytest.raises(NetworksError, match="both"):
        merge([a, Networks({"c": ["10.0.0.0/8"]})])
    assert not Networks({})
