"""Searches the ledger for pumped ranges, and for routes whose codes are entered by their providers."""

from collections.abc import Iterable

from otpconv.advice.route import fetch_routes
from otpconv.advice.suspicion import suspicions
from otpconv.errors import AnswerTooLarge
from otpconv.model import OTHER
from otpconv.ranges.costs import fetch_mean_prices
from otpconv.ranges.finding import Assessment, SuspiciousRoute, findings, largest_first
from otpconv.ranges.mixture import judge
from otpconv.ranges.number_plan import carrier_of
from otpconv.ranges.traffic import roll_up
from otpconv.rates.price_list import PriceList
from otpconv.storage import deadline
from otpconv.storage.contract import LedgerReader, Span

#: The ranges with the most messages that are judged, in about 2 s.
MAX_JUDGED = 20_000
#: Less probable ranges, and further ones, are not kept.
LEAST_KEPT, MAX_KEPT = 0.05, 2_000
#: Countries and providers with the most messages in which suspicious routes are searched.
_ROUTES = 60


def assess(ledger: LedgerReader, account: int, span: Span, now: int, prices: PriceList) -> Assessment:
    """Return which ranges may be pumped, and which providers may enter the codes.

    All countries are judged together, since countries with few ranges borrow from the others.

    Args:
        ledger: where to look.
        account: whose messages.
        span: the window of the messages, ms, whole hours.
        now: the time now, ms.
        prices: of messages without a price of their own.

    Raises:
        Unavailable: the storage failed, or the time for the answer is over.
    """
    start, end = span
    with ledger.snapshot():
        counts = ledger.ranges(account, start, end, limit=MAX_JUDGED)
        judged = judge(roll_up(counts, carrier_of), span)
        kept = largest_first(judged, LEAST_KEPT, MAX_KEPT)
        countries = {each.traffic.country for each in kept}
        mean_prices = fetch_mean_prices(ledger, account, span, countries, prices)
        routes = tuple(_suspicious(ledger, account, now))
    return Assessment(
        start,
        end,
        now,
        len(judged),
        sum(each.traffic.requested for each in judged),
        findings(kept, counts, mean_prices),
        routes,
    )


def _suspicious(ledger: LedgerReader, account: int, now: int) -> Iterable[SuspiciousRoute]:
    """Yield suspicious routes of the countries with several providers; left out where there are too many."""
    providers: dict[str, set[str]] = {}
    for count in ledger.routes(account, _ROUTES):
        provider, country = count.group
        if OTHER not in count.group:
            providers.setdefault(country, set()).add(provider)
    for country, some in sorted(providers.items()):
        deadline.check()
        if len(some) < 2:  # noqa: PLR2004 - a route is compared with others
            continue
        try:
            found = suspicions(fetch_routes(ledger, account, country, now))
        except AnswerTooLarge:
            continue
        for provider, reasons in found.items():
            yield SuspiciousRoute(country, provider, tuple(reason.text for reason in reasons))
