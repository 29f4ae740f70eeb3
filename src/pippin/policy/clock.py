"""The time as policies read it: a value, and until when it holds. Unix seconds in; nothing here looks at a clock."""

from __future__ import annotations

import datetime
import zoneinfo

GRAINS = ("minute", "hour", "weekday", "date")

UTC = "UTC"


class UnknownZone(ValueError):
    """A time zone that is not known here."""


def zone(name: str) -> datetime.tzinfo:
    """A time zone by its IANA name. Raises `UnknownZone`."""
    if name == UTC:
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(
            f"no time zone {name!r} is known here; right would be 'Europe/Prague', and a system without time zones "
            "needs the package tzdata"
        ) from None


def read(where: datetime.tzinfo, grain: str, unix: int) -> tuple[int, int]:
    """The value of a grain (`date` as a day number, `weekday` with Monday as 0), and the first second of the next.

    Where the zone's offset changes before that, the value holds until then only: after the change it may be the same,
    but an hour or a day that was cut short or made longer never lasts too long.
    """
    now = datetime.datetime.fromtimestamp(unix, where)
    seconds = now.second
    if grain == "minute":
        value, left = now.minute, 60 - seconds
    elif grain == "hour":
        value, left = now.hour, 3600 - 60 * now.minute - seconds
    else:
        value = now.weekday() if grain == "weekday" else now.toordinal()
        left = 86400 - 3600 * now.hour - 60 * now.minute - seconds
    return value, _before_change(where, unix, unix + left)


def _before_change(where: datetime.tzinfo, start: int, end: int) -> int:
    """`end`, or the second before it at which the offset changes. No zone changes twice within a day."""
    offset = _offset(where, start)
    if _offset(where, end) == offset:
        return end
    while end - start > 1:
        middle = (start + end) // 2
        if _offset(where, middle) == offset:
            start = middle
        else:
            end = middle
    return end


def _offset(where: datetime.tzinfo, unix: int) -> datetime.timedelta | None:
    return datetime.datetime.fromtimestamp(unix, where).utcoffset()
