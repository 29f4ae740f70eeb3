"""Single names looked up while a question waits: `LookUp` for Redis. HMGET for both questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.rdatatype

from pippin.engine.scan import MAX_ERRORS
from pippin.source.live import RECORDS_LIMIT, LiveSettings, LiveZone, Looked, LookUpError, Unreadable
from pippin.source.names import name_of
from pippin.source.redis.connection import explained, open_client
from pippin.source.redis.layout import DELETED, relative, zone_key, zones_key
from pippin.source.redis.url import parsed
from pippin.source.redis.values import Fields
from pippin.source.url import DatabaseError, parse_url
from pippin.zone.problem import Problem


class RedisLookUp:
    """`LookUp` for a Redis. Every thread that calls has a connection of its own meanwhile."""

    def __init__(self, settings: LiveSettings) -> None:
        """`LookUpError` if the driver is missing or the URL is none."""
        try:
            self._shown = str(parse_url(settings.url))
            self._where = parsed(settings.url)
            self._client: Any = open_client(self._where, seconds=settings.timeout)
        except DatabaseError as error:
            raise LookUpError(str(error)) from None

    def zones(self, names: Sequence[bytes]) -> Sequence[LiveZone]:
        key = zones_key(self._where)
        listed, is_there = self._ask(("HMGET", key, *map(name_of, names)), ("EXISTS", key))
        if isinstance(listed, Exception):
            raise LookUpError(f"{self._shown} {key}: {listed}")
        if not is_there:
            raise LookUpError(f"{self._shown} {key}: there is no list of zones, as after a flush")
        found = [
            LiveZone(name, name_of(name))
            for name, version in zip(names, listed, strict=True)
            if version is not None and version != DELETED
        ]
        return sorted(found, key=lambda zone: -len(zone.origin))

    def records(self, zone: LiveZone, names: Sequence[bytes]) -> Looked:
        key = zone_key(self._where, name_of(zone.origin))
        place = f"{self._shown} {key}"
        owners = {relative(name, zone.origin): name for name in names}
        others = [name for name in names if name != zone.origin]
        # With the rows comes whether a zone begins there, so that a new name in a known zone is one question.
        listing = ("HMGET", zones_key(self._where), *map(name_of, others))
        values, *versions = self._ask(("HMGET", key, *owners), *([listing] if others else []))
        origins: list[bytes] = []
        for listed in versions:
            if isinstance(listed, Exception):
                raise LookUpError(f"{self._shown} {listing[1]}: {listed}")
            origins += [name for name, version in zip(others, listed, strict=True) if version not in (None, DELETED)]
        if isinstance(values, Exception):
            problem = Problem(place, 0, 0, "it is no hash; delete the key, and load the zone again")
            return Looked(b"", (), tuple(Unreadable(name, 0, problem) for name in names), origins=tuple(origins))
        there = {field: value for field, value in zip(owners, values, strict=True) if value is not None}
        if sum(value.count(b"\n") for value in there.values()) + len(there) > RECORDS_LIMIT:
            what = f"more than {RECORDS_LIMIT} records at {name_of(names[0])} and the names above it"
            problem = Problem(place, 0, 0, what)
            return Looked(b"", (), tuple(Unreadable(name, 0, problem) for name in names), origins=tuple(origins))
        fields = Fields(place, zone.origin)
        fields.add(there.items())
        loaded = fields.loaded()
        unreadable = [
            Unreadable(owners[field], _type_of(line), problem) for field, line, problem in fields.unreadable()
        ]
        if len(unreadable) >= MAX_ERRORS:  # there may be more, at any of the names
            unreadable += [Unreadable(name, 0, unreadable[-1].problem) for name in names]
        empty = tuple(owners[field] for field, value in there.items() if not value)
        return Looked(bytes(loaded.records), empty, tuple(unreadable), loaded.locate, tuple(origins))

    def close(self) -> None:
        self._client.close()

    def _ask(self, *commands: tuple[str | bytes, ...]) -> list[Any]:
        """The replies; for a key that holds something else than was expected an exception stands there."""
        from redis import exceptions

        try:
            with explained(self._where, self._shown):
                try:
                    pipeline = self._client.pipeline(transaction=False)
                    for command in commands:
                        pipeline.execute_command(*command)
                    replies: list[Any] = pipeline.execute(raise_on_error=False)
                except exceptions.TimeoutError:
                    raise LookUpError(f"{self._shown}: no answer in time", timed_out=True) from None
                for reply in replies:
                    if isinstance(reply, Exception) and not (
                        isinstance(reply, exceptions.ResponseError) and str(reply).startswith("WRONGTYPE")
                    ):
                        raise reply
        except DatabaseError as error:
            raise LookUpError(str(error)) from None
        return replies


def _type_of(line: bytes) -> int:
    """The type that a line of a value is about; 0 if it is none."""
    words = [word for word in line[:100].split() if word.upper() != b"IN"]
    try:
        return int(dns.rdatatype.from_text(words[1].decode("ascii"))) if len(words) > 1 else 0
    except (dns.exception.DNSException, ValueError):
        return 0
