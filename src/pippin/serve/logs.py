"""Logs: one line an event, key=value, to standard error.

Under systemd (JOURNAL_STREAM is set) lines have no time of their own, the journal has one. Colour only on a
terminal, and never with NO_COLOR.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_MARKS = {
    "warning": ("warning: ", "\033[33m"),
    "error": ("error: ", "\033[31m"),
    "critical": ("error: ", "\033[31m"),
}
_PLAIN = "\033[0m"


def configure(level: int = logging.INFO) -> None:
    """Set up logging for this process."""
    processors: list[structlog.typing.Processor] = [structlog.processors.add_log_level]
    if "JOURNAL_STREAM" not in os.environ:
        processors.append(structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S", utc=False))
    structlog.configure(
        processors=[*processors, _Line(colour=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class _Line:
    """Renders `2026-01-31T12:00:00 warning: what happened key=value other="two words"`."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
        time = event.pop("timestamp", "")
        mark, colour = _MARKS.get(event.pop("level", ""), ("", ""))
        what = mark + _printable(str(event.pop("event", "")))
        if colour and self._colour:
            what = colour + what + _PLAIN
        pairs = (f"{key}={_quote(value)}" for key, value in event.items())
        return " ".join(part for part in (time, what, *pairs) if part)


def _quote(value: object) -> str:
    """A value on one line, quoted where a reader could not tell its end; control characters escaped."""
    text = str(value)
    if text and all(character.isprintable() and character not in ' "=\\' for character in text):
        return text
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(inner)}"'


def _printable(text: str) -> str:
    """Nothing from a zone file or a packet may end a line or steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
