"""Questions are read strictly, windows are widened to the grain there is, and answers are exact."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from otpconv.errors import InvalidRequest
from otpconv.model import Conversion, Dimensions, Expiry, Requested
from otpconv.rates import RateQuery, compute_rates, parse_query
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Entry, LedgerReader
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter

DAY = 20_000 * DAY_MS
NOW = DAY + 5 * DAY_MS
#: Rollups by minute are kept from the second day on.
KEPT = DAY + DAY_MS
#: One message every 7 minutes for three days; every third is verified.
TIMES = range(DAY, DAY + 3 * DAY_MS, 7 * MINUTE_MS)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerReader]:
    folder: Path = tmp_path_factory.mktemp("rates")
    with closing(SqliteJournal(folder / "j")) as journal, closing(SqliteLedgerReader(folder / "l")) as made:
        for n, time in enumerate(TIMES):
            journal.append([Entry(Requested(1, f"m{n}", time, Dimensions("DE" if n % 2 else "FR")))], NOW)
            if n % 3 == 0:
                verified = Conversion(1, delivered=True, conversion_time=time + 9, message_id=f"m{n}")
                journal.append([Entry(verified)], NOW)
        journal.append([Entry(Expiry(unmatched_before=0, minutes_from=KEPT))], NOW)
        with closing(SqliteLedgerWriter(folder / "l", folder / "j")) as writer:
            while writer.apply(5_000) < journal.head():
                pass
        yield made


def counted(start: int, end: int) -> tuple[int, int]:
    inside = [n for n, time in enumerate(TIMES) if start <= time < end]
    return len(inside), sum(n % 3 == 0 for n in inside)


@given(st.integers(DAY - DAY_MS, DAY + 4 * DAY_MS), st.integers(1, 4 * DAY_MS))
def test_one_row_is_exact_for_the_window_the_answer_names(
    ledger: LedgerReader, start: int, length: int
) -> None:
    found = compute_rates(ledger, 1, RateQuery(start, start + length), NOW)
    (row,) = found.rows
    assert (row.requested, row.verified) == counted(found.start, found.end)
    assert found.start <= start < start + length <= found.end
    grain = MINUTE_MS if start >= KEPT else QUARTER_MS
    assert start - found.start < grain
    assert found.end - (start + length) < QUARTER_MS
    assert row.rate == (row.verified / row.requested if row.requested else None)


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h", "1d"])
def test_slots_cover_the_window_without_gaps_and_add_up(ledger: LedgerReader, interval: str) -> None:
    query = RateQuery(KEPT + 123_456, KEPT + 5 * HOUR_MS + 1, interval)
    found = compute_rates(ledger, 1, query, NOW)
    starts = [row.start for row in found.rows]
    assert starts[0] == found.start
    assert all(isinstance(start, int) for start in starts)
    assert sum(row.requested for row in found.rows) == counted(found.start, found.end)[0]
    assert sum(row.verified for row in found.rows) == counted(found.start, found.end)[1]
    assert compute_rates(ledger, 2, query, NOW).rows[0].rate is None


def test_minutes_that_are_gone_are_told_of(ledger: LedgerReader) -> None:
    with pytest.raises(InvalidRequest, match="15m, 1h or 1d"):
        compute_rates(ledger, 1, RateQuery(DAY, DAY + DAY_MS, "5m"), NOW)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_days_are_those_of_the_time_zone(ledger: LedgerReader, zone: str) -> None:
    tz = ZoneInfo(zone)
    found = compute_rates(ledger, 1, RateQuery(DAY, DAY + 3 * DAY_MS, "1d", tz=tz), NOW)
    for row in found.rows:
        assert row.start is not None
        assert datetime.fromtimestamp(row.start / 1000, tz).strftime("%H:%M") == "00:00"
    assert sum(row.requested for row in found.rows) == len(TIMES)


def test_groups_and_filters_divide_the_whole(ledger: LedgerReader) -> None:
    query = RateQuery(DAY, NOW, by=("country",))
    rows = compute_rates(ledger, 1, query, NOW).rows
    assert [row.group for row in rows] == [("DE",), ("FR",)]
    only = compute_rates(ledger, 1, RateQuery(DAY, NOW, filters={"country": {"FR"}}), NOW).rows
    assert only[0].requested == rows[1].requested
    assert sum(row.requested for row in rows) == len(TIMES)


@pytest.mark.parametrize(
    "parameters",
    [
        [("start", "5"), ("end", "5")],
        [("start", "1"), ("start", "2")],
        [("interval", "2h")],
        [("interval", "1m"), ("start", "0")],
        [("by", "country,country")],
        [("by", "weather")],
        [("tz", "Mars/Base")],
        [("tz", "../../etc/passwd")],
        [("weather", "fine")],
    ],
)
def test_a_question_that_makes_no_sense_is_refused(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest):
        parse_query(parameters, NOW)


def test_without_bounds_it_is_about_the_last_day() -> None:
    assert parse_query([], NOW) == RateQuery(NOW - DAY_MS, NOW)
