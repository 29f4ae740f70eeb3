"""What comes of a reply: what is believed of it, as bytes of the reply that clients get, or why it is of no use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

IsElsewhere = Callable[[bytes], bool]
"""Whether somebody else is to be asked for this name (lower-case wire format)."""


class Useless(Exception):
    """The upstream answered, but not the question: another one may do better. `ede`: what it says about why, or -1."""

    def __init__(self, why: str, ede: int = -1) -> None:
        super().__init__(why)
        self.ede = ede


class Limits(NamedTuple):
    """Seconds for which answers are remembered at most; `negative`: NXDOMAIN and NODATA."""

    ttl: int
    negative: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """`body` is all that follows the question, pointers included. `ttl` 0: not to be remembered.

    `places` are those of the TTLs in `body`. `aliases` are the names that CNAMEs lead to, in order, and `follow` is
    where others answer the chain's rest; both are lower-case wire format.
    """

    body: bytes
    answers: int
    authorities: int
    places: tuple[int, ...]
    rcode: int
    ede: int
    ttl: int
    authentic: bool
    aliases: tuple[bytes, ...]
    follow: bytes | None
