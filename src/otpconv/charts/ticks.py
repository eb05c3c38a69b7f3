"""Ticks of axes: round values, labels that never repeat, and the number format of the pages. Pure.

Percentages have as many decimals as their step needs, counts are written out with thousands separators, and
a time axis shows either times of day, with the date at midnight, or dates, months or years.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil, floor, log10
from typing import Final

from msgspec import Struct

_SPACE: Final = "\N{NO-BREAK SPACE}"
_MINUTE_MS: Final = 60_000
_DAY_MINUTES: Final = 1_440
#: Steps of a time axis: minutes of a day, days, and months.
_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)
_DAYS: Final = (1, 2, 5, 10)
_MONTHS: Final = (1, 3, 6, 12, 24, 60, 120)
#: A longer window has dates on its axis only.
_TIMES_OF_DAY_MINUTES: Final = 2 * _DAY_MINUTES
_MONTH_DAYS: Final = 31
#: The rates of an axis differ at least this much: less is noise, and would look like a drop.
_LEAST_RANGE: Final = 0.01


class Tick(Struct, frozen=True, array_like=True):
    """A labelled value of an axis; times are in ms."""

    value: float
    label: str


class Axis(Struct, frozen=True):
    """An axis from its first to its last tick."""

    low: float
    high: float
    ticks: list[Tick]


def rate_axis(low: float, high: float, most: int = 5) -> Axis:
    """Return an axis of percentages around some rates.

    Args:
        low: the lowest rate, 0 to 1.
        high: the highest rate, 0 to 1.
        most: about so many steps at most.
    """
    low, high = max(0.0, min(low, 1.0)), max(0.0, min(high, 1.0))
    if high - low < _LEAST_RANGE:
        low, high = max(0.0, low - _LEAST_RANGE / 2), min(1.0, high + _LEAST_RANGE / 2)
    step, decimals = _step((high - low) * 100, most)
    first, last = floor(round(low * 100 / step, 6)), ceil(round(high * 100 / step, 6))
    ticks = [
        Tick(round(n * step / 100, 8), f"{n * step:.{decimals}f}{_SPACE}%") for n in range(first, last + 1)
    ]
    return Axis(ticks[0].value, ticks[-1].value, ticks)


def count_axis(high: int, most: int = 2, unit: str = "") -> Axis:
    """Return an axis of whole numbers of a unit from 0 to at least `high`, with `most` steps at most."""
    step = max(1, round(_step(max(1, high), most)[0]))
    ticks = [Tick(n, f"{n:,}{unit}") for n in range(0, -(-max(1, high) // step) * step + 1, step)]
    return Axis(0, ticks[-1].value, ticks)


def time_ticks(start: int, end: int, most: int, zone: tzinfo = UTC) -> list[Tick]:
    """Return the ticks of a time axis.

    Args:
        start: the first time of the axis, ms.
        end: the last time of the axis, ms.
        most: about so many ticks at most.
        zone: the time zone of the labels.
    """
    minutes = (end - start) / _MINUTE_MS
    if minutes <= _TIMES_OF_DAY_MINUTES:
        step = next((step for step in _MINUTES if minutes / step <= most), _DAY_MINUTES)
        times = _by_minutes(start, end, step, zone)
        return [Tick(time, _date(at) if at.hour == at.minute == 0 else f"{at:%H:%M}") for time, at in times]
    days = minutes / _DAY_MINUTES
    day_step = next((step for step in _DAYS if days / step <= most), None)
    if day_step is not None:
        return [Tick(time, _date(at)) for time, at in _by_days(start, end, day_step, zone)]
    step = next((step for step in _MONTHS if days / _MONTH_DAYS / step <= most), _MONTHS[-1])
    form = "%Y" if step % 12 == 0 else "%b %Y"
    return [Tick(time, f"{at:{form}}") for time, at in _by_months(start, end, step, zone)]


def _step(width: float, most: int) -> tuple[float, int]:
    """Return the smallest of 1, 2, 5, 10, … that cuts a width into `most` parts, and its decimals."""
    power = floor(log10(width / most))
    factor = next(factor for factor in (1, 2, 5, 10) if width / (factor * 10.0**power) <= most + 1e-6)
    return factor * 10.0**power, max(0, -power - (factor == 10))  # noqa: PLR2004


def _date(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _by_minutes(start: int, end: int, step: int, zone: tzinfo) -> Iterator[tuple[int, datetime]]:
    """Yield the times of day that are a multiple of `step` minutes."""
    time = start + -start % _MINUTE_MS
    while time <= end:
        at = datetime.fromtimestamp(time / 1000, zone)
        past = (at.hour * 60 + at.minute) % step
        if past == 0:
            yield time, at
        time += (step - past) * _MINUTE_MS


def _by_days(start: int, end: int, step: int, zone: tzinfo) -> Iterator[tuple[int, datetime]]:
    """Yield every `step`-th midnight, counted back from the last one."""
    at = datetime.fromtimestamp(end / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while _ms(at) >= start:
        found.append((_ms(at), at))
        at -= timedelta(days=step)
    yield from reversed(found)


def _by_months(start: int, end: int, step: int, zone: tzinfo) -> Iterator[tuple[int, datetime]]:
    """Yield the first days of every `step`-th month, counted from year 0."""
    first = datetime.fromtimestamp(start / 1000, zone)
    month = first.year * 12 + first.month - 1
    while True:
        month += -month % step
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=zone)
        if _ms(at) > end:
            return
        if _ms(at) >= start:
            yield _ms(at), at
        month += 1
