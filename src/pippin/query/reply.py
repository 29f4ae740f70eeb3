"""Reply: an answer ready for the engine to finish, which adds header, question, truncation and OPT."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """Everything of a reply that does not depend on the packet that asked."""

    body: bytes
    """All that follows the question, without OPT. Compression pointers are offsets from the message's start."""
    answers: int
    authorities: int
    additionals: int
    """Records in each section."""
    rcode: int = 0
    """May need the extended bits of OPT (RFC 6891 section 6.1.3)."""
    authoritative: bool = True
    glue_required: bool = False
    """A referral: additional records that do not fit set TC (RFC 9471)."""
    ede: int = -1
    """Extended DNS error info-code (RFC 8914), -1 for none."""
    ttl: int = 0
    """Seconds that the answer cache may keep it; 0 for never."""
    recursion_available: bool = False
    """RA (RFC 1035 section 4.1.1): questions for names outside our zones are forwarded for this client."""
    authentic: bool = False
    """AD, for clients that show that they understand it (RFC 6840 section 5.8)."""
    forwarded: bool = False
    """All of it came from other servers: its TTLs age while it is remembered, and no change of our zones makes it
    stale."""
    scope: int = 0
    """Bits of the client subnet that the answer depends on (RFC 7871 section 7.2.1)."""
