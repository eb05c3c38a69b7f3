"""What to say first about a window: what is broken, or why nothing can be said, or that all is well. Pure."""

from typing import Literal

from msgspec import Struct

from otpconv.rates.evidence import Evidence
from otpconv.rates.row import RateRow

#: In this order; only "fine" is good news.
#: - "behind": the ledger lacks reports that were acknowledged, so nothing can be said.
#: - "empty": nothing was requested.
#: - "broken": slices are silent, or convert worse than they should.
#: - "fell": the total fell, and no slice explains it.
#: - "uncompared": there is no past to compare with.
#: - "unclear": too few messages to see even a sharp drop.
#: - "recovered": something was broken during the window and is not any more.
State = Literal["behind", "empty", "broken", "fell", "uncompared", "unclear", "recovered", "fine"]

#: A total that fell by so much is never called fine, whether chance explains it or not.
_FELL = 0.05
#: A surer fall than this is never called fine either, however small.
_NOTABLE = 0.005


class Verdict(Struct, frozen=True):
    """What to say first.

    Attributes:
        state: one of `State`.
        evidence: what is broken, now and earlier in the window.
        lag: reports that were acknowledged and that the counts lack.
    """

    state: State
    evidence: Evidence
    lag: int = 0


def judge(evidence: Evidence, total: RateRow, lag: int) -> Verdict:
    """Return what to say first.

    Args:
        evidence: what is broken.
        total: all traffic of the window, compared with an earlier window.
        lag: reports that were acknowledged and that the counts lack.
    """
    return Verdict(_state(evidence, total, lag), evidence, lag)


def _state(evidence: Evidence, total: RateRow, lag: int) -> State:  # noqa: PLR0911 - one line a state
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
    if not now.is_telling:
        return "unclear"
    return "recovered" if evidence.earlier else "fine"


def _fell(total: RateRow) -> bool:
    change, interval = total.change, total.change_interval
    if change is None or interval is None:
        return False
    return change <= -_FELL or interval[1] < -_NOTABLE
