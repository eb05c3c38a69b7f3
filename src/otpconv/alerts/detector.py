"""What all detectors have in common: they look at one minute after the other, and remember what they need."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from otpconv.storage.alerts.contract import Change
from otpconv.storage.contract import Count

#: The dimensions by which detectors count; in the order of `DIMENSIONS`.
WATCHED: Final = ("country", "carrier", "provider", "access_key")


class Source(Protocol):
    """Counts of the messages of one account, by `WATCHED`, as far as their reports are known now."""

    def minute(self, start: int) -> Sequence[Count]:
        """Return the counts of messages requested in the minute that begins at `start`, ms, with delays."""

    def hour(self, start: int) -> Sequence[Count]:
        """Return the counts of messages requested in the UTC hour that begins at `start`, ms, with delays."""


class Detector(Protocol):
    """Finds one or more kinds of alerts of one account. Pure, but for what it remembers.

    Attributes:
        name: of its parts in a `Checkpoint`, or how their names begin; never changes.
    """

    name: str

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """Look at all that is new, and return the findings that are new, go on, or have ended.

        Args:
            now: a whole minute, ms; each minute is given once, in order. After a stop, minutes that passed
                meanwhile may be left out.
            source: the counts.
        """

    def memory(self) -> Mapping[str, bytes]:
        """Return what it remembers, for a restart: the parts that changed since the last call, by name.

        The names are few and begin with `name`. A part is small or changes rarely, so that it can be written
        each minute; an empty one stands for nothing.
        """

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """Go on from what another one remembered: all of its parts, the newest of each name.

        Parts of other detectors, and those that another version of otpconv wrote, are ignored.
        """
