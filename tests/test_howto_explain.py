"""docs/howto/explain-and-simulate.md names the options that there are, and its Python works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pippin.cli.app import app

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "explain-and-simulate.md").read_text()


@pytest.mark.parametrize("command", ["explain", "simulate"])
def test_options_exist(command: str) -> None:
    section = PAGE.partition(f"## {command.capitalize()}")[2].partition("\n## ")[0]
    shown = (
        CliRunner()
        .invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})
        .output
    )
    named = set(re.findall(r"--[a-z][a-z-]+", section))
    assert named
    assert named <= set(re.findall(r"--[a-z][a-z-]+", shown))


def test_python_example_works(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "traffic.py").write_text((ROOT / "examples/traffic-scheduler/traffic.py").read_text())
    environment = {"PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout.startswith("pool dallas"), result.stderr
