"""The expected rate of young messages comes true, as often as its interval says."""

import random
from functools import cache
from itertools import pairwise
from math import log
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, strategies as st

from otpconv.model import DELAY_BINS, delay_bin
from otpconv.rates.delays import mean_verified_within, quantile, verified_within
from otpconv.rates.maturity import Expected, Maturity, Young, expected
from otpconv.storage.contract import MINUTE_MS
from rates.statistics_libraries import stats

TRUE_RATE = 0.85
MEDIAN_MS, SIGMA = 30_000, 1.0
#: How long the 5-minute window is cut, and of how many messages.
WINDOW_MS, SENT = 5 * MINUTE_MS, 200
TIMES = 600


def histogram(delays: list[int]) -> tuple[int, ...]:
    counts = [0] * DELAY_BINS
    for delay in delays:
        counts[delay_bin(delay)] += 1
    return tuple(counts)


def some_delays(chance: random.Random, count: int) -> list[int]:
    return [max(1, round(chance.lognormvariate(log(MEDIAN_MS), SIGMA))) for _ in range(count)]


@cache
def shares() -> list[float]:
    """The chance of each bin: the histogram of many delays is drawn at once."""
    edges = [1_000 * 2 ** (k / 2) for k in range(DELAY_BINS - 1)]
    below = [0.0, *stats.lognorm(SIGMA, scale=MEDIAN_MS).cdf(edges), 1.0]
    return [high - low for low, high in pairwise(below)]


def learned(chance: random.Random, count: int) -> Maturity:
    drawn = np.random.default_rng(chance.getrandbits(64)).multinomial(count, shares())
    return Maturity(10 * MINUTE_MS, count, "account", tuple(drawn.tolist()))


def test_drawing_a_histogram_at_once_is_drawing_its_delays() -> None:
    one = histogram(some_delays(random.Random(7), 100_000))
    other = learned(random.Random(8), 100_000).delays
    assert [n / 100_000 for n in one] == pytest.approx([n / 100_000 for n in other], abs=0.006)


def window(chance: random.Random, rate: float) -> list[Young]:
    """The last five minutes, minute by minute, as they are known now."""
    sent, verified = [0] * 5, [0] * 5
    for _ in range(SENT):
        age = chance.uniform(0, WINDOW_MS)
        minute = int(age // MINUTE_MS)
        sent[minute] += 1
        verified[minute] += chance.random() < rate and some_delays(chance, 1)[0] <= age
    return [Young(n * MINUTE_MS, (n + 1) * MINUTE_MS, sent[n], verified[n]) for n in range(5)]


@cache
def simulated(learned_from: int, rate: float = TRUE_RATE) -> tuple[list[float], list[Expected]]:
    """The naive and the expected rates of many windows, each with its own learned delays."""
    chance = random.Random(20_260_131)
    naive, honest = [], []
    for _ in range(TIMES):
        young = window(chance, rate)
        verified = sum(each.verified for each in young)
        naive.append(verified / SENT)
        found = expected(verified, SENT, young, learned(chance, learned_from))
        assert found is not None
        honest.append(found)
    return naive, honest


def test_five_minutes_of_a_true_85_percent_read_85_where_the_naive_rate_reads_73() -> None:
    naive, honest = simulated(2_000)
    assert mean(naive) == pytest.approx(0.73, abs=0.02)
    assert mean(each.rate for each in honest) == pytest.approx(TRUE_RATE, abs=0.01)
    assert mean(abs(each.rate - TRUE_RATE) for each in honest) < 0.03


@pytest.mark.parametrize("rate", [0.85, 0.5, 0.2])
@pytest.mark.parametrize("learned_from", [200, 2_000])
def test_the_bands_cover_the_truth_as_often_as_they_say(learned_from: int, rate: float) -> None:
    covered = [each.interval[0] <= rate <= each.interval[1] for each in simulated(learned_from, rate)[1]]
    # 600 trials of 95 % are between 93.0 and 96.8 % as often.
    assert 0.93 <= mean(covered) <= 0.975


def test_without_the_uncertainty_of_f_the_bands_of_a_badly_known_one_would_be_too_narrow() -> None:
    young = window(random.Random(1), TRUE_RATE)
    verified = sum(each.verified for each in young)
    delays = learned(random.Random(2), 200).delays
    sure = expected(verified, SENT, young, Maturity(10 * MINUTE_MS, 10**9, "account", delays))
    unsure = expected(verified, SENT, young, Maturity(10 * MINUTE_MS, 200, "account", delays))
    assert sure is not None
    assert unsure is not None
    assert unsure.rate == sure.rate
    assert unsure.interval[0] < sure.interval[0]
    assert unsure.interval[1] > sure.interval[1]


def test_nothing_is_expected_of_what_nobody_knows_or_has_just_begun() -> None:
    young = [Young(0, 1_000, 50, 0)]
    assert expected(0, 50, young, Maturity(10 * MINUTE_MS, 199, None)) is None
    assert expected(0, 50, young, learned(random.Random(3), 2_000)) is None


def test_quantiles_and_f_are_those_of_the_distribution_to_a_few_percent() -> None:
    delays = histogram(some_delays(random.Random(4), 200_000))
    truth = stats.lognorm(SIGMA, scale=MEDIAN_MS)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert quantile(delays, share) == pytest.approx(truth.ppf(share), rel=0.05)
    for age in (500, 3_000, 30_000, 45_678, 300_000):
        assert verified_within(delays, age) == pytest.approx(truth.cdf(age), abs=0.006)
    fine = mean(truth.cdf(age) for age in range(50, MINUTE_MS, 100))
    assert mean_verified_within(delays, 0, MINUTE_MS) == pytest.approx(fine, abs=0.006)


@given(st.lists(st.integers(1, 100_000_000), min_size=1, max_size=30), st.floats(0, 1))
def test_f_rises_from_none_to_all_and_quantiles_are_its_inverse(delays: list[int], share: float) -> None:
    counts = histogram(delays)
    at = quantile(counts, share)
    assert at is not None
    assert verified_within(counts, 0) == 0
    ages = [0, *sorted(delays)]
    assert [verified_within(counts, age) for age in ages] == sorted(
        verified_within(counts, age) for age in ages
    )
    if max(delays) < 2**16 * 1_000:
        assert verified_within(counts, at + 1) >= share - 1e-9
        assert verified_within(counts, 2**17 * 1_000) == 1
    assert quantile((0,) * DELAY_BINS, share) is None
