"""The counts for detectors, from the ledger."""

import logging
from collections.abc import Sequence

from otpconv.alerts.detector import WATCHED
from otpconv.errors import AnswerTooLarge
from otpconv.rates.plan import cover
from otpconv.storage import deadline
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count, LedgerReader

_log = logging.getLogger(__name__)


class LedgerSource:
    """The counts of one account during one look; each is asked for once. See `Source`.

    Args:
        ledger: where to look.
        account: whose messages.
    """

    def __init__(self, ledger: LedgerReader, account: int) -> None:
        self._ledger = ledger
        self._account = account
        #: By start and length; of one look, so few.
        self._counts: dict[tuple[int, int], Sequence[Count]] = {}

    def minute(self, start: int) -> Sequence[Count]:
        """See `Source.minute`.

        Raises:
            Unavailable: the storage failed, or it took too long.
        """
        return self._asked(start, MINUTE_MS)

    def hour(self, start: int) -> Sequence[Count]:
        """See `Source.hour`.

        Raises:
            Unavailable: the storage failed, or it took too long.
        """
        return self._asked(start, HOUR_MS)

    def _asked(self, start: int, length: int) -> Sequence[Count]:
        deadline.check()
        key = start, length
        if key not in self._counts:
            window = cover([(start, start + length)], coarsest=length)
            try:
                self._counts[key] = self._ledger.counts(self._account, window, WATCHED, {})
            except AnswerTooLarge as error:
                # Else the account would not be watched any more.
                _log.warning("alerts: a time of account %d is left out: %s", self._account, error.text)
                self._counts[key] = ()
        return self._counts[key]
