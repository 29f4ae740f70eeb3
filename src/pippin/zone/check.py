"""What is wrong with a zone, in words: the compiler's findings as errors, and what is legal but suspect.

`check` takes the record stream, for the places where things were written, and the findings that came with the
compiled zone, about the records or about the policies that were to answer in it. It reads nothing else, and it
changes nothing. Warnings cost a pass over all records in Python; who publishes a large zone in a hurry asks for
errors alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dns.name
import dns.rdatatype

from pippin.engine.records import Record, record_at
from pippin.zone.problem import Problem, Severity
from pippin.zone.suspect import suspicions

Mark = tuple[bytes, int]
"""The name (wire format) and type that a policy answers for."""

Finding = tuple[str, int] | tuple[str, int, int]
"""A code of `engine.compile`, and the offset of the offending record in the stream (-1: the zone as a whole). About a
policy: a code, the offset of the record that stands in its way (-1: none does), and the index of its mark."""


def check(
    records: bytes | bytearray | memoryview,
    origin: bytes,
    files: Sequence[str],
    findings: Sequence[Finding],
    *,
    is_master_file: bool = True,
    warnings: bool = True,
    marks: Sequence[Mark] = (),
) -> list[Problem]:
    """The problems of one zone, by place.

    `origin` is in lower-case wire format; `Record.file` of the stream indexes `files`. A source that has no NS
    records by its nature (`is_master_file=False`) is only warned that there are none at the apex. `marks` are those
    the zone was compiled with.
    """
    problems = [_problem(finding, records, origin, files, is_master_file, marks) for finding in findings]
    if warnings:
        problems += [
            _at(record, files, message, Severity.WARNING)
            for record, message in suspicions(records, origin, marks)
        ]
    return sorted(problems)


def _problem(
    finding: Finding,
    records: bytes | bytearray | memoryview,
    origin: bytes,
    files: Sequence[str],
    is_master_file: bool,
    marks: Sequence[Mark],
) -> Problem:
    code, offset, *index = finding
    record = record_at(records, offset) if offset >= 0 else None
    owner = record.owner if record else origin
    if index:
        message = f"{policy_name(marks[index[0]])}: {policy_message(code, owner, origin)}"
    else:
        message = _MESSAGES[code](_text(owner), _text(origin))
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

def policy_name(mark: Mark) -> str:
    """A policy as messages call it."""
    return f"policy {_text(mark[0])} {dns.rdatatype.to_text(dns.rdatatype.RdataType.make(mark[1]))}"


def policy_message(code: str, owner: bytes, origin: bytes) -> str:
    """What is wrong with a policy in the zone `origin`; `owner` is that of the record that stands in its way."""
    return _POLICY_MESSAGES[code](_text(owner), _text(origin))


_POLICY_MESSAGES: dict[str, Callable[[str, str], str]] = {
    "policy-out-of-zone": lambda owner, origin: (
        f"the name is outside the zone {origin}; serve the zone that it is in, or correct the name"
    ),
    "policy-type": lambda owner, origin: (
        "records of this type make the zone what it is, so no policy answers for them; declare the policy for A, AAAA "
        "or another type of data (its answer may be a CNAME)"
    ),
    "policy-below-cut": lambda owner, origin: (
        f"{owner} is delegated, so the zone {origin} does not answer for this name (RFC 1034 section 4.2.1); "
        f"serve the zone {owner} here too, or remove the policy"
    ),
    "policy-below-dname": lambda owner, origin: (
        f"the DNAME at {owner} answers for all names below it (RFC 6672 section 2.3); "
        "remove one of the two, or declare the policy for the name that the DNAME leads to"
    ),
    "policy-and-cname": lambda owner, origin: (
        f"{owner} has a CNAME, which must be the only record of its name (RFC 1034 section 3.6.2); "
        "remove one of the two: the policy itself may answer with a CNAME"
    ),
    "policy-in-signed-zone": lambda owner, origin: (
        f"the zone {origin} is signed, and what a policy answers has no signatures, so validating resolvers would "
        "reject it; delegate the name to an unsigned zone, or serve this one unsigned"
    ),
}

_SUSPECT = frozenset({"signature-of-nothing"})
"""Findings that leave a zone that can be served rightly."""

CODES = frozenset(_MESSAGES) | frozenset(_POLICY_MESSAGES)
"""The findings of the compiler that have words here: all of them."""
