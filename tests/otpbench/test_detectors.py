"""How detectors are run over a world."""

from collections.abc import Mapping, Sequence

from benchmarks.otpbench.detectors import alarms
from benchmarks.otpbench.rules import Alarm
from benchmarks.otpbench.traffic import HISTORY_DAYS
from otpconv.alerts.detector import Source
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found
from otpconv.storage.contract import DAY_MS, MINUTE_MS
from tests.otpbench.worlds import played

VALUES = (("provider", "acme"),)
SCORED = HISTORY_DAYS * 1440


class Clockwork:
    """Finds something in the first ten minutes of every hour."""

    name = "clockwork"

    def __init__(self, start: int) -> None:
        self.start = start
        self.looked: list[int] = []
        self.messages = 0

    def look(self, now: int, source: Source) -> Sequence[Change]:
        self.looked.append(now)
        self.messages += sum(count.tally.requested for count in source.minute(now - MINUTE_MS))
        since_hour = (now - self.start) // MINUTE_MS % 60
        if since_hour < 10:
            return [Found("volume", VALUES, "warning", now, now, now, Evidence())]
        return [Ended("volume", VALUES)] if since_hour == 10 else []

    def memory(self) -> Mapping[str, bytes]:
        return {}

    def recall(self, parts: Mapping[str, bytes]) -> None:
        pass


def test_an_alert_that_lasts_is_one_alarm_and_each_minute_is_looked_at_once() -> None:
    world = played("dead operator").world
    start = world.routes.start
    clockwork = Clockwork(start)
    assert alarms(clockwork, world) == [
        Alarm(SCORED + hour * 60, dict(VALUES), "volume") for hour in range(48)
    ]
    assert clockwork.looked == [*range(clockwork.looked[0], clockwork.looked[-1] + 1, MINUTE_MS)]
    end = start + (HISTORY_DAYS + 2) * DAY_MS
    assert clockwork.looked[-1] == end - MINUTE_MS
    requested = world.messages.requested
    inside = (requested >= clockwork.looked[0] - MINUTE_MS) & (requested < end - MINUTE_MS)
    assert clockwork.messages == inside.sum()
