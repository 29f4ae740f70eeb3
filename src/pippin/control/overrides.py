"""What operators have said about targets by hand: kept in the state folder, so that it survives a restart."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger(__name__)

AUTO = "auto"
WORDS = ("up", "down", "drain", AUTO)
"""Forced up, forced down, drained; `auto` is what checks find."""


class Overrides:
    """Target key to `up`, `down` or `drain`. Those of targets that are not there (any more) stay until taken back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "overrides.json"
        self._kept: dict[str, str] = {}
        try:
            self._kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            pass  # nobody has set anything
        except (msgspec.DecodeError, OSError) as error:
            log.error("what was set by hand cannot be read, targets are as checked", file=self._path, error=error)
        self._kept = {target: word for target, word in self._kept.items() if word in WORDS}

    def all(self) -> dict[str, str]:
        return dict(self._kept)

    def set(self, target: str, word: str) -> None:
        """Remember, on disk first. OSError if that cannot be: nothing has changed then."""
        new = {**self._kept, target: word}
        if word == AUTO:
            del new[target]
        beside = self._path.with_suffix(".new")
        with open(beside, "wb") as file:
            file.write(msgspec.json.encode(new))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._path)
        self._kept = new
