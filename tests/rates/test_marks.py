"""Which rows of a table are marked, of many that are looked at."""

import random

from otpconv.rates import RateRow
from otpconv.rates.intervals import wilson
from otpconv.rates.marks import is_sure, lost, mark
from otpconv.rates.maturity import Expected
from otpconv.rates.row import Side
from otpconv.rates.signals import Assessment, Evidence, Signal
from otpconv.rates.slices import Slice

NOTHING = Evidence(Assessment([], [], 100.0, 1000), [])


def side(requested: int, verified: int) -> Side:
    interval = wilson(verified, requested)
    assert interval is not None
    return Side(requested, verified, 0, Expected(verified / requested, interval))


def row(now: tuple[int, int], before: tuple[int, int], *group: str) -> RateRow:
    return RateRow(None, group, 0, side(*now), now[0], now[1], (None, None, None), side(*before))


def broken(kind: str, *values: tuple[str, str]) -> Evidence:
    finding = Signal(kind, Slice(values), 0, None, 100, 10, 75.0, 50)  # type: ignore[arg-type]
    found = (
        Assessment([finding], [], 100.0, 1000)
        if kind == "silence"
        else Assessment([], [finding], 100.0, 1000)
    )
    return Evidence(found, [])


def test_a_single_change_is_sure_only_where_chance_does_not_explain_it() -> None:
    assert is_sure(row((1000, 600), (1000, 750)), -1)
    assert not is_sure(row((10, 6), (10, 8)), -1)
    assert is_sure(row((1000, 750), (1000, 600)), 1)
    assert lost(row((1000, 600), (1000, 750))) in range(100, 150)
    assert lost(row((1000, 750), (1000, 600))) == 0


def test_of_many_routes_that_only_chance_moves_hardly_any_table_has_a_mark() -> None:
    chance = random.Random(5)

    def drawn() -> tuple[int, int]:
        return 200, sum(chance.random() < 0.75 for _ in range(200))

    tables = [[row(drawn(), drawn(), f"r{n}") for n in range(40)] for _ in range(200)]
    marked = [bool(mark(rows, ("provider",), NOTHING).fallen) for rows in tables]
    assert sum(marked) <= 0.05 * len(tables)


def test_a_route_that_fell_is_marked_among_many() -> None:
    rows = [row((200, 150), (200, 150), f"r{n}") for n in range(40)]
    rows.append(row((200, 80), (200, 150), "broken"))
    marks = mark(rows, ("provider",), NOTHING)
    assert marks.fallen == {("broken",)}
    assert marks.has_fallen(rows[-1])
    assert not marks.has_risen(rows[-1])


def test_what_the_verdict_names_is_marked_even_where_the_window_dilutes_it() -> None:
    rows = [row((2000, 1480), (2000, 1500), country, "acme") for country in ("DE", "FR")]
    marks = mark(rows, ("country", "provider"), broken("drop", ("country", "DE"), ("provider", "acme")))
    assert marks.fallen == {("DE", "acme")}


def test_no_route_is_marked_because_an_application_inside_it_is_silent() -> None:
    rows = [row((2000, 1000), (2000, 1500), country, "acme") for country in ("DE", "FR")]
    marks = mark(rows, ("country", "provider"), broken("silence", ("template", "login")))
    assert marks.fallen == set()
