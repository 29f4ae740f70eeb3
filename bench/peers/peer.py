"""What a question needs to know about a server: how to start it on zones, and how to add a zone while it runs."""

from __future__ import annotations

import abc
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

CONTROL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A zone to serve. `origin` is without the last dot."""

    origin: str
    path: Path
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class ZoneFolder:
    """Many zones: master files called `<origin>.zone` in one folder."""

    folder: Path
    origins: Sequence[str]


Zones = ZoneFile | ZoneFolder


class Peer(abc.ABC):
    """One server's settings in one temporary folder; nothing here runs before `command` is started."""

    name: ClassVar[str]
    program: ClassVar[str]
    signed_zones: ClassVar[bool] = True
    follows_aliases: ClassVar[bool] = True
    """False: answers an alias with the CNAME alone. It is timed all the same, with `remark` beside its figures."""
    remark: ClassVar[str] = ""

    def __init__(self, folder: Path, port: int, zones: Zones, workers: int = 1) -> None:
        self.folder = folder
        self.port = port
        self.zones = zones
        self.workers = workers

    @classmethod
    def is_installed(cls) -> bool:
        return shutil.which(cls.program) is not None

    @classmethod
    @abc.abstractmethod
    def version(cls) -> str:
        """The version as the program itself tells it, or an empty string."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Write the configuration into the folder, which may hold that of an earlier start. Not timed."""

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """The command that runs the server in the foreground."""

    def environment(self) -> Mapping[str, str]:
        """Variables to set for it."""
        return {}

    def add_zone(self, zone: ZoneFile, server_pid: int) -> None:
        """Have the running server serve one zone more, the quickest way that it offers."""
        raise NotImplementedError(f"{self.name} is not asked to add zones")

    def zone_files(self) -> list[ZoneFile]:
        """All zones, one by one."""
        if isinstance(self.zones, ZoneFile):
            return [self.zones]
        folder = self.zones.folder
        return [ZoneFile(origin, folder / f"{origin}.zone") for origin in self.zones.origins]

    def control(self, *command: str) -> None:
        """Run a control command to its end; CalledProcessError if it fails."""
        subprocess.run(
            command, check=True, capture_output=True, timeout=CONTROL_SECONDS, stdin=subprocess.DEVNULL, text=True
        )


def first_line(command: Sequence[str], word: str) -> str:
    """The first output line of a program that contains `word`: for versions."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return ""
    lines = (done.stdout + "\n" + done.stderr).splitlines()
    return next((line.strip() for line in lines if word in line), "")
