"""Which hours a detector is to learn from next: the past weeks at first, then each new hour. Pure."""

from typing import Final

from otpconv.storage.contract import HOUR_MS

#: Hours before the first look that are learned from, and how many of them one look learns at most.
PAST_HOURS: Final = 28 * 24
HOURS_A_LOOK: Final = 48
#: An hour is learned this long after its end, ms: then its reports have come.
SETTLED_MS: Final = HOUR_MS


class Learning:
    """How far a detector has learned.

    Attributes:
        next: the next hour to learn, since 1970 (UTC); 0: it has not begun.
    """

    def __init__(self) -> None:
        self.next = 0

    def due(self, now: int) -> range:
        """Return the hours to learn at a time, ms, and count them as learned."""
        end = (now - SETTLED_MS) // HOUR_MS
        if not self.next or end - self.next > PAST_HOURS:
            self.next = max(0, end - PAST_HOURS)
        first = self.next
        self.next = max(first, min(end, first + HOURS_A_LOOK))
        return range(first, self.next)

    def is_done(self, now: int) -> bool:
        """Return whether all hours that are due at a time, ms, are learned."""
        return self.next >= (now - SETTLED_MS) // HOUR_MS
