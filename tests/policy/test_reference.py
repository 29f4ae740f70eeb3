"""The example of docs/reference/policies.md is a policy file, and answers as the page says."""

from __future__ import annotations

import re
from pathlib import Path

from pippin.policy.load import load

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "policies.md"


def test_the_example_of_the_reference_loads(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "traffic.py"
    file.write_text(code)
    loaded = load([str(file)])
    assert loaded.problems == ()
    assert [(policy.name, policy.type, policy.wants) for policy in loaded.policies] == [
        ("www.example.com", "A", ("client", "now"))
    ]
    assert [pool.name for pool in loaded.pools] == ["eu", "us"]
