"""All detectors of an account as one: a fall that late reports explain is not shown."""

from collections.abc import Sequence
from typing import Any

import pytest

from alerts.minutes import BEGIN
from otpconv.alerts.arriving import ArrivalFacts
from otpconv.alerts.detector import Source
from otpconv.alerts.detectors import Detectors
from otpconv.storage.alerts.contract import Ended, Evidence, Found
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count, Tally

#: A provider seems to fail from a while after `BEGIN` on.
FALL = Found("conversion_fell", (("provider", "p"),), "warning", BEGIN, BEGIN, BEGIN, Evidence())
FOUND = BEGIN + 5 * MINUTE_MS
#: The reports of an application wait from `BEGIN` on, and then come late until a time.
WAIT_MS, IN_TIME = 10 * MINUTE_MS, BEGIN + 25 * MINUTE_MS


class Falls:
    """Finds one fall, whatever is counted.

    Attributes:
        counted: the access keys of the messages that it got, by time.
    """

    name = "falls"

    def __init__(self, _: float) -> None:
        self.counted: dict[int, set[str]] = {}

    def look(self, now: int, source: Source) -> Sequence[Found]:
        self.counted[now] = {count.group[3] for count in source.minute(now - MINUTE_MS)}
        return [FALL] if now >= FOUND else []

    def memory(self) -> dict[str, bytes]:
        return {}

    def recall(self, _: object) -> None:
        return None


class TwoKeys:
    """Both applications have messages in each minute."""

    def minute(self, start: int) -> list[Count]:
        return [
            Count(start, ("DE", "", "p", key), Tally(requested=50, verified=40, reported=48), ())
            for key in "ab"
        ]

    def hour(self, start: int) -> list[Count]:
        return self.minute(start)


def _arrivals(at: int, *, late: bool) -> list[ArrivalFacts]:
    """Return the reports of a minute, of which those of the key `a` may be late."""
    behind_ms = WAIT_MS if late and BEGIN <= at < IN_TIME else 0
    if behind_ms and at < BEGIN + WAIT_MS:
        return []
    return [ArrivalFacts("a", "message", [(at - behind_ms, at)] * 4)]


@pytest.mark.parametrize("late", [True, False])
def test_a_fall_that_late_reports_explain_is_taken_back(late: bool) -> None:  # noqa: FBT001 - a parameter
    facts: list[ArrivalFacts] = []
    made: list[Falls] = []

    def falls(budget: float) -> Any:  # noqa: ANN401 - a detector
        made.append(Falls(budget))
        return made[0]

    detectors = Detectors(1.0, falls, arrivals=lambda: facts)
    shown: list[tuple[str, int]] = []
    for at in range(BEGIN - HOUR_MS, BEGIN + HOUR_MS, MINUTE_MS):
        facts[:] = _arrivals(at, late=late)
        for change in detectors.look(at, TwoKeys()):
            kind = "ended" if isinstance(change, Ended) else "found"
            if change.kind == "conversion_fell" and (not shown or shown[-1][0] != kind):
                shown.append((kind, (at - BEGIN) // MINUTE_MS))
    # Three minutes of late reports explain it. It is shown again half an hour after they have ended.
    assert shown == ([("found", 5), ("ended", 12), ("found", 56)] if late else [("found", 5)])
    counted = {(at - BEGIN) // MINUTE_MS: keys for at, keys in made[0].counted.items()}
    assert counted[-1] == counted[5] == counted[40] == {"a", "b"}
    assert counted[15] == ({"b"} if late else {"a", "b"})
