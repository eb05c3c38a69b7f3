"""When a message counts as not verified, and what to expect of messages that are not mature yet. Pure."""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from otpconv.rates.delays import mean_verified_within, quantile
from otpconv.rates.intervals import ConfidenceInterval, score
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS

#: The share of the verified messages that are verified within the horizon.
_SHARE = 0.995
#: The horizon where nothing is learned, and its bounds, ms.
_DEFAULT_MS, _SHORTEST_MS, LONGEST_MS = 10 * MINUTE_MS, MINUTE_MS, DAY_MS
#: How many verified messages are enough to learn from.
_LEAST = 200


class Maturity(Struct, frozen=True):
    """The known delays of verifications.

    Attributes:
        horizon_ms: messages younger than this, and not verified, are pending.
        learned_from: how many verified messages it was learned from.
        scope: whose messages they were: "filters" (those of the question), "account" (all), None (too few).
        delays: their delays by bin; empty when there were too few.
    """

    horizon_ms: int
    learned_from: int
    scope: str | None
    delays: tuple[int, ...] = ()


class Young(Struct, frozen=True):
    """Messages, or sessions, of one rollup that are not mature yet.

    Attributes:
        youngest_ms, oldest_ms: their ages are between these.
        requested, verified: how many there are, and how many of them are verified already.
    """

    youngest_ms: int
    oldest_ms: int
    requested: int
    verified: int


class Expected(Struct, frozen=True):
    """The rate to expect once all messages are mature, and its 95 % interval."""

    rate: float
    interval: ConfidenceInterval


def is_learned(delays: Sequence[int]) -> bool:
    """Return whether there are enough verified messages to learn from."""
    return sum(delays) >= _LEAST


def is_slow(delays: Sequence[int]) -> bool:
    """Return whether more than one verification in 200 takes longer than an hour."""
    return (quantile(delays, _SHARE) or 0) > HOUR_MS


def maturity_of(delays: tuple[int, ...], scope: str | None) -> Maturity:
    """Return what delays say.

    Args:
        delays: verified messages by bin of their delay.
        scope: whose messages; None when there are too few to learn from.
    """
    if scope is None:
        return Maturity(_DEFAULT_MS, sum(delays), None)
    horizon = quantile(delays, _SHARE) or 0
    return Maturity(min(max(horizon, _SHORTEST_MS), LONGEST_MS), sum(delays), scope, delays)


def expected(verified: int, requested: int, young: Sequence[Young], maturity: Maturity) -> Expected | None:
    """Return the rate to expect when all is mature: verified / sum of F(age); None where that is a guess.

    F is the learned distribution of delays. By its age, a message is verified with the probability
    rate * F(age), so the sum of F(age) is the number of messages that are finished, in effect. F is estimated
    from m delays; the variance of the sum is that of an empirical distribution function:
    (sum over pairs of F(smaller age) - (sum of F)²) / m.

    Args:
        verified: all messages verified by now.
        requested: all messages, mature or not.
        young: the messages that are not mature.
        maturity: the known delays.
    """
    if not maturity.delays:
        return None
    mature = requested - sum(part.requested for part in young)
    sum_f = squares = pairs = older = 0.0
    for part in sorted(young, key=lambda part: part.oldest_ms, reverse=True):
        f = _finished(maturity.delays, part.youngest_ms, part.oldest_ms)
        sum_f += part.requested * f
        squares += part.requested * f * f
        pairs += f * part.requested * (part.requested + 2 * older)
        older += part.requested
    if mature + sum_f < 1:
        return None
    uncertain = (pairs - sum_f * sum_f) / maturity.learned_from
    rate = min(1.0, verified / (mature + sum_f))
    return Expected(rate, score(verified, mature + sum_f, mature + squares - uncertain))


# All groups of an answer have the same minutes.
@lru_cache(maxsize=4096)
def _finished(delays: tuple[int, ...], youngest_ms: int, oldest_ms: int) -> float:
    return mean_verified_within(delays, youngest_ms, oldest_ms)
