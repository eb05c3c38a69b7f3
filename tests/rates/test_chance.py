"""Chances against scipy, and the false discovery rate against statsmodels."""

import pytest
from hypothesis import example, given, strategies as st

from otpconv.rates.chance import divergence, false_discovery, lower_tail
from rates.statistics_libraries import multitest, stats


@given(
    trials=st.integers(1, 3000),
    share=st.floats(0, 1),
    rate=st.floats(0.01, 0.99),
    strength=st.floats(5, 500),
)
@example(trials=2372, share=0.85, rate=0.844, strength=355.0)
@example(trials=3000, share=0.6, rate=0.6, strength=500.0)
def test_the_lower_tail_is_that_of_a_beta_binomial(
    trials: int, share: float, rate: float, strength: float
) -> None:
    count = min(int(share * trials), 2000)
    exact = stats.betabinom.cdf(count, trials, rate * strength, (1 - rate) * strength)
    assert lower_tail(count, trials, rate, strength) == pytest.approx(exact, rel=1e-9, abs=1e-12)


@given(trials=st.integers(5_000, 200_000), rate=st.floats(0.3, 0.95), errors=st.floats(-4, 4))
def test_long_tails_are_near_enough(trials: int, rate: float, errors: float) -> None:
    strength = 500.0
    deviation = (trials * rate * (1 - rate) * (trials + strength) / (strength + 1)) ** 0.5
    count = int(min(max(trials * rate + errors * deviation, 2001), trials))
    exact = stats.betabinom.cdf(count, trials, rate * strength, (1 - rate) * strength)
    assert lower_tail(count, trials, rate, strength) == pytest.approx(exact, abs=0.03)


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1), rate=st.floats(0.01, 0.99))
def test_the_divergence_is_a_likelihood_ratio_of_binomials(trials: int, share: float, rate: float) -> None:
    count = int(share * trials)
    own = stats.binom.logpmf(count, trials, count / trials)
    assert divergence(count, trials, rate) == pytest.approx(
        own - stats.binom.logpmf(count, trials, rate), abs=1e-6
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_discoveries_are_those_of_benjamini_and_hochberg(chances: list[float]) -> None:
    threshold = false_discovery(chances, len(chances), 0.05)
    discovered, *_ = multitest.multipletests(chances, 0.05, method="fdr_bh")
    assert [chance <= threshold and threshold > 0 for chance in chances] == [
        bool(each) and threshold > 0 for each in discovered
    ]
