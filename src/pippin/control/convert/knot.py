"""knot.conf: sections of `name: value` and of items that begin with `-`, ordered by indentation (knot.conf(5))."""

from __future__ import annotations

import glob
import os
import re
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

_LINE = re.compile(r"(?P<indent>\s*)(?P<dash>-\s+)?(?P<name>[\w-]+)\s*:\s*(?P<value>.*)")
_ITEM = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|[^,\s\[\]]+)\s*(?:,|$)""")

_QUIET_SECTIONS = {"log", "database", "statistics", "control", "keystore", "module", "mod-stats"}
_QUIET = {
    *("rundir", "user", "pidfile", "async-start", "background-workers", "remote-pool-limit", "tcp-reuseport"),
    *("socket-affinity", "udp-max-payload-ipv4", "udp-max-payload-ipv6", "tcp-fastopen"),
}


@dataclass(slots=True)
class Item:
    """A section without items, or one item of a section: (place, value) by name."""

    section: str
    place: str
    values: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def texts(self, name: str) -> list[str]:
        return self.values.get(name, ("", []))[1]

    def text(self, name: str) -> str:
        return next(iter(self.texts(name)), "")


def read(path: Path) -> Converted:
    """A knot.conf with everything it includes. Raises `ConvertError`."""
    items = list(_items(path))
    into = Converted()
    templates = {item.text("id"): item for item in items if item.section == "template"}
    rules = {item.text("id"): item for item in items if item.section == "acl"}
    transfers: list[str] = []
    for item in items:
        match item.section:
            case "server":
                _server(into, item)
            case "zone":
                _zone(into, item, templates, rules, path.parent, transfers)
            case "template" | "acl":
                pass
            case section if section not in _QUIET_SECTIONS:
                into.note(item.place, f"{section} {item.text('id')}".strip())
    into.settings.setdefault("listen", ["0.0.0.0:53", "[::]:53"])
    into.settings["allow_transfer"] = list(dict.fromkeys(transfers))
    return into


def _items(path: Path, depth: int = 0) -> Iterator[Item]:
    if depth > INCLUDE_DEPTH:
        raise ConvertError(f"{path}: included by itself, or {INCLUDE_DEPTH} files deep")
    section, current = "", None
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = _without_comment(line)
        if not text.strip():
            continue
        place = f"{path}:{number}"
        match = _LINE.fullmatch(text.rstrip())
        if match is None:
            raise ConvertError(f"{place}: {text.strip()!r} is not of the form `name: value`")
        name, value = match["name"], match["value"]
        if not match["indent"] and not match["dash"]:
            if current is not None:
                yield current
            current = None
            if name == "include":
                for included in _included(path.parent, _values(value, place)):
                    yield from _items(included, depth + 1)
            section = name
        elif match["dash"] or current is None:
            if current is not None:
                yield current
            current = Item(section, place, {name: (place, _values(value, place))})
        else:
            current.values[name] = (place, current.texts(name) + _values(value, place))
    if current is not None:
        yield current


def _included(folder: Path, names: list[str]) -> list[Path]:
    """A file, the files of a folder, or those a pattern matches; in the order of their names."""
    found: list[Path] = []
    for name in names:
        path = folder / name
        if path.is_dir():
            found += [path / inner for inner in sorted(os.listdir(path))]
        else:
            found += [folder / inner for inner in sorted(glob.glob(name, root_dir=folder))] or [path]
    return found


def _without_comment(line: str) -> str:
    quoted = False
    for at, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == "#" and not quoted:
            return line[:at]
    return line


def _values(text: str, place: str) -> list[str]:
    """A value, or the values of a list in brackets."""
    text = text.strip()
    if text.startswith("[") != text.endswith("]"):
        raise ConvertError(f"{place}: a list begins with [ and ends with ] in the same line")
    text = text.strip("[]")
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _ITEM.match(text, at)
        if match is None:
            raise ConvertError(f"{place}: {text!r} is no value and no list of them")
        found.append(match[1].strip('"'))
        at = match.end()
    return found


def _server(into: Converted, server: Item) -> None:
    settings = into.settings
    for name, (place, values) in server.values.items():
        value = values[0] if values else ""
        match name:
            case "listen":
                pairs = [text.partition("@") for text in values]
                settings["listen"] = [listen_address(address, int(port or 53)) for address, _, port in pairs]
            case "identity" | "nsid":
                settings.setdefault("server_id", value)
            case "version":
                settings["version"] = value
            case "udp-workers":
                settings["workers"] = int(value)
            case "udp-max-payload":
                settings["udp_size"] = int(value)
            case "tcp-max-clients":
                settings["tcp_clients"] = int(value)
            case "tcp-idle-timeout":
                settings["tcp_idle_timeout"] = float(value)
            case "answer-rotation":
                settings["rotate"] = value == "on"
            case _ if name not in _QUIET:
                into.note(place, f"{name}: {', '.join(values)}")


def _zone(
    into: Converted,
    zone: Item,
    templates: dict[str, Item],
    rules: dict[str, Item],
    folder: Path,
    transfers: list[str],
) -> None:
    origin = origin_text(zone.text("domain"))
    template = templates.get(zone.text("template") or "default")
    values = {**(template.values if template else {}), **zone.values}
    merged = Item("zone", zone.place, values)
    if merged.texts("master"):
        into.note(zone.place, f"zone {origin}: secondary zones are not transferred in")
        return
    file = merged.text("file") or "%s.zone"
    file = file.replace("%s", "" if origin == "." else origin).replace("%%", "%")
    into.zones.append((origin, path_text(file, str(folder), merged.text("storage") or "/var/lib/knot")))
    for name in merged.texts("acl"):
        rule = rules.get(name)
        if rule is None:
            into.note(zone.place, f"zone {origin}: acl {name} is not there")
        elif rule.texts("action") == ["transfer"] and not rule.texts("key"):
            networks = [network(text) for text in rule.texts("address")]
            transfers += [text for text in networks if text is not None]
        else:
            into.note(rule.place, f"acl {name}: {', '.join(rule.texts('action')) or 'deny'}")
    for name, (place, _) in values.items():
        if name not in (
            "domain",
            "file",
            "storage",
            "template",
            "acl",
            "id",
            "semantic-checks",
            "global-module",
        ):
            into.note(place, f"zone {origin}: {name}")
