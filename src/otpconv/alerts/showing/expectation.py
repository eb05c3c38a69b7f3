"""What to expect of a step of time: a share, a number of messages, or a delay. Pure."""

from collections.abc import Sequence
from math import sqrt
from typing import Literal

from msgspec import Struct

from otpconv.alerts.showing.usual import Hour, Normal, Usual
from otpconv.rates.delays import mean_verified_within, quantile
from otpconv.rates.intervals import Z, wilson
from otpconv.storage.contract import HOUR_MS

#: The quantities over time: the share of messages that are verified, or reported; the number of messages; or
#: the delay within which 90 % of the verified messages are verified, ms.
Quantity = Literal["verified", "reported", "messages", "delay"]
#: A step with fewer verified messages has no delay, and one in which it is younger than so many usual delays.
_LEAST_DELAYS, _DELAYS_YOUNG = 10, 3
_SHARE = 0.9


class Step(Struct, frozen=True):
    """A step of time.

    Attributes:
        start: ms.
        requested: its messages.
        counted: those of them that are verified, or reported.
        seen: a share, 0 to 1; a number of messages; or a delay, ms. None: nothing can be said.
        usual: the expectation by now.
        low, high: the band that `seen` lies in with 95 % if nothing is wrong.
    """

    start: int
    requested: int
    counted: int
    seen: float | None
    usual: float | None
    low: float | None
    high: float | None


class Expectation:
    """What to expect of a step.

    Args:
        usual: the usual values, by hour.
        delays: the usual delays of verified messages, by bin.
        now: the time now, ms.
    """

    def __init__(self, usual: Usual, delays: tuple[int, ...], now: int) -> None:
        self._usual, self._delays, self._now = usual, delays, now

    def shares(self, at: int, grain: int, slots: Sequence[tuple[int, Hour]]) -> Step:
        """Return the step of a share of messages; of young messages, some reports are still to come."""
        messages = sum(one.messages for _, one in slots)
        if not messages:
            return Step(at, 0, 0, None, None, None, None)
        mean = variance = known = 0.0
        for slot, one in slots:
            share = self._usual.share(slot // HOUR_MS)
            arrived = self._arrived(slot, grain)
            chance = share.mean * arrived
            mean += one.messages * chance
            variance += one.messages * chance * (1 - chance)
            known += one.messages * share.deviation * arrived
        counted = sum(one.counted for _, one in slots)
        if not self._usual.is_known:
            return Step(at, messages, counted, counted / messages, None, None, None)
        band = Normal(mean / messages, sqrt(variance + known * known) / messages)
        return Step(at, messages, counted, counted / messages, *_band(band, highest=1.0))

    def numbers(self, at: int, grain: int, slots: Sequence[tuple[int, Hour]]) -> Step:
        """Return the step of a number of messages."""
        messages, counted = (
            sum(of) for of in zip(*((one.messages, one.counted) for _, one in slots), strict=True)
        )
        if not self._usual.is_known:
            return Step(at, messages, counted, messages, None, None, None)
        parts = [
            self._usual.messages(slot // HOUR_MS, min(grain, self._now - slot) / HOUR_MS) for slot, _ in slots
        ]
        # What makes one quarter busy makes its neighbours busy, too.
        band = Normal(sum(part.mean for part in parts), sum(part.deviation for part in parts))
        return Step(at, messages, counted, messages, *_band(band))

    def delay(self, at: int, end: int, bins: tuple[int, ...], slots: Sequence[tuple[int, Hour]]) -> Step:
        """Return the step of the delay within which 90 % of the verified messages are verified."""
        messages = sum(one.messages for _, one in slots)
        usual, verified = quantile(self._delays, _SHARE), sum(bins)
        young = usual is not None and end > self._now - _DELAYS_YOUNG * usual
        if verified < _LEAST_DELAYS or young:
            return Step(at, messages, verified, None, usual, None, None)
        seen = quantile(bins, _SHARE)
        # The quantile of so few delays is that of the usual ones at a share in this interval.
        shares = wilson(round(_SHARE * verified), verified) or (_SHARE, _SHARE)
        low, high = (quantile(self._delays, share) for share in shares)
        return Step(at, messages, verified, seen, usual, low, high)

    def _arrived(self, slot: int, grain: int) -> float:
        """Return the share of the verifications of a slot that have arrived by now."""
        if not self._delays:
            return 1.0
        oldest = max(0, self._now - slot)
        return mean_verified_within(self._delays, max(0, oldest - grain), oldest)


def _band(expected: Normal, highest: float | None = None) -> tuple[float, float, float]:
    low = max(0.0, expected.mean - Z * expected.deviation)
    high = expected.mean + Z * expected.deviation
    return expected.mean, low, high if highest is None else min(highest, high)
