"""What a dashboard says about number ranges that look like fraud: the rate without them."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from otpconv.ranges.checking import KnownRanges
from otpconv.ranges.without import with_flagged
from otpconv.rates import RateQuery, RateRow, compute_rates
from otpconv.storage.contract import HOUR_MS, LedgerReader


class Fraud(Struct, frozen=True):
    """The flagged ranges of a view.

    Attributes:
        ranges: how many had messages in the view; if there is no row, in the last 7 days.
        row: all messages of the view, in whole hours, with those to the flagged ranges; None: not known.
        reason: why it is not known.
    """

    ranges: int
    row: RateRow | None = None
    reason: str = ""


def find_fraud(
    ledger: LedgerReader, account: int, query: RateQuery, now: int, known: Callable[[], KnownRanges]
) -> Fraud | None:
    """Return what to say about flagged ranges; None if there are none with messages in the view.

    Args:
        ledger: where to look.
        account: whose messages.
        query: the question of the view.
        now: the time now, ms.
        known: returns the current assessment.

    Raises:
        Unavailable: the storage failed, or the time for the answer is over.
    """
    flagged = known().assessment.flagged
    if not flagged:
        return None
    asked = replace(
        query,
        start=query.start // HOUR_MS * HOUR_MS,
        end=-(-query.end // HOUR_MS) * HOUR_MS,
        by=(),
        compare=None,
        order=None,
        top=None,
        min_requested=0,
    )
    rows = compute_rates(ledger, account, asked, now).rows
    rows, without = with_flagged(ledger, account, asked, rows, now, known)
    if without.reason:
        return Fraud(len(flagged), reason=without.reason)
    return Fraud(len(without.flagged), rows[0]) if without.flagged else None
