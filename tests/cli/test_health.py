"""`pippin health`, and what `reload` and `status` say about policies, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.running import Running, running, write_zone

POLICY = """
from pippin import Policies, Pool

policies = Policies()
eu = Pool("eu", ["192.0.2.10", "192.0.2.11"])

@policies.answer("www.example", "A")
def www(client):
    return eu
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "traffic.py").write_text(POLICY)
    write_zone(tmp_path / "example.zone")
    (tmp_path / "pippin.toml").write_text('watch = false\nzones = "."\npolicies = ["traffic.py"]\nstate = "state"\n')
    with running(tmp_path, "-c", "pippin.toml") as started:
        yield started


def pippin(server: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pippin", *arguments, "--control", str(server.control)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def rows(output: str) -> dict[str, list[str]]:
    """The cells of each target's row."""
    return {line.split()[0]: line.split()[1:] for line in output.splitlines() if "/" in line}


def test_targets_are_shown_and_set_by_hand(server: Running) -> None:
    shown = pippin(server, "health")
    assert shown.returncode == 0
    assert rows(shown.stdout) == {"eu/192.0.2.10": ["up", "none"], "eu/192.0.2.11": ["up", "none"]}
    done = pippin(server, "health", "drain", "eu/192.0.2.10")
    assert list(rows(done.stdout)) == ["eu/192.0.2.10"]
    assert rows(done.stdout)["eu/192.0.2.10"][0] == "down"
    assert "drain" in done.stdout
    assert "state" in done.stdout, "the heading; that it is not kept anywhere would be said below"
    assert "server ends" not in done.stdout
    assert {server.address_of("www.example") for _ in range(10)} == {"192.0.2.11"}
    states = json.loads(pippin(server, "health", "--json").stdout)["targets"]
    assert [(state["target"], state["override"]) for state in states] == [
        ("eu/192.0.2.10", "drain"),
        ("eu/192.0.2.11", "auto"),
    ]
    pippin(server, "health", "auto", "eu/192.0.2.10")
    assert {server.address_of("www.example") for _ in range(30)} == {"192.0.2.10", "192.0.2.11"}


def test_target_that_is_not_there_is_an_error(server: Running) -> None:
    done = pippin(server, "health", "down", "eu/192.0.2.99")
    assert done.returncode == 1
    assert done.stderr == "pippin: no target eu/192.0.2.99 here; there are eu/192.0.2.10, eu/192.0.2.11\n"


def test_what_was_set_for_a_target_that_is_gone_is_told(server: Running, tmp_path: Path) -> None:
    pippin(server, "health", "down", "eu/192.0.2.10")
    (tmp_path / "traffic.py").write_text(POLICY.replace('"192.0.2.10", ', ""))
    assert pippin(server, "reload").stdout == "1 policy, 1 target\n"
    shown = pippin(server, "health").stdout
    assert "eu/192.0.2.10 is set down by hand, but no policy has it" in shown
    pippin(server, "health", "auto", "eu/192.0.2.10")
    assert "by hand, but" not in pippin(server, "health").stdout


def test_reload_of_broken_policies_fails_and_says_where(server: Running, tmp_path: Path) -> None:
    assert pippin(server, "reload").stdout == "nothing has changed\n"
    (tmp_path / "traffic.py").write_text(POLICY + "\nnonsense here\n")
    done = pippin(server, "reload")
    assert done.returncode == 1
    assert "traffic.py:11:10: SyntaxError: invalid syntax" in done.stdout
    assert done.stdout.endswith("policies: rejected, the old ones stay\n")


def test_status_shows_policies(server: Running) -> None:
    server.address_of("www.example")
    shown = pippin(server, "status").stdout
    assert "1 policy, 2 targets, generation 1, checker pid " in shown
    assert "www.example A" in shown
