"""Names in wire format as people write them. By hand, for the control process has no other use for dnspython."""

from __future__ import annotations


def labels(name: bytes) -> list[str]:
    """The labels of a name, each as master files write it (RFC 1035 section 5.1)."""
    found = []
    at = 0
    while length := name[at]:
        found.append("".join(WRITTEN[octet] for octet in name[at + 1 : at + 1 + length]))
        at += 1 + length
    return found


def name_of(name: bytes) -> str:
    """`example.com`, without the last dot; `.` for the root."""
    return ".".join(labels(name)) or "."


WRITTEN = tuple(
    f"\\{chr(octet)}" if chr(octet) in '"().;\\@$' else chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}"
    for octet in range(256)
)
"""Each octet of a label."""
