"""The current assessments of accounts, kept in memory: where there are many ranges, they take seconds."""

import threading
from collections import OrderedDict

from otpconv.ranges.assessing import assess
from otpconv.ranges.checking import KnownRanges
from otpconv.ranges.question import usual_span
from otpconv.rates.price_list import PriceList
from otpconv.storage.contract import LedgerReader

#: After this time, ranges are assessed again when somebody asks, ms.
KEPT_MS = 60_000
#: Accounts whose assessments are kept, each with at most 2,000 ranges, i.e. about 3 MB.
ACCOUNTS = 50


class CurrentRanges:
    """Assesses the ranges of the last 7 days, and remembers the assessments; any thread may ask."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, KnownRanges] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, account: int) -> KnownRanges | None:
        """Return the last assessment of an account, however old; None if there is none."""
        with self._lock:
            return self._known.get(account)

    def of(self, ledger: LedgerReader, account: int, now: int, prices: PriceList) -> KnownRanges:
        """Return the assessment of an account, at most `KEPT_MS` old.

        Args:
            ledger: where to look, unless there is such an assessment.
            account: whose messages.
            now: the time now, ms.
            prices: of messages without a price of their own.

        Raises:
            Unavailable: the storage failed, or the time for the answer is over.
        """
        known = self.known(account)
        if known is not None and 0 <= now - known.assessment.assessed_at < KEPT_MS:
            return known
        known = KnownRanges(assess(ledger, account, usual_span(now), now, prices))
        with self._lock:
            self._known[account] = known
            self._known.move_to_end(account)
            if len(self._known) > ACCOUNTS:
                self._known.popitem(last=False)
        return known
