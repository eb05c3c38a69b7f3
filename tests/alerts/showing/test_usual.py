"""Usual values at an hour: rates and numbers are found again in simulated weeks."""

from math import sin, tau
from random import Random

from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.alerts.showing.usual import Hour, Usual

WEEKS = 4
HOURS = WEEKS * 7 * 24


def _hours(seed: int, an_hour: float) -> tuple[dict[int, Hour], list[float], list[float]]:
    """Return simulated hours, and the true numbers and rates of the week that follows."""
    random = Random(seed)
    phase = random.uniform(0, tau)

    def number(hour: int) -> float:
        return an_hour * (1 + 0.6 * sin(tau * hour / 24 + phase)) * (0.7 if hour // 24 % 7 >= 5 else 1.0)

    def rate(hour: int) -> float:
        return 0.8 + 0.05 * sin(tau * hour / 24)

    hours = {}
    for hour in range(HOURS):
        messages = max(0, round(random.gauss(number(hour), number(hour) ** 0.5)))
        counted = sum(random.random() < rate(hour) for _ in range(messages))
        if messages:
            hours[hour] = Hour(messages, counted)
    week = range(HOURS, HOURS + 7 * 24)
    return hours, [number(hour) for hour in week], [rate(hour) for hour in week]


@settings(max_examples=rounds(100))
@given(st.integers(0, 10_000), st.sampled_from([3.0, 40.0]))
def test_the_usual_is_near_the_truth_of_the_next_week(seed: int, an_hour: float) -> None:
    hours, numbers, rates = _hours(seed, an_hour)
    usual = Usual(hours, HOURS)
    assert usual.is_known
    shares = [usual.share(HOURS + place) for place in range(7 * 24)]
    off = [abs(share.mean - rate) for share, rate in zip(shares, rates, strict=True)]
    assert sum(off) / len(off) < 0.06
    assert max(off) < 0.2
    near = [
        abs(usual.messages(HOURS + place, 1.0).mean - number) < 0.35 * number + 3
        for place, number in enumerate(numbers)
    ]
    assert sum(near) >= 0.95 * len(near)


@given(st.dictionaries(st.integers(0, 60), st.builds(Hour, st.integers(0, 9), st.just(0)), max_size=9))
def test_little_past_says_nothing_or_something_finite(hours: dict[int, Hour]) -> None:
    usual = Usual(hours, 61)
    for hour in (61, 100):
        share, number = usual.share(hour), usual.messages(hour, 0.25)
        assert 0 <= share.mean <= 1
        assert number.mean >= 0 <= number.deviation
    long_enough = bool(hours) and 61 - min(hours) >= 48
    assert usual.is_known == (long_enough and any(one.messages for one in hours.values()))
