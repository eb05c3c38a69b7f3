"""Finds the price of a message in a price list. Pure.

At each hour, a list has a price in force for a provider, a country and a channel: the newest one at or before
that hour. Of the prices that fit a message, the one that names the most of the three wins. If two name
equally many, the one that names the provider wins, then the one that names the country.
"""

from collections.abc import Iterable
from itertools import product
from typing import Final

from otpconv.access.prices import Price

#: Which of provider, country and channel a price names, the most specific first.
_NAMED = sorted(product((1, 0), repeat=3), key=lambda named: (-sum(named), [-each for each in named]))


class PriceList:
    """The prices of an account.

    Args:
        prices: in any order.
    """

    def __init__(self, prices: Iterable[Price]) -> None:
        self._by_time = sorted(prices, key=lambda price: price.since)

    def __bool__(self) -> bool:
        return bool(self._by_time)

    def periods(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of [start, end), ms, within which no price changes."""
        cuts = sorted({price.since for price in self._by_time if start < price.since < end})
        return list(zip([start, *cuts], [*cuts, end], strict=True))

    def at(self, time: int) -> "PricesInForce":
        """Return the prices in force at a time, ms."""
        return PricesInForce(price for price in self._by_time if price.since <= time)


class PricesInForce:
    """The prices of one moment.

    Args:
        prices: those that hold; of two for the same messages, the later one.
    """

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices = {(price.provider, price.country, price.channel): price for price in prices}

    def of(self, provider: str, country: str, channel: str) -> Price | None:
        """Return the price of messages; None if the list has none for them."""
        for names_provider, names_country, names_channel in _NAMED:
            key = (provider * names_provider, country * names_country, channel * names_channel)
            if price := self._prices.get(key):
                return price
        return None


#: A list without prices.
NO_PRICES: Final = PriceList(())
