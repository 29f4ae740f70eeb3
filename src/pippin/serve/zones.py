"""Zones as the slow path sees them: views on the published images, and the handler that answers from them."""

from __future__ import annotations

from collections.abc import Callable

import dns.name
import dns.rdataclass

from pippin.query.compose import compose
from pippin.query.pipeline import REFUSED
from pippin.query.query import Query
from pippin.query.reply import Reply
from pippin.zone.answer import Zones, answer
from pippin.zone.zone import Zone

VIEWS_KEPT = 256
"""Views kept between questions: one is cheap to make again, 100,000 of them are not cheap to keep."""

ImageOf = Callable[[bytes], "bytes | memoryview | None"]
"""The published image of the zone with this origin (lower-case wire format), None if it is not served."""


class PublishedZones(Zones):
    """The zones served just now. A newer image replaces its view at the next question."""

    def __init__(self, image_of: ImageOf) -> None:
        super().__init__()
        self._image_of = image_of
        self._views: dict[bytes, tuple[bytes | memoryview, Zone]] = {}

    def get(self, origin: dns.name.Name) -> Zone | None:
        """The zone with exactly this origin."""
        key = origin.canonicalize().to_wire()
        assert key is not None
        image = self._image_of(key)
        if image is None:
            self._views.pop(key, None)
            return None
        known = self._views.get(key)
        if known is not None and known[0] is image:
            return known[1]
        if len(self._views) >= VIEWS_KEPT:
            self._views.pop(next(iter(self._views)))
        view = Zone(image)
        self._views[key] = (image, view)
        return view

    def deepest(self, name: dns.name.Name) -> Zone | None:
        while True:
            if (zone := self.get(name)) is not None:
                return zone
            if name == dns.name.root:
                return None
            name = name.parent()

    def has(self, name: bytes) -> bool:
        at = 0
        while self._image_of(name[at:]) is None:
            if not name[at]:
                return False
            at += 1 + name[at]
        return True


class ZoneAnswers:
    """The handler of last resort: RFC 1034 section 4.3.2 on the zones served; names outside them are REFUSED."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones

    async def handle(self, query: Query) -> Reply | None:
        if query.rdclass not in (dns.rdataclass.IN, dns.rdataclass.ANY):
            return REFUSED
        found = answer(self._zones, query.name, query.type, query.dnssec_ok)
        return compose(query.name_wire, query.type, found)
