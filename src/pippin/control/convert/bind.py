"""named.conf: statements of words and blocks, each ended by a semicolon (BIND 9 Administrator Reference, chapter 8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pippin.control.convert.result import (
    EVERYBODY,
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

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|\#[^\n]*|/\*.*?\*/)|(?P<quoted>"(?:\\.|[^"\\])*")|(?P<mark>[{};])|(?P<word>[^\s{};"]+)""",
    re.DOTALL,
)

_PLAIN = {
    "rndc-key",
    "controls",
    "logging",
    "statistics-channels",
    "managed-keys",
    "trust-anchors",
    "trusted-keys",
}
"""Statements that are about BIND itself: nothing is lost with them."""

_QUIET = {
    *("directory", "pid-file", "session-keyfile", "managed-keys-directory", "key-directory", "dump-file"),
    *("statistics-file", "memstatistics-file", "auth-nxdomain", "minimal-responses", "dnssec-validation"),
    *("notify", "masterfile-format", "check-names", "empty-zones-enable", "querylog", "bindkeys-file"),
}
"""Options that Pippin needs no setting for."""


@dataclass(slots=True)
class Statement:
    """The words before a semicolon, with the statements of a block among them."""

    place: str
    words: list[str] = field(default_factory=list)
    block: list[Statement] | None = None
    after: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0].lower() if self.words else ""

    def word(self, index: int) -> str:
        """A word; "" if there are not so many."""
        return self.words[index] if index < len(self.words) else ""


def read(path: Path) -> Converted:
    """A named.conf with everything it includes. Raises `ConvertError`."""
    converter = _Converter(path)
    converter.statements(_parse(path, 0, None))
    return converter.finish()


def _tokens(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, kind, text); quotes are taken off."""
    text, at, line = read_text(path), 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if not text[at].isspace():
                raise ConvertError(f"{path}:{line}: a quotation mark or comment that does not end")
            line += text[at] == "\n"
            at += 1
            continue
        kind = match.lastgroup or ""
        if kind != "comment":
            found = match[0]
            yield line, kind, re.sub(r"\\(.)", r"\1", found[1:-1]) if kind == "quoted" else found
        line += match[0].count("\n")
        at = match.end()


def _parse(path: Path, depth: int, base: Path | None) -> list[Statement]:
    if depth > INCLUDE_DEPTH:
        raise ConvertError(f"{path}: included by itself, or {INCLUDE_DEPTH} files deep")
    base = base or path.parent
    top: list[Statement] = []
    open_blocks: list[tuple[list[Statement], Statement]] = []
    into, current = top, None
    line = 1
    for line, kind, text in _tokens(path):
        if kind == "mark" and text == "{":
            current = current or Statement(f"{path}:{line}")
            if current.block is not None:
                raise ConvertError(
                    f"{path}:{line}: a second block in one statement; a ';' is missing before it"
                )
            current.block = []
            open_blocks.append((into, current))
            into, current = current.block, None
        elif kind == "mark" and text == "}":
            if not open_blocks or current is not None:
                what = "a ';' is missing before '}'" if open_blocks else "a '}' without its '{'"
                raise ConvertError(f"{path}:{line}: {what}")
            into, current = open_blocks.pop()
        elif kind == "mark":
            if current is None:
                continue  # an empty statement
            if current.name == "include" and current.block is None:
                into += _parse(base / current.word(1), depth + 1, base)
            else:
                into.append(current)
            current = None
        else:
            current = current or Statement(f"{path}:{line}")
            (current.words if current.block is None else current.after).append(text)
    if open_blocks or current is not None:
        raise ConvertError(f"{path}:{line}: the file ends inside {(current or open_blocks[-1][1]).name!r}")
    return top


class _Converter:
    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._into = Converted()
        self._directory = "."
        self._acls: dict[str, list[str]] = {
            "any": list(EVERYBODY),
            "none": [],
            "localhost": ["127.0.0.0/8", "::1/128"],
        }
        self._zones: list[Statement] = []

    def statements(self, statements: list[Statement]) -> None:
        for statement in statements:
            block = statement.block or []
            match statement.name:
                case "options":
                    for option in block:
                        self._option(option)
                case "zone":
                    self._zones.append(statement)
                case "acl":
                    self._acls[statement.word(1)] = self._networks(statement)
                case "view":
                    self._into.note(
                        statement.place,
                        f"view {statement.word(1)!r}: all clients see its zones; there are no views",
                    )
                    self.statements([inner for inner in block if inner.name in ("zone", "acl")])
                case "key" | "server" | "tls" | "http" | "dnssec-policy" | "primaries" | "masters":
                    self._into.note(statement.place, f"{statement.name} {statement.word(1)}")
                case name if name not in _PLAIN:
                    self._into.note(statement.place, name)

    def finish(self) -> Converted:
        for zone in self._zones:
            self._zone(zone)
        if "listen" not in self._into.settings:
            self._into.settings = {"listen": ["0.0.0.0:53", "[::]:53"], **self._into.settings}
        return self._into

    def _option(self, option: Statement) -> None:
        settings = self._into.settings
        value = option.word(1)
        match option.name:
            case "directory":
                self._directory = value
            case "listen-on" | "listen-on-v6":
                self._listen(option)
            case "allow-transfer":
                settings["allow_transfer"] = self._networks(option)
            case "version" | "server-id":
                settings[option.name.replace("-", "_")] = None if value.lower() == "none" else value
            case "max-udp-size":
                settings["udp_size"] = int(value)
            case "require-server-cookie":
                settings["require_cookie"] = value.lower() in ("yes", "true", "1")
            case "rrset-order":
                settings["rotate"] = any("cyclic" in one.words for one in option.block or [])
            case "tcp-clients":
                settings["tcp_clients"] = int(value)
            case "tcp-idle-timeout":
                settings["tcp_idle_timeout"] = int(value) / 10  # BIND counts tenths of a second
            case "forwarders":
                self._into.forward["upstreams"] = self._upstreams(option)
            case "allow-recursion" | "allow-query-cache":
                self._into.forward.setdefault("allow_forward", self._networks(option))
            case "recursion":
                if value.lower() in ("yes", "true", "1"):
                    self._into.note(option.place, "recursion: Pippin forwards, it does not resolve by itself")
            case name if name not in _QUIET:
                self._into.note(option.place, f"{name} {' '.join(option.words[1:])}".strip())

    def _listen(self, option: Statement) -> None:
        words = option.words[1:]
        port = int(words[words.index("port") + 1]) if "port" in words else 53
        addresses = self._into.settings.setdefault("listen", [])
        assert isinstance(addresses, list)
        for item in option.block or []:
            address = item.word(0)
            if address == "any" and option.name == "listen-on-v6":
                address = "::"
            if address == "none":
                continue
            if address.startswith("!") or "/" in address or (address in self._acls and address != "any"):
                self._into.note(
                    item.place, f"{option.name} {address}: name the addresses to listen on one by one"
                )
            else:
                addresses.append(listen_address(address, port))

    def _networks(self, statement: Statement) -> list[str]:
        """The networks of an address match list; what is no network becomes a note."""
        found: list[str] = []
        for item in statement.block or []:
            word = item.word(0)
            if word in self._acls:
                found += self._acls[word]
            elif (text := network(word)) is not None and item.block is None:
                found.append(text)
            else:
                self._into.note(item.place, f"{statement.name}: {' '.join(item.words) or 'a nested list'}")
        return found

    def _upstreams(self, statement: Statement) -> list[str]:
        upstreams = []
        for item in statement.block or []:
            port = int(item.words[item.words.index("port") + 1]) if "port" in item.words else 53
            upstreams.append(item.word(0) if port == 53 else listen_address(item.word(0), port))
        return upstreams

    def _zone(self, zone: Statement) -> None:
        origin = origin_text(zone.word(1))
        options = {inner.name: inner for inner in zone.block or []}
        kind = options["type"].word(1).lower() if "type" in options else ""
        file = options["file"].word(1) if "file" in options else ""
        match kind:
            case "master" | "primary" if file:
                self._into.zones.append((origin, path_text(file, str(self._folder), self._directory)))
            case "slave" | "secondary":
                self._into.note(zone.place, f"zone {origin}: secondary zones are not transferred in")
            case "forward":
                self._into.suffixes[origin] = self._upstreams(options.get("forwarders", zone))
            case "hint":
                return
            case _:
                self._into.note(zone.place, f"zone {origin}: of type {kind or 'unknown'}")
        for name in (
            "allow-transfer",
            "allow-query",
            "allow-update",
            "update-policy",
            "dnssec-policy",
            "also-notify",
        ):
            if name in options and kind not in ("slave", "secondary"):
                self._into.note(options[name].place, f"zone {origin}: {name}")
