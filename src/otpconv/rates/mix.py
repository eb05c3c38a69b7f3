"""The change of a rate with the mix of messages held constant, by direct standardisation. Pure.

A rate can fall although no country, carrier or provider converts worse, because more messages go where fewer
are verified (Simpson's paradox). So messages are divided into strata, each of one country, carrier and
provider. The change in a stratum counts by the harmonic mean of its messages in the two windows, so strata
that one of the windows hardly has count little.
"""

from collections.abc import Callable, Mapping
from math import fsum, sqrt
from typing import Final

from msgspec import Struct

from otpconv.rates.counted import Cell
from otpconv.rates.row import RateRow, SameMix, Side
from otpconv.rates.slices import Group

#: What the strata are divided by.
STRATA: Final = ("country", "provider", "carrier")
#: The least share of the requested that must be comparable.
LEAST_SHARE: Final = 0.5


class Stratum(Struct):
    """What both windows counted in one stratum."""

    now: Cell
    before: Cell


def same_mix(
    strata: Mapping[Group, Stratum], side: Callable[[Cell], Side], now: Side, before: Side
) -> SameMix | None:
    """Return the change with the mix held constant.

    The weights are those of W. G. Cochran, "Some methods for strengthening the common chi-squared tests",
    Biometrics 10 (1954). The interval combines those of the strata as Newcombe's does for one difference:
    X. Yan, X. G. Su, "Stratified Wilson and Newcombe confidence intervals for multiple binomial proportions",
    Statistics in Biopharmaceutical Research 2 (2010).

    Args:
        strata: the counts by the values of `STRATA`.
        side: makes a rate of counts.
        now: the rate of all strata together.
        before: likewise, of the window before.

    Returns:
        None where too few messages are in strata of both windows.
    """
    compared = 0
    weights, changes, below, above = [], [], [], []
    for stratum in strata.values():
        here, past = side(stratum.now), side(stratum.before)
        if here.expected is None or past.expected is None:
            continue
        both = here.requested + past.requested
        weight = here.requested * past.requested / both
        (low, high), (low_before, high_before) = here.expected.interval, past.expected.interval
        rate, rate_before = here.expected.rate, past.expected.rate
        compared += both
        weights.append(weight)
        changes.append(weight * (rate - rate_before))
        below.append(weight * weight * ((rate - low) ** 2 + (high_before - rate_before) ** 2))
        above.append(weight * weight * ((high - rate) ** 2 + (rate_before - low_before) ** 2))
    share = compared / max(1, now.requested + before.requested)
    if not weights or share < LEAST_SHARE:
        return None
    # Engines return strata in any order. `fsum` rounds once, so their answers are equal to the last digit.
    total = fsum(weights)
    change = fsum(changes) / total
    interval = max(-1.0, change - sqrt(fsum(below)) / total), min(1.0, change + sqrt(fsum(above)) / total)
    return SameMix(change, interval, share)


def contradiction(row: RateRow) -> str | None:
    """Return in words how the change of a rate and its change with the same mix contradict each other.

    They do if the change is surely not 0, and with the same mix it surely differs from that and has the other
    direction or may be 0. None otherwise.
    """
    change, around, mix = row.change, row.change_interval, row.same_mix
    if change is None or around is None or mix is None or around[0] <= 0 <= around[1]:
        return None
    low, high = mix.interval
    if low <= change <= high:
        return None
    moved = f"The rate {_moved(change)}"
    held = "with the same mix of countries, providers and carriers"
    if low <= 0 <= high:
        where = "fewer" if change < 0 else "more"
        return (
            f"{moved} because more messages went where {where} are verified: {held}, it did not change"
            " significantly."
        )
    if change * mix.change > 0:
        return None
    return f"{moved}, but {held} it {_moved(mix.change)}: the mix changed."


def _moved(change: float) -> str:
    return f"{'fell' if change < 0 else 'rose'} by {abs(change) * 100:.1f} points"
