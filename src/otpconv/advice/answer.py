"""Advice about a country: over all carriers, and by carrier where there is enough traffic. Pure."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from otpconv.advice.dividing import Limits, RouteAdvice, divide
from otpconv.advice.route import RouteCount, RoutesByCarrier, all_carriers
from otpconv.advice.suspicion import suspicions

#: Routes of one country or carrier at most, and carriers with weights of their own: they bound the draws.
MAX_ROUTES, MAX_CARRIERS = 20, 10
#: The first attempts that a carrier needs for weights of its own, and those that two of its routes need.
_LEAST_OF_CARRIER, _LEAST_OF_ROUTE = 400, 100


class Advice(Struct, frozen=True):
    """How to divide the first attempts of a country.

    Attributes:
        routes: over all carriers, the largest weight first; empty without any first attempt.
        carriers: the same for carriers with enough traffic, the one with the most attempts first.
        suspicions: by provider, why its supplier may be entering the codes.
        left_out: providers beyond `MAX_ROUTES`, which have the fewest attempts.
    """

    routes: list[RouteAdvice]
    carriers: dict[str, list[RouteAdvice]]
    suspicions: dict[str, list[str]]
    left_out: list[str]


def advise(routes: RoutesByCarrier, prices: Mapping[str, float], limits: Limits, seed: int) -> Advice:
    """Return how to divide first attempts among the providers of a country.

    Args:
        routes: their counts, by carrier.
        prices: of a message, by provider, all in one currency; those without a price are left out.
        limits: how careful to be.
        seed: of the draws.
    """
    suspicious = {
        provider: [suspicion.text for suspicion in some] for provider, some in suspicions(routes).items()
    }

    def divided(some: Collection[RouteCount]) -> list[RouteAdvice]:
        return divide(_largest(some)[:MAX_ROUTES], suspicious, prices, limits, seed) if some else []

    country = all_carriers(routes)
    enough = [name for name, some in routes.items() if name and _is_enough(some)]
    enough.sort(key=lambda name: (-sum(route.attempts for route in routes[name]), name))
    return Advice(
        divided(country),
        {name: divided(routes[name]) for name in enough[:MAX_CARRIERS]},
        suspicious,
        [route.provider for route in _largest(country)[MAX_ROUTES:]],
    )


def _largest(routes: Collection[RouteCount]) -> list[RouteCount]:
    return sorted(routes, key=lambda route: (-route.attempts, route.provider))


def _is_enough(routes: Collection[RouteCount]) -> bool:
    attempts = sum(route.attempts for route in routes)
    return attempts >= _LEAST_OF_CARRIER and sum(route.attempts >= _LEAST_OF_ROUTE for route in routes) > 1
