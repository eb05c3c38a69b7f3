"""What the ledger knows of the routes of a country: first attempts by provider, recent ones counting more."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from otpconv.rates.delays import total
from otpconv.rates.plan import cover
from otpconv.storage.contract import DAY_MS, HOUR_MS, Count, LedgerReader, Span

#: First attempts of so many days count, and half as much for each further week, ms.
PAST_MS, _HALF_LIFE_MS = 28 * DAY_MS, 7 * DAY_MS
_BY = ("carrier", "provider")
#: The current share of a route is that of the last days, ms.
_CURRENT_MS = 3 * DAY_MS
#: Younger messages may still be verified, ms.
_MATURE_MS = HOUR_MS


class RouteCount(Struct, frozen=True):
    """The first attempts that a provider sent, over the past weeks.

    Attributes:
        provider: its name.
        attempts, verified: how many there were, and how many of these were verified.
        weighted, weighted_verified: the same, where half as much counts for each week of age.
        current: the attempts of the last 3 days.
        delays: the verified messages by bin of their delay; other attempts count too.
    """

    provider: str
    attempts: int = 0
    verified: int = 0
    weighted: float = 0.0
    weighted_verified: float = 0.0
    current: int = 0
    delays: tuple[int, ...] = ()

    @property
    def rate(self) -> float:
        """The share of the first attempts that were verified; 0 without any."""
        return self.verified / self.attempts if self.attempts else 0.0


#: The routes of a country by carrier; the carrier "" stands for messages without one.
RoutesByCarrier = Mapping[str, list[RouteCount]]


def fetch_routes(ledger: LedgerReader, account: int, country: str, now: int) -> RoutesByCarrier:
    """Return the routes of each carrier of a country, by name; a route without first attempts is left out.

    Args:
        ledger: where to look.
        account: whose messages.
        country: ISO 3166 alpha-2; empty: unknown.
        now: the time now, ms.

    Raises:
        AnswerTooLarge: there are too many carriers and providers.
        Unavailable: the storage failed.
    """
    start, end = past_of(now)
    window = cover([(start, end)], step=DAY_MS)
    return routes_of(ledger.counts(account, window, _BY, {"country": [country]}), end)


def past_of(now: int) -> Span:
    """Return from when to when messages count, ms: the last 28 days but for those that may still be verified.

    Args:
        now: the time now, ms.
    """
    end = (now - _MATURE_MS) // HOUR_MS * HOUR_MS
    start = max(0, (end - PAST_MS) // DAY_MS * DAY_MS)
    return start, max(start, end)


def routes_of(counts: Iterable[Count], end: int) -> RoutesByCarrier:
    """Return the routes of each carrier, by name; a route without first attempts is left out.

    Args:
        counts: by carrier and provider, in slots of a day.
        end: the end of the last slot, ms. Ages are counted from it, so the same counts give the same routes.
    """
    carriers: dict[str, dict[str, list[Count]]] = {}
    for count in counts:
        carrier, provider = count.group
        carriers.setdefault(carrier, {}).setdefault(provider, []).append(count)
    routes = {
        carrier: [_route(provider, days, end) for provider, days in sorted(providers.items())]
        for carrier, providers in carriers.items()
    }
    return {carrier: [route for route in some if route.attempts] for carrier, some in routes.items()}


def all_carriers(routes: RoutesByCarrier) -> list[RouteCount]:
    """Return the routes of a country over all carriers, by name."""
    by_provider: dict[str, list[RouteCount]] = {}
    for some in routes.values():
        for route in some:
            by_provider.setdefault(route.provider, []).append(route)
    return [_sum(provider, parts) for provider, parts in sorted(by_provider.items())]


def _route(provider: str, days: Iterable[Count], end: int) -> RouteCount:
    parts = []
    for count in days:
        attempts, verified = count.tally.first_requested, count.tally.first_verified
        age = max(0, end - count.slot - DAY_MS // 2)
        weight = 0.5 ** (age / _HALF_LIFE_MS)
        current = attempts if count.slot >= end - _CURRENT_MS else 0
        parts.append(
            RouteCount(
                provider, attempts, verified, weight * attempts, weight * verified, current, count.delays
            )
        )
    return _sum(provider, parts)


def _sum(provider: str, parts: Iterable[RouteCount]) -> RouteCount:
    parts = list(parts)
    return RouteCount(
        provider,
        sum(part.attempts for part in parts),
        sum(part.verified for part in parts),
        sum(part.weighted for part in parts),
        sum(part.weighted_verified for part in parts),
        sum(part.current for part in parts),
        total(part.delays for part in parts if part.delays),
    )
