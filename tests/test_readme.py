"""What README.md tells the reader to type is what works."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter

from pippin.control.settings import parse_settings
from pippin.policy.load import load
from tests.peers import pippin
from tests.peers.server import Zone, program

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


def test_make_targets_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b(?!,)", README + CONTRIBUTING))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_dig_shows_what_the_readme_shows() -> None:
    program("dig", "bind9-dnsutils")
    shown = [block for block in blocks() if block.startswith("$ dig")]
    assert shown
    with pippin.serving([Zone("apple.tree", file=ROOT / "examples" / "apple.tree.csv")]) as server:
        for block in shown:
            command, _, expected = block.partition("\n")
            words = shlex.split(command.removeprefix("$ ").replace("5300", str(server.port)))
            result = subprocess.run(words, capture_output=True, text=True, timeout=20)
            assert result.stdout.split() == expected.split()


@pytest.mark.parametrize("text", blocks("toml"))
def test_configuration_example_is_read_and_shows_the_defaults(text: str, tmp_path: Path) -> None:
    settings = parse_settings(text, tmp_path / "pippin.toml")
    defaults = parse_settings("", tmp_path / "pippin.toml")
    for key in re.findall(r"^(\w+) = ", text.partition("[[zone]]")[0], re.MULTILINE):
        if key != "zones":
            assert getattr(settings, key) == getattr(defaults, key)


def test_csv_example_is_in_examples() -> None:
    rows = (ROOT / "examples" / "apple.tree.csv").read_text().split("\n")
    for block in blocks("csv"):
        assert set(block.split("\n")) <= set(rows)


def test_the_policy_example_is_a_policy_file(tmp_path: Path) -> None:
    (text,) = blocks("python")
    file = tmp_path / "traffic.py"
    database = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
    database.to_db_file(str(tmp_path / "GeoLite2-Country.mmdb"))
    file.write_text(text.replace('"GeoLite2', f'"{tmp_path}/GeoLite2'))
    loaded = load([str(file)])
    assert [str(problem) for problem in loaded.problems] == []
    assert len(loaded.policies) == 1
