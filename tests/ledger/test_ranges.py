"""Every engine: the rollups by number range are a recount of the messages, whatever way the reports take."""

from contextlib import closing

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import parameters, rounds
from ledger.recount import Facts, contents, range_counts, range_rollups, recount
from ledger.reports import ACCOUNTS, DAY, DIMENSION_SETS, World, entries, hashed, simple_worlds, times
from ledger.test_erasing import Deleting, asked
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS
from otpconv.storage.erasure import Deletion, Erasure, RangeLength
from otpconv.storage.range_counts import RANGES_KEPT_MS, SHORTEST_RANGE, RangeCount
from storage.engines import ENGINES, Engine, SqliteEngine

hours = times.map(lambda time: time // HOUR_MS * HOUR_MS)


@st.composite
def histories(draw: st.DrawFn) -> list[Report | Deletion]:
    """Reports, expiries, and days whose ranges are shortened."""
    world: World = draw(simple_worlds)
    lengths = st.builds(
        RangeLength,
        st.sampled_from(ACCOUNTS),
        st.sampled_from(world.times).map(lambda time: time // DAY_MS),
        st.sampled_from([each.country for each in world.dimensions]),
        st.sampled_from([SHORTEST_RANGE, 8, len("range of "), 99]),
    )
    shortened = st.lists(lengths, min_size=1, max_size=3).map(
        lambda some: Erasure(0, 0, range_lengths=tuple(some))
    )
    some = entries(world)
    return draw(st.lists(st.one_of(some, some, some, shortened), max_size=world.most))


@pytest.mark.long("makes up 150 histories in the campaign, and recounts each")
@pytest.mark.parametrize(
    "engine",
    parameters(
        ENGINES, [SqliteEngine], "the same law on PostgreSQL; test_laws.py has one that is not left out"
    ),
    indirect=True,
    scope="session",
)
@settings(deadline=None, max_examples=rounds(150))
@given(histories(), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.tuples(hours, hours), st.data())
def test_the_ranges_of_any_window_are_a_recount_and_a_rebuild_gives_the_same(
    engine: Engine,
    history: list[Report | Deletion],
    batches: list[int],
    window: tuple[int, int],
    data: st.DataObject,
) -> None:
    facts = Facts()
    countries = data.draw(st.none() | st.lists(st.sampled_from([each.country for each in DIMENSION_SETS])))
    with engine.open() as storage:
        for entry in history:
            facts.take(entry)
            storage.append(entry)
            if data.draw(st.booleans()):
                storage.writer.apply(data.draw(st.integers(1, 3)))
        storage.apply_all(batches)
        counted = range_rollups(facts, {key: facts.message(key) for key in facts.states})
        for account in ACCOUNTS:
            held = storage.ledger.ranges(account, *window, countries=countries)
            assert held == range_counts(counted, account, *window, countries)
            assert storage.ledger.ranges(account, *window, countries=countries, limit=1) == held[:1]
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == contents(storage.ledger, ACCOUNTS)


def numbered(message_id: str, number_range: str, at: int = DAY, country: str = "DE") -> Requested:
    return Requested(
        1,
        message_id,
        at,
        Dimensions(country, provider="p"),
        hashed(1, message_id.encode().hex()[:15]),
        number_range,
    )


def test_a_range_has_its_messages_of_a_window_and_what_is_known_from_before(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(
            numbered("early", "+491511234", DAY - DAY_MS),
            Conversion(1, True, DAY, "early"),
            numbered("lost", "+491511234", DAY - HOUR_MS),
            numbered("one", "+491511234"),
            numbered("two", "+491511234", DAY + HOUR_MS - 1),
            Conversion(1, True, DAY + HOUR_MS, "two"),
            numbered("late", "+491511234", DAY + HOUR_MS),
            numbered("other", "+491519999", DAY),
            Requested(1, "without a number", DAY, Dimensions("DE", provider="p")),
        )
        assert storage.ledger.ranges(1, DAY, DAY + HOUR_MS) == [
            RangeCount("+491511234", "DE", "p", DAY - DAY_MS, 2, 1, 1),
            RangeCount("+491519999", "DE", "p", DAY, 1, 0, 0),
        ]
        assert storage.ledger.ranges(2, DAY, DAY + HOUR_MS) == []
        assert storage.ledger.ranges(1, DAY, DAY + HOUR_MS, countries=["PT"]) == []


def test_ranges_are_forgotten_after_five_weeks(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(numbered("old", "+491511234"), numbered("new", "+491511234", DAY + HOUR_MS))
        minutes_from = DAY + RANGES_KEPT_MS - 3 * DAY_MS
        storage.append(Expiry(0, minutes_from + HOUR_MS - MINUTE_MS), recorded_at=minutes_from + 3 * DAY_MS)
        storage.apply_all()
        assert sum(each.requested for each in storage.ledger.ranges(1, 0, DAY + DAY_MS)) == 2
        storage.append(Expiry(0, minutes_from + HOUR_MS), recorded_at=minutes_from + 4 * DAY_MS)
        storage.record(numbered("too old", "+491511234"))
        assert storage.ledger.ranges(1, 0, DAY + DAY_MS) == [
            RangeCount("+491511234", "DE", "p", DAY + HOUR_MS, 1, 0, 0)
        ]


def test_a_prune_keeps_the_ranges_and_forgetting_a_number_takes_it_out_of_them(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(asked_in("a", "5"), asked_in("b", "6"), Conversion(1, True, DAY + 1, "a"))
        deleting = Deleting(storage, [])
        with closing(deleting.eraser):
            before = storage.ledger.ranges(1, 0, DAY + DAY_MS)
            assert [(each.requested, each.verified) for each in before] == [(2, 1)]
            deleting.eraser.prune(DAY + HOUR_MS)
            assert storage.ledger.ranges(1, 0, DAY + DAY_MS) == before
            storage.record(asked_in("c", "7", DAY + HOUR_MS), asked_in("d", "8", DAY + HOUR_MS))
            deleting.eraser.forget(1, hashed(1, "7"))
            kept = storage.ledger.ranges(1, 0, DAY + DAY_MS)
            assert [(each.requested, each.verified) for each in kept] == [(3, 1)]
        facts = [entry.report for entry in storage.journal.read(0, 100)]
        forgotten = [each for each in facts if isinstance(each, Erasure) and not each.before]
        assert all(not each.kept_ranges for each in forgotten)
        assert recount(facts, ACCOUNTS) == contents(storage.ledger, ACCOUNTS)
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == contents(storage.ledger, ACCOUNTS)


def asked_in(message_id: str, number: str, at: int = DAY) -> Requested:
    return Requested(1, message_id, at, asked("").dimensions, hashed(1, number), "+491511234")


def test_a_day_with_too_many_ranges_gets_shorter_ones_where_most_of_them_are(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(
            *(numbered(f"many {number}", f"+49151{number:04}") for number in range(0, 4000, 100)),
            *(numbered(f"few {number}", f"+351{number:06}", country="PT") for number in range(3)),
            *(numbered(f"next {number}", f"+49151{number:04}", DAY + DAY_MS) for number in range(20)),
        )
        assert storage.ledger.range_lengths(43) == ()
        lengths = storage.ledger.range_lengths(42)
        assert lengths == (RangeLength(1, DAY // DAY_MS, "DE", len("+491510000") - 1),)
        storage.record(Erasure(0, 0, range_lengths=lengths))
        lengths = tuple(each for each in storage.ledger.range_lengths(4) if each.day == DAY // DAY_MS)
        storage.record(Erasure(0, 0, range_lengths=lengths))
        found = {each.number_range: each.requested for each in storage.ledger.ranges(1, DAY, DAY + DAY_MS)}
        assert found == {f"+49151{digit}": 10 for digit in range(4)} | {
            f"+351{number:06}": 1 for number in range(3)
        }
        assert len(storage.ledger.ranges(1, DAY + DAY_MS, DAY + 2 * DAY_MS)) == 20


def test_ranges_are_never_shorter_than_a_calling_code(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(*(numbered(f"{number}", f"+{number}51") for number in range(300, 330)))
        for _ in range(3):
            storage.record(Erasure(0, 0, range_lengths=storage.ledger.range_lengths(1)))
        assert storage.ledger.range_lengths(1) == ()
        assert len(storage.ledger.ranges(1, DAY, DAY + DAY_MS)) == 30


@pytest.mark.parametrize("most", [1, 50])
def test_far_too_many_ranges_are_shortened_by_several_digits_at_once(engine: Engine, most: int) -> None:
    with engine.open() as storage:
        storage.record(*(numbered(f"{number}", f"+49151{number:04}") for number in range(1_000)))
        (length,) = storage.ledger.range_lengths(most)
        assert length.length == {1: len("+49151"), 50: len("+4915100")}[most]
