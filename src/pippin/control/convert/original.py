"""The ini beside a CSV that the server before Pippin was set up with: an address, a port and a file.

Sections do not matter, and several words are taken for each setting, for there never was one way to write it:

    [server]
    host = 0.0.0.0
    port = 53
    database = db.csv
    workers = 4
    cache = 10000
"""

from __future__ import annotations

import configparser
from pathlib import Path

from pippin.control.convert.result import Converted, ConvertError, listen_address, path_text, read_text

_WORDS = {
    "host": ("host", "ip", "address", "bind", "listen"),
    "port": ("port",),
    "database": ("database", "db", "file", "csv", "dbfile", "database_file"),
    "workers": ("workers", "threads", "handlers", "processes"),
    "cache_size": ("cache", "cache_size", "lru", "lru_size"),
    "queue_size": ("queue", "queue_size"),
    "upstreams": ("forward", "forwarders", "upstream", "upstreams", "servers"),
}


def read(path: Path) -> Converted:
    """The ini, or a CSV alone. Raises `ConvertError`."""
    into = Converted()
    if path.suffix == ".csv":
        into.settings["listen"] = ["0.0.0.0:53"]
        into.zones.append((_origin(path), str(path)))
        return into
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path), str(path))
    except configparser.Error as error:
        raise ConvertError(f"{path}: {' '.join(str(error).split())}") from error
    found: dict[str, str] = {}
    for section in parser.sections():
        for key, value in parser.items(section):
            setting = next((name for name, words in _WORDS.items() if key in words), None)
            if setting is None:
                into.note(f"{path} [{section}]", f"{key} = {value}")
            else:
                found[setting] = value
    into.settings["listen"] = [listen_address(found.get("host", "0.0.0.0"), _number(path, found, "port", 53))]
    for name in ("workers", "cache_size", "queue_size"):
        if name in found:
            into.settings[name] = _number(path, found, name, 0)
    if "upstreams" in found:
        into.forward["upstreams"] = found["upstreams"].replace(",", " ").split()
    if "database" not in found:
        raise ConvertError(f"{path}: it names no CSV; a line like `database = db.csv` is missing")
    file = path.parent / found["database"]
    into.zones.append((_origin(file), path_text(found["database"], str(path.parent))))
    return into


def _number(path: Path, found: dict[str, str], name: str, default: int) -> int:
    try:
        return int(found.get(name, default))
    except ValueError as error:
        raise ConvertError(f"{path}: {name} is {found[name]!r}, which is no number") from error


def _origin(path: Path) -> str:
    """A CSV's first row begins with its zone."""
    for line in read_text(path).splitlines():
        row = line.strip().lstrip("\ufeff")
        if row and not row.startswith("#"):
            return row.split(",")[0].strip('" ').rstrip(".").lower()
    raise ConvertError(f"{path}: it is empty")
