"""A connection that never waits without a bound, and closes itself when its answers can't be trusted."""

import time
from typing import Final, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from otpconv.storage import deadline

_T = TypeVar("_T")

#: The functions of a server that warn of an unconfirmed commit: that of PostgreSQL if no standby confirmed
#: it, and that of Citus if a worker has not. The text may be translated.
_UNCONFIRMED_IN: Final = {"SyncRepWaitForLSN", "FinishRemoteTransactionCommit"}
#: How often a waiting thread looks at its bound, s.
_LOOK_S: Final = 0.1
#: How much longer than the server a thread with a deadline waits, s.
_GRACE_S: Final = 0.5


class Unanswered(psycopg.OperationalError):
    """The server has not answered in time; whether a commit was made is unknown."""


class Unconfirmed(psycopg.OperationalError):
    """The server has committed without the confirmation of a standby or worker, and may lose the commit."""


class NotPrimary(psycopg.OperationalError):
    """The server takes no writes, e.g. because it was the primary and is a standby now."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection to a PostgreSQL. It is closed by each error below, so that nobody uses it again.

    Each call of the server raises:
        Unanswered: the server has not answered within `answer_s`, or the deadline of the thread.
        Unconfirmed: somebody has cancelled a COMMIT that was waiting for a standby, or a worker of Citus has
            not answered one. The server has committed it and reports a success, but a failover would lose it.
        NotPrimary: the server is read-only.

    Attributes:
        answer_s: how long a call may wait for the server, s; None for as long as it takes.
    """

    def __init__(self, pgconn: psycopg.pq.abc.PGconn) -> None:
        super().__init__(pgconn)
        self.answer_s: float | None = None
        self._warning: str | None = None
        self.add_notice_handler(self._note)

    def wait(self, gen: PQGen[_T], interval: float = _LOOK_S, timeout: float | None = None) -> _T:  # type: ignore[explicit-override]
        """Do what the library does, within the bound."""
        left_ms = deadline.left_ms()
        # At a deadline the server ends the statement itself, if it can; then the connection stays usable.
        left_s = None if left_ms is None else left_ms / 1000 + _GRACE_S
        bounds = [bound for bound in (timeout, self.answer_s, left_s) if bound is not None]
        try:
            found = super().wait(_bounded(gen, min(bounds)) if bounds else gen, interval)
        except errors.ReadOnlySqlTransaction as error:
            self.close()
            raise NotPrimary(str(error)) from error
        except Unanswered:
            self.close()
            raise
        if self._warning is not None:
            self.close()
            raise Unconfirmed(self._warning)
        return found

    def _note(self, notice: errors.Diagnostic) -> None:
        if notice.source_function in _UNCONFIRMED_IN:
            self._warning = notice.message_primary or "the commit was not confirmed"


def _bounded(gen: PQGen[_T], seconds: float) -> PQGen[_T]:
    """Run a generator of the library; raise `Unanswered` if it still waits after this time."""
    until = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            wanted = gen.send((yield wanted))
            if time.monotonic() >= until:
                raise Unanswered(f"it has not answered within {seconds:.1f} s")
    except StopIteration as end:
        result: _T = end.value
        return result
