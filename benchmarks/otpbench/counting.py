"""Counts the messages of a world as a ledger would at some time; later reports are not known yet."""

from collections.abc import Sequence

import numpy as np

from benchmarks.otpbench.traffic import NEVER, Ints, World
from otpconv.model import DELAY_BINS
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count, Tally


class Counting:
    """The `Source` of a world.

    Attributes:
        now: up to when reports are known, ms; to be set before each question.
    """

    def __init__(self, world: World) -> None:
        self.now = world.routes.start
        self._leaves = world.routes.leaves
        messages = world.messages
        self._requested, self._leaf, self._first = messages.requested, messages.leaf, messages.first
        self._verified = messages.verified
        self._reported = np.minimum(messages.verified, messages.unused)
        self._bin = _bins(messages.verified, messages.requested)
        # Counts that no later report changes, by start and length.
        self._final: dict[tuple[int, int], list[Count]] = {}

    def minute(self, start: int) -> Sequence[Count]:
        """Return the counts of the messages requested in the minute that begins at `start`, ms."""
        return self._counts(start, MINUTE_MS)

    def hour(self, start: int) -> Sequence[Count]:
        """Return the counts of the messages requested in the hour (UTC) that begins at `start`, ms."""
        return self._counts(start, HOUR_MS)

    def _counts(self, start: int, length: int) -> list[Count]:
        if (final := self._final.get((start, length))) is not None:
            return final
        begin, end = np.searchsorted(self._requested, (start, min(start + length, self.now)))
        some = slice(begin, end)
        counts = self._counted(some, start)
        reported = self._reported[some]
        if start + length <= self.now and not np.any((reported > self.now) & (reported != NEVER)):
            self._final[start, length] = counts
        return counts

    def _counted(self, some: slice, start: int) -> list[Count]:
        leaf, first = self._leaf[some], self._first[some]
        verified = self._verified[some] <= self.now
        reported = self._reported[some] <= self.now
        leaves = len(self._leaves)
        columns = [
            np.bincount(leaf[chosen], minlength=leaves).tolist()
            for chosen in (slice(None), verified, first, first & verified, reported)
        ]
        delays = np.bincount(
            leaf[verified] * DELAY_BINS + self._bin[some][verified], minlength=leaves * DELAY_BINS
        ).reshape(leaves, DELAY_BINS)
        counts = []
        for place, (requested, was_verified, was_first, first_verified, was_reported) in enumerate(
            zip(*columns, strict=True)
        ):
            if requested:
                tally = Tally(requested, was_verified, was_first, first_verified, reported=was_reported)
                counts.append(Count(start, self._leaves[place], tally, tuple(delays[place].tolist())))
        return counts


def _bins(verified: Ints, requested: Ints) -> Ints:
    """Return the bin of `model.delay_bin` of each verified message; 0 for the others."""
    delay = np.where(verified == NEVER, 1, verified - requested)
    octaves = np.floor(1 + 2 * np.log2(np.maximum(delay, 1) / 1000)).astype(np.int64)
    bins: Ints = np.clip(octaves, 0, DELAY_BINS - 1)
    return bins
