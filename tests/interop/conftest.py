"""The zones that every interop test serves: one with the corner cases, and the signed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.server import Zone
from tests.peers.signing import Signed, sign

ZONES = Path(__file__).parent / "zones"
SIGNINGS = {
    "nsec.test": (),
    "nsec3.test": ("-3", "AABB", "-H", "1"),
    "optout.test": ("-3", "-", "-A"),
}


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signed]:
    """One zone's data signed in every way."""
    folder = tmp_path_factory.mktemp("signed")
    return {name: sign(name, ZONES / "signed.zone", folder / name, *how) for name, how in SIGNINGS.items()}


@pytest.fixture(scope="session")
def zones(signed: dict[str, Signed]) -> list[Zone]:
    """All zones, from their files."""
    return [
        Zone("corners.test", file=ZONES / "corners.zone"),
        *(Zone(name, file=zone.file) for name, zone in signed.items()),
    ]
