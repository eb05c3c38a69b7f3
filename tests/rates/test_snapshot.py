"""Every answer is of one state of the ledger, also while the applier commits between any two questions."""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from itertools import pairwise
from pathlib import Path

import pytest

from campaigns import parameters
from otpconv.model import Conversion, Dimensions, Report, Requested, SelfReportedRate
from otpconv.rates import RateRow, compute_rates, parse_query
from otpconv.storage.contract import (
    DAY_MS,
    HOUR_MS,
    MAX_COUNTS,
    MINUTE_MS,
    Count,
    Entry,
    LedgerReader,
    Window,
)
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter

NOW = 20_000 * DAY_MS + 12 * HOUR_MS + 30 * MINUTE_MS
COUNTRIES = ("DE", "FR", "BR")
LEVELS = ("message", "first_attempt", "session")


class Busy(SqliteLedgerReader):
    """A ledger whose applier brings in another batch before every question."""

    def __init__(self, path: Path, writer: SqliteLedgerWriter) -> None:
        super().__init__(path)
        self._writer = writer
        self.applied = 0

    def snapshot(self) -> AbstractContextManager[int]:
        self._apply()
        return super().snapshot()

    def counts(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        *,
        delays: bool = True,
        limit: int = MAX_COUNTS,
    ) -> list[Count]:
        self._apply()
        found = super().counts(account, window, by, filters, delays=delays, limit=limit)
        self._apply()
        return found

    def minutes_from(self) -> int:
        self._apply()
        return super().minutes_from()

    def unmatched(self, account: int) -> int:
        self._apply()
        return super().unmatched(account)

    def self_reported(self, account: int, start: int, end: int) -> list[SelfReportedRate]:
        self._apply()
        return super().self_reported(account, start, end)

    def _apply(self) -> None:
        before = self._writer.cursor()
        self.applied += self._writer.apply(3) - before


def world(chance: random.Random) -> list[Report]:
    """Messages of two days, most of them of the last minutes, in the order of their arrival."""
    reports: list[tuple[int, Report]] = []
    for n in range(1_200):
        back = chance.randrange(2 * DAY_MS) if chance.random() < 0.4 else chance.randrange(8 * MINUTE_MS)
        at = NOW - back
        session = f"s{chance.randrange(600)}" if chance.random() < 0.5 else ""
        message = Requested(
            1,
            f"{n}",
            at,
            Dimensions(chance.choice(COUNTRIES), provider=chance.choice("pq")),
            session_id=session,
            attempt=chance.choice((1, 1, 2)),
        )
        reports.append((chance.randrange(100_000), message))
        if chance.random() < 0.8:
            came = Conversion(
                1,
                delivered=chance.random() < 0.8,
                conversion_time=min(NOW, at + 1 + chance.randrange(60_000)),
                message_id=f"{n}",
            )
            reports.append((chance.randrange(100_000), came))
    return [report for _, report in sorted(reports, key=lambda each: each[0])]


@pytest.fixture(params=parameters(range(12), range(2), "other seeds"))
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Busy]:
    chance = random.Random(request.param)
    with closing(SqliteJournal(tmp_path / "j")) as journal:
        for first in range(0, len(reports := world(chance)), 3):
            journal.append([Entry(report) for report in reports[first : first + 3]], NOW)
        with (
            closing(SqliteLedgerWriter(tmp_path / "l", tmp_path / "j")) as writer,
            closing(Busy(tmp_path / "l", writer)) as ledger,
        ):
            writer.apply(chance.randrange(200, 600))
            yield ledger


def rows(ledger: LedgerReader, *parameters: tuple[str, str]) -> list[RateRow]:
    return compute_rates(ledger, 1, parse_query(parameters, NOW), NOW).rows


def agree(row: RateRow, level: str) -> None:
    assert 0 <= row.now.pending <= row.requested - row.verified
    assert row.reported <= row.messages
    if level == "message":
        assert row.verified <= row.reported <= row.requested == row.messages


def sums(found: Sequence[RateRow]) -> tuple[int, ...]:
    before = [row.before for row in found if row.before]
    return (
        sum(row.requested for row in found),
        sum(row.verified for row in found),
        sum(row.now.pending for row in found),
        sum(row.reported for row in found),
        sum(each.requested for each in before),
        sum(each.verified for each in before),
    )


def test_pending_never_exceeds_what_is_not_verified(busy: Busy) -> None:
    for level in LEVELS:
        for more in ([], [("by", "country,provider")], [("interval", "1h")], [("compare", "day")]):
            applied = busy.applied
            for row in rows(busy, ("level", level), *more):
                agree(row, level)
            assert busy.applied > applied


def test_several_answers_of_one_snapshot_agree_with_each_other(busy: Busy) -> None:
    for level in LEVELS:
        given = [("level", level), ("compare", "day")]
        applied = busy.applied
        with busy.snapshot():
            answers = [
                rows(busy, *given),
                rows(busy, *given, ("by", "country")),
                rows(busy, *given, ("by", "country,provider"), ("top", "2")),
                [row for name in COUNTRIES for row in rows(busy, *given, ("country", name))],
                rows(busy, *given),
            ]
        assert busy.applied > applied
        for one, other in pairwise([sums(found) for found in answers]):
            assert one == other
        for row in (row for found in answers for row in found):
            agree(row, level)
