"""Writing zones into a Redis: each put together beside the old one and moved into its place at once.

Whoever reads meanwhile sees the old zone or the new one. A zone that is there already, record for record, is left as
it is, so that loading all zones again and again tells nobody of anything.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from pippin.engine.records import iterate
from pippin.source.loaded import Loaded
from pippin.source.names import labels, name_of
from pippin.source.redis.connection import explained, open_client
from pippin.source.redis.layout import (
    DELETED,
    NO_NS,
    channel,
    loading_key,
    relative,
    zone_key,
    zones_key,
)
from pippin.source.redis.url import parsed
from pippin.source.url import DatabaseError, DatabaseURL

FIELDS_AT_A_TIME = 1000

LEFT_BEHIND = 3600
"""Seconds after which what an interrupted load has left behind goes away by itself."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one zone."""

    origin: str
    names: int
    """Those that own records."""
    records: int
    is_new: bool
    """False: it was there already, just so."""


class Writer:
    """Opens at the first call; every method raises `DatabaseError`."""

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._where = parsed(url.url)
        self._client: Any = open_client(self._where)

    def close(self) -> None:
        self._client.close()

    def zones(self) -> set[str]:
        """The origins in the list."""
        with explained(self._where, str(self.url)):
            listed = self._client.hgetall(zones_key(self._where))
        return {name.decode("ascii", "backslashreplace") for name, value in listed.items() if value != DELETED}

    def write(self, zone: Loaded) -> Written:
        """A zone without errors."""
        origin, key = name_of(zone.origin), zone_key(self._where, name_of(zone.origin))
        fields, records = fields_of(zone)
        names = sum(bool(value) for value in fields.values()) - (NO_NS in fields)
        with explained(self._where, str(self.url)):
            version = self._client.hget(zones_key(self._where), origin)
            kind = self._client.type(key)
            if version not in (None, DELETED) and kind == b"hash" and self._client.hgetall(key) == fields:
                return Written(origin, names, records, False)
            self._replace(origin, fields, version)
        return Written(origin, names, records, True)

    def delete(self, origins: Iterable[str]) -> list[str]:
        """Say that there are no such zones, also of those that are not there: servers may still have them."""
        done = []
        with explained(self._where, str(self.url)):
            for origin in origins:
                with self._client.pipeline(transaction=True) as change:
                    change.unlink(zone_key(self._where, origin))
                    change.hset(zones_key(self._where), origin, DELETED)
                    change.publish(channel(self._where), origin)
                    change.execute()
                done.append(origin)
        return done

    def _replace(self, origin: str, fields: dict[bytes, bytes], version: bytes | None) -> None:
        key, beside = zone_key(self._where, origin), loading_key(self._where, origin, secrets.token_hex(8))
        items = list(fields.items())
        is_done = False
        try:
            for start in range(0, len(items), FIELDS_AT_A_TIME):
                self._client.hset(beside, mapping=dict(items[start : start + FIELDS_AT_A_TIME]))
                if not start:
                    self._client.expire(beside, LEFT_BEHIND)
            with self._client.pipeline(transaction=True) as change:
                change.unlink(key)  # in the background, which renaming alone would not do
                change.rename(beside, key)
                change.persist(key)
                change.hset(zones_key(self._where), origin, _next(version))
                change.publish(channel(self._where), origin)
                change.execute()
            is_done = True
        finally:
            if not is_done:
                with suppress(DatabaseError), explained(self._where, str(self.url)):
                    self._client.unlink(beside)


def fields_of(zone: Loaded) -> tuple[dict[bytes, bytes], int]:
    """The hash of a zone, and how many records are in it."""
    lines: dict[bytes, list[bytes]] = {}
    owners: dict[bytes, bytes] = {}
    records = 0
    for record in iterate(zone.records):
        owner = record.owner.lower()
        field = owners.get(owner)
        if field is None:
            field = owners[owner] = relative(owner, zone.origin)
            lines[field] = []
        kind = _KINDS.get(record.type)
        if kind is not None:
            text = kind[0] + kind[1](record.rdata)
        else:
            rdata = dns.rdata.from_wire(
                dns.rdataclass.IN, dns.rdatatype.RdataType.make(record.type), record.rdata, 0, len(record.rdata)
            )
            text = f"{dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text(chunksize=0)}"
        lines[field].append(f"{record.ttl} {text}".encode())
        records += 1
    fields = {field: b"\n".join(some) for field, some in lines.items()}
    for owner in list(owners):
        above = owner[1 + owner[0] :] if owner != zone.origin else owner
        while len(above) > len(zone.origin) and above not in owners:
            owners[above] = relative(above, zone.origin)
            fields[owners[above]] = b""
            above = above[1 + above[0] :]
    if not zone.is_master_file:
        fields[NO_NS] = b"as it is meant to be"
    return fields, records


def _next(version: bytes | None) -> int:
    """A version that has not been there before, also if all of Redis has been lost meanwhile."""
    known = int(version) if version is not None and version.isdigit() and len(version) < 19 else 0
    return max(known + 1, time.time_ns() // 1000)


def _name(rdata: bytes) -> str:
    """An absolute name, in the case it was written in."""
    return "".join(f"{label}." for label in labels(rdata)) or "."


_KINDS: dict[int, tuple[str, Callable[[bytes], str]]] = {
    1: ("A ", socket.inet_ntoa),
    2: ("NS ", _name),
    5: ("CNAME ", _name),
    12: ("PTR ", _name),
    28: ("AAAA ", lambda rdata: socket.inet_ntop(socket.AF_INET6, rdata)),
}
"""How the most frequent types are written; the others take dnspython a few times as long."""
