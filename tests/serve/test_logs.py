"""Log lines: one event each, whatever is in it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from pippin.serve import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Stream: type[io.StringIO] = io.StringIO


def line(monkeypatch: pytest.MonkeyPatch, level: str = "info", event: str = "done", **values: Any) -> str:
    stream = Stream()
    monkeypatch.setattr(logs.sys, "stderr", stream)
    logs.configure()
    getattr(structlog.get_logger(), level)(event, **values)
    return stream.getvalue()


def test_journal_has_its_own_time_and_others_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert line(monkeypatch)[:3].isdigit()
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert line(monkeypatch) == "done\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        (7, "7"),
        ("two words", '"two words"'),
        ("", '""'),
        ('quo"te', '"quo\\"te"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("bell\x07", '"bell\\x07"'),
        ("back\\slash", '"back\\\\slash"'),
    ],
)
def test_values_stay_on_their_line(monkeypatch: pytest.MonkeyPatch, value: object, written: str) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert line(monkeypatch, value=value) == f"done value={written}\n"


def test_bad_news_is_marked_and_coloured_only_where_that_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert line(monkeypatch, "warning", "look") == "warning: look\n"
    monkeypatch.setattr(sys.modules[__name__], "Stream", Terminal)
    assert line(monkeypatch, "error", "look") == "\033[31merror: look\033[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert line(monkeypatch, "error", "look") == "error: look\n"


def test_events_cannot_end_a_line_or_steer_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert line(monkeypatch, event="bad\n\x1b[2Jname") == "bad\\n\\x1b[2Jname\n"
