"""The record stream: resource records of one zone, packed back to back in one buffer.

Everything that reads records from somewhere (scanner, CSV, databases, transfers) writes this form, and
`compile.py` reads it. No Python object per record stands between text and compiled zone.

One record (all integers little-endian), HEADER.size = 20 bytes and then two byte strings:

     0      2     4        8        10    12    16      18          20
     +------+-----+--------+--------+-----+-----+-------+-----------+---------+---------+
     |owner |type | ttl    |rdata   |file |line |column | reserved  | owner   | rdata   |
     |length|     |        |length  |     |     |       |           | (wire)  | (wire)  |
     +------+-----+--------+--------+-----+-----+-------+-----------+---------+---------+

The owner is an absolute name in uncompressed wire format, in the case it was written in; names in rdata
are absolute, uncompressed, case kept. The class is IN. `file` indexes the list of files that came with the
stream, `line` and `column` count from 1 (0: unknown); they are where the record was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

HEADER = Struct("<HHIHHIHH")


class Record(NamedTuple):
    """One unpacked record of a stream, and the offset in the stream it was found at."""

    owner: bytes
    type: int
    ttl: int
    rdata: bytes
    file: int
    line: int
    column: int
    offset: int


def append(
    stream: bytearray,
    owner: bytes,
    rdtype: int,
    ttl: int,
    rdata: bytes,
    file: int = 0,
    line: int = 0,
    column: int = 0,
) -> None:
    """Add one record to the end of `stream`."""
    stream += HEADER.pack(len(owner), rdtype, ttl, len(rdata), file, line, min(column, 65535), 0)
    stream += owner
    stream += rdata


def record_at(stream: bytes | bytearray | memoryview, offset: int) -> Record:
    """Unpack the record whose header starts at `offset`."""
    owner_length, rdtype, ttl, rdata_length, file, line, column, _ = HEADER.unpack_from(stream, offset)
    start = offset + HEADER.size
    middle = start + owner_length
    owner = bytes(stream[start:middle])
    rdata = bytes(stream[middle : middle + rdata_length])
    return Record(owner, rdtype, ttl, rdata, file, line, column, offset)


def iterate(stream: bytes | bytearray | memoryview) -> Iterator[Record]:
    """All records of a stream, in the order they were written."""
    offset = 0
    while offset < len(stream):
        record = record_at(stream, offset)
        yield record
        offset += HEADER.size + len(record.owner) + len(record.rdata)
