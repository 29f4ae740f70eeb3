"""NSD (NLnet Labs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.server import HOST, Server, Zone, program, running

CONFIGURATION = """
server:
    ip-address: {host}
    port: {port}
    username: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    server-count: 1
    hide-version: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
"""


@contextmanager
def serving(zones: Sequence[Zone]) -> Iterator[Server]:
    """Run nsd with these zones; transfers are allowed to loopback."""
    nsd = program("nsd", "nsd")

    def configure(folder: Path, port: int) -> list[str]:
        text = CONFIGURATION.format(host=HOST, port=port, folder=folder)
        for number, zone in enumerate(zones):
            text += f'zone:\n    name: "{zone.name}"\n    provide-xfr: {HOST} NOKEY\n'
            text += f'    zonefile: "{zone.file or folder / f"{number}.zone"}"\n'
            if zone.primary:
                text += f"    allow-notify: {HOST} NOKEY\n    request-xfr: AXFR {HOST}@{zone.primary} NOKEY\n"
        path = folder / "nsd.conf"
        path.write_text(text)
        return [nsd, "-d", "-c", str(path)]

    with running(configure, [zone.name for zone in zones]) as server:
        yield server
