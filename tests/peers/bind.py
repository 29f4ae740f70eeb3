"""BIND 9 (ISC)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.server import HOST, Server, Zone, program, running, unconfined

CONFIGURATION = """
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    lock-file none;
    listen-on port {port} {{ {host}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    notify no;
    allow-transfer {{ {host}; }};
    dnssec-validation no;
    check-names primary ignore;
    check-names secondary ignore;
    masterfile-format text;
}};
controls {{ }};
"""


@contextmanager
def serving(zones: Sequence[Zone]) -> Iterator[Server]:
    """Run named with these zones; transfers are allowed to loopback."""
    named = program("named", "bind9")

    def configure(folder: Path, port: int) -> list[str]:
        text = CONFIGURATION.format(host=HOST, port=port, folder=folder)
        for zone in zones:
            if zone.primary:
                kind = f"type secondary; primaries {{ {HOST} port {zone.primary}; }};"
            else:
                kind = f'type primary; file "{zone.file}"; check-integrity no;'
            text += f'zone "{zone.name}" {{ {kind} }};\n'
        path = folder / "named.conf"
        path.write_text(text)
        return [unconfined(named, folder), "-g", "-n", "1", "-c", str(path)]

    with running(configure, [zone.name for zone in zones]) as server:
        yield server
