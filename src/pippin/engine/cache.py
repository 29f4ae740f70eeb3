# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The answer cache: what the slow path worked out, kept by question until its TTL ends.

Least recently used goes first; bounded in entries and in bytes, both counted. A hit costs one dictionary look-up
in the receive loop; the reply's id, case and EDNS part are the asking packet's own.
"""

from __future__ import annotations

from collections import OrderedDict

try:
    import cython
except ModuleNotFoundError:
    from pippin.engine import shim as cython

# (expiry, when it was remembered, body, answers, authorities, additionals, rcode, block flags, EDE)
Entry = tuple[int, int, bytes, int, int, int, int, int, int]

# What an entry costs beyond its key and body: the dictionary slot, the tuple and the objects in it.
ENTRY_OVERHEAD = 400


def is_compiled() -> bool:
    """True when this module runs as a compiled extension."""
    return cython.compiled


@cython.final
@cython.cclass
class AnswerCache:
    """Question key -> (expiry, since, body, answers, authorities, additionals, rcode, block flags, ede)."""

    entries: OrderedDict[bytes, Entry]  # a dict would walk over all that has left its front to find its first
    limit: cython.Py_ssize_t
    byte_limit: cython.longlong
    bytes_held: cython.longlong
    evicted: cython.longlong

    def __init__(self, limit: int, byte_limit: int) -> None:
        """At most `limit` entries and `byte_limit` bytes; 0 turns the cache off."""
        self.entries = OrderedDict()
        self.limit = limit
        self.byte_limit = byte_limit
        self.bytes_held = 0
        self.evicted = 0

    def get(self, key: bytes, now: int) -> Entry | None:
        """The entry of a question, or None; a hit becomes the most recently used."""
        entry: Entry | None = self.entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            self.discard(key)
            return None
        self.entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Remember an entry; the least recently used make room. One larger than the whole cache is not kept."""
        cost = self._cost(key, entry)
        if self.limit < 1 or cost > self.byte_limit:
            return
        self.discard(key)
        self.entries[key] = entry
        self.bytes_held += cost
        while len(self.entries) > self.limit or self.bytes_held > self.byte_limit:
            oldest, entry = self.entries.popitem(False)
            self.bytes_held -= self._cost(oldest, entry)
            self.evicted += 1

    def discard(self, key: bytes) -> None:
        """Forget a question, if it is known."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.bytes_held -= self._cost(key, entry)

    def clear(self) -> None:
        """Forget everything; cheap when there is nothing."""
        if self.entries:
            self.entries.clear()
            self.bytes_held = 0

    def statistics(self) -> dict[str, int]:
        """Entries and bytes held, entries evicted to make room."""
        return {"entries": len(self.entries), "bytes": self.bytes_held, "evicted": self.evicted}

    def _cost(self, key: bytes, entry: Entry) -> int:
        return len(key) + len(entry[2]) + ENTRY_OVERHEAD
