"""The one exception of probes, and how those of libraries are put into words."""

from __future__ import annotations

import os
import ssl

REASON_LIMIT = 200
"""Characters of a reason: it stands in a log line and a table."""


class Unhealthy(Exception):
    """The target answered, but not as it should; the message is the reason, as an operator reads it."""


def reason(error: BaseException) -> str:
    """Why a probe failed, on one line of at most `REASON_LIMIT` characters."""
    if isinstance(error, TimeoutError):
        text = "timed out"
    elif isinstance(error, ssl.SSLCertVerificationError):
        text = f"TLS: {error.verify_message}"
    elif isinstance(error, ssl.SSLError):
        text = f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
    elif isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno).lower()
    else:
        text = str(error) or type(error).__name__
    return shortened(text)


def shortened(text: str) -> str:
    """Something foreign on one line, printable, at most `REASON_LIMIT` characters."""
    line = " ".join(text[: 4 * REASON_LIMIT].split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= REASON_LIMIT else line[: REASON_LIMIT - 1] + "…"
