"""The levels of a slice: how often they are wrong, and how soon they are right."""

import random

import pytest

from otpconv.alerts.level import bounded, budget_of, margin, weights_for
from tests import campaigns


def _length(draw: random.Random, failed: float, true: float, budget: int, *, loss: bool) -> int:
    weights = weights_for(failed, budget)
    up, down = (weights.loss_up, weights.loss_down) if loss else (weights.fall_up, weights.fall_down)
    level, trials = 0.0, 0
    while level < 1 - 1e-9:
        level = level + up if draw.random() < true else max(0.0, level - down)
        trials += 1
    return trials


@pytest.mark.rounds
@pytest.mark.parametrize("failed", [0.05, 0.15, 0.3, 0.455, 0.7])
@pytest.mark.parametrize("loss", [False, True])
def test_a_healthy_slice_is_found_once_in_its_budget(failed: float, *, loss: bool) -> None:
    draw, runs, messages = random.Random(7), campaigns.rounds(2_000, at_least=60), 1_000
    share = 0.25 if loss else 0.75
    lengths = [_length(draw, failed, failed, budget_of(messages), loss=loss) for _ in range(runs)]
    # A run length is nearly exponential, so its deviation is about its mean.
    assert sum(lengths) / runs >= messages / share * (1 - 3 / runs**0.5)


def test_a_loss_of_all_messages_is_found_within_fifty() -> None:
    for share in range(2, 57):
        weights = weights_for(share / 100, budget_of(1e9))
        assert 1 / weights.loss_up <= 50


def test_what_is_learned_from_little_is_raised_more() -> None:
    margins = [margin(0.15, total, total / 24, budget_of(1e7)) for total in (100, 1_000, 10_000, 1e6)]
    assert margins == sorted(margins, reverse=True)
    assert margins[0] < 0.2
    assert margins[-1] < 0.01
    assert bounded(1.0) == 0.9
