"""PowerDNS with its bind backend: one receiver and one distributor thread, packet and query caches on as installed."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.peer import Peer, ZoneFile, first_line


class PowerDns(Peer):
    name = "powerdns"
    program = "pdns_server"

    @classmethod
    def version(cls) -> str:
        words = first_line(["pdns_server", "--version"], "PowerDNS").split()
        return " ".join(words[words.index("PowerDNS") :][:4]) if "PowerDNS" in words else ""

    def prepare(self) -> None:
        folder = self.folder
        zones = self.zone_files()
        signed = [zone for zone in zones if zone.is_signed]
        settings = [
            "launch=bind",
            f"bind-config={folder}/named.conf",
            "local-address=127.0.0.1",
            f"local-port={self.port}",
            f"receiver-threads={self.workers}",
            f"reuseport={'yes' if self.workers > 1 else 'no'}",
            "distributor-threads=1",
            "max-tcp-connections=200",
            f"socket-dir={folder}",
            "daemon=no",
            "guardian=no",
            "disable-syslog=yes",
            "loglevel=1",
            "setuid=",
            "setgid=",
            "security-poll-suffix=",
            "max-cache-entries=1000000",
        ]
        if signed:
            settings.append(f"bind-dnssec-db={folder}/dnssec.sqlite3")
        (folder / "pdns.conf").write_text("\n".join(settings) + "\n")
        (folder / "named.conf").write_text(
            "".join(f'zone "{zone.origin}" {{ type master; file "{zone.path}"; }};\n' for zone in zones)
        )
        if signed:
            self.control("pdnsutil", f"--config-dir={folder}", "create-bind-db", f"{folder}/dnssec.sqlite3")
            for zone in signed:
                self.control("pdnsutil", f"--config-dir={folder}", "set-presigned", zone.origin)

    def command(self) -> Sequence[str]:
        return ["pdns_server", f"--config-dir={self.folder}"]

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        self.control(
            "pdns_control", f"--config-dir={self.folder}", "bind-add-zone", zone.origin, str(zone.path)
        )
