"""Saved views of the dashboard, beside the access keys, so that a backup contains them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from otpconv.access.saved_views import MAX_VIEWS, SavedView
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage.access.tables import AccessTables


class TableSavedViews:
    """A `SavedViewStore` in the tables of an engine.

    Each call opens the tables, because several threads call, and rarely: a page's view, a form.

    Args:
        connect: opens the tables.
    """

    def __init__(self, connect: Callable[[], AccessTables]) -> None:
        self._connect = connect

    def list(self, account: int) -> list[SavedView]:
        """See `SavedViewStore.list`."""
        with self._opened() as tables, tables.reading():
            return tables.rows("saved_views", SavedView, account=account)

    def create(self, account: int, name: str, query: str, *, created_by: str, now: int) -> SavedView:
        """See `SavedViewStore.create`."""
        with self._opened() as tables, tables.changing():
            if (tables.number("count_saved_views", account=account) or 0) >= MAX_VIEWS:
                raise InvalidRequest(
                    f"The account already has {MAX_VIEWS} saved views, the maximum. Delete old ones first."
                )
            made = tables.number(
                "make_saved_view", account=account, name=name, query=query, created_by=created_by, now=now
            )
            if made is None:
                raise _taken(name)
        return SavedView(made, name, query, created_by, now)

    def rename(self, account: int, view: int, name: str) -> None:
        """See `SavedViewStore.rename`."""
        with self._opened() as tables, tables.changing():
            if not tables.run("rename_saved_view", account=account, id=view, name=name):
                known = tables.number("saved_view_id", account=account, id=view) is not None
                raise _taken(name) if known else _unknown(view)

    def delete(self, account: int, view: int) -> None:
        """See `SavedViewStore.delete`."""
        with self._opened() as tables, tables.changing():
            if not tables.run("delete_saved_view", account=account, id=view):
                raise _unknown(view)

    @contextmanager
    def _opened(self) -> Iterator[AccessTables]:
        with closing(self._connect()) as tables:
            yield tables


def _taken(name: str) -> InvalidRequest:
    return InvalidRequest(f"The account already has a saved view named {name!r}. Choose another name.")


def _unknown(view: int) -> NotFound:
    return NotFound(f"There is no saved view {view}. It may have been deleted: open the list again.")
