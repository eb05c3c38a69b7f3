"""The verdict on a window: its failures, or why there is no verdict, or that all is well. Pure."""

from typing import Literal

from msgspec import Struct

from otpconv.rates.row import RateRow
from otpconv.rates.signals import Evidence

#: The first of these that applies; only "fine" is good news.
#: - "behind": the ledger lacks acknowledged reports, so there is no verdict.
#: - "empty": nothing was requested.
#: - "broken": slices are silent, or convert worse than expected.
#: - "fell": the total fell, and no slice explains it.
#: - "uncompared": there is no past to compare with.
#: - "unclear": there are too few messages for even a sharp drop to show.
#: - "recovered": something was broken during the window and no longer is.
VerdictState = Literal["behind", "empty", "broken", "fell", "uncompared", "unclear", "recovered", "fine"]

#: A total that fell by this much is never fine, even if chance explains it.
_FELL = 0.05
#: A total that surely fell by more than this is never fine either.
_NOTABLE = 0.005


class Verdict(Struct, frozen=True):
    """The verdict on a window.

    Attributes:
        state: one of `VerdictState`.
        evidence: the signals, now and earlier in the window.
        lag: the number of acknowledged reports that the counts lack.
    """

    state: VerdictState
    evidence: Evidence
    lag: int = 0


def judge(evidence: Evidence, total: RateRow, lag: int) -> Verdict:
    """Return the verdict on a window.

    Args:
        evidence: the signals of the window.
        total: all traffic of the window, compared with an earlier window.
        lag: the number of acknowledged reports that the counts lack.
    """
    return Verdict(_state(evidence, total, lag), evidence, lag)


def _state(evidence: Evidence, total: RateRow, lag: int) -> VerdictState:  # noqa: PLR0911 - one line a state
    now = evidence.now
    if lag:
        return "behind"
    if not total.requested:
        return "empty"
    if now.silences or now.drops:
        return "broken"
    if _fell(total):
        return "fell"
    if not now.learned_from:
        return "uncompared"
    if not now.has_enough_traffic:
        return "unclear"
    return "recovered" if evidence.earlier else "fine"


def _fell(total: RateRow) -> bool:
    change, interval = total.change, total.change_interval
    if change is None or interval is None:
        return False
    return change <= -_FELL or interval[1] < -_NOTABLE
