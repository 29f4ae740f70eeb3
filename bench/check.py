"""Correctness before speed: a sample of the questions gets from every server what it gets from NSD.

Compared are the rcode, AA, the answer section's types and how many of each, and, where there is no answer, whether
the authority section holds NS or SOA. How much goes into authority and additional otherwise is each server's choice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

SAMPLE = 300
UDP_PAYLOAD = 1232
TIMEOUT = 2.0


class WrongAnswer(Exception):
    """A server answered something else than the reference."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What must agree of one reply."""

    rcode: str
    authoritative: bool
    truncated: bool
    answers: tuple[tuple[str, int], ...]
    authority: tuple[str, ...]

    def __str__(self) -> str:
        answers = ", ".join(f"{count} {rdtype}" for rdtype, count in self.answers) or "no answer"
        flags = " ".join(name for name, on in (("AA", self.authoritative), ("TC", self.truncated)) if on)
        return f"{self.rcode} {flags} [{answers}] authority {'/'.join(self.authority) or '-'}"


def digest(reply: dns.message.Message) -> Digest:
    """The comparable part of a reply."""
    counts: Counter[str] = Counter()
    for rrset in reply.answer:
        counts[dns.rdatatype.to_text(rrset.rdtype)] += len(rrset)
    types = {dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.authority} & {"NS", "SOA"}
    return Digest(
        rcode=dns.rcode.to_text(reply.rcode()),
        authoritative=bool(reply.flags & dns.flags.AA),
        truncated=bool(reply.flags & dns.flags.TC),
        answers=tuple(sorted(counts.items())),
        authority=() if counts else tuple(sorted(types)),
    )


def sample(stream: Path, count: int = SAMPLE) -> list[str]:
    """The first lines of a stream: it is in random order already. A repeated line is asked once."""
    with stream.open(encoding="ascii") as file:
        return list(dict.fromkeys(line.strip() for line in islice(file, count)))


def ask(port: int, lines: list[str], dnssec_ok: bool, transport: str) -> list[Digest]:
    """The digests of the replies of 127.0.0.1:`port`; WrongAnswer if one is missing or malformed."""
    send = dns.query.tcp if transport == "tcp" else dns.query.udp
    digests = []
    for line in lines:
        name, rdtype = line.split()
        edns = {"use_edns": 0, "want_dnssec": True, "payload": UDP_PAYLOAD} if dnssec_ok else {"use_edns": False}
        query = dns.message.make_query(name, rdtype, flags=0, **edns)
        try:
            reply = send(query, "127.0.0.1", port=port, timeout=TIMEOUT)
        except (dns.exception.DNSException, OSError) as error:
            raise WrongAnswer(f"{line}: {type(error).__name__}: {error}") from error
        digests.append(digest(reply))
    return digests


def agrees(found: Digest, reference: Digest, follows_aliases: bool) -> bool:
    """Whether a reply is right. One that does not follow aliases is right with the CNAME alone."""
    if found == reference:
        return True
    cname_alone = found.answers == (("CNAME", 1),) and found.rcode == reference.rcode and found.authoritative
    return not follows_aliases and cname_alone and ("CNAME", 1) in reference.answers


def compare(
    lines: list[str], found: list[Digest], reference: list[Digest], follows_aliases: bool = True
) -> None:
    """WrongAnswer if any digest differs; the message shows the first difference and counts the others."""
    differences = [
        f"{line}: {ours}; the reference says {theirs}"
        for line, ours, theirs in zip(lines, found, reference, strict=True)
        if not agrees(ours, theirs, follows_aliases)
    ]
    if differences:
        raise WrongAnswer(f"{len(differences)} of {len(lines)} replies differ, first: {differences[0]}")
