"""What a conversion found: settings, zones and what could not be carried over; and the TOML written of it."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

EVERYBODY = ("0.0.0.0/0", "::/0")


class ConvertError(Exception):
    """The configuration cannot be read; the message has the file, the line and what is wrong there."""


@dataclass(slots=True)
class Converted:
    """A configuration on its way. Paths are as they will be written."""

    settings: dict[str, object] = field(default_factory=dict)
    """Top-level settings of pippin.toml by name; None or an empty list leaves one out."""
    zones: list[tuple[str, str]] = field(default_factory=list)
    """Origin and file."""
    forward: dict[str, object] = field(default_factory=dict)
    """What stands in `[forward]`."""
    suffixes: dict[str, list[str]] = field(default_factory=dict)
    """Upstreams of single suffixes: `[forward.suffix]`."""
    notes: list[str] = field(default_factory=list)
    """What has no counterpart, each with its place."""

    def note(self, place: str, text: str) -> None:
        """Something the operator has to know or to do."""
        self.notes.append(f"{place}: {text}")

    def write(self, source: Path) -> str:
        """The text of a pippin.toml."""
        lines = [f"# Converted from {source}"]
        if self.notes:
            lines += ["#", "# Not carried over:", *(f"#   {note}" for note in self.notes)]
        lines.append("")
        for name, value in self.settings.items():
            if value is not None and value != []:
                lines.append(f"{name} = {_value(value)}")
        for origin, file in self.zones:
            lines += ["", "[[zone]]", f"origin = {_value(origin)}", f"file = {_value(file)}"]
        if self.forward or self.suffixes:
            lines += ["", "[forward]", *(f"{name} = {_value(value)}" for name, value in self.forward.items())]
        if self.suffixes:
            lines += ["", "[forward.suffix]"]
            lines += [
                f"{_value(suffix)} = {_value(upstreams)}" for suffix, upstreams in self.suffixes.items()
            ]
        return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A TOML value: JSON's text, numbers, truth values and lists of them are TOML's too (TOML 1.0)."""
    return json.dumps(value, ensure_ascii=False)


def listen_address(address: str, port: int) -> str:
    """`listen` of Pippin for an address of others: `*` and `any` are all of IPv4."""
    if address in ("*", "any"):
        address = "0.0.0.0"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def network(text: str) -> str | None:
    """A network as Pippin writes it, None if `text` is none."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return None


def origin_text(name: str) -> str:
    """A zone's name with its last dot gone, but for the root."""
    return name.rstrip(".").lower() or "."


def path_text(file: str, *folders: str) -> str:
    """A file's path under folders that may each be relative to the one before."""
    return os.path.normpath(os.path.join(*folders, file))


def read_text(path: Path) -> str:
    """The text of a configuration. Raises `ConvertError`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConvertError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConvertError(f"{path}: byte {error.start} is not UTF-8") from error
