"""NSD: one server process; zones in memory only; minimal responses."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.peer import Peer, ZoneFile, first_line


class Nsd(Peer):
    name = "nsd"
    program = "nsd"

    @classmethod
    def version(cls) -> str:
        return first_line(["nsd", "-v"], "version")

    def prepare(self) -> None:
        folder = self.folder
        lines = [
            "server:",
            f"  ip-address: 127.0.0.1@{self.port}",
            f"  server-count: {self.workers}",
            f"  reuseport: {'yes' if self.workers > 1 else 'no'}",
            '  username: ""',
            '  database: ""',
            f'  zonesdir: "{folder}"',
            f'  pidfile: "{folder}/nsd.pid"',
            f'  xfrdfile: "{folder}/xfrd.state"',
            f'  xfrdir: "{folder}"',
            f'  zonelistfile: "{folder}/zone.list"',
            "  zonefiles-write: 0",
            "  minimal-responses: yes",
            "  round-robin: no",
            "  rrl-ratelimit: 0",
            "  rrl-whitelist-ratelimit: 0",
            "  tcp-count: 200",
            "  tcp-query-count: 0",
            "  verbosity: 0",
            "remote-control:",
            "  control-enable: yes",
            f"  control-interface: {folder}/nsd.ctl",
            "pattern:",
            "  name: added",
            f'  zonefile: "{folder}/%s.zone"',
        ]
        for zone in self.zone_files():
            lines += ["zone:", f"  name: {zone.origin}", f'  zonefile: "{zone.path}"']
        (folder / "nsd.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        return ["nsd", "-d", "-c", f"{self.folder}/nsd.conf"]

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        (self.folder / f"{zone.origin}.zone").write_text(zone.path.read_text())
        self.control("nsd-control", "-c", f"{self.folder}/nsd.conf", "addzone", zone.origin, "added")
