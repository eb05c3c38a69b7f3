"""Divides first attempts among the routes of one country, or of one carrier. Pure."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from otpconv.advice.route import RouteCount
from otpconv.advice.weights import Known, draw, within
from otpconv.rates.intervals import ConfidenceInterval

#: So many attempts of the usual rate are known of each route before its first one.
_PRIOR = 20.0
#: The usual rate is taken to be between these.
_LOWEST, _HIGHEST = 0.02, 0.98


class Limits(Struct, frozen=True):
    """How careful the advice is. All numbers are shares, 0 to 1.

    Attributes:
        floor: the least weight of a route, so that it stays known.
        holdout: this part of the traffic is divided evenly among the routes, whatever their rates; below 1.
        gain: the weight of a route is at most so far above its current share, until it is confirmed.
        tolerance: rates that are at most so far apart are equally good, and the price decides.
        confirmed: providers that an operator has confirmed.
    """

    floor: float = 0.05
    holdout: float = 0.1
    gain: float = 0.15
    tolerance: float = 0.02
    confirmed: frozenset[str] = frozenset()


class RouteAdvice(Struct, frozen=True):
    """What to send by one provider, and what to expect of it.

    Attributes:
        provider: its name.
        weight: the part of the first attempts to send by it, 0 to 1; the weights of all routes add up to 1.
        highest: the largest weight that the limits allow it.
        share: its part of the first attempts of the last 3 days.
        attempts, verified: its first attempts of the last 28 days, and how many of these were verified.
        rate: the rate to expect; recent attempts count more.
        interval: the 95 % interval of `rate`.
        best: the share of the draws in which it was the best, among itself and the routes without suspicion.
        price: of a message; None if it is not known.
        suspicious: whether its supplier may enter the codes, and no operator has confirmed it.
    """

    provider: str
    weight: float
    highest: float
    share: float
    attempts: int
    verified: int
    rate: float
    interval: ConfidenceInterval
    best: float
    price: float | None
    suspicious: bool

    @property
    def cost_per_verified(self) -> float | None:
        """The price of a message divided by the rate to expect; None without a price."""
        return None if self.price is None else self.price / self.rate

    @property
    def cost_interval(self) -> ConfidenceInterval | None:
        """The 95 % interval of `cost_per_verified`."""
        low, high = self.interval
        return None if self.price is None else (self.price / high, self.price / low)


def divide(
    routes: Sequence[RouteCount],
    suspicious: Collection[str],
    prices: Mapping[str, float],
    limits: Limits,
    seed: int,
) -> list[RouteAdvice]:
    """Return the advice about each route, the largest weight first.

    Args:
        routes: at least one.
        suspicious: providers whose supplier may enter the codes.
        prices: of a message, by provider, all in one currency; those without a price are left out.
        limits: how careful to be.
        seed: of the draws.
    """
    usual = _usual(routes)
    doubtful = set(suspicious) - limits.confirmed
    known = [
        _known(route, usual, prices.get(route.provider), trusted=route.provider not in doubtful)
        for route in routes
    ]
    drawn = draw(known, seed, limits.tolerance)
    shares = _shares(routes)
    floor = min(limits.floor, 1 / len(routes))
    highest = [
        max(floor, _highest(route.provider, share, limits, doubtful))
        for route, share in zip(routes, shares, strict=True)
    ]
    weights = _weights([one.best for one in drawn], floor, highest, limits.holdout)
    advice = [
        RouteAdvice(
            route.provider,
            weights[place],
            highest[place],
            shares[place],
            route.attempts,
            route.verified,
            known[place].verified / (known[place].verified + known[place].unverified),
            drawn[place].interval,
            drawn[place].best,
            known[place].price,
            route.provider in doubtful,
        )
        for place, route in enumerate(routes)
    ]
    return sorted(advice, key=lambda one: (-one.weight, one.provider))


def _weights(best: Sequence[float], floor: float, highest: Sequence[float], holdout: float) -> list[float]:
    """Return the weights: an even part of the traffic that is held out, and the best part of the rest."""
    even, rest = holdout / len(best), 1 - holdout
    lowest = [max(0.0, (floor - even) / rest)] * len(best)
    bounded = within(best, lowest, [max(0.0, (one - even) / rest) for one in highest])
    return [even + rest * weight for weight in bounded]


def _shares(routes: Sequence[RouteCount]) -> list[float]:
    """Return the current shares; before the first attempts, all are equal."""
    current = sum(route.current for route in routes)
    return [route.current / current if current else 1 / len(routes) for route in routes]


def _usual(routes: Sequence[RouteCount]) -> float:
    """Return the rate of all routes together; recent attempts count more."""
    attempts = sum(route.weighted for route in routes)
    rate = sum(route.weighted_verified for route in routes) / attempts if attempts else 0.5
    return min(max(rate, _LOWEST), _HIGHEST)


def _known(route: RouteCount, usual: float, price: float | None, *, trusted: bool) -> Known:
    return Known(
        _PRIOR * usual + route.weighted_verified,
        _PRIOR * (1 - usual) + route.weighted - route.weighted_verified,
        price,
        trusted,
    )


def _highest(provider: str, share: float, limits: Limits, doubtful: Collection[str]) -> float:
    if provider in limits.confirmed:
        return 1.0
    return min(1.0, share + (0.0 if provider in doubtful else limits.gain))
