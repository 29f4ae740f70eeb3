"""What is where in a Redis: one hash a zone, one field a name, and a hash that says which zones there are.

    pippin:zones                 origin -> version; `deleted` instead of a version: there is no such zone any more
    pippin:zone:<origin>         name relative to the origin -> records, one a line: TTL TYPE RDATA
    pippin:changes               the channel on which the origin of a zone that has changed is published

An origin is a name without the last dot, `.` for the root. A field is a name as `relative` writes it, for it is looked
up as it stands: in lower case, `@` for the zone itself, special characters with a backslash. A field without value is
a name that owns nothing, but has names below it. A field that begins with a semicolon is no name but a note.

The version is what tells a server that was away what it has missed; any text will do that has not been there before.
"""

from __future__ import annotations

import re

from pippin.source.names import WRITTEN, name_of
from pippin.source.redis.url import RedisURL

DELETED = b"deleted"
EVERYTHING = "*"
"""Published instead of an origin: many zones have changed."""

APEX = b"@"
NOTE = b";"
NO_NS = b"; a zone without NS records"
"""The note of a zone that is meant to have none, as the export of a CSV begins with it."""

_LABEL = rb"[!#%&'*+,/-9:<=>?\[\]^_`a-z{|}~-]{1,63}+"
PLAIN = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*")
"""Fields that are names, and written right, if only they are not too long together with their zone."""


def zones_key(url: RedisURL) -> str:
    return f"{url.prefix}:zones"


def zone_key(url: RedisURL, origin: str) -> str:
    return f"{url.prefix}:zone:{origin}"


def loading_key(url: RedisURL, origin: str, token: str) -> str:
    """Where a zone is put together before it takes the place of the old one, all at once."""
    return f"{url.prefix}:loading:{origin}:{token}"


def channel(url: RedisURL) -> str:
    return f"{url.prefix}:changes"


def relative(owner: bytes, origin: bytes) -> bytes:
    """The field of a name, both in wire format; the owner is in the zone."""
    if len(owner) == len(origin):
        return APEX
    return name_of(owner[: -len(origin)].lower() + b"\0").encode()


def problem_of(field: bytes) -> str:
    """What is wrong with a field that shall be a name; empty: nothing."""
    import dns.exception
    import dns.name

    if PLAIN.fullmatch(field) is not None or field == APEX:
        return ""
    if not field:
        return "the field has no name; the zone itself is @"
    try:
        name = dns.name.from_text(field.decode("ascii"), None)
    except UnicodeDecodeError:
        return "the field is not a name; octets beyond ASCII are written as \\DDD, and international names in Punycode"
    except dns.exception.DNSException as error:
        return f"the field is not a name: {error}"
    if name.is_absolute():
        return "the field ends in a dot; names are relative to the zone, which itself is @"
    right = ".".join("".join(WRITTEN[octet] for octet in label) for label in name.canonicalize().labels)
    if right != field.decode("ascii"):
        return f"the field is written in another way than names are looked up; right would be {right}"
    return ""
