"""What an engine does for a copy of its storage into another one."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from otpconv.storage.contract import LedgerWriter
from otpconv.storage.verification import LedgerContents

#: What can't be rebuilt besides the journal: the columns of each table, the key first, and referenced tables
#: before those that refer to them.
STATE: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("account_id", "name"),
    "users": ("user_id", "account_id", "name", "created_at", "sign_ins_after"),
    "roles": ("role_id", "account_id", "name", "max_duration_s", "created_at"),
    "policies": ("account_id", "name", "document", "created_at"),
    "user_policies": ("user_id", "policy"),
    "role_policies": ("role_id", "policy"),
    "access_keys": (
        *("access_key_id", "user_id", "sealed_secret", "active", "created_at", "last_used_at"),
        "sign_ins_after",
    ),
    "sign_outs": ("access_key_id", "sign_in", "until"),
    "user_sign_outs": ("user_id", "sign_in", "until"),
    "saved_views": ("view_id", "account_id", "name", "query", "created_by", "created_at"),
    "vendor_accounts": (
        *("vendor_id", "account_id", "name", "kind", "provider", "settings", "sealed_secrets", "per_second"),
        *("paused", "since", "created_at"),
    ),
    "alert_targets": (
        *("target_id", "account_id", "name", "kind", "settings", "rules", "sealed_secrets", "created_at"),
    ),
    "price_lists": ("account_id", "prices"),
    "annotations": ("annotation_id", "account_id", "at", "text", "created_by", "created_at"),
}

#: The rows of each table of `STATE`.
State = dict[str, list[tuple[Any, ...]]]


class StoredRow(NamedTuple):
    """A row of a journal; the first columns are those of `journal_rows.NewRow`.

    Attributes:
        seq: the position of its last entry.
        recorded_at: ms.
        unmatched_before, minutes_from: those of an expiry; 0 in an erasure; otherwise None.
        reports: JSON list of reports, or of one erasure; None in an expiry.
        nonces: JSON list of (fingerprint, signed_at); None if there are none.
        erased: whether reports of deleted messages were erased from it.
    """

    seq: int
    recorded_at: int
    unmatched_before: int | None
    minutes_from: int | None
    reports: bytes | None
    nonces: bytes | None
    erased: bool


class OneState(LedgerContents, Protocol):
    """One state of a ledger."""

    def position(self) -> int:
        """Return the position of the last journal entry in this state."""


class Transfer(Protocol):
    """One side of a copy, used by one thread; opened by `Engine.transfer`.

    Every method may raise `Misconfigured` if something in the storage can't be used, and `Unavailable` if the
    storage fails; a call that raises has changed nothing.
    """

    def head(self) -> int:
        """Return the position of the newest entry of the journal; 0 when there is none."""

    def rows(self, after: int, entries: int) -> list[StoredRow]:
        """Return the next rows of the journal, in their order.

        Damaged rows that an operator has set aside, and missing ones, come as erased rows, so that all
        positions stay.

        Args:
            after: the position of a row, or 0.
            entries: how many entries they may have in all; one row is returned even if it has more.

        Raises:
            Misconfigured: the next row is damaged or missing.
        """

    def append(self, after: int, rows: Sequence[StoredRow]) -> None:
        """Append rows to the journal in one durable commit.

        Raises:
            Misconfigured: the journal does not end at the position `after`: somebody else writes to it.
        """

    def rewrite(self, rows: Sequence[StoredRow]) -> None:
        """Give rows of the journal the reports that are left after others were erased."""

    def ledger(self) -> AbstractContextManager[OneState]:
        """Show one state of the ledger until the context ends."""

    def ledger_writer(self) -> LedgerWriter:
        """Open the ledger for applying the journal; create it if there is none."""

    def discard_ledger(self) -> None:
        """Empty the ledger, so that it is built again from the journal; nothing else may use it."""

    def state(self) -> State:
        """Return the rows of all tables of `STATE`, all of one moment."""

    def replace_state(self, state: State) -> None:
        """Replace the rows of all tables of `STATE`."""

    def close(self) -> None:
        """Release the files or connections."""
