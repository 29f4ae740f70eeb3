"""Reads a scenario file: the zones a server is given, and the questions it is asked.

In: the text of one `.scenario` file (README.md beside this file explains the format).
Out: a `Scenario`, all values. Nothing here opens a socket or knows a server.
Refuses everything it does not know: a word misspelt is a `ScenarioError` with file:line, never a check left out.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import dns.dnssec
import dns.exception
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NSEC3
import dns.rdtypes.ANY.RRSIG
import dns.zone

HEADER_FLAGS = {
    **{"qr": 0x8000, "aa": 0x0400, "tc": 0x0200, "rd": 0x0100},
    **{"ra": 0x0080, "z": 0x0040, "ad": 0x0020, "cd": 0x0010},
}
SECTIONS = ("answer", "authority", "additional")
PEERS = ("nsd", "knot", "named")
CITATION = re.compile(r"\[((?:RFC \d+|DISAGREE|ISSUE)[^\]]*)\]$")
OPT_WORDS = {
    *("none", "do", "size", "ede", "nsid", "cookie", "keepalive"),
    *("no-nsid", "no-cookie", "no-keepalive", "no-padding", "no-ede"),
}

Key = tuple[dns.name.Name, int]
Rdatas = tuple[dns.rdata.Rdata, ...]


class ScenarioError(Exception):
    """The scenario file itself is wrong; the message starts with file:line."""


@dataclass(frozen=True, slots=True)
class ZoneText:
    """A zone as the server is given it."""

    origin: dns.name.Name
    text: str
    kind: str  # "zone" (RFC 1035 master file), "csv", or "broken" (a master file that cannot be served)


@dataclass(frozen=True, slots=True)
class Ask:
    """One message to send. `wire` set: exactly these octets; else composed from the other fields."""

    text: str
    line: int
    questions: tuple[tuple[dns.name.Name, int, int], ...] = ()
    wire: bytes | None = None
    stream: bytes | None = None  # raw octets for a TCP connection, length prefixes included
    flags: int = 0
    opcode: int = 0
    tcp: bool = False
    split: bool = False  # every octet in a write of its own
    shut: bool = False  # half-close after writing
    edns: int | None = None  # EDNS version
    size: int = 1232
    edns_flags: int = 0
    options: tuple[tuple[int, bytes], ...] = ()
    cookie_again: bool = False
    opts: int = 1
    opt_owner: bytes = b"\0"
    qdcount: int | None = None
    counts: tuple[int, int] = (0, 0)
    trailing: bytes = b""
    records: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """One expected record. `rdata` None: an RRSIG covering `covers`, one of the zone's own."""

    owner: dns.name.Name
    ttl: int
    rdtype: int
    rdata: dns.rdata.Rdata | None
    covers: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    mode: str = "exactly"  # "exactly", "any", "upto" (whole RRsets out of these), "zone" (a full transfer)
    records: tuple[Expected, ...] = ()
    origin: dns.name.Name | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What must come back. `rcode` None: nothing (`closed`: and the TCP connection ends)."""

    line: int
    rcode: int | None
    flags: int = 0
    closed: bool = False
    sections: dict[str, Section] = field(default_factory=dict)
    opt: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    messages: int = 1
    exact_case: bool = False

    def section(self, name: str) -> Section:
        return self.sections.get(name, Section())


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    title: str
    citation: str
    path: Path
    line: int
    exchanges: tuple[tuple[Ask, Reply], ...]
    pipeline: bool
    peers_differ: dict[str, str]
    source: str

    @property
    def slug(self) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
        return f"{self.path.stem}-{words}"


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    path: Path
    zones: tuple[ZoneText, ...]
    settings: dict[str, str]
    only_pippin: str
    cases: tuple[Case, ...]
    rrsets: dict[Key, tuple[int, Rdatas]]
    signatures: dict[Key, Rdatas]


def parse(path: Path) -> Scenario:
    """The scenario in the file at `path`; raises ScenarioError."""
    return _Reader(path, path.read_text()).scenario()


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.at = 0
        self.zones: list[ZoneText] = []
        self.settings: dict[str, str] = {}
        self.only_pippin = ""
        self.rrsets: dict[Key, tuple[int, Rdatas]] = {}
        self.signatures: dict[Key, Rdatas] = {}
        self.records: dict[dns.name.Name, list[Expected]] = {}

    def error(self, message: str, line: int | None = None) -> ScenarioError:
        return ScenarioError(f"{self.path.name}:{line or self.at}: {message}")

    def scenario(self) -> Scenario:
        cases: list[Case] = []
        titles: set[str] = set()
        while (text := self._next_top()) is not None:
            word, _, rest = text.partition(" ")
            rest = rest.strip()
            if word in ("zone", "csv", "broken"):
                if cases:
                    raise self.error("zones come before the first case")
                self._zone(word, rest)
            elif word == "option":
                name, _, value = rest.partition(" ")
                if name not in ("id", "version", "allow-transfer"):
                    raise self.error(f"unknown option {name!r}")
                self.settings[name] = value.strip().strip('"')
            elif word == "only-pippin":
                self.only_pippin = rest
            elif word == "case":
                case = self._case(rest)
                if case.slug in titles:
                    raise self.error(f"a second case with the title {case.title!r}", case.line)
                titles.add(case.slug)
                cases.append(case)
            else:
                raise self.error(f"unknown word {word!r}; expected zone, csv, broken, option, only-pippin or case")
        if not cases:
            raise self.error("no case in this file", 1)
        return Scenario(
            self.path,
            tuple(self.zones),
            self.settings,
            self.only_pippin,
            tuple(cases),
            self.rrsets,
            self.signatures,
        )

    def _next_top(self) -> str | None:
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip()
            self.at += 1
            if not line or line.startswith("#"):
                continue
            if line[0] == " ":
                raise self.error("indented line outside a zone or case")
            return line
        return None

    def _block(self) -> Iterator[str]:
        """The indented lines from here on; blank lines between them belong to the block."""
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip()
            if line and line[0] != " ":
                return
            self.at += 1
            yield line

    def _zone(self, kind: str, rest: str) -> None:
        words = rest.split()
        start = self.at
        origin = self._name(words[0]) if words else dns.name.root
        if len(words) == 3 and words[1] == "from":
            text = (self.path.parent / words[2]).read_text()
        elif len(words) == 1:
            text = "".join(line[4:] + "\n" for line in self._block())
        else:
            raise self.error(f"expected `{kind} ORIGIN` or `{kind} ORIGIN from FILE`")
        if kind == "zone" and "$ORIGIN" not in text:
            text = f"$ORIGIN {origin}\n{text}"
        self.zones.append(ZoneText(origin, text, kind))
        if kind != "zone":
            return
        try:
            zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
        except dns.exception.DNSException as problem:
            raise self.error(f"zone {origin}: {problem}", start) from None
        records = self.records.setdefault(origin, [])
        for name, ttl, rdata in zone.iterate_rdatas():
            records.append(Expected(name, ttl, rdata.rdtype, rdata))
            if isinstance(rdata, dns.rdtypes.ANY.RRSIG.RRSIG):
                key = (name, int(rdata.type_covered))
                self.signatures[key] = (*self.signatures.get(key, ()), rdata)
            else:
                key = (name, int(rdata.rdtype))
                self.rrsets[key] = (ttl, (*self.rrsets.get(key, (ttl, ()))[1], rdata))

    def _name(self, text: str) -> dns.name.Name:
        if not text.endswith("."):
            raise self.error(f"name {text!r} is not absolute (no dot at its end)")
        try:
            return dns.name.from_text(text)
        except dns.exception.DNSException as problem:
            raise self.error(f"name {text!r}: {problem}") from None

    def _case(self, heading: str) -> Case:
        start = self.at
        match = CITATION.search(heading)
        if match is None:
            raise self.error("the title does not end in a citation such as [RFC 1034 4.3.2]")
        exchanges: list[tuple[Ask, Reply]] = []
        ask: Ask | None = None
        reply: Reply | None = None
        open_section = ""
        pipeline = False
        differ: dict[str, str] = {}

        def finish() -> None:
            nonlocal ask, reply, open_section
            if ask is not None:
                if reply is None:
                    raise self.error("ask without a reply", ask.line)
                exchanges.append((ask, reply))
            ask, reply, open_section = None, None, ""

        for line in self._block():
            body = line.strip()
            if not body or body.startswith("#"):
                continue
            if line.startswith("    "):
                if reply is None or not open_section:
                    raise self.error("a record outside a section")
                section = reply.section(open_section)
                section = replace(
                    section, records=section.records + tuple(self._records(body, section.records))
                )
                reply = replace(reply, sections=reply.sections | {open_section: section})
                continue
            word, _, rest = body.partition(" ")
            rest = rest.strip()
            if word in ("ask", "send", "stream"):
                finish()
                ask = self._ask(word, rest, body)
            elif word == "also":
                if ask is None or reply is not None:
                    raise self.error("`also` follows an ask")
                ask = replace(ask, questions=(*ask.questions, self._question(rest.split())))
            elif word == "pipeline":
                pipeline = True
            elif word == "peers-differ":
                names, colon, reason = rest.partition(":")
                if not colon or not reason.strip():
                    raise self.error("expected `peers-differ PEER…: reason`")
                for name in names.split():
                    if name not in PEERS:
                        raise self.error(f"unknown peer {name!r}; expected one of {', '.join(PEERS)}")
                    differ[name] = reason.strip()
            elif word == "reply":
                if ask is None or reply is not None:
                    raise self.error("a reply follows an ask")
                reply = self._reply(rest)
            elif reply is None:
                raise self.error(f"unknown word {word!r}, or `{word}` before the reply line")
            elif word in SECTIONS:
                if word in reply.sections:
                    raise self.error(f"a second {word} section")
                open_section = word
                reply = replace(reply, sections=reply.sections | {word: self._section(rest)})
            elif word == "opt":
                reply = replace(reply, opt=self._opt(rest))
            elif word == "size":
                reply = replace(reply, size=self._number(rest))
            elif word == "messages":
                reply = replace(reply, messages=self._number(rest))
            elif word == "exact-case":
                reply = replace(reply, exact_case=True)
            else:
                raise self.error(f"unknown word {word!r}")
        finish()
        if not exchanges:
            raise self.error("a case without an ask", start)
        title = heading[: match.start()].strip()
        source = "\n".join(self.lines[start - 1 : self.at]).rstrip()
        return Case(title, match.group(1), self.path, start, tuple(exchanges), pipeline, differ, source)

    def _number(self, text: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            raise self.error(f"{text!r} is not a number") from None

    def _hex(self, text: str) -> bytes:
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise self.error(f"{text!r} is not hexadecimal") from None

    def _question(self, words: list[str]) -> tuple[dns.name.Name, int, int]:
        rdclass = int(dns.rdataclass.IN)
        if len(words) == 3:
            rdclass = self._mnemonic(dns.rdataclass.from_text, words.pop(1), "class")
        if len(words) != 2:
            raise self.error("expected NAME [CLASS] TYPE")
        return self._name(words[0]), self._mnemonic(dns.rdatatype.from_text, words[1], "type"), rdclass

    def _mnemonic(self, read: object, text: str, what: str) -> int:
        try:
            return int(read(text))  # type: ignore[operator]
        except (dns.exception.DNSException, ValueError):
            raise self.error(f"unknown {what} {text!r}") from None

    def _ask(self, word: str, rest: str, body: str) -> Ask:
        words = rest.split()
        plain = [w for w in words if not w.startswith("+")]
        ask = Ask(text=body, line=self.at)
        if word == "send":
            ask = replace(ask, wire=self._hex("".join(plain)))
        elif word == "stream":
            ask = replace(ask, stream=self._hex("".join(plain)), tcp=True)
        elif plain:
            ask = replace(ask, questions=(self._question(plain),))
        for option in words:
            if option.startswith("+"):
                ask = self._ask_word(ask, option[1:])
        return ask

    def _ask_word(self, ask: Ask, word: str) -> Ask:
        name, equals, value = word.partition("=")
        if not equals:
            if name in HEADER_FLAGS:
                return replace(ask, flags=ask.flags | HEADER_FLAGS[name])
            if name == "dnssec":
                return replace(ask, edns=ask.edns or 0, edns_flags=ask.edns_flags | 0x8000)
            if name in ("tcp", "split", "shut"):
                return replace(
                    ask, tcp=True, split=ask.split or name == "split", shut=ask.shut or name == "shut"
                )
            if name in ("edns", "dupopt"):
                return replace(ask, edns=0, opts=2 if name == "dupopt" else ask.opts)
            simple = {
                "nsid": (3, b""),
                "keepalive": (11, b""),
                "cookie": (10, bytes.fromhex("2464c4abcf10c957")),
            }
            if name in simple:
                return replace(ask, edns=ask.edns or 0, options=(*ask.options, simple[name]))
            raise self.error(f"unknown query word +{name}")
        if name == "edns":
            return replace(ask, edns=self._number(value))
        if name == "bufsize":
            return replace(ask, edns=ask.edns or 0, size=self._number(value))
        if name == "ednsflags":
            return replace(ask, edns=ask.edns or 0, edns_flags=ask.edns_flags | self._number(value))
        if name == "cookie":
            if value == "again":
                return replace(ask, edns=ask.edns or 0, cookie_again=True)
            return replace(ask, edns=ask.edns or 0, options=(*ask.options, (10, self._hex(value))))
        if name == "padding":
            return replace(ask, edns=ask.edns or 0, options=(*ask.options, (12, bytes(self._number(value)))))
        if name == "ednsopt":
            code, _, data = value.partition(":")
            return replace(
                ask, edns=ask.edns or 0, options=(*ask.options, (self._number(code), self._hex(data)))
            )
        if name == "optowner":
            return replace(ask, edns=ask.edns or 0, opt_owner=self._name(value).to_wire() or b"")
        if name == "opcode":
            if value.isdigit():
                return replace(ask, opcode=self._number(value))
            return replace(ask, opcode=self._mnemonic(dns.opcode.from_text, value, "opcode"))
        if name == "qdcount":
            return replace(ask, qdcount=self._number(value))
        if name in ("ancount", "nscount"):
            ancount, nscount = ask.counts
            number = self._number(value)
            return replace(ask, counts=(number, nscount) if name == "ancount" else (ancount, number))
        if name == "trailing":
            return replace(ask, trailing=self._hex(value))
        if name in (
            "answer",
            "authority",
            "additional",
        ):  # a record in wire form, for messages that carry one
            return replace(ask, records=(*ask.records, (name, self._hex(value))))
        raise self.error(f"unknown query word +{name}=")

    def _reply(self, rest: str) -> Reply:
        words = rest.split()
        if words == ["none"]:
            return Reply(self.at, None)
        if words == ["closed"]:
            return Reply(self.at, None, closed=True)
        if not words:
            raise self.error("expected `reply RCODE [flags]`, `reply none` or `reply closed`")
        flags = 0
        for word in words[1:]:
            if word not in HEADER_FLAGS or word == "qr":
                raise self.error(
                    f"unknown flag {word!r}; expected {', '.join(f for f in HEADER_FLAGS if f != 'qr')}"
                )
            flags |= HEADER_FLAGS[word]
        return Reply(self.at, self._mnemonic(dns.rcode.from_text, words[0], "rcode"), flags)

    def _section(self, rest: str) -> Section:
        words = rest.split()
        if not words:
            return Section()
        if words in (["any"], ["upto"]):
            return Section(words[0])
        if words[0] == "zone" and len(words) == 2:
            origin = self._name(words[1])
            if origin not in self.records:
                raise self.error(f"no zone {origin} in this file")
            return Section("zone", tuple(self.records[origin]), origin)
        raise self.error(f"expected records on the next lines, or any, upto or zone ORIGIN; found {rest!r}")

    def _opt(self, rest: str) -> tuple[tuple[str, str], ...]:
        pairs = []
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            if name not in OPT_WORDS:
                raise self.error(f"unknown opt word {name!r}; expected {', '.join(sorted(OPT_WORDS))}")
            pairs.append((name, value))
        return tuple(pairs)

    def _records(self, text: str, already: tuple[Expected, ...]) -> Iterator[Expected]:
        """The records one line stands for; `already`: what the section has, since NSEC3 records can serve twice."""
        signed = text.endswith(" +sig")
        words = text.removesuffix(" +sig").split(None, 3)
        rdclass = "IN"
        if len(words) > 3 and words[2] == "CH":
            rdclass = words.pop(2)
            words = [*words[:2], *words[2].split(None, 1)]
        if len(words) < 3:
            raise self.error(f"expected OWNER TTL [CH] TYPE [RDATA] [+sig], found {text!r}")
        ttl = self._number(words[1])
        rdtype = self._mnemonic(dns.rdatatype.from_text, words[2], "type")
        rest = words[3] if len(words) == 4 else ""
        relation, colon, name = words[0].partition(":")
        if colon and relation in ("matching", "covering"):
            owner = self._hashed(relation, self._name(name))
            if any(record.owner == owner for record in already):
                return
        else:
            owner = self._name(words[0])
        if rdtype == dns.rdatatype.RRSIG:
            yield Expected(
                owner, ttl, rdtype, None, self._mnemonic(dns.rdatatype.from_text, rest, "type covered")
            )
        elif rest:
            try:
                yield Expected(
                    owner,
                    ttl,
                    rdtype,
                    dns.rdata.from_text(
                        rdclass, dns.rdatatype.to_text(dns.rdatatype.RdataType(rdtype)), rest
                    ),
                )
            except dns.exception.DNSException as problem:
                raise self.error(f"{text!r}: {problem}") from None
        elif (owner, rdtype) in self.rrsets:
            for rdata in self.rrsets[owner, rdtype][1]:
                yield Expected(owner, ttl, rdtype, rdata)
        else:
            raise self.error(f"no RRset {owner} {words[2]} in the zones of this file; write its RDATA")
        if signed:
            for _ in self.signatures.get((owner, rdtype), (None,)):
                yield Expected(owner, ttl, dns.rdatatype.RRSIG, None, rdtype)

    def _hashed(self, relation: str, name: dns.name.Name) -> dns.name.Name:
        """The owner of the NSEC3 record that matches or covers `name` (RFC 5155 section 1.3)."""
        for (owner, rdtype), (_, rdatas) in self.rrsets.items():
            if rdtype != dns.rdatatype.NSEC3 or not name.is_subdomain(owner.parent()):
                continue
            record = rdatas[0]
            assert isinstance(record, dns.rdtypes.ANY.NSEC3.NSEC3)
            wanted = dns.dnssec.nsec3_hash(name, record.salt, record.iterations, record.algorithm)
            first = owner.labels[0].decode().upper()
            last = base64.b32hexencode(record.next).decode().upper()
            if relation == "matching":
                if first == wanted:
                    return owner
            elif first < wanted < last or (last <= first and (wanted > first or wanted < last)):
                return owner
        raise self.error(f"no NSEC3 record {relation} {name}")
