"""What a message of each route costs on average: own prices, the price list, and several currencies."""

import random

import pytest

from otpconv.access.prices import Price
from otpconv.advice.prices import fetch_prices, mean_prices
from otpconv.model import Dimensions, Report, Requested
from otpconv.rates.cost import Cost
from otpconv.rates.price_list import PriceList
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, HOUR_MS
from storage.engines import Engine, sqlite_first

END = 20_000 * DAY_MS + 6 * HOUR_MS
NOW = END + HOUR_MS + 1


@sqlite_first
def test_the_mean_price_is_that_of_a_recount(engine: Engine) -> None:
    chance = random.Random(14)
    start, end, changed = 19_972 * DAY_MS, END, END - 5 * DAY_MS
    listed = [Price("acme", "DE", "", 0, 80_000, "EUR"), Price("acme", "", "", changed, 90_000, "EUR")]
    listed.append(Price("acme", "DE", "", changed, 100_000, "EUR"))
    paid: dict[str, list[int]] = {"acme": [], "blue": []}
    reports: list[Report] = []
    for number in range(200):
        at = NOW - chance.randrange(40 * DAY_MS)
        provider, country = chance.choice(["acme", "blue", "none"]), chance.choice(["DE", "DE", "FR"])
        reports.append(Requested(1, f"m{number}", at, Dimensions(country, provider=provider)))
        own = chance.randrange(1_000_000) if provider == "blue" and chance.random() < 0.5 else None
        if own is not None:
            reports.append(Receipt(1, f"m{number}", ReceiptStatus.NONE, at, price=own, currency="EUR"))
        if country != "DE" or not start <= at < end:
            continue
        if provider == "acme":
            paid["acme"].append(80_000 if at < changed else 100_000)
        elif own is not None:
            paid["blue"].append(own)
    with engine.open() as storage:
        storage.append(*reports)
        storage.apply_all()
        found = fetch_prices(storage.ledger, 1, "DE", NOW, PriceList(listed))
        assert fetch_prices(storage.ledger, 2, "DE", NOW, PriceList(())).by_provider == {}
    assert found.currency == "EUR"
    means = {provider: sum(prices) / len(prices) / 1e6 for provider, prices in paid.items()}
    assert found.by_provider == pytest.approx(means)


def test_the_currency_of_the_most_messages_counts_and_other_prices_are_unknown() -> None:
    means = mean_prices(
        [
            ("acme", (Cost("EUR", 3, 300_000), Cost("USD", 1, 5_000_000))),
            ("blue", (Cost("USD", 3, 600_000),)),
            ("cyan", ()),
        ]
    )
    assert (means.currency, means.by_provider) == ("USD", {"acme": 5.0, "blue": 0.2})
    means = mean_prices([("acme", (Cost("USD", 2, 2),)), ("blue", (Cost("EUR", 2, 2),))])
    assert (means.currency, list(means.by_provider)) == ("EUR", ["blue"])
    assert mean_prices([]) == mean_prices([("acme", ())])
