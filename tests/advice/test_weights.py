"""Weights: kept within bounds, and drawn repeatably."""

import pytest
from hypothesis import given, strategies as st

from otpconv.advice.weights import Known, draw, within


@st.composite
def bounded(draw_from: st.DrawFn) -> tuple[list[float], list[float], list[float]]:
    """Draw weights and bounds: the lowest add up to at most 1, the highest to at least 1."""
    count = draw_from(st.integers(1, 20))
    shares = draw_from(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    total = sum(shares) or 1.0
    middle = [share / total if sum(shares) else 1 / count for share in shares]
    down = draw_from(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    up = draw_from(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    weights = draw_from(st.lists(st.just(0.0) | st.floats(0.0005, 1), min_size=count, max_size=count))
    return (
        weights,
        [a * b for a, b in zip(middle, down, strict=True)],
        [min(1.0, a + b) for a, b in zip(middle, up, strict=True)],
    )


@given(bounded())
def test_weights_add_up_to_one_and_none_leaves_its_bounds(
    case: tuple[list[float], list[float], list[float]],
) -> None:
    weights, lowest, highest = case

    made = within(weights, lowest, highest)

    assert sum(made) == pytest.approx(1, abs=1e-6)
    for weight, low, high in zip(made, lowest, highest, strict=True):
        assert low - 1e-9 <= weight <= high + 1e-9


@given(bounded())
def test_weights_within_their_bounds_keep_their_proportions(
    case: tuple[list[float], list[float], list[float]],
) -> None:
    weights, lowest, highest = case
    made = within(weights, lowest, highest)
    free = [
        (weight, wanted)
        for weight, wanted, low, high in zip(made, weights, lowest, highest, strict=True)
        if low + 1e-6 < weight < high - 1e-6 and wanted
    ]
    for weight, wanted in free:
        assert weight / wanted == pytest.approx(free[0][0] / free[0][1], rel=1e-4)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    routes = [Known(80, 20), Known(78, 22)]
    assert draw(routes, 7, 0.0) == draw(routes, 7, 0.0)
    assert draw(routes, 7, 0.0) != draw(routes, 8, 0.0)


@given(st.floats(5, 500), st.floats(5, 500))
def test_the_interval_of_a_rate_contains_its_mean(verified: float, unverified: float) -> None:
    (drawn,) = draw([Known(verified, unverified)], 1, 0.0)
    assert drawn.best == 1
    assert drawn.interval[0] < verified / (verified + unverified) < drawn.interval[1]


def test_of_equally_good_routes_the_cheaper_one_wins() -> None:
    routes = [Known(9_000, 1_000, price=2.0), Known(9_000, 1_000, price=1.0)]
    dear, cheap = draw(routes, 1, 0.05)
    assert (dear.best, cheap.best) == (0, 1)


def test_a_clearly_better_route_wins_whatever_it_costs() -> None:
    good, cheap = draw([Known(9_000, 1_000, price=2.0), Known(7_000, 3_000, price=1.0)], 1, 0.05)
    assert (good.best, cheap.best) == (1, 0)


def test_without_the_price_of_a_route_the_rate_decides() -> None:
    first, second = draw([Known(9_100, 900, price=2.0), Known(9_000, 1_000)], 1, 0.05)
    assert first.best > 0.9
    assert first.best + second.best == 1


def test_a_route_that_is_not_trusted_takes_no_draw_from_the_others() -> None:
    others = [Known(80, 20), Known(78, 22)]
    doubtful = Known(990, 10, trusted=False)
    *first, last = draw([*others, doubtful], 3, 0.0)
    assert last.best == 1
    assert sum(one.best for one in first) == 1
