"""The zones that packets are asked of: small, with every kind of node the path tells apart."""

from __future__ import annotations

import struct
from types import ModuleType
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from pippin.engine import records
from pippin.engine.compile import compile_zone
from pippin.engine.not_ready import not_ready_image

SEED = 0x5EED
NOT_READY = "broken.plain.example."
NOW = 1_800_000_000

PLAIN = """
@ SOA ns hostmaster 1 7200 900 1209600 300
@ NS ns
@ NS ns.elsewhere.net.
@ MX 10 mail
@ TXT "v=spf1 -all"
ns A 192.0.2.1
ns AAAA 2001:db8::1
mail A 192.0.2.2
*.wild A 192.0.2.3
*.wild MX 5 mail
host.wild TXT "beside the wildcard"
alias CNAME mail
far CNAME www.elsewhere.net.
near CNAME a.b.c.signed.example.
lost CNAME nothing
loop CNAME loop
under.tree CNAME x.renamed
renamed DNAME other
a.b.empty A 192.0.2.4
sub NS ns.sub
sub NS ns2.sub
ns.sub A 192.0.2.5
ns2.sub AAAA 2001:db8::5
below.sub TXT "occluded"
_sip._tcp SRV 0 0 5060 mail
svc HTTPS 1 . alpn=h2
"""
BIG = "\n".join(f'big TXT "{"x" * 90}{i}"\nbig A 198.51.100.{i}' for i in range(40))
GLUE = "\n".join(f"wide NS n{i}.wide\nn{i}.wide A 198.51.100.{i}\nn{i}.wide AAAA 2001:db8::{i:x}" for i in range(13))
LONG = "x" * 63 + "." + "y" * 63 + "." + "z" * 63

SIGNED = """
@ SOA ns hostmaster 1 7200 900 1209600 300
@ NS ns
@ DNSKEY 256 3 13 oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA==
ns A 192.0.2.1
a.b.c A 192.0.2.9
*.wild A 192.0.2.3
alias CNAME a.b.c
sub NS ns.sub
ns.sub A 192.0.2.5
"""
MARKS = {
    "plain.example.": [("steered.plain.example.", 1), ("*.cdn.plain.example.", 28), ("mail.plain.example.", 1)],
}
SIGNATURE = "13 2 3600 20300101000000 20200101000000 1 signed.example. " + "A" * 86 + "=="


def zones() -> dict[str, str]:
    """origin -> zone text. One of them is inside another, one is signed (signatures of the right shape)."""
    signed = ["@ RRSIG SOA " + SIGNATURE]
    names: dict[str, list[str]] = {}
    for line in SIGNED.split("\n")[1:-1]:
        owner, rdtype = line.split()[:2]
        names.setdefault(owner, []).append(rdtype)
    order = sorted(names, key=lambda name: list(reversed(name.split("."))))
    order.remove("@")
    order.insert(0, "@")
    for i, owner in enumerate(order):
        following = order[(i + 1) % len(order)]
        signed.append(f"{owner} NSEC {following} {' '.join(names[owner])} RRSIG NSEC")
        unsigned = {"SOA"} if owner == "@" else {"SOA", "NS"}  # the one is above, the other the child's to sign
        signed += [f"{owner} RRSIG {rdtype} {SIGNATURE}" for rdtype in {*names[owner], "NSEC"} - unsigned]
    return {
        "plain.example.": "\n".join([PLAIN, BIG, GLUE, f"{LONG} A 192.0.2.6"]),
        "signed.example.": SIGNED + "\n".join(signed),
        "child.plain.example.": "@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.8",
    }


def stream_of(text: str, origin: str) -> bytearray:
    """The record stream of lines `owner type rdata`; TTL 300."""
    top = dns.name.from_text(origin)
    stream = bytearray()
    for line in filter(None, text.split("\n")):
        owner, rdtype, rdata = line.split(None, 2)
        data = dns.rdata.from_text(dns.rdataclass.IN, rdtype, rdata, origin=top, relativize=False)
        records.append(stream, dns.name.from_text(owner, top).to_wire(), data.rdtype, 300, data.to_wire())
    return stream


def compiled() -> tuple[bytes, list[int]]:
    """All zones in one memory, and where each starts."""
    memory = bytearray()
    bases = []
    for origin, text in zones().items():
        marks = [(dns.name.from_text(owner).to_wire(), rdtype) for owner, rdtype in MARKS.get(origin, ())]
        image, findings = compile_zone(
            stream_of(text, origin), dns.name.from_text(origin).to_wire(), SEED, b"", marks
        )
        if findings:
            raise ValueError(f"{origin}: {findings}")
        bases.append(len(memory))
        memory += image + bytes(-len(image) % 8)
    bases.append(len(memory))
    memory += not_ready_image(dns.name.from_text(NOT_READY).to_wire(), SEED)
    return bytes(memory), bases


def responder(path: ModuleType, counters: object = None, **options: Any) -> Any:
    """A Responder of that engine module that serves all zones."""
    settings = path.Options(seed=SEED, server_id=b"fuzz", cookie_secret=bytes(range(16)), **options)
    made = path.Responder(settings, counters)
    memory, bases = compiled()
    made.map(memory)
    for base in bases:
        made.place(base)
    return made


def steer(made: Any, memo: ModuleType) -> None:
    """Give the responder policies that draw the same for the same packet: sticky ones."""
    policies = memo.PolicyMemo(bytes(64), SEED)
    made.set_memo(policies)
    for owner, rdtype in MARKS["plain.example."]:
        policy = policies.add(30, 100, 1 << 20)
        text = owner.replace("*", "one.two")
        position = made.write_ask(make_query(text, dns.rdatatype.to_text(rdtype)), bytes(28), True)
        policies.link(position, policy)
        size = 4 if rdtype == 1 else 16
        targets = tuple((i + 1, ("record", rdtype, bytes([i] * size), -1, i % 4)) for i in range(60))
        plan = ("open", ("sticky", 50, 24, 56, targets))
        policies.learn(policy, [(memo.F_CLIENT, 8, 16, b"\x04\xc0")], plan, 0)
        policies.learn(policy, [(memo.F_CLIENT, 8, 16, b"\x06\x20\x01")], ("outcome", memo.PASS))


def make_query(name: str, rdtype: str, edns: bytes | None = None, flags: int = 0x0100, rdclass: int = 1) -> bytes:
    """A query in wire format; `edns` are the options of an OPT record with DO set."""
    question = dns.name.from_text(name).to_wire() + struct.pack("!HH", dns.rdatatype.from_text(rdtype), rdclass)
    opt = b"" if edns is None else struct.pack("!BHHIH", 0, 41, 1232, 0x8000, len(edns)) + edns
    return struct.pack("!HHHHHH", 0x1234, flags, 1, 0, 0, int(edns is not None)) + question + opt
