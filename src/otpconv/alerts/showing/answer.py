"""Everything that an alert shows."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from otpconv.alerts.showing.cost import CostSoFar, fetch_cost
from otpconv.alerts.showing.messages import Examples, fetch_examples
from otpconv.alerts.showing.routes import BAD_ROUTES, Place, RouteCounts, healthy_routes
from otpconv.alerts.showing.series import PAST_MS, Series, fetch_series, filters_of
from otpconv.alerts.showing.ticket import ticket
from otpconv.errors import AnswerTooLarge
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.plan import cover
from otpconv.rates.price_list import PriceList
from otpconv.storage.alerts.contract import Alert, Kind
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Count, LedgerReader, Span

#: The kinds whose traffic can be moved to another route.
MOVABLE: Final[frozenset[Kind]] = BAD_ROUTES - {"reporter_stopped"}
#: A route is judged by one of these recent times, ms; see `routes.ENOUGH`.
_RECENT_MS: Final = (HOUR_MS, 3 * HOUR_MS, DAY_MS)
#: Younger messages may still be verified, ms; where codes are entered later, the longest that is waited for.
_YOUNG_MS, _YOUNGEST_MS = 10 * MINUTE_MS, HOUR_MS
_BY = ("country", "carrier", "provider")


class Shown(Struct, frozen=True):
    """What an alert shows.

    Attributes:
        series: expected and seen over time; None if the alert is not about messages.
        cost: what it has cost so far.
        places: where its messages went, with the healthy routes to there; None for kinds without such routes.
        too_many_routes: whether there are too many routes to look for healthy ones.
        examples: some of its messages; None if no vendor needs them.
        ticket: the text for the vendor; None for alerts that a vendor can't fix.
    """

    series: Series | None
    cost: CostSoFar
    places: list[Place] | None
    too_many_routes: bool
    examples: Examples | None
    ticket: str | None


def show(ledger: LedgerReader, alert: Alert, others: Iterable[Alert], prices: PriceList, now: int) -> Shown:
    """Return what an alert shows; within a snapshot.

    Args:
        ledger: where to look.
        alert: the alert.
        others: the other alerts of the account that last.
        prices: for messages without a price of their own.
        now: the time now, ms.

    Raises:
        Unavailable: the storage failed, or it took too long.
    """
    with ledger.snapshot():
        places, too_many = None, False
        if alert.found.kind in MOVABLE:
            try:
                places = healthy_routes(alert, _route_counts(ledger, alert, now), others)
            except AnswerTooLarge:
                too_many = True
        examples = fetch_examples(ledger, alert, now) if alert.found.kind in MOVABLE else None
        return Shown(
            fetch_series(ledger, alert, now),
            fetch_cost(ledger, alert, prices, now),
            places,
            too_many,
            examples,
            ticket(alert, examples) if examples else None,
        )


def _route_counts(ledger: LedgerReader, alert: Alert, now: int) -> RouteCounts:
    """Return the counts of all routes to where the messages of an alert go."""
    filters = {name: values for name, values in filters_of(alert).items() if name in {"country", "carrier"}}
    learned = learn_maturity(ledger, alert.account, filters, end=now, now=now)
    young = min(max(learned.horizon_ms, _YOUNG_MS), _YOUNGEST_MS) if learned else _YOUNG_MS
    end = (now - young) // MINUTE_MS * MINUTE_MS
    since = alert.found.since // MINUTE_MS * MINUTE_MS

    def counts(span: Span, filters: dict[str, list[str]], *, coarse: bool = False) -> list[Count]:
        grain = DAY_MS if coarse else MINUTE_MS
        start, until = (time // grain * grain for time in span)
        window = cover([(max(0, start), until)] if start < until else [])
        return ledger.counts(alert.account, window, _BY, filters, delays=not coarse)

    return RouteCounts(
        counts((max(since, end - DAY_MS), end), filters),
        {end - length: counts((end - length, end), filters) for length in _RECENT_MS},
        counts((since - PAST_MS, since), filters, coarse=True),
    )
