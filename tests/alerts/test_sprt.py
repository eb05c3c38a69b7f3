"""Wald's test: its exact characteristics, and simulated trials."""

import random

import pytest

from otpconv.alerts.sprt import Sprt
from tests import campaigns

#: Tests, and for some true shares the chance to decide for the bad share and the mean number of trials,
#: computed by an independent program.
GOLDEN = [
    (
        Sprt(0.15, 0.40, 0.001, 0.05),
        {
            0.10: (0.000009, 14.776),
            0.15: (0.000699, 21.323),
            0.25: (0.208720, 62.460),
            0.40: (0.958416, 37.220),
            0.50: (0.995601, 22.896),
        },
    ),
    (
        Sprt(0.01, 0.10, 0.05, 0.10),
        {
            0.005: (0.004935, 27.087),
            0.01: (0.022047, 30.213),
            0.05: (0.531141, 37.123),
            0.10: (0.900421, 22.369),
            0.20: (0.995168, 10.352),
        },
    ),
    (
        Sprt(0.15, 0.30, 0.0001, 0.05),
        {
            0.15: (0.000078, 50.377),
            0.20: (0.051960, 145.626),
            0.30: (0.953835, 122.913),
            0.40: (0.998605, 58.668),
        },
    ),
]


@pytest.mark.parametrize(("sprt", "characteristics"), GOLDEN)
def test_the_characteristics_equal_the_golden_table(
    sprt: Sprt, characteristics: dict[float, tuple[float, float]]
) -> None:
    for share, (bad, trials) in characteristics.items():
        found_bad, found_trials = characteristics_of(sprt, share)

        assert round(found_bad, 6) == bad
        assert round(found_trials, 3) == trials


def characteristics_of(sprt: Sprt, share: float) -> tuple[float, float]:
    """Return the chance to decide for the bad share, and the mean number of trials, by all states."""
    undecided, bad, mean, trials = {0: 1.0}, 0.0, 0.0, 0
    while sum(undecided.values()) > 1e-12:
        mean += sum(undecided.values())
        trials += 1
        following: dict[int, float] = {}
        for failures, chance in undecided.items():
            for more, part in ((0, chance * (1 - share)), (1, chance * share)):
                decision = sprt.decision(trials, failures + more)
                if decision is None:
                    following[failures + more] = following.get(failures + more, 0.0) + part
                elif decision == "bad":
                    bad += part
        undecided = following
    return bad, mean


def test_simulated_trials_decide_as_often_as_the_characteristics_say() -> None:
    sprt = Sprt(0.15, 0.40, 0.001, 0.05)
    draw = random.Random(11).random
    runs = campaigns.rounds(5_000)
    for share in (0.15, 0.25, 0.40):
        bad = 0
        for _ in range(runs):
            trials = failures = 0
            while (decision := sprt.decision(trials, failures)) is None:
                trials += 1
                failures += draw() < share
            bad += decision == "bad"
        expected = characteristics_of(sprt, share)[0]
        assert abs(bad / runs - expected) <= 4 * (expected * (1 - expected) / runs) ** 0.5 + 1 / runs
