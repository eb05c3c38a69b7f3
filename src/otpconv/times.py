"""Times as people say them: `yesterday`, `7d`, `2h ago`, `monday 9:30`, and as machines write them. Pure.

Every text stands for one instant. The name of a day, week, month or year stands for its beginning, so
`start=yesterday&end=today` is all of yesterday.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from otpconv.errors import InvalidRequest

#: The latest time, ms: the end of 9998. Calendar functions accept it in every time zone.
_LATEST_MS = 253_370_764_800_000
#: Longer texts are not read.
_MAX_CHARS = 64

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_AGO = re.compile(
    r"([0-9]{1,6}) ?"
    r"(?:(s)(?:ec|ecs|econd|econds)?|(m)(?:in|ins|inute|inutes)?|(h)(?:r|rs|our|ours)?|(d)(?:ay|ays)?|(w)(?:eek|eeks)?)"
    r"(?: ago)?"
)
_UNESCAPED = re.compile(r"(.+T.+) (\d\d:?\d\d)")
_CLOCK = re.compile(r"(?:(.+?) )?(?:at )?([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: The first day of the period that a day is in. Weeks begin on Mondays (ISO 8601).
_PERIODS: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}


def parse_time(text: str, name: str = "time", *, now: int, tz: tzinfo = UTC) -> int:
    """Parse a time, and return it in ms UTC.

    Args:
        text: milliseconds since the Unix epoch; ISO 8601, e.g. `2026-01-31` or `2026-01-31T12:00:00+02:00`;
            `now`; `7d`, `90 min` or `2h ago`, counted back from now; `today`, `yesterday`, `monday` (the last
            one), `this week`, `last month`, i.e. their beginnings; `14:30` of today, `yesterday 14:30`.
        name: the name of the parameter, for the error.
        now: the time now, ms.
        tz: the time zone of days, and of times without an offset.

    Raises:
        InvalidRequest: the text is none of these, or the time is not between 1970 and 9998.
    """
    time = -1
    if len(text) <= _MAX_CHARS:
        with suppress(ValueError, OverflowError):  # not a time, or out of the calendar
            time = _time_of(" ".join(text.split()), now, tz)
    if not 0 <= time <= _LATEST_MS:
        raise InvalidRequest(
            f"Invalid {name} {text[:40]!r}. Use a time such as 2026-01-31T12:00:00Z, yesterday, monday 9:30,"
            " 7d or 2h ago, or milliseconds since 1970."
        )
    return time


def parse_duration(text: str, name: str = "duration") -> int:
    """Parse a length of time, and return it in ms; above 0.

    Args:
        text: e.g. `2h`, `90 min`, `7d`.
        name: the name of the parameter, for the error.

    Raises:
        InvalidRequest: the text is none of these.
    """
    length = _AGO.fullmatch(" ".join(text.lower().split())) if len(text) <= _MAX_CHARS else None
    if length is None or length[0].endswith(" ago") or not int(length[1]):
        raise InvalidRequest(f"Invalid {name} {text[:40]!r}. Use a length of time such as 30m, 2h or 7d.")
    return _length_ms(length)


def local_minute(time_ms: int, tz: tzinfo) -> str:
    """Return a time (ms UTC) in a time zone, to the minute, e.g. `2026-01-31 14:30`.

    When the clocks go back, two times have the same text.
    """
    return datetime.fromtimestamp(time_ms / 1000, tz).strftime("%Y-%m-%d %H:%M")


def parse_zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database by its name.

    Raises:
        InvalidRequest: there is no such time zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            f"Unknown tz {name[:40]!r}. Use a time zone of the IANA database, e.g. Europe/Berlin."
        ) from None


def _time_of(text: str, now: int, tz: tzinfo) -> int:
    """Return the time of a text."""
    if re.fullmatch(r"[0-9]{1,16}", text):
        return int(text)
    spoken = _from_now(text.lower(), now, tz)
    if spoken is None:
        spoken = _on_a_day(text.lower(), now, tz)
    if spoken is not None:
        return spoken
    moment = datetime.fromisoformat(_UNESCAPED.sub(r"\1+\2", text))
    return _instant(moment if moment.tzinfo else moment.replace(tzinfo=tz))


def _from_now(text: str, now: int, tz: tzinfo) -> int | None:
    if text == "now":
        return now
    if text in {"this hour", "last hour"}:
        return _hour_of(now, tz) - (_UNITS_MS["h"] if text == "last hour" else 0)
    ago = _AGO.fullmatch(text)
    return now - _length_ms(ago) if ago else None


def _length_ms(length: re.Match[str]) -> int:
    """Return the length of time that `_AGO` has matched, ms."""
    return int(length[1]) * _UNITS_MS[next(filter(None, length.groups()[1:]))]


def _on_a_day(text: str, now: int, tz: tzinfo) -> int | None:
    """Return the beginning of a day, or a time of it."""
    clock = _CLOCK.fullmatch(text)
    day = _day_of((clock[1] or "today") if clock else text, datetime.fromtimestamp(now / 1000, tz).date())
    if day is None:
        return None
    at = (int(clock[2]), int(clock[3]), int(clock[4] or 0)) if clock else (0, 0, 0)
    return _instant(datetime(day.year, day.month, day.day, *at, tzinfo=tz))


def _day_of(text: str, today: date) -> date | None:
    """Return the day that a text names, or on which the period that it names began."""
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    if text in _WEEKDAYS:
        return today - timedelta(days=(today.weekday() - _WEEKDAYS.index(text)) % 7)
    which, _, period = text.partition(" ")
    if period in _PERIODS and which in {"this", "last"}:
        begin = _PERIODS[period]
        return begin(today) if which == "this" else begin(begin(today) - timedelta(days=1))
    return None


def _hour_of(now: int, tz: tzinfo) -> int:
    """Return when the hour of the zone began; some zones are half an hour from UTC."""
    moment = datetime.fromtimestamp(now / 1000, tz)
    return now - round((moment.minute * 60 + moment.second) * 1000 + moment.microsecond / 1000)


def _instant(moment: datetime) -> int:
    """Return a time of the calendar, ms; where the clocks skipped it, as the offset before the gap has it."""
    return round(moment.timestamp() * 1000)
