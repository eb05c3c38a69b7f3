"""Quiet hours: when a target gets nothing; pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from otpconv.access.alert_targets import Quiet
from otpconv.errors import InvalidRequest

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MINUTE_MS: Final = 60_000


def require_quiet(quiet: Quiet) -> None:
    """Check quiet hours that somebody chose.

    Raises:
        InvalidRequest: a time or the time zone is malformed, or they never begin.
    """
    for time in (quiet.start, quiet.end):
        if not _TIME.fullmatch(time):
            raise InvalidRequest(f"Invalid time {time[:20]!r} of quiet hours. Use HH:MM, e.g. 22:00.")
    if quiet.start == quiet.end:
        raise InvalidRequest("Quiet hours that end when they start are none. Choose another end.")
    if quiet.tz not in available_timezones():
        raise InvalidRequest(f"Unknown time zone {quiet.tz[:40]!r}. Use an IANA name, e.g. Europe/Berlin.")


def quiet_until(quiet: Quiet, now: int) -> int | None:
    """Return when the quiet hours that `now` (ms) is in end, ms; None if it is in none."""
    begins, ends = _around(quiet, now)
    return ends if begins <= now else None


def next_quiet(quiet: Quiet, now: int) -> int:
    """Return when the next quiet hours begin, ms; `now` (ms) is in none."""
    return _around(quiet, now)[0]


def _around(quiet: Quiet, now: int) -> tuple[int, int]:
    """Return the quiet hours that `now` is in, or else the next ones, ms."""
    zone = ZoneInfo(quiet.tz)
    today = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone)
    for days in range(-1, 4):
        begin = _at(today + timedelta(days=days), quiet.start, zone)
        end = _at(today + timedelta(days=days + (quiet.end <= quiet.start)), quiet.end, zone)
        # A change of the clocks can skip all of them.
        if begin < end and now < end:
            return begin, end
    raise AssertionError("of three days in a row, one at most lacks an hour")


def _at(day: datetime, time: str, zone: ZoneInfo) -> int:
    """Return when the clocks of a day show a time, ms.

    A time that they show twice is the first one. One that they skip is when they jump.
    """
    hour, minute = map(int, time.split(":"))
    wanted = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    found = min(int(wanted.replace(fold=fold).timestamp()) * 1000 for fold in (0, 1))
    while datetime.fromtimestamp(found / 1000, zone).replace(tzinfo=None) < wanted.replace(tzinfo=None):
        found += _MINUTE_MS
    return found
