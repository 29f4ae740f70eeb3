"""One file, one zone: which reader takes it."""

from __future__ import annotations

import os

import dns.exception
import dns.name

from pippin.source import csv, masterfile
from pippin.source.loaded import Loaded
from pippin.zone.problem import Problem


def load(path: str, origin: str | None = None) -> Loaded:
    """Read the zone in a file: a CSV if it is called `.csv`, else a master file.

    `origin` names the zone; without it the file does. What is wrong is in `problems`; nothing is raised.
    """
    wire: bytes | None = None
    if origin is not None:
        try:
            wire = dns.name.from_text(origin, dns.name.root).canonicalize().to_wire()
        except dns.exception.DNSException as error:
            return Loaded(
                b"", b"", (path,), (), (Problem(path, 0, 0, f"'{origin}' is not a zone name: {error}"),)
            )
    if os.path.splitext(path)[1].lower() == ".csv":
        return csv.load(path, wire)
    return masterfile.load(path, wire)
