"""A DNS server for tests: records, policies and faults of which change while it runs.

with DNSServer() as server:
    server.zone("example.com", "www A 192.0.2.1")
    server.delay("www.example.com", 0.2)
    ...                                          # any client, any library: server.host, server.port
    assert server.queries[0].type == "A"
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from pippin.control.marks import ANOTHER_ZONES, NO_MARKS, Marks
from pippin.engine.compile import compile_zone
from pippin.policy.policies import Policies
from pippin.serve.in_process import InProcessServer
from pippin.serve.worker import Worker
from pippin.store import Reader
from pippin.testing.faults import Fault, Faults, SeenQuery, plain_name
from pippin.testing.records import ZoneError, ZoneText, absolute, name_wire
from pippin.testing.steering import PolicySource, ServedHealth, policies_in, pools_of
from pippin.testing.watched import WatchedWorker
from pippin.zone.check import check
from pippin.zone.problem import Severity

ASK_TIMEOUT = 5.0
"""Seconds that `ask` waits for a reply."""


class _Server(InProcessServer):
    def __init__(self, listen: tuple[str, ...], faults: Faults, **options: Any) -> None:
        self._faults = faults
        super().__init__(listen, **options)

    def _make_worker(self, reader: Reader) -> Worker:
        return WatchedWorker(self._options, reader, self._faults)


class DNSServer:
    """A running server; close it, or use it as a context manager.

    It answers authoritatively for the zones it is given and REFUSED for all other names. Changes count from the next
    question on. `options` are those of `WorkerOptions` (`udp_size`, `rotate`, `require_cookie`, …).

    Names are absolute, with or without their last dot; those of faults may begin with `*.` for everything below, or
    be `*` for everything.
    """

    def __init__(self, listen: str = "127.0.0.1:0", **options: Any) -> None:
        self._faults = Faults()
        self._zones: dict[bytes, ZoneText] = {}
        self._policies: list[Policies] = []
        self._marks = NO_MARKS
        self._server = _Server((listen,), self._faults, **{"drain_timeout": 0.0, **options})
        self.host = self._server.addresses[0].host
        self.port = self._server.addresses[0].port
        self.address = str(self._server.addresses[0])
        """`127.0.0.1:12345`, as command lines and configurations want it."""

    # --- records

    def zone(self, origin: str, text: str = "") -> None:
        """Serve a zone, instead of an older version if there is one.

        `text` is a master file; SOA and NS records may be missing. `ZoneError` if it is wrong.
        """
        self._publish(ZoneText(origin, text))

    def add(self, name: str, rdtype: str, *rdata: str, ttl: int = 300) -> None:
        """Add records to the zone they belong to: `add("www.example.com", "A", "192.0.2.1", "192.0.2.2")`."""
        zone = self._zone_of(name)
        zone.add("".join(f"{absolute(name)} {ttl} {rdtype} {text}\n" for text in rdata))
        self._publish(zone)

    def remove(self, name: str, rdtype: str | None = None, *rdata: str) -> None:
        """Remove records of a name: of one type or of all, those given or all. LookupError if there are none."""
        zone = self._zone_of(name)
        for text in rdata or (None,):
            if not zone.remove(name, rdtype, text):
                raise LookupError(f"there is no {' '.join(filter(None, (name, rdtype, text)))}")
        self._publish(zone)

    def remove_zone(self, origin: str) -> None:
        """Stop serving a zone. LookupError if it is not served."""
        wire = name_wire(origin)
        if wire not in self._zones:
            raise LookupError(f"zone {origin} is not served")
        del self._zones[wire]
        self._server.withdraw(wire)

    def _zone_of(self, name: str) -> ZoneText:
        rest = name_wire(name)
        while rest not in self._zones:
            if rest == b"\0":
                raise LookupError(f"{name} is in no zone that is served; `.zone(origin)` makes one")
            rest = rest[1 + rest[0] :]
        return self._zones[rest].copy()

    def _publish(self, zone: ZoneText) -> None:
        stream = zone.stream()
        marks = self._marks.of(zone.origin)
        image, findings = compile_zone(stream, zone.origin, self._server.seed, b"", marks)
        findings = [finding for finding in findings if finding[0] not in ANOTHER_ZONES]
        problems = check(stream, zone.origin, zone.files, findings, warnings=False, marks=marks)
        if wrong := [problem for problem in problems if problem.severity is Severity.ERROR]:
            raise ZoneError(wrong)
        self._zones[zone.origin] = zone
        self._server.publish(image)

    # --- policies

    @property
    def policies(self) -> list[Policies]:
        """What answers where zones leave it to policies. Set it: to `Policies`, a policy file imported, or several.

        The targets of their pools are available until `health` says otherwise. Names have to be in zones that are
        served; `ask` can ask as a client from anywhere. Nothing interrupts a policy here that takes too long.
        """
        return list(self._policies)

    @policies.setter
    def policies(self, source: PolicySource | Iterable[PolicySource] | None) -> None:
        given = policies_in(source)
        before, marks = self._marks, Marks((policy.owner, policy.rdtype) for each in given for policy in each)
        self._server.set_policies(given, pools_of(given))
        self._policies, self._marks = given, marks
        changed = marks.changed(before)
        for zone in [zone for origin, zone in self._zones.items() if origin in changed]:
            self._publish(zone)

    @property
    def health(self) -> ServedHealth:
        """How the targets of the policies are: `health.fail("eu/192.0.2.10")`."""
        return ServedHealth(self._server.health, self._server.health_rows)

    # --- faults

    def fail(
        self,
        name: str,
        rcode: str | int = "SERVFAIL",
        *,
        rdtype: str | None = None,
        times: int | None = None,
    ) -> Fault:
        """Answer with an error and no records."""
        code = dns.rcode.from_text(rcode) if isinstance(rcode, str) else dns.rcode.Rcode.make(rcode)
        return self._faults.add(Fault(self._faults, name, rdtype, times, rcode=code))

    def timeout(self, name: str, *, rdtype: str | None = None, times: int | None = None) -> Fault:
        """Do not answer."""
        return self._faults.add(Fault(self._faults, name, rdtype, times, silent=True))

    def truncate(self, name: str, *, rdtype: str | None = None, times: int | None = None) -> Fault:
        """Over UDP, answer with TC and no records; over TCP as usual (RFC 7766)."""
        return self._faults.add(Fault(self._faults, name, rdtype, times, truncated=True))

    def delay(
        self, name: str, seconds: float, *, rdtype: str | None = None, times: int | None = None
    ) -> Fault:
        """Answer as usual, `seconds` later."""
        return self._faults.add(Fault(self._faults, name, rdtype, times, delay=seconds))

    def recover(self, name: str | None = None) -> None:
        """End the faults that were made for a name, or all."""
        self._faults.remove_all(name)

    # --- questions

    @property
    def queries(self) -> list[SeenQuery]:
        """Every question so far, in order, those that got no reply included."""
        return self._faults.seen()

    def asked(self, name: str, rdtype: str | None = None) -> int:
        """How often a name (and type) has been asked for."""
        plain = plain_name(name)
        return sum(query.name == plain and rdtype in (None, query.type) for query in self.queries)

    def forget_queries(self) -> None:
        """Begin `queries` anew."""
        self._faults.forget_seen()

    def ask(
        self,
        name: str,
        rdtype: str = "A",
        *,
        subnet: str | None = None,
        source: str | None = None,
        tcp: bool = False,
    ) -> dns.message.Message:
        """Ask the server, for tests that have no client of their own.

        `subnet` goes along as EDNS Client Subnet; `source` is the address asked from (any of 127.0.0.0/8).
        """
        options = [] if subnet is None else [dns.edns.ECSOption.from_text(subnet)]
        query = dns.message.make_query(name, rdtype, use_edns=0, options=options)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, self.host, ASK_TIMEOUT, self.port, source=source)

    def resolver(self) -> dns.resolver.Resolver:
        """A resolver of dnspython that asks this server and no other."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [self.host]
        resolver.port = self.port
        return resolver

    # --- the end

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> DNSServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
