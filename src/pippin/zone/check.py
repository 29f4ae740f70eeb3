"""What is wrong with a zone, in words: the compiler's findings as errors, and what is legal but suspect.

`check` takes the record stream, for the places where things were written, and the findings that came with the
compiled zone. It reads nothing else, and it changes nothing. Warnings cost a pass over all records in Python;
who publishes a large zone in a hurry asks for errors alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dns.name

from pippin.engine.records import Record, record_at
from pippin.zone.problem import Problem, Severity
from pippin.zone.suspect import suspicions

Finding = tuple[str, int]
"""A code of `engine.compile`, and the offset of the offending record in the stream (-1: the zone as a whole)."""


def check(
    records: bytes | bytearray | memoryview,
    origin: bytes,
    files: Sequence[str],
    findings: Sequence[Finding],
    *,
    is_master_file: bool = True,
    warnings: bool = True,
) -> list[Problem]:
    """The problems of one zone, by place.

    `origin` is in lower-case wire format; `Record.file` of the stream indexes `files`. A source that has no NS
    records by its nature (`is_master_file=False`) is only warned that there are none at the apex.
    """
    problems = [_problem(code, offset, records, origin, files, is_master_file) for code, offset in findings]
    if warnings:
        problems += [
            _at(record, files, message, Severity.WARNING) for record, message in suspicions(records, origin)
        ]
    return sorted(problems)


def _problem(
    code: str,
    offset: int,
    records: bytes | bytearray | memoryview,
    origin: bytes,
    files: Sequence[str],
    is_master_file: bool,
) -> Problem:
    record = record_at(records, offset) if offset >= 0 else None
    message = _MESSAGES[code](_text(record.owner) if record else _text(origin), _text(origin))
    severity = Severity.ERROR
    if code in _SUSPECT or (code == "no-apex-ns" and not is_master_file):
        severity = Severity.WARNING
    if record is None:
        return Problem(files[0] if files else _text(origin), 0, 0, message, severity)
    return _at(record, files, message, severity)


def _at(record: Record, files: Sequence[str], message: str, severity: Severity) -> Problem:
    file = files[record.file] if record.file < len(files) else ""
    return Problem(file, record.line, record.column, message, severity)


def _text(name: bytes) -> str:
    return dns.name.from_wire(name, 0)[0].to_text()


def _cname_and_other_data(owner: str, origin: str) -> str:
    if owner.lower() == origin:
        return (
            f"the apex {owner} has SOA and NS records, so it can't have a CNAME (RFC 1034 section 3.6.2); "
            "give it A and AAAA records"
        )
    return (
        f"{owner} has a CNAME and other records (RFC 1034 section 3.6.2); "
        "a CNAME must be the only record of its name"
    )


def _second_soa(owner: str, origin: str) -> str:
    if owner.lower() == origin:
        return f"{owner} has a second SOA record (RFC 1035 section 5.2); a zone must have exactly one"
    return (
        f"SOA record at {owner}, below the apex {origin} (RFC 1035 section 5.2); "
        f"put {owner} into a zone of its own, or delegate it with NS records"
    )


_MESSAGES: dict[str, Callable[[str, str], str]] = {
    "cname-and-other-data": _cname_and_other_data,
    "second-soa": _second_soa,
    "no-soa": lambda owner, origin: (
        f"the zone {origin} has no SOA record (RFC 1035 section 5.2); it must have exactly one, at {origin}"
    ),
    "out-of-zone": lambda owner, origin: (
        f"{owner} is outside the zone {origin} (RFC 1035 section 5.2); "
        f"names must end in {origin}: is there a dot too many at the end of it?"
    ),
    "meta-type": lambda owner, origin: (
        f"{owner} has a record of a type that only queries and messages have (RFC 6895 section 3.1); leave it out"
    ),
    "signature-of-nothing": lambda owner, origin: (
        f"{owner} has a signature that covers no RRset signed here (RFC 4035 section 2.2), so it is left out; "
        "sign the zone anew"
    ),
    "second-cname": lambda owner, origin: (
        f"{owner} has a second CNAME record (RFC 2181 section 10.1); a name has one CNAME or none"
    ),
    "second-dname": lambda owner, origin: (
        f"{owner} has a second DNAME record (RFC 6672 section 2.4); a name has one DNAME or none"
    ),
    "dname-and-ns": lambda owner, origin: (
        f"{owner} is delegated by NS records and has a DNAME (RFC 6672 section 2.3); "
        "below the apex a name has one or the other"
    ),
    "no-apex-ns": lambda owner, origin: (
        f"the apex {origin} has no NS records (RFC 1035 section 5.2); "
        "resolvers and secondaries need the names of its servers there"
    ),
    "rrset-too-large": lambda owner, origin: (
        f"the RRset of this record at {owner} does not fit into a message of 65535 octets (RFC 1035 section 4.2.2); "
        "no server could send it: give the name fewer records"
    ),
    "nsec3-iterations": lambda owner, origin: (
        "more than 2500 NSEC3 iterations (RFC 5155 section 10.3); sign the zone with 0 (RFC 9276 section 3.1)"
    ),
    "more-findings": lambda owner, origin: "more errors are not shown; these may be the cause of them",
    "nsec3-owner": lambda owner, origin: (
        f"{owner} owns an NSEC3 record, but is no hash in base32hex (RFC 5155 section 3); sign the zone again"
    ),
}

_SUSPECT = frozenset({"signature-of-nothing"})
"""Findings that leave a zone that can be served rightly."""

CODES = frozenset(_MESSAGES)
"""The findings of the compiler that have words here: all of them."""
