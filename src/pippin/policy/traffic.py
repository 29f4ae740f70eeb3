"""Who asks how much: client networks with their share of the traffic, from a table or from a log of queries.

A table is CSV: `network,weight[,name,type]`, with or without that line on top; `#` begins a comment line. The weight
is in queries a second, or in whatever the capacities of targets are declared in. Without a name the row asks for
every name that has a policy.

A log is BIND's (its category `queries`), PowerDNS's (`log-dns-queries`), CoreDNS's (plugin `log`, common format) or
JSON, an object a line with `client`, `name`, `type` and, where known, `subnet` (EDNS Client Subnet) and `time` (Unix).
Its queries are counted by client network, name and type, and divided by the time between the first and the last.
"""

from __future__ import annotations

import csv
import datetime
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeAlias

import msgspec

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

ROWS_LIMIT = 1_000_000
"""Rows of a table, and different (network, name, type) of a log: each may be a run of a policy."""

LOG_V4, LOG_V6 = 24, 56
"""Clients of a log are counted by networks of this length, which is what resolvers tell of their clients (RFC 7871
section 11.1)."""

HEADER = ("network", "weight", "name", "type")

_BIND = re.compile(
    r"(?P<when>\S+ [\d:.]+ )?.*?\bclient (?:@\S+ )?(?P<client>[0-9a-fA-F.:]+)#\d+"
    r".*?: query: (?P<name>\S+) IN (?P<type>\S+)(?:.*\[ECS (?P<subnet>[^\]]+?)(?:/\d+)?\])?"
)
"""`23-Nov-2026 09:21:18.123 client @0x7f 192.0.2.1#53 (a.example): query: a.example IN A +E(0) (192.0.2.53)`"""

_POWERDNS = re.compile(
    r"(?P<when>[A-Z][a-z]{2} [ \d]\d [\d:]{8} )?.*?\bRemote (?P<client>[0-9a-fA-F.:]+)(?:<-(?P<subnet>\S+))? "
    r"wants '(?P<name>[^|]+)\|(?P<type>[^']+)'"
)
"""`Nov 23 09:21:18 ns1 pdns[7]: Remote 192.0.2.1 wants 'a.example|A', do = 0, bufsize = 512: packetcache HIT`"""

_COREDNS = re.compile(
    r"(?P<when>\d{4}-\S+ )?.*?(?P<client>\[[0-9a-fA-F:.]+\]|[\d.]+):\d+ - \d+ "
    r'"(?P<type>\S+) IN (?P<name>\S+) (?:udp|tcp) (?P<subnet>)'
)
"""`[INFO] 192.0.2.1:40212 - 29008 "A IN a.example. udp 41 false 4096" NOERROR qr,aa,rd 106 0.000118s`"""


_FORMATS = ((_BIND, "%d-%b-%Y %H:%M:%S.%f"), (_POWERDNS, "%b %d %H:%M:%S"), (_COREDNS, None))


class TrafficError(ValueError):
    """The file is not what was meant; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Clients of one network, and how much they ask."""

    network: Network
    weight: float
    name: str | None = None
    """Lower case, without the last dot; None: every name that has a policy."""
    type: str | None = None


@dataclass(frozen=True, slots=True)
class QueryLog:
    """What a log came to. `seconds` it covers, None if it does not say when: weights are numbers of queries then."""

    traffic: tuple[Traffic, ...]
    seconds: float | None
    queries: int
    skipped: int
    """Lines that are no queries."""


class _Line(msgspec.Struct):
    """A line of a JSON log."""

    client: str
    name: str
    type: str
    subnet: str | None = None
    time: float | None = None


def read_networks(path: str | Path) -> tuple[Traffic, ...]:
    """The rows of a table, in order. Raises `TrafficError`."""
    found: list[Traffic] = []
    with _opened(path) as file:
        reader = csv.reader(file, skipinitialspace=True)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not found and tuple(cell.lower() for cell in cells) == HEADER[: len(cells)]:
                continue
            place = f"{path}:{reader.line_num}"
            if len(found) >= ROWS_LIMIT:
                raise TrafficError(f"{place}: more than {ROWS_LIMIT:,} rows")
            found.append(_row(place, cells))
    if not found:
        raise TrafficError(f"{path}: there are no clients; right would be lines like 203.0.113.0/24,120")
    return tuple(found)


def _row(place: str, cells: list[str]) -> Traffic:
    if not 2 <= len(cells) <= len(HEADER):
        raise TrafficError(
            f"{place}: {len(cells)} columns; right would be {','.join(HEADER[:2])}[,name,type]"
        )
    network, weight, name, rdtype = (*cells, "", "")[:4]
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise TrafficError(f"{place}: {network!r} is no network; right would be 203.0.113.0/24") from error
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise TrafficError(
            f"{place}: weight {weight!r} is no number of queries a second; right would be 120 or 0.5"
        )
    return Traffic(parsed, number, plain_name(name) if name else None, rdtype.upper() or None)


def read_query_log(path: str | Path) -> QueryLog:
    """A log of queries, counted, the most frequent first. Raises `TrafficError`."""
    counts: Counter[tuple[Network, str, str]] = Counter()
    times: list[float] = []
    skipped = 0
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            query = _json_query(line) if line.startswith("{") else _text_query(line)
            if query is None:
                skipped += 1
                continue
            network, name, rdtype, when = query
            counts[network, plain_name(name), rdtype.upper()] += 1
            if len(counts) > ROWS_LIMIT:
                raise TrafficError(f"{path}:{number}: more than {ROWS_LIMIT:,} different clients and names")
            if when is not None:
                times = [min(times[0], when), max(times[1], when)] if times else [when, when]
    if not counts:
        raise TrafficError(
            f"{path}: no line is a query; query logs of BIND, PowerDNS and CoreDNS, and JSON lines are understood"
        )
    seconds = times[1] - times[0] if times and times[1] > times[0] else None
    traffic = tuple(
        Traffic(network, count / (seconds or 1), name, rdtype)
        for (network, name, rdtype), count in counts.most_common()
    )
    return QueryLog(traffic, seconds, counts.total(), skipped)


def _text_query(line: str) -> tuple[Network, str, str, float | None] | None:
    for pattern, time_format in _FORMATS:
        match = pattern.match(line)
        if match is None:
            continue
        network = _client_network(match["client"].strip("[]"), match["subnet"] or None)
        if network is None:
            return None
        return (network, match["name"], match["type"], _time(match["when"], time_format))
    return None


def _time(text: str | None, time_format: str | None) -> float | None:
    """Unix time of a local one in this format; None: of ISO 8601's. (That of syslog has no year: 1904 has all days.)"""
    if text is None:
        return None
    try:
        if time_format is None:
            return datetime.datetime.fromisoformat(text.strip()).timestamp()
        if "%Y" not in time_format:
            text, time_format = f"1904 {text}", f"%Y {time_format}"
        return datetime.datetime.strptime(text.strip(), time_format).timestamp()
    except ValueError:
        return None


def _json_query(line: str) -> tuple[Network, str, str, float | None] | None:
    try:
        query = msgspec.json.decode(line, type=_Line)
    except msgspec.MsgspecError:
        return None
    network = _client_network(query.client, query.subnet)
    if network is None:
        return None
    return (network, query.name, query.type, query.time)


def _client_network(client: str, subnet: str | None) -> Network | None:
    try:
        network = ipaddress.ip_network(subnet or client, strict=False)
    except ValueError:
        return None
    longest = LOG_V4 if network.version == 4 else LOG_V6
    return network.supernet(new_prefix=longest) if network.prefixlen > longest else network


@contextmanager
def _opened(path: str | Path) -> Iterator[TextIO]:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            yield file
    except OSError as error:
        raise TrafficError(f"{path}: cannot be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise TrafficError(f"{path}: not CSV: {error}") from error


def plain_name(name: str) -> str:
    """Lower case, without the last dot."""
    return name.lower().removesuffix(".") or "."
