"""Ticks: labels never repeat, axes contain the values, and numbers are written as on the pages."""

import random
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from campaigns import rounds
from otpconv.charts.ticks import count_axis, rate_axis, time_ticks
from otpconv.web.pages.figures import format_count, format_percent

DAY_MS = 86_400_000
NOW = 1_795_781_000_000


def labels(days: float, most: int) -> list[str]:
    return [tick.label for tick in time_ticks(NOW - int(days * DAY_MS), NOW, most)]


def test_a_time_axis_has_times_then_dates_then_months_then_years() -> None:
    assert labels(0.25, 4) == ["08:00", "10:00", "12:00"]
    assert labels(1, 4) == ["18:00", "27 Nov", "06:00", "12:00"]
    assert labels(7, 4) == ["21 Nov", "23 Nov", "25 Nov", "27 Nov"]
    assert labels(90, 4) == ["Sep 2026", "Oct 2026", "Nov 2026"]
    assert labels(1830, 4) == ["2022", "2024", "2026"]


def test_a_time_axis_is_in_its_time_zone() -> None:
    ticks = time_ticks(NOW - DAY_MS, NOW, 4, ZoneInfo("Asia/Kolkata"))
    assert "27 Nov" in [tick.label for tick in ticks]
    assert all((tick.value + 5.5 * 3_600_000) % (6 * 3_600_000) == 0 for tick in ticks)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
def test_no_axis_repeats_a_label_or_leaves_a_value_out(zone: str) -> None:
    chance = random.Random(zone)
    for _ in range(rounds(200)):
        length, end = int(10 ** chance.uniform(5.5, 11.2)), chance.randrange(10**12, 2 * 10**12)
        most = chance.choice((4, 10))
        ticks = time_ticks(end - length, end, most, ZoneInfo(zone))
        assert all(one.label != other.label for one, other in pairwise(ticks))
        assert len(ticks) <= most + 2
        low = chance.random()
        high = chance.uniform(low, min(1.0, low + chance.random() ** 4))
        axis = rate_axis(low, high)
        written = [tick.label for tick in axis.ticks]
        assert len(set(written)) == len(written) <= 8
        assert axis.low <= low + 1e-9 <= high <= axis.high + 1e-9
        assert 0 <= axis.low < axis.high <= 1
        counts = count_axis(int(10 ** chance.uniform(0, 7)))
        assert len({tick.label for tick in counts.ticks}) == len(counts.ticks)


def test_numbers_are_written_as_on_the_pages() -> None:
    assert [tick.label for tick in count_axis(1_500).ticks] == [format_count(n) for n in (0, 1_000, 2_000)]
    assert [tick.label for tick in count_axis(0).ticks] == ["0", "1"]
    fine = rate_axis(0.781, 0.7849)
    assert [tick.label for tick in fine.ticks] == [format_percent(tick.value) for tick in fine.ticks]
