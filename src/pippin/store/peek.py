"""Looking into a store from outside, whether or not a server is using it: nothing is locked, counted or written."""

from __future__ import annotations

import os
from pathlib import Path

from pippin.store.log import Entry, Log
from pippin.store.store import StoreError, fold


def published(folder: str | Path, origin: bytes) -> bytes | None:
    """A copy of the published image of a zone (lower-case wire format); None if it is not served.

    StoreError if the folder is no store. A zone that is published anew while it is copied may come out damaged.
    """
    folder = Path(folder)
    logs = sorted(folder.glob("log.*"), key=lambda path: int(path.suffix[1:]))
    if not logs:
        raise StoreError(f"{folder} is not a zone store")
    live: dict[bytes, Entry] = {}
    log = Log(logs[-1])
    try:
        fold(live, log.entries())
    finally:
        log.close()
    if (entry := live.get(origin)) is None:
        return None
    fd = os.open(folder / "zones", os.O_RDONLY)
    try:
        return os.pread(fd, entry.size, entry.base)
    finally:
        os.close(fd)
