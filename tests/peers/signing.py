"""Signs zone files with BIND's tools, as an operator would before giving them to a server that does not sign."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers.server import program

ALGORITHM = "ECDSAP256SHA256"
COMMAND_SECONDS = 30


@dataclass(frozen=True)
class Signed:
    """A signed zone file, and the DS rdata (text) that a validator needs to trust it."""

    name: str
    file: Path
    ds: str


def sign(name: str, source: Path, folder: Path, *options: str) -> Signed:
    """Sign `source` into `folder`; options go to dnssec-signzone: none is NSEC, `-3 SALT` NSEC3, `-A` opt-out."""
    keygen = program("dnssec-keygen", "bind9-utils")
    signzone = program("dnssec-signzone", "bind9-utils")
    dsfromkey = program("dnssec-dsfromkey", "bind9-utils")
    folder.mkdir(parents=True, exist_ok=True)
    key = _run(folder, keygen, "-q", "-a", ALGORITHM, "-f", "KSK", name).strip()
    _run(folder, keygen, "-q", "-a", ALGORITHM, name)
    target = folder / f"{name}.signed"
    _run(folder, signzone, "-q", "-S", "-K", ".", "-o", name, "-f", str(target), *options, str(source))
    ds = _run(folder, dsfromkey, "-2", f"{key}.key").split(" DS ")[1].strip()
    return Signed(name, target, ds)


def _run(folder: Path, *command: str) -> str:
    result = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
