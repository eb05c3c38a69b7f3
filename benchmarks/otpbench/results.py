"""From the alarms of a detector about a world to the figures that the tables show. Pure."""

from collections.abc import Iterable, Sequence
from statistics import mean, median
from typing import Final

from msgspec import Struct

from benchmarks.otpbench.naming import names, shares
from benchmarks.otpbench.rules import Alarm
from benchmarks.otpbench.scenes import Fault, Played
from benchmarks.otpbench.scoring import PROFILES, Series, score
from benchmarks.otpbench.traffic import SCORED_DAYS
from otpconv.alerts.detector import WATCHED

_DAYS_OF_A_MONTH: Final = 30


class Result(Struct, frozen=True):
    """What one detector did in one world.

    Attributes:
        scene, seed: of the world.
        faults: how many there are.
        detected: with any alarm in the window of a fault.
        named: only alarms that name a fault find it; an alarm about healthy traffic in a window is false.
        after: minutes from the start of each named fault to the first alarm that names it.
        alarms: all of them.
        healthy: those that have no traffic in common with a fault of their time.
    """

    scene: str
    seed: int
    faults: int
    detected: Series
    named: Series
    after: Sequence[int]
    alarms: int
    healthy: int


class Figures(Struct, frozen=True):
    """The figures of one detector over all worlds.

    Attributes:
        detection, naming: a score for each of `PROFILES`.
        faults: how many there are.
        found, named: how many of them have an alarm in time, and one that names the slice.
        minutes: the median time to the alarm that names it; None if there is none.
        false_a_month: false alarms in 30 days, minutes with several counted once.
    """

    detection: Sequence[float]
    naming: Sequence[float]
    faults: int
    found: int
    named: int
    minutes: float | None
    false_a_month: float

    @property
    def overall(self) -> float:
        """The mean of all scores."""
        return mean([*self.detection, *self.naming])


def result(played: Played, alarms: Sequence[Alarm]) -> Result:
    """Return what a detector that raised these alarms did in a world."""
    faults = sorted(played.faults, key=lambda fault: fault.start)
    windows = sorted({(fault.start, fault.end) for fault in faults})
    leaves = [dict(zip(WATCHED, leaf, strict=True)) for leaf in played.world.routes.leaves]
    kept, wrong, healthy = [], [], 0
    after: dict[int, int] = {}
    for alarm in alarms:
        now = [place for place, fault in enumerate(faults) if fault.start <= alarm.minute < fault.end]
        right = [place for place in now if names(alarm.values, faults[place].values)]
        for place in right:
            after.setdefault(place, alarm.minute - faults[place].start)
        if right or not now:
            kept.append(alarm.minute)
        elif not any(shares(alarm.values, faults[place].values, leaves) for place in now):
            wrong.append(alarm.minute)
        healthy += not any(_explains(fault, alarm, leaves) for fault in faults)
    return Result(
        played.scene,
        played.seed,
        len(faults),
        Series(windows, [alarm.minute for alarm in alarms]),
        Series(windows, kept, wrong),
        [*after.values()],
        len(alarms),
        healthy,
    )


def figures(results: Sequence[Result]) -> Figures:
    """Return the figures of a detector, from its results in all worlds.

    Raises:
        ValueError: no world has a fault.
    """
    detected, named = [one.detected for one in results], [one.named for one in results]
    after = [minutes for one in results for minutes in one.after]
    days = SCORED_DAYS * len(results)
    return Figures(
        [score(detected, profile) for profile in PROFILES],
        [score(named, profile) for profile in PROFILES],
        sum(one.faults for one in results),
        sum(_found(series) for series in detected),
        len(after),
        median(after) if after else None,
        sum(_false(series) for series in detected) * _DAYS_OF_A_MONTH / days,
    )


def false_share(results: Iterable[Result]) -> tuple[int, int]:
    """Return how many alarms are about healthy traffic, and how many there are."""
    counted = [(one.healthy, one.alarms) for one in results]
    return sum(healthy for healthy, _ in counted), sum(alarms for _, alarms in counted)


def _explains(fault: Fault, alarm: Alarm, leaves: Sequence[dict[str, str]]) -> bool:
    """Return whether the fault is a reason for the alarm; it still is one for an hour after its end."""
    return fault.start <= alarm.minute < fault.end + 60 and shares(alarm.values, fault.values, leaves)


def _found(series: Series) -> int:
    return sum(any(start <= alarm < end for alarm in series.alarms) for start, end in series.windows)


def _false(series: Series) -> int:
    return sum(not any(start <= alarm < end for start, end in series.windows) for alarm in set(series.alarms))
