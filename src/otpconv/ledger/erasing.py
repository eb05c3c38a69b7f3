"""Deletes messages: old ones, or those to a number.

A deletion is a series of erasures, i.e. facts in the journal, each about a bounded number of messages. Once
the ledger has applied them, the reports are erased from the journal too. If the process ends in between,
`finish` does the rest at the next start.
"""

import time
from collections.abc import Callable

from otpconv.errors import Unavailable
from otpconv.storage.contract import LedgerReader
from otpconv.storage.erasure import Erasure, JournalEraser

#: Pause between two steps in the journal, as many times as long as the step took: reports come first.
RESTS = 1
#: Attempts to clear the logs at the end of a deletion, and the time between two, s.
ATTEMPTS, RETRY_S = 200, 0.05


class Eraser:
    """Deletes messages, one deletion after the other. Use it from one thread.

    Args:
        ledger: answers which messages there are.
        journal: erases reports.
        record: appends an erasure to the journal, and returns once the ledger has applied it.
        rest: pauses for so many seconds.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        journal: JournalEraser,
        record: Callable[[Erasure], None],
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._record = record
        self._rest = rest
        self._stopping = False

    def prune(
        self,
        before: int,
        deleted: Callable[[int], None] = lambda _: None,
        check: Callable[[], None] | None = None,
    ) -> int:
        """Delete the messages of all accounts that were requested before a time, and return their number.

        Args:
            before: the time, ms. Unmatched conversions before it are deleted too.
            deleted: called now and then with the number of messages deleted so far.
            check: called once no report about times before that is accepted any more, and before a message is
                deleted; what it raises ends the deletion.

        Raises:
            Unavailable: the storage failed, or `stop` was called. Some messages may be deleted.
        """
        self._record(Erasure(before, 0))
        if check is not None:
            check()
        count = 0
        after: int | None = 0
        while after is not None:
            self._check()
            found = self._ledger.old_messages(before, after)
            if found.erasure is not None:
                self._record(found.erasure)
                count += len(found.erasure.messages)
                deleted(count)
            after = found.after
        self.finish()
        return count

    def forget(self, account: int, number: str) -> int:
        """Delete everything about a number (keyed hash) of an account, and return the number of messages.

        Raises:
            Unavailable: the storage failed, or `stop` was called. Some messages may be deleted.
        """
        count = 0
        caught_up = False
        while True:
            self._check()
            erasure = self._ledger.erasure_of(account, number)
            self._record(erasure)
            count += len(erasure.messages)
            # At first the ledger may lack acknowledged reports; since it has applied an erasure, it has them.
            if caught_up and not erasure.messages:
                break
            caught_up = True
        self.finish()
        return count

    def finish(self) -> None:
        """Erase from the journal what the ledger has deleted; also what an earlier process left.

        Raises:
            Unavailable: the storage failed, `stop` was called, or the logs could not be cleared.
        """
        any_erased = False
        while self._journal.begin():
            any_erased = True
            self._step_all()
        if any_erased:
            self._clear_logs()

    def stop(self) -> None:
        """Stop soon; `finish` does the rest later. Any thread may call it."""
        self._stopping = True

    def close(self) -> None:
        """Release the files. Call it from the thread that used it."""
        self._journal.close()

    def _step_all(self) -> None:
        while True:
            self._check()
            began = time.perf_counter()
            if not self._journal.step():
                return
            self._rest(RESTS * (time.perf_counter() - began))

    def _clear_logs(self) -> None:
        for _ in range(ATTEMPTS):
            self._check()
            if self._journal.finish():
                return
            self._rest(RETRY_S)
        raise Unavailable(
            "The messages were deleted, but the write-ahead logs are in use and may still contain them. Run"
            " the command again."
        )

    def _check(self) -> None:
        if self._stopping:
            raise Unavailable("The server stops. The deletion goes on when it starts again.")
