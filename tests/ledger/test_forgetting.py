"""Forgetting believes no clock alone: whatever the clock says, reports younger than the limits stay."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import parameters, rounds
from otpconv.ledger.forgetting import EVERY_S, MINUTES_KEPT_MS, STEP_MS, WAIT_S, Forgetting
from otpconv.model import Conversion, Expiry, Report, Requested
from otpconv.storage.contract import CLOCK_BEHIND_MS, DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.engines import ENGINES, Engine, Storage, at_once, sqlite_first

BEGIN = 1_800_000_000_000 // HOUR_MS * HOUR_MS
UNMATCHED_MS = 7 * DAY_MS
YEAR_MS = 365 * DAY_MS


class World:
    """A server that is started again and again, with a clock that may be wrong."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.true = BEGIN
        self.off = 0
        self.steady = 0.0
        self.count = 0
        self.reports: list[tuple[int, Report]] = []
        self.start()

    def clock(self) -> int:
        return self.true + self.off

    def start(self, off: int = 0) -> None:
        self.off = off
        self.forgetting = Forgetting(
            self.storage.journal,
            self.storage.ledger,
            self.clock,
            unmatched_ms=UNMATCHED_MS,
            steady=lambda: self.steady,
        )
        self.forget()

    def forget(self) -> None:
        self.append_what_is_due()
        self.storage.apply_all()

    def append_what_is_due(self) -> bool:
        if due := at_once(self.forgetting.due()):
            entry, recorded_at = due
            self.storage.journal.append([entry], recorded_at)
        return due is not None

    def work(self, hours: int, *, reports: bool = True) -> None:
        """Run for some hours, with a message and an unmatched conversion in each; their times are true."""
        for _ in range(hours):
            if reports:
                self.count += 1
                for report in (
                    Requested(1, f"m{self.count}", self.true),
                    Conversion(1, delivered=True, conversion_time=self.true, message_id=f"c{self.count}"),
                ):
                    self.storage.append(report, recorded_at=self.clock())
                    self.reports.append((self.true, report))
            for _ in range(2):
                self.forget()
                self.true += HOUR_MS // 2
                self.steady += EVERY_S / 2

    def known(self) -> set[str]:
        return {message.message_id for message in self.storage.ledger.messages(1)}

    def unmatched_of_the_last(self, time_ms: int) -> set[str]:
        return {
            report.message_id
            for at, report in self.reports
            if isinstance(report, Conversion) and at >= self.true - time_ms
        }

    def by_minute_of_the_last(self, time_ms: int) -> int:
        start = (self.true - time_ms) // MINUTE_MS * MINUTE_MS
        counts = self.storage.ledger.counts(1, Window(minutes=((start, self.true + MINUTE_MS),)), [], {})
        return sum(each.tally.requested for each in counts)

    def requested_in_the_last(self, time_ms: int) -> int:
        return sum(isinstance(report, Requested) and at >= self.true - time_ms for at, report in self.reports)

    def lost_nothing(self) -> None:
        assert self.unmatched_of_the_last(UNMATCHED_MS) <= self.known()
        kept = MINUTES_KEPT_MS - HOUR_MS
        assert self.by_minute_of_the_last(kept) == self.requested_in_the_last(kept)


@contextmanager
def world(engine: Engine) -> Iterator[World]:
    with engine.open() as storage:
        yield World(storage)


WRONG = [-30 * YEAR_MS, -400 * DAY_MS, -8 * HOUR_MS, 2 * DAY_MS, 400 * DAY_MS, 100 * YEAR_MS]
CASES = list(product(ENGINES, WRONG, [False, True]))
IN_SHORT = [case for case in CASES if case[0] is ENGINES[0]]


@pytest.mark.parametrize(
    ("engine", "off", "reports"),
    parameters(CASES, IN_SHORT, "the same on PostgreSQL, where each case takes seconds"),
    indirect=["engine"],
    scope="session",
)
@pytest.mark.long("on PostgreSQL, each hour takes several transactions")
def test_starts_with_a_wrong_clock_destroy_nothing_also_after_a_rebuild(
    engine: Engine,
    off: int,
    reports: bool,  # noqa: FBT001
) -> None:
    with world(engine) as our:
        our.work(5 * 24)
        for _ in range(3):
            our.start(off)
            our.work(4, reports=reports)
        our.start()
        our.work(24)
        our.lost_nothing()
        with engine.open(our.storage.name) as rebuilt:
            rebuilt.apply_all()
            our.storage.ledger.close()
            our.storage.ledger = rebuilt.ledger
            our.lost_nothing()


@given(
    starts=st.lists(
        st.tuples(st.sampled_from([0, *WRONG]), st.integers(0, 5), st.booleans()), min_size=1, max_size=6
    )
)
@settings(max_examples=rounds(25, at_least=3))
@sqlite_first
@pytest.mark.long("each hour of each example takes several transactions")
def test_no_series_of_starts_with_clocks_that_go_astray_destroys_anything(
    engine: Engine, starts: list[tuple[int, int, bool]]
) -> None:
    with world(engine) as our:
        our.work(80)
        for off, hours, reports in starts:
            our.start(off)
            our.work(hours, reports=reports)
        our.start()
        our.work(2)
        our.lost_nothing()


@pytest.mark.long("on PostgreSQL, each hour takes several transactions")
@sqlite_first
def test_with_a_clock_that_is_right_old_minutes_and_unmatched_conversions_go(engine: Engine) -> None:
    with world(engine) as our:
        our.work(10 * 24)
        our.lost_nothing()
        assert {f"c{n}" for n in range(1, 24)}.isdisjoint(our.known())
        assert our.by_minute_of_the_last(20 * DAY_MS) <= MINUTES_KEPT_MS // HOUR_MS + 2


@sqlite_first
def test_after_a_long_stop_forgetting_goes_on_within_hours(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with world(engine) as our:
        our.work(100)
        our.true += 30 * DAY_MS
        our.start()
        our.work(int(WAIT_S / 3600) - 1)
        assert our.by_minute_of_the_last(40 * DAY_MS) > 70
        warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert all("set it if it is wrong" in text for text in warnings)
        assert 1 <= len(warnings) <= WAIT_S / 3600
        our.work(4)
        assert our.by_minute_of_the_last(40 * DAY_MS) < 15
        our.lost_nothing()


def test_a_clock_behind_the_newest_report_is_warned_of_once_an_hour(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with world(engine) as our:
        our.work(4)
        our.start(-CLOCK_BEHIND_MS - 2 * HOUR_MS)
        for _ in range(20):
            our.forget()
        (text,) = [record.message for record in caplog.records]
        assert "behind the newest report" in text
        assert "set the clock" in text


def test_the_first_reports_of_a_folder_are_not_kept_by_minute_for_longer_than_others(engine: Engine) -> None:
    with world(engine) as our:
        old = BEGIN - 30 * DAY_MS
        our.storage.append(
            Requested(1, "old", old),
            Conversion(1, delivered=True, conversion_time=old, message_id="later"),
            recorded_at=our.clock(),
        )
        our.forget()
        our.forget()
        assert our.storage.ledger.minutes_from() == BEGIN - MINUTES_KEPT_MS
        assert our.known() == {"old", "later"}


def test_a_ledger_that_is_behind_makes_no_expiry_come_twice(engine: Engine) -> None:
    with world(engine) as our:
        our.storage.append(Requested(1, "m", BEGIN), recorded_at=our.clock())
        assert [our.append_what_is_due() for _ in range(5)] == [True, False, False, False, False]


@sqlite_first
def test_an_expiry_that_an_older_version_wrote_by_a_wrong_clock_is_passed_over(engine: Engine) -> None:
    with world(engine) as our:
        our.work(100)
        for hour in range(3):
            wrong = our.true + 400 * DAY_MS + hour * HOUR_MS
            our.storage.append(Expiry(wrong - UNMATCHED_MS, wrong - MINUTES_KEPT_MS), recorded_at=wrong)
        our.start()
        our.work(3)
        our.lost_nothing()


@sqlite_first
def test_a_step_is_at_most_a_day(engine: Engine) -> None:
    with world(engine) as our:
        our.work(100)
        our.start(STEP_MS)
        our.work(1)
        our.start()
        assert our.unmatched_of_the_last(UNMATCHED_MS - 2 * STEP_MS) <= our.known()
