"""A few tables with named statements in SQL that every engine understands, as an engine opens them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from otpconv.storage.statements import SqlValue

_Row = TypeVar("_Row")


class Tables(Protocol):
    """The tables, open for any thread.

    The context manager raises `Misconfigured` if the tables can't be used, and `Unavailable` if the storage
    fails. The other methods are called within it.
    """

    def run(self, name: str, /, **values: SqlValue) -> int:
        """Run a named statement, and return how many rows it changed."""

    def run_many(self, name: str, values: Sequence[Mapping[str, SqlValue]], /) -> int:
        """Run a named statement for each of some values, and return how many rows they changed in all."""

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """Return the rows of a named statement as structs with its columns."""

    def changing(self) -> AbstractContextManager[None]:
        """Make all changes of the context or, when it fails, none; they are durable at its end."""

    def reading(self) -> AbstractContextManager[None]:
        """Show all statements of the context the same state of the tables."""

    def clear_log(self) -> None:
        """Let no deleted row stay in a write-ahead log, if nobody reads it now."""

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
