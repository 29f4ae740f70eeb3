"""Names looked up one by one in a database get the answers that the same zones give when they are loaded.

The worlds are those that oracle and engine agree about. Where there is nothing between two names of a zone, the row
without a type that PowerDNS writes for an empty non-terminal stands there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.serve.live_answers import LiveAnswers
from pippin.source.live import LiveSettings, open_look_up
from pippin.zone.answer import answer
from pippin.zone.problem import Problem
from tests.agreement.harness import CLIENT, NOW, World, show, told
from tests.agreement.test_agreement import PHASES, USUAL, WORLDS
from tests.agreement.worlds import questions, worlds
from tests.databases import database_url, mariadb, postgresql
from tests.source.sql.tables import Tables
from tests.zone.images import DEFAULT_TTL

__all__ = ["database_url", "mariadb", "postgresql"]

PATIENCE = 30.0


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    tables = Tables(database_url, triggers=False)
    yield tables
    tables.close()


def name_in_table(name):
    return name.lower().removesuffix(".") or "."


def rows_of(origin, text):
    """(name, type, content, ttl, prio) of every record, and of every empty non-terminal."""
    owners = set()
    for line in text.splitlines():
        owner, *rest = line.split()
        ttl = int(rest.pop(0)) if rest[0].isdigit() else DEFAULT_TTL
        kind, rdata = rest[0], line.partition(f" {rest[0]} ")[2]
        prio = None
        if kind in ("MX", "SRV"):
            prio, rdata = rdata.split(None, 1)
        owners.add(dns.name.from_text(owner.lower()))
        yield name_in_table(owner), kind, rdata, ttl, prio
    apex = dns.name.from_text(origin)
    above = {
        owner.split(depth)[1] for owner in owners for depth in range(len(apex), len(owner)) if len(owner) > len(apex)
    }
    for name in above - owners:
        yield name_in_table(name.to_text()), None, None, None, None


def fill(tables, texts):
    with tables.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM records")
        connection.exec_driver_sql("DELETE FROM domains")
    for origin, text in texts.items():
        number = tables.ask("SELECT coalesce(max(id), 0) + 1 FROM domains")[0][0]
        name = name_in_table(origin)
        tables.do("INSERT INTO domains (id, name, type) VALUES (:id, :name, 'NATIVE')", id=number, name=name)
        tables.add_all(number, list(rows_of(origin, text)))


def test_looked_up_or_loaded_the_answers_are_the_same(tables: Tables) -> None:
    look_up = open_look_up(LiveSettings(tables.url, timeout=PATIENCE))
    dialect = tables.engine.dialect.name

    @settings(
        max_examples=WORLDS if dialect == "sqlite" else WORLDS // 4,
        deadline=None,
        derandomize=WORLDS == USUAL,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def same(data):
        texts = data.draw(worlds())
        asked = data.draw(questions(texts, dnssec_ok=st.just(False), most=25))
        world = World(texts)
        fill(tables, texts)
        problems: list[Problem] = []
        live = LiveAnswers(look_up, problems.append)
        for question in asked:
            oracle = world.oracle(question)
            name_asked = dns.name.from_text(question.name).canonicalize()
            rdtype = dns.rdatatype.from_text(question.rdtype)
            reply = live.answer(name_asked.to_wire(), rdtype, time.monotonic() + PATIENCE)
            if reply is None:
                assert oracle.rcode == "REFUSED", question
                continue
            found = told(world.responders[0].finish(world.query(question), CLIENT, NOW, True, reply))
            assert found == oracle, show(texts, question, found, oracle, ())
            records = [*found.answer, *found.authority, *found.additional]
            assert reply.ttl == min((ttl for _, ttl, _, _ in records), default=0), question
            whole = answer(world.zones, name_asked, rdtype, False)
            assert reply.glue_required == whole.glue_required, question
        assert problems == []

    same()
    look_up.close()
