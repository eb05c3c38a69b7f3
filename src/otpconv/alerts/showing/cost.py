"""What an alert has cost so far: codes that were not verified, and the money that was paid for them."""

from msgspec import Struct

from otpconv.alerts.showing.series import filters_of, is_about_messages
from otpconv.rates.cost import Cost, summed
from otpconv.rates.costs import add_costs
from otpconv.rates.counted import Counted
from otpconv.rates.plan import plan
from otpconv.rates.price_list import PriceList
from otpconv.rates.question import RateQuery
from otpconv.storage.alerts.contract import Alert, Evidence
from otpconv.storage.contract import LedgerReader


class Missing(Struct, frozen=True):
    """By how much the seen number differs from the expected one; each kind has its own.

    Attributes:
        number: codes that were not verified, messages without a report, or messages too few or too many.
        low, high: its 95 % interval.
    """

    number: float
    low: float
    high: float


class CostSoFar(Struct, frozen=True):
    """What an alert has cost since its start.

    Attributes:
        missing: by how much the seen number differs; None where the kind has no such number.
        wasted: for each currency, the part of the costs that was paid for nothing; never added up.
        unpriced: messages since the start without a price.
    """

    missing: Missing | None
    wasted: tuple[Cost, ...] = ()
    unpriced: int = 0


def missing_of(alert: Alert) -> Missing | None:
    """Return by how much the seen number differs from the expected one; None if there is none."""
    seen = alert.found.evidence
    match alert.found.kind:
        case "conversion_fell" | "reporter_stopped":
            return _below(seen, seen.verified)
        case "nothing_sent":
            return _below(seen, seen.requested)
        case "volume":
            low, high = seen.requested - seen.expected_high, seen.requested - seen.expected_low
            return Missing(max(0.0, seen.requested - seen.expected), max(0.0, low), max(0.0, high))
        case _:
            return None


def fetch_cost(ledger: LedgerReader, alert: Alert, prices: PriceList, now: int) -> CostSoFar:
    """Return what an alert has cost so far.

    Money is wasted on codes that were expected to be verified and were not, and on messages beyond the usual
    number: their part of what all messages of the slice have cost since the start.

    Args:
        ledger: where to look.
        alert: the alert.
        prices: for messages without a price of their own.
        now: the time now, ms.

    Raises:
        AnswerTooLarge: there are too many combinations of dimensions in a quarter of an hour.
        Unavailable: the storage failed.
    """
    missing, seen = missing_of(alert), alert.found.evidence
    paid_for_nothing = alert.found.kind in {"conversion_fell", "volume"} and is_about_messages(alert)
    if missing is None or not paid_for_nothing or not seen.requested:
        return CostSoFar(missing)
    start, end = alert.found.since, alert.resolved_at or now
    query = RateQuery(start, max(end, start + 1), filters=filters_of(alert))
    planned = plan(query, ledger.minutes_from())
    counts = ledger.counts(alert.account, planned.window, (), query.filters, delays=False)
    counted = add_costs(ledger, alert.account, Counted(planned, {}), prices)
    costs = summed(tuple(cost for cell in counted.cells.values() for cost in cell.costs))
    share = min(1.0, missing.number / seen.requested)
    requested = sum(count.tally.requested for count in counts)
    return CostSoFar(
        missing,
        tuple(_part(cost, share) for cost in costs),
        max(0, requested - sum(cost.messages for cost in costs)),
    )


def _below(seen: Evidence, counted: int) -> Missing:
    return Missing(
        max(0.0, seen.expected - counted),
        max(0.0, seen.expected_low - counted),
        max(0.0, seen.expected_high - counted),
    )


def _part(cost: Cost, share: float) -> Cost:
    return Cost(
        cost.currency,
        round(cost.messages * share),
        round(cost.micros * share),
        round(cost.listed_micros * share),
    )
