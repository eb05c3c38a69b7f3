"""Saved views of the dashboard, in the file of the access keys, so that a backup contains them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from otpconv.access.saved_views import MAX_VIEWS, SavedView
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage.sqlite.access.access_file import AccessFile
from otpconv.storage.sqlite.connection import reading, statements

_LIST = statements("access/statements.sql")["saved_views"]


class SqliteSavedViews:
    """A `SavedViewStore` in a SQLite file.

    Each call opens the file, because several threads call, and rarely: a page's view, a form.

    Args:
        path: the file; a server has opened it before.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def list(self, account: int) -> list[SavedView]:
        """See `SavedViewStore.list`."""
        with reading(self._path) as connection:
            rows = connection.execute(_LIST, {"account": account}).fetchall()
        return msgspec.convert(rows, list[SavedView])

    def create(self, account: int, name: str, query: str, *, created_by: str, now: int) -> SavedView:
        """See `SavedViewStore.create`."""
        with self._opened() as file, file.changing():
            if (file.number("count_saved_views", account=account) or 0) >= MAX_VIEWS:
                raise InvalidRequest(
                    f"The account already has {MAX_VIEWS} saved views, the maximum. Delete old ones first."
                )
            made = file.number(
                "make_saved_view", account=account, name=name, query=query, created_by=created_by, now=now
            )
            if made is None:
                raise _taken(name)
        return SavedView(made, name, query, created_by, now)

    def rename(self, account: int, view: int, name: str) -> None:
        """See `SavedViewStore.rename`."""
        with self._opened() as file, file.changing():
            if not file.run("rename_saved_view", account=account, id=view, name=name):
                known = file.number("saved_view_id", account=account, id=view) is not None
                raise _taken(name) if known else _unknown(view)

    def delete(self, account: int, view: int) -> None:
        """See `SavedViewStore.delete`."""
        with self._opened() as file, file.changing():
            if not file.run("delete_saved_view", account=account, id=view):
                raise _unknown(view)

    @contextmanager
    def _opened(self) -> Iterator[AccessFile]:
        with closing(AccessFile(self._path)) as file:
            yield file


def _taken(name: str) -> InvalidRequest:
    return InvalidRequest(f"The account already has a saved view named {name!r}. Choose another name.")


def _unknown(view: int) -> NotFound:
    return NotFound(f"There is no saved view {view}. It may have been deleted: open the list again.")
