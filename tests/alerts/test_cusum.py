"""The Bernoulli CUSUM: run lengths of the literature's recipe, and of simulated trials."""

import random

import pytest

from otpconv.alerts.cusum import Design, design_for, run_length, steps_of
from otpconv.errors import InvalidRequest
from tests import campaigns

Row = tuple[float, float, int, int, float, float]
#: p0, p1, steps, limit, and the mean run lengths at p0 and p1, computed by an independent program.
GOLDEN: list[Row] = [
    (0.01, 0.025, 61, 121, 1002.89, 168.36),
    (0.01, 0.025, 61, 253, 10004.49, 400.07),
    (0.01, 0.025, 61, 399, 100015.62, 676.57),
    (0.01, 0.02, 69, 327, 10047.21, 670.12),
    (0.05, 0.10, 14, 95, 10527.18, 204.62),
    (0.05, 0.10, 14, 139, 105056.31, 314.46),
    (0.10, 0.20, 7, 51, 10638.69, 112.75),
    (0.10, 0.20, 7, 72, 110732.94, 165.23),
    (0.15, 0.30, 5, 42, 10227.46, 78.42),
    (0.15, 0.30, 5, 59, 102884.07, 112.42),
    (0.15, 0.30, 5, 76, 1019808.77, 146.42),
    (0.15, 0.40, 4, 15, 1048.01, 22.54),
    (0.15, 0.40, 4, 23, 12299.93, 35.86),
    (0.15, 0.40, 4, 30, 102944.24, 47.53),
    (0.15, 0.40, 4, 38, 1161575.83, 60.86),
    (0.20, 0.50, 3, 16, 10010.12, 29.53),
    (0.20, 0.50, 3, 22, 145796.30, 41.53),
]


@pytest.mark.parametrize("row", GOLDEN)
def test_the_mean_run_lengths_equal_the_golden_table(row: Row) -> None:
    usual, bad, steps, limit, healthy, broken = row

    assert steps_of(usual, bad) == steps
    assert round(run_length(usual, Design(steps, limit)), 2) == healthy
    assert round(run_length(bad, Design(steps, limit)), 2) == broken


@pytest.mark.parametrize("row", GOLDEN)
def test_the_design_for_a_budget_has_the_lowest_limit_that_keeps_it(row: Row) -> None:
    usual, bad, steps, limit, healthy, _ = row

    assert design_for(usual, bad, healthy - 0.01) == Design(steps, limit)
    assert design_for(usual, bad, healthy + 0.01) == Design(steps, limit + 1)


@pytest.mark.parametrize(
    ("share", "design"),
    [(0.15, Design(4, 15)), (0.4, Design(4, 38)), (0.025, Design(61, 121)), (0.5, Design(2, 9))],
)
def test_simulated_trials_signal_after_the_mean_run_length(share: float, design: Design) -> None:
    draw = random.Random(f"{share} {design}").random
    runs = campaigns.rounds(4_000)

    lengths = []
    for _ in range(runs):
        level, trials = 0, 0
        while level < design.limit:
            level = level + design.steps - 1 if draw() < share else max(0, level - 1)
            trials += 1
        lengths.append(trials)

    # A run length is nearly exponential, so its deviation is about its mean.
    mean = run_length(share, design)
    assert abs(sum(lengths) / runs - mean) < 4 * mean / runs**0.5


def test_a_budget_that_needs_too_long_a_chain_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Allow more false alarms"):
        design_for(0.0001, 0.00011, 1e15)
