"""Generated worlds: a few small zones whose names collide as often as they can, and questions about them.

A world is a dict of origin -> zone text, in the line format of `tests.zone.images`. Few labels and few origins
make wildcards, cuts, aliases and empty non-terminals meet. What no server accepts (a CNAME beside other data, and
so on) is not generated; what is merely odd is.
"""

from __future__ import annotations

from dataclasses import dataclass

import dns.name
from hypothesis import strategies as st

SHAPES = [
    ["z."],
    ["z.", "a.z."],
    ["z.", "y."],
    ["z.", "b.a.z."],
    ["a.z.", "b.a.z.", "y."],
    ["z.", "a.z.", "b.a.z.", "y."],
    ["."],
    [".", "a."],
]
OWNER_LABELS = ["a", "b", "c", "A", "*", "*"]
TARGET_LABELS = ["a", "b", "c", "ns", "*"]
QTYPES = [
    "A", "A", "AAAA", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "SRV", "DNAME", "DS", "DS",
    "RRSIG", "NSEC", "DNSKEY", "NSEC3", "NSEC3PARAM", "HTTPS", "ANY", "TYPE65280",
]  # fmt: skip
SIMPLE = ["A", "AAAA", "MX", "TXT", "SRV", "HTTPS", "PTR", "TYPE65280"]
EITHER = st.booleans()
DS_RDATA = "1 8 1 0101010101010101010101010101010101010101"


@dataclass(frozen=True)
class Question:
    name: str
    rdtype: str
    dnssec_ok: bool


def absolute(labels, origin):
    """ "a.b" under an origin, which may be the root."""
    return ".".join([*labels, origin]) if origin != "." else ".".join(labels) + "."


def owner_names(origin):
    labels = st.lists(st.sampled_from(OWNER_LABELS), min_size=1, max_size=3)
    return labels.map(lambda found: absolute(found, origin))


def target_names(origins):
    """Anywhere near the zones, or far from all of them."""
    labels = st.lists(st.sampled_from(TARGET_LABELS), max_size=3)
    return st.builds(
        lambda origin, found: absolute(found, origin) if found else origin,
        st.sampled_from([*origins, "out."]),
        labels,
    )


def rdata_of(rdtype, targets):
    match rdtype:
        case "A":
            return st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        case "AAAA":
            return st.sampled_from(["2001:db8::1", "2001:db8::2"])
        case "TXT":
            return st.sampled_from(['"one"', '"two" "strings"'])
        case "TYPE65280":
            return st.just("\\# 2 0102")
        case "MX":
            return targets.map("10 {}".format)
        case "SRV":
            return targets.map("0 0 53 {}".format)
        case "HTTPS":
            return st.one_of(targets.map("1 {}".format), st.just("1 ."), st.just("0 ."))
        case "DS":
            return st.just(DS_RDATA)
        case _:  # NS, CNAME, PTR, DNAME
            return targets


@st.composite
def rrset_lines(draw, owner, rdtype, targets, most=3):
    rdatas = draw(st.lists(rdata_of(rdtype, targets), min_size=1, max_size=most, unique=True))
    ttls = st.sampled_from([60, 300, 3600])
    return [f"{owner} {draw(ttls)} {rdtype} {rdata}" for rdata in rdatas]


@st.composite
def node_lines(draw, owner, targets):
    """All that one name below the apex owns."""
    kind = draw(st.sampled_from(["data", "data", "data", "alias", "alias", "cut", "cut", "tree"]))
    if kind == "alias":
        return draw(rrset_lines(owner, "CNAME", targets, 1))
    lines = []
    if kind == "cut":
        lines += draw(rrset_lines(owner, "NS", targets))
        types = draw(st.lists(st.sampled_from(["DS", "A", "AAAA", "MX"]), unique=True, max_size=2))
    elif kind == "tree":
        lines += draw(rrset_lines(owner, "DNAME", targets, 1))
        types = draw(st.lists(st.sampled_from(SIMPLE), unique=True, max_size=1))
    else:
        types = draw(st.lists(st.sampled_from(SIMPLE), unique=True, min_size=1, max_size=3))
    for rdtype in types:
        lines += draw(rrset_lines(owner, rdtype, targets))
    return lines


@st.composite
def zone_texts(draw, origin, targets, children):
    soa_ttl, minimum = draw(st.sampled_from([(3600, 300), (60, 300)]))
    ns = absolute(["ns"], origin)
    lines = [f"{origin} {soa_ttl} SOA {ns} {absolute(['host'], origin)} 1 2 3 4 {minimum}"]
    lines += draw(rrset_lines(origin, "NS", st.one_of(st.just(ns), targets)))
    if draw(st.booleans()):
        lines += draw(rrset_lines(ns, "A", targets))
    for rdtype in draw(st.lists(st.sampled_from([*SIMPLE, "DNAME"]), unique=True, max_size=2)):
        lines += draw(rrset_lines(origin, rdtype, targets, 1 if rdtype == "DNAME" else 3))
    for child in children:
        lines += draw(rrset_lines(child, "NS", targets))
        if draw(st.booleans()):
            lines.append(f"{child} DS {DS_RDATA}")
    owned = {origin.lower(), ns.lower(), *children}
    for owner in draw(st.lists(owner_names(origin), max_size=8)):
        if owner.lower() in owned:
            continue
        node = draw(node_lines(owner, targets))
        # Servers differ over NS, DNAME and DS at a wildcard (RFC 4592 section 4), which `check` warns about
        if owner.startswith("*") and any(line.split()[2] in ("NS", "DNAME", "DS") for line in node):
            continue
        owned.add(owner.lower())
        lines += node
    return "\n".join(lines)


@st.composite
def worlds(draw):
    """origin -> zone text. A zone inside another one is delegated by it, as it has to be."""
    origins = draw(st.sampled_from(SHAPES))
    targets = target_names(origins)
    world = {}
    for origin in origins:
        children = [child for child in origins if child != origin and is_below(child, origin)]
        world[origin] = draw(zone_texts(origin, targets, children))
    return world


def is_below(name, origin):
    return dns.name.from_text(name).is_subdomain(dns.name.from_text(origin))


@st.composite
def policies(draw, world):
    """(owner, type) for policies to answer: names of the zones, names beside them, and names that aliases lead to."""
    lines = [line.split() for text in world.values() for line in text.splitlines()]
    targets = [fields[-1] for fields in lines if fields[-2] in ("CNAME", "DNAME", "NS", "10")]
    names = sorted({*targets, *(fields[0] for fields in lines)})
    owners = st.one_of(
        st.sampled_from(names),
        st.builds(_near, st.sampled_from(names), st.sampled_from([("a",), ("*",), ("x",)]), st.integers(0, 1)),
    )
    types = st.sampled_from(["A", "A", "A", "AAAA", "TXT", "MX", "HTTPS"])
    return draw(st.lists(st.tuples(owners, types), min_size=1, max_size=8, unique=True))


@st.composite
def questions(draw, world, marks=(), dnssec_ok=EITHER, most=40):
    """Questions about names that exist, that are near one, or that have to do with none."""
    owners = {line.split()[0] for text in world.values() for line in text.splitlines()}
    owners = sorted(owners | {owner for owner, _ in marks})
    near = st.builds(
        _near,
        st.sampled_from(owners),
        st.sampled_from([(), ("x",), ("x", "y"), ("*",), ("a",), ("b", "a")]),
        st.integers(0, 2),
    )
    one = st.builds(Question, near, st.sampled_from(QTYPES), dnssec_ok)
    return draw(st.lists(one, min_size=20, max_size=most, unique=True))


def _near(owner, more, up):
    """`owner` without its first `up` labels, and with others in front of it."""
    labels = [label for label in owner.split(".") if label][up:]
    return ".".join([*more, *labels]) + "."
