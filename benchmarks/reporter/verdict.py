"""The results of the measurements, compared with the requirements."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.reporter.clients import DURABLE, OURS

#: Wanted: our p50 over the fastest other's; our p99, us; the dead side over the healthy one; memory, KiB.
_RATIO = 1 / 3
_P99_US = 100
_DEAD = 1.25
_KIB = 20 * 1024


class Times:
    """How long the calls of one client took, over all rounds."""

    def __init__(self) -> None:
        self._rounds: list[list[int]] = []
        self._arrived: list[float] = []

    def add(self, took_ns: list[int], arrived: float | None) -> None:
        """Add a round; `arrived` is the part of its messages that came to the other side."""
        self._rounds.append(took_ns)
        if arrived is not None:
            self._arrived.append(arrived)

    def quantiles(self, percent: int) -> list[float]:
        """Return the quantile of each round, us."""
        return [statistics.quantiles(one, n=100)[percent - 1] / 1000 for one in self._rounds]

    def quantile(self, percent: int) -> float:
        """Return the median of the rounds' quantiles, us."""
        return statistics.median(self.quantiles(percent))

    def row(self) -> dict[str, object]:
        """Return the text to print."""
        row: dict[str, object] = {
            "p50 us": round(self.quantile(50), 1),
            "p99 us": round(self.quantile(99), 1),
            "max us": round(max(map(max, self._rounds)) / 1000),
        }
        return row | ({"arrived": round(statistics.median(self._arrived), 4)} if self._arrived else {})


def verdict(
    times: Mapping[tuple[str, str, str], Times], most_kib: int, delivered: int, enqueued: int
) -> dict[str, object]:
    """Return the ratios, and whether each is as wanted: at each pace, where it is worst."""
    ours = {at[1:]: seen for at, seen in times.items() if at[0] == DURABLE}
    row: dict[str, object] = {"benchmark": "reporter: verdict"}
    for pace in dict.fromkeys(pace for pace, _ in ours):
        sides = {side: seen for (at, side), seen in ours.items() if at == pace}
        ratios = {side: ratio for side in sides if (ratio := _ratio(times, pace, side)) is not None}
        p99 = {side: round(seen.quantile(99), 1) for side, seen in sides.items()}
        dead = {
            f"p{percent}": _over(sides["dead"].quantiles(percent), sides["healthy"].quantiles(percent))
            for percent in (50, 99)
        }
        row[pace] = {
            "p50 / the fastest other": ratios,
            "p99 us": p99,
            "dead / healthy": dead,
            "as wanted": {
                "p50": max(ratios.values()) <= _RATIO if ratios else None,
                "p99": max(p99.values()) <= _P99_US,
                "dead": max(dead.values()) <= _DEAD,
            },
        }
    row["memory"] = {"at most KiB": most_kib, "as wanted": most_kib <= _KIB}
    row["after SIGKILL"] = {"delivered": f"{delivered} of {enqueued}", "as wanted": delivered == enqueued}
    return row


def _ratio(times: Mapping[tuple[str, str, str], Times], pace: str, side: str) -> float | None:
    others = [times[at].quantiles(50) for at in times if at[1:] == (pace, side) and at[0] not in OURS]
    if not others:
        return None
    return _over(times[DURABLE, pace, side].quantiles(50), [min(each) for each in zip(*others, strict=True)])


def _over(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the rounds' ratios: what the machine does in one round meets both."""
    return round(statistics.median(a / b for a, b in zip(ours, others, strict=True)), 3)
