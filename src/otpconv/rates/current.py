"""The current signals of accounts, kept for a moment: where there are many routes, they take seconds."""

import threading
from collections import OrderedDict
from contextlib import suppress

from otpconv.errors import AnswerTooLarge
from otpconv.rates.evidence import find_evidence
from otpconv.rates.maturity import Maturity
from otpconv.rates.question import RateQuery
from otpconv.rates.signals import Signal
from otpconv.storage.contract import DAY_MS, LedgerReader

#: How long signals are kept, ms.
KEPT_MS = 30_000
#: Accounts whose signals are kept.
ACCOUNTS = 200


class CurrentSignals:
    """Finds the signals of the last 24 hours, and remembers them; any thread may ask."""

    def __init__(self) -> None:
        self._found: OrderedDict[int, tuple[int, list[Signal]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ledger: LedgerReader, account: int, maturity: Maturity | None, now: int) -> list[Signal]:
        """Return the current signals of an account; none if its traffic has too many combinations of values.

        Args:
            ledger: where to look, unless the account's signals of the last `KEPT_MS` are known.
            account: whose messages.
            maturity: the known delays; None when all messages of the window are mature.
            now: the time now, ms.

        Raises:
            Unavailable: the storage failed.
        """
        with self._lock:
            found_at, signals = self._found.get(account, (-KEPT_MS, []))
        if 0 <= now - found_at < KEPT_MS:
            return signals
        signals = []
        with suppress(AnswerTooLarge):
            found = find_evidence(ledger, account, RateQuery(now - DAY_MS, now), maturity, now).now
            signals = [*found.silences, *found.drops]
        with self._lock:
            self._found[account] = now, signals
            self._found.move_to_end(account)
            if len(self._found) > ACCOUNTS:
                self._found.popitem(last=False)
        return signals
