"""The plugin inside a pytest of its own: as users have it, by entry point or `-p`, alone and with xdist."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

TESTS = """
import asyncio

def test_one(dns_server):
    dns_server.zone("example.com", "www A 192.0.2.1")
    assert str(dns_server.resolver().resolve("www.example.com")[0]) == "192.0.2.1"

def test_other(dns_zone):
    server = dns_zone("example.com", "www A 192.0.2.2")
    assert str(server.ask("www.example.com").answer[0][0]) == "192.0.2.2"

def test_inside_a_loop(dns_server):
    async def ask():
        return await asyncio.to_thread(dns_server.ask, "www.example.com")
    assert asyncio.run(ask()).rcode() == 5
"""


def run_pytest(folder: Path, *arguments: str) -> str:
    (folder / "test_users.py").write_text(TESTS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "pippin.testing.plugin",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    result = subprocess.run(
        [*command, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=folder,
    )
    return result.stdout + result.stderr


def test_fixtures_are_there(tmp_path: Path) -> None:
    assert "3 passed" in run_pytest(tmp_path, "-W", "error")


def test_processes_of_xdist_get_servers_of_their_own(tmp_path: Path) -> None:
    assert "3 passed" in run_pytest(tmp_path, "-p", "xdist", "-n", "2")


def test_fixtures_are_explained(tmp_path: Path) -> None:
    shown = run_pytest(tmp_path, "--fixtures")
    assert "a free port of 127.0.0.1" in shown


def test_entry_point_leads_to_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugin = import_module(project["entry-points"]["pytest11"]["pippin"])
    assert plugin.dns_server
