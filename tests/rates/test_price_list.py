"""Which price of a list holds for a message: the newest and the most specific one, found exactly."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from otpconv.access.prices import MAX_PRICES, Price, merged
from otpconv.errors import InvalidRequest
from otpconv.rates.price_list import PriceList
from otpconv.storage.contract import HOUR_MS

ANY_OR = {
    "provider": st.sampled_from(["", "acme", "blue"]),
    "country": st.sampled_from(["", "DE", "FR"]),
    "channel": st.sampled_from(["", "sms", "voice"]),
}
PRICES = st.lists(
    st.builds(
        Price,
        **ANY_OR,
        since=st.integers(0, 5).map(HOUR_MS.__mul__),
        micros=st.integers(0, 9),
        currency=st.just("EUR"),
    ),
    unique_by=lambda price: price.key,
    max_size=12,
)
#: The documented order: which of provider, country and channel a price names.
ORDER = ["111", "110", "101", "011", "100", "010", "001", "000"]


def rank(price: Price) -> int:
    return ORDER.index("".join(str(int(bool(name))) for name in price.key[:3]))


@given(PRICES, st.tuples(*ANY_OR.values()), st.integers(0, 6 * HOUR_MS))
def test_the_most_specific_of_the_prices_in_force_wins(
    prices: list[Price], message: tuple[str, str, str], time: int
) -> None:
    fitting = [
        price
        for price in prices
        if price.since <= time
        and all(name in {"", value} for name, value in zip(price.key[:3], message, strict=True))
    ]
    best = min(fitting, key=lambda price: (rank(price), -price.since), default=None)
    assert PriceList(prices).at(time).of(*message) == best


@given(PRICES, st.integers(0, 3 * HOUR_MS), st.integers(1, 3 * HOUR_MS))
def test_within_a_period_no_price_changes(prices: list[Price], start: int, length: int) -> None:
    periods = PriceList(prices).periods(start, start + length)
    assert periods[0][0] == start
    assert periods[-1][1] == start + length
    assert all(before[1] == after[0] for before, after in pairwise(periods))
    assert not any(first < price.since < end for first, end in periods for price in prices)
    assert len(periods) <= 1 + len({price.since for price in prices})


def test_an_imported_price_replaces_the_one_for_the_same_messages_and_time() -> None:
    old = Price("acme", "DE", "", 0, 5, "EUR")
    new = Price("acme", "DE", "", 0, 6, "USD")
    later = Price("acme", "DE", "", HOUR_MS, 7, "EUR")
    assert merged([old], [later, new]) == [new, later]
    with pytest.raises(InvalidRequest, match="Two prices"):
        merged([], [old, new])
    many = [Price("", "", "", hour * HOUR_MS, 1, "EUR") for hour in range(MAX_PRICES + 1)]
    assert len(merged(many[:-1], [])) == MAX_PRICES
    with pytest.raises(InvalidRequest, match=r"10,001 prices, and 10,000 are the most"):
        merged(many[:-1], many[-1:])
