"""Intake: durable first, then acknowledged; one commit for many; lookups see acknowledged reports."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from ledger.recount import Facts, contents, recount
from ledger.reports import ACCOUNTS, DAY, Step, hashed, some_reports, steps
from otpconv.errors import InvalidTime, NumberMismatch, Refused, Unavailable, UnknownMessage
from otpconv.ledger import journal_writer
from otpconv.ledger.chunk_size import MAX_CHUNK, MIN_CHUNK, TARGET_S
from otpconv.ledger.intake import MAX_BATCH, MAX_WAITING, Intake
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.judge import EARLIEST_MS, Judgement
from otpconv.ledger.recent import Recent
from otpconv.model import CLOCK_SKEW_MS, Conversion, Expiry, Report, Requested, SelfReportedRate, Timing
from otpconv.storage.awaitable import AwaitableOrValue
from otpconv.storage.contract import Entry
from otpconv.storage.journal import Journal
from otpconv.storage.lookup import LedgerLookup, Lookup, Stored
from storage.engines import NOW, Engine, Storage

NUMBER, OTHER_NUMBER = hashed(1, "5"), hashed(1, "6")
A = Requested(1, "a", DAY, number=NUMBER)


def true(message_id: str, time: int, number: str = "") -> Conversion:
    return Conversion(1, delivered=True, conversion_time=time, message_id=message_id, number=number)


def by_number(time: int, number: str = NUMBER) -> Conversion:
    return Conversion(1, delivered=True, conversion_time=time, number=number)


class RecordingJournal:
    """A real journal, and the entries appended to it."""

    def __init__(self, journal: Journal, appends: list[list[Entry]] | None = None) -> None:
        self._journal = journal
        self.appends = [] if appends is None else appends
        self.confirmed = 0
        self.before_append: Callable[[], None] = lambda: None

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        self.before_append()
        self.appends.append(list(entries))
        return self._journal.append(entries, recorded_at)

    def confirm(self) -> AwaitableOrValue[None]:
        self.confirmed += 1
        return self._journal.confirm()

    def head(self) -> int:
        return self._journal.head()

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        return self._journal.nonces(since, limit)

    def close(self) -> None:
        self._journal.close()


class LateJournal(RecordingJournal):
    """A real journal that answers later, as an engine over a network does."""

    at_once = 1

    async def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        await asyncio.sleep(0)
        position = super().append(entries, recorded_at)
        await asyncio.sleep(0)
        return position


class LateLedger:
    """A real ledger that answers later."""

    def __init__(self, ledger: LedgerLookup) -> None:
        self._ledger = ledger

    async def look_up(self, lookup: Lookup) -> Stored:
        await asyncio.sleep(0)
        stored = self._ledger.look_up(lookup)
        await asyncio.sleep(0)
        return stored


class MemoryJournal:
    """A journal that can fail; nothing reads its contents."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.failing = False

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:  # noqa: ARG002
        if self.failing:
            raise Unavailable("The disk is on fire.")
        self.entries += entries
        return len(self.entries)

    def confirm(self) -> None:
        pass

    def head(self) -> int:
        return len(self.entries)

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:  # noqa: ARG002
        return []

    def close(self) -> None:
        pass


@dataclass
class Desk:
    """An intake, its parts, and how often it said that something was recorded."""

    storage: Storage
    intake: Intake
    journal: RecordingJournal
    recorded: list[int]

    def report(self, *reports: Report) -> list[Judgement]:
        return asyncio.run(self.intake.record(reports))

    def outcome(self, report: Report) -> str | type[Refused]:
        (outcome,) = self.report(report)
        return outcome if isinstance(outcome, str) else type(outcome)


@pytest.fixture(autouse=True)
def every_commit_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never commit in the writer's thread, which has its own journal: a busy machine is not a slow disk."""
    monkeypatch.setattr(journal_writer, "SLOW_S", math.inf)


def desk_of(
    storage: Storage,
    *,
    journal: Journal | None = None,
    strict: bool = False,
    late: bool = False,
    append_s: float = 0.0,
) -> Desk:
    recording = (LateJournal if late else RecordingJournal)(journal or storage.journal)
    recorded: list[int] = []
    intake = Intake(
        JournalWriter(recording, lambda: RecordingJournal(storage.new_journal(), recording.appends)),
        LateLedger(storage.ledger) if late else storage.ledger,
        Recent(storage.writer.cursor),
        lambda: NOW,
        recorded=lambda *_: recorded.append(recording.head()),
        strict=strict,
        stopwatch=lambda: len(recording.appends) * append_s,
    )
    return Desk(storage, intake, recording, recorded)


@pytest.fixture(params=[False, True], ids=["at once", "later"])
def late(request: pytest.FixtureRequest) -> bool:
    """Whether the storage answers later."""
    answer: bool = request.param
    return answer


@pytest.fixture
def desk(storage: Storage, *, late: bool) -> Desk:
    return desk_of(storage, late=late)


@pytest.fixture
def strict_desk(storage: Storage, *, late: bool) -> Desk:
    return desk_of(storage, strict=True, late=late)


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


def test_what_was_there_already_is_acknowledged_once_it_is_surely_durable(desk: Desk) -> None:
    assert desk.report(A) == ["recorded"]
    assert desk.journal.confirmed == 0
    assert desk.report(A) != ["recorded"]
    assert (desk.journal.confirmed, len(desk.journal.appends)) == (1, 1)


def test_an_acknowledged_report_is_in_the_journal(desk: Desk) -> None:
    reader = desk.storage.new_journal()

    async def main() -> None:
        future = desk.intake.submit([Entry(A), Entry(true("a", DAY + 1))])
        assert reader.head() == 0
        assert await future == ["recorded", "recorded"]
        assert reader.head() == 2

    run(main)
    reader.close()


def test_nobody_is_answered_before_the_commit(desk: Desk) -> None:
    async def main() -> None:
        futures = [desk.intake.submit([Entry(true("a", DAY + n))]) for n in range(3)]
        answered: list[bool] = []
        desk.journal.before_append = lambda: answered.extend(future.done() for future in futures)
        await asyncio.gather(*futures)
        assert answered == [False, False, False]

    run(main)


def test_those_who_wait_in_one_turn_share_a_commit(desk: Desk) -> None:
    async def main() -> None:
        async def request(n: int) -> list[Judgement]:
            return await desk.intake.submit([Entry(Requested(1, f"{n}", DAY)), Entry(A)])

        outcomes = await asyncio.gather(*(request(n) for n in range(50)))
        assert outcomes == [["recorded", "recorded"]] + [["recorded", "unchanged"]] * 49

    run(main)
    assert [len(entries) for entries in desk.journal.appends] == [51]
    assert desk.recorded == [51]


def test_a_full_batch_leaves_the_rest_to_the_next_commit(desk: Desk) -> None:
    async def main() -> None:
        waiting = [desk.intake.submit([Entry(Requested(1, f"{n}", DAY))]) for n in range(MAX_BATCH + 3)]
        assert await asyncio.gather(*waiting) == [["recorded"]] * (MAX_BATCH + 3)

    run(main)
    assert [len(entries) for entries in desk.journal.appends] == [MAX_BATCH, 3]


def test_a_large_batch_of_one_client_lets_others_in_between(desk: Desk) -> None:
    order: list[str] = []

    async def main() -> None:
        async def large() -> None:
            await desk.intake.record([Requested(1, f"{n}", DAY) for n in range(2 * MAX_CHUNK + 1)])
            order.append("large")

        async def small() -> None:
            await desk.intake.submit([Entry(A)])
            order.append("small")

        await asyncio.gather(large(), small())

    run(main)
    assert order == ["small", "large"]
    assert [len(entries) for entries in desk.journal.appends] == [MAX_CHUNK + 1, MAX_CHUNK, 1]


@pytest.mark.parametrize("clients", [2, 5, 9])
def test_a_single_report_waits_for_one_chunk_however_many_large_batches_there_are(
    desk: Desk, clients: int
) -> None:
    async def main() -> None:
        large = [
            desk.intake.record([Requested(1, f"{client} {n}", DAY) for n in range(3 * MAX_CHUNK)])
            for client in range(clients)
        ]
        working = asyncio.gather(*large)
        for n in range(3 * clients):
            await desk.intake.submit([Entry(Requested(1, f"single {n}", DAY))])
        await working

    run(main)
    assert max(len(entries) for entries in desk.journal.appends) <= MAX_CHUNK + 1
    singles = [
        place
        for place, entries in enumerate(desk.journal.appends)
        for entry in entries
        if isinstance(entry.report, Requested) and entry.report.message_id.startswith("single")
    ]
    assert all(later - earlier <= 2 for earlier, later in pairwise(singles))


def test_where_commits_are_slow_a_large_batch_is_cut_into_smaller_chunks(storage: Storage) -> None:
    desk = desk_of(storage, append_s=4 * TARGET_S)
    desk.report(*(Requested(1, f"{n}", DAY) for n in range(400)))
    sizes = [len(entries) for entries in desk.journal.appends]
    assert sizes[:3] == [MAX_CHUNK, MAX_CHUNK // 4, MIN_CHUNK]
    assert sum(sizes) == 400


def test_small_batches_of_many_clients_share_a_commit(desk: Desk) -> None:
    async def main() -> None:
        await asyncio.gather(*(desk.intake.record([Requested(1, f"{n}", DAY)]) for n in range(100)))

    run(main)
    assert [len(entries) for entries in desk.journal.appends] == [100]


def test_what_adds_nothing_is_not_written_again(desk: Desk) -> None:
    reports: list[Report] = [A, true("a", DAY + 3), by_number(DAY + 5)]
    assert desk.report(*reports) == ["recorded"] * 3
    assert desk.report(*reports) == ["unchanged"] * 3
    assert desk.recorded == [3]
    desk.storage.apply_all()
    assert desk.report(*reports) == ["unchanged"] * 3
    assert len(desk.journal.appends) == 1


@pytest.mark.parametrize("applied", [False, True])
def test_every_look_up_sees_what_was_acknowledged(desk: Desk, applied: bool) -> None:  # noqa: FBT001
    def then(report: Report) -> str | type[Refused]:
        if applied:
            desk.storage.apply_all()
        return desk.outcome(report)

    assert then(A) == "recorded"
    assert then(Requested(1, "a", DAY + 1)) == "unchanged"
    assert then(true("a", DAY)) is InvalidTime
    assert then(true("a", DAY + 5, OTHER_NUMBER)) is NumberMismatch
    assert then(by_number(DAY)) is InvalidTime
    assert then(true("a", DAY + 5)) == "recorded"
    assert then(true("a", DAY + 7)) == "recorded"
    assert then(true("a", DAY + 6)) == "unchanged"
    assert then(Requested(1, "a", DAY - 5, number=NUMBER)) == "recorded"
    assert then(true("a", DAY)) == "recorded"
    assert then(true("a", DAY - 5)) is InvalidTime
    assert then(by_number(DAY + 1)) == "recorded"
    assert then(by_number(DAY + 1)) == "unchanged"


def test_reports_of_one_batch_see_those_before_them(desk: Desk) -> None:
    outcomes = desk.report(
        A,
        A,
        true("a", DAY),
        true("a", DAY + 1),
        true("a", DAY + 1),
        by_number(DAY),
        by_number(DAY + 2),
        by_number(DAY + 2),
        Requested(1, "a", DAY - 1),
        true("a", DAY),
    )
    assert [each if isinstance(each, str) else type(each) for each in outcomes] == [
        "recorded",
        "unchanged",
        InvalidTime,
        "recorded",
        "unchanged",
        InvalidTime,
        "recorded",
        "unchanged",
        "recorded",
        "recorded",
    ]
    assert desk.storage.journal.head() == 5


def test_a_refused_report_harms_neither_its_neighbours_nor_the_journal(desk: Desk) -> None:
    outcomes = desk.report(A, true("b", NOW + CLOCK_SKEW_MS + 1), true("c", DAY))
    assert outcomes[0] == "recorded" == outcomes[2]
    assert isinstance(outcomes[1], InvalidTime)
    assert desk.storage.journal.head() == 2


def requested(time: int) -> Requested:
    return Requested(1, "a", time)


def true_by_id(time: int) -> Conversion:
    return true("a", time)


def self_reported(time: int) -> SelfReportedRate:
    return SelfReportedRate(1, time, 0.5)


@pytest.mark.parametrize("at", [requested, true_by_id, by_number, self_reported])
def test_times_are_from_the_year_2000_to_a_minute_ahead(desk: Desk, at: Callable[[int], Report]) -> None:
    assert desk.outcome(at(NOW + CLOCK_SKEW_MS + 1)) is InvalidTime
    assert desk.outcome(at(NOW // 1000)) is InvalidTime
    assert desk.outcome(at(EARLIEST_MS - 1)) is InvalidTime
    assert desk.storage.journal.head() == 0
    assert desk.outcome(at(NOW + CLOCK_SKEW_MS)) == "recorded"
    assert desk.outcome(at(EARLIEST_MS)) == "recorded"


@pytest.mark.parametrize(
    ("report", "part"),
    [
        (true("a", NOW + CLOCK_SKEW_MS + 1), f"the server's time is {NOW} (ms)"),
        (true("a", DAY // 1000), "in milliseconds, not seconds"),
        (true("a", DAY), f"at {DAY}"),
        (true("a", DAY + 1, OTHER_NUMBER), "Message a was requested for another number"),
    ],
    ids=["future", "seconds", "before", "number"],
)
def test_a_refusal_says_what_is_wrong(desk: Desk, report: Conversion, part: str) -> None:
    desk.report(A)
    (refusal,) = desk.report(report)
    assert isinstance(refusal, Refused)
    assert part in refusal.text


@pytest.mark.parametrize("timing", [Timing.ARRIVAL, Timing.UNKNOWN])
@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("delivered", [False, True])
def test_a_conversion_without_a_time_is_taken_whenever_it_comes_and_counts_once(
    desk: Desk,
    timing: Timing,
    applied: bool,  # noqa: FBT001
    delivered: bool,  # noqa: FBT001
) -> None:
    desk.report(A)
    # Of the false ones with a time the last is kept.
    again = "recorded" if timing is Timing.ARRIVAL and not delivered else "unchanged"
    for arrival, expected in ((DAY - 1, "recorded"), (DAY + 9, again)):
        if applied:
            desk.storage.apply_all()
        assert desk.outcome(Conversion(1, delivered, arrival, "a", timing=timing)) == expected
    if delivered:
        assert desk.outcome(true("a", DAY + 5)) == "recorded"


def test_a_number_that_was_not_told_mismatches_nothing(desk: Desk) -> None:
    desk.report(Requested(1, "untold", DAY), A)
    assert desk.outcome(true("untold", DAY + 1, NUMBER)) == "recorded"
    assert desk.outcome(true("a", DAY + 1)) == "recorded"
    assert desk.outcome(true("unknown", DAY + 1, NUMBER)) == "recorded"


def test_a_conversion_may_come_before_its_message(desk: Desk) -> None:
    assert desk.outcome(true("a", DAY)) == "recorded"
    assert desk.outcome(by_number(DAY)) == "recorded"
    assert desk.outcome(A) == "recorded"


def test_strict_mode_refuses_conversions_of_unknown_messages(strict_desk: Desk) -> None:
    desk = strict_desk
    assert desk.outcome(true("a", DAY + 1)) is UnknownMessage
    assert desk.outcome(by_number(DAY + 1)) is UnknownMessage
    assert desk.storage.journal.head() == 0
    assert desk.report(A, true("a", DAY + 1), by_number(DAY + 1)) == ["recorded"] * 3
    desk.storage.apply_all()
    assert desk.outcome(true("a", DAY + 2)) == "recorded"
    assert desk.outcome(by_number(DAY + 2)) == "recorded"
    assert desk.outcome(by_number(DAY - 1)) is UnknownMessage
    assert desk.outcome(by_number(DAY + 2, OTHER_NUMBER)) is UnknownMessage


def test_a_message_whose_request_moved_on_the_way_refuses_no_conversion(desk: Desk) -> None:
    desk.report(A)
    desk.report(Requested(1, "a", DAY - 5, number=NUMBER))
    assert desk.outcome(by_number(DAY)) == "recorded"


def test_a_message_whose_request_moved_after_it_was_applied_refuses_no_conversion(desk: Desk) -> None:
    desk.report(A)
    desk.storage.apply_all()
    assert desk.report(Requested(1, "a", DAY - 5, number=NUMBER), by_number(DAY)) == ["recorded"] * 2
    assert desk.outcome(by_number(DAY)) == "unchanged"


def test_a_failed_commit_reaches_all_who_wait_and_records_nothing(storage: Storage) -> None:
    journal = MemoryJournal()
    desk = desk_of(storage, journal=journal)

    async def main() -> None:
        journal.failing = True
        waiting = [desk.intake.submit([Entry(A)]), desk.intake.submit([Entry(true("a", DAY + 1))])]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, Unavailable)
        journal.failing = False
        # As if the two had never been there: the message is not known.
        assert await desk.intake.submit([Entry(true("a", DAY))]) == ["recorded"]
        assert await desk.intake.submit([Entry(A)]) == ["recorded"]

    run(main)
    assert [entry.report for entry in journal.entries] == [true("a", DAY), A]
    assert desk.recorded == [1, 2]


def test_a_failure_that_is_not_ours_reaches_all_who_wait_too(desk: Desk) -> None:
    async def main() -> None:
        def fail() -> None:
            raise OSError("not one of ours")

        desk.journal.before_append = fail
        for outcome in await asyncio.gather(
            *(desk.intake.submit([Entry(A)]) for _ in range(2)), return_exceptions=True
        ):
            assert isinstance(outcome, OSError)

    run(main)


def test_who_no_longer_waits_harms_nobody(desk: Desk) -> None:
    async def main() -> None:
        gone = desk.intake.submit([Entry(A)])
        stays = desk.intake.submit([Entry(true("a", DAY + 1)), Entry(true("a", DAY))])
        gone.cancel()
        outcomes = await stays
        assert outcomes[0] == "recorded"
        assert isinstance(outcomes[1], InvalidTime)

    run(main)


def test_too_much_waiting_is_told_to_come_again_and_later_there_is_room(desk: Desk) -> None:
    async def main() -> None:
        waiting = desk.intake.submit([Entry(A)] * MAX_WAITING)
        with pytest.raises(Unavailable):
            await desk.intake.submit([Entry(A)])
        assert (await waiting).count("unchanged") == MAX_WAITING - 1
        assert await desk.intake.submit([Entry(A)]) == ["unchanged"]

    run(main)


def test_drain_waits_for_all_that_was_submitted(desk: Desk) -> None:
    async def main() -> None:
        await desk.intake.drain()
        waiting = [desk.intake.submit([Entry(Requested(1, f"{n}", DAY))]) for n in range(MAX_BATCH + 1)]
        await desk.intake.drain()
        assert all(future.done() for future in waiting)

    run(main)


def test_nonces_and_expiries_go_into_the_journal_as_they_are(desk: Desk) -> None:
    async def main() -> None:
        await desk.intake.submit(
            [Entry(true("a", DAY), nonce=7, signed_at=DAY + 1), Entry(Expiry(DAY + 5, DAY))]
        )

    run(main)
    assert desk.storage.journal.nonces(0, 9) == [(7, DAY + 1)]
    desk.storage.apply_all()
    assert desk.storage.ledger.minutes_from() == DAY


def refusal_by_the_law(facts: Facts, report: Report, *, strict: bool) -> type[Refused] | None:
    """Why the report contradicts the facts; None when it does not."""
    if not isinstance(report, Conversion):
        return None
    if report.message_id:
        state = facts.states.get((report.account, report.message_id))
        message = state.requested if state else None
    else:
        message = facts.owner(report)
    if message is None:
        return UnknownMessage if strict else None
    if report.timing is Timing.GIVEN and report.conversion_time <= message.requested_at:
        return InvalidTime
    if report.message_id and report.number and message.number and report.number != message.number:
        return NumberMismatch
    return None


@settings(deadline=None, max_examples=rounds(150))
@given(some_reports.flatmap(steps), st.booleans())
def test_reports_in_batches_with_a_follower_at_work_are_judged_by_the_law(
    engine: Engine,
    day: list[Step[Report]],
    strict: bool,  # noqa: FBT001
) -> None:
    with engine.open() as storage:
        desk = desk_of(storage, strict=strict)
        facts = Facts()
        accepted: list[Report] = []
        for step in day:
            for report, outcome in zip(step.batch, desk.report(*step.batch), strict=True):
                known = facts.known()
                refusal = refusal_by_the_law(facts, report, strict=strict)
                if isinstance(outcome, Refused):
                    assert type(outcome) is refusal
                    continue
                # By number, a message that moves on its way is given the benefit of the doubt.
                assert refusal is None or (isinstance(report, Conversion) and not report.message_id)
                accepted.append(report)
                facts.take(report)
                if not isinstance(report, SelfReportedRate):
                    assert (outcome == "unchanged") == (facts.known() == known)
            if step.apply:
                storage.writer.apply(step.apply)
        storage.apply_all()
        assert contents(storage.ledger, ACCOUNTS) == recount(accepted, ACCOUNTS)
