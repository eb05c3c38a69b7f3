"""Rates without the messages to flagged ranges, beside those with them: a wave of fraud lowers all rates."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from otpconv.ranges.assessing import MAX_JUDGED
from otpconv.ranges.checking import KnownRanges
from otpconv.rates.question import RateQuery
from otpconv.rates.row import FlaggedCount, RateRow
from otpconv.storage.contract import DAY_MS, LedgerReader
from otpconv.storage.range_counts import RANGES_KEPT_MS, RangeCount

#: The dimensions that ranges are counted by.
COUNTED_BY: Final = ("country", "provider")


class WithoutRanges(Struct, frozen=True):
    """What an answer says about flagged ranges.

    Attributes:
        flagged: the prefixes of the flagged ranges that had messages in the window.
        reason: why the rows have no rate without them; empty if they have it.
    """

    flagged: tuple[str, ...] = ()
    reason: str = ""


def impossible(query: RateQuery, now: int) -> str:
    """Return why a question can't be answered without flagged ranges; empty if it can."""
    if others := [name for name in (*query.by, *query.filters) if name not in COUNTED_BY]:
        return f"Ranges are counted by country and provider, not by {others[0]}."
    if query.interval is not None:
        return "Ranges are compared over a whole window: leave interval out."
    if query.level != "message":
        return f"Ranges count messages, not {query.level.replace('_', ' ')}s."
    if query.start < now - RANGES_KEPT_MS:
        return f"Ranges are counted for {RANGES_KEPT_MS // DAY_MS} days, and the window begins before that."
    return ""


def with_flagged(  # noqa: PLR0917
    ledger: LedgerReader,
    account: int,
    query: RateQuery,
    rows: Sequence[RateRow],
    now: int,
    known: Callable[[], KnownRanges],
) -> tuple[list[RateRow], WithoutRanges]:
    """Return rows with the messages to flagged ranges in them, and what to say about them.

    The flagged ranges are those of the current assessment. Rows with too few messages left get no rate.

    Args:
        ledger: where to look, in the same snapshot as the rows.
        account: whose messages.
        query: the question, with a window of whole hours.
        rows: its rows.
        now: the time now, ms.
        known: returns the current assessment; called only if the question can be answered.

    Raises:
        Unavailable: the storage failed, or the time for the answer is over.
    """
    if reason := impossible(query, now):
        return list(rows), WithoutRanges(reason=reason)
    members = {
        member: prefix
        for finding in known().assessment.flagged
        for member in finding.judged.traffic.members
        for prefix in (finding.judged.traffic.number_range,)
    }
    if not members:
        return [replace(row, flagged=FlaggedCount()) for row in rows], WithoutRanges()
    countries = query.filters.get("country")
    counts = [
        count
        for count in ledger.ranges(account, query.start, query.end, countries=countries, limit=MAX_JUDGED)
        if count.number_range in members and _fits(count, query)
    ]
    prefixes = sorted({members[count.number_range] for count in counts})
    return _added(rows, counts, query.by), WithoutRanges(tuple(prefixes))


def _fits(count: RangeCount, query: RateQuery) -> bool:
    providers = query.filters.get("provider")
    return providers is None or count.provider in providers


def _added(rows: Sequence[RateRow], counts: Iterable[RangeCount], by: Sequence[str]) -> list[RateRow]:
    requested: Counter[tuple[str, ...]] = Counter()
    verified: Counter[tuple[str, ...]] = Counter()
    for count in counts:
        values = {"country": count.country, "provider": count.provider}
        group = tuple(values[name] for name in by)
        requested[group] += count.requested
        verified[group] += count.verified
    own = {row.group for row in rows if not row.others}
    others = [group for group in requested if group not in own]

    def flagged(row: RateRow) -> FlaggedCount:
        groups = others if row.others else [row.group]
        return FlaggedCount(
            sum(requested[group] for group in groups), sum(verified[group] for group in groups)
        )

    return [replace(row, flagged=flagged(row)) for row in rows]
