"""One question on the slow path: the packet as it came, who sent it, and what it says when somebody wants to know.

Nothing is parsed before it is asked for: a handler that looks at the question only pays for the question.
Every property that parses may raise `Malformed`; the pipeline answers that with FORMERR.
"""

from __future__ import annotations

import enum
from struct import Struct

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name

_HEADER_SIZE = 12
_TYPE_AND_CLASS = Struct("!HH")
_ONE_QUESTION = bytes([0, 1, 0, 0, 0, 0, 0, 0])
_ONE_QUESTION_AND_ADDITIONAL = bytes([0, 1, 0, 0, 0, 0, 0, 1])
_OPT = bytes([0, 0, 41])
_LONGEST_NAME = 255
"""Octets of a name in wire format, RFC 1035 section 2.3.4."""


class Malformed(Exception):
    """The client's packet breaks RFC 1035's format (FORMERR). The message says where and how."""


class Transport(enum.Enum):
    """How the question came. A stream has no size limit and knows that the client's address is its own."""

    UDP = "udp"
    TCP = "tcp"


class Query:
    """A question waiting for a handler."""

    __slots__ = ("_end", "_message", "_name", "client", "generation", "origin", "transport", "wire")

    def __init__(
        self, wire: bytes, client: tuple[str, int], transport: Transport, origin: object = None
    ) -> None:
        self.wire = wire
        """The message without a length prefix."""
        self.client = client
        """Address and port, an IPv4-mapped address already written as IPv4."""
        self.transport = transport
        self.origin = origin
        """Whatever the transport needs to send the reply back; handlers leave it alone."""
        self.generation = 0
        """Of the zones served when the question was asked: an answer to it is not remembered in a later one."""
        self._name: bytes | None = None
        self._end = 0
        self._message: dns.message.Message | None = None

    @property
    def id(self) -> int:
        return int.from_bytes(self.wire[0:2], "big")

    @property
    def name_wire(self) -> bytes:
        """The question's name in uncompressed wire format, in the case it was written in."""
        if self._name is None:
            self._end = _end_of_name(self.wire)
            self._name = self.wire[_HEADER_SIZE : self._end]
        return self._name

    @property
    def name(self) -> dns.name.Name:
        return dns.name.from_wire(self.name_wire, 0)[0]

    @property
    def type(self) -> int:
        return self._type_and_class()[0]

    @property
    def rdclass(self) -> int:
        return self._type_and_class()[1]

    @property
    def message(self) -> dns.message.Message:
        """The whole message, parsed by dnspython. TSIG is left unchecked here."""
        if self._message is None:
            try:
                self._message = dns.message.from_wire(self.wire, keyring=False, ignore_trailing=True)
            except dns.exception.DNSException as error:
                raise Malformed(f"the message cannot be parsed: {error or type(error).__name__}") from error
        return self._message

    @property
    def dnssec_ok(self) -> bool:
        """The DO bit (RFC 3225); False without EDNS."""
        # Nearly always the question is followed by nothing or an OPT record, which takes no parsing of it all.
        self._type_and_class()
        opt = self._end + _TYPE_AND_CLASS.size
        counts = self.wire[4:12]
        if counts == _ONE_QUESTION:
            return False
        if counts == _ONE_QUESTION_AND_ADDITIONAL and self.wire[opt : opt + 3] == _OPT:
            size = self.wire[opt + 9 : opt + 11]
            if len(size) == 2 and opt + 11 + int.from_bytes(size, "big") == len(self.wire):
                return bool(self.wire[opt + 7] & 0x80)
        return bool(self.message.ednsflags & dns.flags.DO)

    @property
    def has_edns(self) -> bool:
        return self.message.edns >= 0

    def _type_and_class(self) -> tuple[int, int]:
        if self._name is None:
            self.name_wire  # noqa: B018 - finds the end of the name
        if self._end + 4 > len(self.wire):
            raise Malformed(f"offset {self._end}: the message ends inside the question")
        rdtype, rdclass = _TYPE_AND_CLASS.unpack_from(self.wire, self._end)
        return rdtype, rdclass


def _end_of_name(wire: bytes) -> int:
    """Offset after the name of the first question.

    A compression pointer is an error there: nothing stands before the name that it could point to.
    """
    if len(wire) <= _HEADER_SIZE or wire[4:6] == b"\0\0":
        raise Malformed("the message has no question")
    offset = _HEADER_SIZE
    while True:
        if offset >= len(wire):
            raise Malformed(f"offset {offset}: the message ends inside the question's name")
        length = wire[offset]
        if length > 63:
            raise Malformed(f"offset {offset}: label length {length}, at most 63 is right in a question")
        offset += 1 + length
        if offset - _HEADER_SIZE > _LONGEST_NAME:
            raise Malformed(f"offset {offset}: the question's name is longer than 255 octets")
        if not length:
            return offset
