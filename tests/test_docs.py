"""The reference pages say what the code does. `python -m tests.test_docs` writes the table of settings anew."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pippin
from pippin.control.places import ZONE_FILE_ENDINGS
from pippin.control.settings import Settings, describe
from pippin.source.masterfile import WITHOUT_NS
from pippin.source.settings import SourceSettings

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
CONFIGURATION = REFERENCE / "configuration.md"
ZONE_FILES = REFERENCE / "zone-files.md"


def settings_table() -> str:
    """Every setting with default and meaning, as `control/settings.py` declares it."""
    rows = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for name, kind, default, meaning in describe():
        shown = default if default == "required" else "" if default in (None, ()) else f"`{json.dumps(default)}`"
        rows.append(f"| `{name}` | {kind} | {shown} | {meaning} |")
    return "\n".join(rows)


def test_every_setting_is_documented_as_it_is_declared() -> None:
    assert settings_table() in CONFIGURATION.read_text(), "write it anew: python -m tests.test_docs"


def test_example_settings_exist() -> None:
    keys = re.findall(r"^(\w+) = ", CONFIGURATION.read_text(), re.MULTILINE)
    assert keys
    assert set(keys) <= {*Settings.__struct_fields__, "origin", "file", *SourceSettings.__struct_fields__}


def test_zone_file_endings_and_the_mark_of_exports_are_those_of_the_code() -> None:
    text = ZONE_FILES.read_text()
    assert all(f"`{ending}`" in text for ending in ZONE_FILE_ENDINGS)
    assert f"`{WITHOUT_NS.decode()}`" in text


def test_version_is_the_same_everywhere() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == pippin.__version__


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^):#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


if __name__ == "__main__":
    text = CONFIGURATION.read_text()
    CONFIGURATION.write_text(re.sub(r"(?:^\|.*\n)+", lambda _: settings_table() + "\n", text, count=1, flags=re.M))
