"""What operators have set by hand, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog.testing

from pippin.control.overrides import Overrides


def test_what_was_set_is_there_after_a_restart(tmp_path: Path) -> None:
    overrides = Overrides(tmp_path)
    overrides.set("eu/192.0.2.1", "down")
    overrides.set("eu/192.0.2.2", "drain")
    overrides.set("eu/192.0.2.2", "up")
    overrides.set("eu/192.0.2.3", "auto")
    assert Overrides(tmp_path).all() == {"eu/192.0.2.1": "down", "eu/192.0.2.2": "up"}
    overrides.set("eu/192.0.2.1", "auto")
    assert Overrides(tmp_path).all() == {"eu/192.0.2.2": "up"}


def test_damaged_file_is_told_and_forgotten(tmp_path: Path) -> None:
    (tmp_path / "overrides.json").write_bytes(b"\0\0\0")
    with structlog.testing.capture_logs() as logs:
        assert Overrides(tmp_path).all() == {}
    assert "cannot be read" in logs[0]["event"]
    (tmp_path / "overrides.json").write_text('{"eu/192.0.2.1": "down", "eu/192.0.2.2": "sideways"}')
    assert Overrides(tmp_path).all() == {"eu/192.0.2.1": "down"}


def test_what_cannot_be_kept_is_not_done(tmp_path: Path) -> None:
    overrides = Overrides(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        overrides.set("eu/192.0.2.1", "down")
    assert overrides.all() == {}
