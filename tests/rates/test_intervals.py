"""The intervals are those that scipy and statsmodels give."""

import pytest
from hypothesis import given, strategies as st

from otpconv.rates.intervals import newcombe, score, wilson
from rates.statistics_libraries import proportion, stats


@st.composite
def samples(draw: st.DrawFn) -> tuple[int, int]:
    requested = draw(st.integers(1, 100_000))
    return draw(st.integers(0, requested)), requested


@given(samples())
def test_wilson_is_that_of_scipy_and_statsmodels(sample: tuple[int, int]) -> None:
    found = wilson(*sample)
    ours = stats.binomtest(*sample).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx((ours.low, ours.high), abs=1e-9)
    assert found == pytest.approx(proportion.proportion_confint(*sample, method="wilson"), abs=1e-9)


def test_seven_of_twenty_is_the_vector_everybody_knows() -> None:
    assert wilson(7, 20) == pytest.approx((0.181, 0.567), abs=5e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.278), abs=5e-4)
    assert wilson(10, 10) == pytest.approx((0.722, 1), abs=5e-4)
    assert wilson(0, 0) is None


@given(samples(), samples())
def test_the_difference_is_newcombes_hybrid_score_interval(a: tuple[int, int], b: tuple[int, int]) -> None:
    around, before = wilson(*a), wilson(*b)
    assert around is not None
    assert before is not None
    found = newcombe(a[0] / a[1], around, b[0] / b[1], before)
    assert found == pytest.approx(proportion.confint_proportions_2indep(*a, *b, method="newcomb"), abs=1e-9)


@given(samples(), st.floats(0.05, 1))
def test_what_is_not_mature_has_a_wider_interval_of_a_higher_rate(sample: tuple[int, int], f: float) -> None:
    verified, requested = sample
    low, high = score(verified, requested * f, requested * f * f)
    mature = wilson(verified, requested)
    assert mature is not None
    assert low >= mature[0] - 1e-9
    assert high >= mature[1] - 1e-9
    assert 0 <= low <= high <= 1


def test_an_f_that_is_hardly_known_rules_out_no_rate() -> None:
    assert score(1, 1.0, -5.0) == (0.0, 1.0)
