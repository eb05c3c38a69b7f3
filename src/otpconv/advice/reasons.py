"""Says in words why a route has its weight. Pure."""

from collections.abc import Iterator, Sequence

from otpconv.advice.dividing import Limits, RouteAdvice
from otpconv.money import amount_text
from otpconv.rates.intervals import ConfidenceInterval

#: With fewer attempts, little is known of a route.
_LITTLE = 100
#: Weights that differ by less are equal for people.
_CLOSE = 0.002


def explain(route: RouteAdvice, limits: Limits, suspicions: Sequence[str], currency: str = "") -> list[str]:
    """Return why a route has its weight, in sentences.

    Args:
        route: the route.
        limits: those that the weight was made with.
        suspicions: why its supplier may be entering the codes; empty for most routes.
        currency: of its price, if that is known.
    """
    return [*_evidence(route), *_cost(route, currency), *suspicions, *_bounds(route, limits)]


def _evidence(route: RouteAdvice) -> Iterator[str]:
    yield (
        f"{route.verified:,} of its {route.attempts:,} first attempts in 28 days were verified. Expect"
        f" {route.rate:.1%} ({_percents(route.interval)})."
    )
    if route.attempts < _LITTLE:
        yield "Little is known of it: its rate is mostly that of the other routes."
    yield f"It was the best route in {route.best:.0%} of the draws."


def _cost(route: RouteAdvice, currency: str) -> Iterator[str]:
    if route.cost_per_verified is not None and route.cost_interval is not None:
        low, high = map(amount_text, route.cost_interval)
        yield f"A verification costs {amount_text(route.cost_per_verified)} {currency} ({low} to {high})."


def _bounds(route: RouteAdvice, limits: Limits) -> Iterator[str]:
    confirm = f'until you confirm it with confirmed="{route.provider}"'
    if route.weight <= limits.floor + _CLOSE:
        yield f"It gets the floor of {limits.floor:.0%}, so that its rate stays known."
    elif route.weight < route.highest - _CLOSE:
        return
    elif route.suspicious:
        yield f"It gets no more than its current share of {route.share:.0%}, {confirm}."
    else:
        yield f"It gains at most {limits.gain:.0%} above its current share of {route.share:.0%}, {confirm}."


def _percents(interval: ConfidenceInterval) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"
