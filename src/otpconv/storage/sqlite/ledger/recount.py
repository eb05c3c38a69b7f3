"""Compares counts of the ledger with a recount: with the messages, or with finer rollups."""

from collections.abc import Mapping
from typing import NamedTuple

import apsw

from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS
from otpconv.storage.sqlite.connection import statements

_SQL = statements("ledger/recount.sql")


class Recount(NamedTuple):
    """Counts that can be counted again.

    Attributes:
        name: what they are.
        equal: what they should be equal to.
        statement: the name of the statement that compares them.
        bindings: its parameters.
    """

    name: str
    equal: str
    statement: str
    bindings: Mapping[str, int]


_MESSAGES = "a recount of the messages"
_HOUR = {"grain": HOUR_MS, "finer": QUARTER_MS, "finest": MINUTE_MS}
_DAY = {"grain": DAY_MS, "finer": HOUR_MS, "finest": HOUR_MS}
RECOUNTS = (
    Recount("rollups by day", "the sums of the hours", "wrong_sums", _DAY),
    Recount("rollups by hour", "the sums of the minutes and quarters", "wrong_sums", _HOUR),
    Recount("rollups by quarter", _MESSAGES, "wrong_rollups", {"grain": QUARTER_MS}),
    Recount("rollups by minute", _MESSAGES, "wrong_rollups", {"grain": MINUTE_MS}),
    Recount("costs by day", "the sums of the hours", "wrong_cost_sums", _DAY),
    Recount("costs by hour", "the sums of the minutes and quarters", "wrong_cost_sums", _HOUR),
    Recount("costs by quarter", _MESSAGES, "wrong_costs", {"grain": QUARTER_MS}),
    Recount("costs by minute", _MESSAGES, "wrong_costs", {"grain": MINUTE_MS}),
    Recount("rollups by range", _MESSAGES, "wrong_ranges", {}),
    Recount("receipts of messages", "the receipts", "wrong_receipts", {}),
    Recount("routes", _MESSAGES, "wrong_routes", {}),
    Recount("unmatched", _MESSAGES, "wrong_unmatched", {}),
)


def count_wrong(connection: apsw.Connection, recount: Recount) -> int:
    """Return how many rows differ from the recount. Sorts on disk if the rows don't fit in memory."""
    wrong: int = connection.execute(_SQL[recount.statement], recount.bindings).fetchall()[0][0]  # type: ignore[assignment]
    return wrong
