"""Policies run for traffic that nobody has sent: by name and wildcard, with targets down, at any moment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from pippin.policy.given import AllUp, GivenFacts, Lookups, client_network, moment
from pippin.policy.load import Loaded, load
from pippin.policy.plans import NXDOMAIN, as_plan
from pippin.policy.simulate import simulate
from pippin.policy.traffic import Traffic
from pippin.policy.trial import Trials
from pippin.policy.what_if import Evaluation

POLICIES = """
from pippin import NXDOMAIN, Policies, Pool

near = Pool("near", ["192.0.2.10", "192.0.2.11"])
policies = Policies(networks={"office": ["10.0.0.0/8"]}, ttl=20)

@policies.answer("www.example.com", "A")
def www(client, health):
    if client.network == "office":
        return near if health.up("near/192.0.2.10") else "192.0.2.99"
    return "198.51.100.1"

@policies.answer("*.cdn.example.com", ["A", "TXT"], ttl=5)
def cdn(name, now):
    return NXDOMAIN if now.hour < 12 else f"192.0.2.{len(name.captured)}"

@policies.answer("broken.example.com", "A")
async def broken():
    raise OSError("no route")
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "traffic.py").write_text(POLICIES)
    return load([str(tmp_path / "traffic.py")])


@pytest.fixture
def evaluate(loaded: Loaded) -> Iterator[Evaluation]:
    trials = Trials()
    yield Evaluation(loaded, Lookups(loaded.networks), moment("2026-01-01 13:00"), trials)
    trials.close()


def asks(network: str, name: str, rdtype: str = "A") -> Traffic:
    return Traffic(ipaddress.ip_network(network), 1, name, rdtype)


def test_plan_for_a_network(evaluate: Evaluation) -> None:
    run = evaluate(asks("203.0.113.0/24", "www.example.com"), frozenset())
    assert (run.plan, run.ttl, run.asked_health) == (as_plan("198.51.100.1"), 20, frozenset())


def test_targets_that_the_policy_asks_for(evaluate: Evaluation) -> None:
    run = evaluate(asks("10.1.0.0/16", "www.example.com"), frozenset())
    assert run.asked_health == {"near/192.0.2.10"}
    assert evaluate(asks("10.1.0.0/16", "www.example.com"), run.asked_health).plan == as_plan("192.0.2.99")


def test_names_below_wildcards_and_the_wildcard_itself(evaluate: Evaluation) -> None:
    for name in ("*.cdn.example.com", "a.cdn.example.com"):
        assert evaluate(asks("::/0", name), frozenset()).plan == as_plan("192.0.2.1")
    assert evaluate(asks("::/0", "a.b.cdn.example.com", "TXT"), frozenset()).plan == as_plan("192.0.2.2")


def test_moment_is_the_one_asked_about(loaded: Loaded) -> None:
    trials = Trials()
    morning = Evaluation(loaded, Lookups(loaded.networks), moment("2026-01-01 11:59"), trials)
    assert morning(asks("::/0", "a.cdn.example.com"), frozenset()).plan == NXDOMAIN
    trials.close()


def test_failure_is_told_and_missing_policy_raises(evaluate: Evaluation) -> None:
    run = evaluate(asks("::/0", "broken.example.com"), frozenset())
    assert (run.plan, run.why) == (None, "OSError: no route")
    with pytest.raises(KeyError):
        evaluate(asks("::/0", "nope.example.com"), frozenset())


def test_simulation_of_a_policy_file(loaded: Loaded, evaluate: Evaluation) -> None:
    targets = {target.key: target for target in loaded.targets}
    traffic = [
        Traffic(ipaddress.ip_network("10.0.0.0/8"), 60, "www.example.com", "A"),
        asks("::/0", "nope.example.com"),
    ]
    policies = [(policy.name, policy.type) for policy in loaded.policies]
    simulation = simulate(traffic, policies, evaluate, targets, list(targets))
    assert (simulation.total, simulation.unanswered) == (60, 1)
    assert [share.traffic for share in simulation.before.targets] == [30, 30]
    first, second = simulation.failures
    assert {share.target: share.traffic for share in first.after.targets if share.traffic} == {
        "192.0.2.99": 60
    }
    assert (first.moved, second.moved) == (60, 30)


def test_endless_loop_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pippin.policy.trial.BUDGET", 0.05)
    (tmp_path / "loop.py").write_text(
        "from pippin import Policies\npolicies = Policies()\n"
        "@policies.answer('a.example', 'A')\ndef loop():\n    while True: pass\n"
    )
    trials = Trials()
    trial = trials.run(load([str(tmp_path / "loop.py")]).policies[0], GivenFacts("192.0.2.1", 0))
    trials.close()
    assert trial.plan is None
    assert trial.why.startswith("Overrun")


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_what_is_known_of_a_client(text: str, network: str) -> None:
    assert client_network(text) == ipaddress.ip_network(network)


def test_moments() -> None:
    assert moment("2026-12-24 18:00") == moment("2026-12-24T19:00+01:00") == 1798135200
    with pytest.raises(ValueError, match="'soon' is no time"):
        moment("soon")


def test_health_of_unknown_targets_is_an_error_where_targets_are_known() -> None:
    facts = GivenFacts("192.0.2.1", 0, targets=["eu/1", "eu/2"], health=AllUp(frozenset({"eu/2"})))
    assert (facts.health("eu/1"), facts.health("eu/2")) == ((0, True), (1, False))
    with pytest.raises(LookupError, match="there are eu/1, eu/2"):
        facts.health("eu/3")
    assert GivenFacts("192.0.2.1", 0).health("any") == (0, True)
