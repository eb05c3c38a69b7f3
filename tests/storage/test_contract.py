"""Every engine: what each question of the contract is answered."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product

import pytest
from msgspec.structs import replace

from ledger.reports import DAY, hashed
from otpconv.errors import Unavailable
from otpconv.model import (
    BY_NUMBER_WINDOW_MS,
    DELAY_BINS,
    OTHER,
    Conversion,
    Dimensions,
    Expiry,
    MessageState,
    Report,
    Requested,
    SelfReportedRate,
    Timing,
    delay_bin,
)
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.bounds import Bounds
from otpconv.storage.contract import (
    DAY_MS,
    DIMENSIONS,
    HOUR_MS,
    MAX_COUNTED,
    MAX_SELF_REPORTED,
    MINUTE_MS,
    QUARTER_MS,
    SNAPSHOT_S,
    Count,
    Entry,
    Message,
    Tally,
    Window,
)
from storage.engines import ALL, NOW, Engine, Storage

NUMBER = hashed(1, "5")
FULL = Requested(
    1,
    "a-1_:/.Z",
    DAY,
    Dimensions("ES", "Orange España", "p", "t'\"%", "S\U0001f4f1", "voice", "LTAI5t"),
    NUMBER,
    "+3461234",
    "log-in 7",
    3,
    "SM-7/ñ",
)
SENT = Receipt(1, "a", ReceiptStatus.SENT, DAY, price=7, currency="EUR")


def true(message_id: str, time: int, account: int = 1) -> Conversion:
    return Conversion(account, delivered=True, conversion_time=time, message_id=message_id)


def false(message_id: str, time: int) -> Conversion:
    return Conversion(1, delivered=False, conversion_time=time, message_id=message_id)


def by_number(time: int, *, delivered: bool = True, number: str = NUMBER) -> Conversion:
    return Conversion(1, delivered, time, number=number)


def test_a_new_storage_is_empty(storage: Storage) -> None:
    assert storage.journal.head() == 0
    assert storage.journal.nonces(0, 10) == []
    assert storage.writer.cursor() == 0 == storage.writer.apply(100)
    assert storage.states(1, ["a"]) == {}
    assert storage.ledger.message(1, "a") is None
    assert list(storage.ledger.messages(1)) == []
    assert storage.newest(1, NUMBER, DAY) is None
    assert not storage.has_conversion(by_number(DAY))
    assert storage.ledger.counts(1, Window(hours=((0, 1 << 52),)), [], {}) == []
    assert storage.ledger.minutes_from() == 0 == storage.ledger.unmatched(1)
    assert storage.ledger.self_reported(1, 0, 1 << 52) == []


def test_append_gives_the_position_of_the_last_entry_whatever_its_kind(storage: Storage) -> None:
    kinds: list[Report | Expiry] = [
        FULL,
        true("a", DAY),
        by_number(DAY),
        SelfReportedRate(1, DAY, 0.5),
        Expiry(0, 0),
    ]
    assert [storage.append(kind) for kind in kinds] == [1, 2, 3, 4, 5]
    assert storage.append(*kinds) == 10 == storage.journal.head()
    assert storage.append(*reversed(kinds)) == 15 == storage.journal.head()


def test_positions_go_on_after_a_restart(storage: Storage) -> None:
    storage.record(FULL, true("a", DAY))
    storage.reopen()
    assert storage.journal.head() == 2 == storage.writer.cursor()
    assert storage.append(FULL) == 3


def test_apply_takes_whole_appends_up_to_its_limit_and_stops_at_the_end(storage: Storage) -> None:
    for _ in range(5):
        storage.append(FULL)
    assert [storage.writer.apply(2) for _ in range(4)] == [2, 4, 5, 5]
    assert storage.writer.cursor() == 5
    storage.append(*[FULL] * 3)
    storage.append(FULL)
    assert [storage.writer.apply(2) for _ in range(3)] == [8, 9, 9]


def test_a_follower_passes_the_largest_number_of_16_bits(storage: Storage) -> None:
    storage.append(*(SelfReportedRate(1, 1, 0.5) for _ in range(30_000)))
    storage.append(Requested(1, "a", DAY))
    assert [storage.writer.apply(5_000) for _ in range(2)] == [30_000, 30_001]
    assert storage.ledger.message(1, "a") is not None


def test_a_follower_goes_on_where_the_last_one_stopped(storage: Storage) -> None:
    for _ in range(5):
        storage.append(FULL)
    storage.writer.apply(2)
    storage.reopen()
    assert storage.writer.cursor() == 2
    assert storage.writer.apply(2) == 4


def test_a_message_comes_back_as_it_was_reported(storage: Storage) -> None:
    storage.record(FULL)
    assert storage.states(1, [FULL.message_id]) == {FULL.message_id: MessageState(FULL)}
    assert storage.ledger.message(1, FULL.message_id) == Message(
        FULL.message_id, MessageState(FULL), None, reported=False
    )
    assert storage.newest(1, NUMBER, DAY) == FULL


def test_what_was_not_told_comes_back_empty(storage: Storage) -> None:
    bare = Requested(1, "a", DAY)
    storage.record(bare)
    assert storage.states(1, ["a"]) == {"a": MessageState(bare)}


def test_states_are_those_of_the_known_messages_of_the_account(storage: Storage) -> None:
    storage.record(
        Requested(1, "a", DAY),
        true("a", DAY + 5),
        true("a", DAY + 3),
        false("a", DAY + 9),
        false("a", DAY + 7),
        true("b", DAY + 1),
        true("c", DAY, account=2),
    )
    known = {
        "a": MessageState(Requested(1, "a", DAY), DAY + 3, DAY + 5, DAY + 9),
        "b": MessageState(None, DAY + 1, DAY + 1, None),
    }
    assert storage.states(1, ["a", "b", "c", "d"]) == known
    assert storage.states(1, {"b"}) == {"b": known["b"]}
    assert storage.states(1, []) == {}
    assert storage.states(1, [f"{n}" for n in range(5_000)] + ["a"]) == {"a": known["a"]}


def test_an_outline_is_the_state_with_of_its_request_the_time_and_the_number_alone(storage: Storage) -> None:
    storage.record(FULL, true(FULL.message_id, DAY + 5), false(FULL.message_id, DAY + 6), true("b", DAY + 1))
    outlines = storage.outlines(1, [FULL.message_id, "b", "c"])
    states = storage.states(1, [FULL.message_id, "b", "c"])
    outline = outlines[FULL.message_id].requested
    assert outline is not None
    assert (outline.requested_at, outline.number) == (FULL.requested_at, FULL.number)
    assert {key: replace(state, requested=None) for key, state in outlines.items()} == {
        key: replace(state, requested=None) for key, state in states.items()
    }
    assert outlines["b"] == states["b"]
    assert storage.outlines(1, []) == {}
    storage.record(Requested(1, "bare", DAY))
    bare = storage.outlines(1, ["bare"])["bare"].requested
    assert bare is not None
    assert (bare.requested_at, bare.number) == (DAY, "")


def test_what_came_by_number_alone_verifies_a_message_and_is_not_in_its_state(storage: Storage) -> None:
    storage.record(FULL, by_number(DAY + 9), by_number(DAY + 8), by_number(DAY + 7, delivered=False))
    assert storage.ledger.message(1, FULL.message_id) == Message(
        FULL.message_id, MessageState(FULL), DAY + 8, reported=True
    )
    storage.record(true(FULL.message_id, DAY + 3))
    found = storage.ledger.message(1, FULL.message_id)
    assert found is not None
    assert found.verified_at == DAY + 3 == found.state.verified_at


def test_a_later_message_takes_the_conversions_of_the_number_over(storage: Storage) -> None:
    first, second = Requested(1, "a", DAY, number=NUMBER), Requested(1, "b", DAY + 5, number=NUMBER)
    storage.record(by_number(DAY + 5), by_number(DAY + 6), first)
    assert verified(storage) == {"a": DAY + 5}
    storage.record(second)
    assert verified(storage) == {"a": None, "b": DAY + 6}
    storage.record(by_number(DAY + 4))
    assert verified(storage) == {"a": DAY + 4, "b": DAY + 6}


def test_a_message_that_turns_out_to_have_gone_elsewhere_gives_the_conversion_back(storage: Storage) -> None:
    first, second = Requested(1, "a", DAY, number=NUMBER), Requested(1, "b", DAY + 5, number=NUMBER)
    storage.record(first, second, by_number(DAY + 6))
    assert verified(storage) == {"a": None, "b": DAY + 6}
    storage.record(Requested(1, "b", DAY + 4, number=hashed(1, "6")))
    assert verified(storage) == {"a": DAY + 6, "b": None}


def test_a_conversion_with_id_and_number_is_about_the_id(storage: Storage) -> None:
    storage.record(
        Requested(1, "a", DAY, number=NUMBER),
        Conversion(1, True, DAY + 1, "b", NUMBER),
    )
    assert verified(storage) == {"a": None, "b": None}
    assert storage.ledger.unmatched(1) == 1


@pytest.mark.parametrize("limit", [1, 3, ALL])
def test_messages_come_in_the_order_of_their_first_reports(storage: Storage, limit: int) -> None:
    for report in (
        Requested(1, "z", DAY + 9),
        true("y", DAY),
        Requested(2, "other", DAY),
        Requested(1, "x", DAY),
        Requested(1, "y", DAY + 1),
        Requested(1, "z", DAY + 2),
    ):
        storage.append(report)
    storage.apply_all([limit])
    assert [message.message_id for message in storage.ledger.messages(1)] == ["z", "y", "x"]
    assert [message.message_id for message in islice(storage.ledger.messages(1), 2)] == ["z", "y"]
    assert [message.message_id for message in storage.ledger.messages(2)] == ["other"]


def test_the_newest_message_of_a_number_is_looked_for_in_the_24_hours_before(storage: Storage) -> None:
    a, b = Requested(1, "a", DAY, number=NUMBER), Requested(1, "b", DAY, number=NUMBER)
    storage.record(b, a, Requested(1, "c", DAY + 1, number=hashed(1, "6")))
    assert storage.newest(1, NUMBER, DAY - 1) is None
    assert storage.newest(1, NUMBER, DAY) == b
    assert storage.newest(1, NUMBER, DAY + BY_NUMBER_WINDOW_MS) == b
    assert storage.newest(1, NUMBER, DAY + BY_NUMBER_WINDOW_MS + 1) is None
    assert storage.newest(2, NUMBER, DAY) is None


def test_only_the_very_same_conversion_by_number_is_heard(storage: Storage) -> None:
    heard = by_number(DAY + 1)
    storage.append(heard)
    assert not storage.has_conversion(heard)
    storage.apply_all()
    assert storage.has_conversion(heard)
    assert not storage.has_conversion(by_number(DAY + 2))
    assert not storage.has_conversion(by_number(DAY + 1, delivered=False))
    assert not storage.has_conversion(by_number(DAY + 1, number=hashed(1, "6")))
    assert not storage.has_conversion(Conversion(2, True, DAY + 1, number=NUMBER))


def test_unmatched_are_the_messages_and_the_numbers_that_nothing_explains(storage: Storage) -> None:
    storage.record(
        true("a", DAY),
        false("b", DAY),
        true("c", DAY, account=2),
        by_number(DAY + 1),
        by_number(DAY + 2),
        by_number(DAY + 2, number=hashed(1, "6")),
    )
    assert storage.ledger.unmatched(1) == 4
    assert storage.ledger.unmatched(2) == 1
    storage.record(Requested(1, "a", DAY, number=hashed(1, "6")))
    assert storage.ledger.unmatched(1) == 2
    storage.record(Requested(1, "b", DAY + 2, number=NUMBER))
    assert storage.ledger.unmatched(1) == 1
    storage.record(Requested(1, "b", DAY + 1, number=NUMBER))
    assert storage.ledger.unmatched(1) == 0


def test_self_reported_rates_come_oldest_first_and_once_from_a_half_open_range(storage: Storage) -> None:
    rates = [SelfReportedRate(1, DAY + at, rate) for at, rate in ((3, 0.1), (1, 1.0), (1, 0.0), (2, 1 / 3))]
    storage.record(*rates, *rates, SelfReportedRate(2, DAY + 1, 0.7))
    assert storage.ledger.self_reported(1, DAY + 1, DAY + 3) == [rates[2], rates[1], rates[3]]
    assert storage.ledger.self_reported(2, 0, DAY + 9) == [SelfReportedRate(2, DAY + 1, 0.7)]
    assert storage.ledger.self_reported(1, DAY + 4, DAY + 9) == []


def test_of_many_self_reported_rates_the_newest_are_given_and_all_are_counted_up_to_a_bound(
    storage: Storage,
) -> None:
    rates = [SelfReportedRate(1, DAY + at, 0.5) for at in range(MAX_COUNTED + 5)]
    storage.append(*rates)
    storage.apply_all()
    for count in (0, 1, MAX_SELF_REPORTED, MAX_SELF_REPORTED + 1, MAX_COUNTED, MAX_COUNTED + 5):
        newest = rates[:count][-MAX_SELF_REPORTED:]
        assert storage.ledger.self_reported(1, 0, DAY + count) == newest
        assert storage.ledger.count_self_reported(1, 0, DAY + count) == min(count, MAX_COUNTED)


def test_a_value_beyond_the_bound_is_counted_as_other_and_its_message_keeps_it(engine: Engine) -> None:
    with engine.open(bounds=Bounds(values=2, combinations=9, routes=9)) as storage:
        told = [Dimensions("ES", template=template) for template in ("a", "b", "c", "", "d", "a")]
        storage.append(*(Requested(1, f"m{n}", DAY, each) for n, each in enumerate(told)))
        storage.append(Requested(1, "next day", DAY + DAY_MS, Dimensions("ES", template="d")))
        storage.append(Conversion(1, delivered=True, conversion_time=DAY + 1, message_id="m4"))
        storage.apply_all()

        def templates(day: int) -> dict[str, tuple[int, int]]:
            found = storage.ledger.counts(1, Window(days=((day, day + DAY_MS),)), ("template",), {})
            return {each.group[0]: (each.tally.requested, each.tally.verified) for each in found}

        assert templates(DAY) == {"a": (2, 0), "b": (1, 0), "": (1, 0), OTHER: (2, 1)}
        assert templates(DAY + DAY_MS) == {"d": (1, 0)}
        assert storage.ledger.folded(1, DAY, DAY + 1) == storage.ledger.folded(1, 0, DAY + 9 * DAY_MS) == 2
        assert (
            storage.ledger.folded(1, DAY + DAY_MS, DAY + 2 * DAY_MS) == storage.ledger.folded(2, 0, DAY) == 0
        )
        ids = [f"m{n}" for n in range(6)]
        states = storage.states(1, ids)
        assert [(each := states[name]).requested and each.requested.dimensions for name in ids] == told


def test_beyond_the_combinations_country_provider_and_channel_are_kept_and_then_nothing(
    engine: Engine,
) -> None:
    with engine.open(bounds=Bounds(values=9, combinations=1, routes=2)) as storage:
        told = [
            Dimensions(country, "carrier", provider, f"t{n}", "s", "sms", "k")
            for n, (country, provider) in enumerate(
                [("ES", "p"), ("ES", "p"), ("PT", "p"), ("PT", "p"), ("PT", "q"), ("ES", "p")]
            )
        ]
        storage.append(*(Requested(1, f"m{n}", DAY, each) for n, each in enumerate(told)))
        storage.apply_all()
        found = storage.ledger.counts(1, Window(days=((DAY, DAY + DAY_MS),)), DIMENSIONS, {})
        assert {each.group: each.tally.requested for each in found} == {
            ("ES", "carrier", "p", "t0", "s", "sms", "k"): 1,
            ("ES", OTHER, "p", OTHER, OTHER, "sms", OTHER): 2,
            ("PT", OTHER, "p", OTHER, OTHER, "sms", OTHER): 2,
            (OTHER,) * 7: 1,
        }


@pytest.mark.parametrize(
    "report", [true("a", DAY), by_number(DAY), FULL, SelfReportedRate(1, DAY, 0.5), SENT]
)
def test_a_nonce_outlives_a_restart_with_every_kind_of_report(storage: Storage, report: Report) -> None:
    storage.journal.append([Entry(report, -(2**63), DAY)], NOW)
    storage.reopen()
    assert storage.journal.nonces(NOW, 10) == [(-(2**63), DAY)]


def test_nonces_are_the_newest_ones_since_a_time_of_recording(storage: Storage) -> None:
    for n in range(6):
        signed = Entry(true("a", DAY), nonce=n, signed_at=DAY - n)
        storage.journal.append([signed, Entry(true("a", DAY))], NOW + n)
    assert storage.journal.nonces(NOW, 100) == [(n, DAY - n) for n in (5, 4, 3, 2, 1, 0)]
    assert storage.journal.nonces(NOW + 3, 100) == [(5, DAY - 5), (4, DAY - 4), (3, DAY - 3)]
    assert storage.journal.nonces(NOW, 2) == [(5, DAY - 5), (4, DAY - 4)]
    assert storage.journal.nonces(NOW + 6, 100) == []
    assert storage.journal.nonces(NOW, 0) == []


def test_a_clock_that_was_back_for_some_commits_hides_no_older_nonces(storage: Storage) -> None:
    storage.journal.append([Entry(true("a", DAY), nonce=1, signed_at=DAY)], NOW)
    for n in range(3):
        storage.journal.append([Entry(true("b", DAY), nonce=7 + n, signed_at=DAY)], NOW - 400 * DAY)
    storage.journal.append([Entry(true("c", DAY), nonce=2, signed_at=DAY)], NOW + 1)
    assert storage.journal.nonces(NOW, 10) == [(2, DAY), (1, DAY)]


def test_minutes_are_kept_from_the_latest_horizon_on(storage: Storage) -> None:
    for n in range(4):
        storage.record(Requested(1, f"{n}", DAY + n * MINUTE_MS))
    storage.record(Expiry(0, DAY + 2 * MINUTE_MS), Expiry(0, DAY + MINUTE_MS))
    storage.record(Requested(1, "late", DAY + MINUTE_MS), Requested(1, "3", DAY))
    assert storage.ledger.minutes_from() == DAY + 2 * MINUTE_MS
    minutes = Window(minutes=((DAY, DAY + HOUR_MS),), step=MINUTE_MS)
    assert storage.ledger.counts(1, minutes, [], {}) == [counted(DAY + 2 * MINUTE_MS, (), 1, 0)]
    assert storage.ledger.counts(1, Window(hours=((DAY, DAY + HOUR_MS),)), [], {}) == [counted(0, (), 5, 0)]


def test_quarters_of_an_hour_outlive_the_minutes_they_are_made_of(storage: Storage) -> None:
    def quarters(*spans: tuple[int, int]) -> dict[int, tuple[int, int]]:
        found = storage.ledger.counts(1, Window(quarters=spans, step=QUARTER_MS), [], {})
        return {each.slot: (each.tally.requested, sum(each.delays)) for each in found}

    edge = DAY + 22 * MINUTE_MS  # within a quarter
    storage.append(*(Requested(1, f"{n}", DAY + n * MINUTE_MS) for n in range(60)))
    storage.append(*(true(f"{n}", DAY + n * MINUTE_MS + 5) for n in range(30)))
    storage.apply_all()
    whole = (DAY, DAY + HOUR_MS)
    expected = {DAY + n * QUARTER_MS: (15, 15 if n < 2 else 0) for n in range(4)}
    assert quarters(whole) == expected
    storage.record(Expiry(0, edge))
    assert quarters(whole) == expected
    assert quarters((DAY + QUARTER_MS, DAY + 2 * QUARTER_MS)) == {DAY + QUARTER_MS: (15, 15)}
    # A report for an expired minute is in its quarter; it can't leave it.
    storage.record(Requested(1, "late", DAY + 1), Requested(1, "59", DAY), true("55", DAY + HOUR_MS))
    expected |= {DAY: (17, 15), DAY + 3 * QUARTER_MS: (14, 1)}
    assert quarters(whole) == expected
    storage.record(Expiry(0, DAY + HOUR_MS), Expiry(0, edge))
    assert quarters(whole) == expected
    assert storage.ledger.counts(1, Window(minutes=(whole,)), [], {}) == []


def test_a_conversion_may_come_back_after_it_expired(storage: Storage) -> None:
    storage.record(true("a", DAY + 1), by_number(DAY + 1), Expiry(DAY + 1, 0))
    assert storage.ledger.unmatched(1) == 2
    storage.record(Expiry(DAY + 2, 0))
    assert storage.ledger.unmatched(1) == 0
    assert not storage.has_conversion(by_number(DAY + 1))
    storage.record(Requested(1, "a", DAY, number=NUMBER))
    assert verified(storage) == {"a": None}
    storage.record(by_number(DAY + 1))
    assert verified(storage) == {"a": DAY + 1}


def test_conversions_that_their_message_has_left_expire_however_often_they_were_kept(
    storage: Storage,
) -> None:
    later = DAY + 2 * DAY_MS
    times = [DAY + 1, DAY + HOUR_MS, DAY + BY_NUMBER_WINDOW_MS]
    storage.record(
        Requested(1, "a", DAY, number=NUMBER), *map(by_number, times), Expiry(later, 0), Expiry(later, 0)
    )
    assert [storage.has_conversion(by_number(time)) for time in times] == [True] * 3
    storage.record(Requested(1, "a", DAY - 1, number=hashed(1, "6")))
    assert storage.ledger.unmatched(1) == 1
    storage.record(Expiry(later, 0))
    assert [storage.has_conversion(by_number(time)) for time in times] == [False] * 3
    assert storage.ledger.unmatched(1) == 0


def spread(storage: Storage) -> None:
    storage.record(
        Requested(1, "1", DAY, Dimensions("ES", provider="p")),
        Requested(1, "2", DAY + 1, Dimensions("ES", provider="q")),
        Requested(1, "3", DAY + MINUTE_MS, Dimensions("PT", provider="p")),
        Requested(1, "4", DAY + HOUR_MS, Dimensions("", provider="p", channel="voice")),
        Requested(2, "1", DAY, Dimensions("ES", provider="p")),
        true("1", DAY + 5),
        true("4", DAY + HOUR_MS + 5),
    )


TWO_HOURS = Window(hours=((DAY, DAY + 2 * HOUR_MS),))


@pytest.mark.parametrize(
    ("by", "filters", "expected"),
    [
        ([], {}, {(): (4, 2)}),
        (["country"], {}, {("ES",): (2, 1), ("PT",): (1, 0), ("",): (1, 1)}),
        (["channel", "country"], {}, {("sms", "ES"): (2, 1), ("sms", "PT"): (1, 0), ("voice", ""): (1, 1)}),
        ([], {"country": ["ES"]}, {(): (2, 1)}),
        ([], {"country": ["ES", "PT", "XX"]}, {(): (3, 1)}),
        ([], {"country": [""]}, {(): (1, 1)}),
        ([], {"country": ["", "PT"], "provider": {"p"}}, {(): (2, 1)}),
        (["provider"], {"country": ["ES"], "channel": ["sms"]}, {("p",): (1, 1), ("q",): (1, 0)}),
        ([], {"country": ["es"]}, {}),
        ([], {"country": []}, {}),
    ],
)
def test_counts_group_and_filter(
    storage: Storage,
    by: list[str],
    filters: dict[str, list[str]],
    expected: dict[tuple[str, ...], tuple[int, int]],
) -> None:
    spread(storage)
    found = storage.ledger.counts(1, TWO_HOURS, by, filters)
    assert {each.group: (each.tally.requested, each.tally.verified) for each in found} == expected
    assert len(found) == len(expected)
    assert {each.slot for each in found} <= {0}
    without = storage.ledger.counts(1, TWO_HOURS, by, filters, delays=False)
    assert without == [replace(each, delays=()) for each in found]


def test_a_window_is_hours_and_the_minutes_at_both_edges(storage: Storage) -> None:
    spread(storage)
    edges = Window(
        hours=((DAY + HOUR_MS, DAY + 2 * HOUR_MS),),
        minutes=((DAY, DAY + MINUTE_MS), (DAY + MINUTE_MS, DAY + 2 * MINUTE_MS)),
    )
    assert storage.ledger.counts(1, edges, [], {}) == [counted(0, (), 4, 2)]
    first = Window(minutes=((DAY, DAY + MINUTE_MS),))
    assert storage.ledger.counts(1, first, [], {}) == [counted(0, (), 2, 1)]


def test_a_step_splits_a_window_into_slots(storage: Storage) -> None:
    spread(storage)
    hourly = Window(hours=TWO_HOURS.hours, step=HOUR_MS)
    assert sorted(
        storage.ledger.counts(1, hourly, ["country"], {}), key=lambda each: (each.slot, each.group)
    ) == [
        counted(DAY, ("ES",), 2, 1),
        counted(DAY, ("PT",), 1, 0),
        counted(DAY + HOUR_MS, ("",), 1, 1),
    ]
    by_minute = Window(minutes=((DAY, DAY + HOUR_MS),), step=MINUTE_MS)
    assert {each.slot: each.tally.requested for each in storage.ledger.counts(1, by_minute, [], {})} == {
        DAY: 2,
        DAY + MINUTE_MS: 1,
    }


def test_every_dimension_can_be_grouped_and_filtered_by(storage: Storage) -> None:
    storage.record(FULL, Requested(1, "bare", DAY))
    for name in DIMENSIONS:
        value = getattr(FULL.dimensions, name)
        (found,) = storage.ledger.counts(1, TWO_HOURS, [name], {name: [value]})
        assert (found.group, found.tally.requested) == ((value,), 1)


def tally(storage: Storage, start: int = DAY) -> Tally:
    """What the hour from `start` (ms) on comes to."""
    found = storage.ledger.counts(1, Window(hours=((start, start + HOUR_MS),)), [], {})
    return found[0].tally if found else Tally()


def test_a_session_counts_once_with_its_first_message_and_is_verified_by_any(storage: Storage) -> None:
    storage.record(
        Requested(1, "b", DAY + HOUR_MS, session_id="s", attempt=2),
        Requested(1, "a", DAY, session_id="s", attempt=1),
        Requested(1, "c", DAY, session_id="t", attempt=1),
        Requested(2, "x", DAY, session_id="s", attempt=1),
    )
    assert tally(storage) == Tally(2, 0, 2, 0, sessions=2)
    assert tally(storage, DAY + HOUR_MS) == Tally(1)
    storage.record(true("b", DAY + HOUR_MS + 5))
    assert tally(storage) == Tally(2, 0, 2, 0, sessions=2, sessions_verified=1)
    assert tally(storage, DAY + HOUR_MS) == Tally(1, 1, reported=1)
    # An earlier message of the same session takes it over; one that leaves it gives it back.
    storage.record(Requested(1, "c", DAY - 1, session_id="s", attempt=1))
    assert tally(storage, DAY - HOUR_MS) == Tally(1, 0, 1, 0, sessions=1, sessions_verified=1)
    assert tally(storage) == Tally(1, 0, 1, 0)
    storage.record(Requested(1, "c", DAY - 2))
    assert tally(storage, DAY - HOUR_MS) == Tally(1)
    assert tally(storage) == Tally(1, 0, 1, 0, sessions=1, sessions_verified=1)


def test_a_message_is_reported_by_any_conversion_that_is_about_it(storage: Storage) -> None:
    storage.record(
        Requested(1, "a", DAY, number=NUMBER),
        Requested(1, "b", DAY),
        Requested(1, "c", DAY),
        false("b", DAY + 1),
        true("c", DAY - 1),
    )
    assert tally(storage).reported == 2
    storage.record(by_number(DAY + 1, delivered=False))
    assert tally(storage) == Tally(3, 0, reported=3)


def test_how_long_it_took_is_counted_as_the_law_says(storage: Storage) -> None:
    edges = [round(1000 * 2 ** (k / 2)) for k in range(DELAY_BINS)]
    took = sorted({max(1, edge + shift) for edge in edges for shift in (-1, 0, 1)} | {1, 10**9})
    storage.append(*(Requested(1, f"{n}", DAY) for n, _ in enumerate(took)))
    storage.append(*(true(f"{n}", DAY + delay) for n, delay in enumerate(took)))
    storage.apply_all()
    (found,) = storage.ledger.counts(1, Window(days=((DAY, DAY + DAY_MS),)), [], {})
    counts = Counter(map(delay_bin, took))
    assert found.delays == tuple(counts[k] for k in range(DELAY_BINS))
    assert all(counts.values())


def without_time(message_id: str, arrival: int, timing: Timing, *, delivered: bool = True) -> Conversion:
    return Conversion(1, delivered, arrival, message_id, timing=timing)


def test_a_conversion_of_an_unknown_time_counts_in_the_rate_and_in_no_delay(storage: Storage) -> None:
    later = DAY + 30 * DAY_MS
    storage.append(
        *(Requested(1, name, DAY, session_id=name, attempt=1) for name in "abcde"),
        without_time("a", later, Timing.UNKNOWN),
        without_time("b", later, Timing.ARRIVAL),
        without_time("c", DAY + 30_000, Timing.ARRIVAL),
        without_time("d", DAY - DAY_MS, Timing.UNKNOWN),
        without_time("e", later, Timing.UNKNOWN, delivered=False),
    )
    storage.apply_all()
    (found,) = storage.ledger.counts(1, Window(hours=((DAY, DAY + HOUR_MS),)), [], {})
    assert found.tally == Tally(5, 4, 5, 4, 5, 4, 5)
    assert found.delays == tuple(int(k == delay_bin(30_000)) for k in range(DELAY_BINS))
    assert verified(storage) == {"a": None, "b": None, "c": DAY + 30_000, "d": None, "e": None}
    assert {each.message_id for each in storage.ledger.messages(1) if each.verified} == {*"abcd"}
    # A time that becomes known later counts, whatever came before it.
    storage.record(true("a", DAY + 5), by_number(DAY + 9))
    (found,) = storage.ledger.counts(1, Window(hours=((DAY, DAY + HOUR_MS),)), [], {})
    assert found.tally == Tally(5, 4, 5, 4, 5, 4, 5)
    assert sum(found.delays) == 2
    assert verified(storage)["a"] == DAY + 5


def test_an_unmatched_conversion_of_an_unknown_time_expires_by_its_arrival(storage: Storage) -> None:
    for timing in (Timing.ARRIVAL, Timing.UNKNOWN):
        storage.record(without_time("a", DAY, timing), Expiry(DAY, 0))
        assert storage.ledger.unmatched(1) == 1
        storage.record(Expiry(DAY + 1, 0))
        assert storage.ledger.unmatched(1) == 0


def counted(slot: int, group: tuple[str, ...], requested: int, verified: int) -> Count:
    """A count of messages that nothing but conversions that are true, within a second, was reported of."""
    delays = (verified, *(0,) * (DELAY_BINS - 1))
    return Count(slot, group, Tally(requested, verified, reported=verified), delays)


def verified(storage: Storage) -> dict[str, int | None]:
    return {message.message_id: message.verified_at for message in storage.ledger.messages(1)}


def hours() -> Window:
    return Window(hours=((0, 1 << 52),))


def seen(storage: Storage) -> tuple[object, ...]:
    """The answers to every question of the contract."""
    return (
        storage.states(1, ["a", "b"]),
        storage.outlines(1, ["a", "b"]),
        storage.newest(1, NUMBER, DAY + 5),
        storage.has_conversion(by_number(DAY + 9)),
        storage.ledger.message(1, "b"),
        list(storage.ledger.messages(1)),
        storage.ledger.counts(1, hours(), ["country"], {}),
        storage.ledger.costs(1, hours(), ["country"], {}),
        storage.ledger.minutes_from(),
        storage.ledger.unmatched(1),
        storage.ledger.self_reported(1, 0, 1 << 52),
    )


LATER: list[Report | Expiry] = [
    Requested(1, "b", DAY + 1, Dimensions("FR"), NUMBER),
    true("a", DAY + 2),
    SENT,
    true("unmatched", DAY + 3),
    by_number(DAY + 9),
    SelfReportedRate(1, DAY, 0.5),
    Expiry(0, DAY),
]


@pytest.mark.one_server
def test_a_snapshot_is_one_state_for_every_question_while_others_are_applied(storage: Storage) -> None:
    storage.record(Requested(1, "a", DAY, Dimensions("DE")))
    before = seen(storage)
    with storage.ledger.snapshot() as position:
        assert position == 1
        for n, report in enumerate(LATER):
            storage.record(report)
            assert seen(storage) == before
            with storage.ledger.snapshot() as inner:  # the same state
                assert inner == 1
                assert seen(storage) == before
            assert storage.writer.cursor() == n + 2
    after = seen(storage)
    assert all(new != old for new, old in zip(after, before, strict=True))
    with storage.ledger.snapshot() as position:
        assert position == 1 + len(LATER)


def test_a_question_with_others_in_a_snapshot_is_answered_as_alone(storage: Storage) -> None:
    spread(storage)
    days = 40  # more than the questions of a snapshot share
    storage.record(
        Requested(1, "5", DAY + DAY_MS, Dimensions("PT", provider="q")),
        Requested(1, "6", DAY + days * DAY_MS, Dimensions("ES", provider="p")),
    )
    windows = [
        TWO_HOURS,
        Window(days=((DAY, DAY + 2 * DAY_MS),), step=HOUR_MS),
        Window(days=((DAY, DAY + (days + 1) * DAY_MS),)),
        Window(days=((DAY + DAY_MS, DAY + 2 * DAY_MS),)),
    ]
    filters: list[dict[str, list[str]]] = [{}, {"country": ["ES", ""]}, {"channel": ["no"]}]
    questions = list(
        product((1, 2), [*windows, windows[0]], ([], ["country"], ["provider", "country"]), filters)
    )

    def answers() -> list[list[str]]:
        return [sorted(map(repr, storage.ledger.counts(*question))) for question in questions]

    alone = answers()
    with storage.ledger.snapshot():
        assert answers() == alone
    assert [len(each) for each in alone[2::3]] == [0] * (len(questions) // 3)


@pytest.mark.one_server
def test_a_snapshot_concerns_its_own_thread_alone(storage: Storage) -> None:
    with storage.ledger.snapshot(), ThreadPoolExecutor(1) as other:
        storage.record(Requested(1, "a", DAY))
        assert storage.ledger.message(1, "a") is None
        assert other.submit(storage.ledger.message, 1, "a").result() is not None
        other.submit(storage.ledger.close).result()


def test_a_snapshot_ends_also_when_its_question_fails(storage: Storage) -> None:
    with pytest.raises(RuntimeError), storage.ledger.snapshot():
        raise RuntimeError
    storage.record(Requested(1, "a", DAY))
    assert storage.ledger.message(1, "a") is not None


def test_a_snapshot_that_lasts_too_long_answers_no_more(storage: Storage) -> None:
    late = time.monotonic() + SNAPSHOT_S
    with storage.ledger.snapshot(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: late + 1)
        with pytest.raises(Unavailable, match="less time"):
            storage.ledger.unmatched(1)
    assert storage.ledger.unmatched(1) == 0
