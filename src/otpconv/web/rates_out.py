"""From the answer to a question about rates to the values of the native API."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from otpconv.model import SelfReportedRate
from otpconv.rates import LEVELS, RateAnswer, RateQuery, RateRow
from otpconv.web.native_types import Compared, MaturityOut, RateOut, Rates, SelfReported


def rates_out(
    found: RateAnswer,
    query: RateQuery,
    *,
    lag: int,
    unmatched: int = 0,
    self_reported: Sequence[SelfReportedRate] = (),
) -> Rates:
    """Return an answer without its rows.

    Args:
        found: the answer.
        query: the question.
        lag: how many acknowledged reports the answer lacks.
        unmatched: how many conversions no known message explains.
        self_reported: the rates that the account reported of itself in the window.
    """
    learned = found.maturity
    return Rates(
        start=found.start,
        end=found.end,
        level=query.level,
        denominator=LEVELS[query.level],
        maturity=MaturityOut(learned.horizon_ms, learned.learned_from, learned.scope) if learned else None,
        unmatched=unmatched,
        lag=lag,
        self_reported=[SelfReported(each.report_time, each.rate) for each in self_reported],
        compared=Compared(*found.before) if found.before else UNSET,
        rows=[],
    )


def row_out(row: RateRow, by: Sequence[str]) -> RateOut:
    """Return one row; `by` are the dimensions of the question."""
    told: dict[str, Any] = {name: value or None for name, value in zip(by, row.group, strict=False)}
    if row.start is not None:
        told["start"] = row.start
    if row.others:
        told["other"] = row.others
    if row.before is not None:
        before = row.before
        told |= {
            "before_requested": before.requested,
            "before_verified": before.verified,
            "before_rate": before.rate,
            "change": row.change,
        }
        told["change_low"], told["change_high"] = row.change_interval or (None, None)
    low, high = row.now.interval or (None, None)
    expected = row.now.expected
    expected_low, expected_high = expected.interval if expected else (None, None)
    return RateOut(
        row.requested,
        row.verified,
        row.rate,
        low,
        high,
        row.now.pending,
        expected.rate if expected else None,
        expected_low,
        expected_high,
        row.reported_share,
        *row.times_ms,
        **told,
    )
