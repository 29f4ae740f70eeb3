"""Why an answer is what it is: the way to what decides, facts with their sources, health, plan, probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest

from pippin.engine.compile import compile_zone
from pippin.policy.explain import Explainer, Explanation, Question, TargetHealth
from pippin.policy.geo import Geo
from pippin.policy.given import Lookups, Value, moment
from pippin.policy.load import Loaded, load
from pippin.policy.way import find_by_name
from pippin.zone.answer import Zones
from pippin.zone.zone import Zone
from tests.zone.images import SEED, stream_of

POLICIES = """
from pippin import NXDOMAIN, PASS, HTTPCheck, Policies, Pool, Target, alias, rotate, sticky, weighted

near = Pool("near", {"192.0.2.10": 3, "192.0.2.11": 1}, check=HTTPCheck("/healthz"))
far = Pool("far", ["198.51.100.10", Target("198.51.100.11", ttl=5)])
policies = Policies(networks={"office": ["10.0.0.0/8", "2001:db8::/32"]}, ttl=20)

@policies.answer("www.example.com", "A")
def www(client):
    return near.or_else(far) if client.network == "office" else far

@policies.answer("*.cdn.example.com", "A", memo=False)
def cdn(name, client, health, now):
    if name.captured == ("broken",):
        return 1 / 0
    if now.hour >= 18 or not health.up("near/192.0.2.10"):
        return NXDOMAIN
    return sticky(near, v4=20)

@policies.answer("pass.example.com", "A")
def passed(client):
    return weighted({PASS: 1, alias("static.example.com"): 3}) if client.subnet(v4=16) else PASS

@policies.answer("async.example.com", "TXT")
async def later(client):
    return f"{client.transport} {client.subnet_given} {client.resolver}"

@policies.answer("impossible.example.com", "AAAA")
def impossible():
    return "not an address"
"""
ZONE = """
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
static A 192.0.2.2
pass A 192.0.2.3
alias CNAME alias2
alias2 CNAME www
out CNAME www.example.org.
sub NS ns.example.net.
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    path = tmp_path_factory.mktemp("explain") / "traffic.py"
    path.write_text(POLICIES)
    found = load([str(path)])
    assert not found.problems
    return found


@pytest.fixture(scope="module")
def zones(loaded: Loaded) -> Zones:
    origin = dns.name.from_text("example.com").to_wire() or b""
    marks = [(policy.owner, policy.rdtype) for policy in loaded.policies]
    image, findings = compile_zone(stream_of(ZONE, "example.com."), origin, SEED, b"", marks)
    assert not findings
    return Zones([Zone(image)])


class Asker:
    def __init__(self, loaded: Loaded, zones: Zones | None) -> None:
        self.loaded, self.zones = loaded, zones
        self.health: dict[str, TargetHealth] = {}
        self.given: dict[str, Value] = {}
        self.geo: Geo | None = None

    def __call__(
        self, name: str, rdtype: str = "A", client: str = "203.0.113.9", **how: object
    ) -> Explanation:
        explainer = Explainer(
            self.loaded, self.zones, Lookups(self.loaded.networks, self.geo, self.given), self.health
        )
        try:
            return explainer.explain(Question(name, rdtype, client, **how))  # type: ignore[arg-type]
        finally:
            explainer.close()


@pytest.fixture
def ask(loaded: Loaded, zones: Zones) -> Iterator[Asker]:
    return Asker(loaded, zones)  # type: ignore[return-value]


def answers(explanation: Explanation) -> dict[str, float]:
    return {
        possible.outcome or " ".join(possible.records): possible.probability
        for possible in explanation.answers
    }


def test_policy_with_what_it_looked_at(ask: Asker) -> None:
    found = ask("WWW.example.com.", client="10.1.2.3")
    assert (found.name, found.type, found.client) == ("www.example.com", "A", "10.1.2.3")
    assert found.path == ("www.example.com is in zone example.com", "policy www.example.com A answers")
    assert found.policy == "www.example.com A"
    assert found.place.endswith("traffic.py:8")
    assert [(fact.name, fact.value, fact.source) for fact in found.facts] == [
        ("client.network", "office", "networks, 10.0.0.0/8")
    ]
    assert found.plan.startswith("pool near (3 x 192.0.2.10, 192.0.2.11), or else pool far")
    assert found.expression.startswith("Pool('near', {'192.0.2.10': 3, '192.0.2.11': 1}")
    assert answers(found) == {"A 192.0.2.10": 0.75, "A 192.0.2.11": 0.25}
    assert (found.ttl, found.scope, found.memo, found.error) == (20, 8, True, "")


def test_ttl_of_a_target_is_that_of_its_answer(ask: Asker) -> None:
    found = ask("www.example.com")
    assert {possible.records: possible.ttl for possible in found.answers} == {
        ("A 198.51.100.10",): 20,
        ("A 198.51.100.11",): 5,
    }


def test_health_is_told_with_its_source(ask: Asker) -> None:
    ask.health = {
        "near/192.0.2.10": TargetHealth(False, "the server", 2.5, "status 503"),
        "far/198.51.100.10": TargetHealth(False, "--down"),
    }
    found = ask("www.example.com", client="10.1.2.3")
    assert [(each.target, each.available, each.source, each.age, each.is_read) for each in found.health] == [
        ("near/192.0.2.10", False, "the server", 2.5, False),
        ("near/192.0.2.11", True, "assumed", None, False),
        ("far/198.51.100.10", False, "--down", None, False),
        ("far/198.51.100.11", True, "no check", None, False),
    ]
    assert answers(found) == {"A 192.0.2.11": 1.0}


def test_what_was_set_down_by_hand_is_in_no_answer_even_if_all_is_down(ask: Asker) -> None:
    ask.health = {
        "far/198.51.100.10": TargetHealth(False, "set drain by hand", in_use=False),
        "far/198.51.100.11": TargetHealth(False, "the server"),
    }
    assert answers(ask("www.example.com")) == {"A 198.51.100.11": 1.0}
    ask.health["far/198.51.100.11"] = TargetHealth(False, "--drain", in_use=False)
    assert answers(ask("www.example.com")) == {"NODATA": 1.0}


def test_health_that_the_policy_read_is_marked(ask: Asker) -> None:
    found = ask("a.cdn.example.com", at=moment("2026-12-24 12:00"))
    assert [each.target for each in found.health if each.is_read] == ["near/192.0.2.10"]
    assert not found.memo
    assert [fact.name for fact in found.facts] == [
        "name.captured",
        "now.hour",
        "health.up('near/192.0.2.10')",
    ]
    ask.health = {"near/192.0.2.10": TargetHealth(False, "--down")}
    assert answers(ask("a.cdn.example.com", at=moment("2026-12-24 12:00"))) == {"NXDOMAIN": 1.0}


def test_wildcard_says_what_it_stands_for(ask: Asker) -> None:
    found = ask("A.b.cdn.example.com", at=moment("2026-12-24 12:00"))
    assert found.path[-1] == "policy *.cdn.example.com A answers, whose * stands for a.b"
    assert found.facts[0].value == "a.b"


def test_any_moment_can_be_asked_about(ask: Asker) -> None:
    assert answers(ask("a.cdn.example.com", at=moment("2026-12-24 18:00"))) == {"NXDOMAIN": 1.0}
    assert set(answers(ask("a.cdn.example.com", at=moment("2026-12-24 17:59")))) == {
        "A 192.0.2.10",
        "A 192.0.2.11",
    }


def test_scope_is_the_deepest_look_at_the_address(ask: Asker) -> None:
    """RFC 7871 section 7.2.1: named networks, prefixes that were read, and sticky choices."""
    assert ask("a.cdn.example.com", at=moment("2026-12-24 12:00")).scope == 20
    assert ask("pass.example.com").scope == 16
    assert ask("www.example.com", client="2001:db8::/32").scope == 32
    assert ask("async.example.com", "TXT").scope == 0


def test_client_behind_a_resolver(ask: Asker) -> None:
    direct = ask("async.example.com", "TXT", client="203.0.113.9")
    assert answers(direct) == {'TXT "udp False 203.0.113.9"': 1.0}
    behind = ask("async.example.com", "TXT", client="203.0.113.0/24", resolver="192.0.2.53", is_tcp=True)
    assert answers(behind) == {'TXT "tcp True 192.0.2.53"': 1.0}
    assert (behind.client, behind.resolver) == ("203.0.113.0/24", "192.0.2.53")


def test_passing_to_the_zone_shows_its_records(ask: Asker) -> None:
    found = ask("pass.example.com")
    assert answers(found) == {"A 192.0.2.2": 0.75, "PASS": 0.25}
    assert found.zone_answer == ("pass.example.com 3600 A 192.0.2.3",)
    assert found.facts[-1].name == "client.subnet(v4=16, v6=56)"


def test_aliases_lead_to_the_policy(ask: Asker) -> None:
    found = ask("alias.example.com", client="10.1.2.3")
    assert found.policy == "www.example.com A"
    assert found.path[1] == "it is an alias: resolvers ask for www.example.com next"
    assert found.zone_answer == (
        "alias.example.com 3600 CNAME alias2.example.com.",
        "alias2.example.com 3600 CNAME www.example.com.",
    )


@pytest.mark.parametrize(
    ("name", "rdtype", "answer"),
    [
        ("static.example.com", "A", ("static.example.com 3600 A 192.0.2.2",)),
        ("static.example.com", "AAAA", ("NODATA",)),
        ("nope.example.com", "A", ("NXDOMAIN",)),
        ("www.example.com", "TXT", ("NODATA",)),
        ("x.sub.example.com", "A", ("referral to sub.example.com",)),
        ("www.example.org", "A", ("REFUSED",)),
        ("out.example.com", "A", ("out.example.com 3600 CNAME www.example.org.", "REFUSED")),
        ("alias.example.com", "CNAME", ("alias.example.com 3600 CNAME alias2.example.com.",)),
    ],
)
def test_what_zones_decide(ask: Asker, name: str, rdtype: str, answer: tuple[str, ...]) -> None:
    found = ask(name, rdtype)
    assert found.policy == ""
    assert found.zone_answer == answer


def test_failing_policy_is_shown_with_traceback_and_fallback(ask: Asker) -> None:
    found = ask("broken.cdn.example.com")
    assert "ZeroDivisionError: division by zero" in found.error
    assert "traffic.py" in found.error
    assert "watchdog" not in found.error.lower()
    assert (found.plan, found.answers, found.fallback) == ("", (), "last")
    assert [fact.name for fact in found.facts] == ["name.captured"]


def test_impossible_plan_is_an_error(ask: Asker) -> None:
    found = ask("impossible.example.com", "AAAA")
    assert found.plan == "not an address"
    assert "is no IPv6 address" in found.error


def test_values_can_be_given_instead_of_looked_up(ask: Asker) -> None:
    ask.given = {"network": "office"}
    found = ask("www.example.com")
    assert (found.facts[0].value, found.facts[0].source, found.scope) == ("office", "given", 0)


def test_database_is_named_with_the_prefix_it_has(tmp_path: Path) -> None:
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
    writer.insert_network(IPSet(["203.0.112.0/22"]), {"country": {"iso_code": "DE"}})
    writer.to_db_file(str(tmp_path / "country.mmdb"))
    (tmp_path / "geo.py").write_text(
        "from pippin import Policies\n"
        "policies = Policies(geo='country.mmdb')\n"
        "@policies.answer('www.example.com', 'TXT')\n"
        "def www(client): return str(client.country)\n"
    )
    loaded = load([str(tmp_path / "geo.py")])
    ask = Asker(loaded, None)
    ask.geo = Geo(loaded.geo)
    found = ask("www.example.com", "TXT", client="203.0.113.9")
    assert (found.facts[0].value, found.facts[0].source) == ("DE", "country.mmdb, 203.0.112.0/22")
    assert found.scope == 22
    ask.geo = None
    assert "client.country is not known" in ask("www.example.com", "TXT").error


def test_without_zones_the_name_alone_decides(loaded: Loaded) -> None:
    ask = Asker(loaded, None)
    assert ask("www.example.com").path == ("policy www.example.com A answers (zones were not looked at)",)
    assert ask("nope.example.com").path == ("no policy answers nope.example.com A",)
    assert find_by_name(loaded, "a.b.cdn.example.com", "A") is loaded.find("*.cdn.example.com", "A")
    assert find_by_name(loaded, "cdn.example.com", "A") is None


@pytest.mark.parametrize(
    ("name", "rdtype", "client"), [("a..b", "A", "::1"), ("a", "ANY", "::1"), ("a", "A", "me")]
)
def test_impossible_questions_are_refused(ask: Asker, name: str, rdtype: str, client: str) -> None:
    with pytest.raises(ValueError, match=r"is no|does not appear|that only questions"):
        ask(name, rdtype, client)


def test_explanation_is_plain_values(ask: Asker) -> None:
    import msgspec

    found = msgspec.to_builtins(ask("www.example.com", client="10.1.2.3"))
    assert found["answers"][0]["probability"] == 0.75
