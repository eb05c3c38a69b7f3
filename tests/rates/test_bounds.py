"""Questions about a large ledger: too large ones are refused or answered less finely, and all end in time."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from campaigns import parameters
from otpconv.errors import AnswerTooLarge, InvalidRequest, Unavailable
from otpconv.rates import LEVELS, RateAnswer, compute_rates, evidence, fetch, parse_query, question
from otpconv.rates.price_list import NO_PRICES
from otpconv.storage import deadline
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, Window
from otpconv.storage.sqlite import SqliteLedgerReader
from otpconv.web.pages.dashboard import view
from otpconv.web.pages.dashboard.overview import Overview, overview, rates_over_time
from otpconv.web.pages.dashboard.view import parse_view
from otpconv.web.v1 import rate_formats
from otpconv.web.v1.rate_formats import FORMATS, rates_response
from otpconv.web.v1.rates_out import rates_out
from web.large import fill

NOW = 20_000 * DAY_MS + 12 * HOUR_MS + 30 * MINUTE_MS
#: More than `MAX_COUNTS` in a day by the quarter of an hour, less by the hour.
GROUPS = 540
YEAR_MS = 366 * DAY_MS
ROUTE = ("by", "country,provider")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("large")
    fill(data, groups=GROUPS, now=NOW, days=2, minutes=45)
    return data


@pytest.fixture
def ledger(folder: Path) -> Iterator[SqliteLedgerReader]:
    with closing(SqliteLedgerReader(folder / "ledger.sqlite")) as opened:
        yield opened


@pytest.fixture(scope="module")
def usual(folder: Path) -> Overview:
    """The overview where all groups are separate."""
    with closing(SqliteLedgerReader(folder / "ledger.sqlite")) as opened:
        return overview(opened, 1, dashboard(), NOW, NO_PRICES)


def ask(ledger: SqliteLedgerReader, *asked: tuple[str, str]) -> RateAnswer:
    return compute_rates(ledger, 1, parse_query(asked, NOW), NOW)


def dashboard(**given: str) -> view.View:
    return parse_view(given.items(), NOW)


# Rows, windows, filters.


def test_an_answer_of_too_many_rows_is_refused_and_says_how_to_narrow_it(ledger: SqliteLedgerReader) -> None:
    start = ("start", str(NOW - NOW % DAY_MS))
    assert len(ask(ledger, ROUTE, ("interval", "1h"), start).rows) == 13 * GROUPS
    for more in ((), (("compare", "day"),), (("top", "3"),)):
        with pytest.raises(AnswerTooLarge, match=r"more than 50,000 rows.*less time.*longer interval.*by"):
            ask(ledger, ROUTE, ("interval", "15m"), ("start", str(NOW - DAY_MS)), *more)


@given(
    limit=st.integers(0, 2 * GROUPS),
    by=st.sampled_from([(), ("country",), ("provider",), DIMENSIONS]),
    delays=st.booleans(),
)
def test_counts_are_given_up_to_the_limit_and_not_beyond(
    folder: Path, limit: int, by: tuple[str, ...], *, delays: bool
) -> None:
    midnight = NOW - NOW % DAY_MS
    window = Window(days=((midnight, midnight + DAY_MS),))
    with closing(SqliteLedgerReader(folder / "ledger.sqlite")) as opened:
        count = len(opened.counts(1, window, by, {}, delays=delays))
        if count <= limit:
            assert len(opened.counts(1, window, by, {}, delays=delays, limit=limit)) == count
        else:
            with pytest.raises(AnswerTooLarge):
                opened.counts(1, window, by, {}, delays=delays, limit=limit)


@pytest.mark.parametrize("years", [101, 1_000, 3_000, 7_900])
def test_a_window_of_too_many_years_is_refused_by_the_api_and_the_dashboard(years: int) -> None:
    end = years * YEAR_MS
    for parse in (parse_query, parse_view):
        with pytest.raises(InvalidRequest, match=f"at most {question.MAX_DAYS:,} days"):
            parse([("start", "0"), ("end", str(end))], NOW)


def test_all_times_that_a_message_can_have_are_one_window(ledger: SqliteLedgerReader) -> None:
    for level in LEVELS:
        assert len(ask(ledger, ("start", "0"), ("level", level)).rows) == 1


@given(st.integers(1, question.MAX_DAYS))
def test_a_dashboard_s_chart_has_no_more_points_than_it_has_pixels(folder: Path, days: int) -> None:
    times = {"start": str(max(0, NOW - days * DAY_MS)), "end": str(NOW)}
    if days > view.MAX_VIEW_DAYS:
        with pytest.raises(InvalidRequest, match=f"at most {view.MAX_VIEW_DAYS:,} days"):
            dashboard(**times)
        return
    with closing(SqliteLedgerReader(folder / "ledger.sqlite")) as opened:
        assert len(rates_over_time(opened, 1, dashboard(**times), NOW).rows) <= view.MAX_VIEW_DAYS + 1


def test_filters_are_bounded() -> None:
    for parse, most in ((parse_query, question.MAX_FILTERS), (parse_view, view.MAX_VIEW_FILTERS)):
        parse([("country", f"{n}") for n in range(most)], NOW)
        with pytest.raises(InvalidRequest, match=f"at most {most} values"):
            parse([("country", f"{n}") for n in range(most + 1)], NOW)


# Bytes.


@pytest.mark.parametrize("name", FORMATS)
def test_an_answer_of_too_many_bytes_is_refused_in_every_format(
    ledger: SqliteLedgerReader, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    query = parse_query([ROUTE], NOW)
    found = compute_rates(ledger, 1, query, NOW)
    head = rates_out(found, query, lag=0)

    def size() -> int:
        return len(rates_response(name, head, found.rows, query).body)

    whole = size()
    monkeypatch.setattr(rate_formats, "MAX_ANSWER_BYTES", whole)
    assert size() == whole
    monkeypatch.setattr(rate_formats, "MAX_ANSWER_BYTES", whole // 2)
    with pytest.raises(AnswerTooLarge, match="fewer dimensions"):
        size()


# Time.


def test_every_step_of_an_answer_ends_when_its_time_is_over(ledger: SqliteLedgerReader) -> None:
    query = parse_query([ROUTE], NOW)
    found = compute_rates(ledger, 1, query, NOW)
    head = rates_out(found, query, lag=0)
    steps: dict[str, Any] = {
        "one count": lambda: ledger.unmatched(1),
        "rates": lambda: compute_rates(ledger, 1, query, NOW),
        "a dashboard": lambda: overview(ledger, 1, dashboard(), NOW, NO_PRICES),
        "encoding": lambda: rates_response("json", head, found.rows, query),
        "csv": lambda: rates_response("csv", head, [], query),
    }
    for step in steps.values():
        with pytest.raises(Unavailable, match="takes too long"), deadline.within(-1):
            step()
    assert not deadline.is_over()


def test_a_statement_is_interrupted_when_the_time_is_over(ledger: SqliteLedgerReader) -> None:
    """A statement that would take minutes: each quarter of the day some thousand times over."""
    start = NOW - NOW % DAY_MS
    spans = tuple((start, start + DAY_MS) for _ in range(3_000))
    before = time.monotonic()
    with pytest.raises(Unavailable, match="takes too long"), deadline.within(0.2):
        ledger.counts(1, Window(quarters=spans), DIMENSIONS, {})
    assert time.monotonic() - before < 10  # on a busy machine


def test_an_inner_deadline_never_outlasts_an_outer_one() -> None:
    with deadline.within(-1), deadline.within(60):
        assert deadline.is_over()
    with deadline.within(60):
        with deadline.within(-1):
            assert deadline.is_over()
        assert not deadline.is_over()


# Coarser answers.


@pytest.mark.parametrize("most", parameters([1, 5, 50, 700, 10_000], [50], "other bounds"))
def test_a_verdict_on_too_many_groups_tells_fewer_dimensions_apart(
    ledger: SqliteLedgerReader, usual: Overview, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    for name in ("MAX_LEAVES", "MAX_CELLS", "MAX_ROUTE_CELLS"):
        monkeypatch.setattr(evidence, name, most)
    seen = overview(ledger, 1, dashboard(), NOW, NO_PRICES)
    assert (seen.table.groups, seen.table.rows) == (usual.table.groups, usual.table.rows)
    found, expected = seen.evidence.now, usual.evidence.now
    assert found.learned_from == expected.learned_from > 0
    assert found.expected == pytest.approx(expected.expected, rel=0.02)
    assert (found.silences, found.drops) == (expected.silences, expected.drops)


def test_expected_rates_are_nearly_the_same_where_minutes_are_too_many_to_tell_apart(
    ledger: SqliteLedgerReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more in ([], [("interval", "1h")], [("interval", "15m")], [("interval", "1d")]):
        given = [ROUTE, ("start", str(NOW - 2 * HOUR_MS)), *more]
        fine = ask(ledger, *given).rows
        with monkeypatch.context() as patch:
            patch.setattr(fetch, "MAX_YOUNG_COUNTS", 4 * GROUPS)
            coarse = ask(ledger, *given).rows
        assert [(row.start, row.group, row.requested, row.verified) for row in fine] == [
            (row.start, row.group, row.requested, row.verified) for row in coarse
        ]
        for one, other in zip(fine, coarse, strict=True):
            assert one.now.pending <= other.now.pending
            if one.now.expected and other.now.expected:
                assert abs(one.now.expected.rate - other.now.expected.rate) < 0.1
