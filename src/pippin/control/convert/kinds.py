"""Which reader reads a configuration: asked for by name, or seen from the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pippin.control.convert import bind, knot, nsd, original
from pippin.control.convert.result import Converted, ConvertError, read_text

KINDS: dict[str, Callable[[Path], Converted]] = {
    "bind": bind.read,
    "nsd": nsd.read,
    "knot": knot.read,
    "original": original.read,
}


def convert(path: Path, kind: str | None = None) -> Converted:
    """Read a configuration of `kind`, by default what the file looks like. Raises `ConvertError`."""
    return KINDS[kind or guess(path)](path)


def guess(path: Path) -> str:
    """The kind of a configuration by its name, and else by its first telling line."""
    if path.suffix in (".ini", ".cfg", ".csv"):
        return "original"
    for kind, names in (("bind", ("named",)), ("nsd", ("nsd",)), ("knot", ("knot",))):
        if path.name.startswith(names):
            return kind
    for line in read_text(path).splitlines():
        text = line.split("#")[0].strip()
        if text.endswith("{") or text.startswith(("//", "/*")):
            return "bind"
        if text.startswith("- ") or text.startswith(("template:", "acl:")):
            return "knot"
        if text.startswith(("server:", "pattern:")):
            return "knot" if _has_list_items(path) else "nsd"
        if text.startswith("["):
            return "original"
    known = ", ".join(KINDS)
    raise ConvertError(f"{path}: what this is cannot be seen from it; say --from with one of {known}")


def _has_list_items(path: Path) -> bool:
    return any(line.strip().startswith("- ") for line in read_text(path).splitlines())
