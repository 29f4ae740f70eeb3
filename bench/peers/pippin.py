"""Pippin: `python -m pippin serve`, with the interpreter that runs the benchmark."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from bench.peers.peer import Peer, ZoneFile, ZoneFolder, first_line


class Pippin(Peer):
    """The engine as it is installed: compiled, unless PIPPIN_PURE says otherwise."""

    name = "pippin"
    program = sys.executable

    @classmethod
    def version(cls) -> str:
        return first_line([sys.executable, "-m", "pippin", "--version"], "ippin")

    @classmethod
    def is_installed(cls) -> bool:
        return bool(cls.version())

    def prepare(self) -> None:
        (self.folder / "state").mkdir(exist_ok=True)
        if isinstance(self.zones, ZoneFolder):  # its own folder, to which a zone can be added
            served = self.folder / "zones"
            served.mkdir()
            for zone in self.zone_files():
                os.link(zone.path, served / zone.path.name)

    def command(self) -> Sequence[str]:
        zones = self.zones
        sources = [str(self.folder / "zones")] if isinstance(zones, ZoneFolder) else [f"{zones.origin}={zones.path}"]
        listen = ["--listen", f"127.0.0.1:{self.port}", "--workers", str(self.workers)]
        places = ["--state", str(self.folder / "state"), "--control", str(self.folder / "pippin.sock")]
        return [sys.executable, "-m", "pippin", "serve", *sources, *listen, *places]

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        # Written aside and renamed: the server may watch the folder and must not see half a file.
        unfinished = self.folder / f"{zone.origin}.unfinished"
        unfinished.write_text(zone.path.read_text())
        unfinished.rename(self.folder / "zones" / f"{zone.origin}.zone")
        os.kill(server_pid, signal.SIGHUP)


class PippinUncompiled(Pippin):
    """The same source, not compiled (PIPPIN_PURE=1)."""

    name = "pippin-pure"

    def environment(self) -> Mapping[str, str]:
        return {"PIPPIN_PURE": "1"}
