"""Delivered and verified side by side: shown where receipts are known, with how many are."""

from jinja2 import Environment, PackageLoader

from otpconv.rates import RateRow
from otpconv.rates.cost import Cost
from otpconv.rates.row import Side
from otpconv.web.pages.dashboard.columns import DEFAULT_COLUMNS, shown_columns
from otpconv.web.pages.figures import FILTERS


def made(receipted: int, delivered: int, costs: tuple[Cost, ...] = ()) -> RateRow:
    side = Side(100, 84, 0, None)
    return RateRow(
        None, (), 0, side, 100, 84, (None, None, None), receipted=receipted, delivered=delivered, costs=costs
    )


def shown(row: RateRow) -> str:
    pages = Environment(loader=PackageLoader("otpconv.web"), autoescape=True)
    pages.filters.update(FILTERS)
    parts = pages.get_template("dashboard_parts.html").module
    text: str = parts.delivery(row)  # type: ignore[attr-defined]
    return " ".join(text.replace("\xa0", " ").split())


def test_99_percent_delivered_and_84_percent_verified_are_side_by_side() -> None:
    text = shown(made(100, 99))
    assert "Delivered <strong>99.0 %</strong>" in text
    assert "Verified <strong>84.0 %</strong>" in text
    assert "have a delivery receipt" not in text
    assert "50 of 100 messages have a delivery receipt." in shown(made(50, 49))
    assert not shown(made(0, 0))


def test_the_table_has_the_columns_of_what_is_known_unless_others_are_chosen() -> None:
    cost = (Cost("EUR", 1, 1),)
    assert shown_columns(DEFAULT_COLUMNS, made(0, 0)) == DEFAULT_COLUMNS
    added = {*shown_columns(DEFAULT_COLUMNS, made(9, 9, cost))} - {*DEFAULT_COLUMNS}
    assert added == {"delivered_share", "cost_per_verified"}
    assert shown_columns(("rate",), made(9, 9, cost)) == ("rate",)
