"""Policies without code: what the tables of a configuration stand for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pippin.control.settings import SettingsError, read_settings
from pippin.policy.checks import (
    CommandCheck,
    DNSCheck,
    HTTPCheck,
    JSONLoad,
    PingCheck,
    PrometheusLoad,
    TCPCheck,
    TLSCheck,
)
from pippin.policy.load import Loaded, load
from pippin.policy.plans import NODATA, Plan, alias, all_of, as_plan, cname, first, rotate, sticky, weighted
from pippin.policy.pools import Pool, Target

POOLS = """
[[pool]]
name = "eu"
targets = { "192.0.2.10" = 3, "192.0.2.11" = 1 }
check = { kind = "http", path = "/healthz", port = 8080, every = 5 }

[[pool]]
name = "us"
targets = ["198.51.100.10", { data = "198.51.100.11", weight = 2, check_address = "10.0.0.11", capacity = 7 }]
check = { kind = "tcp", port = 80 }
load = { kind = "json", path = "/status", pointer = "/load" }
empty = "servfail"
capacity = 100
"""
POLICY = """
[[policy]]
name = "www.example.com"
type = "A"
"""
EU = Pool("eu", {"192.0.2.10": 3, "192.0.2.11": 1}, check=HTTPCheck("/healthz", port=8080, every=5))
US = Pool(
    "us",
    ["198.51.100.10", Target("198.51.100.11", 2, check_address="10.0.0.11", capacity=7)],
    check=TCPCheck(80),
    load=JSONLoad("/status", "/load"),
    empty="servfail",
    capacity=100,
)


class Client:
    """A client of whom some things are known."""

    def __init__(self, **known: str | None) -> None:
        self._known = known
        self.read: list[str] = []

    def __getattr__(self, name: str) -> str | None:
        self.read.append(name)
        return self._known[name]


@pytest.fixture
def loaded_from(tmp_path: Path):  # type: ignore[no-untyped-def]
    def loaded_from(text: str) -> Loaded:
        path = tmp_path / "pippin.toml"
        path.write_text(text)
        return load(read_settings(path).policies)

    return loaded_from


def plan_of(loaded: Loaded, client: Client | None = None) -> Plan:
    assert loaded.problems == ()
    return as_plan(loaded.policies[0].call({"client": client or Client()}))


def test_pools_are_those_that_python_would_make(loaded_from) -> None:  # type: ignore[no-untyped-def]
    assert loaded_from(POOLS).pools == (EU, US)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ('answer = "eu"', EU),
        ('answer = ["eu", "us"]', EU.or_else(US)),
        ('answer = ["eu", "192.0.2.99"]', EU.or_else("192.0.2.99")),
        ('answer = "NODATA"', NODATA),
        ('answer = "CNAME cdn.example.net"', cname("cdn.example.net")),
        ('answer = "ALIAS www.example.net"', alias("www.example.net")),
        ("weights = { eu = 9, us = 1 }", weighted({EU: 9, US: 1})),
        ('answer = ["eu", "us"]\ndraw = "sticky"', sticky(EU).or_else(sticky(US))),
        ('answer = "eu"\ndraw = "sticky"\nsticky_v4 = 16\nsticky_v6 = 48', sticky(EU, v4=16, v6=48)),
        ('answer = "eu"\ndraw = "weighted"\ncount = 2', weighted(EU, 2)),
        ('answer = "eu"\ndraw = "first"', first(1, EU)),
        ('answer = "eu"\ndraw = "rotate"', rotate(EU)),
        ('answer = "eu"\ndraw = "rotate"\ncount = 1', rotate(EU, n=1)),
        ('answer = ["eu", "SERVFAIL"]\ndraw = "all"', all_of(EU).or_else(as_plan(US.empty))),
    ],
)
def test_plan_of_a_policy(loaded_from, text: str, plan: Plan) -> None:  # type: ignore[no-untyped-def]
    assert plan_of(loaded_from(POOLS + POLICY + text)) == plan


def test_network_goes_before_country_before_continent(loaded_from) -> None:  # type: ignore[no-untyped-def]
    loaded = loaded_from(
        'networks = { office = ["10.0.0.0/8"] }\n'
        + POOLS
        + POLICY
        + 'answer = "us"\nnetwork = { office = "192.0.2.1" }\ncountry = { DE = "192.0.2.2" }\ncontinent = { EU = "eu" }'
    )
    assert loaded.networks.names == ("office",)
    client = Client(network="office")
    assert plan_of(loaded, client) == as_plan("192.0.2.1")
    assert client.read == ["network"]
    assert plan_of(loaded, Client(network=None, country="DE")) == as_plan("192.0.2.2")
    assert plan_of(loaded, Client(network="lab", country=None, continent="EU")) == EU
    assert plan_of(loaded, Client(network=None, country="US", continent="NA")) == US


def test_only_what_has_a_table_is_looked_at(loaded_from) -> None:  # type: ignore[no-untyped-def]
    client = Client(continent="EU")
    assert plan_of(loaded_from(POOLS + POLICY + 'answer = "us"\ncontinent = { EU = "eu" }'), client) == EU
    assert client.read == ["continent"]


def test_several_names_and_types(loaded_from) -> None:  # type: ignore[no-untyped-def]
    text = '[[policy]]\nname = ["a.example.com", "*.b.example.com"]\ntype = ["A", "AAAA"]\nttl = 5\nanswer = "eu"'
    loaded = loaded_from(POOLS + text)
    assert [str(policy) for policy in loaded.policies] == [
        "a.example.com A",
        "a.example.com AAAA",
        "*.b.example.com A",
        "*.b.example.com AAAA",
    ]
    assert {policy.options.ttl for policy in loaded.policies} == {5}
    assert loaded.policies[0].place.line == 14


@pytest.mark.parametrize(
    ("table", "check"),
    [
        (
            '{ kind = "http", status = [200, 204], headers = { X = "y" } }',
            HTTPCheck(status=(200, 204), headers={"X": "y"}),
        ),
        ('{ kind = "tls", name = "www.example.com", days = 3 }', TLSCheck(name="www.example.com", days=3)),
        ('{ kind = "ping", fall = 1 }', PingCheck(fall=1)),
        ('{ kind = "dns", name = "www.example.com", type = "AAAA" }', DNSCheck("www.example.com", "AAAA")),
        ('{ kind = "command", command = ["probe", "{address}"] }', CommandCheck(["probe", "{address}"])),
    ],
)
def test_checks(loaded_from, table: str, check: object) -> None:  # type: ignore[no-untyped-def]
    loaded = loaded_from(f'[[pool]]\nname = "a"\ntargets = ["192.0.2.1"]\ncheck = {table}')
    assert loaded.targets[0].check == check


def test_load_from_prometheus(loaded_from) -> None:  # type: ignore[no-untyped-def]
    load = '{ kind = "prometheus", metric = "busy", labels = { site = "a" } }'
    loaded = loaded_from(f'[[pool]]\nname = "a"\ntargets = ["192.0.2.1"]\nload = {load}')
    assert loaded.targets[0].load == PrometheusLoad("busy", {"site": "a"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            POLICY + 'answer = "ue"',
            "pippin.toml:15: policy 'www.example.com': 'ue' is no pool, address or outcome",
        ),
        (POLICY + 'answer = "nodata"', "did you mean|pools here: eu, us"),
        (POLICY + 'answer = "eu"\nweights = { eu = 1 }', "it needs `answer` or `weights`, and not both"),
        (POLICY + 'continent = { EU = "eu" }', "it needs `answer` or `weights`, and not both"),
        (
            POLICY + 'answer = "eu"\ncontinent = { XX = "eu" }',
            "continent 'XX' is not known; known are AF, AN",
        ),
        (
            POLICY + 'answer = "eu"\ncountry = { Germany = "eu" }',
            "country 'Germany': two capital letters are right",
        ),
        (POLICY + 'answer = "eu"\nnetwork = { lab = "eu" }', "network 'lab' is not known; known are none"),
        (POLICY + "answer = []", "an empty list says nothing"),
        (POLICY + "weights = { eu = -1 }", "weight -1: an integer is right"),
        (POLICY.replace('"A"', '"SOA"') + 'answer = "eu"', "no policy can answer SOA"),
        (POLICY.replace("www.", "www..") + 'answer = "eu"', "'www..example.com' is no name"),
        (
            POLICY + 'answer = "eu"' + POLICY + 'answer = "us"',
            "pippin.toml:19: .* is answered at .*pippin.toml:15 already",
        ),
        ('[[pool]]\nname = "eu"\ntargets = []', "pippin.toml:15: pool 'eu': pool 'eu' is there twice"),
        ('[[pool]]\nname = "a"\ntargets = []\nempty = "opne"', "pool a: empty='opne' is none of 'open'"),
        (
            '[[pool]]\nname = "a"\ntargets = []\ncheck = { port = 1 }',
            "check: `kind` is one of http, tcp, tls",
        ),
        (
            '[[pool]]\nname = "a"\ntargets = []\ncheck = { kind = "tcp", prot = 1 }',
            "unknown key 'prot', did you mean 'port'",
        ),
        (
            '[[pool]]\nname = "a"\ntargets = []\ncheck = { kind = "tcp" }',
            "check: .*missing 1 required .* 'port'",
        ),
        ('[[pool]]\nname = "a"\ntargets = []\ncheck = { kind = "tcp", port = 0 }', "port=0 is none"),
        ('[[pool]]\nname = "a"\ntargets = []\ncheck = { kind = "tcp", port = "a" }', "check: "),
        (
            '[[pool]]\nname = "a"\ntargets = []\nload = { kind = "xml" }',
            "load: `kind` is one of json, prometheus",
        ),
        (
            '[networks]\noffice = ["10.0.0.1/8"]',
            "pippin.toml:15: networks: 'office': '10.0.0.1/8' is no network",
        ),
    ],
)
def test_mistake_is_told_with_its_line(loaded_from, text: str, message: str) -> None:  # type: ignore[no-untyped-def]
    (problem,) = loaded_from(POOLS + "\n" * (text[0] == "[") + text).problems
    assert re.search(message, str(problem)), problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[policy]]\nnaem = "a"', "pippin.toml:2: unknown key 'policy.naem', did you mean 'name'?"),
        ('[[policy]]\nname = "a"\ntype = "A"\ndraw = "dice"', "pippin.toml:4: policy.draw: "),
        ('[[pool]]\nname = "a"', "`targets` is missing"),
        (
            "[networks]\noffice = 3",
            "pippin.toml:2: networks.office: expected a list, found an integer|networks",
        ),
    ],
)
def test_mistakes_of_form_are_the_configurations(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pippin.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        read_settings(path)


def test_configuration_without_policies_is_no_policy_file(tmp_path: Path) -> None:
    (tmp_path / "pippin.toml").write_text('policies = ["a.py"]')
    assert read_settings(tmp_path / "pippin.toml").policies == (str(tmp_path / "a.py"),)
