"""Compares two ledgers of any engines row by row: one in use, and one that was just built from the journal.

Rows are compared by their values. How an engine numbers its rows, and in which order they arrived, makes no
difference.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from otpconv.clock import iso_8601
from otpconv.model import DELAY_BINS
from otpconv.receipts import ReceiptStatus
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, QUARTER_MS, Tally

#: Examples of each kind of difference, and differing columns in an example.
MAX_EXAMPLES, MAX_COLUMNS = 5, 3
#: What to do about a ledger that differs from its journal.
REBUILD = "stop the server and run `otpconv ledger rebuild`"

#: A row as its values: first the key, then the other columns. No part of the key is NULL.
Row: TypeAlias = tuple[Any, ...]


class Table(Struct, frozen=True):
    """Rows of a ledger that are compared.

    Attributes:
        name: what the rows are.
        source: the name that engines know the rows by.
        key: the columns that identify a row.
        values: the other columns.
    """

    name: str
    source: str
    key: tuple[str, ...]
    values: tuple[str, ...] = ()


_COUNTS = (*Tally.__struct_fields__, *(f"d{bin_}" for bin_ in range(DELAY_BINS)))
_COSTS = ("messages", "micros")
_SLOT = ("account", "start", *DIMENSIONS)
_RANGE = ("account", "start", "number_range", "country", "provider")
_GRAINS = {MINUTE_MS: "minute", QUARTER_MS: "quarter", HOUR_MS: "hour", DAY_MS: "day"}

#: All that a ledger holds. The dimensions are those that a message is counted by; `reported_values` are the
#: reported ones, as a JSON list, if they differ. d0, d1, … are the bins of `model.delay_bin`.
TABLES = (
    Table(
        "messages",
        "messages",
        ("account", "message_id"),
        (
            *("requested_at", *DIMENSIONS, "reported_values"),
            *("number", "number_range", "session_id", "attempt"),
            *("true_first", "true_last", "false_last", "true_arrival", "true_unknown", "false_unknown"),
            *("number_true", "number_reported", "session"),
            *("vendor_message_id", "receipt", "price", "currency"),
        ),
    ),
    Table(
        "conversions by number",
        "number_conversions",
        ("account", "number", "delivered", "conversion_time"),
    ),
    Table(
        "receipts",
        "receipts",
        ("account", "vendor_message_id"),
        (
            *(f"{status.name.lower()}_at" for status in ReceiptStatus),
            *("error", "price", "currency", "segments", "known"),
        ),
    ),
    Table("self-reported rates", "self_reported_rates", ("account", "report_time", "rate")),
    Table("combinations of dimensions", "dimensions", ("account", "day", *DIMENSIONS)),
    Table("values of dimensions", "dimension_values", ("account", "day", "dimension", "value")),
    Table("rollups", "rollups", ("grain", *_SLOT), _COUNTS),
    Table("counts of deleted messages", "kept_counts", _SLOT, _COUNTS),
    Table("costs", "cost_rollups", ("grain", *_SLOT, "currency"), _COSTS),
    Table("costs of deleted messages", "kept_costs", (*_SLOT, "currency"), _COSTS),
    Table("rollups by range", "range_rollups", _RANGE, ("requested", "verified")),
    Table("ranges of deleted messages", "kept_ranges", _RANGE, ("requested", "verified")),
    Table("lengths of ranges", "range_lengths", ("account", "day", "country"), ("length",)),
    Table("routes", "routes", ("account", "provider", "country"), ("requested", "verified")),
    Table("unmatched hours", "unmatched_hours", ("account", "number", "start")),
    Table("unmatched", "unmatched", ("account",), ("messages", "numbers")),
    Table("progress", "progress", (), ("minutes_from", "messages_from")),
)


class LedgerContents(Protocol):
    """One state of a ledger, to be compared with another one."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Return the rows of a table, ordered by the columns of its key; texts by their code points.

        Rows that mean the same as no row at all, such as counts that are 0, may be left out.
        """


def compare(table: Table, held: LedgerContents, built: LedgerContents) -> CheckResult:
    """Compare the rows of a table in two ledgers. Keeps only a few rows in memory.

    Args:
        table: which rows.
        held: the ledger in use.
        built: the ledger built from the journal, up to the same position.
    """
    rows = different = 0
    examples: list[str] = []
    for here, there in _pairs(held.rows(table), built.rows(table), len(table.key)):
        rows += 1
        if here != there:
            different += 1
            if len(examples) < MAX_EXAMPLES:
                examples.append(_described(table, here, there))
    if not different:
        return CheckResult(table.name, ok=True, text=f"{rows:,} rows, as the journal gives them")
    text = f"{different:,} of {rows:,} rows differ from what the journal gives"
    return CheckResult(table.name, ok=False, text=text, advice=REBUILD, examples=tuple(examples))


def _pairs(held: Iterator[Row], built: Iterator[Row], width: int) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield the rows of both sides that have the same key, or the row of one side and None."""
    here, there = next(held, None), next(built, None)
    while here is not None or there is not None:
        if there is None or (here is not None and here[:width] < there[:width]):
            yield here, None
            here = next(held, None)
        elif here is None or there[:width] < here[:width]:
            yield None, there
            there = next(built, None)
        else:
            yield here, there
            here, there = next(held, None), next(built, None)


def _described(table: Table, here: Row | None, there: Row | None) -> str:
    """Return which row differs, and how."""
    key = here if here is not None else there or ()
    named = zip(table.key, key, strict=False)
    where = ", ".join(f"{name} {_text(name, value)}" for name, value in named if value != "")
    if there is None:
        how = "the journal gives no such row"
    elif here is None:
        how = "the row is missing"
    else:
        width = len(table.key)
        values = zip(table.values, here[width:], there[width:], strict=True)
        wrong = [each for each in values if each[1] != each[2]]
        how = "; ".join(
            f"{name} is {_text(name, held)}, must be {_text(name, built)}"
            for name, held, built in wrong[:MAX_COLUMNS]
        )
        if len(wrong) > MAX_COLUMNS:
            how += f"; and {len(wrong) - MAX_COLUMNS} more columns"
    return f"{where}: {how}" if where else how


def _text(name: str, value: object) -> str:
    """Return a value of a column for people."""
    if name == "start" and isinstance(value, int):
        with suppress(OverflowError):  # a damaged time may be in no year
            return iso_8601(value)
    if name == "grain":
        value = _GRAINS.get(value, value)  # type: ignore[call-overload]
    if value is None:
        return "unknown"
    return value.hex() if isinstance(value, bytes) else str(value)
