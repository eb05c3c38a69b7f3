"""How to divide first attempts among routes: Thompson sampling, kept within bounds. Pure.

A route gets the share of the draws in which it is the best, where each draw takes a rate from the evidence
about each route. W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of
the evidence of two samples", Biometrika 25 (1933); S. L. Scott, "Multi-armed bandit experiments in the online
service economy", Applied Stochastic Models in Business and Industry 31 (2015).
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from otpconv.rates.intervals import ConfidenceInterval

#: Draws of an answer: the weights are exact to about a percentage point.
DRAWS = 2_000
#: A weight of zero can't be scaled up to fill a gap; this can.
_LEAST = 1e-9
#: The scale of the weights lies between these powers of two, and is found by so many halvings.
_POWERS, _HALVINGS = 40.0, 60


class Known(Struct, frozen=True):
    """The knowledge of a route's rate: a beta distribution.

    Attributes:
        verified: its first parameter: verified first attempts, and the prior's.
        unverified: its second parameter.
        price: of a message; None if it is not known.
        trusted: whether others lose the draws that it wins.
    """

    verified: float
    unverified: float
    price: float | None = None
    trusted: bool = True


class Drawn(Struct, frozen=True):
    """What the draws say of a route.

    Attributes:
        best: the share of the draws in which it was the best, among the trusted routes and itself.
        interval: the 95 % interval of its rate.
    """

    best: float
    interval: ConfidenceInterval


def draw(routes: Sequence[Known], seed: int, tolerance: float) -> list[Drawn]:
    """Draw the rates of routes, and count how often each is the best.

    The best route of a draw is the one that pays least for a verification, among those whose rate is at most
    `tolerance` below the highest one. If the price of one of them is missing, it is the one with the highest
    rate.

    Args:
        routes: at least one.
        seed: the same seed gives the same draws.
        tolerance: 0 to 1.
    """
    random = Random(seed)  # noqa: S311 - not a secret: it must be repeatable
    samples: list[list[float]] = [[] for _ in routes]
    wins = [0] * len(routes)
    everybody = range(len(routes))
    trusted = [place for place in everybody if routes[place].trusted]
    for _ in range(DRAWS):
        rates = [random.betavariate(route.verified, route.unverified) for route in routes]
        for sample, rate in zip(samples, rates, strict=True):
            sample.append(rate)
        best = _best(routes, rates, everybody, tolerance)
        wins[best] += 1
        if trusted and not routes[best].trusted:
            wins[_best(routes, rates, trusted, tolerance)] += 1
    edge = round(DRAWS * 0.025)
    drawn = []
    for sample, won in zip(samples, wins, strict=True):
        sample.sort()
        drawn.append(Drawn(won / DRAWS, (sample[edge], sample[-edge - 1])))
    return drawn


def _best(routes: Sequence[Known], rates: Sequence[float], places: Sequence[int], tolerance: float) -> int:
    """Return the place of the best of some routes."""
    highest = max(places, key=rates.__getitem__)
    near = {place: routes[place].price for place in places if rates[place] >= rates[highest] - tolerance}
    costs = {place: price / max(rates[place], _LEAST) for place, price in near.items() if price is not None}
    return min(costs, key=costs.__getitem__) if len(costs) == len(near) else highest


def within(weights: Sequence[float], lowest: Sequence[float], highest: Sequence[float]) -> list[float]:
    """Return weights in the same proportions that add up to 1, where none leaves its bounds.

    Args:
        weights: 0 or more.
        lowest: for each weight; together at most 1.
        highest: for each weight, at least its lowest; together at least 1.
    """
    wanted = [max(weight, _LEAST) for weight in weights]

    def scaled(power: float) -> list[float]:
        return [
            min(max(2.0**power * weight, low), high)
            for weight, low, high in zip(wanted, lowest, highest, strict=True)
        ]

    below, above = -_POWERS, _POWERS
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        below, above = (middle, above) if sum(scaled(middle)) < 1 else (below, middle)
    return scaled(above)
