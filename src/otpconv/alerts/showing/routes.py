"""Which similar routes are healthy, so that traffic can be moved there. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from otpconv.rates.chance import divergence, lower_tail
from otpconv.rates.delays import quantile
from otpconv.rates.intervals import ConfidenceInterval, wilson
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Alert, Kind
from otpconv.storage.contract import Count, Tally

#: A route is judged by the shortest of the recent times in which it has so many messages.
ENOUGH: Final = 50
#: Its messages since the start of the alert must speak against half of its usual rate with so many nats.
_SURELY_WORKS = 3.0
#: With fewer past messages, a route has no usual rate of its own.
_LEAST_PAST = 200
#: The knowledge of a usual rate is worth so many messages at most: it also varies from day to day.
_MOST_STRENGTH = 2_000.0
#: A healthy route shows fewer verified messages than this in one of so many cases.
_UNLIKELY = 0.01
#: A route without a past is healthy if it surely has this share of the rate that is usual for the slice.
_SHARE_OF_USUAL = 0.85
#: A delay is usual if it is in the lower part of the way from the usual one to the one of the alert.
_HALFWAY = 0.5
#: Places and routes of each that are shown.
MAX_PLACES, MAX_ROUTES = 5, 5
#: Kinds of alerts to whose routes no traffic should be moved.
BAD_ROUTES: Final[frozenset[Kind]] = frozenset(
    {"conversion_fell", "slower", "codes_entered", "reporter_stopped"}
)
#: Dimensions of routes.
_DIMENSIONS: Final = frozenset({"country", "carrier", "provider"})


class HealthyRoute(Struct, frozen=True):
    """A route that works.

    Attributes:
        provider: who sends.
        requested, verified: its messages in the recent time by which it is judged.
        rate: verified / requested.
        interval: the 95 % interval of the rate.
        p90_ms: the delay within which 90 % of its verified messages were verified, ms; None if unknown.
        since: the start of that time, ms.
    """

    provider: str
    requested: int
    verified: int
    rate: float
    interval: ConfidenceInterval
    p90_ms: int | None
    since: int


class Place(Struct, frozen=True):
    """Where the messages of an alert went, and the healthy routes to there.

    Attributes:
        country, carrier: the place; an empty carrier stands for all.
        requested: messages of the alert.
        routes: the best one first; empty if there is none.
        others: how many other providers sent at least one message there.
    """

    country: str
    carrier: str
    requested: int
    routes: list[HealthyRoute]
    others: int


class RouteCounts(Struct, frozen=True):
    """Counts by country, carrier and provider.

    Attributes:
        since_alert: since the start of the alert.
        recent: by the start of a recent time (ms), the shortest first.
        past: before the alert.
    """

    since_alert: Sequence[Count]
    recent: Mapping[int, Sequence[Count]]
    past: Sequence[Count]


def healthy_routes(alert: Alert, counts: RouteCounts, others: Iterable[Alert]) -> list[Place]:
    """Return where the messages of an alert went, and the healthy routes of other providers to there.

    A route is healthy if it has enough messages of late, verifies as many as it usually does (or surely
    nearly as many as the slice of the alert usually does), is surely better than that slice is now, and no
    other alert is about it.

    Args:
        alert: of the kind `conversion_fell`, `slower` or `codes_entered`.
        counts: by route; those of the alert's country and carrier, if it has them.
        others: the other alerts of the account that last.
    """
    values = dict(alert.found.values)
    carrier_known = "carrier" in values
    bad = [Slice(other.found.values) for other in others if other.found.kind in BAD_ROUTES]
    affected: dict[tuple[str, str], int] = {}
    for count in counts.since_alert:
        country, carrier, provider = count.group
        if values.get("provider", provider) == provider:
            place = country, carrier if carrier_known else ""
            affected[place] = affected.get(place, 0) + count.tally.requested
    largest = sorted(affected, key=lambda place: (-affected[place], place))[:MAX_PLACES]
    return [_place(alert, counts, place, affected[place], bad) for place in largest]


def _place(
    alert: Alert, counts: RouteCounts, place: tuple[str, str], requested: int, bad: Sequence[Slice]
) -> Place:
    own = dict(alert.found.values).get("provider")
    since_alert = _by_provider(counts.since_alert, place)
    past = _by_provider(counts.past, place)
    recent = {since: _by_provider(some, place) for since, some in counts.recent.items()}
    names = sorted({name for some in (since_alert, *recent.values()) for name in some} - {own})
    routes = []
    for name in names:
        group = {"country": place[0], "provider": name} | ({"carrier": place[1]} if place[1] else {})
        if any(_touches(each, group) for each in bad):
            continue
        enough = ((since, some[name]) for since, some in recent.items() if name in some)
        found = next(((since, one) for since, one in enough if one.requested >= ENOUGH), None)
        if found is None:
            continue
        since, one = found
        before, meanwhile = past.get(name, _Sum()), since_alert.get(name, _Sum())
        route = _route(name, since, one)
        if _works(alert, route, before, meanwhile):
            routes.append(route)
    routes.sort(key=lambda route: (-route.interval[0], route.provider))
    return Place(*place, requested, routes[:MAX_ROUTES], len(names))


class _Sum(Struct):
    """The messages of a provider at a place."""

    requested: int = 0
    verified: int = 0
    delays: tuple[int, ...] = ()

    def add(self, tally: Tally, delays: tuple[int, ...]) -> None:
        self.requested += tally.requested
        self.verified += tally.verified
        self.delays = tuple(map(sum, zip(self.delays, delays, strict=True))) if self.delays else delays


def _by_provider(counts: Iterable[Count], place: tuple[str, str]) -> dict[str, _Sum]:
    """Sum the counts of a place by provider; an empty carrier stands for all."""
    sums: dict[str, _Sum] = {}
    for count in counts:
        country, carrier, provider = count.group
        if country == place[0] and place[1] in {"", carrier}:
            sums.setdefault(provider, _Sum()).add(count.tally, count.delays)
    return sums


def _touches(which: Slice, group: Mapping[str, str]) -> bool:
    """Return whether a slice and a route can have messages in common; only slices of routes count."""
    values = dict(which.values)
    of_routes = bool(values) and values.keys() <= _DIMENSIONS
    return of_routes and all(group.get(name, value) == value for name, value in values.items())


def _route(name: str, since: int, one: _Sum) -> HealthyRoute:
    return HealthyRoute(
        name,
        one.requested,
        one.verified,
        one.verified / one.requested,
        wilson(one.verified, one.requested) or (0.0, 1.0),
        quantile(one.delays, 0.9) if one.delays else None,
        since,
    )


def _works(alert: Alert, route: HealthyRoute, past: _Sum, meanwhile: _Sum) -> bool:
    seen = alert.found.evidence
    if past.requested >= _LEAST_PAST:
        usual, strength = past.verified / past.requested, min(float(past.requested), _MOST_STRENGTH)
        if lower_tail(route.verified, route.requested, usual, strength) < _UNLIKELY:
            return False
    elif seen.usual is not None and route.interval[0] >= _SHARE_OF_USUAL * seen.usual:
        usual = route.rate
    else:
        return False
    if _nats_for(meanwhile, usual, usual / 2) < _SURELY_WORKS:
        return False
    if alert.found.kind == "conversion_fell" and seen.requested:
        slice_now = wilson(seen.verified, seen.requested) or (0.0, 1.0)
        return route.interval[0] > slice_now[1]
    if alert.found.kind == "slower" and seen.p90_ms is not None and seen.usual_p90_ms is not None:
        halfway = seen.usual_p90_ms + _HALFWAY * (seen.p90_ms - seen.usual_p90_ms)
        return route.p90_ms is not None and route.p90_ms <= halfway
    return True


def _nats_for(one: _Sum, rate: float, other: float) -> float:
    """Return the logarithm of the likelihood ratio of two rates."""
    if not one.requested:
        return 0.0
    return divergence(one.verified, one.requested, other) - divergence(one.verified, one.requested, rate)
