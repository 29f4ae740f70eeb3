"""docs/reference/policies.md: its examples show what they say, and it names everything that a policy can use."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import pippin
from pippin.control.settings import parse_settings
from pippin.policy.client import Client, Health, Name, Now
from pippin.policy.load import load

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reference" / "policies.md").read_text()
CHECKS = (ROOT / "docs" / "howto" / "health-checks.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def test_policy_file_is_loaded_and_what_is_shown_comes_out(tmp_path: Path) -> None:
    file = tmp_path / "traffic.py"
    file.write_text(block("python traffic.py"))
    loaded = load([str(file)])
    assert loaded.problems == ()
    assert [(str(policy), policy.wants) for policy in loaded.policies] == [
        ("www.example.com A", ("client", "now"))
    ]
    names = {name: getattr(pippin, name) for name in pippin.__all__}
    names |= {pool.name: pool for pool in loaded.pools}
    examples = re.findall(r"^```pycon\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    text = "\n".join(examples)
    test = doctest.DocTestParser().get_doctest(text, names, "policies.md", None, 0)
    shown: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=shown.append)
    assert not results.failed, "".join(shown)
    assert results.attempted > 10


def test_configuration_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "pippin.toml"
    file.write_text(block("toml"))
    assert parse_settings(block("toml"), file).policies == (str(file),)
    (problem,) = load([str(file)]).problems
    assert "GeoLite2-Country.mmdb: cannot be read" in problem.message  # it is not ours to ship
    file.write_text(re.sub("^geo = .*$", "", block("toml"), flags=re.MULTILINE))
    loaded = load([str(file)])
    assert loaded.problems == ()
    assert len(loaded.policies) == 4


@pytest.mark.parametrize("given", [Client, Name, Now, Health])
def test_every_fact_is_documented(given: type) -> None:
    for name in vars(given):
        if not name.startswith("_"):
            assert re.search(rf"`[^`]*\.{name}\b", PAGE), f"{given.__name__}.{name}"


def test_every_exported_name_is_documented() -> None:
    for name in pippin.__all__:
        if name not in ("__version__", "PlanError", "Health", "Name"):
            assert re.search(rf"\b{name}\b", PAGE + CHECKS), name
