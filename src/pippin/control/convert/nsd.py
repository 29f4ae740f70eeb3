"""nsd.conf: attributes `name: value` in clauses `server:`, `zone:`, `pattern:` (nsd.conf(5))."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pippin.control.convert.result import (
    Converted,
    ConvertError,
    listen_address,
    network,
    origin_text,
    path_text,
    read_text,
)

INCLUDE_DEPTH = 16
"""Files that include each other; more is taken for a loop."""

_CLAUSES = {"server", "zone", "pattern", "key", "remote-control", "verify", "tls-auth", "xot"}

_QUIET = {
    *(
        "username",
        "chroot",
        "database",
        "logfile",
        "pidfile",
        "difffile",
        "xfrdfile",
        "xfrdir",
        "zonelistfile",
    ),
    *("log-only-syslog", "verbosity", "debug-mode", "do-ip4", "do-ip6", "hide-identity", "minimal-responses"),
    *(
        "refuse-any",
        "statistics",
        "zonefiles-check",
        "zonefiles-write",
        "rrl-size",
        "rrl-ratelimit",
        "log-time-ascii",
    ),
    *("tcp-query-count", "reuseport", "cpu-affinity", "ip-transparent", "ip-freebind", "send-buffer-size"),
    *("receive-buffer-size", "confine-to-zone", "drop-updates", "round-robin-ttl", "tcp-reject-overflow"),
}
"""Attributes that Pippin needs no setting for."""


@dataclass(slots=True)
class Clause:
    """A clause and its attributes: (place, name, value), names in order, repeated as often as they stand there."""

    place: str
    kind: str
    attributes: list[tuple[str, str, str]] = field(default_factory=list)

    def first(self, name: str) -> str:
        return next((value for _, found, value in self.attributes if found == name), "")


def read(path: Path) -> Converted:
    """An nsd.conf with everything it includes. Raises `ConvertError`."""
    clauses = list(_clauses(path))
    into = Converted()
    server = [clause for clause in clauses if clause.kind == "server"]
    zonesdir = next((value for clause in server if (value := clause.first("zonesdir"))), ".").strip('"')
    for clause in server:
        _server(into, clause)
    into.settings.setdefault("listen", [])
    if not into.settings["listen"]:
        into.settings["listen"] = ["0.0.0.0:53", "[::]:53"]
    patterns = {clause.first("name"): clause for clause in clauses if clause.kind == "pattern"}
    transfers: list[str] = []
    for clause in clauses:
        if clause.kind == "zone":
            _zone(into, clause, patterns, [str(path.parent), zonesdir], transfers)
        elif clause.kind in ("key", "tls-auth", "verify"):
            into.note(clause.place, f"{clause.kind} {clause.first('name')}".strip())
    into.settings["allow_transfer"] = list(dict.fromkeys(transfers))
    return into


def _clauses(path: Path, depth: int = 0) -> Iterator[Clause]:
    """The clauses of a file and of those it includes; an include ends the clause it stands in."""
    if depth > INCLUDE_DEPTH:
        raise ConvertError(f"{path}: included by itself, or {INCLUDE_DEPTH} files deep")
    current: Clause | None = None
    for number, line in enumerate(read_text(path).splitlines(), 1):
        place = f"{path}:{number}"
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise ConvertError(f"{place}: {error}") from error
        while words:
            name, colon, value = words[0].partition(":")
            if not colon:
                raise ConvertError(
                    f"{place}: {words[0]!r} is no attribute; they end in a colon: `zonefile: a.zone`"
                )
            rest = words[1:]
            if name == "include":
                if current is not None:
                    yield current
                    current = None
                for included in sorted(glob.glob(value or " ".join(rest), root_dir=path.parent)):
                    yield from _clauses(path.parent / included, depth + 1)
            elif name in _CLAUSES and not value:
                if current is not None:
                    yield current
                current = Clause(place, name)
                words = rest  # an attribute may follow in the same line
                continue
            elif current is None:
                raise ConvertError(f"{place}: {name!r} stands outside of a clause like `server:`")
            else:
                current.attributes.append((place, name, " ".join([value, *rest]).strip()))
            words = []
    if current is not None:
        yield current


def _server(into: Converted, clause: Clause) -> None:
    settings = into.settings
    port = int(clause.first("port") or 53)
    for place, name, value in clause.attributes:
        match name:
            case "ip-address" | "interface":
                address, _, own = value.split()[0].partition("@")
                settings.setdefault("listen", [])
                addresses = settings["listen"]
                assert isinstance(addresses, list)
                addresses.append(listen_address(address, int(own or port)))
            case "identity":
                settings["server_id"] = value
            case "version":
                settings["version"] = value
            case "server-count":
                settings["workers"] = int(value)
            case "ipv4-edns-size":
                settings["udp_size"] = int(value)
            case "tcp-count":
                settings["tcp_clients"] = int(value)
            case "tcp-timeout":
                settings["tcp_idle_timeout"] = float(value)
            case "round-robin":
                settings["rotate"] = value == "yes"
            case "nsid":
                if value.startswith("ascii_"):
                    settings.setdefault("server_id", value.removeprefix("ascii_"))
                else:
                    into.note(place, "nsid in hexadecimal: server_id is text")
            case "port" | "zonesdir" | "hide-version":
                pass
            case _ if name not in _QUIET:
                into.note(place, f"{name}: {value}")


def _zone(
    into: Converted, zone: Clause, patterns: dict[str, Clause], folders: list[str], transfers: list[str]
) -> None:
    name = origin_text(zone.first("name"))
    attributes = list(zone.attributes)
    for _, key, value in zone.attributes:
        if key == "include-pattern" and value in patterns:
            attributes += patterns[value].attributes
    file = ""
    for place, key, value in attributes:
        match key:
            case "zonefile":
                file = file or value.replace("%s", name)
            case "provide-xfr":
                address, _, key_name = value.partition(" ")
                if (text := network(address)) is not None and key_name == "NOKEY":
                    transfers.append(text)
                else:
                    into.note(place, f"zone {name}: provide-xfr {value}")
            case "request-xfr":
                into.note(place, f"zone {name}: secondary zones are not transferred in")
                return
            case "name" | "include-pattern" | "notify-retry" | "zonestats" | "multi-master-check":
                pass
            case _:
                into.note(place, f"zone {name}: {key}")
    if file:
        into.zones.append((name, path_text(file, *folders)))
    else:
        into.note(zone.place, f"zone {name}: it has no zonefile")
