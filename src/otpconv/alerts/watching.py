"""Watches slices over time: each batch of mature counts may open findings, and end them. Pure.

Of overlapping slices, the one that explains the loss best is named. Its messages are then taken out of all
other slices until the finding ends.
"""

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from otpconv.alerts.finding import Finding
from otpconv.alerts.level import Level, ends, limit_for, ratio
from otpconv.alerts.past import Counts, Past, Usual, hour_of
from otpconv.rates.slices import Slice
from otpconv.storage.contract import DAY_MS

#: A country and a provider.
Leaf = tuple[str, str]
#: A slice is watched once it has had so many messages in four weeks, and was first seen so long ago, hours.
_LEAST_PAST, _LEAST_HOURS = 200, 3 * 24
#: A larger slice is named although it explains the loss worse by so many nats for each dimension.
_SIZE_COST = 1.0
#: How long counts are kept to find the slice that explains a loss, ms.
_RECENT_MS = 3 * DAY_MS
#: Hours of a month, which the budget is for.
_MONTH = 30 * 24


class Open(Struct):
    """A finding that lasts, and the messages since the last decision whether it has ended."""

    finding: Finding
    seen: Counts


class _Loss(Struct):
    """The messages of a slice, how many verifications were to be expected, and how surely it fell."""

    seen: Counts
    expected: float = 0.0
    nats: float = 0.0


class Watch:
    """The state of all slices.

    Args:
        budget: false alarms in a month over all slices, on average; above 0.

    Attributes:
        findings: all findings, in the order in which they were opened.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._past: dict[Slice, Past] = {}
        self._levels: dict[Slice, Level] = {}
        self._hour: dict[Slice, Counts] = {}
        self._at = 0
        self._to_learn: deque[tuple[int, dict[Slice, Counts]]] = deque()
        self._recent: deque[tuple[int, Mapping[Leaf, Counts]]] = deque()
        self._open: dict[Slice, Open] = {}
        self._usual: dict[Slice, Usual] = {}
        self._limits: dict[Slice, float] = {}
        self.findings: list[Finding] = []

    @property
    def watched(self) -> int:
        """How many slices have enough traffic to be watched."""
        return len(self._usual)

    def add(self, start: int, end: int, counts: Mapping[Leaf, Counts]) -> None:
        """Add the mature counts of a time, by country and provider.

        Args:
            start: of the time, ms; not before the end of the one before.
            end: of the time, ms, in the same hour.
            counts: leaves without messages are left out.
        """
        self._turn(hour_of(start))
        self._recent.append((start, counts))
        while self._recent[0][0] < start - _RECENT_MS:
            self._recent.popleft()
        explained = [*self._open]
        sums: dict[Slice, Counts] = {}
        for leaf, count in counts.items():
            slices = slices_of(leaf)
            for each in slices:
                if each in self._open:
                    self._open[each].seen.add(count)
            if any(each in self._open for each in slices):
                continue  # explained, and not to be learned
            for each in slices:
                sums.setdefault(each, Counts()).add(count)
        for each, count in sums.items():
            self._hour.setdefault(each, Counts()).add(count)
            usual = self._usual.get(each)
            if usual is not None:
                self._levels.setdefault(each, Level()).add(count, usual, start)
        for each in explained:
            self._end(each, end)
        self._find(end)

    def _turn(self, hour: int) -> None:
        """Begin another hour: learn the one of a day ago, and compute the usual rates of this one."""
        if hour == self._at:
            return
        self._to_learn.append((self._at, self._hour))
        self._hour = {}
        self._at = hour
        while self._to_learn and self._to_learn[0][0] <= hour - 24:
            learned, counts = self._to_learn.popleft()
            for each, count in counts.items():
                if each not in self._past:
                    self._past[each] = Past()
                self._past[each].learn(learned, count)
        watched = [
            each
            for each, past in self._past.items()
            if past.total.requested >= _LEAST_PAST and past.known_hours(hour) >= _LEAST_HOURS
        ]
        self._usual = {each: self._past[each].usual(hour, self._parent(each)) for each in watched}
        for each in watched:
            a_month = (
                self._past[each].total.requested * _MONTH / min(28 * 24, self._past[each].known_hours(hour))
            )
            messages = a_month * len(watched) / self._budget
            self._limits[each] = limit_for(self._usual[each].failed, messages)

    def _parent(self, which: Slice) -> float | None:
        """Return the rate of the slice without its last dimension."""
        if not which.values:
            return None
        total = self._past[Slice(which.values[:-1])].total
        return total.verified / total.requested

    def _find(self, at: int) -> None:
        """Open findings while a level is over its limit."""
        while True:
            over = [
                each
                for each, level in self._levels.items()
                if level.nats >= self._limits.get(each, float("inf")) and each in self._usual
            ]
            if not over:
                return
            first = max(over, key=lambda each: (self._levels[each].nats - self._limits[each], each))
            which, since = self._explain(first)
            loss = self._loss(which, since)
            finding = Finding(
                which,
                since,
                at,
                None,
                loss.seen.requested,
                loss.seen.verified,
                loss.expected,
                self._usual[which].verified,
            )
            self.findings.append(finding)
            self._open[which] = Open(finding, Counts())
            for each in [each for each in self._levels if overlap(each, which)]:
                del self._levels[each]

    def _explain(self, first: Slice) -> tuple[Slice, int]:
        """Return the slice that explains the loss of another one best, and since when it lasts, ms."""
        since = self._levels[first].since
        best, most = first, float("-inf")
        for each in self._usual:
            if not overlap(each, first) or any(overlap(each, other) for other in self._open):
                continue
            loss = self._loss(each, since)
            nats = loss.nats - _SIZE_COST * len(each.values)
            if (nats, each) > (most, best):
                best, most = each, nats
        return best, self._levels[best].since if best in self._levels and self._levels[best].since else since

    def _loss(self, which: Slice, since: int) -> _Loss:
        """Return the messages of a slice since a time (ms), and the verifications to expect."""
        loss = _Loss(Counts())
        for start, counts in self._recent:
            if start < since:
                continue
            for leaf, count in counts.items():
                slices = slices_of(leaf)
                if which not in slices or any(each in self._open for each in slices):
                    continue
                usual = next((self._usual[each] for each in slices[::-1] if each in self._usual), None)
                usual = usual or self._usual[which]
                loss.seen.add(count)
                loss.expected += count.requested * usual.verified
                loss.nats += ratio(count.requested, count.requested - count.verified, usual.failed)
        return loss

    def _end(self, which: Slice, at: int) -> None:
        """End a finding if the messages since the last decision say so."""
        opened, usual = self._open[which], self._usual.get(which)
        if usual is None:
            return
        decision = ends(usual.failed, opened.seen.requested, opened.seen.requested - opened.seen.verified)
        if decision is None:
            return
        if decision:
            opened.finding.until = at
            del self._open[which]
        else:
            opened.seen = Counts()


def slices_of(leaf: Leaf) -> tuple[Slice, ...]:
    """Return the slices that a leaf is in, the smallest last."""
    country, provider = ("country", leaf[0]), ("provider", leaf[1])
    return Slice(), Slice((country,)), Slice((provider,)), Slice((country, provider))


def overlap(a: Slice, b: Slice) -> bool:
    """Return whether two slices can have messages in common."""
    values = dict(a.values)
    return all(values.get(name, value) == value for name, value in b.values)
