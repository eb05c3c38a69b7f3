"""Finds that the reports of an application arrive late (`reports_late`): its spool or queue is behind. Pure.

An application is behind if its newest reports are old. Reports that are older than ones it has sent before,
such as an import, say nothing about that, so only those at the frontier count: they are newer than most of
those that came before. While they are late, the frontier stays where it was; so the reports of several
processes, of which one delivers after the other, count until all have caught up.

It is a fact, not a sample: it takes nothing from the budget of false alarms.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median_low
from typing import Final, Literal

from msgspec import Struct

from otpconv.alerts.detector import Source
from otpconv.alerts.memory import Memory, decoded
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found, Severity, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS

#: Reports are late by so much more than usual, very late, and in time again below this, ms.
_LATE_MS, _VERY_LATE_MS, _IN_TIME_MS = 5 * MINUTE_MS, HOUR_MS, 2 * MINUTE_MS
#: So many reports make a step, if they come within this time, ms.
_LEAST, _WITHIN_MS = 3, 15 * MINUTE_MS
#: How many steps in a row must be late, or in time; and the longest pause between two of them, ms.
_STEPS, _PAUSE_MS = 3, 10 * MINUTE_MS
#: So many steps must have been in time, and this share of them. More steps than this one count half.
_KNOWN, _MOSTLY, _MAX_STEPS = 30, 0.9, 1_000
#: The usual lateness is at least the least of so many days; one that lasts longer is usual. Days.
_DAYS = 7
#: It is also at least that of most reports (this share), on average over so many steps.
_MOST, _AVERAGED = 0.8, 200
#: Reports that are so old, or so much older than the newest time so far, may be an import, ms.
_OLD_MS: Final = 30 * MINUTE_MS
#: Without any report for this time, nothing is known any more, ms.
_SILENT_MS = HOUR_MS
#: Access keys of an account that are watched at most.
MAX_KEYS: Final = 200

#: The two kinds of reports. Each is watched alone: a server that sends messages for an application reports
#: them in time itself, while their conversions wait.
What = Literal["message", "conversion"]


class ArrivalFacts(Struct, frozen=True):
    """Reports that have arrived since the last look, or a sample of them.

    Attributes:
        access_key: who reported them, or the message that a conversion is about.
        what: what they report.
        reports: of each, its own time, and when it was recorded, ms.
        weight: how many reports each of them stands for; 1 or more.
    """

    access_key: str
    what: What
    reports: Sequence[tuple[int, int]]
    weight: float = 1.0


class _Arrivals(Struct, gc=False, array_like=True):
    """The memory of the messages, or of the conversions, of an access key.

    Attributes:
        frontier: up to this time, reports have come, ms.
        waiting: reports that wait for the next step: their times, and when they were recorded, ms.
        lows: the day since 1970 (UTC) and the least lateness in it, ms; one a day.
        most_ms, averaged: how late most reports are, ms, on average over so many steps: machines that share
            an access key can have different clocks, and jobs deliver now and then.
        in_time, not_in_time: steps that were learned.
        run: steps in a row: late ones, or while it is behind, those in time.
        heard_at: the time of the last step, ms.
        imported_at: when an import last went on, ms.
        behind: whether it is.
        since: the time of the first report that came late, ms.
        late: reports that came late since then.
        late_ms: how late the last ones of these were.
    """

    frontier: int = 0
    waiting: list[tuple[int, int]] = []
    lows: list[tuple[int, int]] = []
    most_ms: float = 0.0
    averaged: int = 0
    in_time: int = 0
    not_in_time: int = 0
    run: int = 0
    heard_at: int = 0
    imported_at: int = 0
    behind: bool = False
    since: int = 0
    late: float = 0.0
    late_ms: int = 0

    def add(self, facts: ArrivalFacts, now: int) -> None:
        """Add reports that arrived in the minute before `now`, ms."""
        old = sum(at < self.frontier - _OLD_MS for at, _ in facts.reports)
        if not self.behind and old >= max(_LEAST, len(facts.reports) / 2):
            self.imported_at = now
        waiting = [each for each in self.waiting if each[1] > now - _WITHIN_MS]
        self.waiting = [*waiting, *(each for each in facts.reports if each[0] > self.frontier)]
        if len(self.waiting) < _LEAST:
            return
        if now - self.heard_at > _PAUSE_MS:
            self.run = 0
        self.heard_at = now
        late_ms = median_low(recorded_at - at for at, recorded_at in self.waiting)
        usual = max(self._least(late_ms, now), round(self.most_ms))
        if self.behind:
            self._go_on(late_ms, usual, facts.weight)
        elif not self._is_known() or late_ms < usual + _LATE_MS:
            self._learn_most(facts)
            self._advance(late_ms, usual)
        elif now - self.imported_at <= _WITHIN_MS:
            self.imported_at = now
            self.frontier = max(self.frontier, median_low(at for at, _ in self.waiting))
        else:
            self._begin(late_ms, usual, facts.weight)
        self.waiting = []

    def end_if_silent(self, now: int) -> None:
        """End it if there were no reports for long."""
        if now - self.heard_at >= _SILENT_MS:
            self.behind, self.run = False, 0

    def _least(self, late_ms: int, now: int) -> int:
        """Learn how late reports are, and return how late they usually are at least, ms."""
        today = now // DAY_MS
        before = min((low for _, low in self.lows), default=late_ms)
        if late_ms < before - _IN_TIME_MS:
            # What seemed usual was late, e.g. an import. It has to show again that this is usual now.
            self.in_time = self.not_in_time = 0
        lows = dict(self.lows)
        lows[today] = min(late_ms, lows.get(today, late_ms))
        self.lows = [(day, low) for day, low in lows.items() if day > today - _DAYS]
        return min(low for _, low in self.lows)

    def _learn_most(self, facts: ArrivalFacts) -> None:
        ages = sorted(recorded_at - at for at, recorded_at in facts.reports if recorded_at - at < _OLD_MS)
        if ages:
            self.averaged = min(self.averaged + 1, _AVERAGED)
            self.most_ms += (ages[int(_MOST * (len(ages) - 1))] - self.most_ms) / self.averaged

    def _is_known(self) -> bool:
        return self.in_time >= max(_KNOWN, _MOSTLY * (self.in_time + self.not_in_time))

    def _begin(self, late_ms: int, usual: int, weight: float) -> None:
        if not self.run:
            self.since, self.late = min(at for at, _ in self.waiting), 0.0
        self._count_late(late_ms, usual, weight)
        self.run += 1
        if self.run >= _STEPS:
            self.behind, self.run = True, 0

    def _go_on(self, late_ms: int, usual: int, weight: float) -> None:
        self._count_late(late_ms, usual, weight)
        self.run = self.run + 1 if late_ms < usual + _IN_TIME_MS else 0
        if self.run >= _STEPS:
            self.behind, self.run = False, 0
            self._advance(late_ms, usual)

    def _count_late(self, late_ms: int, usual: int, weight: float) -> None:
        late = sum(recorded_at - at >= usual + _LATE_MS for at, recorded_at in self.waiting)
        self.late += weight * late
        if late_ms >= usual + _IN_TIME_MS:
            self.late_ms = late_ms

    def _advance(self, late_ms: int, usual: int) -> None:
        self.run = 0
        self.frontier = max(self.frontier, median_low(at for at, _ in self.waiting))
        if late_ms < usual + _IN_TIME_MS:
            self.in_time += 1
        else:
            self.not_in_time += 1
        if self.in_time + self.not_in_time > _MAX_STEPS:
            self.in_time, self.not_in_time = self.in_time // 2, self.not_in_time // 2


class Arriving:
    """Watches how late the reports of the applications of an account arrive.

    Args:
        facts: returns the reports that have arrived since the last call.
    """

    name = "arriving"

    def __init__(self, facts: Callable[[], Sequence[ArrivalFacts]]) -> None:
        self._facts = facts
        self._watched: dict[tuple[str, What], _Arrivals] = {}
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:  # noqa: ARG002 - it looks at the journal
        """See `Detector.look`."""
        before = self._behind()
        for facts in self._facts():
            name = facts.access_key, facts.what
            self._watched.setdefault(name, _Arrivals(heard_at=now)).add(facts, now)
        for arrivals in self._watched.values():
            arrivals.end_if_silent(now)
        self._forget(now)
        behind = self._behind()
        ended = [Ended("reports_late", _values(key)) for key in before if key not in behind]
        return [*ended, *(_found(key, late) for key, late in behind.items())]

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        return self._memory.changed(keys=([*self._watched.items()],))

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        state = decoded(parts, "arriving.keys", tuple[list[tuple[tuple[str, What], _Arrivals]]])
        if state is not None:
            self._watched = dict(state[0])

    def _behind(self) -> dict[str, list[_Arrivals]]:
        """Return the access keys that are behind, with what of theirs is."""
        behind: dict[str, list[_Arrivals]] = {}
        for (key, _), arrivals in self._watched.items():
            if arrivals.behind:
                behind.setdefault(key, []).append(arrivals)
        return behind

    def _forget(self, now: int) -> None:
        """Forget the access keys that have not reported for long, or longest of too many."""
        heard: dict[str, int] = {}
        for (key, _), arrivals in self._watched.items():
            heard[key] = max(heard.get(key, 0), arrivals.heard_at)
        newest = sorted(heard, key=lambda key: (-heard[key], key))[:MAX_KEYS]
        kept = {key for key in newest if heard[key] > now - _DAYS * DAY_MS}
        self._watched = {name: each for name, each in self._watched.items() if name[0] in kept}


def _values(key: str) -> Values:
    return (("access_key", key),)


def _found(key: str, behind: Sequence[_Arrivals]) -> Found:
    since = min(each.since for each in behind)
    late_ms = max(each.late_ms for each in behind)
    severity: Severity = "critical" if late_ms >= _VERY_LATE_MS else "warning"
    evidence = Evidence(waiting=round(sum(each.late for each in behind)), late_ms=late_ms)
    return Found(
        "reports_late", _values(key), severity, since, since - MINUTE_MS, since + MINUTE_MS, evidence
    )
