"""A question -> its answer, from a source that is asked name by name.

What stands at the name, at the names above it and at the wildcards there is looked up, compiled into a zone of that
alone, and answered from: by the engine (`live_engine.py`) or, what it leaves to others, by the algorithm that answers
for loaded zones too (`zone/answer.py`). Where that leads to a name that has not been looked up (the target of an alias,
a mail server's address), it is looked up, and they begin again. So what comes out is what the whole zone would give.

Blocks; called by many threads at once. Nothing here remembers answers.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from threading import Lock

import dns.name
import dns.rcode
import dns.rdatatype

from pippin.engine.compile import compile_zone
from pippin.engine.records import HEADER, record_at
from pippin.query.compose import compose
from pippin.query.reply import Reply
from pippin.serve.live_engine import EMPTY, SIGNED, Lead, LiveEngine, prepared
from pippin.source.live import NAMES_LIMIT, LiveZone, Looked, LookUp, LookUpError
from pippin.zone.answer import CHAIN_LIMIT, Zones, answer
from pippin.zone.check import Finding, check
from pippin.zone.problem import Problem
from pippin.zone.zone import Node, Zone

ROUNDS = CHAIN_LIMIT + 2
"""Look-ups for one question: each alias of a chain may need one, and so may the addresses at its end."""

ZONES_KEPT = 65536
"""Names of which it is remembered whether they are zones."""

ZONE_TTL = 1.0
"""Seconds for which that is believed while the source can be asked."""

REPORTS_KEPT = 1000
"""Problems that are told apart, so that each is reported once."""

INVALID_DATA = 24
"""Extended DNS error (RFC 8914 section 4.25)."""

CONTENT, EXISTENCE = 0, -1
"""Why a name is looked at, where that is not for a type that decides about the names below it."""

FILE, FILE_AT = Struct("<H"), 12
"""Where a record of a stream says which file it is from (`engine/records.py`)."""

LONGEST_ABOVE = 253
"""Octets of a name below which there is room for a wildcard."""

_NOT_SIGNED = (
    "{}: the zone is signed, and what does not exist cannot be proved name by name (RFC 4035 section 3.1.3); load it "
    "(mode = \"load\")"
)
_WILDCARD = b"\1*"

BROKEN = Reply(b"", 0, 0, 0, rcode=dns.rcode.SERVFAIL, authoritative=False, ede=INVALID_DATA)

Report = Callable[[Problem], None]

_Look = tuple[Sequence[bytes], Looked]
"""Names asked for, and what stands there."""


class LiveAnswers:
    """The zones of one source. `report` is called once for each problem of its data."""

    def __init__(self, look_up: LookUp, report: Report, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._report = report
        self._clock = clock
        self._engine = LiveEngine()
        self._lock = Lock()
        self._zones: OrderedDict[bytes, tuple[LiveZone | None, float]] = OrderedDict()
        self._reported: set[tuple[str, int, str]] = set()
        self._tells_origins = False

    def answer(self, name: bytes, qtype: int, deadline: float) -> Reply | None:
        """The reply to a question of class IN; `name` is in lower-case wire format. None: no zone here has this name.

        SERVFAIL with EDE "Invalid Data" where rows that the answer depends on are wrong. `LookUpError` if the source
        fails, or the answer is not complete when the clock says `deadline`.
        """
        try:
            return self._answer(name, qtype, deadline, self._tells_origins)
        except (_Deeper, _Gone):
            pass
        try:
            return self._answer(name, qtype, deadline, False)
        except _Gone as gone:
            self.tell(gone.problem)
            return BROKEN

    def origin_of(self, name: bytes) -> bytes:
        """The deepest zone seen here for this name; b"" if none was."""
        for suffix in suffixes(name):
            known = self._zones.get(suffix)
            if known is not None and known[0] is not None:
                return suffix
        return b""

    def close(self) -> None:
        self._look_up.close()

    # What zones ask for

    def deepest_zone(self, name: bytes, deadline: float, guess: bool) -> LiveZone | None:
        """The deepest zone at or above a name.

        `guess`: the deepest one that is known. `records` raises `_Deeper` if that is wrong, so a new name in a known
        zone costs one look-up and not two.
        """
        now = self._clock()
        candidates = list(suffixes(name))
        found: dict[bytes, LiveZone | None] = {}
        for candidate in candidates:
            known = self._zones.get(candidate)
            if known is not None and known[1] > now:
                if guess and known[0] is not None:
                    return known[0]
                found[candidate] = known[0]
        if unknown := [candidate for candidate in candidates if candidate not in found]:
            self.check(deadline)
            found |= dict.fromkeys(unknown) | {zone.origin: zone for zone in self._look_up.zones(unknown)}
            until = self._clock() + ZONE_TTL
            with self._lock:
                for candidate in unknown:
                    self._zones[candidate] = (found[candidate], until)
                    self._zones.move_to_end(candidate)
                while len(self._zones) > ZONES_KEPT:
                    self._zones.popitem(last=False)
        return next((zone for candidate in candidates if (zone := found[candidate]) is not None), None)

    def forget(self, zone: LiveZone) -> None:
        """Ask again, next time, whether this is a zone."""
        with self._lock:
            self._zones.pop(zone.origin, None)

    def records(self, zone: LiveZone, names: Sequence[bytes], deadline: float, guess: bool) -> Looked:
        self.check(deadline)
        looked = self._look_up.records(zone, names)
        if looked.origins is not None:
            self._tells_origins = True
            if guess and any(origin != zone.origin for origin in looked.origins):
                raise _Deeper
        return looked

    def check(self, deadline: float) -> None:
        if self._clock() >= deadline:
            raise LookUpError("the time was over before everything was looked up", timed_out=True)

    def tell(self, problem: Problem) -> None:
        """Report a problem, unless it has been reported."""
        key = (problem.file, problem.line, problem.message)
        with self._lock:
            if key in self._reported or len(self._reported) >= REPORTS_KEPT:
                return
            self._reported.add(key)
        self._report(problem)

    def _answer(self, name: bytes, qtype: int, deadline: float, guess: bool) -> Reply | None:
        zone = self.deepest_zone(name, deadline, guess)
        if zone is None:
            return None
        looks: list[_Look] = []
        known: set[bytes] = set()
        image: bytes | None = None
        wanted: list[bytes] | None = list(way_up(name, zone.origin))
        while wanted and len(wanted) <= NAMES_LIMIT and len(looks) < ROUNDS:
            looks.append((wanted, self.records(zone, wanted, deadline, guess)))
            image = prepared([looked for _, looked in looks], zone.origin)
            known.update(wanted)
            prompt = None if image is None else self._engine.answer(image, zone.origin, name, qtype)
            if prompt is None:
                break
            reply, leads = prompt
            wanted = self._unknown(zone, leads, known, deadline, guess)
            if wanted == []:
                return reply
        zones = _LiveZones(self, deadline, guess)
        zones.know(zone, looks, image)
        question = dns.name.from_wire(name, 0)[0]
        try:
            for _ in range(ROUNDS):
                zones.begin()
                found = answer(zones, question, qtype, False)  # DO makes no difference, for nothing is signed
                if not zones.look_up_missing():
                    return BROKEN if zones.is_spoilt() else compose(name, qtype, found)
        except _Broken:
            return BROKEN
        raise LookUpError(f"more than {ROUNDS} look-ups for one question", timed_out=True)

    def _unknown(
        self, zone: LiveZone, leads: Sequence[Lead], known: set[bytes], deadline: float, guess: bool
    ) -> list[bytes] | None:
        """Names of this zone that leads ask for and that have not been looked up. None: one leads to another zone."""
        wanted: dict[bytes, None] = {}
        for lead in leads:
            if lead.is_alias:
                there = self.deepest_zone(lead.name, deadline, guess)
                if there is not None and there.origin != zone.origin:
                    return None
            if zone.origin in suffixes(lead.name):
                wanted |= dict.fromkeys(way_up(lead.name, zone.origin, with_wildcards=lead.is_alias))
        return [name for name in wanted if name not in known]


class _Broken(Exception):
    """The zone cannot be answered from at all; why has been reported."""


class _Deeper(Exception):
    """The deepest zone known is not the deepest one there is."""


class _Gone(Exception):
    """There is nothing of the zone, not even an SOA: it went between two looks."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _LiveZones(Zones):
    """The zones of one question, as far as they have been looked up."""

    def __init__(self, source: LiveAnswers, deadline: float, guess: bool) -> None:
        super().__init__()
        self._source = source
        self._deadline = deadline
        self._guess = guess
        self._parts: dict[bytes, _Part] = {}
        self.asked: set[dns.name.Name] = set()
        """The name asked for, and those that aliases led to."""

    def know(self, zone: LiveZone, looks: Sequence[_Look], image: bytes | None) -> None:
        """What has been looked up, and its image if nothing is wrong with it."""
        part = self._parts[zone.origin] = _Part(zone, self._source, self.asked)
        part.know(looks, image)

    def begin(self) -> None:
        self.asked.clear()
        for part in self._parts.values():
            part.spoilt_the_answer = False

    def find(self, name: dns.name.Name, qtype: int) -> Zone | None:
        self.asked.add(name)
        return super().find(name, qtype)

    def deepest(self, name: dns.name.Name) -> Zone | None:
        zone = self._source.deepest_zone(_wire(name), self._deadline, self._guess)
        if zone is None:
            return None
        part = self._parts.get(zone.origin)
        if part is None:
            part = self._parts[zone.origin] = _Part(zone, self._source, self.asked)
            part.want(name)
            part.look_up(self._deadline, self._guess)
        return part.view()

    def look_up_missing(self) -> bool:
        """Look up what the last answer lacked; False if there was nothing."""
        lacking = [part for part in self._parts.values() if part.wanted]
        for part in lacking:
            part.look_up(self._deadline, self._guess)
        return bool(lacking)

    def is_spoilt(self) -> bool:
        """What the last answer depended on could not be read."""
        return any(part.spoilt_the_answer for part in self._parts.values())


class _Part:
    """One zone, as far as it has been looked up."""

    def __init__(self, zone: LiveZone, source: LiveAnswers, asked: set[dns.name.Name]) -> None:
        self._zone = zone
        self._source = source
        self._asked = asked
        self._looked: list[Looked] = []
        self._view: _View | None = None
        self._known: set[bytes] = set()
        self._spoilt: dict[bytes, set[int]] = {}
        """Names with records that cannot be used, and the types of those."""
        self._useless: set[bytes] = set()
        """Names none of whose records can be used."""
        self.wanted: dict[bytes, None] = {}
        self.spoilt_the_answer = False

    def want(self, name: dns.name.Name) -> None:
        """Have a name looked up with everything that decides about it: cuts and DNAMEs above, wildcards."""
        way = way_up(_wire(name), self._zone.origin, with_wildcards=name in self._asked)
        self.wanted |= dict.fromkeys(one for one in way if one not in self._known)

    def look_up(self, deadline: float, guess: bool) -> None:
        names = list(self.wanted)
        self.wanted.clear()
        looked = self._source.records(self._zone, names[:NAMES_LIMIT], deadline, guess)
        self.know([(names, looked)])  # also names past the limit: addresses that an answer can do without

    def know(self, looks: Sequence[_Look], image: bytes | None = None) -> None:
        """What has been looked up; perhaps the image of all that has."""
        for names, looked in looks:
            self._known.update(names)
            self._looked.append(looked)
        self._view = None if image is None else _View(image, self)

    def view(self) -> Zone:
        if self._view is None:
            self._view = _View(self._compile(), self)
        return self._view

    def on_sight(self, name: dns.name.Name, purpose: int) -> None:
        """The algorithm looks at this name: for a type that decides about all names below, for that it exists, or else
        for what it owns."""
        wire = _wire(name)
        if wire not in self._known:
            self.want(name)
        types = self._spoilt.get(wire)
        if types is None or purpose == EXISTENCE:
            return
        # What additional records would need is left out, that is all.
        if (name in self._asked or name.is_wild()) if purpose == CONTENT else purpose in types:
            self.spoilt_the_answer = True

    def _compile(self) -> bytes:
        """The image of what has been looked up, but for names whose records cannot stand together."""
        for looked in self._looked:
            for owner, rdtype, problem in looked.unreadable:
                self._source.tell(problem)
                self._spoilt.setdefault(owner, set()).add(rdtype)
        records = list(self._records())
        while True:
            used = [(owner, raw) for owner, raw in records if owner not in self._useless]
            stream = b"".join([raw for _, raw in used])
            bare = {owner for looked in self._looked for owner in looked.empty} | self._spoilt.keys()
            marks = [(owner, EMPTY) for owner in sorted(bare - {owner for owner, _ in used})]
            image, findings = compile_zone(stream, self._zone.origin, 0, b"", marks)
            wrong = [finding for finding in findings if len(finding) == 2]  # the others are about marks
            if not wrong:
                return image
            for finding, problem in zip(wrong, self._problems(stream, wrong), strict=True):
                if not records and not self._spoilt:
                    self._source.forget(self._zone)
                    raise _Gone(problem)
                if finding[1] < 0:
                    self._source.tell(problem)
                    raise _Broken
                self._give_up(record_at(stream, finding[1]).owner.lower(), problem)

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        """Every record with its owner; as its file it has the number of the look-up that it came with."""
        for number, looked in enumerate(self._looked):
            stream, at = looked.records, 0
            while at < len(stream):
                length, rdtype, _, size, _, line, column, _ = HEADER.unpack_from(stream, at)
                begin, at = at, at + HEADER.size + length + size
                owner = stream[begin + HEADER.size : begin + HEADER.size + length].lower()
                if rdtype in SIGNED:
                    kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
                    problem = looked.locate(Problem("", line, column, _NOT_SIGNED.format(kind)))
                    if owner == self._zone.origin:
                        self._source.tell(problem)
                        raise _Broken
                    self._give_up(owner, problem)
                raw = bytearray(stream[begin:at])
                FILE.pack_into(raw, FILE_AT, number)
                yield owner, bytes(raw)

    def _give_up(self, owner: bytes, problem: Problem) -> None:
        """Answer nothing that this name has a say in."""
        self._source.tell(problem)
        self._useless.add(owner)
        self._spoilt[owner] = {dns.rdatatype.NS, dns.rdatatype.DNAME}

    def _problems(self, stream: bytes, findings: Sequence[Finding]) -> Iterator[Problem]:
        """What the compiler has found, in words, with the places that the source knows."""
        files = [str(number) for number in range(len(self._looked))]
        for finding in findings:
            (problem,) = check(stream, self._zone.origin, files, [finding], warnings=False)
            yield self._looked[int(problem.file)].locate(problem)


class _View(Zone):
    """A zone of which only some names are known; it says which ones the algorithm looks at, and what for."""

    def __init__(self, image: bytes, part: _Part) -> None:
        super().__init__(image)
        self._part = part
        self._purpose = CONTENT

    def node(self, name: dns.name.Name) -> Node | None:
        if name.is_subdomain(self.origin):
            self._part.on_sight(name, self._purpose)
        return super().node(name)

    def closest_encloser(self, name: dns.name.Name) -> Node:
        self._purpose = EXISTENCE
        try:
            return super().closest_encloser(name)
        finally:
            self._purpose = CONTENT

    def _topmost(self, name: dns.name.Name, rdtype: int, first: int, last: int) -> Node | None:
        self._purpose = rdtype
        try:
            return super()._topmost(name, rdtype, first, last)
        finally:
            self._purpose = CONTENT


def suffixes(name: bytes) -> Iterator[bytes]:
    """The name and all names above it, up to the root, in wire format."""
    while name != b"\0":
        yield name
        name = name[1 + name[0] :]
    yield name


def way_up(name: bytes, origin: bytes, with_wildcards: bool = True) -> Iterator[bytes]:
    """The name and the names above it, up to the origin of its zone, each of those with the wildcard below it."""
    for suffix in suffixes(name):
        yield suffix
        if with_wildcards and suffix != name and len(suffix) <= LONGEST_ABOVE:
            yield _WILDCARD + suffix
        if suffix == origin:
            return


def _wire(name: dns.name.Name) -> bytes:
    """Lower-case wire format. dnspython's own way makes another name first, and this is done for every look at one."""
    return b"".join([bytes((len(label),)) + label for label in name.labels]).lower()  # no length is a letter
