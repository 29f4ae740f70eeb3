"""Zones and query streams as files, made once and kept in a cache folder between runs.

File names carry everything that a file depends on, so a cached file is never the wrong one; FORMAT changes when the
generators do.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.peers.peer import ZoneFile, ZoneFolder
from bench.streams import STREAMS
from bench.zones import Plan, small_zone_origin, small_zone_text, write_lines

FORMAT = 2
SIGNING_SECONDS = 900.0
SIGNATURES_VALID = "+315360000"  # ten years: a cached zone must not expire

DENIALS = {
    "nsec": [],
    "nsec3": ["-3", "-", "-H", "0"],  # no salt, no extra iterations: RFC 9276 section 3.1
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How big everything is."""

    names: int = 100_000
    records: int = 135_000
    big_names: int = 1_000_000
    big_records: int = 1_350_000
    small_zones: int = 100_000
    stream: int = 500_000
    random_stream: int = 1_500_000


FULL = Sizes()
QUICK = Sizes(2_000, 2_700, 20_000, 27_000, 500, 20_000, 100_000)


class Material:
    """Everything the servers are fed with, made when first asked for."""

    def __init__(self, folder: Path, sizes: Sizes, seed: int) -> None:
        self.folder = folder
        self.sizes = sizes
        self.seed = seed
        folder.mkdir(parents=True, exist_ok=True)

    def plan(self, big: bool = False) -> Plan:
        """The zone most questions ask about, or the big one."""
        sizes = self.sizes
        if big:
            return Plan("big.test", sizes.big_names, sizes.big_records, self.seed)
        return Plan("example.test", sizes.names, sizes.records, self.seed)

    def zone(self, denial: str = "", big: bool = False) -> ZoneFile:
        """The zone as a file; signed if `denial` is "nsec" or "nsec3"."""
        plan = self.plan(big)
        stem = f"{plan.origin}-{FORMAT}-{plan.names}-{plan.records}-{plan.seed}"
        plain = self.folder / f"{stem}.zone"
        if not plain.exists():
            write_lines(plain, plan.lines())
        if not denial:
            return ZoneFile(plan.origin, plain)
        signed = self.folder / f"{stem}.{denial}.zone"
        if not signed.exists():
            self._sign(plan.origin, plain, signed, DENIALS[denial])
        return ZoneFile(plan.origin, signed, is_signed=True)

    def _sign(self, origin: str, plain: Path, signed: Path, denial: list[str]) -> None:
        keys = self.folder / f"keys-{signed.stem}"
        shutil.rmtree(keys, ignore_errors=True)
        keys.mkdir()
        unfinished = signed.with_suffix(".unfinished")
        generate = ["dnssec-keygen", "-q", "-K", str(keys), "-a", "ECDSAP256SHA256", "-f", "KSK", origin]
        sign = ["dnssec-signzone", "-q", "-S", "-z", "-P", "-K", str(keys), "-d", str(keys), *denial]
        sign += ["-e", f"now{SIGNATURES_VALID}", "-o", origin, "-f", str(unfinished), str(plain)]
        for command in (generate, sign):
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=SIGNING_SECONDS)
        unfinished.rename(signed)

    def stream(self, kind: str, big: bool = False) -> Path:
        """A dnsperf data file of one of `bench.streams.STREAMS`."""
        plan = self.plan(big)
        count = self.sizes.random_stream if kind == "nxdomain" else self.sizes.stream
        path = self.folder / f"{kind}-{FORMAT}-{plan.origin}-{plan.names}-{plan.records}-{plan.seed}-{count}.txt"
        if not path.exists():
            write_lines(path, islice(STREAMS[kind](plan, self.seed), count))
        return path

    def small_zones(self) -> ZoneFolder:
        """A folder of many small zones."""
        count = self.sizes.small_zones
        folder = self.folder / f"small-{FORMAT}-{count}"
        origins = [small_zone_origin(index) for index in range(count)]
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for index, origin in enumerate(origins):
                (unfinished / f"{origin}.zone").write_text(small_zone_text(origin, index))
            unfinished.rename(folder)
        return ZoneFolder(folder, origins)

    def further_zone(self, number: int) -> ZoneFile:
        """A small zone that is not in the folder, for adding."""
        origin = f"added{number}.test"
        path = self.folder / f"{origin}.zone"
        path.write_text(small_zone_text(origin, number))
        return ZoneFile(origin, path)
