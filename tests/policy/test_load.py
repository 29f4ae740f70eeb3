"""Loading policy files: what they declare, and where everything is that is wrong with them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pippin.policy.load import Loaded, load, load_in_time
from pippin.zone.problem import Problem

GOOD = """
    from pippin import HTTPCheck, Policies, Pool

    policies = Policies(networks={"office": ["10.0.0.0/8"]})
    POOLS = {"DE": Pool("de", ["192.0.2.1"]), "US": Pool("us", {"192.0.2.2": 3}, check=HTTPCheck("/"))}


    @policies.answer(["www.example.com", "*.shop.example.com"], "A")
    def www(client):
        return POOLS.get(client.country, POOLS["US"])
    """

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file; what is imported from beside it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(text: str, name: str = "traffic.py") -> str:
        (tmp_path / name).write_text(textwrap.dedent(text))
        return str(tmp_path / name)

    yield write
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def only_problem(loaded: Loaded) -> Problem:
    (problem,) = loaded.problems
    assert loaded.has_errors
    return problem


def test_policies_pools_and_networks_of_a_file(write: Write) -> None:
    file = write(GOOD)
    loaded = load([file])
    assert loaded.problems == ()
    assert [str(policy) for policy in loaded.policies] == ["www.example.com A", "*.shop.example.com A"]
    assert [str(policy.place) for policy in loaded.policies] == [f"{file}:8"] * 2
    assert [target.key for target in loaded.targets] == ["de/192.0.2.1", "us/192.0.2.2"]
    assert loaded.networks.names == ("office",)
    assert loaded.find("www.example.com", "A") is loaded.policies[0]
    assert loaded.find("www.example.com", "AAAA") is None


def test_file_is_a_module_of_its_own_name(write: Write) -> None:
    file = write(
        "import dataclasses\n"
        + textwrap.dedent(GOOD)
        + "\n@dataclasses.dataclass\nclass Site:\n    a: 'int'\n",
        "os.py",
    )
    loaded = load([file, write(GOOD.replace("example.com", "example.net"), "traffic-2.py")])
    assert loaded.problems == ()
    assert len({policy.function.__module__ for policy in loaded.policies}) == 2


def test_modules_beside_the_file_are_imported_and_named(write: Write) -> None:
    helper = write("SITES = ['192.0.2.1']", "sites_beside_policies.py")
    file = write("from sites_beside_policies import SITES\n" + textwrap.dedent(GOOD))
    loaded = load([file])
    assert loaded.problems == ()
    assert loaded.modules == (helper,)


def test_several_files_are_one_set_of_policies(write: Write) -> None:
    first = write(GOOD)
    second = write(
        """
        from pippin import Policies
        policies = Policies(networks={"lab": ["10.1.0.0/16"]})
        policies.answer("lab.example.com", "A")(lambda client: "192.0.2.9")
        """,
        "second.py",
    )
    loaded = load([first, second])
    assert loaded.problems == ()
    assert [policy.name for policy in loaded.policies][-1] == "lab.example.com"
    assert loaded.networks.names == ("office", "lab")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("import nothing_like_this", ":1", "ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("x = (\n", ":1:5", "SyntaxError: '(' was never closed"),
        ("\n\n1 / 0", ":3", "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", ":2", "SystemExit: 3"),
        ("x = '\0'", "", "source code string cannot contain null bytes"),
        (
            "from pippin import Pool\nPool('a', ['192.0.2.1', '192.0.2.1'])",
            ":2",
            "target a/192.0.2.1 is there twice",
        ),
        ("from pippin import Policies\np = Policies()\n\np.answer('a..b', 'A')", ":4", "'a..b' is no name"),
        (
            "from pippin import Policies\np = Policies()\n@p.answer('a', 'A')\ndef f(x): pass",
            ":3",
            "f has a parameter 'x'",
        ),
        ("from pippin import HTTPCheck\nHTTPCheck('x')", ":2", "path='x' is none; right would be '/healthz'"),
        ("from pippin import Policies\n\nPolicies(networks={'a': ['b']})", ":3", "'b' is no network"),
        (
            "from pippin import Policies\n\np = Policies(geo='no.mmdb')\np.answer('a', 'A')(lambda: '')",
            ":3",
            "geo: ",
        ),
        ("x = 1", "", "no policies here; right would be `policies = Policies()`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(write: Write, text: str, place: str, message: str) -> None:
    file = write(text)
    problem = only_problem(load([file]))
    assert str(problem).startswith(f"{file}{place}: ")
    assert message in problem.message


def test_error_in_a_module_beside_the_file_shows_the_way_to_it(write: Write) -> None:
    helper = write("def f():\n    1 / 0\nf()", "broken_beside_policies.py")
    file = write("\nimport broken_beside_policies")
    problem = only_problem(load([file]))
    assert str(problem).startswith(f"{file}:2: ZeroDivisionError: division by zero\n")
    assert f'File "{helper}", line 2, in f' in problem.message
    assert "importlib" not in problem.message


def test_missing_file_is_told() -> None:
    assert (
        str(only_problem(load(["/nowhere/traffic.py"])))
        == "/nowhere/traffic.py: cannot be read: No such file or directory"
    )


def test_a_file_that_fails_does_not_hide_the_others(write: Write) -> None:
    loaded = load([write("1 / 0", "bad.py"), write(GOOD)])
    assert len(loaded.problems) == 1
    assert len(loaded.policies) == 2


def test_name_and_type_in_two_files_is_an_error(write: Write) -> None:
    first, second = write(GOOD), write(GOOD, "second.py")
    problems = load([first, second]).problems
    assert [str(problem) for problem in problems] == [
        f"{second}:8: {name} A is answered at {first}:8 already; one of them is right"
        for name in ("www.example.com", "*.shop.example.com")
    ]


def test_two_pools_of_one_name_have_to_be_the_same(write: Write) -> None:
    other = GOOD.replace("example.com", "example.net")
    assert load([write(GOOD), write(other, "same.py")]).problems == ()
    different = write(other.replace("192.0.2.2", "192.0.2.3"), "different.py")
    problem = only_problem(load([write(GOOD), different]))
    assert (problem.file, problem.message.split(";")[0]) == (different, "another pool is named 'us' already")


def test_network_with_two_names_is_an_error(write: Write) -> None:
    other = write(GOOD.replace("office", "lab").replace("example.com", "example.net"), "other.py")
    assert (
        only_problem(load([write(GOOD), other])).message == "networks: 10.0.0.0/8 is both 'office' and 'lab'"
    )


def test_pools_made_by_a_policy_are_none_of_the_files(write: Write) -> None:
    file = write(
        """
        from pippin import Policies, Pool
        policies = Policies()

        @policies.answer("a.example.com", "A")
        def a(client):
            return Pool("late", ["192.0.2.1"])
        """
    )
    loaded = load([file])
    loaded.policies[0].call({"client": None})
    assert loaded.pools == ()


@pytest.mark.parametrize("line", ["while True: pass", "time.sleep(60)"])
def test_file_that_is_never_done_is_ended_and_its_place_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr("pippin.policy.load.IMPORT_PATIENCE", 0.3)
    file = tmp_path / "traffic.py"
    file.write_text(f"import time\n\n{line}\n")
    (problem,) = load_in_time([str(file)]).problems
    assert (problem.file, problem.line) == (str(file), 3)
    assert problem.message == "not imported after 0.3 s; does it wait for something?"
