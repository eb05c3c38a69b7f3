"""Which groups get rows of their own, and in what order; all others share one row."""

from collections.abc import Callable, Iterable

from otpconv.rates.row import RateRow

_VALUES: dict[str, Callable[[RateRow], float | None]] = {
    "requested": lambda row: row.requested,
    "verified": lambda row: row.verified,
    "rate": lambda row: row.rate,
    "rate_low": lambda row: row.now.interval[0] if row.now.interval else None,
    "rate_high": lambda row: row.now.interval[1] if row.now.interval else None,
    "rate_expected": lambda row: row.now.expected.rate if row.now.expected else None,
    "pending": lambda row: row.now.pending,
    "reported_share": lambda row: row.reported_share,
    "p50_ms": lambda row: row.times_ms[0],
    "p90_ms": lambda row: row.times_ms[1],
    "p99_ms": lambda row: row.times_ms[2],
    "change": lambda row: row.change,
}


def in_order(rows: Iterable[RateRow], order: str | None) -> list[RateRow]:
    """Sort rows by time, then by `order`, then by group; what has no value is last, and the row of others."""
    value = _VALUES[order.removeprefix("-")] if order else _nothing
    sign = -1 if order and order.startswith("-") else 1

    def key(row: RateRow) -> tuple[object, ...]:
        found = value(row)
        return row.start or 0, row.others, found is None, sign * (found or 0), row.group

    return sorted(rows, key=key)


def kept(totals: Iterable[RateRow], order: str | None, top: int | None, least: int) -> set[tuple[str, ...]]:
    """Return the groups that get rows of their own.

    Args:
        totals: a row a group, over the whole window.
        order: which come first; None: those with most requested.
        top: how many at most; None: all.
        least: what they must have requested.
    """
    enough = [row for row in totals if row.requested >= least]
    return {row.group for row in in_order(enough, order or "-requested")[:top]}


def _nothing(_row: RateRow) -> None:
    return None
