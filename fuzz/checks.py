"""What must hold for every reply, read from its bytes with nothing of Pippin's."""

from __future__ import annotations

from collections.abc import Iterator

import dns.exception
import dns.message


class Broken(AssertionError):
    """Something that must hold does not."""


def require(holds: object, what: str) -> None:
    if not holds:
        raise Broken(what)


NO_FAMILY = b"\0\x08\0\4\0\0\0\0"
"""A client subnet of family 0, which `dig +subnet=0` sends."""


def check_reply(query: bytes, reply: bytes, stream: bool) -> None:
    """The reply belongs to the query, fits its transport, and is a well-formed message."""
    require(12 <= len(reply) <= size_limit(query, stream), f"a reply of {len(reply)} bytes")
    require(reply[:2] == query[:2], "the id is another")
    require(reply[2] & 0x80, "QR is not set")
    require((reply[2] ^ query[2]) & 0x79 == 0, "opcode or RD is another")
    require(reply[3] & 0x40 == 0, "Z is set")
    if reply[3] & 0x80:
        require(reply[2] & 4 == 0, "RA and AA are set")
    else:
        require(reply[3] & 0x30 == 0, "AD or CD is set without RA")
    questions = int.from_bytes(reply[4:6], "big")
    require(questions <= 1, "more than one question")
    at = 12
    if questions:
        at = end_of_name(reply, at) + 4
        require(reply[12:at] == query[12:at], "the question is another, or its case")
        require(query[4:6] == b"\0\1", "a question where none was asked")
    records = sum(int.from_bytes(reply[i : i + 2], "big") for i in (6, 8, 10))
    opts = 0
    for _ in range(records):
        owner = at
        at = end_of_name(reply, at) + 10
        require(at <= len(reply), "a record runs past the end")
        opts += reply[at - 10 : at - 8] == b"\0\x29"
        require(reply[at - 10 : at - 8] != b"\0\x29" or reply[owner] == 0, "an OPT below a name")
        at += int.from_bytes(reply[at - 2 : at], "big")
        require(at <= len(reply), "rdata runs past the end")
    require(at == len(reply), f"{len(reply) - at} bytes behind the last record")
    require(opts <= (query[10:12] != b"\0\0"), "an OPT that was not asked for")


def check_with_dnspython(reply: bytes) -> None:
    """A reader that was written by others can read every record of it."""
    try:
        dns.message.from_wire(reply)
    except dns.exception.FormError:
        require(NO_FAMILY in reply, "dnspython cannot read it")  # which is the one thing it is too strict about


def size_limit(query: bytes, stream: bool) -> int:
    """Bytes that the client has said it can take (RFC 6891 section 6.2.3), at most our 1232."""
    if stream:
        return 65535
    asked = list(opt_sizes(query))
    return min(1232, max(512, asked[0])) if asked else 512


def opt_sizes(query: bytes) -> Iterator[int]:
    """The size in every OPT record right behind the question, if there is one."""
    at = 12
    if query[4:6] == b"\0\1":
        try:
            at = end_of_name(query, at) + 4
        except Broken:
            return
    if query[at : at + 3] == b"\0\0\x29" and query[10:12] != b"\0\0":
        yield int.from_bytes(query[at + 3 : at + 5], "big")


def end_of_name(message: bytes, at: int) -> int:
    """The place after the name at `at`; every pointer in it leads to an earlier name (RFC 1035 section 4.1.4)."""
    end = 0
    length = 1
    before = at
    while True:
        require(at < len(message), "a name runs past the end")
        octet = message[at]
        if octet >= 0xC0:
            require(at + 1 < len(message), "a pointer runs past the end")
            end = end or at + 2
            at = (octet & 0x3F) << 8 | message[at + 1]
            require(12 <= at < before, "a pointer that does not lead back")
            before = at
            continue
        require(octet < 64, "a label of a kind that is not in use")
        if octet == 0:
            return end or at + 1
        length += 1 + octet
        require(length <= 255, "a name over 255 bytes")
        at += 1 + octet
