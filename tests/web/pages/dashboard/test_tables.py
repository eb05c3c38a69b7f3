"""The table of groups over generated rows: its order, its search, and what it hides; pure."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given, settings, strategies as st

from campaigns import rounds
from otpconv.errors import InvalidRequest
from otpconv.rates import RateRow
from otpconv.rates.intervals import wilson
from otpconv.rates.marks import mark
from otpconv.rates.maturity import Expected
from otpconv.rates.row import Side
from otpconv.rates.signals import Assessment, Evidence
from otpconv.web.pages.choices import Choices
from otpconv.web.pages.dashboard.columns import COLUMNS, DEFAULT_COLUMNS, SORTABLE, next_order, parse_columns
from otpconv.web.pages.dashboard.tables import make_table, search_rows, sort_rows
from otpconv.web.pages.dashboard.view import View, parse_view
from otpconv.web.pages.figures import format_exact

NOW = 1_700_000_000_000
NOTHING = Evidence(Assessment([], [], 0.0, 0), [])
ORDERS = [f"{sign}{name}" for name in SORTABLE for sign in ("", "-")]
NAMES = st.sampled_from(["", "DE", "ID", "acme", "birdcall", "<b>&amp;", "x" * 128, "Ω≈ç", "a b", "0"])
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "Pacific/Chatham", "America/St_Johns"]


def side(requested: int, verified: int) -> Side:
    interval = wilson(verified, requested)
    expected = Expected(verified / requested, interval) if interval else None
    return Side(requested, verified, requested // 7, expected)


@st.composite
def sides(draw: st.DrawFn) -> Side:
    requested = draw(st.integers(0, 3_000))
    return side(requested, draw(st.integers(0, requested)))


@st.composite
def tables(draw: st.DrawFn) -> list[RateRow]:
    groups = draw(st.sets(st.tuples(NAMES, NAMES), min_size=1, max_size=30))
    times = st.tuples(*[st.none() | st.integers(0, 90_000)] * 3)
    return [
        RateRow(None, group, 0, now, now.requested, now.verified, draw(times), draw(sides()))
        for group in sorted(groups, key=str)
        for now in [draw(sides())]
    ]


def total_of(rows: list[RateRow]) -> RateRow:
    now = side(sum(row.requested for row in rows), sum(row.verified for row in rows))
    return RateRow(None, (), 0, now, now.requested, now.verified, (None, None, None), now)


def view(**parameters: str) -> View:
    return parse_view([("by", "country,provider"), *parameters.items()], NOW)


# The order.


@settings(max_examples=rounds(400))
@given(tables(), st.sampled_from(ORDERS))
def test_every_column_sorts_in_both_directions_and_loses_no_row(rows: list[RateRow], order: str) -> None:
    marks = mark(rows, ("country", "provider"), NOTHING)
    in_order = sort_rows(rows, order, marks)
    assert sorted(row.group for row in in_order) == sorted(row.group for row in rows)
    name, sign = order.removeprefix("-"), -1 if order.startswith("-") else 1
    if name == "group":
        assert [row.group for row in in_order] == sorted([row.group for row in rows], reverse=sign < 0)
        return
    shown = [COLUMNS[name].value(row, marks) for row in in_order]
    known = [value for value in shown if value is not None]
    assert shown == [*known, *[None] * (len(shown) - len(known))]
    assert known == sorted(known, reverse=sign < 0)


@given(tables())
def test_the_order_depends_on_the_rows_alone(rows: list[RateRow]) -> None:
    marks = mark(rows, ("country", "provider"), NOTHING)
    for order in (None, *ORDERS):
        assert sort_rows(rows[::-1], order, marks) == sort_rows(rows, order, marks)


@pytest.mark.parametrize("name", SORTABLE)
def test_two_clicks_on_a_header_reverse_the_order(name: str) -> None:
    first = next_order(name, "requested")
    second = next_order(name, first)
    assert {first, second} == {name, f"-{name}"}
    assert next_order(name, second) == first


# Hidden groups.


@settings(max_examples=rounds(400))
@given(tables(), st.sampled_from(["0", "1", "20", "500", "100000"]), st.sampled_from([None, *ORDERS]))
def test_each_group_is_shown_or_counted_and_none_that_surely_fails_is_hidden(
    rows: list[RateRow], least: str, order: str | None
) -> None:
    asked = view(min_requested=least, **({"sort": order} if order else {}))
    total = total_of(rows)
    table = make_table(asked, rows, total, NOTHING)
    shown = {row.group for row in table.rows}
    hidden = [row for row in rows if row.group not in shown]
    assert (len(hidden), sum(row.requested for row in hidden)) == (table.hidden, table.hidden_requested)
    assert sum(row.verified for row in hidden) == table.hidden_verified
    assert all(row.requested < int(least) for row in hidden)
    for row in hidden:
        assert not table.marks.has_fallen(row)
        # Not below half of the total, beyond what chance explains.
        if row.now.interval and total.rate:
            assert row.now.interval[1] >= total.rate / 2
    assert table.small == sum(row.requested < int(least) for row in table.rows)


def test_a_small_route_that_fails_is_shown_among_large_ones_and_a_small_healthy_one_is_not() -> None:
    def row(group: tuple[str, str], now: tuple[int, int], before: tuple[int, int]) -> RateRow:
        return RateRow(None, group, 0, side(*now), now[0], now[1], (None, None, None), side(*before))

    rows = [
        row(("DE", "acme"), (900, 700), (900, 700)),
        row(("DE", "zeta"), (900, 690), (900, 700)),
        row(("ID", "new"), (15, 0), (0, 0)),
        row(("ID", "old"), (15, 0), (20, 16)),
        row(("FR", "few"), (15, 11), (15, 12)),
    ]
    table = make_table(view(), rows, total_of(rows), NOTHING)
    assert {row.group for row in table.rows} == {row.group for row in rows[:4]}
    assert (table.small, table.hidden, table.hidden_requested) == (2, 1, 15)
    found = make_table(view(q="few france"), rows, total_of(rows), NOTHING)
    assert [row.group for row in found.rows] == [("FR", "few")]


# The search.


@given(tables(), st.text(st.sampled_from("DEIacmebird <&Ωx0"), max_size=8))
def test_a_search_finds_the_rows_that_contain_all_its_words(rows: list[RateRow], search: str) -> None:
    by = ("template", "provider")
    found = search_rows(rows, by, search)
    for row in rows:
        text = " ".join(value or "unknown" for value in row.group).casefold()
        assert (row in found) == all(word in text for word in search.casefold().split())


# The URL.


@st.composite
def queries(draw: st.DrawFn) -> list[tuple[str, str]]:
    some = {
        "sort": st.sampled_from(ORDERS),
        "q": st.text("aé &=+%#<", min_size=1, max_size=20).filter(str.strip),
        "tz": st.sampled_from(ZONES),
        "columns": st.lists(st.sampled_from([*COLUMNS]), min_size=1, unique=True).map(",".join),
        "by": st.sampled_from(["country", "provider,template"]),
        "compare": st.sampled_from(["day", "week", "previous"]),
        "min_requested": st.sampled_from(["0", "7"]),
    }
    chosen = [(name, draw(values)) for name, values in some.items() if draw(st.booleans())]
    times = draw(
        st.sampled_from(
            [
                [],
                [("window", "7d")],
                [("start", "yesterday"), ("end", "today")],
                [("start", "2023-11-01 09:30"), ("end_at", "2023-11-02T00:00")],
                [("start", "last week"), ("start_at", "2023-10-29T02:30")],
            ]
        )
    )
    filters = [(name, draw(NAMES)) for name in ("country", "carrier") if draw(st.booleans())]
    return [*chosen, *times, *filters]


@example([("q", "a&b=c#d"), ("start_at", "2023-03-26T02:30"), ("tz", "Europe/Berlin")], "Asia/Kolkata")
@settings(max_examples=rounds(400))
@given(queries(), st.sampled_from(ZONES))
def test_every_link_of_a_view_opens_the_same_view(given: list[tuple[str, str]], zone: str) -> None:
    mine = Choices(tz=zone, columns="rate,requested")
    seen = parse_view(given, NOW, mine)

    def opened(url: str, choices: Choices) -> View:
        return parse_view(parse_qsl(urlsplit(url).query, keep_blank_values=True), NOW, choices)

    assert opened(seen.url(), mine) == seen
    assert opened(f"?{urlencode(seen.fields())}", mine) == seen
    for other in (Choices(), Choices(tz="America/St_Johns", columns="lost")):
        for url in (seen.shared(), seen.fixed()):
            theirs = opened(url, other)
            assert (theirs.query, theirs.columns, theirs.filters) == (seen.query, seen.columns, seen.filters)
            assert (theirs.sort, theirs.search) == (seen.sort, seen.search)
    assert opened(seen.url(sort=None, q=None), mine).sort is None


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(ZONES))
def test_a_time_in_a_field_is_the_same_time_again(time: int, zone: str) -> None:
    start = time // 60_000 * 60_000
    given = {"start": format_exact(start, view(tz=zone).query.tz), "end": str(start + 1), "tz": "Asia/Tokyo"}
    assert view(**given).query.start == start


@pytest.mark.parametrize(
    "given",
    [
        {"sort": "colour"},
        {"sort": "--rate"},
        {"sort": "trend"},
        {"q": "x" * 101},
        {"columns": "rate,rate"},
        {"columns": "<b>"},
        {"tz": "Mars/Base"},
        {"start_at": "soon"},
        {"window": "1h", "start_at": "2023-11-02T00:00"},
    ],
)
def test_a_malformed_choice_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        view(**given)


@pytest.mark.parametrize(
    "cookie", [Choices("Mars/Base", "rate,colour"), Choices("", ""), Choices("../..", ",")]
)
def test_a_malformed_remembered_choice_is_ignored(cookie: Choices) -> None:
    seen = parse_view([], NOW, cookie)
    assert (seen.query.tz.key, seen.columns) == ("UTC", DEFAULT_COLUMNS)


def test_columns_are_shown_in_one_order() -> None:
    assert parse_columns("requested, rate") == ("rate", "requested")
