"""Answers of upstreams, remembered: bounded in entries and bytes, the least recently used goes first.

An entry outlives its TTL, because a stale answer is better than none (RFC 8767); the cache knows nothing of that,
it forgets by room only. The engine's answer cache stands before it and answers most questions that come again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from pippin.forward.wire import Question
from pippin.query.reply import Reply

ENTRY_OVERHEAD = 700
"""Octets that an entry costs beside its key and body: objects, slots, the names of aliases."""

_TTL_PLACE = 4  # after a record's type and class


@dataclass(slots=True)
class Entry:
    """One answer as it was at `stored` (Unix time). `failed`: there is none, and for `ttl` seconds nobody need ask.

    `aliases` are the names that its CNAMEs lead to, in order, and `follow` is where others answer the rest; both are
    lower-case wire format.
    """

    body: bytes
    answers: int
    authorities: int
    rcode: int
    ede: int
    authentic: bool
    stored: float
    ttl: int
    aliases: tuple[bytes, ...] = ()
    follow: bytes | None = None
    failed: bool = False
    retry_at: float = 0.0
    """Stale and asked for in vain: not asked for again before."""
    places: tuple[int, ...] = field(default=(), repr=False)
    """Where the TTLs stand in `body`."""

    def left(self, now: float) -> float:
        """Seconds until it is stale; negative after."""
        return self.stored + self.ttl - now

    def reply(
        self, now: float, *, keep: int, stale_ttl: int | None = None, ede: int | None = None
    ) -> Reply:
        """The reply, TTLs as old as they are, or all at `stale_ttl`. `keep`: seconds that the engine may repeat it."""
        body = self.body
        age = max(0, int(now - self.stored))
        if age or stale_ttl is not None:
            fresh = bytearray(body)
            for place in self.places:
                ttl = int.from_bytes(fresh[place : place + 4], "big") - age
                fresh[place : place + 4] = (max(0, ttl) if stale_ttl is None else stale_ttl).to_bytes(
                    4, "big"
                )
            body = bytes(fresh)
        return Reply(
            body,
            self.answers,
            self.authorities,
            0,
            rcode=self.rcode,
            authoritative=False,
            ede=self.ede if ede is None else ede,
            ttl=keep,
            recursion_available=True,
            authentic=self.authentic,
            forwarded=True,
        )


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """`entries` and `octets` held now; `evicted` since the start, to make room."""

    entries: int
    octets: int
    evicted: int


class MessageCache:
    """Question -> Entry."""

    def __init__(self, limit: int, byte_limit: int) -> None:
        """At most `limit` entries and `byte_limit` octets; 0 turns it off."""
        self._entries: OrderedDict[Question, Entry] = OrderedDict()
        self._limit = limit
        self._byte_limit = byte_limit
        self._octets = 0
        self._evicted = 0

    def get(self, key: Question) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: Question, entry: Entry) -> None:
        """Remember an entry, unless it is larger than everything."""
        cost = _cost(key, entry)
        if self._limit < 1 or cost > self._byte_limit:
            return
        self.discard(key)
        self._entries[key] = entry
        self._octets += cost
        while len(self._entries) > self._limit or self._octets > self._byte_limit:
            oldest = self._entries.popitem(last=False)
            self._octets -= _cost(*oldest)
            self._evicted += 1

    def discard(self, key: Question) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._octets -= _cost(key, entry)

    def statistics(self) -> CacheStatistics:
        return CacheStatistics(len(self._entries), self._octets, self._evicted)


def ttl_places(body: bytes, records: int) -> tuple[int, ...]:
    """Where the TTLs of a body's records stand. ValueError if it is not `records` records long."""
    places = []
    at = 0
    try:
        for _ in range(records):
            while 0 < body[at] < 0xC0:
                at += 1 + body[at]
            at += 2 if body[at] else 1
            places.append(at + _TTL_PLACE)
            at += 10 + (body[at + 8] << 8 | body[at + 9])
    except IndexError as error:
        raise ValueError("the body ends inside a record") from error
    if at != len(body):
        raise ValueError(f"{len(body)} octets are not {records} records")
    return tuple(places)


def _cost(key: Question, entry: Entry) -> int:
    return len(key.name) + len(entry.body) + ENTRY_OVERHEAD
