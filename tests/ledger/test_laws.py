"""Every engine: whatever way the reports take, the ledger ends as the law says."""

from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import parameters, rounds
from ledger.recount import Facts, contents, counts, recount, rollups
from ledger.reports import (
    ACCOUNTS,
    Question,
    Step,
    arrangements,
    hashed,
    questions,
    some_entries,
    some_facts,
    some_reports,
    steps,
)
from otpconv.model import BY_NUMBER_WINDOW_MS, OTHER, Conversion, Expiry, Report, Requested, owner
from otpconv.storage.bounds import Bounds
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, QUARTER_MS, Window
from otpconv.storage.journal import JournalEntry
from storage.engines import ENGINES, NOW, Engine, Postgres18Engine, SqliteEngine

#: The first law, of any arrangement, stays on PostgreSQL; expiries on it are in test_forgetting.py.
sqlite_first = pytest.mark.parametrize(
    "engine",
    parameters([*ENGINES, Postgres18Engine], [SqliteEngine], "the same law on PostgreSQL"),
    indirect=True,
    scope="session",
)
bounds = st.builds(Bounds, st.integers(1, 3), st.integers(1, 4), st.integers(0, 2))
limits = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@settings(deadline=None, max_examples=rounds(200))
@given(st.data())
def test_order_duplicates_batches_and_restarts_make_no_difference(
    engine: Engine, data: st.DataObject
) -> None:
    about = data.draw(some_reports, "reports")
    with engine.open() as storage:
        for step in data.draw(arrangements(about), "arrangement"):
            storage.append(*step.batch)
            if step.apply:
                storage.writer.apply(step.apply)
            if step.restart:
                storage.reopen()
        storage.apply_all(data.draw(limits, "limits"))
        assert contents(storage.ledger, ACCOUNTS) == recount(about, ACCOUNTS)


@sqlite_first
@settings(deadline=None, max_examples=rounds(200))
@given(some_reports, limits)
def test_messages_are_in_the_order_of_their_first_reports_in_any_batches(
    engine: Engine, reports: list[Report], batches: list[int]
) -> None:
    with engine.open() as storage:
        for report in reports:
            storage.append(report)
        storage.apply_all(batches)
        for account in ACCOUNTS:
            of_account = (each for each in reports if each.account == account)
            known = dict.fromkeys(getattr(each, "message_id", "") for each in of_account)
            known.pop("", None)
            assert [each.message_id for each in storage.ledger.messages(account)] == [*known]


@sqlite_first
@settings(deadline=None, max_examples=rounds(60))
@given(some_entries)
def test_at_every_moment_the_rollups_are_a_recount_of_the_messages(
    engine: Engine, entries: list[Report | Expiry]
) -> None:
    with engine.open() as storage:
        for entry in entries:
            storage.append(entry)
            storage.writer.apply(1)
            held = contents(storage.ledger, ACCOUNTS)
            assert held.days == rollups(held.messages, DAY_MS, 0)
            assert held.hours == rollups(held.messages, HOUR_MS, 0)
            assert held.quarters == rollups(held.messages, QUARTER_MS, 0)
            assert held.minutes == rollups(held.messages, MINUTE_MS, held.minutes_from)
            assert all(0 <= each.verified <= each.requested for each, _ in held.hours.values())
            assert all(sum(delays) <= each.verified for each, delays in held.minutes.values())


@sqlite_first
@settings(deadline=None, max_examples=rounds(150))
@given(some_entries, st.data())
def test_an_expiry_forgets_and_a_rebuild_forgets_the_same(
    engine: Engine, entries: list[Report | Expiry], data: st.DataObject
) -> None:
    with engine.open() as storage:
        for entry in entries:
            storage.append(entry)
            storage.writer.apply(data.draw(st.integers(1, 3)))
        storage.apply_all(data.draw(limits))
        held = contents(storage.ledger, ACCOUNTS)
        assert held == recount(entries, ACCOUNTS)
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all(data.draw(limits))
            assert contents(rebuilt.ledger, ACCOUNTS) == held


@sqlite_first
@settings(deadline=None, max_examples=rounds(60))
@given(some_entries.flatmap(steps))
def test_a_rebuild_in_one_go_is_the_ledger_that_grew_in_steps(
    engine: Engine, grown: list[Step[Report | Expiry]]
) -> None:
    with engine.open() as storage:
        for step in grown:
            storage.append(*step.batch)
            if step.apply:
                storage.writer.apply(step.apply)
        storage.apply_all()
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == contents(storage.ledger, ACCOUNTS)


@sqlite_first
@settings(deadline=None, max_examples=rounds(100))
@given(some_entries.flatmap(steps), st.integers(0, 6), limits)
def test_reading_the_journal_in_any_pieces_gives_what_was_appended(
    engine: Engine, appended: list[Step[Report | Expiry]], start: int, pieces: list[int]
) -> None:
    with engine.open() as storage:
        for n, step in enumerate(appended):
            storage.append(*step.batch, recorded_at=NOW + n)
            if step.restart:
                storage.reopen()
        read: list[JournalEntry] = []
        while True:
            position = read[-1].position if read else start
            piece = storage.journal.read(position, limit := pieces[len(read) % len(pieces)])
            if not piece:
                break
            assert len(piece) <= limit
            read += piece
    # The expiries of an append come after its reports.
    expected = [
        (NOW + n, entry)
        for n, step in enumerate(appended)
        for entry in sorted(step.batch, key=lambda entry: isinstance(entry, Expiry))
    ]
    assert [entry.position for entry in read] == list(range(start + 1, len(expected) + 1))
    assert [(entry.recorded_at, entry.report) for entry in read] == expected[start:]


@sqlite_first
@settings(deadline=None, max_examples=rounds(60))
@given(some_entries, limits)
def test_a_follower_of_the_journal_comes_to_what_the_ledger_does(
    engine: Engine, entries: list[Report | Expiry], pieces: list[int]
) -> None:
    with engine.open() as storage:
        for entry in entries:
            storage.append(entry)
        storage.apply_all()
        followed: list[Report | Expiry] = []
        while piece := storage.journal.read(len(followed), pieces[len(followed) % len(pieces)]):
            followed += [entry.report for entry in piece]
        assert recount(followed, ACCOUNTS) == contents(storage.ledger, ACCOUNTS)


@sqlite_first
@settings(deadline=None, max_examples=rounds(80))
@given(some_entries, st.lists(questions(), min_size=1, max_size=12))
def test_counts_are_the_sums_of_a_recount(
    engine: Engine, about: list[Report | Expiry], asked: list[Question]
) -> None:
    with engine.open() as storage:
        storage.record(*about)
        expected = recount(about, ACCOUNTS)
        for question in asked:
            answer = storage.ledger.counts(*question)
            assert len(set(answer)) == len(answer)
            assert set(answer) == counts(expected, *question)


@sqlite_first
@settings(deadline=None, max_examples=rounds(80))
@given(some_facts)
def test_the_newest_message_of_a_number_is_its_owner_by_the_law(
    engine: Engine, about: list[Requested | Conversion]
) -> None:
    with engine.open() as storage:
        storage.append(*about)
        storage.apply_all()
        states = [message.state for message in recount(about, ACCOUNTS).messages.values()]
        known = [state.requested for state in states if state.requested is not None]
        edges = {each.requested_at + shift for each in known for shift in (0, BY_NUMBER_WINDOW_MS)}
        for at in {edge + shift for edge in edges for shift in (-1, 0, 1)}:
            for account in ACCOUNTS:
                for number in (hashed(account, "5"), hashed(account, "6")):
                    candidates = [each for each in known if each.number == number]
                    assert storage.newest(account, number, at) == owner(candidates, at)


@sqlite_first
@settings(deadline=None, max_examples=rounds(80))
@given(some_entries, st.integers(1, 4))
def test_at_every_moment_the_routes_are_the_sums_of_all_days(
    engine: Engine, entries: list[Report | Expiry], most: int
) -> None:
    with engine.open() as storage:
        for entry in entries:
            storage.append(entry)
            storage.writer.apply(1)
            for account in ACCOUNTS:
                days = Window(days=((0, 1 << 52),))
                whole = storage.ledger.counts(account, days, ("provider", "country"), {}, delays=False)
                expected = sorted(
                    ((each.tally.requested, each.group, each.tally.verified) for each in whole),
                    key=lambda route: (-route[0], route[1]),
                )
                found = [
                    (each.tally.requested, each.group, each.tally.verified)
                    for each in storage.ledger.routes(account, most)
                ]
                rest = expected[most:]
                if rest:
                    sums = sum(each[0] for each in rest), (OTHER, OTHER), sum(each[2] for each in rest)
                    expected = [*expected[:most], sums]
                assert found == expected


@sqlite_first
@settings(deadline=None, max_examples=rounds(80))
@given(some_entries)
def test_at_every_moment_the_unmatched_are_a_recount(engine: Engine, entries: list[Report | Expiry]) -> None:
    facts = Facts()
    with engine.open() as storage:
        for entry in entries:
            facts.take(entry)
            storage.append(entry)
            storage.writer.apply(1)
            for account in ACCOUNTS:
                assert storage.ledger.unmatched(account) == facts.unmatched(account)


@sqlite_first
@settings(deadline=None, max_examples=rounds(120))
@given(bounds, some_entries.flatmap(steps), st.data())
def test_beyond_the_bounds_the_first_dimensions_of_the_journal_are_kept_apart(
    engine: Engine, bounds: Bounds, grown: list[Step[Report | Expiry]], data: st.DataObject
) -> None:
    # An append has its expiries behind its reports.
    entries = [
        entry for step in grown for entry in sorted(step.batch, key=lambda entry: isinstance(entry, Expiry))
    ]
    with engine.open(bounds=bounds) as storage:
        for step in grown:
            storage.append(*step.batch)
            if step.apply:
                storage.writer.apply(step.apply)
            if step.restart:
                storage.reopen()
        storage.apply_all(data.draw(limits, "limits"))
        held = contents(storage.ledger, ACCOUNTS)
        assert held == recount(entries, ACCOUNTS, bounds)
        for account in ACCOUNTS:
            folded = [
                tally.requested
                for (of, values, _), (tally, _) in held.days.items()
                if of == account and OTHER in values
            ]
            assert storage.ledger.folded(account, 0, 1 << 52) == sum(folded)
        with engine.open(storage.name, bounds) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held


@sqlite_first
@settings(deadline=None, max_examples=rounds(80))
@given(bounds, some_reports, st.data())
def test_beyond_the_bounds_all_groups_together_are_exact_in_any_order(
    engine: Engine, bounds: Bounds, about: list[Report], data: st.DataObject
) -> None:
    everything = Window(days=((0, 1 << 52),), step=DAY_MS)
    with engine.open(bounds=bounds) as storage:
        for step in data.draw(arrangements(about), "arrangement"):
            storage.append(*step.batch)
            if step.apply:
                storage.writer.apply(step.apply)
        storage.apply_all()
        expected = recount(about, ACCOUNTS)
        assert contents(storage.ledger, ACCOUNTS).messages == expected.messages
        for account in ACCOUNTS:
            answer = storage.ledger.counts(account, everything, (), {})
            assert set(answer) == counts(expected, account, everything, (), {})
            for values in Counter(
                each.slot for each in storage.ledger.counts(account, everything, DIMENSIONS, {})
            ).values():
                assert values <= bounds.combinations + bounds.routes + 1
