"""The posterior that a range is pumped: against scipy, in worlds with known fraud, and in worlds without."""

import math
from collections.abc import Iterable
from functools import partial

import pytest
from hypothesis import given, settings, strategies as st

from benchmarks.range_worlds import END, FAULTS, START, any_share, make
from benchmarks.ranges import BINS, Score, reliability, score
from otpconv.ranges.beta_binomial import log_likelihood
from otpconv.ranges.finding import FLAGGED
from otpconv.ranges.mixture import Judged, judge
from otpconv.ranges.traffic import RangeTraffic
from otpconv.storage.contract import DAY_MS
from rates.statistics_libraries import stats
from tests import campaigns
from tests.campaigns import parameters, rounds

SEEDS = rounds(20, at_least=3)


def traffic(
    name: str,
    requested: int,
    verified: int,
    *,
    country: str = "DE",
    provider: str = "acme",
    before: int = 0,
    first: int = START,
) -> RangeTraffic:
    pairs = requested * (requested - 1)
    providers = {provider: (requested, verified)}
    return RangeTraffic(name, (name,), country, "", requested, verified, providers, first, before, pairs)


def usual(number: int, *, share: float = 0.8, provider: str = "acme") -> list[RangeTraffic]:
    """Return ranges that differ a little in their shares."""
    ranges = []
    for n in range(number):
        requested = 10 + n % 30
        verified = min(requested, round(requested * (share + 0.05 * math.sin(n))))
        ranges.append(traffic(f"+{provider}{n}", requested, verified, provider=provider))
    return ranges


def posteriors(ranges: Iterable[RangeTraffic]) -> dict[str, float]:
    return {each.traffic.number_range: each.posterior for each in judge(list(ranges), (START, END))}


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 0.99), st.floats(0.001, 0.5))
@settings(max_examples=rounds(2_000, at_least=50))
def test_the_likelihood_is_that_of_scipy(verified: int, others: int, mean: float, spread: float) -> None:
    both = 1 / spread - 1
    requested = verified + others
    ways = math.lgamma(requested + 1) - math.lgamma(verified + 1) - math.lgamma(others + 1)
    expected = stats.betabinom.logpmf(verified, requested, mean * both, (1 - mean) * both) - ways
    assert log_likelihood(verified, requested, mean, spread) == pytest.approx(
        float(expected), abs=1e-7, rel=1e-7
    )


def _mean(values: Iterable[float]) -> float:
    some = list(values)
    return sum(some) / len(some)


def test_at_least_13_of_15_pumped_ranges_are_found_and_at_most_one_usual_one() -> None:
    scores = [score(make(seed)) for seed in range(SEEDS)]
    assert _mean(each.found for each in scores) >= 13
    assert _mean(each.false for each in scores) <= 1


@pytest.mark.campaign("the same with fraud that the mixture does not assume")
def test_fraud_with_up_to_40_percent_real_users_is_found_less_often_without_more_false_flags() -> None:
    scores = [score(make(seed, users=any_share)) for seed in range(SEEDS)]
    assert _mean(each.found for each in scores) >= 9
    assert _mean(each.false for each in scores) <= 1
    split = [score(make(seed, users=any_share, split=10)) for seed in range(SEEDS)]
    assert _mean(each.found for each in split) >= 30  # of 60: each third attack is spread over 10 ranges
    assert _mean(each.false for each in split) <= 1


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize(
    "fault", parameters(list(FAULTS), ["a dead carrier in one country"], "the same for other faults")
)
def test_a_fault_is_not_taken_for_fraud(fault: str, *, history: bool) -> None:
    worlds = (make(seed, pumped=0, fault=FAULTS[fault], history=history) for seed in range(min(SEEDS, 10)))
    false = [score(each).false for each in worlds]
    # Where nothing is known from before, an outage of a day leaves ranges whose few messages were all in it.
    allowed = 1.0 if fault == "a country dead for 24 hours" and not history else 0.3
    assert _mean(false) <= allowed


@pytest.mark.campaign("200 worlds")
@pytest.mark.long("judges 2,000 ranges in each of 200 worlds")
def test_of_ranges_with_a_posterior_that_share_is_pumped() -> None:
    scores: list[Score] = [score(make(seed)) for seed in range(rounds(200, at_least=20))]
    rows = reliability(scores)
    assert len(rows) == len(BINS)
    for _, cases, mean, pumped in rows:
        chance = 0.0 if campaigns.LONG_FORM else 3 * math.sqrt(max(mean * (1 - mean), 0.01) / cases)
        assert abs(mean - pumped) <= 0.05 + chance
        assert cases >= (100 if campaigns.LONG_FORM else 1)


def test_countries_with_few_ranges_borrow_from_the_others() -> None:
    few = [traffic("pumped", 40, 1, country="EE"), traffic("usual", 40, 30, country="EE")]
    found = posteriors([*usual(200), *few])
    assert found["pumped"] > FLAGGED
    assert found["usual"] < 0.01
    # Even with nothing to compare with in the country.
    assert posteriors([*usual(200), few[0]])["pumped"] > FLAGGED


def test_a_provider_that_fails_everywhere_in_a_country_is_not_fraud() -> None:
    failing = usual(30, provider="bravo", share=0.1)
    assert max(posteriors([*usual(200), *failing]).values()) < 0.5


def test_as_many_messages_as_ever_are_not_fraud_but_ten_times_as_many_are() -> None:
    first = START - 28 * DAY_MS
    usually = traffic("usual", 50, 1, before=4 * 40, first=first)
    more = traffic("more", 500, 42, before=4 * 40, first=first)
    found = posteriors([*usual(200), usually, more])
    assert found["usual"] == 0
    assert found["more"] > FLAGGED


@given(st.randoms(use_true_random=False))
@settings(max_examples=rounds(100))
def test_the_order_of_ranges_makes_no_difference(random: object) -> None:
    ranges = [*usual(30), traffic("pumped", 40, 1)]
    shuffled = list(ranges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    expected = posteriors(ranges)
    assert posteriors(shuffled) == pytest.approx(expected)


@given(
    st.lists(
        st.builds(
            lambda n, share, code: partial(traffic, requested=n, verified=round(n * share), country=code),
            st.integers(1, 10**6),
            st.floats(0, 1),
            st.sampled_from(["DE", "FR", ""]),
        ),
        max_size=20,
    )
)
@settings(max_examples=rounds(1_000, at_least=30))
def test_any_counts_have_a_probability(made: list[partial[RangeTraffic]]) -> None:
    judged: list[Judged] = judge([make_(f"+{n}") for n, make_ in enumerate(made)], (START, END))
    assert len(judged) == len(made)
    assert all(0 <= each.posterior <= 1 and 0 < each.usual < 1 for each in judged)
