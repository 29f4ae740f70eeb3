"""`--peer nsd|knot|named`: put the scenarios to another server, to see whether the expectations are common ground."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--peer",
        choices=("nsd", "knot", "named"),
        default=None,
        help="ask this server the scenarios instead of Pippin",
    )
