"""What all detectors have in common: they look at one minute after the other, and remember what they need."""

from collections.abc import Sequence
from typing import Final, Protocol

from otpconv.storage.alerts.contract import Change
from otpconv.storage.contract import Count

#: The dimensions by which detectors count; in the order of `DIMENSIONS`.
WATCHED: Final = ("country", "carrier", "provider", "access_key")


class Source(Protocol):
    """Counts of the messages of one account, by `WATCHED`, as far as their reports are known now."""

    def minute(self, start: int) -> Sequence[Count]:
        """Return the counts of the messages requested in the minute that begins at `start`, ms."""

    def hour(self, start: int) -> Sequence[Count]:
        """Return the counts of the messages requested in the hour (UTC) that begins at `start`, ms."""


class Detector(Protocol):
    """Finds one or more kinds of alerts of one account. Pure, but for what it remembers.

    Attributes:
        name: of what it remembers in a `Checkpoint`; never changes.
    """

    name: str

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """Look at all that is new, and return the findings that are new, go on, or have ended.

        Args:
            now: a whole minute, ms; each minute is given once, in order. After a stop, minutes that passed
                meanwhile may be left out.
            source: the counts.
        """

    def memory(self) -> bytes | None:
        """Return what it remembers, for a restart; None if that is as it was at the last call."""

    def recall(self, memory: bytes) -> None:
        """Go on from what another one remembered; one that an older otpconv wrote may be dropped."""
