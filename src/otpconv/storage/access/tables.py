"""The tables of keys, users, roles and policies, as an engine opens them; see `statements.sql`."""

from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeVar

from otpconv.storage.statements import SqlValue, statements

_Row = TypeVar("_Row")

#: The statements, by name.
STATEMENTS: Final = statements(__package__, "statements.sql")


class AccessTables(Protocol):
    """The tables, open for any thread.

    The context managers raise `Misconfigured` if the tables can't be used, and `Unavailable` if the storage
    fails. The other methods are called within one of them.
    """

    def run(self, name: str, /, **values: SqlValue) -> int:
        """Run a named statement, and return how many rows it changed."""

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """Return the rows of a named statement as structs with its columns."""

    def value(self, name: str, /, **values: SqlValue) -> object:
        """Return the first value of a named statement; None when there is no row."""

    def number(self, name: str, /, **values: SqlValue) -> int | None:
        """Return the number that a named statement gives; None when there is no row."""

    def version(self) -> object:
        """Return a value that differs once somebody else has changed the tables, or in another thread."""

    def reading(self) -> AbstractContextManager[None]:
        """Show all statements of the context the same state of the tables."""

    def changing(self) -> AbstractContextManager[None]:
        """Make all changes of the context or, when it fails, none; they are durable at its end."""

    def noting(self) -> AbstractContextManager[None]:
        """Make changes that a power failure may undo, without waiting for other writers or the disk."""

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
