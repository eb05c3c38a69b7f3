"""Price lists in the tables of an engine: one row per account, since a list is read as a whole."""

from collections.abc import Callable

import msgspec

from otpconv.access.prices import Price
from otpconv.storage.access.tables import AccessTables

_decode = msgspec.json.Decoder(list[Price]).decode


class TablePrices:
    """A `PriceStore` in the tables of an engine.

    Args:
        tables: the open tables; closed with the store.
    """

    def __init__(self, tables: AccessTables) -> None:
        self._tables = tables

    def prices(self, account: int) -> list[Price]:
        """See `PriceStore.prices`."""
        with self._tables.reading():
            return self._read(account)

    def change(self, account: int, make: Callable[[list[Price]], list[Price]]) -> list[Price]:
        """See `PriceStore.change`."""
        with self._tables.changing():
            prices = make(self._read(account))
            self._tables.run("set_price_list", account=account, prices=msgspec.json.encode(prices).decode())
        return prices

    def close(self) -> None:
        """See `PriceStore.close`."""
        self._tables.close()

    def _read(self, account: int) -> list[Price]:
        text = self._tables.value("price_list", account=account)
        return _decode(text) if isinstance(text, str) else []
