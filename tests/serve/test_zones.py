"""The handler for questions about zones, and the views it keeps on published images."""

from __future__ import annotations

import asyncio

import dns.message
import dns.name
import dns.rcode
import pytest

from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve import zones
from pippin.serve.zones import PublishedZones, ZoneAnswers
from tests.zone.images import compiled

SOA = "@ SOA ns1 hostmaster {} 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n"


def image(origin: str, serial: int = 1, more: str = "") -> bytes | memoryview:
    return compiled(SOA.format(serial) + more, origin).image


def published(**serials: int) -> tuple[PublishedZones, dict[bytes, bytes | memoryview]]:
    images = {
        dns.name.from_text(origin).to_wire() or b"": image(origin + ".", serial)
        for origin, serial in serials.items()
    }
    return PublishedZones(images.get), images


def serial_of(served: PublishedZones, name: str) -> int | None:
    zone = served.deepest(dns.name.from_text(name))
    return None if zone is None else zone.serial


def test_deepest_zone_answers() -> None:
    served = PublishedZones({b"\1a\0": image("a."), b"\1b\1a\0": image("b.a.", 2)}.get)
    assert serial_of(served, "x.b.a.") == 2
    assert serial_of(served, "X.B.A.") == 2
    assert serial_of(served, "x.a.") == 1
    assert serial_of(served, "other.") is None


def test_new_image_replaces_its_view_and_withdrawn_zones_are_gone() -> None:
    served, images = published(example=1)
    first = served.get(dns.name.from_text("example."))
    assert served.get(dns.name.from_text("example.")) is first
    images[b"\7example\0"] = image("example.", 2)
    assert serial_of(served, "example.") == 2
    del images[b"\7example\0"]
    assert serial_of(served, "example.") is None


def test_views_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "VIEWS_KEPT", 2)
    served, _ = published(a=1, b=2, c=3)
    assert [serial_of(served, name) for name in ("a.", "b.", "c.", "a.")] == [1, 2, 3, 1]
    assert len(served._views) == 2


def ask(name: str, rdclass: str = "IN") -> Reply:
    images = {b"\7example\0": image("example.", 1, "alias CNAME ns1")}
    query = Query(dns.message.make_query(name, "A", rdclass).to_wire(), ("127.0.0.1", 53), Transport.UDP)
    reply = asyncio.run(ZoneAnswers(PublishedZones(images.get)).handle(query))
    assert isinstance(reply, Reply)
    return reply


def test_answers_come_from_the_zones() -> None:
    assert (ask("alias.example.").answers, ask("alias.example.").rcode) == (2, dns.rcode.NOERROR)
    assert ask("none.example.").rcode == dns.rcode.NXDOMAIN


def test_names_and_classes_that_are_not_ours_are_refused() -> None:
    assert ask("example.org.").rcode == dns.rcode.REFUSED
    assert ask("alias.example.", "HS").rcode == dns.rcode.REFUSED
