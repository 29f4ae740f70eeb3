"""The way from a name to what decides about it: a policy, a zone's own data, or nobody here."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype

from pippin.policy.load import Loaded
from pippin.policy.plans import PlanError
from pippin.policy.policies import Policy
from pippin.policy.rdata import type_text
from pippin.zone.answer import Answer, Zones, answer

ALIASES_FOLLOWED = 16
"""From one name to the next, as far as a reply goes."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a name leads."""

    name: dns.name.Name
    """What is decided about, at the end of aliases."""
    path: tuple[str, ...]
    """A sentence for each step."""
    policy: Policy | None
    zone_answer: tuple[str, ...]
    """What zones say on the way; all there is to say without a policy."""


def find_way(loaded: Loaded, zones: Zones | None, name: dns.name.Name, rdtype: int) -> Way:
    """Where the server goes, and from alias to alias as a resolver would ask on.

    Without `zones` (compiled with the marks of these policies) a policy is found by its name alone.
    """
    if zones is None:
        return _by_name(loaded, name, type_text(rdtype))
    path: list[str] = []
    zone_answer: list[str] = []
    for _ in range(ALIASES_FOLLOWED):
        zone = zones.find(name, rdtype)
        if zone is None:
            path.append(f"{text_of(name)} is in no zone served here")
            return Way(name, tuple(path), None, (*zone_answer, "REFUSED"))
        path.append(f"{text_of(name)} is in zone {text_of(zone.origin)}")
        owner = zone.policy_owner(name, rdtype)
        if owner is not None:
            policy = loaded.find(text_of(owner), type_text(rdtype))
            assert policy is not None  # its mark is in the zone
            path.append(_found(policy, name))
            return Way(name, tuple(path), policy, tuple(zone_answer))
        found = answer(zones, name, rdtype, False)
        zone_answer += lines_of(found)
        last = found.answer[-1] if found.answer else None
        if last is None or last.rdtype != dns.rdatatype.CNAME or rdtype == dns.rdatatype.CNAME:
            path.append(f"no policy answers {type_text(rdtype)} there: the zone's own data does")
            return Way(name, tuple(path), None, tuple(zone_answer))
        name = last[0].target
        path.append(f"it is an alias: resolvers ask for {text_of(name)} next")
    return Way(name, (*path, f"more than {ALIASES_FOLLOWED} aliases"), None, tuple(zone_answer))


def records_of(zones: Zones, name: str, rdtype: int) -> list[tuple[int, bytes]] | None:
    """(TTL, data) of the records that a name of the zones has, at the end of its aliases; None if no zone has it.

    Raises `PlanError` for a name that a policy answers: its records are not in the zones.
    """
    try:
        owner = dns.name.from_text(name)
    except dns.exception.DNSException:
        return None
    if zones.find(owner, rdtype) is None:
        return None
    found = answer(zones, owner, rdtype, False).answer
    end = owner
    for rrset in found:
        if rrset.rdtype == dns.rdatatype.CNAME:
            end = rrset[0].target
    zone = zones.find(end, rdtype)
    if zone is not None and zone.policy_owner(end, rdtype) is not None:
        raise PlanError(f"alias({name!r}): a policy answers {text_of(end)} {type_text(rdtype)}; give what it gives")
    return [
        (rrset.ttl, rdata.to_wire() or b"") for rrset in found if rrset.rdtype == rdtype for rdata in rrset
    ]


def find_by_name(loaded: Loaded, name: str, rdtype: str) -> Policy | None:
    """The policy for a name (lower case, without the last dot), or of the nearest wildcard above it."""
    policy = loaded.find(name, rdtype)
    while policy is None and "." in name:
        name = name.partition(".")[2]
        policy = loaded.find(f"*.{name}", rdtype)
    return policy


def captured(name: dns.name.Name, owner: str) -> bytes:
    """The labels that a wildcard owner stands for: lower case, wire format, no root label."""
    if not owner.startswith("*."):
        return b""
    parent = dns.name.from_text(owner.removeprefix("*."))
    labels = name.canonicalize().relativize(parent.canonicalize()).labels
    return b"".join(bytes((len(label),)) + label for label in labels)


def lines_of(found: Answer) -> list[str]:
    """What a zone answers, a line for each record; of an empty answer, what it is called."""
    lines = [
        f"{text_of(rrset.name)} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
        for rrset in found.answer
        for rdata in rrset
    ]
    if lines:
        return lines
    if found.authority and found.authority[0].rdtype == dns.rdatatype.NS:
        return [f"referral to {text_of(found.authority[0].name)}"]
    return ["NODATA" if found.rcode == dns.rcode.NOERROR else dns.rcode.to_text(found.rcode)]


def text_of(name: dns.name.Name) -> str:
    """Lower case, without the last dot."""
    return name.to_text(omit_final_dot=True).lower()


def _by_name(loaded: Loaded, name: dns.name.Name, rdtype: str) -> Way:
    policy = find_by_name(loaded, text_of(name), rdtype)
    if policy is None:
        return Way(name, (f"no policy answers {text_of(name)} {rdtype}",), None, ())
    return Way(name, (f"{_found(policy, name)} (zones were not looked at)",), policy, ())


def _found(policy: Policy, name: dns.name.Name) -> str:
    stands = ""
    if policy.name.startswith("*."):
        stands = f", whose * stands for {text_of(name).removesuffix(policy.name[1:])}"
    return f"policy {policy} answers{stands}"
