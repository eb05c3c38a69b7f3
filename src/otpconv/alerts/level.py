"""How far the verified messages of one slice are from the usual, by a CUSUM of changing rates. Pure.

The usual rate changes with the hour, so each message adds the logarithm of its likelihood ratio. The limit is
that of a `cusum.Design` with the usual rate, so its run length is exact where the rate is constant.
"""

from functools import lru_cache
from math import log

from msgspec import Struct

from otpconv.alerts.cusum import design_for
from otpconv.alerts.past import Counts, Usual
from otpconv.alerts.sprt import Sprt

#: The fall to find soon: the rate falls to this share of the usual one, e.g. from 85 to 60 %.
FALL = 0.7
#: From this share of failures on, the steps of a design are too coarse. The limit is then ln(trials), which
#: keeps the budget for any rates: G. Lorden, "Procedures for reacting to a change in distribution", Annals of
#: Mathematical Statistics 42 (1971).
_COARSE = 0.45
#: Shares of failures and numbers of messages are rounded so, to compute few limits.
_SHARES, _PER_DOUBLING = 200, 2
#: The chance to end a fall that lasts, and the chance to go on with one that has ended.
_FALSE_END, _FALSE_GOING_ON = 0.001, 0.05


class Level(Struct, gc=False):
    """The CUSUM of one slice.

    Attributes:
        nats: the level.
        since: when it last left 0, ms; 0 while it is 0.
    """

    nats: float = 0.0
    since: int = 0

    def add(self, counts: Counts, usual: Usual, start: int) -> None:
        """Add the messages of a time that began at `start` (ms)."""
        self.nats += ratio(counts.requested, counts.requested - counts.verified, usual.failed)
        if self.nats <= 0:
            self.nats, self.since = 0.0, 0
        elif not self.since:
            self.since = start


def bad_share(failed: float) -> float:
    """Return the share of failures to find soon, for a usual share of failures."""
    return 1 - FALL * (1 - failed)


def ratio(messages: int, failures: int, failed: float) -> float:
    """Return the logarithm of the likelihood ratio of a fall to no fall.

    Args:
        messages: mature messages.
        failures: those of them that were not verified.
        failed: the usual share of failures.
    """
    bad = bad_share(failed)
    return failures * log(bad / failed) + (messages - failures) * log((1 - bad) / (1 - failed))


def limit_for(failed: float, messages: float) -> float:
    """Return the level at which a slice is found, so that it is falsely found once in so many messages.

    Args:
        failed: the usual share of failures.
        messages: the budget of the slice.
    """
    doublings = -(-log(max(messages, 2)) * _PER_DOUBLING // log(2))
    return _limit(round(failed * _SHARES), int(doublings))


@lru_cache(maxsize=4096)
def _limit(share: int, doublings: int) -> float:
    failed, messages = max(share, 1) / _SHARES, 2 ** (doublings / _PER_DOUBLING)
    if failed > _COARSE:
        return log(messages)
    design = design_for(failed, bad_share(failed), messages)
    # A message that is verified lowers the level of a design by one.
    return design.limit * -log((1 - bad_share(failed)) / (1 - failed))


def ends(failed: float, messages: int, failures: int) -> bool | None:
    """Return whether a fall has ended (True) or goes on (False); None: not enough messages yet.

    Args:
        failed: the usual share of failures.
        messages: mature messages since the last decision.
        failures: those of them that were not verified.
    """
    decision = Sprt(failed, bad_share(failed), _FALSE_GOING_ON, _FALSE_END).decision(messages, failures)
    return None if decision is None else decision == "usual"
