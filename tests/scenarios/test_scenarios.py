"""Whole-server behaviour: every case of every `.scenario` file beside this one, put to a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.server import HOST
from tests.scenarios.exchange import run
from tests.scenarios.reader import Case, Scenario, parse
from tests.scenarios.servers import start

SCENARIOS = [parse(path) for path in sorted(Path(__file__).parent.glob("*.scenario"))]
CASES = [pytest.param(scenario, case, id=case.slug) for scenario in SCENARIOS for case in scenario.cases]


@pytest.fixture(scope="session")
def asked(request: pytest.FixtureRequest) -> str:
    """Which server is asked: "pippin" unless --peer names another."""
    return str(request.config.getoption("--peer", default=None) or "pippin")


@pytest.fixture(scope="session")
def did_not_start() -> dict[Path, str]:
    """Scenarios whose server failed once: their further cases fail at once instead of waiting as long again."""
    return {}


@pytest.fixture(scope="module")
def address(
    request: pytest.FixtureRequest, asked: str, did_not_start: dict[Path, str]
) -> Iterator[tuple[str, int]]:
    """One server for all cases of a scenario file (pytest groups the cases by this fixture's parameter)."""
    scenario: Scenario = request.param
    if scenario.only_pippin and asked != "pippin":
        pytest.skip(f"only Pippin: {scenario.only_pippin}")
    if scenario.path in did_not_start:
        pytest.fail(did_not_start[scenario.path], pytrace=False)
    did_not_start[scenario.path] = f"the server for {scenario.path.name} did not start; see the first failure"
    with start(asked, scenario) as server:
        del did_not_start[scenario.path]
        yield HOST, server.port


@pytest.mark.parametrize(("address", "case"), CASES, indirect=["address"])
def test_scenario(address: tuple[str, int], case: Case, asked: str, request: pytest.FixtureRequest) -> None:
    scenario: Scenario = request.node.callspec.params["address"]
    report = run(address, case, scenario, lenient=asked != "pippin")
    if asked in case.peers_differ:
        assert report, f"{case.path.name}:{case.line}: peers-differ names {asked}, but it answers as expected"
        pytest.xfail(f"{asked} differs: {case.peers_differ[asked]}")
    if report:
        pytest.fail(report, pytrace=False)


def test_there_are_at_least_150_cases() -> None:
    """Issue 2 asks for them; a glob that finds nothing must not pass."""
    assert len(CASES) >= 150
