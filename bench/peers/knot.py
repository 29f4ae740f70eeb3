"""Knot DNS: one UDP and one TCP worker; no journal."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.peer import Peer, ZoneFile, ZoneFolder, first_line


class Knot(Peer):
    name = "knot"
    program = "knotd"

    @classmethod
    def version(cls) -> str:
        return first_line(["knotd", "--version"], "knotd")

    def prepare(self) -> None:
        folder = self.folder
        lines = [
            "server:",
            f"  rundir: {folder}",
            f"  listen: 127.0.0.1@{self.port}",
            f"  udp-workers: {self.workers}",
            f"  tcp-workers: {self.workers}",
            "  background-workers: 1",
            "  tcp-idle-timeout: 60",
            "  tcp-reuseport: on" if self.workers > 1 else "  tcp-reuseport: off",
            "control:",
            f"  listen: {folder}/knot.sock",
            "database:",
            f"  storage: {folder}",
            "log:",
            "  - target: stderr",
            "    any: error",
            "template:",
            "  - id: default",
            "    zonefile-sync: -1",
            "    zonefile-load: whole",
            "    journal-content: none",
            "    semantic-checks: off",
            "zone:",
        ]
        for zone in self.zone_files():
            lines += [f"  - domain: {zone.origin}", f"    file: {zone.path}"]
        (folder / "knot.conf").write_text("\n".join(lines) + "\n")
        if isinstance(self.zones, ZoneFolder):  # a zone can only be added to a configuration database
            self.control("knotc", "-C", f"{folder}/confdb", "conf-import", f"{folder}/knot.conf")

    def command(self) -> Sequence[str]:
        if isinstance(self.zones, ZoneFolder):
            return ["knotd", "-C", f"{self.folder}/confdb"]
        return ["knotd", "-c", f"{self.folder}/knot.conf"]

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        for words in (
            ("conf-begin",),
            ("conf-set", f"zone[{zone.origin}]"),
            ("conf-set", f"zone[{zone.origin}].file", str(zone.path)),
            ("conf-commit",),
        ):
            self.control("knotc", "-s", f"{self.folder}/knot.sock", *words)
