"""BIND: authoritative only, one worker thread, minimal responses, no empty zones, no statistics by zone."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.peer import Peer, ZoneFile, first_line

RNDC_SECRET = "cGlwcGluLWJlbmNobWFyaw=="  # guards a control port on loopback for the length of a benchmark


class Bind(Peer):
    name = "bind"
    program = "named"

    @classmethod
    def version(cls) -> str:
        return first_line(["named", "-v"], "BIND")

    def prepare(self) -> None:
        folder = self.folder
        key = f'key "rndc-key" {{ algorithm hmac-sha256; secret "{RNDC_SECRET}"; }};'
        control = self.port + 1  # UDP and TCP of the next port were found free together with this one
        lines = [
            key,
            f'controls {{ inet 127.0.0.1 port {control} allow {{ 127.0.0.1; }} keys {{ "rndc-key"; }}; }};',
            "options {",
            f'  directory "{folder}";',
            f'  pid-file "{folder}/named.pid";',
            f'  session-keyfile "{folder}/session.key";',
            f'  managed-keys-directory "{folder}";',
            f"  listen-on port {self.port} {{ 127.0.0.1; }};",
            "  listen-on-v6 { none; };",
            "  recursion no;",
            "  dnssec-validation no;",
            "  empty-zones-enable no;",
            "  minimal-responses yes;",
            "  rrset-order { order none; };",
            "  zone-statistics none;",
            "  querylog no;",
            "  notify no;",
            "  allow-new-zones yes;",
            "  tcp-clients 1000;",
            "};",
            'logging { channel quiet { stderr; severity error; }; category default { quiet; }; };',
        ]
        lines += [
            f'zone "{zone.origin}" {{ type primary; file "{zone.path}"; }};' for zone in self.zone_files()
        ]
        (folder / "named.conf").write_text("\n".join(lines) + "\n")
        (folder / "rndc.conf").write_text(
            f'{key}\noptions {{ default-key "rndc-key"; default-server 127.0.0.1; default-port {control}; }};\n'
        )

    def command(self) -> Sequence[str]:
        workers = str(self.workers)
        return ["named", "-f", "-n", workers, "-U", workers, "-c", f"{self.folder}/named.conf"]

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        clause = f'{{ type primary; file "{zone.path}"; }};'
        self.control("rndc", "-c", f"{self.folder}/rndc.conf", "addzone", zone.origin, clause)
