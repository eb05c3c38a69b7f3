"""The columns of rates, by the names that `/v1/rates`, CSV files and `order` use. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from otpconv.money import MICROS, decimal_text
from otpconv.rates.row import RateRow

_Value = float | str | None
#: Columns that are computed together, and their values in a row.
_Together = tuple[tuple[str, ...], Callable[[RateRow], Sequence[_Value]]]


def _expected(row: RateRow) -> Sequence[_Value]:
    expected = row.now.expected
    return (expected.rate, *expected.interval) if expected else (None, None, None)


def _before(row: RateRow) -> Sequence[_Value]:
    before = row.before
    return (before.requested, before.verified, before.rate) if before else (None, None, None)


def _same_mix(row: RateRow) -> Sequence[_Value]:
    mix = row.same_mix
    return (mix.change, *mix.interval) if mix else (None, None, None)


def _receipts(row: RateRow) -> Sequence[_Value]:
    return row.receipted, row.delivered, row.delivered_share, row.rate_of_delivered


def _costs(row: RateRow) -> Sequence[_Value]:
    """Return the cost as numbers if it is in one currency, and in any case as a text."""
    costs = row.costs or ()
    currencies = " ".join(cost.currency for cost in costs) or None
    text = "; ".join(f"{decimal_text(cost.micros)} {cost.currency}" for cost in costs) or None
    if (cost := row.cost) is None:
        return None, currencies, None, None, row.unpriced, text
    listed = cost.listed_micros / MICROS
    return cost.micros / MICROS, currencies, row.per_verified(cost), listed, row.unpriced, text


_COLUMNS: Final[tuple[_Together, ...]] = (
    (("requested", "verified", "rate"), lambda row: (row.requested, row.verified, row.rate)),
    (("rate_low", "rate_high"), lambda row: row.now.interval or (None, None)),
    (("pending",), lambda row: (row.now.pending,)),
    (("rate_expected", "rate_expected_low", "rate_expected_high"), _expected),
    (("reported_share",), lambda row: (row.reported_share,)),
    (("p50_ms", "p90_ms", "p99_ms"), lambda row: row.times_ms),
    (("receipted", "delivered", "delivered_share", "rate_of_delivered"), _receipts),
    (("cost", "currency", "cost_per_verified", "cost_listed", "unpriced", "costs"), _costs),
)
_COMPARED: Final[tuple[_Together, ...]] = (
    (("before_requested", "before_verified", "before_rate"), _before),
    (("change",), lambda row: (row.change,)),
    (("change_low", "change_high"), lambda row: row.change_interval or (None, None)),
    (("change_same_mix", "change_same_mix_low", "change_same_mix_high"), _same_mix),
)
_FLAGGED: Final[tuple[_Together, ...]] = (
    (("rate_without_flagged",), lambda row: (row.rate_without_flagged,)),
    (("flagged_requested",), lambda row: (row.flagged.requested if row.flagged else None,)),
)
#: The columns of every answer, those that a comparison adds, and those about flagged ranges.
RATE_COLUMNS: Final = tuple(name for names, _ in _COLUMNS for name in names)
COMPARED_COLUMNS: Final = tuple(name for names, _ in _COMPARED for name in names)
FLAGGED_COLUMNS: Final = tuple(name for names, _ in _FLAGGED for name in names)
#: The columns with whole numbers.
WHOLE_COLUMNS: Final = frozenset(
    {
        *("requested", "verified", "pending", "p50_ms", "p90_ms", "p99_ms", "before_requested"),
        *("before_verified", "receipted", "delivered", "unpriced", "flagged_requested"),
    }
)
#: The columns with texts, and those with amounts of money, which have a currency.
TEXT_COLUMNS: Final = frozenset({"currency", "costs"})
IN_CURRENCY: Final = frozenset({"cost", "cost_per_verified", "cost_listed"})


def row_values(row: RateRow) -> list[_Value]:
    """Return the values of a row in `RATE_COLUMNS`."""
    return [value for _, values in _COLUMNS for value in values(row)]


def compared_row_values(row: RateRow) -> list[_Value]:
    """Return the values of a row in `COMPARED_COLUMNS`."""
    return [value for _, values in _COMPARED for value in values(row)]


def flagged_row_values(row: RateRow) -> list[_Value]:
    """Return the values of a row in `FLAGGED_COLUMNS`."""
    return [value for _, values in _FLAGGED for value in values(row)]


def column(name: str) -> Callable[[RateRow], float | None]:
    """Return a function that gives the value of a row in one column of numbers."""
    names, values = next(together for together in (*_COLUMNS, *_COMPARED) if name in together[0])
    place = names.index(name)

    def value(row: RateRow) -> float | None:
        found = values(row)[place]
        return None if isinstance(found, str) else found

    return value
