"""Whole-server behaviour: every case of every `.scenario` file beside this one, put to a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
def address_for(asked: str) -> Iterator[Callable[[Scenario], tuple[str, int]]]:
    """Where a scenario's server listens. It runs until the cases come to another scenario file."""
    stack = ExitStack()
    current: Scenario | None = None
    address: tuple[str, int] | None = None

    def switch(scenario: Scenario) -> tuple[str, int]:
        nonlocal current, address
        if scenario is not current:
            stack.close()
            current, address = scenario, None
            address = HOST, stack.enter_context(start(asked, scenario)).port
        if address is None:
            pytest.fail("the server did not start, see the first failure of this file", pytrace=False)
        return address

    with stack:
        yield switch


@pytest.mark.parametrize(("scenario", "case"), CASES)
def test_scenario(
    scenario: Scenario, case: Case, asked: str, address_for: Callable[[Scenario], tuple[str, int]]
) -> None:
    if scenario.only_pippin and asked != "pippin":
        pytest.skip(f"only Pippin: {scenario.only_pippin}")
    report = run(address_for(scenario), case, scenario, lenient=asked != "pippin")
    if asked in case.peers_differ:
        assert report, f"{case.path.name}:{case.line}: peers-differ names {asked}, but it answers as expected"
        pytest.xfail(f"{asked} differs: {case.peers_differ[asked]}")
    if report:
        pytest.fail(report, pytrace=False)


def test_there_are_at_least_150_cases() -> None:
    """A glob that finds nothing must not pass."""
    assert len(CASES) >= 150
