"""The tests that docs/howto/test-your-policies.md shows pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pippin.testing
from pippin.testing import DNSServer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "test-your-policies.md").read_text()


def test_examples_pass(tmp_path: Path) -> None:
    files = re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(files) == PAGE.count("```python")
    for name, text in files:
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pippin.testing.plugin", "-p", "no:cacheprovider"]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_named_exists() -> None:
    for name in re.findall(r"`dns_server\.(\w+)", PAGE) + re.findall(r"^\| `(\w+)\(name", PAGE, re.MULTILINE):
        assert hasattr(DNSServer, name) or name in ("host", "port", "address")
    for name in re.findall(r"`(\w+)\(…?\)`", PAGE):
        assert name in pippin.testing.__all__
