"""When a message may be taken for not verified, and what to expect of those that are too young to tell."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from otpconv.rates.delays import mean_verified_within, quantile, total
from otpconv.rates.intervals import Interval, score
from otpconv.rates.plan import cover
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, LedgerReader

#: The share of the verified messages that are verified within the horizon.
_SHARE = 0.995
#: The horizon where nothing is learned, and between what bounds it is, ms.
_DEFAULT_MS, _SHORTEST_MS, LONGEST_MS = 10 * MINUTE_MS, MINUTE_MS, DAY_MS
#: How far back delays are learned from, ms, and from how many verified messages at least.
_LEARNED_MS, _LEAST = 7 * DAY_MS, 200


class Maturity(Struct, frozen=True):
    """What is known of how long it takes to verify.

    Attributes:
        horizon_ms: messages younger than this, and not verified, are pending.
        learned_from: how many verified messages it was learned from.
        scope: whose they were: "filters", those that the question filters; "account", all; None when too few.
        delays: their delays by bucket; empty when too few.
    """

    horizon_ms: int
    learned_from: int
    scope: str | None
    delays: tuple[int, ...] = ()


class Young(Struct, frozen=True):
    """Messages, or sessions, of one rollup that are not mature yet, by now.

    Attributes:
        youngest_ms, oldest_ms: between what ages they are.
        requested, verified: how many there are, and how many were verified already.
    """

    youngest_ms: int
    oldest_ms: int
    requested: int
    verified: int


class Expected(Struct, frozen=True):
    """The rate to expect once all is mature, and its 95 % interval."""

    rate: float
    interval: Interval


def learn(ledger: LedgerReader, account: int, filters: Mapping[str, Collection[str]], now: int) -> Maturity:
    """Learn delays from the messages of the last 7 days that had time enough to be verified.

    At least an hour; where one in 200 takes longer than that, a day.

    Args:
        ledger: what to learn from.
        account: whose messages.
        filters: which messages; where fewer than 200 of them were verified, all the account's are taken.
        now: the time now, ms.
    """
    everything: Mapping[str, Collection[str]] = {}
    found = 0
    for scope, which in [("filters", filters)] * bool(filters) + [("account", everything)]:
        delays = _delays(ledger, account, which, now, HOUR_MS)
        if (quantile(delays, _SHARE) or 0) > HOUR_MS:
            delays = _delays(ledger, account, which, now, LONGEST_MS)
        found = sum(delays)
        if found >= _LEAST:
            horizon = quantile(delays, _SHARE) or 0
            return Maturity(min(max(horizon, _SHORTEST_MS), LONGEST_MS), found, scope, delays)
    return Maturity(_DEFAULT_MS, found, None)


def expected(verified: int, requested: int, young: Sequence[Young], maturity: Maturity) -> Expected | None:
    """Return the rate to expect when all is mature: verified / sum of F(age); None where that is a guess.

    A message is verified by its age with the chance rate * F(age), F being learned, so sum of F(age) is how
    many messages' worth of time has passed. Its variance, F being an estimate from m delays, is
    (sum over pairs of F(smaller age) - (sum of F)²) / m, that of an empirical distribution function.

    Args:
        verified: of all, by now.
        requested: all, young or not.
        young: those that are not mature.
        maturity: what is known of delays.
    """
    if not maturity.delays:
        return None
    mature = requested - sum(each.requested for each in young)
    sum_f = squares = pairs = older = 0.0
    for each in sorted(young, key=lambda one: one.oldest_ms, reverse=True):
        f = mean_verified_within(maturity.delays, each.youngest_ms, each.oldest_ms)
        sum_f += each.requested * f
        squares += each.requested * f * f
        pairs += f * each.requested * (each.requested + 2 * older)
        older += each.requested
    if mature + sum_f < 1:
        return None
    uncertain = (pairs - sum_f * sum_f) / maturity.learned_from
    rate = min(1.0, verified / (mature + sum_f))
    return Expected(rate, score(verified, mature + sum_f, mature + squares - uncertain))


def _delays(
    ledger: LedgerReader, account: int, filters: Mapping[str, Collection[str]], now: int, given_ms: int
) -> tuple[int, ...]:
    """Sum the delays of messages that had `given_ms` to be verified, from the beginning of a day on."""
    end = (now - given_ms) // HOUR_MS * HOUR_MS
    start = max(0, (end - _LEARNED_MS) // DAY_MS * DAY_MS)
    found = ledger.counts(account, cover([(start, max(start, end))]), (), filters)
    return total(each.delays for each in found)
