"""A server under measurement: its processes, their CPU time and memory, read from /proc (Linux only)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds spent by a set of processes."""

    user: float
    system: float

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(self.user - earlier.user, self.system - earlier.system)

    @property
    def total(self) -> float:
        return self.user + self.system


def stat_fields(text: str) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; the command name before may hold blanks and brackets."""
    return text[text.rindex(")") + 2 :].split()


class Process:
    """A started server: the process itself and everything that it started.

    It runs in a session of its own, pinned to `cpus`; stopping it ends that session's process group and nothing else.
    """

    def __init__(
        self, command: Sequence[str], cpus: set[int], log: Path, environment: Mapping[str, str]
    ) -> None:
        cpu_list = ",".join(map(str, sorted(cpus)))
        self._log = log.open("wb")
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            ["taskset", "-c", cpu_list, *command],  # taskset execs the command: same process id
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def members(self) -> dict[int, list[str]]:
        """Process id -> stat fields of the server and its descendants."""
        everyone: dict[int, list[str]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    text = Path(f"/proc/{entry}/stat").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # ended while we looked
                everyone[int(entry)] = stat_fields(text)
        members = {pid for pid, fields in everyone.items() if int(fields[3]) == self.pid}
        members.add(self.pid)
        while more := {pid for pid, fields in everyone.items() if int(fields[1]) in members} - members:
            members |= more
        return {pid: everyone[pid] for pid in members if pid in everyone}

    def cpu_time(self) -> CpuTime:
        """User and system seconds of all processes since they started."""
        fields = list(self.members().values())
        return CpuTime(sum(int(f[11]) for f in fields) * TICK, sum(int(f[12]) for f in fields) * TICK)

    def pss_bytes(self) -> int:
        """Proportional set size of all processes: shared pages are counted once, divided among their users."""
        total = 0
        for pid in self.members():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
        return total

    def hang_up(self) -> None:
        """Send SIGHUP to the server's first process."""
        os.kill(self.pid, signal.SIGHUP)

    def stop(self) -> None:
        """Ask to end, then insist."""
        members = set(self.members()) if self.is_running() else set()
        if self.is_running():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        deadline = time.monotonic() + STOP_SECONDS
        members.discard(self.pid)
        while (left := {pid for pid in members if Path(f"/proc/{pid}").exists()}) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._log.close()
