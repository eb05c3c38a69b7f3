"""The URL of a dashboard, and the values that it computes from the rows of an answer; pure."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from otpconv.errors import InvalidRequest
from otpconv.rates import RateRow
from otpconv.rates.intervals import wilson
from otpconv.rates.marks import Marks
from otpconv.rates.maturity import Expected
from otpconv.rates.row import Side
from otpconv.web.pages.dashboard.heat import heat_map
from otpconv.web.pages.dashboard.view import View, parse_view
from otpconv.web.pages.figures import format_duration, format_group, format_percent, format_points

HOUR_MS = 3_600_000
NOW = 1_700_000_000_000


def view(query: str = "") -> View:
    return parse_view(parse_qsl(query, keep_blank_values=True), NOW)


def side(requested: int, verified: int, pending: int = 0) -> Side:
    interval = wilson(verified, requested)
    return Side(requested, verified, pending, Expected(verified / requested, interval) if interval else None)


def row(
    now: tuple[int, int],
    before: tuple[int, int],
    values: tuple[str, ...] = (),
) -> RateRow:
    return RateRow(0, values, 0, side(*now), now[0], now[1], (None, None, None), side(*before))


# The URL.


@pytest.mark.parametrize(
    ("query", "hours", "compare", "by"),
    [
        ("", 24, "day", ("country", "provider")),
        ("window=1h", 1, "day", ("country", "provider")),
        ("window=7d&country=DE", 168, "week", ("provider", "carrier")),
        ("window=30d&country=DE&provider=", 720, "previous", ("carrier", "template")),
        ("compare=week&by=sender", 24, "week", ("sender",)),
        ("start=1699990000000&end=1700000000000", 10_000_000 / HOUR_MS, "previous", ("country", "provider")),
    ],
)
def test_a_url_says_what_is_seen(query: str, hours: float, compare: str, by: tuple[str, ...]) -> None:
    seen = view(query)
    assert seen.query.end == NOW
    assert 0 <= NOW - seen.query.start - hours * HOUR_MS < HOUR_MS
    assert (seen.query.compare, seen.query.by) == (compare, by)


@pytest.mark.parametrize(
    "query", ["", "window=1h", "country=DE&country=FR&by=carrier", "carrier=&level=session"]
)
def test_the_url_of_a_view_shows_that_view(query: str) -> None:
    seen = view(query)
    assert view(urlsplit(seen.url()).query) == seen
    assert view(urlsplit(seen.fixed()).query).query == seen.query


def test_links_lead_in_and_out_and_keep_the_rest() -> None:
    seen = view("window=6h&country=DE&min_requested=5&by=provider")
    into = view(urlsplit(seen.into(("provider",), ("a&b=c",))).query)
    assert into.filters == (("country", "DE"), ("provider", "a&b=c"))
    assert (into.window, into.query.min_requested, into.query.by) == ("6h", 5, ("carrier", "template"))
    assert view(urlsplit(into.without("country")).query).filters == (("provider", "a&b=c"),)
    assert view(urlsplit(into.everything()).query).filters == ()
    assert view(urlsplit(into.windowed("24h")).query).window == "24h"


@pytest.mark.parametrize(
    "query",
    ["window=2y", "window=1h&start=0", "top=3", "by=colour", "start=x", "window=1h&window=6h", "end=0"],
)
def test_what_a_dashboard_cannot_show_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        view(query)


# The rows.


def test_a_heat_map_has_the_largest_first_and_room_for_what_is_not_there() -> None:
    rows = [
        row((100, 5), (100, 80), ("DE", "acme")),
        row((900, 700), (900, 700), ("FR", "acme")),
        row((300, 240), (300, 240), ("FR", "zeta")),
    ]
    made = heat_map(rows, Marks({("DE", "acme")}, set()))
    assert made is not None
    assert made.columns == ["acme", "zeta"]
    (first, of_first), (second, of_second) = made.rows
    assert (first, second) == ("FR", "DE")
    assert [cell and cell.shade for cell in (*of_first, *of_second)] == ["", "", "drop-3", None]
    assert heat_map(rows[:1], Marks((), ())) is None


# Figures.


def test_figures_are_written_as_people_read_them() -> None:
    assert format_percent(0.7049) == "70.5\N{NO-BREAK SPACE}%"
    assert format_percent(None) == "–"
    assert [format_points(change) for change in (-0.151, 0.02, -0.0001, None)] == [
        "\N{MINUS SIGN}15.1",
        "+2.0",
        "0.0",
        "–",
    ]
    assert format_duration(30_000) == "30.0\N{NO-BREAK SPACE}s"
    assert format_group(("DE", "")) == "DE · unknown"
