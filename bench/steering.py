"""What the questions about decisions need: networks and their countries, and clients in them.

Clients are EDNS Client Subnets (RFC 7871), for one machine has not ten thousand addresses to ask from. The streams
are files of whole messages (dnsperf -B), because each query has an option of its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from random import Random

import dns.edns
import dns.message
from mmdb_writer import MMDBWriter
from netaddr import IPSet

CONTINENTS = {"DE": "EU", "FR": "EU", "CZ": "EU", "US": "NA", "BR": "SA", "JP": "AS", "ZA": "AF", "AU": "OC"}
NETWORKS = 10_000
QUERIES = 100_000


def networks(seed: int) -> list[tuple[ipaddress.IPv4Network, str]]:
    """10,000 different /24 networks, each with a country."""
    random = Random(seed)
    countries = sorted(CONTINENTS)
    numbers = random.sample(range(11 << 16, 100 << 16), NETWORKS)
    return [(ipaddress.IPv4Network((number << 8, 24)), random.choice(countries)) for number in numbers]


def database(folder: Path, seed: int) -> Path:
    """The networks as a MaxMind DB."""
    path = folder / f"networks-{NETWORKS}-{seed}.mmdb"
    if not path.exists():
        writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
        for network, country in networks(seed):
            record = {"country": {"iso_code": country}, "continent": {"code": CONTINENTS[country]}}
            writer.insert_network(IPSet([str(network)]), record)
        unfinished = path.with_suffix(".unfinished")
        writer.to_db_file(str(unfinished))
        unfinished.rename(path)
    return path


def _write(path: Path, name: str, clients: Iterable[int], octets: int) -> None:
    """One query for each client, whose address comes last in a message."""
    option = dns.edns.ECSOption("0.0.0.0", 8 * octets)
    pattern = dns.message.make_query(name, "A", flags=0, use_edns=0, options=[option]).to_wire()[:-octets]
    head = (len(pattern) + octets).to_bytes(2, "big") + pattern
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        for client in clients:
            file.write(head + (client >> (32 - 8 * octets)).to_bytes(octets, "big"))
    unfinished.rename(path)


def subnets(folder: Path, name: str, seed: int) -> Path:
    """Questions for `name` from clients in the networks above, /24 as resolvers tell them."""
    path = folder / f"subnets-{name}-{NETWORKS}-{QUERIES}-{seed}.wire"
    if not path.exists():
        random = Random(seed)
        known = [int(network.network_address) for network, _ in networks(seed)]
        _write(path, name, (random.choice(known) for _ in range(QUERIES)), 3)
    return path


def strangers(folder: Path, name: str, seed: int, count: int = 10 * QUERIES) -> Path:
    """Questions for `name`, no two from the same address."""
    path = folder / f"strangers-{name}-{count}-{seed}.wire"
    if not path.exists():
        random = Random(seed)
        _write(path, name, random.sample(range(11 << 24, 100 << 24), count), 4)
    return path
