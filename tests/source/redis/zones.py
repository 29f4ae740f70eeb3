"""Zones as they are put into a Redis by hand, and what was read of them."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdataclass

from pippin.engine.records import iterate
from pippin.source.loaded import Loaded
from pippin.source.redis.database import RedisDatabase
from tests.peers.redis import RedisServer

SOA = "300 SOA ns1 hostmaster 1 7200 3600 1209600 300"


def add_zone(redis: RedisServer, zone: str, fields: dict[str | bytes, str | bytes] | None = None) -> None:
    """A zone with SOA, NS and `www`, and more fields."""
    whole = {"@": f"{SOA}\n300 NS ns1", "ns1": "300 A 192.0.2.1", "www": "300 A 192.0.2.10", **(fields or {})}
    redis.do("HSET", f"pippin:zone:{zone}", *(part for one in whole.items() for part in one))
    redis.do("HINCRBY", "pippin:zones", zone, 1)


def read(database: RedisDatabase) -> dict[str, Loaded]:
    domains = [(domain, "") for domain in database.domains() if not domain.problem and not domain.is_deleted]
    return {domain.name: loaded for domain, loaded in database.read(domains)}


def shown(loaded: Loaded) -> list[str]:
    """Records as text, by owner."""
    lines = []
    for record in iterate(loaded.records):
        owner = dns.name.from_wire(record.owner, 0)[0]
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, record.type, record.rdata, 0, len(record.rdata))
        lines.append(f"{owner} {record.ttl} {rdata.rdtype.name} {rdata}")
    return sorted(lines)
