"""The time in grains: right values, and ends that never come too late, also where clocks are changed."""

from __future__ import annotations

import datetime
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pippin.policy.clock import GRAINS, UTC, UnknownZone, read, zone

ZONES = [
    UTC,
    "Europe/Prague",
    "America/New_York",
    "Asia/Kathmandu",  # +05:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "Africa/Cairo",  # changes at midnight
    "America/Havana",  # at midnight too
    "Pacific/Apia",
]


def unix(text: str, where: str = UTC) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(where)).timestamp())


def value(where: str, grain: str, moment: int) -> int:
    """The definition."""
    now = datetime.datetime.fromtimestamp(moment, zoneinfo.ZoneInfo(where))
    return {"minute": now.minute, "hour": now.hour, "weekday": now.weekday(), "date": now.toordinal()}[grain]


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(GRAINS), st.integers(unix("2015-01-01"), unix("2030-01-01")))
def test_value_is_right_and_holds_until_it_is_read_again(where: str, grain: str, moment: int) -> None:
    found, until = read(zone(where), grain, moment)
    assert found == value(where, grain, moment)
    assert moment < until <= moment + {"minute": 60, "hour": 3600}.get(grain, 86400)
    for later in {until - 1, (moment + until) // 2}:
        assert value(where, grain, later) == found


@pytest.mark.parametrize(
    ("where", "moment", "grain", "found", "until"),
    [
        ("UTC", "2026-03-01T17:59:59", "hour", 17, "2026-03-01T18:00:00"),
        (
            "Europe/Prague",
            "2026-03-28T23:30:00",
            "weekday",
            6,
            "2026-03-29T01:00:00",
        ),  # spring: until the change,
        (
            "Europe/Prague",
            "2026-03-29T01:00:00",
            "weekday",
            6,
            "2026-03-29T22:00:00",
        ),  # then to the end of the day
        ("Europe/Prague", "2026-03-29T00:30:00", "hour", 1, "2026-03-29T01:00:00"),
        ("Europe/Prague", "2026-03-29T01:00:00", "hour", 3, "2026-03-29T02:00:00"),  # there is no hour 2
        ("Europe/Prague", "2026-10-25T00:30:00", "hour", 2, "2026-10-25T01:00:00"),
        ("Europe/Prague", "2026-10-25T01:30:00", "hour", 2, "2026-10-25T02:00:00"),  # hour 2 comes twice
        ("Asia/Kathmandu", "2026-03-01T00:00:00", "hour", 5, "2026-03-01T00:15:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:45:00", "minute", 45, "2026-04-04T14:46:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:45:00", "hour", 1, "2026-04-04T15:00:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00", "hour", 1, "2026-04-04T15:30:00"),  # 01:30 again
    ],
)
def test_ends_of_grains(where: str, moment: str, grain: str, found: int, until: str) -> None:
    assert read(zone(where), grain, unix(moment)) == (found, unix(until))


def test_date_is_a_day_number() -> None:
    day, until = read(zone("Africa/Cairo"), "date", unix("2026-12-24T21:59:59"))
    assert datetime.date.fromordinal(day) == datetime.date(2026, 12, 24)
    assert until == unix("2026-12-24T22:00:00")


@pytest.mark.parametrize("name", ["Europe/Pragu", "", "../etc/passwd", "Europe"])
def test_unknown_zone_is_told(name: str) -> None:
    with pytest.raises(UnknownZone, match="right would be 'Europe/Prague'"):
        zone(name)
