"""From a question to an answer: question -> plan -> counts -> rows."""

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import AnswerTooLarge
from otpconv.rates.costs import add_costs
from otpconv.rates.counted import Counted
from otpconv.rates.fetch import fetch, learn_maturity
from otpconv.rates.maturity import Maturity
from otpconv.rates.mix import STRATA
from otpconv.rates.plan import Plan, earlier, plan
from otpconv.rates.price_list import NO_PRICES, PriceList
from otpconv.rates.question import RateQuery
from otpconv.rates.row import RateRow
from otpconv.rates.rows import make_rows
from otpconv.storage.contract import LedgerReader


class RateAnswer(Struct, frozen=True):
    """Rows, and the windows they are for.

    Attributes:
        start, end: the window asked for, widened to the grain of the rollups, ms.
        rows: by time, then in the order asked for.
        maturity: when messages are no longer pending; None when all of them are mature.
        before: the window it is compared with, widened likewise; None when nothing is compared.
    """

    start: int
    end: int
    rows: list[RateRow]
    maturity: Maturity | None = None
    before: tuple[int, int] | None = None


def compute_rates(
    ledger: LedgerReader, account: int, query: RateQuery, now: int, prices: PriceList = NO_PRICES
) -> RateAnswer:
    """Compute the conversion rates that a question asks for, from one state of the ledger.

    Args:
        ledger: where to look.
        account: whose messages.
        query: the question.
        now: the time now, ms; it decides which messages are mature.
        prices: of messages without a price of their own.

    Raises:
        AnswerTooLarge: there are more slots and groups than a question may have.
        InvalidRequest: an interval under 15 minutes for a time whose rollups by minute are gone.
        Unavailable: the storage failed.
    """
    with ledger.snapshot():
        maturity = learn_maturity(ledger, account, query.filters, end=query.end, now=now)
        return compute_rates_at(ledger, account, query, maturity, now, same_mix=True, prices=prices)


def compute_rates_at(
    ledger: LedgerReader,
    account: int,
    query: RateQuery,
    maturity: Maturity | None,
    now: int,
    *,
    times: bool = True,
    same_mix: bool = False,
    prices: PriceList | None = None,
) -> RateAnswer:
    """Compute rates as `compute_rates` does, with a maturity that is already known.

    Use it for several questions with the same filters and the same end, within a snapshot. Without `times`,
    the rows have no `times_ms`, and the answer takes a third of the time. With `same_mix`, the rows of a
    comparison without an interval have `same_mix`, if the ledger can answer so many combinations.
    With `prices`, which may be empty, the rows have their costs.
    """
    minutes_from = ledger.minutes_from()
    planned = plan(query, minutes_from, maturity, now)
    planned_before = plan(earlier(query), minutes_from, maturity, now) if query.compare else None
    if not times:
        planned = replace(planned, delays=False)
    if planned_before is not None:
        # Nobody asks how long the verifications of the window before took.
        planned_before = replace(planned_before, delays=False)
    counted = fetch(ledger, account, planned, now)
    if prices is not None:
        counted = add_costs(ledger, account, counted, prices)
    counted_before = fetch(ledger, account, planned_before, now) if planned_before else None
    strata = None
    if same_mix and planned_before is not None and query.interval is None:
        strata = _strata(ledger, account, planned, planned_before, now)
    return RateAnswer(
        planned.start,
        planned.end,
        make_rows(counted, counted_before, maturity, strata),
        maturity,
        (planned_before.start, planned_before.end) if planned_before else None,
    )


def _strata(
    ledger: LedgerReader, account: int, planned: Plan, planned_before: Plan, now: int
) -> tuple[Counted, Counted] | None:
    """Return the counts of both windows by the strata of `mix.py` too; None if there are too many."""
    query = planned.query
    by = (*query.by, *(name for name in STRATA if name not in query.by))
    finer = [
        replace(each, query=replace(each.query, by=by), delays=False) for each in (planned, planned_before)
    ]
    try:
        now_counted, before_counted = (fetch(ledger, account, each, now) for each in finer)
    except AnswerTooLarge:
        return None
    return now_counted, before_counted
