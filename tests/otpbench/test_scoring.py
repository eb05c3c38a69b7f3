"""Scores as the Numenta anomaly benchmark has them; the golden numbers were computed by hand."""

import pytest
from hypothesis import given, strategies as st

from benchmarks.otpbench.scoring import PROFILES, Profile, Series, raw_score, reward, score

STANDARD, LOW_FP, LOW_FN = PROFILES
WINDOW = (100, 200)


@pytest.mark.parametrize(
    ("position", "value"),
    [(-1, 0.986614), (-0.5, 0.848284), (0, 0), (0.5, -0.848284), (1, -0.986614), (3, -1), (99, -1)],
)
def test_the_reward_falls_as_the_paper_says(position: float, value: float) -> None:
    assert reward(position) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_alarm_scores_0_and_an_alarm_at_each_start_100(profile: Profile) -> None:
    windows = [(10, 20), (50, 90)]
    assert score([Series(windows, []), Series([], [])], profile) == 0
    assert score([Series(windows, [10, 50]), Series([], [])], profile) == pytest.approx(100)


@pytest.mark.parametrize(
    ("alarms", "profile", "expected"),
    [
        ([150], STANDARD, 92.98963),  # 0.848284 / 0.986614 = 0.859793, and (0.859793 + 1) / 2
        ([150], LOW_FN, 95.32642),  # (0.859793 + 2) / 3
        ([50, 150], STANDARD, 87.48963),  # 0.11 less for an alarm before any window
        ([50, 150], LOW_FP, 81.98963),  # 0.22 less
        ([150, 250], STANDARD, 88.32407),  # 0.11 x 0.848284 less for one half a window behind
        ([99], STANDARD, -5.5),
        ([200], STANDARD, 0),  # just behind the window: neither late nor false
    ],
)
def test_scores_equal_those_computed_by_hand(alarms: list[int], profile: Profile, expected: float) -> None:
    assert score([Series([WINDOW], alarms)], profile) == pytest.approx(expected, abs=1e-5)


def test_only_the_first_alarm_in_a_window_counts() -> None:
    assert raw_score(Series([WINDOW], [120, 120, 130, 190]), STANDARD) == raw_score(
        Series([WINDOW], [120]), STANDARD
    )


def test_an_alarm_about_something_else_costs_all_even_in_a_window() -> None:
    series = Series([WINDOW], [100], wrong=[100, 100, 110])
    assert raw_score(series, STANDARD) == pytest.approx(1 - 2 * 0.11)


@given(st.integers(100, 199), st.integers(100, 199), st.sampled_from(PROFILES))
def test_a_later_alarm_never_scores_more(one: int, other: int, profile: Profile) -> None:
    early, late = sorted((one, other))
    assert score([Series([WINDOW], [early])], profile) >= score([Series([WINDOW], [late])], profile)


def test_a_corpus_without_faults_has_no_scale() -> None:
    with pytest.raises(ValueError, match="Add a faulty series"):
        score([Series([], [5])], STANDARD)
