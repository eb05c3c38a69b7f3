"""Times as people say them, in many time zones."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, strategies as st

from otpconv.errors import InvalidRequest
from otpconv.times import parse_duration, parse_time, parse_zone

#: Friday, 2026-11-27 11:20:48 UTC.
NOW = 1_795_778_448_000
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
#: 1980 to 2036.
NOWS = st.integers(315_532_800_000, 2_082_758_400_000)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EXAMPLES = [
    ("0", "1970-01-01T00:00:00"),
    ("1767225600000", "2026-01-01T00:00:00"),
    ("2026-01-01", "2026-01-01T00:00:00"),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
    ("2026-01-01 12:00", "2026-01-01T12:00:00"),
    ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00"),
    ("2026-01-01T01:00:00 01:00", "2026-01-01T00:00:00"),  # a plus sign that nobody escaped
    ("now", "2026-11-27T11:20:48"),
    ("7d", "2026-11-20T11:20:48"),
    ("2h ago", "2026-11-27T09:20:48"),
    ("90 minutes ago", "2026-11-27T09:50:48"),
    ("1 week", "2026-11-20T11:20:48"),
    ("30s", "2026-11-27T11:20:18"),
    ("today", "2026-11-27T00:00:00"),
    ("Yesterday", "2026-11-26T00:00:00"),
    ("this hour", "2026-11-27T11:00:00"),
    ("last hour", "2026-11-27T10:00:00"),
    ("this week", "2026-11-23T00:00:00"),
    ("last week", "2026-11-16T00:00:00"),
    ("this month", "2026-11-01T00:00:00"),
    ("last month", "2026-10-01T00:00:00"),
    ("last year", "2025-01-01T00:00:00"),
    ("friday", "2026-11-27T00:00:00"),
    ("saturday", "2026-11-21T00:00:00"),
    ("14:30", "2026-11-27T14:30:00"),
    ("yesterday 9:05", "2026-11-26T09:05:00"),
    ("monday at 9:05:07", "2026-11-23T09:05:07"),
]


@pytest.mark.parametrize(("text", "iso"), EXAMPLES)
def test_a_time_is_read_as_people_mean_it(text: str, iso: str) -> None:
    assert parse_time(text, now=NOW) == datetime.fromisoformat(f"{iso}+00:00").timestamp() * 1000


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("today", "2026-11-26T23:00:00"),
        ("2026-07-01", "2026-06-30T22:00:00"),  # in summer
        ("2026-07-01T00:00", "2026-06-30T22:00:00"),
        ("14:30", "2026-11-27T13:30:00"),
        ("2h ago", "2026-11-27T09:20:48"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
    ],
)
def test_days_and_times_without_an_offset_are_of_the_time_zone(text: str, iso: str) -> None:
    at = parse_time(text, now=NOW, tz=BERLIN)
    assert at == datetime.fromisoformat(f"{iso}+00:00").timestamp() * 1000


@given(
    NOWS, ZONES, st.sampled_from(["today", "yesterday", "this week", "last week", "this month", *WEEKDAYS])
)
def test_a_day_begins_where_the_calendar_of_the_zone_changes_to_it(now: int, tz: ZoneInfo, text: str) -> None:
    at = parse_time(text, now=now, tz=tz)
    first, before = (datetime.fromtimestamp(moment / 1000, tz) for moment in (at, at - 1))
    today = datetime.fromtimestamp(now / 1000, tz).date()
    assert before.date() < first.date() <= today
    assert at <= now
    if text in WEEKDAYS and (first.hour, first.minute) == (0, 0):  # else the zone skipped the midnight
        assert first.weekday() == WEEKDAYS.index(text)
        assert today - first.date() < timedelta(days=7)
    if text.endswith("week") and (first.hour, first.minute) == (0, 0):
        assert first.weekday() == 0


@given(NOWS, ZONES, st.integers(0, 9_999), st.sampled_from("smhdw"), st.sampled_from(["", " ago"]))
def test_a_span_counts_back_from_now_whatever_the_zone(
    now: int, tz: ZoneInfo, number: int, unit: str, ago: str
) -> None:
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]
    at = now - number * seconds * 1000
    if at >= 0:
        assert parse_time(f"{number}{unit}{ago}", now=now, tz=tz) == at


@given(NOWS, st.integers(0, 253_370_764_800_000 // 1000), ZONES)
def test_iso_8601_with_an_offset_is_the_same_in_every_zone(now: int, second: int, tz: ZoneInfo) -> None:
    iso = datetime.fromtimestamp(second, UTC).isoformat()
    assert parse_time(iso, now=now, tz=tz) == second * 1000


@given(st.text(max_size=80), NOWS, ZONES)
def test_any_other_text_is_refused_and_nothing_else_happens(text: str, now: int, tz: ZoneInfo) -> None:
    with suppress(InvalidRequest):
        assert parse_time(text, now=now, tz=tz) >= 0


@pytest.mark.parametrize(
    "text", ["", "tomorrowish", "2026-13-01", "7x", "25:00", "today today", "-1d", "9999999w ago", "1" * 100]
)
def test_a_refusal_names_the_parameter_and_says_what_can_be_said(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^Invalid --since '.*yesterday, monday 9:30, 7d or 2h ago"):
        parse_time(text, "--since", now=NOW)


def test_a_zone_that_does_not_exist_is_refused() -> None:
    assert parse_zone("Asia/Kolkata") == ZoneInfo("Asia/Kolkata")
    for name in ("Europe/Nowhere", "../etc/passwd", "", "\0"):
        with pytest.raises(InvalidRequest, match="IANA"):
            parse_zone(name)


@pytest.mark.parametrize(
    ("text", "length_ms"),
    [("30s", 30_000), (" 90 Minutes ", 5_400_000), ("2h", 7_200_000), ("1 week", 604_800_000)],
)
def test_a_length_of_time_is_read_as_people_say_it(text: str, length_ms: int) -> None:
    assert parse_duration(text) == length_ms


@pytest.mark.parametrize(
    "text", ["", "0h", "2h ago", "-2h", "7", "1y", "1.5h", "yesterday", "9999999h", "h" * 99]
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--for"):
        parse_duration(text, "--for")
