"""What is found out about a zone before it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from pippin.control.places import Place
from pippin.control.prepare import prepare


@pytest.mark.parametrize("text", ["", "\n; nothing\n", "$TTL 60\n"])
def test_file_without_records_is_refused_with_a_reason(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.zone").write_text(text)
    prepared = prepare(Place(str(tmp_path / "x.zone")), seed=0)
    assert prepared.image is None
    assert [str(problem) for problem in prepared.problems] == [
        f"{tmp_path}/x.zone: there are no records; a zone begins with its SOA record"
    ]
