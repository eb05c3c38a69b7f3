"""Scores alarms as the Numenta anomaly benchmark does. Pure.

A. Lavin and S. Ahmad (2015): Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly
Benchmark. IEEE ICMLA 2015, arXiv 1510.03336. Of the alarms in the window of a fault, the first one counts;
the earlier, the more. Every alarm outside of windows costs; one shortly after a window costs less. The scores
of all series are added up and scaled: the detector that never alarms has 0, and the perfect one 100.
"""

from collections.abc import Iterable, Sequence
from math import exp
from typing import Final

from msgspec import Struct

#: How steep the reward falls: sigma(y) = 2 / (1 + e^(5 y)) - 1.
_STEEP: Final = 5
#: Alarms so many window lengths behind a window, and alarms before the first one, cost all.
_FAR: Final = 3.0


class Profile(Struct, frozen=True):
    """How much an application gains and loses; the weights of the published benchmark.

    Attributes:
        name: as the paper names it.
        found: the gain for a fault that is found at once.
        false_alarm: the loss for an alarm far from any fault.
        missed: the loss for a fault that is not found.
    """

    name: str
    found: float
    false_alarm: float
    missed: float


PROFILES: Final = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("low FP", 1.0, 0.22, 1.0),
    Profile("low FN", 1.0, 0.11, 2.0),
)


class Series(Struct, frozen=True):
    """The faults of one world, and the alarms of one detector about it.

    Attributes:
        windows: start and end of each fault (half-open), in order, without overlaps; in any unit of time.
        alarms: when it alarmed, in the same unit. Alarms at the same time are one.
        wrong: when it alarmed about something else than the fault of that time; each costs all.
    """

    windows: Sequence[tuple[int, int]]
    alarms: Sequence[int]
    wrong: Sequence[int] = ()


def reward(position: float) -> float:
    """Return the scaled sigmoid of the paper.

    Args:
        position: -1 at the start of a window, 0 at its end, 1 a window's length later.
    """
    return -1.0 if position >= _FAR else 2 / (1 + exp(_STEEP * position)) - 1


def raw_score(series: Series, profile: Profile) -> float:
    """Return the score of one series, not scaled; a perfect one has `found` for each window."""
    first: dict[tuple[int, int], int] = {}
    lost = -profile.false_alarm * len(set(series.wrong))
    for alarm in sorted(set(series.alarms)):
        window = next((window for window in series.windows if window[0] <= alarm < window[1]), None)
        if window is None:
            lost += profile.false_alarm * reward(_behind(alarm, series.windows))
        else:
            first.setdefault(window, alarm)
    gained = sum(
        profile.found * reward((alarm - end) / (end - start)) / reward(-1)
        for (start, end), alarm in first.items()
    )
    return gained + lost - profile.missed * (len(series.windows) - len(first))


def score(all_series: Iterable[Series], profile: Profile) -> float:
    """Return the score of a detector over all worlds: 0 for one that never alarms, 100 for a perfect one.

    Raises:
        ValueError: there is no fault in any series.
    """
    raw, faults = 0.0, 0
    for series in all_series:
        raw += raw_score(series, profile)
        faults += len(series.windows)
    if not faults:
        raise ValueError(
            "Without faults, a perfect detector is the one that never alarms. Add a faulty series."
        )
    null, perfect = -profile.missed * faults, profile.found * faults
    return 100 * (raw - null) / (perfect - null)


def _behind(alarm: int, windows: Sequence[tuple[int, int]]) -> float:
    """Return how many window lengths an alarm is behind the last window before it."""
    before = [window for window in windows if window[1] <= alarm]
    if not before:
        return _FAR
    start, end = before[-1]
    return (alarm - end) / (end - start)
