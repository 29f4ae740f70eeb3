"""Every configuration that docs/howto/forwarding.md shows can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pippin.cli.status import FORWARD_COUNTS, UPSTREAM_COUNTS
from pippin.control.settings import parse_settings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "forwarding.md").read_text()
CONFIGURATIONS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations_are_right(text: str) -> None:
    if "shared_cache" in text:
        pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")
    assert parse_settings(text, Path("pippin.toml")).forward is not None


def test_there_are_some() -> None:
    assert len(CONFIGURATIONS) == 4


def test_words_of_the_status_are_those_that_it_has() -> None:
    known = {*FORWARD_COUNTS, *UPSTREAM_COUNTS, "remembered"}
    shown = re.search(r"```\nforward .*?```", PAGE, re.DOTALL)
    assert shown is not None
    assert set(re.findall(r"([a-z_]+) \d+(?![.:\d])", shown.group())) <= known
