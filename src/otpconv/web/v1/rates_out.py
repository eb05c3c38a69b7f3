"""Converts rates to the JSON objects of `/v1/rates`."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct

from otpconv.model import SelfReportedRate
from otpconv.money import MICROS
from otpconv.ranges.without import WithoutRanges
from otpconv.rates import LEVELS, RateAnswer, RateQuery, RateRow
from otpconv.rates.columns import (
    COMPARED_COLUMNS,
    FLAGGED_COLUMNS,
    compared_row_values,
    flagged_row_values,
    row_values,
)
from otpconv.rates.mix import contradiction
from otpconv.storage.contract import MAX_SELF_REPORTED, LedgerReader
from otpconv.web.v1.rate_types import (
    Compared,
    CostOut,
    MaturityOut,
    RateOut,
    Rates,
    SelfReported,
    WithoutRangesOut,
)


class Notes(Struct, frozen=True):
    """Facts about the account that an answer has beside its rows.

    Attributes:
        unmatched: how many messages and numbers have conversions without a known message.
        folded: how many messages of the window's days are counted as `model.OTHER` in a dimension.
        self_reported: the newest rates that the account reported about itself in the window.
        left_out: how many older ones the window has, as far as they are counted.
        without: the number ranges that rates are also shown without; None when nobody asked.
    """

    unmatched: int = 0
    folded: int = 0
    self_reported: Sequence[SelfReportedRate] = ()
    left_out: int = 0
    without: WithoutRanges | None = None


def notes(ledger: LedgerReader, account: int, found: RateAnswer) -> Notes:
    """Fetch the facts that an answer has beside its rows.

    Raises:
        Unavailable: the storage failed.
    """
    reported = ledger.self_reported(account, found.start, found.end)
    count = len(reported)
    if count == MAX_SELF_REPORTED:
        count = ledger.count_self_reported(account, found.start, found.end)
    return Notes(
        ledger.unmatched(account),
        ledger.folded(account, found.start, found.end),
        reported,
        count - len(reported),
    )


def rates_out(found: RateAnswer, query: RateQuery, *, lag: int, beside: Notes | None = None) -> Rates:
    """Return an answer as JSON, without its rows.

    Args:
        found: the answer.
        query: the question.
        lag: how many acknowledged reports the answer lacks.
        beside: the facts beside the rows; formats with rows only need none.
    """
    beside = beside or Notes()
    learned = found.maturity
    return Rates(
        start=found.start,
        end=found.end,
        level=query.level,
        denominator=LEVELS[query.level],
        maturity=MaturityOut(learned.horizon_ms, learned.learned_from, learned.scope) if learned else None,
        unmatched=beside.unmatched,
        folded=beside.folded,
        lag=lag,
        self_reported=[
            SelfReported(reported.report_time, reported.rate) for reported in beside.self_reported
        ],
        self_reported_left_out=beside.left_out,
        compared=Compared(*found.before) if found.before else UNSET,
        without_ranges=(
            WithoutRangesOut(list(beside.without.flagged), beside.without.reason or None)
            if beside.without
            else UNSET
        ),
        rows=[],
    )


def row_out(row: RateRow, query: RateQuery) -> RateOut:
    """Return one row of the answer to a question as JSON."""
    fields: dict[str, Any] = {name: value or None for name, value in zip(query.by, row.group, strict=False)}
    if query.without_ranges:
        fields.update(zip(FLAGGED_COLUMNS, flagged_row_values(row), strict=True))
    if row.start is not None:
        fields["start"] = row.start
    if row.others:
        fields["other"] = row.others
    if row.before is not None:
        fields.update(zip(COMPARED_COLUMNS, compared_row_values(row), strict=True))
        if text := contradiction(row):
            fields["contradiction"] = text
    values: list[Any] = [*row_values(row)[:-1], _costs(row)]  # in the order of the fields of RateOut
    return RateOut(*values, **fields)


def _costs(row: RateRow) -> list[CostOut]:
    return [
        CostOut(
            cost.currency,
            cost.micros / MICROS,
            row.per_verified(cost),
            cost.listed_micros / MICROS,
            cost.messages,
        )
        for cost in row.costs or ()
    ]
