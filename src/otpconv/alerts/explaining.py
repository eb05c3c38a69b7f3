"""Of the slices that fell, which one explains the loss best. Pure."""

from collections.abc import Mapping

from otpconv.alerts.changepoint import divergence
from otpconv.alerts.leaves import Leaves
from otpconv.alerts.planning import Plan
from otpconv.alerts.recent import Seen

#: A larger slice is named although it explains the loss worse by so many nats for each dimension.
_SIZE_COST = 1.0


def explain(first: int, seen: Mapping[int, Seen], leaves: Leaves, plan: Plan) -> int:
    """Return the watched slice that explains the loss best, of those that share messages with another one.

    Args:
        first: the slice that was found.
        seen: the messages since about its fall, by leaf; without those that are explained already.
        leaves: all leaves.
        plan: the watched slices.
    """
    candidates = {
        each
        for leaf in seen
        if leaf < len(plan.watched) and first in leaves.slices[leaf]
        for each in plan.watched[leaf]
    }
    sums: dict[int, list[float]] = {each: [0.0, 0.0, 0.0] for each in candidates}
    for leaf, (requested, verified, expected) in seen.items():
        if expected >= 0 and leaf < len(plan.watched):
            for each in plan.watched[leaf]:
                if each in sums:
                    total = sums[each]
                    total[0] += requested
                    total[1] += verified
                    total[2] += expected
    best, most = first, float("-inf")
    for each, (sent, used, usual) in sums.items():
        nats = divergence(int(sent), used, usual - plan.margins[each] * sent)
        nats -= _SIZE_COST * len(leaves.values[each])
        if (nats, leaves.values[best]) > (most, leaves.values[each]):
            best, most = each, nats
    return best
