"""Asks a running server what a case asks, and compares what it says with what the case expects.

In: a server's address, a Case, its Scenario. Out: a list of differences, empty when all is well.
Every exchange is also held to what no case has to say: same id, QR set, opcode and question echoed octet for octet,
an OPT record exactly when the query had one, DO echoed, never more octets than the client takes, none left over.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.RRSIG
import dns.rrset

from tests.scenarios.reader import HEADER_FLAGS, SECTIONS, Ask, Case, Expected, Reply, Scenario

TIMEOUT = 3.0  # a reply that takes longer on loopback is no reply
QUIET = 0.05  # after the marker's answer: time for a reply that should not exist
OPT = 41


@dataclass(slots=True)
class Outcome:
    """One exchange: what came back, and what is wrong with it."""

    messages: list[bytes]
    problems: list[str] = field(default_factory=list)


def run(address: tuple[str, int], case: Case, scenario: Scenario, lenient: bool = False) -> str:
    """Ask everything in `case`; "" or a report in the manner of dig. `lenient`: forgive what only we promise."""
    outcomes: list[Outcome] = []
    cookie = b""
    if case.pipeline:
        asks = [ask for ask, _ in case.exchanges]
        outcomes = [Outcome(found) for found in _pipelined(address, asks)]
        for (ask, reply), outcome in zip(case.exchanges, outcomes, strict=True):
            outcome.problems = compare(ask, _id(asks.index(ask)), reply, outcome.messages, scenario, lenient)
    else:
        for number, (ask, reply) in enumerate(case.exchanges):
            ask = replace(ask, options=(*ask.options, (10, cookie))) if ask.cookie_again else ask
            wire = compose(ask, _id(number))
            outcome = Outcome(_exchange(address, ask, wire, reply, scenario))
            outcome.problems = compare(ask, _id(number), reply, outcome.messages, scenario, lenient)
            outcomes.append(outcome)
            cookie = _cookie(outcome.messages) or cookie
    if not any(outcome.problems for outcome in outcomes):
        return ""
    lines = [f"{case.path.name}:{case.line}: {case.title} [{case.citation}]", "", case.source, ""]
    for (ask, _), outcome in zip(case.exchanges, outcomes, strict=True):
        if outcome.problems:
            problems = (f"!! {problem}" for problem in outcome.problems)
            lines += [f";; {ask.text}", *problems, ";; GOT", _dig(outcome.messages), ""]
    return "\n".join(lines)


def _id(number: int) -> int:
    return 0x1A2B + number


def compose(ask: Ask, ident: int) -> bytes:
    """The message in wire form (RFC 1035 section 4.1, RFC 6891 section 6.1)."""
    if ask.stream is not None:
        return ask.stream
    if ask.wire is not None:
        return ask.wire
    qdcount = len(ask.questions) if ask.qdcount is None else ask.qdcount
    sections = {name: [data for where, data in ask.records if where == name] for name in SECTIONS}
    opts = ask.opts if ask.edns is not None else 0
    header = struct.pack(
        "!6H",
        ident,
        ask.flags | ask.opcode << 11,
        qdcount,
        ask.counts[0] + len(sections["answer"]),
        ask.counts[1] + len(sections["authority"]),
        opts + len(sections["additional"]),
    )
    wire = header
    for name, rdtype, rdclass in ask.questions:
        wire += (name.to_wire() or b"") + struct.pack("!HH", rdtype, rdclass)
    wire += b"".join(data for name in SECTIONS for data in sections[name])
    if opts:
        data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in ask.options)
        wire += opts * (
            ask.opt_owner
            + struct.pack("!HHBBHH", OPT, ask.size, 0, ask.edns or 0, ask.edns_flags, len(data))
            + data
        )
    return wire + ask.trailing


def _exchange(
    address: tuple[str, int], ask: Ask, wire: bytes, reply: Reply, scenario: Scenario
) -> list[bytes]:
    if ask.tcp:
        return _tcp(address, ask, wire, reply)
    return _udp(address, wire, reply, scenario)


def _udp(address: tuple[str, int], wire: bytes, reply: Reply, scenario: Scenario) -> list[bytes]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(TIMEOUT)
        sock.send(wire)
        if reply.rcode is not None:
            try:
                return [sock.recv(65535)]
            except TimeoutError:
                return []
        # Silence is shown by an ordinary question behind it: once that is answered, the first would have been.
        marker = (
            struct.pack("!6H", 0xFEED, 0, 1, 0, 0, 0)
            + (scenario.zones[0].origin.to_wire() or b"")
            + b"\0\6\0\1"
        )
        sock.send(marker)
        found: list[bytes] = []
        answered = False
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            sock.settimeout(QUIET if answered else TIMEOUT)
            try:
                message = sock.recv(65535)
            except TimeoutError:
                break
            if message[:2] == marker[:2]:
                answered = True
            else:
                found.append(message)
        if not answered:
            raise AssertionError("the server does not even answer an ordinary question")
        return found


def _receive(sock: socket.socket, buffer: bytearray) -> bytes | None:
    """The next message of a TCP connection (RFC 1035 section 4.2.2), or None: closed."""
    while len(buffer) < 2 or len(buffer) < 2 + int.from_bytes(buffer[:2], "big"):
        try:
            data = sock.recv(65535)
        except ConnectionResetError:
            return None
        if not data:
            return None
        buffer += data
    end = 2 + int.from_bytes(buffer[:2], "big")
    message = bytes(buffer[2:end])
    del buffer[:end]
    return message


def _write(sock: socket.socket, ask: Ask, wire: bytes) -> None:
    data = wire if ask.stream is not None else struct.pack("!H", len(wire)) + wire
    if ask.split:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(data)):
            sock.sendall(data[index : index + 1])
            time.sleep(0.001)
    else:
        sock.sendall(data)
    if ask.shut:
        sock.shutdown(socket.SHUT_WR)


def _tcp(address: tuple[str, int], ask: Ask, wire: bytes, reply: Reply) -> list[bytes]:
    found: list[bytes] = []
    buffer = bytearray()
    with socket.create_connection(address, TIMEOUT) as sock:
        _write(sock, ask, wire)
        try:
            if reply.rcode is None:
                sock.settimeout(TIMEOUT if reply.closed else 10 * QUIET)
                message = _receive(sock, buffer)
                return [message] if message is not None else []
            whole = reply.section("answer").mode == "zone"
            soas = 0
            while True:
                message = _receive(sock, buffer)
                if message is None:
                    return found
                found.append(message)
                if not whole or message[3] & 15:
                    return found
                # A transfer ends with the SOA it began with (RFC 5936 section 2.2).
                soas += _count_soas(message)
                if soas >= 2:
                    return found
        except TimeoutError:
            if reply.closed:
                raise AssertionError("the server keeps the connection open") from None
            return found


def _count_soas(message: bytes) -> int:
    parsed = dns.message.from_wire(message, one_rr_per_rrset=True, xfr=True)
    return sum(1 for rrset in parsed.answer if rrset.rdtype == dns.rdatatype.SOA)


def _pipelined(address: tuple[str, int], asks: list[Ask]) -> list[list[bytes]]:
    """Every query in one write on one connection; replies sorted back by their ids (RFC 7766 section 6.2.1.1)."""
    wires = [compose(ask, _id(number)) for number, ask in enumerate(asks)]
    found: dict[bytes, list[bytes]] = {wire[:2]: [] for wire in wires}
    buffer = bytearray()
    with socket.create_connection(address, TIMEOUT) as sock:
        sock.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))
        try:
            for _ in wires:
                message = _receive(sock, buffer)
                if message is None:
                    break
                found.setdefault(message[:2], []).append(message)
        except TimeoutError:
            pass  # a missing reply is a difference that compare() reports
    return [found[wire[:2]] for wire in wires]


def _cookie(messages: list[bytes]) -> bytes:
    try:
        parsed = dns.message.from_wire(messages[0]) if messages else None
    except dns.exception.DNSException:
        return b""
    return _option(parsed, 10) or b"" if parsed else b""


def _option(message: dns.message.Message, code: int) -> bytes | None:
    for option in message.options:
        if int(option.otype) == code:
            return option.to_wire() or b""
    return None


def compare(
    ask: Ask, ident: int, reply: Reply, messages: list[bytes], scenario: Scenario, lenient: bool
) -> list[str]:
    """What is wrong with `messages` as the reply to `ask`."""
    if reply.rcode is None:
        return ["expected no reply"] if messages else []
    if not messages:
        return ["no reply"]
    if len(messages) < reply.messages:
        return [f"expected at least {reply.messages} messages, got {len(messages)}"]
    problems: list[str] = []
    parsed: list[dns.message.Message] = []
    for wire in messages:
        try:
            parsed.append(
                dns.message.from_wire(
                    wire,
                    one_rr_per_rrset=True,
                    ignore_trailing=False,
                    xfr=reply.section("answer").mode == "zone",
                )
            )
        except dns.exception.DNSException as problem:
            return [f"the reply does not parse: {problem!r}"]
    first = parsed[0]
    problems += _check_frame(ask, ident, reply, messages[0], first)
    got_flags = _flags_of(messages[0])
    if got_flags != reply.flags:
        problems.append(f"flags: expected {_flag_words(reply.flags)}, got {_flag_words(got_flags)}")
    if first.rcode() != reply.rcode:
        problems.append(
            f"rcode: expected {dns.rcode.to_text(dns.rcode.Rcode(reply.rcode))}, got {_rcode(first)}"
        )
    problems += _check_opt(ask, reply, first, lenient)
    if reply.size is not None and len(messages[0]) > reply.size:
        problems.append(f"size: expected at most {reply.size} octets, got {len(messages[0])}")
    got = {name: [rr for message in parsed for rr in getattr(message, name)] for name in SECTIONS}
    if lenient:
        _forgive(reply, got)
    for name in SECTIONS:
        problems += _check_section(name, reply, got[name], scenario)
    return problems


def _check_frame(ask: Ask, ident: int, reply: Reply, wire: bytes, message: dns.message.Message) -> list[str]:
    problems = []
    sent = compose(ask, ident)
    sent = sent[2:] if ask.stream is not None else sent
    if wire[:2] != sent[:2]:
        problems.append(f"id: expected {sent[:2].hex()}, got {wire[:2].hex()}")
    if not wire[2] & 0x80:
        problems.append("QR is not set")
    if (wire[2] ^ sent[2]) & 0x78:
        problems.append(f"opcode: expected {sent[2] >> 3 & 15}, got {wire[2] >> 3 & 15}")
    qdcount = int.from_bytes(wire[4:6], "big")
    if ask.questions:
        name, rdtype, rdclass = ask.questions[0]
        question = (name.to_wire() or b"") + struct.pack("!HH", rdtype, rdclass)
        failed = reply.rcode in (dns.rcode.FORMERR, dns.rcode.NOTIMP) or len(ask.questions) > 1
        if not (qdcount == 0 and failed) and (qdcount == 0 or wire[12 : 12 + len(question)] != question):
            problems.append("the question is not echoed octet for octet")
    if not ask.tcp:
        limit = 512 if ask.edns is None else min(max(ask.size, 512), 1232)
        if len(wire) > limit:
            problems.append(f"{len(wire)} octets, the client takes {limit}")
    return problems


def _check_opt(ask: Ask, reply: Reply, message: dns.message.Message, lenient: bool) -> list[str]:
    wanted = dict(reply.opt)
    problems = []
    present = message.edns >= 0
    if "none" in wanted or (ask.edns is None and not ask.records and ask.wire is None and ask.stream is None):
        return ["an OPT record that the query did not ask for"] if present else []
    if not present:
        return ["no OPT record"] if (ask.edns is not None and ask.opts == 1) or wanted else []
    if message.edns != 0:
        problems.append(f"EDNS version {message.edns} in the reply")
    if ask.edns is not None and ask.edns == 0 and (message.ednsflags ^ ask.edns_flags) & 0x8000:
        problems.append("DO is not echoed")
    if message.ednsflags & 0x7FFF:
        problems.append(f"EDNS Z bits {message.ednsflags & 0x7FFF:#06x}")
    codes = {"ede": 15, "nsid": 3, "cookie": 10, "keepalive": 11, "padding": 12}
    for name, value in wanted.items():
        forgiven = lenient and name in ("ede", "no-ede", "size")
        if forgiven:
            continue
        option = _option(message, codes.get(name.removeprefix("no-"), 0))
        if name == "size":
            if message.payload != int(value):
                problems.append(f"advertised UDP size: expected {value}, got {message.payload}")
        elif name.startswith("no-"):
            if option is not None:
                problems.append(f"{name}, but got {option.hex()}")
        elif name == "ede":
            if option is None or int.from_bytes(option[:2], "big") != int(value):
                problems.append(f"EDE: expected {value}, got {option.hex() if option else 'none'}")
        elif name == "nsid":
            if option != value.encode():
                problems.append(f"NSID: expected {value.encode()!r}, got {option!r}")
        elif name == "cookie":
            sent = dict(ask.options).get(10, b"")
            if option is None or option[:8] != sent[:8] or not 16 <= len(option) <= 40:
                got = option.hex() if option else "none"
                problems.append(f"COOKIE: expected {sent[:8].hex()} and a server cookie, got {got}")
        elif name == "keepalive" and (option is None or len(option) != 2):
            problems.append(f"edns-tcp-keepalive: expected a timeout of 2 octets, got {option!r}")
    return problems


def _forgive(reply: Reply, got: dict[str, list[dns.rrset.RRset]]) -> None:
    """A peer may add the apex NS RRset and its addresses to a positive answer (DISAGREE: legal, minimal is ours)."""
    if not got["answer"] or any(
        record.rdtype == dns.rdatatype.NS for record in reply.section("authority").records
    ):
        return
    extra = [rr for rr in got["authority"] if rr.rdtype == dns.rdatatype.NS or rr.covers == dns.rdatatype.NS]
    targets = {rr[0].target for rr in extra if rr.rdtype == dns.rdatatype.NS}
    got["authority"] = [rr for rr in got["authority"] if rr not in extra]
    wanted = {(record.owner, record.rdtype) for record in reply.section("additional").records}
    got["additional"] = [
        rr
        for rr in got["additional"]
        if rr.name not in targets or (rr.name, rr.rdtype) in wanted or not targets
    ]


def _check_section(name: str, reply: Reply, got: list[dns.rrset.RRset], scenario: Scenario) -> list[str]:
    section = reply.section(name)
    if section.mode == "any":
        return []
    problems: list[str] = []
    wanted: Counter[str] = Counter(_expected_key(record, reply.exact_case) for record in section.records)
    found: Counter[str] = Counter()
    for rr in got:
        rdata = rr[0]
        if rr.rdtype == dns.rdatatype.RRSIG and section.mode != "zone":
            if not _genuine(rr, scenario):
                problems.append(f"{name}: a signature that is not in the zone: {rr.to_text()[:100]}…")
            found[_key(rr.name, rr.ttl, rr.rdtype, None, int(rr.covers), reply.exact_case)] += 1
        else:
            found[_key(rr.name, rr.ttl, rr.rdtype, rdata, 0, reply.exact_case)] += 1
    if section.mode == "upto":
        groups: dict[tuple[dns.name.Name, int], Counter[str]] = {}
        for record in section.records:
            group = groups.setdefault((record.owner, record.rdtype), Counter())
            group[_expected_key(record, reply.exact_case)] += 1
        allowed: Counter[str] = Counter()
        for group in groups.values():
            if any(key in found for key in group):
                allowed += group
        wanted = allowed
    if section.mode == "zone":
        soas = [key for key in wanted if key.split()[2] == "SOA"]
        wanted[soas[0]] += 1
        if not (got and got[0].rdtype == got[-1].rdtype == dns.rdatatype.SOA):
            problems.append("a transfer begins and ends with the SOA record")
    problems += [f"{name}: missing  {key}" for key in sorted((wanted - found).elements())]
    problems += [f"{name}: surplus  {key}" for key in sorted((found - wanted).elements())]
    if name == "answer" and section.mode == "exactly" and not problems:
        order = list(
            dict.fromkeys((rr.name, int(rr.rdtype)) for rr in got if rr.rdtype != dns.rdatatype.RRSIG)
        )
        right = list(
            dict.fromkeys(
                (r.owner, int(r.rdtype)) for r in section.records if r.rdtype != dns.rdatatype.RRSIG
            )
        )
        if order != right:
            found_order = " ".join(
                f"{n}/{dns.rdatatype.to_text(dns.rdatatype.RdataType(t))}" for n, t in order
            )
            problems.append(f"answer: RRsets in another order: {found_order}")
    return problems


def _genuine(rr: dns.rrset.RRset, scenario: Scenario) -> bool:
    """Whether this RRSIG is the zone's, taken from the wildcard if it says so (RFC 4035 section 5.3.4)."""
    rdata = rr[0]
    assert isinstance(rdata, dns.rdtypes.ANY.RRSIG.RRSIG)
    owner = rr.name
    if rdata.labels < len(owner.labels) - 1 - owner.is_wild():
        owner = dns.name.Name((b"*", *owner.labels[-rdata.labels - 1 :]))
    return rdata in scenario.signatures.get((owner, int(rdata.type_covered)), ())


def _expected_key(record: Expected, exact_case: bool) -> str:
    return _key(record.owner, record.ttl, record.rdtype, record.rdata, record.covers, exact_case)


def _key(
    owner: dns.name.Name, ttl: int, rdtype: int, rdata: dns.rdata.Rdata | None, covers: int, exact_case: bool
) -> str:
    name = owner.to_text() if exact_case else owner.canonicalize().to_text()
    if rdata is None:
        text = dns.rdatatype.to_text(dns.rdatatype.RdataType(covers))
    elif exact_case or rdtype in (dns.rdatatype.TXT, dns.rdatatype.DNSKEY, dns.rdatatype.RRSIG):
        text = rdata.to_text()
    else:
        text = rdata.to_text().lower()
    chaos = "CH " if rdata is not None and rdata.rdclass == dns.rdataclass.CH else ""
    return f"{name} {ttl} {chaos}{dns.rdatatype.to_text(dns.rdatatype.RdataType(rdtype))} {text}"


def _flags_of(wire: bytes) -> int:
    return int.from_bytes(wire[2:4], "big") & sum(bit for name, bit in HEADER_FLAGS.items() if name != "qr")


def _flag_words(flags: int) -> str:
    return " ".join(name for name, bit in HEADER_FLAGS.items() if flags & bit and name != "qr") or "none"


def _rcode(message: dns.message.Message) -> str:
    return dns.rcode.to_text(message.rcode())


def _dig(messages: list[bytes]) -> str:
    if not messages:
        return ";; nothing"
    lines = []
    for wire in messages[:3]:
        try:
            message = dns.message.from_wire(wire, ignore_trailing=True, xfr=True)
        except dns.exception.DNSException:
            lines.append(f";; {len(wire)} octets: {wire.hex(' ', 2)}")
            continue
        lines.append(f";; {_rcode(message)}, flags: {_flag_words(_flags_of(wire))}, {len(wire)} octets")
        if message.edns >= 0:
            options = " ".join(f"{int(o.otype)}:{(o.to_wire() or b'').hex()}" for o in message.options)
            flags = f"{message.ednsflags:#06x}"
            lines.append(f";; OPT version {message.edns} flags {flags} udp {message.payload} {options}")
        for name in ("question", *SECTIONS):
            rrsets = getattr(message, name)
            if rrsets:
                lines.append(f";; {name.upper()}")
                texts = (line for rrset in rrsets for line in rrset.to_text().split("\n"))
                lines += [text if len(text) < 200 else text[:150] + "…" for text in texts]
    if len(messages) > 3:
        lines.append(f";; and {len(messages) - 3} more messages")
    return "\n".join(lines)
