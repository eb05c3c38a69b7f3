"""What the measurements come to, held against what is wanted."""

import statistics
from collections.abc import Mapping

#: Wanted: our p50 over the fastest other's; our p99, µs; the dead side over the healthy one; memory, KiB.
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

    def quantile(self, percent: int) -> float:
        """Return the median of the rounds' quantiles, µs."""
        return statistics.median(statistics.quantiles(one, n=100)[percent - 1] for one in self._rounds) / 1000

    def row(self) -> dict[str, object]:
        """Return what is printed of them."""
        row: dict[str, object] = {
            "p50 us": round(self.quantile(50), 1),
            "p99 us": round(self.quantile(99), 1),
            "max us": round(max(map(max, self._rounds)) / 1000),
        }
        return row | ({"arrived": round(statistics.median(self._arrived), 4)} if self._arrived else {})


def verdict(
    times: Mapping[tuple[str, str, str], Times], most_kib: int, delivered: int, enqueued: int
) -> dict[str, object]:
    """Return the ratios and whether each is as wanted; they count where they are worst."""
    ours = {at[1:]: seen for at, seen in times.items() if at[0] == "otpconv"}
    ratios = {}
    for place, seen in ours.items():
        others = {
            name: other.quantile(50)
            for (name, *at), other in times.items()
            if tuple(at) == place and not name.startswith("otpconv")
        }
        if others:
            fastest = min(others, key=others.__getitem__)
            ratios[place] = (round(seen.quantile(50) / others[fastest], 3), fastest)
    p99 = {place: round(seen.quantile(99), 1) for place, seen in ours.items()}
    dead = {
        (pace, percent): round(seen.quantile(percent) / ours[pace, "healthy"].quantile(percent), 2)
        for (pace, side), seen in ours.items()
        if side == "dead"
        for percent in (50, 99)
    }
    return {
        "benchmark": "reporter: verdict",
        "p50 / the fastest other": {", ".join(place): ratio for place, ratio in ratios.items()},
        "p99 us": {", ".join(place): value for place, value in p99.items()},
        "dead / healthy": {f"{pace}, p{percent}": ratio for (pace, percent), ratio in dead.items()},
        "at most KiB": most_kib,
        "delivered": f"{delivered} of {enqueued}",
        "as wanted": {
            "p50": bool(ratios) and max(ratio for ratio, _ in ratios.values()) <= _RATIO,
            "p99": max(p99.values()) <= _P99_US,
            "dead": max(dead.values()) <= _DEAD,
            "memory": most_kib <= _KIB,
            "delivered": delivered == enqueued,
        },
    }
