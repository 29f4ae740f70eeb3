"""Writes the seeds of `corpus/`: one of each kind of packet, record, text and stream that the code tells apart."""

from __future__ import annotations

import struct

from fuzz.mutate import CORPUS
from fuzz.world import PLAIN, SIGNED, make_query, stream_of, zones
from pippin.engine import records

COOKIE = b"\0\x0a\0\x08cccccccc"
FULL_COOKIE = b"\0\x0a\0\x18cccccccc\1\0\0\0\x6b\x49\xd2\0hhhhhhhh"
NSID = b"\0\3\0\0"
KEEPALIVE = b"\0\x0b\0\0"
PADDING = b"\0\x0c\0\4\0\0\0\0"
SUBNET = b"\0\x08\0\7\0\1\x18\0\xc0\0\2"
SUBNET_ZERO = b"\0\x08\0\4\0\1\0\0"
SUBNET_SIX = b"\0\x08\0\x0a\0\2\x30\0\x20\1\x0d\xb8\0\1"
SUBNET_LONG = b"\0\x08\0\7\0\1\x18\x18\xc0\0\2"

NAMES = (
    ("plain.example.", "SOA"), ("Plain.Example.", "NS"), ("plain.example.", "MX"), ("plain.example.", "ANY"),
    ("ns.plain.example.", "A"), ("mAiL.plain.example.", "AAAA"), ("x.y.wild.plain.example.", "A"),
    ("x.wild.plain.example.", "MX"), ("*.wild.plain.example.", "A"), ("x.host.wild.plain.example.", "A"),
    ("alias.plain.example.", "A"), ("alias.plain.example.", "TXT"), ("far.plain.example.", "A"),
    ("near.plain.example.", "A"), ("lost.plain.example.", "A"), ("loop.plain.example.", "A"),
    ("x.renamed.plain.example.", "A"), ("under.tree.plain.example.", "A"), ("b.empty.plain.example.", "A"),
    ("www.sub.plain.example.", "A"), ("sub.plain.example.", "DS"), ("sub.plain.example.", "NS"),
    ("x.wide.plain.example.", "A"), ("big.plain.example.", "TXT"), ("big.plain.example.", "A"),
    ("nothing.plain.example.", "A"), ("child.plain.example.", "DS"), ("ns.child.plain.example.", "A"),
    ("_sip._tcp.plain.example.", "SRV"), ("svc.plain.example.", "HTTPS"), ("signed.example.", "DNSKEY"),
    ("signed.example.", "SOA"), ("nothing.signed.example.", "A"), ("x.wild.signed.example.", "A"),
    ("alias.signed.example.", "A"), ("x.sub.signed.example.", "A"), ("a.b.c.signed.example.", "RRSIG"),
    ("steered.plain.example.", "A"), ("steered.plain.example.", "MX"), ("a.b.cdn.plain.example.", "AAAA"),
    ("elsewhere.net.", "A"), (".", "NS"), ("plain.example.", "AXFR"), ("plain.example.", "IXFR"),
    ("x.broken.plain.example.", "A"), ("broken.plain.example.", "DS"),
)  # fmt: skip


def path_seeds() -> list[bytes]:
    longest = "x" * 63 + "." + "y" * 63 + "." + "z" * 63 + "."
    seeds = [make_query(name, rdtype) for name, rdtype in NAMES]
    seeds += [make_query(name, rdtype, b"") for name, rdtype in NAMES[:36]]
    for name in ("steered.plain.example.", "mail.plain.example.", "far.plain.example.", "elsewhere.net."):
        seeds += [make_query(name, "A", subnet) for subnet in (SUBNET, SUBNET_ZERO, SUBNET_SIX, COOKIE + SUBNET_LONG)]
    for options in (COOKIE, FULL_COOKIE, NSID, KEEPALIVE, PADDING, SUBNET, COOKIE + NSID + KEEPALIVE + PADDING):
        seeds.append(make_query("big.plain.example.", "TXT", options))
    seeds.append(make_query(longest + "plain.example.", "A", NSID + COOKIE))
    seeds.append(make_query(longest + "w" * 46 + ".plain.example.", "A", b""))
    seeds.append(make_query("1." * 120 + "plain.example.", "A"))
    seeds.append(make_query("version.bind.", "TXT", None, 0x0100, 3))
    seeds.append(make_query("plain.example.", "A", b"", 0x0100, 255))
    seeds += [make_query("plain.example.", "SOA", None, flags) for flags in (0x2000, 0x2800, 0x0130, 0x8000, 0x7800)]
    without_question = struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 1)
    seeds.append(without_question + b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c" + COOKIE)
    version_one = bytearray(make_query("plain.example.", "SOA", NSID))
    version_one[-len(NSID) - 5] = 1
    seeds.append(bytes(version_one))
    two = bytearray(make_query("plain.example.", "SOA", b""))
    two[11] = 2
    seeds.append(bytes(two) + b"\0\0\x29\x04\xd0\0\0\0\0\0\0")
    return seeds


def compile_seeds() -> list[bytes]:
    lines = PLAIN.strip().split("\n")
    extra = ["@ NSEC3PARAM 1 0 2 abcd", "@ RRSIG SOA 13 2 300 20300101000000 20200101000000 1 @ AAAA"]
    small = ["\n".join([*lines[:2], *lines[i : i + 4]]) for i in range(2, len(lines), 4)]
    small.append("\n".join(lines[:2] + extra))
    found = []  # what was found once
    for rdtype, rdata in ((33, b"\0\0\0\0\0\1\5ab"), (65, b"\0\1"), (41, b"\0"), (46, b"")):
        stream = stream_of("\n".join(lines[:2]), "plain.example.")
        records.append(stream, b"\1x\5plain\7example\0", rdtype, 300, rdata)
        found.append(bytes(stream))
    return [bytes(stream_of(text, "plain.example.")) for text in small] + [
        bytes(stream_of(SIGNED.strip(), "plain.example.")),
        bytes(stream_of("\n".join(lines[:2]) + "\n" + zones()["signed.example."].replace("signed.example.", "@"),
                        "plain.example.")),
        *found,
    ]  # fmt: skip


def scan_seeds() -> list[bytes]:
    head = "$TTL 1h\n@ IN SOA ns hostmaster ( 1 2h 15m ; serial\n 2w 300 )\n  NS ns\n"
    texts = [
        head + "\n".join(PLAIN.split("\n")[2:]).replace('"v=spf1 -all"', '"a\\"b\\065" c'),
        "$ORIGIN sub\n$GENERATE 1-9/2 h${0,3,d} A 192.0.2.$\n$GENERATE 0-3 $ CNAME ${-1,2,x}.x\n$INCLUDE more sub\n",
        head + "x TYPE65280 \\# 4 0102 0304\ny 1h30m IN TXT a;b\nz IN 5 CAA 0 issue \"ca.example\"\n",
        head + "\\000\\.dot A 192.0.2.1\n*.x AAAA ::ffff:1.2.3.4\n@ LOC 52 22 23 N 4 53 32 E -2m\n@ SVCB 1 . port=53\n",
        "x 60 TYPE65280 x\n",
        head + "k DNSKEY 256 3 13 AQID\nk DS 1 13 2 " + "ab" * 32 + "\nk NSEC a A NS TYPE999\n"
        "k RRSIG A 13 3 60 20300101000000 20200101000000 1 @ AAAA\nk NSEC3PARAM 1 0 0 -\n"
        "k NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A\nk SSHFP 1 1 abcd\nk TLSA 3 1 1 abcd\nk URI 1 1 \"x\"\n",
    ]
    return [text.encode() for text in texts]


def tcp_seeds() -> list[bytes]:
    def framed(*messages: bytes) -> bytes:
        return b"".join(len(message).to_bytes(2, "big") + message for message in messages)

    packets = path_seeds()
    return [framed(*packets[i : i + 6]) for i in range(0, len(packets), 12)] + [
        framed(packets[0]) + b"\0",
        framed(packets[0], b"", packets[1]),
        framed(packets[1][:11], packets[0]),
        framed(packets[0]) + b"\xff\xff" + packets[1],
    ]


def memo_seeds() -> list[bytes]:
    """As `memo.Octets` reads them: a search tree's measures, a plan, facts, targets, a question."""

    def address(last: int, row: int) -> bytes:
        return bytes([0, 0, 200, row, 0, 4, 192, 0, 2, last, 0])

    both = address(1, 0) + address(2, 1)
    plans = [
        address(1, 2),
        bytes([1, 2]) + both,
        bytes([2, 1, 3]) + both + address(3, 2),
        bytes([3, 1, 2]) + both + bytes([3, 1]),
        bytes([4, 0, 2]) + both,
        bytes([5, 1, 24, 56, 2]) + both + bytes([1, 1]),
        bytes([6, 2, 7, 1, 2]) + both + bytes([8, 2]),
        bytes([6, 2, 8, 0, 0, 4, 0, 0, 0, 5, 1, 97, 0, 0, 0, 0, 0]),
    ]
    facts = bytes([5, 4, 0, 0, 0, 1, 24, 56, 0, 192, 0, 2, 3, 0, 0, 1, 10, 1, 0, 1, 9, 2, 1, 97, 0])
    question = bytes([192, 0, 2, 77]).ljust(16, b"\0") + bytes([4, 32])
    return [
        bytes([size, version, 9, 32, 0, 1, 128, 0, 1]) + plan + facts + bytes([1, 0, 1, 1]) + question
        for size, version, plan in zip((0, 1, 2) * 3, (0, 1) * 4, plans, strict=False)
    ]


def write() -> None:
    """Replace the corpus by these seeds."""
    CORPUS.mkdir(exist_ok=True)
    for target, seeds in (
        ("path", path_seeds()), ("compile", compile_seeds()), ("scan", scan_seeds()), ("tcp", tcp_seeds()),
        ("memo", memo_seeds()),
    ):  # fmt: skip
        text = "# Seeds of the target, one a line; `python -m fuzz.seeds` writes them\n"
        (CORPUS / f"{target}.txt").write_text(text + "".join(seed.hex() + "\n" for seed in seeds))


if __name__ == "__main__":
    write()
