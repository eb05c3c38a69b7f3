"""Runs otpconv's detectors over a world, minute by minute, as the server does."""

from typing import Final

from benchmarks.otpbench.counting import Counting
from benchmarks.otpbench.rules import Alarm
from benchmarks.otpbench.traffic import HISTORY_DAYS, MINUTES, World
from otpconv.alerts.conversion import ConversionWatch
from otpconv.alerts.detector import Detector
from otpconv.alerts.detectors import Detectors
from otpconv.storage.alerts.contract import Found
from otpconv.storage.contract import MINUTE_MS

#: False alarms a month over everything: the default of otpconv.
BUDGET: Final = 1.0
_SCORED: Final = HISTORY_DAYS * 1440
#: They start so long before the scored time, minutes, and first learn from the hours before.
_WARM_UP: Final = 180


def ours() -> Detector:
    """Return all detectors of otpconv, as a user gets them."""
    return Detectors(BUDGET, ConversionWatch)


def alarms(detector: Detector, world: World) -> list[Alarm]:
    """Return the alerts that a detector opens in the scored time, in order; an alert that lasts is one."""
    counting = Counting(world)
    lasting = set()
    opened = []
    for minute in range(_SCORED - _WARM_UP, MINUTES):
        counting.now = world.routes.start + minute * MINUTE_MS
        for change in detector.look(counting.now, counting):
            alert = change.kind, change.values
            if not isinstance(change, Found):
                lasting.discard(alert)
            elif alert not in lasting:
                lasting.add(alert)
                opened.append(Alarm(minute, dict(change.values), change.kind))
    return [alarm for alarm in opened if alarm.minute >= _SCORED]
