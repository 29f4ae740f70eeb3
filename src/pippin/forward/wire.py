"""Questions to upstreams and what a reply must look like before anyone reads it (RFC 5452 section 9.1).

A question is bytes: header, one question, OPT. Nothing of the client's packet is in it but name, type, DO and CD: no
options (its ECS and cookies are between it and us).
"""

from __future__ import annotations

import enum
import os
import secrets
from struct import Struct
from typing import NamedTuple

HEADER = Struct("!HHHHHH")
_QUESTION = Struct("!HH")
_OPT = Struct("!BHHIHHH")

UDP_PAYLOAD = 1232
"""RFC 9715: what fits everywhere without fragments, which are easier to forge."""

PADDING_BLOCK = 128
"""Octets that an encrypted question's length is a multiple of (RFC 8467 section 4.1)."""

_PADDING = 12  # the option's code, RFC 7830
_OPT_FIXED = 11
_IN = 1

QR, TC, RD, AD, CD = 0x8000, 0x0200, 0x0100, 0x0020, 0x0010
_OPCODE = 0x7800
FORMERR, NOTIMP = 1, 4


class Question(NamedTuple):
    """What is asked, and all that an answer depends on. `name` is lower-case wire format; the class is IN."""

    name: bytes
    type: int
    dnssec_ok: bool
    checking_disabled: bool


class Mismatch(enum.Enum):
    """Why a packet is not the reply to a question."""

    FORMAT = "format"
    ID = "id"
    QUESTION = "question"
    CASE = "case"


def compose_question(question: Question, *, edns: bool = True, pad: bool = False) -> bytes:
    """A query with a random id. AD says that we understand it (RFC 6840 section 5.7)."""
    flags = RD | AD | (CD if question.checking_disabled else 0)
    query = HEADER.pack(secrets.randbits(16), flags, 1, 0, 0, int(edns)) + question.name
    query += _QUESTION.pack(question.type, _IN)
    if not edns:
        return query
    extended = 0x8000 if question.dnssec_ok else 0
    if not pad:
        return query + _OPT.pack(0, 41, UDP_PAYLOAD, extended, 0, 0, 0)[:_OPT_FIXED]
    padding = -(len(query) + _OPT.size) % PADDING_BLOCK
    return query + _OPT.pack(0, 41, UDP_PAYLOAD, extended, 4 + padding, _PADDING, padding) + bytes(padding)


_CASE_BIT = bytes(0x20 if 65 <= octet & 0xDF <= 90 else 0 for octet in range(256))


def randomise_case(name: bytes) -> bytes:
    """Each letter in upper or lower case by chance: up to a bit more to guess for each (0x20).

    Octets of length are below 64 and so never taken for letters.
    """
    chance = int.from_bytes(os.urandom(len(name)), "big") & int.from_bytes(name.translate(_CASE_BIT), "big")
    return (int.from_bytes(name, "big") ^ chance).to_bytes(len(name), "big")


def with_id(message: bytes, identifier: int) -> bytes:
    return identifier.to_bytes(2, "big") + message[2:]


def with_name(query: bytes, name: bytes) -> bytes:
    """The query with its name written in another way of the same length."""
    return query[: HEADER.size] + name + query[HEADER.size + len(name) :]


def identifier(message: bytes) -> int:
    return message[0] << 8 | message[1]


def is_truncated(reply: bytes) -> bool:
    return bool(reply[2] & TC >> 8)


def rcode_of(reply: bytes) -> int:
    """Without the extended bits of OPT."""
    return reply[3] & 15


def mismatch(query: bytes, name_length: int, reply: bytes) -> Mismatch | None:
    """Why `reply` does not answer `query`, or None if it does.

    FORMERR and NOTIMP may come without the question: servers that don't know EDNS may not get as far as that
    (RFC 6891 section 7).
    """
    if len(reply) < HEADER.size:
        return Mismatch.FORMAT
    flags = reply[2] << 8 | reply[3]
    if not flags & QR or flags & _OPCODE:
        return Mismatch.FORMAT
    if reply[:2] != query[:2]:
        return Mismatch.ID
    questions = reply[4] << 8 | reply[5]
    if questions == 0 and flags & 15 in (FORMERR, NOTIMP):
        return None
    end = HEADER.size + name_length + _QUESTION.size
    asked, echoed = query[HEADER.size : end], reply[HEADER.size : end]
    if questions == 1 and asked == echoed:
        return None
    return Mismatch.CASE if questions == 1 and asked.lower() == echoed.lower() else Mismatch.QUESTION
