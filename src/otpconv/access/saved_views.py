"""Views of the dashboard that users saved under names; all users of the account can open them."""

from typing import Protocol

from msgspec import Struct

#: The most saved views of an account.
MAX_VIEWS = 100
#: The most characters of a view's name.
MAX_NAME_CHARS = 60
#: The most characters of the query of a view's URL.
MAX_QUERY_CHARS = 4_000


class SavedView(Struct, frozen=True, array_like=True):
    """A saved view.

    Attributes:
        id: unique within the server.
        name: one line, unique within the account.
        query: the query of the view's URL.
        created_by: the user or the role's session that saved it.
        created_at: ms.
    """

    id: int
    name: str
    query: str
    created_by: str
    created_at: int


class SavedViewStore(Protocol):
    """The saved views of all accounts, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the disk fails, and `Misconfigured` if the file can't be used.
    """

    def list(self, account: int) -> list[SavedView]:
        """Return the saved views of an account, by name."""

    def create(self, account: int, name: str, query: str, *, created_by: str, now: int) -> SavedView:
        """Save a view; it is durable when this returns.

        Raises:
            InvalidRequest: the account has a view of this name, or `MAX_VIEWS` views already.
        """

    def rename(self, account: int, view: int, name: str) -> None:
        """Give a view another name.

        Raises:
            InvalidRequest: the account has another view of this name.
            NotFound: the account has no view with this id.
        """

    def delete(self, account: int, view: int) -> None:
        """Delete a view.

        Raises:
            NotFound: the account has no view with this id.
        """
