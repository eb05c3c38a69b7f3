"""The groups of a snapshot's questions equal those of questions that nothing was read before."""

import random
from collections.abc import Sequence
from typing import Any

from otpconv.storage.contract import DAY_MS, DIMENSIONS, Span
from otpconv.storage.sqlite.ledger import groups
from otpconv.storage.sqlite.ledger.groups import MAX_KEPT, Combinations, Groups

ROUNDS = 60


def test_groups_do_not_depend_on_what_was_read_before() -> None:
    chance = random.Random(11)
    for _ in range(ROUNDS):
        ledger = _Ledger(chance)
        combinations = Combinations(ledger.read)
        for _ in range(12):
            account, spans = chance.choice((1, 2)), _spans(chance)
            by = chance.sample(DIMENSIONS, chance.randrange(len(DIMENSIONS) + 1))
            filters = {name: {"a", "c"} for name in DIMENSIONS if chance.random() < 0.2}
            assert combinations.groups(account, spans, by, filters) == _one_by_one(
                ledger.read(account, spans), by, filters
            )


def test_days_within_days_that_were_read_are_not_read_again() -> None:
    ledger = _Ledger(random.Random(5))
    combinations = Combinations(ledger.read)
    for first, last in ((0, 9), (3, 5), (0, 9), (9, 9)):
        combinations.groups(1, [(first * DAY_MS, last * DAY_MS)], ("country",), {})
    assert ledger.reads == 1


def test_a_snapshot_keeps_a_bounded_number_of_combinations() -> None:
    rows = [(n, "a", "b", "c", "d", "e", "f", "g", 0) for n in range(MAX_KEPT // 2 + 1)]
    reads: list[int] = []

    def read(account: int, spans: Sequence[Span]) -> list[Any]:  # noqa: ARG001
        reads.append(account)
        return rows

    combinations = Combinations(read)
    for account in (1, 2, 1, 2):
        combinations.groups(account, [(0, 1)], (str(DIMENSIONS[len(reads)]),), {})
    assert reads == [1, 2, 2]


def test_a_snapshot_keeps_a_bounded_number_of_groupings() -> None:
    ledger = _Ledger(random.Random(6))
    combinations = Combinations(ledger.read)
    for n in range(2 * groups.MAX_KEPT_GROUPS):
        answer = combinations.groups(1, [(0, 9 * DAY_MS)], ("country",), {"sender": {"a", str(n)}})
        assert answer == combinations.groups(1, [(0, 9 * DAY_MS)], ("country",), {"sender": {"a"}})


class _Ledger:
    """Combinations of two accounts on ten days, in the order of the ledger."""

    def __init__(self, chance: random.Random) -> None:
        self.reads = 0
        self._rows = [
            (number, *(chance.choice("abc") for _ in DIMENSIONS), day, account)
            for number, (account, day) in enumerate(
                ((account, day) for day in range(10) for account in (1, 2) for _ in range(4)), 1
            )
            if chance.random() < 0.8
        ]

    def read(self, account: int, spans: Sequence[Span]) -> list[Any]:
        self.reads += 1
        first, last = min(start for start, _ in spans) // DAY_MS, max(end for _, end in spans) // DAY_MS
        return [row[:-1] for row in self._rows if row[-1] == account and first <= row[-2] <= last]


def _spans(chance: random.Random) -> list[Span]:
    times = [sorted(chance.sample(range(10 * DAY_MS), 2)) for _ in range(chance.choice((1, 3)))]
    return [(start, end) for start, end in times]


def _one_by_one(rows: list[Any], by: Sequence[str], filters: dict[str, set[str]]) -> Groups:
    first = min((row[0] for row in rows), default=0)
    size = max((row[0] for row in rows), default=first - 1) + 1 - first
    numbers, values = [0] * size, list[tuple[str, ...]]()
    for row in rows:
        named = dict(zip(DIMENSIONS, row[1:-1], strict=True))
        if all(named[name] in accepted for name, accepted in filters.items()):
            group = tuple(named[name] for name in by)
            if group not in values:
                values.append(group)
            numbers[row[0] - first] = values.index(group) + 1
    return Groups(first, b"".join(number.to_bytes(4, "big") for number in numbers), values)
