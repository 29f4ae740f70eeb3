"""Policies without code, served: the configuration that declares them is reloaded like a policy file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.control.running import Running, running, write_zone

CONFIGURATION = """
watch = false
zones = "."
state = "state"

[networks]
here = ["127.0.0.0/8"]

[[pool]]
name = "eu"
targets = { "192.0.2.20" = 1, "192.0.2.21" = 0 }

[[policy]]
name = "www.example"
type = "A"
network = { here = "eu" }
answer = "NXDOMAIN"
"""


def pippin(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pippin", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def reload(server: Running) -> subprocess.CompletedProcess[str]:
    return pippin("reload", "--control", str(server.control))


def test_declared_policies_are_served_and_reloaded(tmp_path: Path) -> None:
    configuration = tmp_path / "pippin.toml"
    configuration.write_text(CONFIGURATION)
    write_zone(tmp_path / "example.zone")
    checked = pippin("check", "-c", str(configuration))
    assert (checked.returncode, f"{configuration}: 1 policy, 2 targets, ok" in checked.stdout) == (0, True)
    with running(tmp_path, "-c", "pippin.toml") as server:
        assert server.address_of("www.example") == "192.0.2.20"

        configuration.write_text(CONFIGURATION.replace('{ here = "eu" }', '{ here = "192.0.2.99" }'))
        assert reload(server).stdout == "1 policy, 2 targets\n"
        assert server.address_of("www.example") == "192.0.2.99"

        configuration.write_text(CONFIGURATION.replace('{ here = "eu" }', '{ here = "ue" }'))
        rejected = reload(server)
        assert rejected.returncode == 1
        assert (
            "pippin.toml:13: policy 'www.example': 'ue' is no pool, address or outcome, pools here: eu"
            in (rejected.stdout + rejected.stderr)
        )
        assert server.address_of("www.example") == "192.0.2.99"

        configuration.write_text(CONFIGURATION.partition("[networks]")[0])
        reload(server)
        assert server.address_of("www.example") == "192.0.2.10"  # the zone's own
