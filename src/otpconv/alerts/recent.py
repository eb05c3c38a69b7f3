"""The messages that are not learned yet: of the last day by hour, and of the last hour by batch. Pure."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from otpconv.alerts.changepoint import Slot
from otpconv.alerts.past import hour_of
from otpconv.storage.contract import HOUR_MS, MINUTE_MS

#: Messages of a leaf, those of them that were verified, and how many were to be; below 0: not known.
Seen = tuple[int, float, float]
#: An hour is learned so many hours later.
LEARNED_LATER = 24


class Batch(Struct, array_like=True):
    """The messages of a short time, without those that a fall explains.

    Attributes:
        start, length: ms.
        seen: by leaf.
    """

    start: int
    length: int
    seen: dict[int, Seen]


class Recent:
    """The messages that are not learned yet.

    Args:
        changed: where to note what changed: pairs of a kind and a number.

    Attributes:
        hours: the messages of hours, but for those in `batches`.
        batches: of the hour that is watched and the one before.
    """

    def __init__(self, changed: set[tuple[str, int]]) -> None:
        self.hours: dict[int, dict[int, Seen]] = {}
        self.batches: deque[Batch] = deque()
        self._changed = changed

    def add(self, batch: Batch) -> None:
        """Add the messages of a batch, which is newer than all others."""
        self.batches.append(batch)
        self._note(batch)

    def add_hour(self, hour: int, seen: dict[int, Seen]) -> None:
        """Add the messages of an hour (since 1970)."""
        self.hours[hour] = added((self.hours.get(hour, {}), seen))
        self._changed.add(("hour", hour))

    def turn(self, hour: int) -> list[tuple[int, dict[int, Seen]]]:
        """Begin another hour; return those that are to be learned now, in order, and drop them."""
        while self.batches and hour_of(self.batches[0].start) < hour - 1:
            batch = self.batches.popleft()
            self.add_hour(hour_of(batch.start), batch.seen)
        due = sorted(each for each in self.hours if each <= hour - LEARNED_LATER)
        return [(each, self.hours.pop(each)) for each in due]

    def since(self, time: int) -> dict[int, Seen]:
        """Return the messages since a time (ms), or the hour that it is in."""
        parts = [seen for hour, seen in self.hours.items() if (hour + 1) * HOUR_MS > time]
        return added([*parts, *(batch.seen for batch in self.batches if batch.start >= time)])

    def slots(self, leaves: Collection[int], since: int) -> list[Slot]:
        """Return the messages of some leaves since a time (ms), by hour or batch; without those not known."""
        parts = [(hour * HOUR_MS, HOUR_MS, self.hours[hour]) for hour in sorted(self.hours)]
        parts += [(batch.start, batch.length, batch.seen) for batch in self.batches]
        slots = []
        for start, length, seen in parts:
            if start + length > since:
                known = [each for leaf, each in seen.items() if leaf in leaves and each[2] >= 0]
                if known:
                    requested, verified, expected = map(sum, zip(*known, strict=True))
                    slots.append(Slot(start, length, int(requested), verified, expected))
        return slots

    def take_out(self, leaves: Collection[int], since: int) -> None:
        """Drop the messages of some leaves since a time, ms."""
        for hour, seen in self.hours.items():
            if (hour + 1) * HOUR_MS > since and _remove(leaves, seen):
                self._changed.add(("hour", hour))
        for batch in self.batches:
            if batch.start >= since and _remove(leaves, batch.seen):
                self._note(batch)

    def leaves(self) -> set[int]:
        """Return the leaves that have messages."""
        parts = [*self.hours.values(), *(batch.seen for batch in self.batches)]
        return {leaf for seen in parts for leaf in seen}

    def renumber(self, numbers: Mapping[int, int]) -> None:
        """Give leaves other numbers; `numbers` has them by the one before."""
        self.hours = {hour: _renumbered(seen, numbers) for hour, seen in self.hours.items()}
        for batch in self.batches:
            batch.seen = _renumbered(batch.seen, numbers)
            self._note(batch)
        self._changed |= {("hour", hour) for hour in self.hours}

    def scale(self, share: float) -> None:
        """Lower the verified messages of the hours to a share of them."""
        self.hours = {
            hour: {leaf: (sent, used * share, usual) for leaf, (sent, used, usual) in seen.items()}
            for hour, seen in self.hours.items()
        }
        self._changed |= {("hour", hour) for hour in self.hours}

    def _note(self, batch: Batch) -> None:
        self._changed.add(("minute", batch.start // MINUTE_MS))


def added(many: Iterable[Mapping[int, Seen]]) -> dict[int, Seen]:
    """Return the sums by leaf; a sum with an unknown part is unknown."""
    sums: dict[int, Seen] = {}
    for seen in many:
        for leaf, (requested, verified, expected) in seen.items():
            before = sums.get(leaf)
            if before is None:
                sums[leaf] = (requested, verified, expected)
            else:
                known = expected >= 0 and before[2] >= 0
                sums[leaf] = (
                    before[0] + requested,
                    before[1] + verified,
                    before[2] + expected if known else -1.0,
                )
    return sums


def _remove(leaves: Collection[int], seen: dict[int, Seen]) -> bool:
    gone = [leaf for leaf in seen if leaf in leaves]
    for leaf in gone:
        del seen[leaf]
    return bool(gone)


def _renumbered(seen: Mapping[int, Seen], numbers: Mapping[int, int]) -> dict[int, Seen]:
    return {numbers[leaf]: each for leaf, each in seen.items()}
