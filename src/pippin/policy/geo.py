"""What MaxMind databases say about an address: country, continent, region, city, AS number.

The search tree of a database is walked by the engine, in the same mapped file; here its data is read (by maxminddb)
and turned into a value for each field. `refresh` opens a database again whose file was replaced. A file must be
replaced by renaming another one onto it, as geoipupdate does: mapped files may not be written into.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Iterable, Mapping
from typing import Any

import maxminddb

FIELDS = ("country", "continent", "region", "city", "asn")
"""In this order they are numbered for the engine."""

_PATHS: Mapping[str, tuple[tuple[str | int, ...], ...]] = {
    "country": (("country", "iso_code"), ("country_code",), ("country",)),
    "continent": (("continent", "code"), ("continent_code",)),
    "region": (("subdivisions", 0, "iso_code"), ("region_code",)),
    "city": (("city", "names", "en"), ("city",)),
    "asn": (("autonomous_system_number",), ("traits", "autonomous_system_number"), ("asn",)),
}
"""Where a field is, in MaxMind's layouts first, then in flat ones (DB-IP, IPinfo)."""

_KINDS: Mapping[str, frozenset[str]] = {
    "City": frozenset({"country", "continent", "region", "city"}),
    "Country": frozenset({"country", "continent"}),
    "Enterprise": frozenset(FIELDS),
    "ASN": frozenset({"asn"}),
    "ISP": frozenset({"asn"}),
}
"""What a database has whose type contains this word, whether or not its first records do."""

SAMPLE = 200
"""Records looked at to find out what a database of unknown type has."""

ATTEMPTS = 5
"""To open a file that is replaced meanwhile."""


class GeoError(Exception):
    """A database that cannot be used; the message names it."""


class Database:
    """One open database. `memory` is its search tree."""

    def __init__(self, path: str) -> None:
        """Raises `GeoError`."""
        self.path = path
        for _ in range(ATTEMPTS):
            self.identity = _identity(path)
            try:
                with open(path, "rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self._reader = maxminddb.open_database(path)
                metadata = self._reader.metadata()
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                raise GeoError(f"{path}: {_reason(error)}") from None
            if _identity(path) == self.identity:
                break
        else:
            raise GeoError(f"{path}: it is replaced all the time")
        self.node_count: int = metadata.node_count
        self.record_bits: int = metadata.record_size
        self.ip_version: int = metadata.ip_version
        self.kind: str = metadata.database_type
        size = self.node_count * self.record_bits // 4
        if size > len(mapped):
            raise GeoError(f"{path}: the file is cut short")
        self.memory = memoryview(mapped)[:size]
        self.fields = self._fields()

    def record(self, address: str) -> Mapping[str, Any]:
        """What the database has about an address; nothing for one of a family that it lacks."""
        try:
            found = self._reader.get(address)
        except ValueError:  # an IPv6 address in a database of IPv4 addresses
            return {}
        except maxminddb.InvalidDatabaseError as error:
            raise GeoError(f"{self.path}: {error}") from None
        return found if isinstance(found, dict) else {}

    def depth(self, address: str) -> int:
        """Bits of an address that decide which record it has."""
        try:
            return int(self._reader.get_with_prefix_len(address)[1])
        except ValueError:  # as above
            return 0
        except maxminddb.InvalidDatabaseError as error:
            raise GeoError(f"{self.path}: {error}") from None

    def _fields(self) -> frozenset[str]:
        for word, fields in _KINDS.items():
            if word in self.kind:
                return fields
        found: set[str] = set()
        try:
            for _, record in itertools.islice(self._reader, SAMPLE):
                if isinstance(record, dict):
                    found.update(field for field in FIELDS if value_of(record, field) is not None)
        except maxminddb.InvalidDatabaseError as error:
            raise GeoError(f"{self.path}: {error}") from None
        return frozenset(found)


class Geo:
    """Several databases; each field comes from the first that has it."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Raises `GeoError`, with a line for each database that cannot be used."""
        databases, wrong = [], []
        for path in paths:
            try:
                databases.append(Database(path))
            except GeoError as error:
                wrong.append(str(error))
        if wrong:
            raise GeoError("\n".join(wrong))
        self.databases = databases
        self._index = {
            field: next(index for index, database in enumerate(databases) if field in database.fields)
            for field in FIELDS
            if any(field in database.fields for database in databases)
        }
        self._refused: dict[str, tuple[int, int, int, int] | None] = {}

    def index_of(self, field: str) -> int | None:
        """Which database has a field; the same as long as this lives."""
        return self._index.get(field)

    def refresh(self) -> tuple[list[int], list[str]]:
        """Open what was replaced: indexes of new databases, and why others were not taken, once for each file.

        A file that is gone or broken, or lacks a field that the old one had, changes nothing.
        """
        changed, wrong = [], []
        for index, old in enumerate(self.databases):
            identity = _identity(old.path)
            if identity == self._refused.get(old.path, old.identity):
                continue  # nothing has happened, or nothing since it was said
            self._refused[old.path] = identity
            if identity is None:
                wrong.append(f"{old.path}: it is gone; what was read from it stays in use")
                continue
            try:
                new = Database(old.path)
                needed = {field for field, owner in self._index.items() if owner == index}
                if missing := needed - new.fields:
                    raise GeoError(f"{old.path}: it has no {' or '.join(sorted(missing))} any more")
            except GeoError as error:
                wrong.append(f"{error}; the older version stays in use")
                continue
            del self._refused[old.path]
            self.databases[index] = new
            changed.append(index)
        return changed, wrong


def value_of(record: Mapping[str, Any], field: str) -> str | int | None:
    """A field of a record: text, for `asn` a number; None if it is not there."""
    for path in _PATHS[field]:
        found: Any = record
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):  # another layout
                found = None
                break
        value = _clean(found, field)
        if value is not None:
            return value
    return None


def _clean(found: object, field: str) -> str | int | None:
    if field == "asn":
        if isinstance(found, str):  # "AS64496"
            digits = found[2:] if found[:2].upper() == "AS" else found
            return int(digits) if digits.isdecimal() else None
        return found if isinstance(found, int) and not isinstance(found, bool) else None
    if not isinstance(found, str) or not found:
        return None
    if field == "country" and len(found) != 2:  # a name, in a flat layout
        return None
    return found


def _identity(path: str) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"no MaxMind database: {error}"
