"""Class CH: `version.bind`, `version.server`, `id.server`, `hostname.bind` (RFC 4892). All else there is refused.

Default is to refuse these four as well: what runs here is the operator's to tell.
"""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from pippin.query.pipeline import REFUSED
from pippin.query.query import Query
from pippin.query.reply import Reply

_POINTER_TO_QUESTION = b"\xc0\x0c"
_CHARACTER_STRING = 255
"""Octets of one string in a TXT record, RFC 1035 section 3.3.14."""


class Chaos:
    """Answers class CH from settings; `None` for a text means refused."""

    def __init__(self, version: str | None, server_id: str | None) -> None:
        self._texts = {
            dns.name.from_text("version.bind."): version,
            dns.name.from_text("version.server."): version,
            dns.name.from_text("id.server."): server_id,
            dns.name.from_text("hostname.bind."): server_id,
        }

    async def handle(self, query: Query) -> Reply | None:
        if query.rdclass != dns.rdataclass.CH:
            return None
        text = self._texts.get(query.name)
        if text is None or query.type not in (dns.rdatatype.TXT, dns.rdatatype.ANY):
            return REFUSED
        rdata = TXT(dns.rdataclass.CH, dns.rdatatype.TXT, [text.encode()[:_CHARACTER_STRING]]).to_wire()
        assert rdata is not None
        record = (
            _POINTER_TO_QUESTION
            + dns.rdatatype.TXT.to_bytes(2, "big")
            + dns.rdataclass.CH.to_bytes(2, "big")
            + bytes(4)  # TTL 0: it is about this server, now (RFC 4892 section 2)
            + len(rdata).to_bytes(2, "big")
            + rdata
        )
        return Reply(record, 1, 0, 0)
