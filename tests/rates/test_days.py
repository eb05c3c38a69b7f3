"""Days are those of the time zone, whichever it is and however old they are: held against `zoneinfo`."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.rates import RateAnswer, compute_rates, parse_query
from otpconv.rates.plan import cover
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Entry, LedgerReader
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter

#: 2026-11-27T00:07:00Z, and the year from which on reports are taken.
NOW = 1_795_738_020_000
SINCE = datetime(2000, 1, 1, tzinfo=UTC)
ZONES = sorted(available_timezones())
#: The zones that the issue of half and quarter hours is about, and those with the oddest clocks.
ODD = (
    *("Asia/Kolkata", "Asia/Kathmandu", "Asia/Colombo", "Asia/Tehran", "Asia/Yangon", "Asia/Kabul"),
    *("Australia/Eucla", "Australia/Adelaide", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Marquesas"),
    *("Asia/Pyongyang", "America/Caracas", "Pacific/Apia", "Pacific/Fakaofo", "America/Havana"),
    *("Atlantic/Azores", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Antarctica/Troll"),
    *("Antarctica/Casey", "America/St_Johns", "America/Goose_Bay"),
)
#: Once a year, until 2011, clocks there went back to the day before when a day was a minute old.
SPLIT_MINUTE = {"America/St_Johns", "America/Goose_Bay", "America/Moncton", "Canada/Newfoundland"}

Make = Callable[[Sequence[Report | Expiry]], LedgerReader]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes ledgers of reports."""
    opened: list[SqliteLedgerReader] = []

    def made(reports: Sequence[Report | Expiry]) -> LedgerReader:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        with (
            closing(SqliteJournal(folder / "j")) as journal,
            closing(SqliteLedgerWriter(folder / "l", folder / "j")) as writer,
        ):
            for _, together in groupby(reports, lambda report: isinstance(report, Expiry)):
                journal.append([Entry(report) for report in together], NOW)
            while writer.apply(50_000) < journal.head():
                pass
        opened.append(SqliteLedgerReader(folder / "l"))
        return opened[-1]

    yield made
    for ledger in opened:
        ledger.close()


@cache
def transitions(zone: str) -> tuple[int, ...]:
    """When the offset of a zone changed since 2000, ms."""
    tz, found = ZoneInfo(zone), []

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, tz).utcoffset()

    first, last, step = round(SINCE.timestamp()), NOW // 1000, 7 * 86_400
    after = offset(first)
    for second in range(first, last, step):
        low, high = second, min(last, second + step)
        before, after = after, offset(high)
        if before != after:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high * 1000)
    return tuple(found)


def asked(
    ledger: LedgerReader, start: int, end: int, zone: str, *more: tuple[str, str], account: int = 1
) -> RateAnswer:
    given = [("start", str(start)), ("end", str(end)), ("interval", "1d"), ("tz", zone), *more]
    return compute_rates(ledger, account, parse_query(given, NOW), NOW)


def day(time: int, zone: str) -> date:
    return datetime.fromtimestamp(time / 1000, ZoneInfo(zone)).date()


def counted(found: RateAnswer, zone: str) -> Counter[tuple[date, tuple[str, ...]]]:
    """How many were requested by the day that a slot's start is in, and by group."""
    counts = Counter({(day(row.start or 0, zone), row.group): row.requested for row in found.rows})
    assert len(counts) == len(found.rows), "a day twice"
    return +counts


def touched(start: int, end: int, zone: str) -> set[date]:
    return {day(time, zone) for time in (*range(start, end, QUARTER_MS), end - 1)}


def test_every_zone_is_whole_quarters_of_an_hour_from_utc_since_reports_are_taken() -> None:
    for zone in ZONES:
        for time in (round(SINCE.timestamp() * 1000), *transitions(zone)):
            offset = datetime.fromtimestamp(time / 1000, ZoneInfo(zone)).utcoffset()
            assert offset is not None
            assert offset % timedelta(minutes=15) == timedelta(), (zone, time)


def world(chance: random.Random, zone: str) -> list[int]:
    """When messages are requested: anywhere, around midnights, around changes of the clock, and lately."""
    around = [*transitions(zone)[-40:], NOW - 3 * DAY_MS, NOW - 10 * DAY_MS, NOW - HOUR_MS]
    middle = chance.choice(around)
    times = [middle + chance.randrange(-2 * DAY_MS, 2 * DAY_MS) for _ in range(12)]
    for time in list(times):
        date_of = day(time, zone)
        midnight = datetime(date_of.year, date_of.month, date_of.day, tzinfo=ZoneInfo(zone))
        begin = round(midnight.timestamp() * 1000)
        times += [begin + chance.choice((0, -1, MINUTE_MS, -MINUTE_MS, QUARTER_MS, -QUARTER_MS, HOUR_MS - 1))]
    times = [time for time in times if SINCE.timestamp() * 1000 < time < NOW]
    if zone in SPLIT_MINUTE:
        times = [
            time for time in times if not any(0 < change - time <= MINUTE_MS for change in transitions(zone))
        ]
    return times


def reports(account: int, times: Sequence[int], chance: random.Random) -> Iterator[Report]:
    """Messages in two countries, some of them verified."""
    for number, time in enumerate(times):
        yield Requested(account, f"{number}", time, Dimensions(chance.choice(("DE", "IN"))))
        if chance.random() < 0.5:
            yield Conversion(account, True, time + 1, f"{number}")


@pytest.mark.rounds
@pytest.mark.parametrize(
    ("zones", "worlds"),
    [
        pytest.param(ODD, 8, id="the oddest zones"),
        pytest.param(
            ZONES,
            rounds(2, at_least=1),
            id="all zones",
            marks=pytest.mark.campaign("the oddest zones have every offset and change that others have"),
        ),
    ],
)
def test_days_are_a_recount_with_zoneinfo(make: Make, zones: Sequence[str], worlds: int) -> None:
    chance = random.Random(len(zones))
    for _ in range(worlds):
        times = [world(chance, zone) for zone in zones]
        made = [list(reports(account, each, chance)) for account, each in enumerate(times, start=1)]
        everything: list[Report | Expiry] = [each for of in made for each in of]
        # An expiry after some of them, so that the rest comes for minutes that are gone.
        edge = min(NOW - DAY_MS, chance.choice([time for each in times for time in each]))
        expiry = Expiry(0, edge - edge % chance.choice((MINUTE_MS, HOUR_MS)))
        everything.insert(chance.randrange(len(everything)), expiry)
        ledger = make(everything)
        for account, (zone, around) in enumerate(zip(zones, times, strict=True), start=1):
            start = chance.choice(around) - chance.randrange(2 * DAY_MS)
            end = start + 1 + chance.randrange(4 * DAY_MS)
            held_against_a_recount(ledger, account, made[account - 1], zone, (start, end))


def held_against_a_recount(
    ledger: LedgerReader, account: int, made: Sequence[Report], zone: str, window: tuple[int, int]
) -> None:
    wanted = touched(*window, zone)
    expected = Counter(
        (day(each.requested_at, zone), (each.dimensions.country,))
        for each in made
        if isinstance(each, Requested) and day(each.requested_at, zone) in wanted
    )
    by_country = asked(ledger, *window, zone, ("by", "country"), account=account)
    assert counted(by_country, zone) == expected, (zone, window)
    totals = Counter[tuple[date, tuple[str, ...]]]()
    for (of_day, _), count in expected.items():
        totals[of_day, ()] += count
    total = asked(ledger, *window, zone, account=account)
    assert counted(total, zone) == totals, (zone, window)
    # A day without messages has a row too, and one that the zone skipped has none.
    assert {day(row.start or 0, zone) for row in total.rows} == wanted
    assert all(row.now.pending <= row.requested for row in total.rows)


def test_a_quarter_to_midnight_is_the_old_day_in_half_and_quarter_hour_zones(make: Make) -> None:
    times = {
        "Asia/Kolkata": ("2026-11-10T23:45:00+05:30", "2026-11-11T00:15:00+05:30"),
        "Asia/Kathmandu": ("2026-11-10T23:59:59+05:45", "2026-11-11T00:00:00+05:45"),
        "Australia/Eucla": ("2026-11-10T23:45:00+08:45", "2026-11-11T00:00:00+08:45"),
    }
    for zone, (before, after) in times.items():
        at = [round(datetime.fromisoformat(text).timestamp() * 1000) for text in (before, after)]
        for minutes_from in (0, NOW - 3 * DAY_MS):
            ledger = make([*(Requested(1, f"{time}", time) for time in at), Expiry(0, minutes_from)])
            found = asked(ledger, at[0], at[1] + 1, zone)
            assert counted(found, zone) == {(date(2026, 11, 10), ()): 1, (date(2026, 11, 11), ()): 1}


def test_days_are_compared_with_days_even_where_a_zone_skipped_one(make: Make) -> None:
    zone = "Pacific/Apia"
    local = ZoneInfo(zone)

    def noon(day_of_month: int) -> int:
        return round(datetime(2011, 12, day_of_month, 12, tzinfo=local).timestamp() * 1000)

    days = (27, 28, 29, 31)
    ledger = make([Requested(1, f"{d}-{n}", noon(d)) for d in days for n in range(d - 20)])
    for compare, expected in (("previous", 9), ("day", 9), ("week", 0)):
        (row,) = asked(ledger, noon(31), noon(31) + 1, zone, ("compare", compare)).rows
        assert row.before is not None
        assert (row.requested, row.before.requested) == (11, expected)
    found = asked(ledger, noon(29), noon(31) + 1, zone, ("compare", "previous"))
    assert [(row.requested, row.before and row.before.requested) for row in found.rows] == [(9, 7), (11, 8)]


def test_what_is_pending_belongs_to_its_day_of_the_time_zone(make: Make) -> None:
    # Verified within up to 20 hours, so that all of the last hours is pending.
    old = [Requested(1, f"old{n}", NOW - 4 * DAY_MS + n) for n in range(300)]
    took = [
        Conversion(1, True, each.requested_at + (n + 1) * 4 * MINUTE_MS, each.message_id)
        for n, each in enumerate(old)
    ]
    young = [Requested(1, f"{n}", NOW - n * 3 * MINUTE_MS - 1) for n in range(240)]
    ledger = make([*old, *took, *young])
    for zone in ("Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "UTC"):
        expected = Counter((day(each.requested_at, zone), ()) for each in young)
        rows = asked(ledger, NOW - DAY_MS // 2, NOW, zone).rows
        assert {
            (day(row.start or 0, zone), ()): row.now.pending for row in rows if row.now.pending
        } == expected


def test_an_interval_of_a_quarter_of_an_hour_is_answered_for_any_time(make: Make) -> None:
    edge = NOW - 3 * DAY_MS
    edge -= edge % MINUTE_MS
    times = [edge + n * 7 * MINUTE_MS for n in range(-100, 100)]
    ledger = make([*(Requested(1, f"{time}", time) for time in times), Expiry(0, edge)])
    start, end = times[0] + 5, times[-1] - 5
    given = [("start", str(start)), ("end", str(end))]
    found = compute_rates(ledger, 1, parse_query([*given, ("interval", "15m")], NOW), NOW)
    expected = Counter(time // QUARTER_MS * QUARTER_MS for time in times)
    assert {row.start: row.requested for row in found.rows if row.requested} == expected
    (whole,) = compute_rates(ledger, 1, parse_query(given, NOW), NOW).rows
    assert whole.requested == sum(
        times[0] // QUARTER_MS * QUARTER_MS <= time < -(-end // MINUTE_MS) * MINUTE_MS for time in times
    )


@settings(max_examples=rounds(300), deadline=None)
@given(st.lists(st.integers(0, 40 * 24 * 60), max_size=6, unique=True), st.sampled_from([DAY_MS, HOUR_MS]))
def test_the_rollups_that_cover_spans_meet_every_minute_once(edges: list[int], coarsest: int) -> None:
    minutes = sorted(edges)
    spans = [(a * MINUTE_MS, b * MINUTE_MS) for a, b in zip(minutes[::2], minutes[1::2], strict=False)]
    window = cover(spans, coarsest=coarsest)
    grains = (
        (window.days, DAY_MS),
        (window.hours, HOUR_MS),
        (window.quarters, QUARTER_MS),
        (window.minutes, MINUTE_MS),
    )
    for found, grain in grains:
        assert all(start % grain == end % grain == 0 and start < end for start, end in found)
    met = Counter(time for found, _ in grains for span in found for time in range(*span, MINUTE_MS))
    assert met == Counter(time for span in spans for time in range(*span, MINUTE_MS))
