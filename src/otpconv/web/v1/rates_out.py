"""From the answer to a question about rates to the values of the native API."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct

from otpconv.model import SelfReportedRate
from otpconv.rates import LEVELS, RateAnswer, RateQuery, RateRow
from otpconv.storage.contract import LedgerReader
from otpconv.web.v1.native_types import Compared, MaturityOut, RateOut, Rates, SelfReported


class Notes(Struct, frozen=True):
    """What an answer tells of the account beside its rows.

    Attributes:
        unmatched: how many messages and numbers have conversions that no known message explains.
        folded: how many messages of the window's days are counted as `model.OTHER` in a dimension.
        self_reported: the rates that the account reported of itself in the window, the newest of them.
        left_out: how many more of these there are, as far as they are counted.
    """

    unmatched: int = 0
    folded: int = 0
    self_reported: Sequence[SelfReportedRate] = ()
    left_out: int = 0


def notes(ledger: LedgerReader, account: int, found: RateAnswer) -> Notes:
    """Return what there is to tell beside an answer.

    Raises:
        Unavailable: the storage failed.
    """
    reported = ledger.self_reported(account, found.start, found.end)
    return Notes(
        ledger.unmatched(account),
        ledger.folded(account, found.start, found.end),
        reported,
        ledger.count_self_reported(account, found.start, found.end) - len(reported),
    )


def rates_out(found: RateAnswer, query: RateQuery, *, lag: int, beside: Notes | None = None) -> Rates:
    """Return an answer without its rows.

    Args:
        found: the answer.
        query: the question.
        lag: how many acknowledged reports the answer lacks.
        beside: what is told beside the rows; formats that have the rows alone need none.
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
        self_reported=[SelfReported(each.report_time, each.rate) for each in beside.self_reported],
        self_reported_left_out=beside.left_out,
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
