"""Answers through a real ledger: levels, pending messages, comparisons, and which groups get a row."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from math import log
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from otpconv.errors import InvalidRequest
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.rates import RateAnswer, RateRow, compute_rates, parse_query
from otpconv.rates.intervals import newcombe, wilson
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Entry, LedgerReader
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter

NOW = 20_000 * DAY_MS + 12 * HOUR_MS + 30 * MINUTE_MS
Make = Callable[[Sequence[Report | Expiry]], LedgerReader]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes the ledger of some reports."""
    with (
        closing(SqliteLedgerReader(tmp_path / "l")) as ledger,
        closing(SqliteJournal(tmp_path / "j")) as journal,
    ):

        def made(reports: Sequence[Report | Expiry]) -> LedgerReader:
            journal.append([Entry(each) for each in reports], NOW)
            with closing(SqliteLedgerWriter(tmp_path / "l", tmp_path / "j")) as writer:
                while writer.apply(50_000) < journal.head():
                    pass
            return ledger

        yield made


def asked(ledger: LedgerReader, start: int, end: int, *parameters: tuple[str, str]) -> RateAnswer:
    query = parse_query([("start", str(start)), ("end", str(end)), *parameters], NOW)
    return compute_rates(ledger, 1, query, NOW)


def sent(  # noqa: PLR0917 - a row of a table
    name: str, count: int, verified: int, at: int, country: str = "DE", took: int = 20_000
) -> list[Report]:
    """Messages of one instant, the first of them verified."""
    reports: list[Report] = [
        Requested(1, f"{name}{n}", at, Dimensions(country), attempt=1) for n in range(count)
    ]
    reports += [
        Conversion(1, delivered=True, conversion_time=at + took, message_id=f"{name}{n}")
        for n in range(verified)
    ]
    return reports


def by_country(found: RateAnswer) -> list[str]:
    return ["other" if row.others else row.group[0] for row in found.rows]


def test_a_resend_is_three_different_things_at_three_levels(make: Make) -> None:
    at = NOW - 2 * DAY_MS
    ledger = make(
        [
            Requested(1, "a", at, session_id="s", attempt=1),
            Requested(1, "b", at + 60_000, session_id="s", attempt=2),
            Conversion(1, delivered=True, conversion_time=at + 90_000, message_id="b"),
        ]
    )
    found = {}
    for level in ("message", "first_attempt", "session"):
        (row,) = asked(ledger, at - HOUR_MS, at + HOUR_MS, ("level", level)).rows
        found[level] = row.requested, row.verified, row.rate
    assert found == {"message": (2, 1, 0.5), "first_attempt": (1, 0, 0.0), "session": (1, 1, 1.0)}


def test_what_is_young_is_pending_and_what_is_old_is_not(make: Make) -> None:
    ledger = make(sent("old", 10, 4, NOW - 30 * MINUTE_MS) + sent("new", 10, 4, NOW - 3 * MINUTE_MS))
    (row,) = asked(ledger, NOW - HOUR_MS, NOW).rows
    assert (row.requested, row.verified, row.now.pending) == (20, 8, 6)
    # Too few were verified to say what becomes of them.
    assert row.now.expected is None
    (row,) = asked(ledger, NOW - HOUR_MS, NOW - 20 * MINUTE_MS).rows
    assert row.now.pending == 0
    assert row.now.expected is not None
    assert row.now.expected.rate == row.rate == 0.4
    (row,) = asked(ledger, NOW - HOUR_MS, NOW, ("level", "first_attempt")).rows
    assert row.now.pending == 6


def test_a_rate_that_still_grows_is_expected_to_be_what_it_always_was(make: Make) -> None:
    chance = random.Random(11)
    reports: list[Report | Expiry] = []
    for n in range(9_000):
        # Two days of history, and 3,000 messages in the last five minutes.
        at = (
            NOW - chance.randrange(5 * MINUTE_MS)
            if n < 3_000
            else NOW - HOUR_MS - chance.randrange(2 * DAY_MS)
        )
        reports.append(Requested(1, f"{n}", at))
        took = 1 + round(chance.lognormvariate(log(30_000), 1.0))
        if chance.random() < 0.85 and at + took <= NOW:
            reports.append(Conversion(1, delivered=True, conversion_time=at + took, message_id=f"{n}"))
    ledger = make(reports)
    found = asked(ledger, NOW - 5 * MINUTE_MS, NOW)
    assert found.maturity is not None
    assert found.maturity.scope == "account"
    # 99.5 % of a log-normal delay with a median of 30 s are within 394 s.
    assert found.maturity.horizon_ms == pytest.approx(394_000, rel=0.2)
    (row,) = found.rows
    assert row.rate == pytest.approx(0.73, abs=0.04)
    assert row.now.expected is not None
    assert row.now.expected.rate == pytest.approx(0.85, abs=0.03)
    low, high = row.now.expected.interval
    assert low < 0.85 < high
    mature = asked(ledger, NOW - 3 * DAY_MS, NOW - HOUR_MS).rows[0]
    assert mature.times_ms[0] == pytest.approx(30_000, rel=0.05)
    # Of young messages only the quick ones are known.
    assert row.times_ms[0] is not None
    assert row.times_ms[0] < 27_000
    whole = asked(ledger, NOW - 3 * DAY_MS, NOW).rows[0]
    # The question makes no difference to its messages: slot by slot it is the same.
    slots = asked(ledger, NOW - 5 * MINUTE_MS, NOW, ("interval", "1m")).rows
    assert sum(each.now.pending for each in slots) == row.now.pending
    hours = asked(ledger, NOW - DAY_MS, NOW, ("interval", "1h")).rows
    assert sum(each.now.pending for each in hours) == whole.now.pending
    days = asked(ledger, NOW - DAY_MS, NOW, ("interval", "1d"), ("tz", "Asia/Kolkata")).rows
    assert sum(each.now.pending for each in days) == whole.now.pending


def test_delays_of_the_filtered_messages_go_before_those_of_the_account(make: Make) -> None:
    at = NOW - 2 * DAY_MS
    ledger = make(
        sent("quick", 400, 300, at, "DE", 5_000)
        + sent("slow", 400, 300, at, "BR", 300_000)
        + sent("few", 20, 20, at, "FR", 300_000)
    )
    found = {
        country: asked(ledger, NOW - HOUR_MS, NOW, ("country", country)).maturity
        for country in ("DE", "BR", "FR")
    }
    told = {country: (each.scope, each.learned_from) for country, each in found.items() if each}
    assert told == {"DE": ("filters", 300), "BR": ("filters", 300), "FR": ("account", 620)}
    assert found["DE"] is not None
    assert found["DE"].horizon_ms == MINUTE_MS  # never less
    # A delay of more than an hour is learned from messages that had a day.
    ledger = make(sent("hours", 3_000, 3_000, at, "IT", 5 * HOUR_MS))
    late = asked(ledger, NOW - HOUR_MS, NOW, ("country", "IT")).maturity
    assert late is not None
    assert 4 * HOUR_MS < late.horizon_ms < 8 * HOUR_MS


@pytest.mark.parametrize(
    ("compare", "before"), [("day", DAY_MS), ("week", 7 * DAY_MS), ("previous", 2 * HOUR_MS)]
)
def test_a_window_is_compared_with_the_one_before_it(make: Make, compare: str, before: int) -> None:
    start = NOW // HOUR_MS * HOUR_MS - 30 * HOUR_MS
    ledger = make(sent("now", 200, 120, start + 5) + sent("before", 300, 240, start - before + 5))
    found = asked(ledger, start, start + 2 * HOUR_MS, ("compare", compare))
    assert found.before == (start - before, start - before + 2 * HOUR_MS)
    (row,) = found.rows
    assert row.before is not None
    assert (row.before.requested, row.before.verified) == (300, 240)
    assert row.change == pytest.approx(-0.2)
    around, around_before = wilson(120, 200), wilson(240, 300)
    assert around is not None
    assert around_before is not None
    assert row.change_interval == newcombe(0.6, around, 0.8, around_before)
    slots = asked(ledger, start, start + 2 * HOUR_MS, ("compare", compare), ("interval", "1h")).rows
    assert [each.before.requested for each in slots if each.before] == [300, 0]
    assert slots[1].change is None


def test_days_of_a_time_zone_are_compared_with_as_many_days_before(make: Make) -> None:
    zone = ZoneInfo("Europe/Berlin")
    ledger = make(sent("a", 10, 5, NOW - DAY_MS))
    query = [("interval", "1d"), ("tz", zone.key), ("compare", "previous")]
    found = asked(ledger, NOW - 2 * DAY_MS, NOW, *query)
    assert found.before is not None
    assert found.before[1] == found.start
    assert found.before[1] - found.before[0] == found.end - found.start


def test_how_long_it_took_is_not_told_where_too_many_rollups_would_have_to_be_summed(make: Make) -> None:
    at = NOW - 2 * DAY_MS
    ledger = make(sent("a", 10, 8, at))
    for days, times in ((20, 1), (22, 0)):
        rows = asked(ledger, NOW - days * DAY_MS, NOW, ("interval", "1h")).rows
        assert [row.verified for row in rows if row.requested] == [8]
        assert sum(row.times_ms[0] is not None for row in rows) == times
    (whole,) = asked(ledger, NOW - 90 * DAY_MS, NOW).rows
    assert whole.times_ms[0] is not None


def test_a_window_from_the_beginning_of_time_has_nothing_before_it(make: Make) -> None:
    ledger = make(sent("a", 1, 1, NOW))
    for compare in ("day", "week", "previous"):
        (row,) = asked(ledger, 0, 5, ("compare", compare)).rows
        assert row.change is None


COUNTRIES = {"DE": (100, 90), "FR": (50, 10), "ES": (30, 24), "PT": (5, 5), "IT": (2, 0)}


@pytest.fixture
def wide(make: Make) -> LedgerReader:
    """Five countries, two days ago, of very unlike sizes; in the hour after, one of them alone."""
    at = NOW - 2 * DAY_MS
    reports = [each for name, (n, k) in COUNTRIES.items() for each in sent(name, n, k, at, name)]
    return make(reports + sent("later", 3, 3, at + HOUR_MS, "PT"))


def ask_wide(ledger: LedgerReader, *parameters: tuple[str, str]) -> RateAnswer:
    return asked(ledger, NOW - 3 * DAY_MS, NOW - DAY_MS, ("by", "country"), *parameters)


def test_rows_come_in_the_order_asked_for_and_what_has_no_value_last(wide: LedgerReader) -> None:
    assert by_country(ask_wide(wide)) == ["DE", "ES", "FR", "IT", "PT"]
    assert by_country(ask_wide(wide, ("order", "-requested"))) == ["DE", "FR", "ES", "PT", "IT"]
    assert by_country(ask_wide(wide, ("order", "rate"))) == ["IT", "FR", "ES", "DE", "PT"]
    assert by_country(ask_wide(wide, ("order", "rate_low"))) == ["IT", "FR", "ES", "PT", "DE"]
    assert by_country(ask_wide(wide, ("order", "-p50_ms")))[-1] == "IT"


def test_the_top_have_rows_of_their_own_and_all_others_share_one(wide: LedgerReader) -> None:
    rows = ask_wide(wide, ("top", "2")).rows
    assert [(row.group, row.others, row.requested) for row in rows] == [
        (("DE",), 0, 100),
        (("FR",), 0, 50),
        ((), 3, 40),
    ]
    assert by_country(ask_wide(wide, ("top", "2"), ("order", "rate"))) == ["IT", "FR", "other"]
    assert by_country(ask_wide(wide, ("top", "9"))) == ["DE", "ES", "FR", "IT", "PT"]


def test_groups_with_too_few_share_a_row_however_good_they_look(wide: LedgerReader) -> None:
    found = ask_wide(wide, ("min_requested", "30"), ("order", "-rate"))
    assert by_country(found) == ["DE", "ES", "FR", "other"]
    assert (found.rows[-1].requested, found.rows[-1].others) == (10, 2)
    assert sum(row.requested for row in found.rows) == 190


def test_the_top_are_the_same_in_every_slot(wide: LedgerReader) -> None:
    rows = ask_wide(wide, ("top", "2"), ("interval", "1h")).rows
    at = (NOW - 2 * DAY_MS) // HOUR_MS * HOUR_MS
    assert [(row.start, row.group, row.requested) for row in rows] == [
        (at, ("DE",), 100),
        (at, ("FR",), 50),
        (at, (), 37),
        (at + HOUR_MS, (), 3),
    ]


def test_the_row_of_all_others_is_compared_with_the_same_groups(make: Make) -> None:
    at = NOW - 2 * DAY_MS
    ledger = make(
        sent("a", 100, 90, at, "DE")
        + sent("b", 10, 9, at, "FR")
        + sent("c", 50, 10, at - DAY_MS, "FR")
        + sent("d", 5, 1, at - DAY_MS, "IT")
    )
    *_, other = asked(
        ledger, at - HOUR_MS, at + HOUR_MS, ("by", "country"), ("top", "1"), ("compare", "day")
    ).rows
    assert other.before is not None
    assert (other.requested, other.before.requested) == (10, 55)


def test_a_reporter_that_stopped_looks_unlike_users_who_gave_up(make: Make) -> None:
    at = NOW - 2 * DAY_MS
    told = [Conversion(1, delivered=False, conversion_time=at + 5, message_id=f"up{n}") for n in range(10)]
    ledger = make([*sent("up", 10, 2, at, "DE"), *told, *sent("stopped", 10, 2, at, "FR")])
    rows: list[RateRow] = asked(ledger, at - HOUR_MS, at + HOUR_MS, ("by", "country")).rows
    assert [(row.rate, row.reported_share) for row in rows] == [(0.2, 1.0), (0.2, 0.2)]


@pytest.mark.parametrize(
    "parameters",
    [
        [("level", "user")],
        [("compare", "year")],
        [("order", "country")],
        [("order", "--rate")],
        [("order", "change")],
        [("top", "3")],
        [("by", "country"), ("top", "0")],
        [("by", "country"), ("top", "1.5")],
        [("by", "country"), ("min_requested", "-1")],
    ],
)
def test_an_honest_question_that_makes_no_sense_is_refused(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest):
        parse_query(parameters, NOW)
