"""What `pippin serve` shows of a long start."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

import pippin.cli.serve as command
from pippin.control.places import Place


def test_progress_appears_while_the_first_zone_is_still_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(command, "PROGRESS_AFTER", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = command._Progress()
        shown = b""
        while b"reading zones" not in shown:
            shown += os.read(ours, 4096)
        progress.show(1, 4, Place("a.zone"))
        while b"25%" not in shown:
            shown += os.read(ours, 4096)
        progress.close()
        progress.show(2, 4, Place("b.zone"))
    os.close(ours)


def test_no_progress_without_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "PROGRESS_AFTER", 0)
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        progress = command._Progress()
        progress.show(1, 2, Place("a.zone"))
        progress.close()
    assert (tmp_path / "log").read_text() == ""
