"""Everything about policy files at once, as `pippin check` shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pippin.policy.inspect import inspect

TEXT = """
import random

from pippin import Policies

policies = Policies()


@policies.answer("www.example.com", "A")
def www(client):
    if client.country == "DE" or client.network == "office":
        return random.choice(["192.0.2.1", "192.0.2.2"])
    return "192.0.2.3"
"""


def test_problems_are_in_the_order_of_the_files_lines(tmp_path: Path) -> None:
    file = tmp_path / "traffic.py"
    file.write_text(TEXT)
    loaded, problems = inspect([str(file)])
    assert len(loaded.policies) == 1
    assert [(problem.line, problem.message.split(" ")[0]) for problem in problems] == [
        (11, "client.country"),
        (11, "client.network"),
        (12, "random.choice()"),
    ]
    assert not loaded.has_errors


def test_modules_beside_the_file_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "policies_of_the_company.py").write_text(TEXT)
    file = tmp_path / "all.py"
    file.write_text("import policies_of_the_company")
    _, problems = inspect([str(file)])
    assert {problem.file for problem in problems} == {str(tmp_path / "policies_of_the_company.py")}


def test_check_shows_them_and_fails_for_errors_only(tmp_path: Path) -> None:
    file = tmp_path / "traffic.py"
    for text, code, last in ((TEXT, 0, f"{file}: 1 policy, 0 targets, ok"), (TEXT + "1 / 0", 1, "")):
        file.write_text(text)
        command = [sys.executable, "-m", "pippin", "check", str(file)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == code
        assert f"{file}:12:16: warning: random.choice() draws once and is remembered" in result.stdout
        assert (f"{file}:14: ZeroDivisionError" in result.stdout) == bool(code)
        assert last in result.stdout


def test_modules_that_were_imported_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "placing").mkdir()
    (tmp_path / "placing" / "__init__.py").write_text("from .draws import pick_placing\n")
    (tmp_path / "placing" / "draws.py").write_text(
        "import random\n\n\ndef pick_placing(client):\n    return random.choice([client.country])\n"
    )
    (tmp_path / "traffic.py").write_text(
        "from pippin import Policies\nimport placing\n\npolicies = Policies()\n\n\n"
        "@policies.answer('www.example', 'A')\ndef www(client):\n    return placing.pick_placing(client)\n"
    )
    monkeypatch.chdir(tmp_path)
    loaded, problems = inspect(["traffic.py"])
    assert not loaded.has_errors
    assert [(problem.file, problem.line) for problem in problems] == [(str(tmp_path / "placing" / "draws.py"), 5)] * 2
    assert problems[0].message.startswith("random.choice() draws once")
    assert problems[1].message.startswith("client.country needs a MaxMind database")
