"""gdnsd: one UDP and one TCP thread. It serves no signed zones; a zone file is named after its zone."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.peer import Peer, ZoneFile, first_line


class Gdnsd(Peer):
    name = "gdnsd"
    program = "gdnsd"
    signed_zones = False
    follows_aliases = False
    remark = "answers an alias with the CNAME alone, without the target's records"

    @classmethod
    def version(cls) -> str:
        return first_line(["gdnsd"], "version")

    def prepare(self) -> None:
        folder = self.folder
        (folder / "zones").mkdir(exist_ok=True)
        (folder / "config").write_text(
            "options => {\n"
            f'  listen => "127.0.0.1:{self.port}"\n'
            f"  udp_threads => {self.workers}\n"
            f"  tcp_threads => {self.workers}\n"
            f'  run_dir => "{folder}/run"\n'
            f'  state_dir => "{folder}/state"\n'
            "}\n"
        )
        for zone in self.zone_files():
            link = folder / "zones" / zone.origin
            if not link.is_symlink():
                link.symlink_to(zone.path)

    def command(self) -> Sequence[str]:
        return ["gdnsd", "-c", str(self.folder), "start"]

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        (self.folder / "zones" / zone.origin).symlink_to(zone.path)
        self.control("gdnsdctl", "-c", str(self.folder), "reload-zones")
