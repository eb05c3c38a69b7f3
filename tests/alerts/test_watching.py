"""The watch in simulated worlds: what it names, how soon, when it ends, and how often it is wrong."""

import pytest

from alerts.traffic import watched
from otpconv.alerts.watching import Leaf, overlap, slices_of
from otpconv.rates.slices import Slice
from otpconv.storage.contract import HOUR_MS
from tests import campaigns

#: The hour at which the failures begin, and the one at which they end.
BEGIN, END = 30 * 24 + 9, 31 * 24 + 9


def _in(which: Slice, leaf: Leaf) -> bool:
    return which in slices_of(leaf)


@pytest.mark.rounds
@pytest.mark.parametrize(
    "which",
    campaigns.parameters(
        [
            Slice(),
            Slice((("country", "C2"),)),
            Slice((("provider", "p1"),)),
            Slice((("country", "C1"), ("provider", "p3"))),
        ],
        [Slice((("provider", "p1"),))],
        "other kinds of slices",
    ),
    ids=lambda which: which.label,
)
def test_the_failing_slice_is_named_and_its_end_is_found(which: Slice) -> None:
    worlds = campaigns.rounds(20, at_least=3)
    named = alone = ended = 0
    for seed in range(worlds):
        watch = watched(
            seed, days=33, countries=5, fails=lambda leaf, hour: BEGIN <= hour < END and _in(which, leaf)
        )
        findings = [one for one in watch.findings if BEGIN * HOUR_MS < one.found_at <= END * HOUR_MS]
        alone += len(findings) == 1
        if findings and findings[0].slice == which:
            named += 1
            ended += findings[0].until is not None and findings[0].until > END * HOUR_MS
    assert named >= 0.95 * worlds
    assert ended >= 0.95 * named
    assert alone >= 0.6 * worlds


@pytest.mark.campaign("only here: four months of 61 healthy slices take some seconds")
def test_false_alarms_stay_within_the_budget() -> None:
    worlds, months = campaigns.rounds(20), 4
    found = sum(len(watched(seed, days=30 * months, countries=12).findings) for seed in range(worlds))
    budget = worlds * months
    assert found <= budget + 1.65 * budget**0.5  # the 95 % point of a Poisson distribution


def test_slices_overlap_unless_they_differ_in_a_dimension() -> None:
    spain, acme = Slice((("country", "ES"),)), Slice((("provider", "acme"),))
    assert overlap(spain, acme)
    assert overlap(spain, Slice())
    assert not overlap(spain, Slice((("country", "DE"), ("provider", "acme"))))
