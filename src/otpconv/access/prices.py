"""Price lists: what messages cost whose own price nobody reported; one list per account."""

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct

from otpconv.errors import InvalidRequest

#: The most prices in the list of an account.
MAX_PRICES = 10_000


class Price(Struct, frozen=True, array_like=True, order=True, gc=False):
    """A line of a price list.

    Attributes:
        provider: of the messages; empty: any.
        country: of the messages, ISO 3166 alpha-2, upper case; empty: any.
        channel: of the messages; empty: any.
        since: from when on the price is in force, ms, a whole hour; 0: always.
        micros: the price of a message, millionths of the currency.
        currency: ISO 4217, upper case.
    """

    provider: str
    country: str
    channel: str
    since: int
    micros: int
    currency: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What a list has one price for."""
        return self.provider, self.country, self.channel, self.since


class PriceStore(Protocol):
    """The price lists of all accounts, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the storage fails, and `Misconfigured` if it can't be used.
    """

    def prices(self, account: int) -> list[Price]:
        """Return the prices of an account, sorted."""

    def change(self, account: int, make: Callable[[list[Price]], list[Price]]) -> list[Price]:
        """Replace the list of an account by what `make` returns of it, durably, and return that.

        Raises:
            InvalidRequest: by `make`; nothing has changed then.
        """

    def close(self) -> None:
        """Release the file or connection of the calling thread."""


def merged(known: Iterable[Price], given: Iterable[Price]) -> list[Price]:
    """Return a list with the given prices, which replace known ones with the same key.

    Raises:
        InvalidRequest: two of the given prices have the same key, or the list would have over `MAX_PRICES`.
    """
    added: dict[tuple[str, str, str, int], Price] = {}
    for price in given:
        if price.key in added:
            raise InvalidRequest(
                f"Two prices are for the same provider ({price.provider!r}), country ({price.country!r}),"
                f" channel ({price.channel!r}) and time ({price.since} ms). Send one of them."
            )
        added[price.key] = price
    prices = {price.key: price for price in known} | added
    if len(prices) > MAX_PRICES:
        raise InvalidRequest(
            f"The price list would have {len(prices):,} prices, and {MAX_PRICES:,} are the most."
            " Delete those that are no longer needed: otpconv prices delete."
        )
    return sorted(prices.values())
