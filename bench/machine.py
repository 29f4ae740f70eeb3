"""The machine and the programs that a result belongs to."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.peers import PEERS
from bench.peers.peer import first_line


def describe(servers: Sequence[str]) -> dict[str, object]:
    """CPU, cores, kernel, memory, and the version of every program that took part."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = {name: PEERS[name].version() for name in servers}
    versions["dnsperf"] = first_line(["dnsperf", "-h"], "Version")
    versions["python"] = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "memory_gib": round(memory / 2**20, 1),
        "versions": versions,
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
