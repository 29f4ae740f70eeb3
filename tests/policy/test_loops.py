"""Plans that lead a name back to itself are refused: when a file is read, or when a policy has run."""

from __future__ import annotations

from pathlib import Path

import dns.name
import pytest

from pippin.policy.explain import Explainer, Question
from pippin.policy.given import Lookups
from pippin.policy.load import Loaded, load
from pippin.policy.loops import names_led_to, refuse_loop, refuse_own_name
from pippin.policy.plans import Plan, PlanError, Record, alias, cname, first, sticky, weighted
from pippin.policy.pools import Pool, Target
from pippin.policy.written_loops import written_loops

CDN = Pool(
    "cdn", [Target("A.example.net", type="CNAME"), Target("b.example.net", type="CNAME")], empty=cname("c.example.")
)
TOP = "from pippin import Policies, alias, cname\nimport pippin\npolicies = Policies()\n"
RESOLVERS = "leads back to the name that it answers, which resolvers follow in a circle"
PASSES = "is the name that it answers; PASS gives the zone's own records of that"


def test_names_that_a_plan_leads_to() -> None:
    plan = weighted({CDN: 1, alias("D.example"): 2, first(1, cname("e.example"), "192.0.2.1"): 1})
    assert names_led_to(plan.or_else(sticky(CDN))) == {
        "a.example.net",
        "b.example.net",
        "c.example",
        "d.example",
        "e.example",
    }
    assert names_led_to(Record("192.0.2.1").or_else(Record("mail.example", "PTR"))) == frozenset()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (cname("WWW.example."), f"cname('WWW.example.') {RESOLVERS}"),
        (weighted({CDN: 1, cname("www.example"): 0}), RESOLVERS),
        (alias("www.example"), f"alias('www.example') {PASSES}"),
        (Pool("own", [Target("www.example", type="CNAME")]), RESOLVERS),
    ],
)
def test_own_name(plan: Plan, message: str) -> None:
    refuse_own_name(plan, "other.example")
    with pytest.raises(PlanError) as raised:
        refuse_own_name(plan, "www.example")
    assert message in str(raised.value)


def test_wildcard_may_lead_from_one_of_its_names_to_another() -> None:
    asked = dns.name.from_text("a.cdn.example")
    refuse_loop({"b.cdn.example"}, "*.cdn.example", asked, 1, None, True)
    with pytest.raises(PlanError, match=r"A\.cdn\.example leads back"):
        refuse_loop({"A.cdn.example"}, "*.cdn.example", asked, 1, None, True)


@pytest.mark.parametrize(
    ("declared", "body", "place"),
    [
        ('"www.example", "A"', "return cname('WWW.example.')", "6:12"),
        ('"www.example", "A", memo=False', "return cname('www.example')", "6:12"),
        ('name="www.example", type="A"', "return pippin.cname('www.example')", "6:12"),
        ('["www.example", "b.example"], "A"', "return [cname('b.example')][0]", "6:13"),
        ('"www.example", "A"', "return alias('www.example')", "6:12"),
        ('"www.example", "A"', "return cname('www.example.net')", ""),
        ('"*.example", "A"', "return cname('www.example')", ""),
        ('["www.example", "b.example"], "A"', "return cname('b.example') if name.text[0] == 'w' else '::1'", ""),
    ],
)
def test_own_name_in_the_source(tmp_path: Path, declared: str, body: str, place: str) -> None:
    start = "def www(client, name):" if "name.text" in body else "def www(client):"
    file = tmp_path / "traffic.py"
    file.write_text(f"{TOP}@policies.answer({declared})\n{start}\n    {body}\n")
    loaded = load([str(file)])
    assert [f"{problem.line}:{problem.column}" for problem in loaded.problems] == [place] * bool(place)
    assert loaded.has_errors == bool(place)
    if place:
        assert (PASSES if "alias" in body else RESOLVERS) in loaded.problems[0].message


def test_what_is_no_python_says_nothing() -> None:
    assert list(written_loops("def (", "traffic.py")) == []


def test_own_name_as_fallback(tmp_path: Path) -> None:
    file = tmp_path / "traffic.py"
    file.write_text(
        f"{TOP}@policies.answer('www.example', 'A', fallback=cname('www.example'))\ndef www():\n    return '::1'\n"
    )
    (problem,) = load([str(file)]).problems
    assert problem.message.startswith(f"fallback: cname('www.example') {RESOLVERS}")


def test_own_name_in_a_declared_policy(tmp_path: Path) -> None:
    file = tmp_path / "pippin.toml"
    file.write_text(
        '[networks]\noffice = ["10.0.0.0/8"]\n\n[[policy]]\nname = ["a.example", "b.example"]\ntype = "A"\n'
        'network = { office = "CNAME b.example" }\nanswer = "192.0.2.1"\n'
    )
    (problem,) = load([str(file)]).problems
    assert problem.line == 4
    assert f"cname('b.example') {RESOLVERS}" in problem.message


def explained(loaded: Loaded, name: str) -> str:
    explainer = Explainer(loaded, None, Lookups(loaded.networks), {})
    try:
        return explainer.explain(Question(name, "A", "192.0.2.99")).error
    finally:
        explainer.close()


def test_explain_tells_a_loop_that_only_a_run_shows(tmp_path: Path) -> None:
    file = tmp_path / "traffic.py"
    file.write_text(
        f"{TOP}@policies.answer('*.example', 'A')\ndef any(name):\n    return cname('.'.join(('www', 'example')))\n"
    )
    loaded = load([str(file)])
    assert not loaded.problems
    assert explained(loaded, "www.example") == f"PlanError: www.example {RESOLVERS} (RFC 1034 section 3.6.2)"
    assert explained(loaded, "a.example") == ""
