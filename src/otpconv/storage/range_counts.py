"""What a ledger says about number ranges: the part of the contract in `contract.py` that concerns them."""

from collections.abc import Collection
from typing import Protocol

from msgspec import Struct

from otpconv.storage.erasure import RangeLength

#: How long rollups by number range are kept, ms (35 days): five weeks show a rhythm by hour of week.
RANGES_KEPT_MS = 35 * 86_400_000
#: Ranges in one answer: about 10 MB of memory.
MAX_RANGES = 50_000
#: Rollups by range of a day of an account: 5 seconds to read for five weeks. Beyond it, prefixes get shorter.
MAX_DAY_RANGES = 250_000
#: The shortest prefix that ranges are counted by, characters: `+` and three digits, the longest calling code.
SHORTEST_RANGE = 4


class RangeCount(Struct, frozen=True, gc=False):
    """The messages to one number range in a window, of one country and provider.

    Attributes:
        number_range: prefix of E.164, e.g. `+491511234`: numbers without their last four digits. Where a day
            of a country has too many ranges, it is shorter; see `erasure.RangeLength`.
        country, provider: the values that the messages are counted by.
        first_requested_at: the start (ms) of the first hour in which it is known to have had messages. Hours
            before `RANGES_KEPT_MS` are not known any more.
        requested, verified: messages in the window.
        verified_before: messages before the window that are verified and still counted.
    """

    number_range: str
    country: str
    provider: str
    first_requested_at: int
    requested: int
    verified: int
    verified_before: int


class RangeReader(Protocol):
    """The questions about number ranges; see `LedgerReader`."""

    def ranges(
        self,
        account: int,
        start: int,
        end: int,
        *,
        countries: Collection[str] | None = None,
        limit: int = MAX_RANGES,
    ) -> list[RangeCount]:
        """Return the number ranges that had messages in the hours (UTC) that begin in [start, end), ms.

        Messages without a number are in none. The sums of all messages with a number are exact as long as no
        more than `limit` ranges are found.

        Args:
            account: whose messages.
            start: of the window.
            end: of the window.
            countries: the accepted countries; None accepts all.
            limit: how many are returned: those with the most messages, in descending order.
        """

    def range_lengths(self, most: int = MAX_DAY_RANGES) -> tuple[RangeLength, ...]:
        """Return by how much to shorten the ranges of days that have more than `most` rollups by range."""
