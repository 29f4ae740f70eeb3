"""Policies over real sockets: what clients get, what is remembered, and what a bad policy can't do to others."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import mmdb_writer
import netaddr
import pytest
from structlog.testing import capture_logs

from pippin.engine.compile import compile_zone
from pippin.policy.client import Client, Health, Name, Now
from pippin.policy.plans import (
    DROP,
    NODATA,
    NXDOMAIN,
    PASS,
    REFUSED,
    SERVFAIL,
    Plan,
    PlanLike,
    alias,
    all_of,
    cname,
    records,
    rotate,
    sticky,
    weighted,
)
from pippin.policy.policies import Policies
from pippin.policy.pools import Pool
from pippin.serve.in_process import InProcessServer
from pippin.serve.policies import EVALUATIONS_AT_ONCE, EVALUATIONS_DUE, PolicyStatistics
from pippin.store.health import FORCED_UP
from tests.zone.images import stream_of

PATIENCE = 20.0
TEXT = """
@ SOA ns1 hostmaster {serial} 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
own A 192.0.2.10
static A {address}
"""
ORIGIN = b"\7example\0"


def publish(
    server: InProcessServer, policies: Policies, serial: int = 1, address: str = "192.0.2.20"
) -> None:
    text = TEXT.format(serial=serial, address=address)
    marks = [(policy.owner, policy.rdtype) for policy in policies]
    image, findings = compile_zone(stream_of(text, "example."), ORIGIN, server.seed, b"", marks)
    assert not findings
    server.publish(image)


def serve(policies: Policies, *pools: Pool, **options: object) -> InProcessServer:
    server = InProcessServer(policies=policies, pools=pools, **options)
    publish(server, policies)
    return server


def answering(plan: PlanLike, name: str = "www.example", rdtype: str = "A", **options: object) -> Policies:
    """One policy that always answers the same."""
    policies = Policies()

    @policies.answer(name, rdtype, **options)  # type: ignore[arg-type]
    def constant() -> PlanLike:
        return plan

    return policies


def ask(
    server: InProcessServer,
    name: str = "www.example",
    rdtype: str = "A",
    *,
    tcp: bool = False,
    subnet: str | None = None,
    timeout: float = 5.0,
) -> dns.message.Message:
    options = []
    if subnet is not None:
        address, _, bits = subnet.partition("/")
        options.append(dns.edns.ECSOption(address, int(bits)))
    query = dns.message.make_query(name, rdtype, use_edns=0, options=options)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, server.addresses[0].host, timeout, server.addresses[0].port)


def answers(reply: dns.message.Message) -> list[str]:
    return [str(rdata) for rrset in reply.answer for rdata in rrset]


def answer(server: InProcessServer, name: str = "www.example", rdtype: str = "A", **how: str) -> str:
    (found,) = answers(ask(server, name, rdtype, **how))  # type: ignore[arg-type]
    return found


def statistics(server: InProcessServer, name: str = "www.example") -> PolicyStatistics:
    (found,) = (each for each in server.policy_statistics() if each.name == name)
    return found


def extended_errors(reply: dns.message.Message) -> list[int]:
    return [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)]


def scope(reply: dns.message.Message) -> int:
    (option,) = (option for option in reply.options if isinstance(option, dns.edns.ECSOption))
    return option.scopelen


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_signed_question_is_the_policys_too() -> None:
    """TSIG (RFC 8945) is not checked here, and no reason to answer from the zone that the name has no records."""
    with serve(answering("192.0.2.80")) as server:
        query = dns.message.make_query("www.example", "A")
        query.use_tsig(dns.tsig.Key("key.example", b"0123456789abcdef"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5.0)
            client.sendto(query.to_wire(), (server.addresses[0].host, server.addresses[0].port))
            assert answers(dns.message.from_wire(client.recv(512))) == ["192.0.2.80"]


def test_two_opt_records_are_no_question() -> None:
    """RFC 6891 section 6.1.1."""
    with serve(answering("192.0.2.80")) as server:
        plain = dns.message.make_query("www.example", "A").to_wire()
        packet = plain[:10] + b"\0\2" + plain[12:] + 2 * (b"\0\0\x29\x04\xd0" + bytes(6))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5.0)
            client.sendto(packet, (server.addresses[0].host, server.addresses[0].port))
            assert dns.message.from_wire(client.recv(512)).rcode() == dns.rcode.FORMERR


# ---- what is remembered


@pytest.mark.parametrize("tcp", [False, True])
def test_an_answer_is_worked_out_once_and_then_remembered(tcp: bool) -> None:
    with serve(answering("192.0.2.80", ttl=17)) as server:
        for _ in range(5):
            reply = ask(server, tcp=tcp)
            assert [str(rrset) for rrset in reply.answer] == ["www.example. 17 IN A 192.0.2.80"]
            assert reply.flags & dns.flags.AA
        found = statistics(server)
        assert (found.evaluations, found.hits, found.entries) == (1, 4, 1)
        assert server.counters()["slow"] == 1


def test_other_facts_are_other_answers() -> None:
    policies = Policies()

    @policies.answer("www.example", "A")
    def www(client: Client) -> str:
        return "192.0.2.1" if client.transport == "udp" else "192.0.2.2"

    with serve(policies) as server:
        for _ in range(3):
            assert answer(server) == "192.0.2.1"
            assert answers(ask(server, tcp=True)) == ["192.0.2.2"]
        assert statistics(server).evaluations == 2
        assert statistics(server).distinct == {"client.transport": 2}


def test_what_was_learned_outlives_a_new_version_of_the_zone() -> None:
    policies = answering("192.0.2.80")
    with serve(policies) as server:
        ask(server)
        publish(server, policies, serial=2)
        assert answer(server) == "192.0.2.80"
        assert statistics(server).evaluations == 1
        assert ask(server, "example", "SOA").answer[0][0].serial == 2


def test_without_a_memo_a_policy_runs_for_each_query() -> None:
    policies = Policies()
    numbers = iter(range(1, 255))

    @policies.answer("www.example", "A", memo=False)
    def www() -> str:
        return f"192.0.2.{next(numbers)}"

    with serve(policies) as server:
        assert [answer(server) for _ in range(4)] == [f"192.0.2.{n}" for n in range(1, 5)]
        found = statistics(server)
        assert (found.evaluations, found.hits, found.entries) == (4, 0, 0)


def test_an_answer_of_too_many_facts_is_worked_out_each_time_and_said_once() -> None:
    policies = Policies()
    pool = Pool("many", [f"10.0.{n // 256}.{n % 256}" for n in range(100)])

    @policies.answer("www.example", "A")
    def www(health: Health) -> str:
        return f"192.0.2.{pool.up_count(health)}"

    with capture_logs() as logs, serve(policies, pool) as server:
        assert [answer(server) for _ in range(3)] == ["192.0.2.100"] * 3
        found = statistics(server)
        assert (found.evaluations, found.forgotten, found.failures) == (3, 3, 0)
    assert [log["policy"] for log in logs if "cannot be remembered" in log["event"]] == ["www.example A"]


# ---- facts


def test_a_wildcard_policy_is_given_the_labels_it_stands_for() -> None:
    policies = Policies()

    @policies.answer("*.cdn.example", "TXT")
    def cdn(name: Name) -> str:
        return "-".join(name.captured) + " of " + name.text

    with serve(policies) as server:
        for _ in range(2):
            reply = ask(server, "One.Two.cdn.example", "TXT")
            assert answers(reply) == ['"one-two of one.two.cdn.example"']
            assert str(reply.answer[0].name) == "One.Two.cdn.example."
            assert answer(server, "three.cdn.example", "TXT") == '"three of three.cdn.example"'
        assert statistics(server, "*.cdn.example").evaluations == 2
        assert ask(server, "cdn.example", "TXT").rcode() == dns.rcode.NOERROR
        assert ask(server, "three.cdn.example", "A").rcode() == dns.rcode.NOERROR


def test_the_address_of_a_client_subnet_decides_and_the_scope_says_how_much_of_it() -> None:
    policies = Policies()

    @policies.answer("www.example", "TXT")
    def www(client: Client) -> str:
        return f"{client.subnet(v4=16, v6=40)}"

    with serve(policies) as server:
        for _ in range(2):
            reply = ask(server, rdtype="TXT", subnet="203.0.113.0/24")
            assert (answers(reply), scope(reply)) == (['"203.0.0.0/16"'], 16)
            reply = ask(server, rdtype="TXT", subnet="2001:db8:1234:5600::/56")
            assert (answers(reply), scope(reply)) == (['"2001:db8:1200::/40"'], 40)
            reply = ask(server, rdtype="TXT", subnet="203.0.113.0/0")  # RFC 7871 section 7.1.2: do not use it
            assert (answers(reply), scope(reply)) == (['"127.0.0.0/16"'], 0)
            assert answers(ask(server, rdtype="TXT")) == ['"127.0.0.0/16"']
        assert statistics(server).evaluations == 3


def test_a_client_subnet_from_somebody_else_is_ignored() -> None:
    policies = Policies()

    @policies.answer("www.example", "A")
    def www(client: Client) -> str:
        return str(client.address)

    with serve(policies, client_subnet_from=("192.0.2.0/24",)) as server:
        reply = ask(server, subnet="203.0.113.0/24")
        assert answers(reply) == ["127.0.0.1"]
        assert not reply.options


def write_database(path: Path, countries: dict[str, str]) -> None:
    """Put a database into place as geoipupdate does: written beside, then renamed."""
    writer = mmdb_writer.MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country")
    for network, country in countries.items():
        writer.insert_network(netaddr.IPSet([network]), {"country": {"iso_code": country}})
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    new.rename(path)


COUNTRIES = {"203.0.113.0/24": "DE", "198.51.100.0/25": "US", "2001:db8::/32": "JP"}


def geo_policies(path: Path) -> Policies:
    policies = Policies(geo=path)

    @policies.answer("www.example", "TXT")
    def www(client: Client) -> str:
        return client.country or "nowhere"

    return policies


def test_the_country_is_found_in_the_database_and_the_scope_is_the_depth_of_its_leaf(tmp_path: Path) -> None:
    write_database(tmp_path / "geo.mmdb", COUNTRIES)
    with serve(geo_policies(tmp_path / "geo.mmdb")) as server:
        for _ in range(2):
            for subnet, country, depth in (
                ("203.0.113.0/24", "DE", 24),
                ("203.0.113.128/25", "DE", 24),
                ("198.51.100.0/24", "US", 25),
                ("2001:db8:5::/48", "JP", 32),
            ):
                reply = ask(server, rdtype="TXT", subnet=subnet)
                assert (answers(reply), scope(reply)) == ([f'"{country}"'], depth)
            reply = ask(server, rdtype="TXT", subnet="198.51.100.128/25")
            assert (answers(reply), scope(reply)) == (['"nowhere"'], 25)
        found = statistics(server)
        assert found.distinct == {"client.country": 4}
        assert found.entries == 4


def test_a_replaced_database_is_used_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    write_database(path, COUNTRIES)
    with serve(geo_policies(path)) as server:
        assert answer(server, rdtype="TXT", subnet="203.0.113.0/24") == '"DE"'
        write_database(path, {"203.0.113.0/24": "FR", "192.0.2.0/24": "DE"})
        wait_until(lambda: answer(server, rdtype="TXT", subnet="203.0.113.0/24") == '"FR"')
        assert answer(server, rdtype="TXT", subnet="192.0.2.0/24") == '"DE"'


def test_networks_of_the_user() -> None:
    policies = Policies(networks={"office": ["203.0.113.0/24"], "lab": ["203.0.113.64/26", "2001:db8::/48"]})

    @policies.answer("www.example", "TXT")
    def www(client: Client) -> str:
        return client.network or "outside"

    with serve(policies) as server:
        for _ in range(2):
            assert answer(server, rdtype="TXT", subnet="203.0.113.1/32") == '"office"'
            assert answer(server, rdtype="TXT", subnet="203.0.113.65/32") == '"lab"'
            assert answer(server, rdtype="TXT", subnet="2001:db8::/56") == '"lab"'
            assert answer(server, rdtype="TXT") == '"outside"'
        assert statistics(server).distinct == {"client.network": 3}


def test_the_time_is_a_fact() -> None:
    policies = Policies()

    @policies.answer("www.example", "TXT")
    def www(now: Now) -> str:
        return f"{now.date} {now.at('Asia/Tokyo').weekday}"

    with serve(policies) as server:
        found = {answer(server, rdtype="TXT") for _ in range(3)}
        assert len(found) <= 2  # midnight may pass
        assert statistics(server).distinct.keys() == {"now.date", "now.at('Asia/Tokyo').weekday"}


def test_a_target_that_goes_down_is_in_no_answer_from_then_on() -> None:
    policies = Policies()
    pool = Pool("web", ["192.0.2.1", "192.0.2.2"])
    spare = Pool("spare", ["192.0.2.3"])

    @policies.answer("www.example", "A")
    def www() -> Plan:
        return pool.or_else(spare)

    with serve(policies, pool, spare) as server:
        assert {answer(server) for _ in range(50)} == {"192.0.2.1", "192.0.2.2"}
        server.health.set_checked(server.health_rows["web/192.0.2.1"], False, 1)
        assert {answer(server) for _ in range(20)} == {"192.0.2.2"}
        server.health.set_checked(server.health_rows["web/192.0.2.2"], False, 2)
        assert {answer(server) for _ in range(5)} == {"192.0.2.3"}
        server.health.set_override(server.health_rows["web/192.0.2.1"], FORCED_UP, 3)
        assert {answer(server) for _ in range(5)} == {"192.0.2.1"}
        assert statistics(server).evaluations == 1


def test_health_that_a_policy_looked_at_is_a_fact() -> None:
    policies = Policies()
    pool = Pool("web", ["192.0.2.1", "192.0.2.2"])

    @policies.answer("www.example", "TXT")
    def www(health: Health) -> str:
        return str(pool.up_count(health))

    with serve(policies, pool) as server:
        row = server.health_rows["web/192.0.2.2"]
        for now, (up, count) in enumerate([(True, "2"), (False, "1"), (True, "2"), (False, "1")]):
            server.health.set_checked(row, up, now)
            assert answer(server, rdtype="TXT") == f'"{count}"'
        assert statistics(server).evaluations == 2


# ---- plans


def test_weights_are_the_shares_of_answers() -> None:
    """Chi-square with 2 degrees of freedom: 18.4 is passed once in 10,000 runs."""
    pool = Pool("web", {"192.0.2.1": 6, "192.0.2.2": 3, "192.0.2.3": 1})
    with serve(answering(pool), pool) as server:
        draws = 1500
        found = Counter(answer(server) for _ in range(draws))
        expected = {
            address: draws * share
            for address, share in (("192.0.2.1", 0.6), ("192.0.2.2", 0.3), ("192.0.2.3", 0.1))
        }
        assert found.keys() == expected.keys()
        assert sum((found[each] - expected[each]) ** 2 / expected[each] for each in expected) < 18.4


def test_rotation_and_stickiness() -> None:
    policies = Policies()
    pool = Pool("web", ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    policies.answer("turn.example", "A")(lambda: rotate(pool))
    policies.answer("stick.example", "A")(lambda: sticky(pool))
    with serve(policies, pool) as server:
        firsts = [answers(ask(server, "turn.example"))[0] for _ in range(6)]
        assert sorted(firsts) == sorted(2 * ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        for subnet in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "10.1.2.0/24"):
            replies = [ask(server, "stick.example", subnet=subnet) for _ in range(5)]
            assert len({tuple(answers(reply)) for reply in replies}) == 1
            assert {scope(reply) for reply in replies} == {24}


def test_several_records_and_other_types() -> None:
    plan = records("MX", "10 mail.example.net", "20 mail.example.org")
    with serve(answering(plan, rdtype="MX")) as server:
        for _ in range(2):
            assert sorted(answers(ask(server, rdtype="MX"))) == [
                "10 mail.example.net.",
                "20 mail.example.org.",
            ]
            assert ask(server).rcode() == dns.rcode.NOERROR


def test_a_cname_leads_elsewhere() -> None:
    with serve(answering(cname("cdn.example.net"))) as server:
        for _ in range(2):
            reply = ask(server)
            assert [str(rrset) for rrset in reply.answer] == ["www.example. 30 IN CNAME cdn.example.net."]


def test_an_alias_has_the_other_names_records_and_follows_them() -> None:
    policies = answering(alias("static.example"))
    with serve(policies) as server:
        for _ in range(2):
            reply = ask(server)
            assert [str(rrset) for rrset in reply.answer] == ["www.example. 3600 IN A 192.0.2.20"]
        assert statistics(server).evaluations == 1
        publish(server, policies, serial=2, address="192.0.2.21")
        assert answer(server) == "192.0.2.21"


def test_pass_is_what_the_zone_says() -> None:
    policies = Policies()
    policies.answer(["own.example", "www.example"], "A")(lambda: PASS)
    with serve(policies) as server:
        for _ in range(2):
            assert [str(rrset) for rrset in ask(server, "own.example").answer] == [
                "own.example. 3600 IN A 192.0.2.10"
            ]
            reply = ask(server)
            assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize(
    ("plan", "rcode", "soa"),
    [
        (NODATA, dns.rcode.NOERROR, True),
        (NXDOMAIN, dns.rcode.NXDOMAIN, True),
        (REFUSED, dns.rcode.REFUSED, False),
        (SERVFAIL, dns.rcode.SERVFAIL, False),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_answers_without_records_are_the_same_at_first_and_from_the_memo(
    plan: Plan, rcode: dns.rcode.Rcode, soa: bool, tcp: bool
) -> None:
    """RFC 2308 section 3: a negative answer has the SOA, with the lower of its TTL and MINIMUM."""
    with serve(answering(plan)) as server:
        first = ask(server, tcp=tcp)
        assert (first.rcode(), first.answer) == (rcode, [])
        assert [str(rrset).split(" ")[:4] for rrset in first.authority] == [
            ["example.", "300", "IN", "SOA"]
        ] * soa
        again = ask(server, tcp=tcp)
        again.id = first.id
        assert again.to_wire() == first.to_wire()
        assert statistics(server).hits == 1


def test_drop_is_silence() -> None:
    with serve(answering(DROP)) as server:
        for _ in range(2):
            with pytest.raises(dns.exception.Timeout):
                ask(server, timeout=0.3)
        assert answer(server, "static.example") == "192.0.2.20"


def test_an_answer_that_is_too_long_for_udp_is_truncated() -> None:
    plan = all_of(*(f"10.0.0.{n}" for n in range(200)))
    with serve(answering(plan)) as server:
        for _ in range(2):
            assert ask(server).flags & dns.flags.TC
            assert len(answers(ask(server, tcp=True))) == 200


# ---- what goes wrong


def test_a_policy_that_raises_is_answered_by_its_fallback_and_logged_once() -> None:
    policies = Policies()

    @policies.answer("www.example", "A", fallback=cname("spare.example"))
    def www() -> str:
        return {}["nothing"]  # type: ignore[no-any-return]

    with capture_logs() as logs, serve(policies) as server:
        for _ in range(3):
            reply = ask(server)
            assert answers(reply) == ["spare.example."]
            assert extended_errors(reply) == [0]
        found = statistics(server)
        assert (found.failures, found.fallbacks, found.overruns) == (3, 3, 0)
    failed = [log for log in logs if "a policy failed" in log["event"]]
    assert len(failed) == 1
    assert failed[0]["policy"] == "www.example A"
    assert failed[0]["place"].startswith(f"{__file__}:")
    assert failed[0]["error"] == "KeyError: 'nothing'"
    assert any("in www" in log["event"] for log in logs)  # the traceback


@pytest.mark.parametrize(
    ("fallback", "rcode", "found"),
    [
        ("last", dns.rcode.SERVFAIL, []),
        ("servfail", dns.rcode.SERVFAIL, []),
        ("zone", dns.rcode.NOERROR, ["192.0.2.10"]),
        (weighted({"192.0.2.77": 1}), dns.rcode.NOERROR, ["192.0.2.77"]),
        (alias("static.example"), dns.rcode.NOERROR, ["192.0.2.20"]),
        (alias("nowhere.test"), dns.rcode.SERVFAIL, []),
    ],
    ids=str,
)
def test_fallbacks(fallback: Plan, rcode: dns.rcode.Rcode, found: list[str]) -> None:
    with serve(answering(None, "own.example", fallback=fallback)) as server:  # type: ignore[arg-type]
        reply = ask(server, "own.example")
        assert (reply.rcode(), answers(reply), extended_errors(reply)) == (rcode, found, [0])


def test_the_last_good_plan_stands_in() -> None:
    policies = Policies()
    works = [True]

    @policies.answer("www.example", "A", memo=False)
    def www() -> str:
        if not works[0]:
            raise OSError("the database is gone")
        return "192.0.2.80"

    with serve(policies) as server:
        assert answer(server) == "192.0.2.80"
        works[0] = False
        reply = ask(server)
        assert (answers(reply), extended_errors(reply)) == (["192.0.2.80"], [0])


def test_a_cname_that_leads_back_is_a_failure_and_no_answer() -> None:
    """Of the wildcard's names one leads to itself; where the policy does not look which, all lead there."""
    policies = Policies()

    @policies.answer("*.cdn.example", "A", fallback="servfail")
    def cdn(name: Name) -> PlanLike:
        return cname(f"{'b' if name.captured == ('a',) else 'c'}.cdn.example")

    @policies.answer("*.all.example", "A", fallback="servfail")
    def everything() -> PlanLike:
        return cname("a.all.example")

    @policies.answer("www.example", "A", fallback="servfail")
    def www(client: Client) -> PlanLike:
        return cname(f"{client.transport}.example" if client.transport == "tcp" else "www.example")

    with capture_logs() as logs, serve(policies) as server:
        assert answers(ask(server, "a.cdn.example")) == ["b.cdn.example."]
        assert answers(ask(server, "b.cdn.example")) == ["c.cdn.example."]
        assert answers(ask(server, "www.example", tcp=True)) == ["tcp.example."]
        for name in ("c.cdn.example", "b.all.example", "a.all.example", "www.example"):
            reply = ask(server, name)
            assert (reply.rcode(), extended_errors(reply)) == (dns.rcode.SERVFAIL, [0])
        assert statistics(server, "*.all.example").failures == 2
    told = [log["error"] for log in logs if log["event"].startswith("a policy failed")]
    assert len(told) == 3
    assert told[0].startswith("PlanError: c.cdn.example leads back to the name that it answers")


def test_a_wildcards_policy_may_lead_to_a_name_that_the_zone_has() -> None:
    policies = Policies()

    @policies.answer("*.example", "A")
    def any_name() -> PlanLike:
        return cname("static.example")

    with serve(policies) as server:
        assert answers(ask(server, "a.example")) == ["static.example."]
        assert answer(server, "static.example") == "192.0.2.20"


def test_alias_of_what_a_policy_answers_is_a_failure() -> None:
    """The zones don't have its records; an empty answer would look right."""
    policies = Policies()

    @policies.answer("www.example", "A", fallback="servfail")
    def www() -> PlanLike:
        return alias("other.example")

    @policies.answer("other.example", "A")
    def other() -> PlanLike:
        return "192.0.2.1"

    with capture_logs() as logs, serve(policies) as server:
        assert ask(server).rcode() == dns.rcode.SERVFAIL
    (told,) = (log["error"] for log in logs if log["event"].startswith("a policy failed"))
    assert "a policy answers other.example A; give what it gives" in told


@pytest.mark.parametrize("memo", [True, False])
def test_a_policy_that_keeps_failing_rests_and_is_tried_again(memo: bool) -> None:
    policies = Policies()
    works = [False]
    runs = [0]

    @policies.answer("www.example", "A", memo=memo, fallback="zone")
    def www() -> str:
        runs[0] += 1
        if not works[0]:
            raise OSError("the database is gone")
        return "192.0.2.80"

    with capture_logs() as logs, serve(policies) as server:
        began = time.monotonic()
        for _ in range(30):
            assert ask(server).rcode() == dns.rcode.NOERROR
        assert time.monotonic() - began < 1.0 or runs[0] > 5
        assert runs[0] <= 5 + (time.monotonic() - began)
        found = statistics(server)
        assert found.rests >= 1
        assert server.counters()["slow"] <= runs[0] + 2, "the receive loop answers meanwhile"
        assert (found.hits, found.fallbacks) == (0, 30)
        works[0] = True
        wait_until(lambda: answers(ask(server)) == ["192.0.2.80"])
        assert not statistics(server).resting
        assert statistics(server).conflicts == 0
    assert any("keeps failing" in log["event"] for log in logs)


def test_while_it_rests_a_policy_does_not_lose_what_it_had_learned() -> None:
    policies = Policies()

    @policies.answer("www.example", "TXT", fallback=cname("spare.example"))
    def www(client: Client) -> str:
        if client.transport == "tcp":
            raise OSError("only for TCP")
        return "good"

    with serve(policies) as server:
        assert answer(server, rdtype="TXT") == '"good"'
        for _ in range(10):
            reply = ask(server, rdtype="TXT", tcp=True)
            assert (answers(reply), extended_errors(reply)) == (["spare.example."], [0])
        found = statistics(server)
        assert (found.rests, found.fallbacks, found.entries) == (1, 10, 1)
        assert server.counters()["slow"] <= 1 + found.failures + 2, "the receive loop answers meanwhile"
        assert answer(server, rdtype="TXT") == '"good"'


def test_a_policy_that_takes_too_long_is_counted_where_it_cannot_be_interrupted() -> None:
    policies = Policies()

    @policies.answer("www.example", "A", budget=0.005)
    def www() -> str:
        time.sleep(0.2)
        return "192.0.2.80"

    with serve(policies) as server:
        assert answer(server) == "192.0.2.80"
        assert (statistics(server).overruns, statistics(server).failures) == (1, 0)


def test_the_first_run_may_take_ten_times_as_long() -> None:
    policies = Policies()

    @policies.answer("www.example", "A", budget=0.1)
    def www(client: Client) -> str:
        time.sleep(0.2)
        return f"192.0.2.{80 + (client.transport == 'tcp')}"

    with serve(policies) as server:
        assert answer(server) == "192.0.2.80"
        assert statistics(server).overruns == 0
        assert answers(ask(server, tcp=True)) == ["192.0.2.81"]
        assert statistics(server).overruns == 1


def test_a_coroutine_may_wait_and_others_are_answered_meanwhile() -> None:
    policies = Policies()
    waiting = threading.Event()
    go_on: list[asyncio.Event] = []

    @policies.answer("www.example", "A", budget=10.0)
    async def www() -> str:
        go_on.append(asyncio.Event())
        waiting.set()
        await go_on[0].wait()
        return "192.0.2.80"

    with serve(policies) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        query = dns.message.make_query("www.example", "A")
        client.settimeout(PATIENCE)
        client.sendto(query.to_wire(), (server.addresses[0].host, server.addresses[0].port))
        assert waiting.wait(PATIENCE)
        assert answer(server, "static.example") == "192.0.2.20"
        server._loop.call_soon_threadsafe(go_on[0].set)  # type: ignore[union-attr]
        assert answers(dns.message.from_wire(client.recv(512))) == ["192.0.2.80"]
        assert answer(server) == "192.0.2.80"
        assert statistics(server).evaluations == 1


def test_what_a_coroutine_awaited_is_remembered_for_a_ttl() -> None:
    policies = Policies()
    numbers = iter(range(1, 255))

    @policies.answer("www.example", "A", ttl=1)
    async def www() -> str:
        return f"192.0.2.{next(numbers)}"

    with serve(policies) as server:
        assert answer(server) == "192.0.2.1"
        wait_until(lambda: answer(server) != "192.0.2.1")
        assert statistics(server).conflicts == 0


def test_what_has_to_be_awaited_again_is_awaited_once() -> None:
    """The others get the answer of before meanwhile, and no fallback: a TTL's end is no storm on the database."""
    policies = Policies()
    runs = [0]

    @policies.answer("www.example", "A", ttl=1, budget=10.0, fallback="servfail")
    async def www() -> str:
        runs[0] += 1
        await asyncio.sleep(0.3)
        return f"192.0.2.{runs[0]}"

    with serve(policies) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert answer(server) == "192.0.2.1"
        time.sleep(1.05 - time.time() % 1)  # the time of the answer is over now
        client.settimeout(5.0)
        query = dns.message.make_query("www.example", "A").to_wire()
        for _ in range(150):
            client.sendto(query, (server.addresses[0].host, server.addresses[0].port))
        replies = [dns.message.from_wire(client.recv(512)) for _ in range(150)]
        assert {reply.rcode() for reply in replies} == {dns.rcode.NOERROR}
        assert Counter(str(reply.answer[0][0]) for reply in replies) == {"192.0.2.1": 149, "192.0.2.2": 1}
        assert (runs[0], statistics(server).fallbacks) == (2, 0)


def test_a_coroutine_that_hangs_is_cut_off() -> None:
    policies = Policies()

    @policies.answer("www.example", "A", budget=0.05, fallback="servfail")
    async def www() -> str:
        await asyncio.Event().wait()
        return "192.0.2.80"

    with serve(policies) as server:
        assert ask(server).rcode() == dns.rcode.SERVFAIL
        found = statistics(server)
        assert (found.overruns, found.failures, found.fallbacks) == (1, 1, 1)


def test_many_questions_for_a_coroutine_that_hangs_leave_room_for_others() -> None:
    policies = Policies()

    @policies.answer("*.example", "A", budget=5.0, fallback="servfail")
    async def slow(name: Name) -> str:
        await asyncio.Event().wait()
        return name.text

    asked = EVALUATIONS_DUE + 20
    with serve(policies) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        for n in range(asked):
            query = dns.message.make_query(f"n{n}.example", "A")
            client.sendto(query.to_wire(), (server.addresses[0].host, server.addresses[0].port))
        replies = [dns.message.from_wire(client.recv(512)) for _ in range(asked - EVALUATIONS_DUE)]
        assert {reply.rcode() for reply in replies} == {dns.rcode.SERVFAIL}
        found = statistics(server, "*.example")
        assert (found.crowded, found.evaluations) == (20, 0)
        assert answer(server, "static.example") == "192.0.2.20"
    assert EVALUATIONS_AT_ONCE < EVALUATIONS_DUE


def test_equal_questions_that_wait_for_a_coroutine_are_answered_by_one() -> None:
    policies = Policies()
    runs = [0]

    @policies.answer("www.example", "A", budget=5.0)
    async def www() -> str:
        runs[0] += 1
        await asyncio.sleep(0.2)
        return "192.0.2.80"

    with serve(policies) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        for _ in range(60):
            query = dns.message.make_query("www.example", "A")
            client.sendto(query.to_wire(), (server.addresses[0].host, server.addresses[0].port))
        replies = [dns.message.from_wire(client.recv(512)) for _ in range(60)]
        assert {tuple(answers(reply)) for reply in replies} == {("192.0.2.80",)}
        assert runs[0] <= EVALUATIONS_AT_ONCE


# ---- what is watched


def test_a_policy_that_draws_by_itself_is_found_out() -> None:
    policies = Policies()

    @policies.answer("www.example", "A")
    def www(client: Client) -> str:
        return f"192.0.2.{random.randrange(1, 250)}" if client.edns else "192.0.2.1"

    with capture_logs() as logs, serve(policies) as server:

        def is_found_out() -> bool:
            for _ in range(500):
                ask(server)
            return statistics(server).impure > 0

        wait_until(is_found_out)
        assert statistics(server).evaluations == 1
    found = [log for log in logs if "differently under the same facts" in log["event"]]
    assert [(log["policy"], log["facts"]) for log in found] == [("www.example A", "client.edns")]


def test_an_honest_policy_passes_its_audits() -> None:
    pool = Pool("web", ["192.0.2.1", "192.0.2.2"])
    with serve(answering(pool), pool) as server:

        def is_audited() -> bool:
            for _ in range(500):
                ask(server)
            return statistics(server).audits > 0

        wait_until(is_audited)
        assert statistics(server).impure == 0


def test_the_fact_that_fills_a_memo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pippin.serve.policies.MEMO_ENTRIES", 50)
    monkeypatch.setattr("pippin.serve.policy_watch.EVALUATIONS_TO_LOOK", 100)
    policies = Policies()

    @policies.answer("www.example", "A")
    def www(client: Client) -> str:
        return str(client.address) if client.edns else "192.0.2.1"

    with capture_logs() as logs, serve(policies) as server:
        for n in range(200):
            assert answer(server, subnet=f"10.0.0.{n}/32") == f"10.0.0.{n}"
        wait_until(lambda: any("more different answers" in log["event"] for log in logs))
        found = statistics(server)
        assert found.entries <= 50
        assert found.evicted > 100
    named = [log for log in logs if "more different answers" in log["event"]]
    assert [(log["policy"], log["fact"]) for log in named] == [("www.example A", "client.address")]


@pytest.mark.parametrize(
    ("read", "hint"),
    [
        (lambda client, health: client.country, "Policies(geo=...)"),
        (lambda client, health: health.up("web/192.0.2.99"), "no pool has a target 'web/192.0.2.99'"),
        (lambda client, health: client.subnet(v4=33), "0 to 32"),
    ],
)
def test_a_fact_that_nobody_can_know_is_a_failure_with_a_hint(
    read: Callable[[Client, Health], object], hint: str
) -> None:
    policies = Policies()

    @policies.answer("www.example", "TXT")
    def www(client: Client, health: Health) -> str:
        return str(read(client, health))

    with capture_logs() as logs, serve(policies) as server:
        assert ask(server, rdtype="TXT").rcode() == dns.rcode.SERVFAIL
    assert [hint in log["error"] for log in logs if "a policy failed" in log["event"]] == [True]


def test_loads_are_facts_in_steps() -> None:
    policies = Policies()
    pool = Pool("web", ["192.0.2.1"])

    @policies.answer("www.example", "TXT")
    def www(health: Health) -> str:
        return str(health.load("web/192.0.2.1", step=0.25))

    with serve(policies, pool) as server:
        for permille, step in ((None, "None"), (100, "0.0"), (240, "0.0"), (600, "0.5"), (740, "0.5")):
            server.health.set_load(0, permille)
            assert answer(server, rdtype="TXT") == f'"{step}"'
        found = statistics(server)
        assert found.evaluations == 3
        assert found.distinct == {"health.load('web/192.0.2.1', step=0.25)": 3}


def test_new_policies_replace_the_old_ones() -> None:
    with serve(answering("192.0.2.80")) as server:
        assert answer(server) == "192.0.2.80"
        server.set_policies(answering("192.0.2.81"))
        assert answer(server) == "192.0.2.81"
        server.set_policies(())
        assert ask(server).rcode() == dns.rcode.NOERROR
        assert not ask(server).answer
