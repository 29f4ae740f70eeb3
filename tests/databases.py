"""Fixtures: an empty database in each of the servers, which run once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.database import DatabaseServer
from tests.peers.mariadb import running_mariadb
from tests.peers.postgresql import running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    with running_mariadb() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; every test that asks runs with all three."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'zones.db'}"
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server.new_database()
