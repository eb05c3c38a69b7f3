"""Quiet hours over midnight, and when clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from otpconv.access.alert_targets import Quiet
from otpconv.errors import InvalidRequest
from otpconv.notifications.quiet import next_quiet, quiet_until, require_quiet


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> int:
    """An instant by a local time, ms."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp()) * 1000


@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        ("22:00", "07:00", "2026-06-01T21:59", None),
        ("22:00", "07:00", "2026-06-01T22:00", "2026-06-02T07:00"),
        ("22:00", "07:00", "2026-06-02T06:59", "2026-06-02T07:00"),
        ("22:00", "07:00", "2026-06-02T07:00", None),
        ("12:00", "14:00", "2026-06-02T13:00", "2026-06-02T14:00"),
        ("22:00", "07:00", "2026-03-29T01:30", "2026-03-29T07:00"),
        ("22:00", "02:30", "2026-03-29T01:30", "2026-03-29T03:00"),  # the clocks skip 2:30
        ("02:10", "02:50", "2026-03-29T03:00", None),  # they skip all of it
        ("02:10", "02:50", "2026-10-25T02:20", "2026-10-25T02:50"),
    ],
)
def test_quiet_hours_are_by_the_clocks_of_their_zone(
    start: str, end: str, now: str, until: str | None
) -> None:
    found = quiet_until(Quiet(start, end, "Europe/Berlin"), at(now))
    assert found == (None if until is None else at(until))


def test_an_hour_that_clocks_show_twice_is_quiet_once() -> None:
    quiet = Quiet("02:10", "02:50", "Europe/Berlin")
    assert quiet_until(quiet, at("2026-10-25T02:20", fold=1)) is None
    assert next_quiet(quiet, at("2026-10-25T02:20", fold=1)) == at("2026-10-26T02:10")


@pytest.mark.parametrize(
    "quiet",
    [
        Quiet("22", "07:00"),
        Quiet("24:00", "07:00"),
        Quiet("22:00", "7:00"),
        Quiet("22:00", "22:00"),
        Quiet("22:00", "07:00", "Berlin"),
        Quiet("22:00", "07:00", "../../etc/passwd"),
    ],
)
def test_what_are_no_quiet_hours_is_refused(quiet: Quiet) -> None:
    with pytest.raises(InvalidRequest):
        require_quiet(quiet)
