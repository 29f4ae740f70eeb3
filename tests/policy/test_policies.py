"""Declaring policies: what `answer` takes, and what it refuses when the file is imported."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from pippin import NODATA, Client, Name, Plan, Policies, Record
from pippin.policy.policies import Options, Policy, PolicyError, check_name


def only(policies: Policies) -> Policy:
    (policy,) = policies
    return policy


def test_decorated_function_stays_a_function() -> None:
    policies = Policies()

    @policies.answer("WWW.Example.com.", "a", ttl=5)
    def www(client: Client) -> str:
        return "192.0.2.1"

    assert www(None) == "192.0.2.1"  # type: ignore[arg-type]  # it does not look
    policy = only(policies)
    assert (policy.name, policy.type, policy.rdtype) == ("www.example.com", "A", 1)
    assert policy.owner == b"\3www\7example\3com\0"
    assert (policy.wants, policy.is_async, policy.options) == (("client",), False, Options(ttl=5))
    assert policy.place.file == __file__
    assert policies.find("www.example.com.", "A") is policy
    assert policies.find("www.example.com", "AAAA") is None


def test_one_function_may_answer_for_several_names_and_types() -> None:
    policies = Policies(ttl=7)

    @policies.answer("c.example.com", "TXT")
    @policies.answer(["a.example.com", "*.b.example.com"], ("A", "AAAA"))
    def several(client: Client, name: Name) -> Plan:
        return NODATA

    assert [str(policy) for policy in policies] == [
        "a.example.com A",
        "a.example.com AAAA",
        "*.b.example.com A",
        "*.b.example.com AAAA",
        "c.example.com TXT",
    ]
    assert {policy.options.ttl for policy in policies} == {7}
    assert len(policies) == 5


def test_only_what_the_signature_names_is_given() -> None:
    policies = Policies()

    @policies.answer("a.example.com", "A")
    def hour(now: object, bound: int = 3) -> object:
        return now, bound

    @policies.answer("b.example.com", "A")
    async def later(*, health: object) -> object:
        return health

    first, second = policies
    assert first.call({"client": 1, "now": 2, "name": 3, "health": 4}) == (2, 3)
    assert (second.wants, second.is_async) == (("health",), True)


def test_partials_and_objects_are_functions_too() -> None:
    class Choose:
        def __call__(self, client: Client) -> Plan:
            return NODATA

    def either(site: str, client: Client) -> str:
        return site

    policies = Policies()
    policies.answer("a.example.com", "A")(Choose())
    policies.answer("b.example.com", "A")(functools.partial(either, "192.0.2.1"))
    assert [policy.call({"client": None}) for policy in policies] == [NODATA, "192.0.2.1"]


def positional(client: Client, /) -> str:
    return ""


def generator(client: Client) -> object:
    yield "192.0.2.1"


def request(request: object) -> str:
    return ""


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda p: p.answer("a..b", "A"), r"'a..b' is no name"),
        (lambda p: p.answer("a.*.b", "A"), r"a wildcard is the first label of a name"),
        (lambda p: p.answer(".", "A"), "is no name that a policy can answer for"),
        (lambda p: p.answer(7, "A"), "7 is no name"),
        (lambda p: p.answer("x" * 64 + ".example", "A"), "is no name"),
        (lambda p: p.answer([], "A"), "answer needs a name and a type"),
        (lambda p: p.answer("a", "AAAAA"), "'AAAAA' is no record type that a policy could answer"),
        (lambda p: p.answer("a", "ANY"), "'ANY' is no record type that a policy could answer"),
        (lambda p: p.answer("a", "CNAME"), r"no policy can answer CNAME: return cname\(...\)"),
        (lambda p: p.answer("a", "SOA"), "the SOA record is zone data"),
        (lambda p: p.answer("a", "A", ttl=-1), "ttl=-1: seconds, 0 to"),
        (lambda p: p.answer("a", "A", ttl="5"), "ttl='5'|not supported"),
        (lambda p: p.answer("a", "A", budget=0), "budget=0: seconds, more than 0 and at most 10"),
        (
            lambda p: p.answer("a", "A", fallback="lats"),
            "fallback='lats' is none of 'last', 'zone', 'servfail', nor a plan",
        ),
        (lambda p: p.answer("a", "AAAA", fallback=Record("x"))(print), "fallback: 'x' is no IPv6 address"),
        (
            lambda p: p.answer("a", "A")(request),
            "request has a parameter 'request', but policies are given client, name",
        ),
        (lambda p: p.answer("a", "A")(positional), "its parameter 'client' cannot be given by name"),
        (lambda p: p.answer("a", "A")(generator), "generator is a generator; a policy returns one plan"),
        (lambda p: p.answer("a", "A")(7), "7 is no function"),
        (lambda p: Policies(networks={"office": "10.0.0.0/8"}), r"right would be \['10.0.0.0/8'\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(declare: Callable[[Policies], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare(Policies())


def test_name_and_type_are_answered_once() -> None:
    policies = Policies()
    policies.answer("a.example.com", "A")(lambda: "192.0.2.1")
    with pytest.raises(PolicyError, match=rf"a.example.com A is answered at {__file__}:\d+ already"):
        policies.answer("A.example.com.", "A")(lambda: "192.0.2.1")


def test_databases_are_found_beside_the_file() -> None:
    here = Path(__file__).parent
    assert Policies(geo="a.mmdb").geo == (str(here / "a.mmdb"),)
    assert Policies(geo=["a.mmdb", Path("/srv/b.mmdb")]).geo == (str(here / "a.mmdb"), "/srv/b.mmdb")


def test_names_with_escapes_and_unicode() -> None:
    assert check_name("Bücher.example") == "xn--bcher-kva.example"
    assert check_name(r"a\.b.example") == r"a\.b.example"
