"""Watches slices over time: each batch of counts may open falls, and end them. Pure.

Of overlapping slices, the one that explains the loss best is named. Its messages are then taken out of all
other slices until the fall ends.
"""

from collections.abc import Iterable, Mapping, Sequence

from otpconv.alerts.changepoint import began
from otpconv.alerts.explaining import explain
from otpconv.alerts.lasting import Lasting
from otpconv.alerts.leaves import Leaf, Leaves
from otpconv.alerts.level import Level, bounded, weights_for
from otpconv.alerts.past import Counts, Past, hour_of
from otpconv.alerts.planning import LEAST_HOURS, Plan, plan
from otpconv.alerts.recent import LEARNED_LATER, Batch, Recent
from otpconv.storage.alerts.contract import Change, Ended
from otpconv.storage.contract import HOUR_MS

#: The beginning of a fall is looked for from this long before its level left 0, ms.
_BEFORE_MS = HOUR_MS
#: Falls of an account that last at the same time, at most.
MAX_LASTING = 100
#: A leaf of which fewer messages are known is dropped after a day.
_LEAST_KNOWN = 0.5


class Watch:
    """The state of all slices.

    Args:
        budget: false alarms in a month over all slices, on average; above 0.
        first_attempts: whether the counts are those of first attempts only.

    Attributes:
        leaves: the leaves that are counted.
        past: the learned counts.
        hour: the hour since 1970 that is watched.
        learned: the last hour that was learned.
        recent: the messages that are not learned yet.
        falls, losses: the levels above 0, by slice; see `level.FALL` and `level.LOSS`.
        lasting: the falls that last, by slice.
        changed: what changed since `changed` was last cleared: pairs of a kind and a number.
    """

    def __init__(self, budget: float, *, first_attempts: bool = False) -> None:
        self.budget, self.first_attempts = budget, first_attempts
        self.leaves, self.past = Leaves(), Past()
        self.hour = self.learned = 0
        self.falls: dict[int, Level] = {}
        self.losses: dict[int, Level] = {}
        self.lasting: dict[int, Lasting] = {}
        self.changed: set[tuple[str, int]] = set()
        self.recent = Recent(self.changed)
        self._plan = Plan([], [], {}, {})
        self._explained: dict[int, int] = {}

    @property
    def watched(self) -> int:
        """How many slices have enough traffic to be watched."""
        return len(self._plan.margins)

    def learn(self, hour: int, now: int, counts: Mapping[Leaf, Counts]) -> None:
        """Learn an hour of the past, before anything is watched.

        Args:
            hour: since 1970, UTC; after those that were learned before.
            now: the hour now; the last day is learned a day later.
            counts: of the hour.
        """
        numbered = self._numbered(counts, hour)
        if hour <= now - LEARNED_LATER:
            self._learn(hour, {leaf: Counts(*both) for leaf, both in numbered.items()})
        else:
            self.recent.add_hour(hour, {leaf: (sent, used, -1.0) for leaf, (sent, used) in numbered.items()})

    def add(
        self, start: int, length: int, counts: Mapping[Leaf, Counts], *, only_weigh: bool = False
    ) -> list[Change]:
        """Add the counts of a time, and return the falls that were found, go on, or have ended.

        Args:
            start: of the time, ms; not before the end of the one before.
            length: of the time, ms; it is within an hour.
            counts: by leaf; those without messages are left out.
            only_weigh: whether to open nothing yet.
        """
        hour, end = hour_of(start), start + length
        if hour != self.hour:
            self._turn(hour)
        batch = Batch(start, length, {})
        sums: dict[int, list[float]] = {}
        news: dict[int, list[float]] = {}
        rates, watched = self._plan.rates, self._plan.watched
        for leaf, (requested, verified) in self._numbered(counts, hour).items():
            rate = rates[leaf] if leaf < len(rates) else None
            expected = -1.0 if rate is None else requested * rate
            explained = self._explained.get(leaf)
            if explained is not None:
                _sum(news, explained, requested, verified, expected)
                continue
            batch.seen[leaf] = (requested, verified, expected)
            if rate is not None:
                for each in watched[leaf]:
                    _sum(sums, each, requested, verified, expected)
        self.recent.add(batch)
        over = self._weigh(sums, start)
        for each, (sent, used, usual) in news.items():
            self.lasting[each].add(int(sent), used, usual, end)
        changes = self._end(end, news)
        while over and not only_weigh:
            changes += self._open(over, end)
            over = [each for each in over if self._highest(each).level >= 1]
        return changes

    def plan(self) -> None:
        """Compute what to expect in this hour."""
        self._plan = plan(self.past, self.leaves, self.hour, self.budget)
        for levels in (self.falls, self.losses):
            for each in [each for each in levels if each not in self._plan.margins]:
                del levels[each]
        self._cover()

    def scale(self, share: float) -> None:
        """Lower all usual rates to a share of the learned ones."""
        for cell in self.past.cells:
            if cell is not None:
                for leaf, verified in enumerate(cell.verified):
                    cell.verified[leaf] = verified * share
                self.changed.add(("week", cell.hour))
        self.recent.scale(share)
        self.falls, self.losses = {}, {}
        self.plan()

    def _numbered(self, counts: Mapping[Leaf, Counts], hour: int) -> dict[int, tuple[int, float]]:
        """Return requested and verified messages by the number of the leaf."""
        known = len(self.leaves.leaves)
        numbered: dict[int, tuple[int, float]] = {}
        for leaf, count in counts.items():
            number = self.leaves.number(leaf, hour)
            before = numbered.get(number, (0, 0))
            numbered[number] = (before[0] + count.requested, before[1] + count.verified)
        if len(self.leaves.leaves) != known:
            self.changed.add(("leaves", 0))
        return numbered

    def _turn(self, hour: int) -> None:
        """Begin another hour: learn the one of a day ago, and compute what to expect in this one."""
        for of, seen in self.recent.turn(hour):
            self._learn(of, {leaf: Counts(sent, used) for leaf, (sent, used, _) in seen.items()})
        if hour // 24 != self.hour // 24:
            self._drop(hour)
        self.hour = hour
        self.plan()

    def _learn(self, hour: int, counts: Mapping[int, Counts]) -> None:
        self.past.learn(hour, counts)
        self.learned = hour
        self.changed.add(("week", hour))

    def _weigh(self, sums: Mapping[int, list[float]], start: int) -> list[int]:
        """Add messages to the levels of slices, and return those whose level is over the limit."""
        over, plan = [], self._plan
        for each, (requested, verified, expected) in sums.items():
            failed = bounded(1 - expected / requested + plan.margins[each])
            weights = weights_for(failed, plan.budgets[each])
            failures = requested - verified
            for levels, gain in (
                (self.falls, failures * weights.fall_up - verified * weights.fall_down),
                (self.losses, failures * weights.loss_up - verified * weights.loss_down),
            ):
                level = levels.get(each)
                if level is None:
                    if gain <= 0:
                        continue
                    level = levels[each] = Level(0.0, start)
                level.level += gain
                if level.level <= 0:
                    del levels[each]
                elif level.level >= 1:
                    over.append(each)
        return over

    def _open(self, over: Iterable[int], at: int) -> list[Change]:
        """Open the fall that explains the highest level best."""
        first = max(over, key=lambda each: (self._highest(each).level, self.leaves.values[each]))
        since = self._highest(first).since
        self.falls.pop(first, None)
        self.losses.pop(first, None)
        if len(self.lasting) >= MAX_LASTING:
            return []
        seen = self.recent.since(since)
        which = explain(first, seen, self.leaves, self._plan)
        inside = {leaf for leaf in seen if which in self.leaves.slices[leaf]}
        slots = self.recent.slots(inside, since - _BEFORE_MS)
        if not slots:
            return []
        lasting = Lasting(self.leaves.values[which], at, *began(slots), at)
        for slot in slots:
            if slot.start >= lasting.since:
                lasting.count(slot.requested, slot.verified, slot.expected)
        changes: list[Change] = []
        for other in [other for other in self.lasting if self._is_part(other, which)]:
            part = self.lasting.pop(other)
            lasting.count(part.requested, part.verified, part.expected)
            changes.append(Ended("conversion_fell", part.values))
        self.lasting[which] = lasting
        self._cover()
        self._take_out([leaf for leaf, by in self._explained.items() if by == which], lasting.since)
        return [*changes, lasting.found(first_attempts=self.first_attempts)]

    def _highest(self, each: int) -> Level:
        levels = [levels[each] for levels in (self.falls, self.losses) if each in levels]
        return max(levels, key=lambda level: level.level, default=Level(0.0, 0))

    def _take_out(self, leaves: Sequence[int], since: int) -> None:
        """Take the messages of leaves out of all slices, so that they are neither weighed nor learned."""
        self.recent.take_out(set(leaves), since)
        for each in {each for leaf in leaves for each in self.leaves.slices[leaf]}:
            self.falls.pop(each, None)
            self.losses.pop(each, None)

    def _end(self, at: int, news: Mapping[int, object]) -> list[Change]:
        """End falls, and return what became of those that have ended or had messages."""
        changes: list[Change] = []
        for each, lasting in [*self.lasting.items()]:
            if lasting.has_ended(at):
                changes.append(Ended("conversion_fell", lasting.values))
                del self.lasting[each]
                if lasting.is_usual(at):
                    self._forget([leaf for leaf, by in self._explained.items() if by == each])
            elif each in news:
                changes.append(lasting.found(first_attempts=self.first_attempts))
        if any(isinstance(change, Ended) for change in changes):
            self._cover()
        return changes

    def _forget(self, leaves: Iterable[int]) -> None:
        """Forget the usual rates of some leaves; they are learned again."""
        leaves = [*leaves]
        self.past.forget(leaves)
        for leaf in leaves:
            self.leaves.first[leaf] = self.hour
        self.changed.add(("leaves", 0))
        self.changed |= {("week", cell.hour) for cell in self.past.cells if cell}
        self.plan()

    def _is_part(self, part: int, whole: int) -> bool:
        """Return whether all messages of a slice are in another one."""
        return set(self.leaves.values[whole]) < set(self.leaves.values[part])

    def _cover(self) -> None:
        """Find out which falls explain the messages of which leaves."""
        self._explained = {}
        for leaf, rate in enumerate(self._plan.rates if self.lasting else ()):
            for each in self.leaves.slices[leaf] if rate is not None else ():
                if each in self.lasting:
                    self._explained[leaf] = each

    def _drop(self, hour: int) -> None:
        """Drop the leaves that have had no messages for long."""
        totals = self.past.total(len(self.leaves.leaves))
        recent = self.recent.leaves()
        kept = [
            leaf
            for leaf, total in enumerate(totals)
            if total >= _LEAST_KNOWN or leaf in recent or self.leaves.first[leaf] > hour - LEAST_HOURS
        ]
        if len(kept) == len(totals):
            return
        before, self.leaves = self.leaves, Leaves()
        for leaf in kept:
            self.leaves.number(before.leaves[leaf], before.first[leaf])
        self.past.keep(kept)
        self.recent.renumber({leaf: number for number, leaf in enumerate(kept)})
        self.falls, self.losses = (
            {self.leaves.slice(before.values[each]): level for each, level in levels.items()}
            for levels in (self.falls, self.losses)
        )
        self.lasting = {self.leaves.slice(each.values): each for each in self.lasting.values()}
        self.changed.add(("leaves", 0))
        self.changed |= {("week", cell.hour) for cell in self.past.cells if cell}


def _sum(sums: dict[int, list[float]], each: int, requested: int, verified: float, expected: float) -> None:
    total = sums.get(each)
    if total is None:
        sums[each] = [requested, verified, expected]
    else:
        total[0] += requested
        total[1] += verified
        total[2] += expected
