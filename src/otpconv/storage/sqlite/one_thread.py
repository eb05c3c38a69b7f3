"""SQLite connections that only the thread that opened them may use.

SQLite serializes the calls on one connection. Two threads that share a connection would wait for each other's
disk, and a statement of one could end up in a transaction of the other. `apsw` allows that; these connections
do not.
"""

from threading import get_ident
from types import TracebackType
from typing import Any, Literal, Self

import apsw


class WrongThread(RuntimeError):
    """A thread used a SQLite connection that another thread opened: a bug in otpconv."""


class OneThreadConnection(apsw.Connection):
    """An `apsw.Connection` that raises `WrongThread` when another thread works with it.

    Calls that read or write the database are checked; a check costs about 0.1 µs. Calls that configure the
    connection are not checked: only the opening code makes them.
    """

    # typing.override is not in Python 3.11, hence the markers.
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base takes them
        super().__init__(*args, **kwargs)
        self._owner = get_ident()

    def __enter__(self) -> Self:  # type: ignore[explicit-override]
        """Begin a transaction, or a savepoint in one."""
        self.execute("SAVEPOINT block")
        return self

    def __exit__(  # type: ignore[explicit-override]
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        """Commit, or roll back after an error.

        The base class commits while it holds Python's lock: on a slow disk every thread would wait.
        """
        try:
            if kind is None:
                self.execute("RELEASE block")
        except BaseException:
            self._roll_back()
            raise
        if kind is not None:
            self._roll_back()
        return False

    def execute(  # type: ignore[explicit-override]
        self,
        statements: str,
        bindings: "apsw.Bindings | None" = None,
        **options: Any,  # noqa: ANN401
    ) -> apsw.Cursor:
        """See `apsw.Connection.execute`."""
        # Inlined, since every report waits for it.
        if get_ident() != self._owner:
            self._check()
        return super().execute(statements, bindings, **options)

    def executemany(self, *args: Any, **options: Any) -> apsw.Cursor:  # type: ignore[explicit-override]  # noqa: ANN401
        """See `apsw.Connection.executemany`."""
        self._check()
        return super().executemany(*args, **options)

    def cursor(self) -> apsw.Cursor:  # type: ignore[explicit-override]
        """See `apsw.Connection.cursor`."""
        self._check()
        return super().cursor()

    def pragma(self, name: str, *args: Any, **options: Any) -> Any:  # type: ignore[explicit-override]  # noqa: ANN401
        """See `apsw.Connection.pragma`."""
        self._check()
        return super().pragma(name, *args, **options)

    def wal_checkpoint(self, *args: Any, **options: Any) -> tuple[int, int]:  # type: ignore[explicit-override]  # noqa: ANN401
        """See `apsw.Connection.wal_checkpoint`."""
        self._check()
        return super().wal_checkpoint(*args, **options)

    def _roll_back(self) -> None:
        # Some failures roll back on their own.
        if self.in_transaction:
            self.execute("ROLLBACK TO block; RELEASE block")

    def _check(self) -> None:
        if get_ident() != self._owner:
            raise WrongThread("A SQLite connection was used by a thread that did not open it.")
