"""Finds routes whose own supplier may enter the codes, so that they convert well and win traffic. Pure.

No number proves it. Such a route gets no more traffic by the advice, until an operator confirms it.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from otpconv.advice.route import RouteCount, RoutesByCarrier
from otpconv.rates.delays import quantile, total
from otpconv.rates.intervals import wilson

#: Verified messages of a route, and of the others, from which their delays are compared.
_LEAST_DELAYS, _LEAST_OTHERS = 50, 200
#: First attempts of a carrier from which the rates of two providers are compared.
_LEAST_ATTEMPTS = 100
#: A median below this share of the others' is too fast.
_TOO_FAST = 0.5
#: A rate above this is too high if its lost codes are so few, compared with those of the best other provider.
#: Honest routes verify 80 to 90 %; one that is only better than a broken one is below.
_TOO_HIGH, _TOO_FEW_LOST = 0.93, 0.4


class Suspicion(Struct, frozen=True):
    """Why a supplier may be entering the codes.

    Attributes:
        text: for people.
        attempts, verified: the first attempts that say so, and how many of them were verified; 0: delays do.
        expected: how many of them would be verified by the best other provider of the same carriers.
        p50_ms, p90_ms: the delays that say so; None: rates do.
        usual_p50_ms, usual_p90_ms: those of the other providers.
    """

    text: str
    attempts: int = 0
    verified: int = 0
    expected: float = 0.0
    p50_ms: int | None = None
    p90_ms: int | None = None
    usual_p50_ms: int | None = None
    usual_p90_ms: int | None = None


def suspicions(routes: RoutesByCarrier) -> dict[str, list[Suspicion]]:
    """Return the suspicions about each provider; providers without one are left out.

    Args:
        routes: those of one country.
    """
    providers = sorted({route.provider for some in routes.values() for route in some})
    found = {provider: [*_too_even(provider, routes), *_too_high(provider, routes)] for provider in providers}
    return {provider: some for provider, some in found.items() if some}


def _too_even(provider: str, routes: RoutesByCarrier) -> Iterable[Suspicion]:
    """Yield that codes are entered much faster, and much more evenly, than those of the other providers."""
    every = [route for some in routes.values() for route in some]
    own = total(route.delays for route in every if route.provider == provider)
    others = total(route.delays for route in every if route.provider != provider)
    if sum(own) < _LEAST_DELAYS or sum(others) < _LEAST_OTHERS:
        return
    (low, median, high), (other_low, other_median, other_high) = _quantiles(own), _quantiles(others)
    if median < _TOO_FAST * other_median and (high / low) ** 2 < other_high / other_low:
        yield Suspicion(
            f"Half of its codes are entered within {median / 1000:.1f} s, half of the others within"
            f" {other_median / 1000:.1f} s. 80 % take {low / 1000:.1f} to {high / 1000:.1f} s, too even for"
            " people.",
            p50_ms=median,
            p90_ms=high,
            usual_p50_ms=other_median,
            usual_p90_ms=other_high,
        )


def _too_high(provider: str, routes: RoutesByCarrier) -> Iterable[Suspicion]:
    """Yield that the rate is far above that of the best other provider of the same carriers."""
    attempts = verified = 0
    best = 0.0
    for some in routes.values():
        compared = {route.provider: route for route in some if route.attempts >= _LEAST_ATTEMPTS}
        own = compared.pop(provider, None)
        if own is None or not compared:
            continue
        attempts += own.attempts
        verified += own.verified
        best += own.attempts * max(_highest(route) for route in compared.values())
    interval = wilson(verified, attempts)
    if interval is None or interval[0] < _TOO_HIGH:
        return
    if 1 - interval[0] < _TOO_FEW_LOST * (1 - best / attempts):
        yield Suspicion(
            f"{verified / attempts:.1%} of its first attempts are verified. The best other provider of the"
            f" same carriers has at most {best / attempts:.1%}.",
            attempts,
            verified,
            best,
        )


def _highest(route: RouteCount) -> float:
    interval = wilson(route.verified, route.attempts)
    return interval[1] if interval else 1.0


def _quantiles(delays: Sequence[int]) -> tuple[int, int, int]:
    low, median, high = (quantile(delays, share) or 1 for share in (0.1, 0.5, 0.9))
    return max(1, low), median, high
