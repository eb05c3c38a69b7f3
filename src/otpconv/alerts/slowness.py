"""Finds that users enter their codes later than usual (`slower`), before the rate can show it. Pure.

Compares only verified messages that were requested in the same minute, by the bin of their delay. A test
weighs the past delays of their route against longer ones. So neither a change in the shares of the routes nor
a lower rate matters.
"""

from collections.abc import Mapping, Sequence
from math import log
from typing import Final

from otpconv.alerts.detector import Source
from otpconv.alerts.episodes import Episode, Episodes, EpisodesState, Score, limit_of
from otpconv.alerts.learning import Learning
from otpconv.alerts.memory import Memory, decoded
from otpconv.alerts.slicing import slices_by
from otpconv.model import DELAY_BINS
from otpconv.rates.delays import quantile
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count

#: Routes whose delays are kept; further ones are not watched.
MAX_ROUTES: Final = 2_000
#: A route is watched once so many of its messages were verified; a country stands for so many of them.
_LEAST_KNOWN, _PARENT_WEIGHT = 150.0, 60.0
#: A minute is looked at this long after its end, the first that is so many times the usual p90, ms.
_AGES, _LONGER = (3 * MINUTE_MS, 6 * MINUTE_MS, 9 * MINUTE_MS), 3
#: Bins by which the delays to find are longer: factors of 2 and of 6.
_SLOWER_BINS = (2, 5)
#: Delays vary from hour to hour: this share of the usual ones counts as slower. One message says at most so
#: much, in nats.
_VARIATION, _MOST_NATS = 0.1, 3.0
#: What each bin has at least, in messages.
_LEAST_BIN = 0.5
#: The least verified messages, and the least time, ms, to show it.
_LEAST_VERIFIED, _LEAST_MS = 8, 3 * MINUTE_MS
#: It is critical when half of the users take so many times as long.
_CRITICAL = 3.0
#: All that is learned forgets half within these hours.
_HALF_HOURS = 7 * 24
#: The part of an even flow that is kept, times this, is a month of it.
_A_MONTH = 30 * 24 * log(2) / _HALF_HOURS
_SLICES = slices_by((), ("country",), ("provider",), ("country", "carrier"), ("country", "provider"))

#: A country, a carrier and a provider.
_Route = tuple[str, str, str]


#: The nats that a message adds, by the bin of its delay.
_Test = tuple[float, ...]


class Slowness:
    """Watches how long users take to enter their codes.

    Args:
        budget: false alarms a month over all slices.
    """

    name = "slowness"

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._learning = Learning()
        self._delays: dict[_Route, list[float]] = {}
        self._age = _AGES[-1]
        self._tests: dict[_Route, _Test | None] = {}
        self._countries: dict[str, list[float]] = {}
        self._slices = 0
        self._verified = 0.0
        self._limit = float("inf")
        self._now = 0
        self._episodes = Episodes(self._is_slower, lambda _: self._limit)
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """See `Detector.look`."""
        self._now = now
        for hour in self._learning.due(now):
            self._learn(source.hour(hour * HOUR_MS))
        if not self._learning.is_done(now) or not self._delays:
            return []
        if not self._countries:
            self._prepare()
        start = now - self._age - MINUTE_MS
        scores = self._scores(source.minute(start))
        self._limit = limit_of(_A_MONTH * self._verified, self._slices, self._budget)
        ended = self._episodes.add(start, scores, now)
        changes: list[Change] = [Ended("slower", which.values) for which in ended]
        changes += [self._found(which, episode) for which, episode in self._episodes.open.items()]
        return changes

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        upto = self._learning.next
        learned = self._memory.learned(upto, lambda: (upto, [*self._delays.items()]))
        return learned | self._memory.changed(episodes=(self._episodes.state(),))

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        learned = decoded(parts, "slowness.learned", tuple[int, list[tuple[_Route, list[float]]]])
        episodes = decoded(parts, "slowness.episodes", tuple[EpisodesState])
        if learned is None or episodes is None:
            return
        self._learning.next, delays = learned
        self._delays, self._countries = dict(delays), {}
        self._episodes.restore(episodes[0])

    def _learn(self, counts: Sequence[Count]) -> None:
        kept = 0.5 ** (1 / _HALF_HOURS)
        self._delays = {
            route: [count * kept for count in bins]
            for route, bins in self._delays.items()
            if sum(bins) > 0.5  # noqa: PLR2004 - less than a message
        }
        slow = self._episodes.open
        for count in counts:
            if not count.delays or any(which in slow for which in _SLICES(count.group)):
                continue
            route = _route(count)
            bins = self._delays.get(route)
            if bins is None and len(self._delays) >= MAX_ROUTES:
                continue
            bins = bins or [0.0] * DELAY_BINS
            self._delays[route] = [a + b for a, b in zip(bins, count.delays, strict=True)]
        self._countries = {}

    def _prepare(self) -> None:
        """Compute what depends on the hour: the delays of countries, and when to look at a minute."""
        self._tests = {}
        everything = [0.0] * DELAY_BINS
        for route, bins in self._delays.items():
            own = self._countries.setdefault(route[0], [0.0] * DELAY_BINS)
            for place, count in enumerate(bins):
                own[place] += count
                everything[place] += count
        self._verified = sum(everything)
        slices = {which for route in self._delays for which in _SLICES((*route, ""))}
        self._slices = len(slices)
        usual = _quantile(everything, 0.9) or 0
        self._age = next((age for age in _AGES if age >= _LONGER * usual), _AGES[-1])

    def _test(self, route: _Route) -> _Test | None:
        """Return how to test a route; None if it is not known well enough."""
        if route not in self._tests:
            self._tests[route] = self._new_test(route)
        return self._tests[route]

    def _new_test(self, route: _Route) -> _Test | None:
        own = self._delays.get(route)
        if own is None or sum(own) < _LEAST_KNOWN:
            return None
        country = self._countries[route[0]]
        weight = _PARENT_WEIGHT / sum(country)
        bins = [a + weight * b for a, b in zip(own, country, strict=True)]
        known = _known(self._age)
        if sum(bins[:known]) < _LEAST_KNOWN:
            return None
        smooth = [number + _LEAST_BIN for number in bins]
        usual = _shares(smooth[:known])
        slower = [0.0] * known
        for longer in _SLOWER_BINS:
            moved = _shares([0.1 * smooth[0]] * longer + smooth[: known - longer])
            slower = [a + b / len(_SLOWER_BINS) for a, b in zip(slower, moved, strict=True)]
        return tuple(
            max(-_MOST_NATS, min(_MOST_NATS, log(b / ((1 - _VARIATION) * a + _VARIATION * b))))
            for a, b in zip(usual, slower, strict=True)
        )

    def _scores(self, counts: Sequence[Count]) -> dict[Slice, Score]:
        scores: dict[Slice, Score] = {}
        known = _known(self._age)
        for count in counts:
            test = self._test(_route(count))
            if test is None or not count.delays:
                continue
            bins = (*count.delays[:known], *[0] * (DELAY_BINS - known))
            verified = sum(bins)
            if not verified:
                continue
            nats = sum(number * nats for number, nats in zip(bins, test, strict=False))
            for which in _SLICES(count.group):
                score = scores.setdefault(which, Score())
                score.add(Score(nats, count.tally.requested, verified, 0.0, bins))
        return scores

    def _is_slower(self, _: Slice, episode: Episode) -> bool:
        return episode.sums.verified >= _LEAST_VERIFIED and self._now - self._age - episode.since >= _LEAST_MS

    def _found(self, which: Slice, episode: Episode) -> Found:
        sums, known = episode.sums, _known(self._age)
        usual = [0.0] * DELAY_BINS
        for route, bins in self._delays.items():
            if which in _SLICES((*route, "")):
                usual[:known] = [a + b for a, b in zip(usual[:known], bins[:known], strict=True)]
        p50, usual_p50 = quantile(sums.delays, 0.5), _quantile(usual, 0.5)
        critical = p50 is not None and usual_p50 is not None and p50 >= _CRITICAL * usual_p50
        return Found(
            "slower",
            which.values,
            "critical" if critical else "warning",
            episode.since,
            episode.low,
            episode.high,
            Evidence(
                requested=sums.requested,
                verified=sums.verified,
                p50_ms=p50,
                p90_ms=quantile(sums.delays, 0.9),
                usual_p50_ms=usual_p50,
                usual_p90_ms=_quantile(usual, 0.9),
            ),
        )


def _route(count: Count) -> _Route:
    country, carrier, provider = count.group[:3]
    return country, carrier, provider


def _known(age: int) -> int:
    """Return how many bins hold delays that are shorter than an age, ms."""
    known = 1
    while known < DELAY_BINS - 1 and 1000 * 2 ** (known / 2) <= age:
        known += 1
    return known


def _quantile(bins: Sequence[float], share: float) -> int | None:
    return quantile([round(1000 * count) for count in bins], share)


def _shares(numbers: Sequence[float]) -> list[float]:
    whole = sum(numbers)
    return [number / whole for number in numbers]
