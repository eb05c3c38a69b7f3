"""Since when a slice has fallen: the estimate and its interval."""

import random

from otpconv.alerts.changepoint import Slot, began, divergence
from tests import campaigns

_MINUTE = 60_000


def test_the_interval_has_the_true_beginning_in_95_percent() -> None:
    draw = random.Random(5)
    worlds, inside, near = campaigns.rounds(1_000, at_least=200), 0, 0
    for _ in range(worlds):
        begin, minutes, per_minute = draw.randrange(20, 80), 100, draw.randrange(1, 8)
        usual, left = draw.uniform(0.6, 0.95), draw.uniform(0.0, 0.7)
        slots = []
        for minute in range(minutes):
            rate = usual * (left if minute >= begin else 1)
            verified = sum(draw.random() < rate for _ in range(per_minute))
            slots.append(Slot(minute * _MINUTE, _MINUTE, per_minute, verified, per_minute * usual))
        since, low, high = began(slots)
        assert low <= since <= high
        inside += low <= begin * _MINUTE <= high
        near += abs(since - begin * _MINUTE) <= 10 * _MINUTE
    assert inside >= 0.93 * worlds
    assert near >= 0.85 * worlds


def test_a_rate_at_or_above_the_usual_is_no_evidence() -> None:
    assert divergence(100, 85, 85.0) == 0
    assert divergence(100, 95, 85.0) == 0
    assert divergence(0, 0, 0.0) == 0
    assert divergence(100, 60, 85.0) > 18
