"""Knot DNS (CZ.NIC)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.server import HOST, Server, Zone, program, running

CONFIGURATION = """
server:
    rundir: "{folder}"
    listen: {host}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: "{folder}"
control:
    listen: "{folder}/knot.sock"
acl:
  - id: loopback
    address: {host}
    action: [transfer, notify]
"""


@contextmanager
def serving(zones: Sequence[Zone]) -> Iterator[Server]:
    """Run knotd with these zones; transfers are allowed to loopback."""
    knotd = program("knotd", "knot")

    def configure(folder: Path, port: int) -> list[str]:
        text = CONFIGURATION.format(host=HOST, port=port, folder=folder)
        primaries = sorted({zone.primary for zone in zones if zone.primary})
        if primaries:
            text += "remote:\n"
        for primary in primaries:
            text += f"  - id: primary{primary}\n    address: {HOST}@{primary}\n"
        text += "zone:\n"
        for number, zone in enumerate(zones):
            text += f'  - domain: "{zone.name}"\n    acl: loopback\n    journal-content: none\n'
            text += f'    file: "{zone.file or folder / f"{number}.zone"}"\n    zonefile-sync: -1\n'
            if zone.primary:
                text += f"    master: primary{zone.primary}\n"
        path = folder / "knot.conf"
        path.write_text(text)
        return [knotd, "-c", str(path)]

    with running(configure, [zone.name for zone in zones]) as server:
        yield server
