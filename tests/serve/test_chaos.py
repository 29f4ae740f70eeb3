"""Class CH (RFC 4892): refused unless the operator gives a text."""

from __future__ import annotations

import asyncio

import dns.message
import dns.rcode
import dns.rdataclass
import pytest

from pippin.query.pipeline import Outcome
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve.chaos import Chaos


def ask(name: str, rdtype: str = "TXT", rdclass: str = "CH", **texts: str | None) -> tuple[Query, Outcome]:
    chaos = Chaos(texts.get("version"), texts.get("server_id"))
    message = dns.message.make_query(name, rdtype, rdclass)
    query = Query(message.to_wire(), ("127.0.0.1", 5353), Transport.UDP)
    return query, asyncio.run(chaos.handle(query))


@pytest.mark.parametrize(
    "name", ["version.bind", "version.server", "id.server", "hostname.bind", "other.bind"]
)
def test_nothing_is_told_by_default(name: str) -> None:
    _, outcome = ask(name)
    assert isinstance(outcome, Reply)
    assert outcome.rcode == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("name", "text"),
    [("version.bind", "7"), ("VERSION.Server", "7"), ("id.server", "ams1"), ("hostname.bind", "ams1")],
)
def test_configured_texts_are_told(name: str, text: str) -> None:
    query, outcome = ask(name, version="7", server_id="ams1")
    assert isinstance(outcome, Reply)
    wire = query.wire[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + query.wire[12:] + outcome.body
    (rrset,) = dns.message.from_wire(wire).answer
    assert rrset.to_text() == f'{name}. 0 CH TXT "{text}"'


def test_other_types_are_refused_and_other_classes_left_to_others() -> None:
    _, outcome = ask("version.bind", "A", version="7")
    assert isinstance(outcome, Reply)
    assert outcome.rcode == dns.rcode.REFUSED
    assert ask("version.bind", rdclass="IN", version="7")[1] is None
