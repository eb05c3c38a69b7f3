"""The usual values of a slice at an hour of the week, before an alert began. Pure."""

from collections.abc import Iterable, Mapping
from math import sqrt

from msgspec import Struct

_DAY, _WEEK = 24, 7 * 24
#: With so many messages, an hour of the day counts as much as all hours, and an hour of the week as much as
#: the hour of the day.
_HOUR_WEIGHT = 60.0
#: A rate is known no better than this, however much traffic there was: it also varies from day to day.
_VARIATION = 0.01
#: The numbers of the hour of the day weigh as much as those of so many weeks.
_DAY_WEIGHT = 2.0
#: Less past than this says nothing about an hour.
_LEAST_HOURS = 2 * _DAY


class Hour(Struct, frozen=True, gc=False):
    """The messages of an hour, and those of them that the alert is about, e.g. the verified ones."""

    messages: int = 0
    counted: int = 0


class Normal(Struct, frozen=True, gc=False):
    """An expectation and its standard deviation."""

    mean: float
    deviation: float


class Usual:
    """The usual values of a slice.

    Args:
        hours: the counts, by hours since 1970, UTC; hours without messages may be missing.
        end: the hour after the last one.
    """

    def __init__(self, hours: Mapping[int, Hour], end: int) -> None:
        self._hours = hours
        self._span = (min(hours, default=end), end)
        self._total = _sum(hours.values())
        self._by_day = [
            _sum(one for hour, one in hours.items() if hour % _DAY == place) for place in range(_DAY)
        ]
        self._by_week: dict[int, Hour] = {}
        for hour, one in hours.items():
            place = hour % _WEEK
            self._by_week[place] = _sum((self._by_week.get(place, Hour()), one))
        self._overdispersion = self._learn_overdispersion()

    @property
    def is_known(self) -> bool:
        """Whether there is enough past to expect anything."""
        return self._span[1] - self._span[0] >= _LEAST_HOURS and self._total.messages > 0

    @property
    def an_hour(self) -> float:
        """How many messages an hour has on average."""
        return self._total.messages / max(1, self._span[1] - self._span[0])

    def share(self, hour: int) -> Normal:
        """Return the share of messages that is usually counted at an hour, and how well it is known."""
        day, week = self._by_day[hour % _DAY], self._by_week.get(hour % _WEEK, Hour())
        share = self._total.counted / self._total.messages if self._total.messages else 0.0
        for counted in (day, week):
            share = (counted.counted + _HOUR_WEIGHT * share) / (counted.messages + _HOUR_WEIGHT)
        known = _HOUR_WEIGHT + day.messages
        return Normal(share, sqrt(share * (1 - share) / known + _VARIATION**2))

    def messages(self, hour: int, part: float) -> Normal:
        """Return how many messages there usually are in a part (0 to 1) of an hour."""
        mean = self._mean_messages(hour) * part
        return Normal(mean, sqrt(mean + self._overdispersion * mean * mean))

    def _mean_messages(self, hour: int) -> float:
        days, weeks = (self._times(hour, period) for period in (_DAY, _WEEK))
        if not days:
            return 0.0
        by_day = self._by_day[hour % _DAY].messages / days
        by_week = self._by_week.get(hour % _WEEK, Hour()).messages
        return (by_week + _DAY_WEIGHT * by_day) / (weeks + _DAY_WEIGHT)

    def _times(self, hour: int, period: int) -> int:
        """Return how many hours of the past are at the same place of a period."""
        start, end = self._span
        first = start + (hour - start) % period
        return max(0, -(-(end - first) // period))

    def _learn_overdispersion(self) -> float:
        """Return by how much more the numbers vary than chance explains, as a squared share of the mean."""
        excess = squares = 0.0
        for hour in range(*self._span):
            mean = self._mean_messages(hour)
            seen = self._hours.get(hour, Hour()).messages
            excess += (seen - mean) ** 2 - mean
            squares += mean * mean
        return max(0.0, excess / squares) if squares else 0.0


def _sum(some: Iterable[Hour]) -> Hour:
    some = list(some)
    return Hour(sum(one.messages for one in some), sum(one.counted for one in some))
