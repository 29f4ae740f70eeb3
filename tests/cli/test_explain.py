"""`pippin explain` and `pippin simulate` as they are typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAFFIC = """
from pippin import HTTPCheck, Policies, Pool

alive = HTTPCheck("/", every=2, timeout=1, fall=2)
near = Pool("near", {"192.0.2.10": 3, "192.0.2.11": 1}, check=alive, capacity=100)
far = Pool("far", ["198.51.100.10"])
policies = Policies(networks={"office": ["10.0.0.0/8"]}, ttl=10)

@policies.answer("www.example.com", "A")
def www(client):
    return near.or_else(far) if client.network == "office" else far

@policies.answer("late.example.com", "A")
def late(now):
    return far if now.hour >= 18 else near

@policies.answer("broken.example.com", "A", fallback="servfail")
def broken(client):
    return 1 / 0
"""
ZONE = "@ 300 SOA ns hostmaster 1 1 1 1 1\n@ 300 NS ns\nns 300 A 192.0.2.1\nalias 300 CNAME www\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traffic.py").write_text(TRAFFIC)
    (tmp_path / "example.com.zone").write_text(ZONE)
    (tmp_path / "networks.csv").write_text(
        "network,weight\n10.0.0.0/8,160\n203.0.113.0/24,40,www.example.com,A\n"
    )
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pippin", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def explain(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("explain", *arguments)


def test_explanation_to_be_read() -> None:
    shown = explain("alias.example.com", "A", "traffic.py", "example.com.zone", "--client", "10.1.2.3")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    for line in (
        "it is an alias: resolvers ask for www.example.com next",
        "client.network office networks, 10.0.0.0/8",
        "near/192.0.2.10 up assumed",
        "far/198.51.100.10 up no check",
        "pool near (3 x 192.0.2.10, 192.0.2.11), or else pool far (198.51.100.10)",
        "75.0% A 192.0.2.10 TTL 10",
        "Remembered under client.network = office; scope /8 of the client's address.",
    ):
        assert line in lines


def test_explanation_as_json_of_another_world() -> None:
    shown = explain(
        *("www.example.com", "A", "traffic.py", "--client", "203.0.113.0/24", "--resolver", "192.0.2.53"),
        *("--given", "network=office", "--down", "near/192.0.2.10", "--at", "2026-12-24 18:00", "--json"),
    )
    found = json.loads(shown.stdout)
    assert [answer["records"] for answer in found["answers"]] == [["A 192.0.2.11"]]
    assert (found["resolver"], found["at"], found["facts"][0]["source"]) == (
        "192.0.2.53",
        1798135200,
        "given",
    )
    assert found["health"][0]["source"] == "--down"


def test_moment_decides() -> None:
    for at, address in (("2026-12-24 17:59", "192.0.2.10"), ("2026-12-24 18:00", "198.51.100.10")):
        assert (
            f"A {address}"
            in explain("late.example.com", "A", "traffic.py", "--client", "::1", "--at", at).stdout
        )


def test_failing_policy_is_exit_code_1() -> None:
    shown = explain("broken.example.com", "A", "traffic.py", "--client", "::1")
    assert shown.returncode == 1
    assert "ZeroDivisionError: division by zero" in shown.stdout
    assert "servfail" in shown.stdout


def test_configuration_names_policies_and_zones(folder: Path) -> None:
    (folder / "pippin.toml").write_text('policies = ["traffic.py"]\nzones = "."\n')
    assert (
        "www.example.com is in zone example.com" in explain("www.example.com", "A", "--client", "::1").stdout
    )
    assert "100" in run("simulate", "-c", "pippin.toml", "--clients", "networks.csv").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("www.example.com", "A", "traffic.py"), "--client"),
        (("www.example.com", "A", "--client", "::1"), "nothing to serve"),
        (("www.example.com", "A", "example.com.zone", "--client", "::1"), "no policies"),
        (("www.example.com", "NOPE", "traffic.py", "--client", "::1"), "'NOPE' is no record type"),
        (("www.example.com", "A", "traffic.py", "--client", "me"), "'me' does not appear"),
        (
            ("www.example.com", "A", "traffic.py", "--client", "::1", "--down", "x/1"),
            "there are far/198.51.100.10",
        ),
        (("www.example.com", "A", "traffic.py", "--client", "::1", "--at", "soon"), "'soon' is no time"),
        (("www.example.com", "A", "traffic.py", "--client", "::1", "--given", "country"), "country=DE"),
        (("www.example.com", "A", "missing.py", "--client", "::1"), "missing.py: cannot be read"),
        (("www.example.com", "A", "traffic.py", "--client", "::1", "--control", "/nowhere"), "/nowhere"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], says: str) -> None:
    shown = explain(*arguments)
    assert shown.returncode in (1, 2)
    assert says in shown.stderr
    assert "Traceback" not in shown.stderr


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("simulate", "traffic.py", *arguments)


def test_simulation_to_be_read() -> None:
    shown = simulate("--clients", "networks.csv", "--fail", "each")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "520 queries/s from 2 rows of networks.csv" in lines
    assert "near/192.0.2.10 gets 240 queries/s, its capacity is 100" in lines
    assert "near/192.0.2.10 4.0 s 240 46.2% 60% 100% 100% 1 160" in lines
    assert "broken.example.com A is empty for 160 queries/s: ZeroDivisionError: division by zero" in lines
    assert any("far/198.51.100.10 never" in line for line in lines)
    assert any("█" in line for line in lines)


def test_simulation_as_json_of_one_failure() -> None:
    found = json.loads(simulate("--clients", "networks.csv", "--fail", "near/192.0.2.11", "--json").stdout)
    assert (found["total"], found["unit"], found["before"]["over"]) == (520, "queries/s", ["near/192.0.2.10"])
    (failure,) = found["failures"]
    assert (failure["target"], failure["moved"]) == ("near/192.0.2.11", 80)
    assert failure["moved_after"] == {"1": 0.6, "5": 1.0, "30": 1.0}


def test_simulation_of_maintenance() -> None:
    shown = simulate("--clients", "networks.csv", "--drain", "near/192.0.2.10", "--fail", "each")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "near/192.0.2.10 drained" in lines
    assert not any("near/192.0.2.10 has failed" in line for line in lines)
    assert any(line.startswith("near/192.0.2.10 0 0.0%") for line in lines)
    wrong = simulate("--clients", "networks.csv", "--drain", "near/192.0.2.99")
    assert "no target near/192.0.2.99 here" in wrong.stderr


def test_simulation_of_a_log_without_times_judges_no_capacity(folder: Path) -> None:
    (folder / "query.log").write_text(
        "client 10.0.0.1#53 (www.example.com): query: www.example.com IN A +\n" * 400
    )
    shown = simulate("--query-log", "query.log").stdout
    assert "400 queries from 400 queries of query.log" in shown
    assert "its capacity" not in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--clients CSV"),
        (("--clients", "networks.csv", "--query-log", "x"), "--clients CSV"),
        (("--clients", "missing.csv"), "missing.csv: cannot be read"),
        (
            ("--clients", "networks.csv", "--fail", "near/1"),
            "no target near/1 here; there are near/192.0.2.10",
        ),
    ],
)
def test_mistakes_in_what_to_simulate(arguments: tuple[str, ...], says: str) -> None:
    shown = simulate(*arguments)
    assert shown.returncode == 2
    assert says in shown.stderr
