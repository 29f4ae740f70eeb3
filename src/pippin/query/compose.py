"""Answer -> Reply: records in wire format, names compressed against the question (RFC 1035 section 4.1.4).

Owner names are always compressed, names in rdata only for types of RFC 1035, which every resolver can expand
(RFC 3597 section 4). The question's own bytes are not part of the result: pointers refer to its name, so the
reply fits every question for the same name, in whatever case it was asked.
"""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.SOA import SOA

from pippin.query.reply import Reply
from pippin.zone.answer import Answer

HEADER_SIZE = 12
_POINTER_LIMIT = 0x4000  # a pointer has 14 bits

_WITH_ONE_NAME = {
    dns.rdatatype.NS: "target",
    dns.rdatatype.CNAME: "target",
    dns.rdatatype.PTR: "target",
    dns.rdatatype.MX: "exchange",
}


def compose(question_name: bytes, qtype: int, answer: Answer) -> Reply:
    """The body of the reply to a question for `question_name` (wire format, uncompressed) and `qtype`.

    `Reply.ttl` is the lowest TTL of all records. No limit on size is applied here: truncation belongs to the
    transport, so it is left to whoever knows the limit.
    """
    writer = _Writer(question_name)
    counts = [writer.section(rrsets) for rrsets in (answer.answer, answer.authority, answer.additional)]
    return Reply(
        body=bytes(writer.body),
        answers=counts[0],
        authorities=counts[1],
        additionals=counts[2],
        rcode=int(answer.rcode),
        authoritative=answer.aa,
        glue_required=answer.glue_required,
        ede=answer.ede,
        ttl=writer.ttl or 0,
    )


class _Writer:
    """The body so far, and where in the message each name (a tuple of lower-case labels) can be pointed at."""

    def __init__(self, question_name: bytes) -> None:
        self.body = bytearray()
        self.start = HEADER_SIZE + len(question_name) + 4
        self.ttl: int | None = None
        self.known: dict[tuple[bytes, ...], int] = {}
        name = dns.name.from_wire(question_name, 0)[0]
        self._remember(name, HEADER_SIZE)

    def section(self, rrsets: list[dns.rrset.RRset]) -> int:
        """Write the records of one section and count them."""
        for rrset in rrsets:
            self.ttl = rrset.ttl if self.ttl is None else min(self.ttl, rrset.ttl)
            for rdata in rrset:
                self._name(rrset.name)
                self.body += rrset.rdtype.to_bytes(2, "big") + rrset.rdclass.to_bytes(2, "big")
                self.body += rrset.ttl.to_bytes(4, "big") + b"\0\0"
                start = len(self.body)
                self._rdata(rdata)
                self.body[start - 2 : start] = (len(self.body) - start).to_bytes(2, "big")
        return sum(map(len, rrsets))

    def _rdata(self, rdata: dns.rdata.Rdata) -> None:
        wire = rdata.to_wire()
        assert wire is not None  # None is for rdata written to a file
        if isinstance(rdata, SOA):
            self._name(rdata.mname)
            self._name(rdata.rname)
            self.body += wire[-20:]
        elif field := _WITH_ONE_NAME.get(rdata.rdtype):
            if rdata.rdtype == dns.rdatatype.MX:
                self.body += wire[:2]
            self._name(getattr(rdata, field))
        else:
            self.body += wire

    def _name(self, name: dns.name.Name) -> None:
        """Write an absolute name: new labels, then a pointer to the longest suffix already there."""
        labels = name.labels
        begin = self.start + len(self.body)
        folded = tuple(label.lower() for label in labels)
        for skip in range(len(labels) - 1):
            target = self.known.get(folded[skip:])
            if target is not None:
                self.body += (0xC000 | target).to_bytes(2, "big")
                break
            self.body += bytes([len(labels[skip])]) + labels[skip]
        else:
            self.body.append(0)
        self._remember(name, begin)

    def _remember(self, name: dns.name.Name, at: int) -> None:
        """Names can be pointed at, label by label, but the root, which is shorter than a pointer."""
        folded = tuple(label.lower() for label in name.labels)
        for skip in range(len(folded) - 1):
            if at >= _POINTER_LIMIT or folded[skip:] in self.known:
                return
            self.known[folded[skip:]] = at
            at += 1 + len(folded[skip])
