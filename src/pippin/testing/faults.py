"""What a test wants to know of the questions asked, and what it wants to go wrong with them.

`Faults` sees each question before it is answered (the server's thread) and is told what to spoil by the test (any
other thread). It decides; `watched.py` carries out.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from pippin.query.query import Malformed, Query, Transport

QUERIES_KEPT = 100_000
"""Questions remembered; of more, the latest."""


@dataclass(frozen=True, slots=True)
class SeenQuery:
    """A question that reached the server, whatever became of it."""

    name: str
    """Lower case, without the last dot; "." for the root. `message` has it as it was written."""
    type: str
    """`A`, `AAAA`, …; `TYPE65280` for types without a name."""
    transport: str
    """`udp` or `tcp`."""
    client: str
    """The address it came from."""
    wire: bytes

    @property
    def message(self) -> dns.message.Message:
        """The whole packet: flags, EDNS and its options."""
        return dns.message.from_wire(self.wire, keyring=False, ignore_trailing=True)

    def __str__(self) -> str:
        return f"{self.name} {self.type} ({self.transport} from {self.client})"


class Fault:
    """Something that goes wrong until `end()`, or until it has happened `times` times.

    Can be used as a context manager: `with dns_server.fail("www.example.com"): …`
    """

    def __init__(
        self,
        faults: Faults,
        name: str,
        rdtype: str | None,
        times: int | None,
        *,
        rcode: dns.rcode.Rcode | None = None,
        silent: bool = False,
        truncated: bool = False,
        delay: float = 0.0,
    ) -> None:
        if times is not None and times < 1:
            raise ValueError(f"times is {times}; right would be 1 or more, or None for always")
        if not 0 <= delay < float("inf"):
            raise ValueError(f"a delay of {delay} seconds cannot be waited for")
        self._faults = faults
        self.name = plain_name(name)
        self.type = None if rdtype is None else dns.rdatatype.to_text(dns.rdatatype.from_text(rdtype))
        self.left = times
        """How often it will still happen; None: always."""
        self.rcode = rcode
        self.silent = silent
        self.truncated = truncated
        self.delay = delay

    def concerns(self, query: SeenQuery) -> bool:
        """`www.example.com` itself, `*.example.com` everything below example.com, `*` everything."""
        if self.type not in (None, query.type) or (self.truncated and query.transport != "udp"):
            return False
        if self.name == "*":
            return True
        return query.name.endswith(self.name[1:]) if self.name.startswith("*.") else query.name == self.name

    def end(self) -> None:
        """From now on it does not happen any more."""
        self._faults.remove(self)

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


@dataclass(frozen=True, slots=True)
class Effect:
    """What all faults that concern one question come to."""

    silent: bool
    message: bytes | None
    """The reply instead of the right one."""
    delay: float


class Faults:
    """All faults of one server, and the questions it has seen. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: deque[SeenQuery] = deque(maxlen=QUERIES_KEPT)

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def remove_all(self, name: str | None) -> None:
        """End the faults that were made for `name`, or all."""
        plain = None if name is None else plain_name(name)
        with self._lock:
            self._faults = [fault for fault in self._faults if plain not in (None, fault.name)]

    def seen(self) -> list[SeenQuery]:
        with self._lock:
            return list(self._seen)

    def forget_seen(self) -> None:
        with self._lock:
            self._seen.clear()

    def notice(self, wire: bytes, client: str, transport: Transport) -> Effect | None:
        """Note a question down; what shall happen to it, None for nothing out of the ordinary."""
        question = _question(wire, client, transport)
        if question is None:
            return None
        with self._lock:
            self._seen.append(question)
            acting = [fault for fault in self._faults if fault.concerns(question)]
            for fault in acting:
                if fault.left is not None:
                    fault.left -= 1
                    if not fault.left:
                        self._faults.remove(fault)
        if not acting:
            return None
        message = next((_spoiled(wire, fault) for fault in acting if fault.rcode is not None), None)
        if message is None:
            message = next((_spoiled(wire, fault) for fault in acting if fault.truncated), None)
        return Effect(any(fault.silent for fault in acting), message, max(fault.delay for fault in acting))


def plain_name(name: str) -> str:
    """Lower case, without the last dot."""
    return name.lower().removesuffix(".") or "."


def _question(wire: bytes, client: str, transport: Transport) -> SeenQuery | None:
    """None for what is no standard query that could be answered."""
    if len(wire) < 12 or wire[2] & 0x80 or dns.opcode.from_flags(wire[2] << 8) != dns.opcode.QUERY:
        return None
    query = Query(wire, (client, 0), transport)
    try:
        name = query.name.to_text(omit_final_dot=True).lower()
        rdtype = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(query.type))
    except Malformed:
        return None
    return SeenQuery(name or ".", rdtype, transport.value, client, wire)


def _spoiled(wire: bytes, fault: Fault) -> bytes | None:
    """A reply without records; None if the query is too broken for one, which the server will find too."""
    try:
        query = dns.message.from_wire(wire, keyring=False, ignore_trailing=True)
    except dns.exception.DNSException:
        return None
    reply = dns.message.make_response(query)
    if fault.rcode is not None:
        reply.set_rcode(fault.rcode)
    else:
        reply.flags |= dns.flags.AA | dns.flags.TC
    return reply.to_wire()
