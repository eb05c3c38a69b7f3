"""Price lists in the access store of each engine: kept, replaced as a whole, and never half changed."""

from contextlib import closing

import pytest

from otpconv.access.keys import AccessKey
from otpconv.access.prices import MAX_PRICES, Price
from otpconv.access.sealing import Sealer
from otpconv.errors import InvalidRequest
from otpconv.storage.contract import HOUR_MS
from storage.engines import Engine

PRICES = [
    Price("", "", "", 0, 0, "EUR"),
    Price('acme\'s "best" – ünï', "DE", "sms", 7 * HOUR_MS, 10_000_000_000, "USD"),
]


def test_a_list_is_kept_for_its_account_and_a_refused_change_changes_nothing(engine: Engine) -> None:
    with engine.access() as access:
        store = access.open(lambda: 1)
        with closing(store.keys(Sealer(bytes(32)))) as keys:
            key: AccessKey = keys.create("shop", "admin", None)
        with closing(store.prices()) as prices, closing(access.open(lambda: 1).prices()) as elsewhere:
            assert prices.prices(key.account) == []
            assert prices.change(key.account, lambda known: [*known, *PRICES]) == PRICES
            assert elsewhere.prices(key.account) == PRICES
            assert elsewhere.prices(1) == []

            def refuse(known: list[Price]) -> list[Price]:
                raise InvalidRequest(f"{len(known)}")

            with pytest.raises(InvalidRequest, match="2"):
                prices.change(key.account, refuse)
            assert elsewhere.change(key.account, lambda known: known[1:]) == PRICES[1:]
            assert prices.prices(key.account) == PRICES[1:]
            many = [Price("", "", "", hour * HOUR_MS, hour, "EUR") for hour in range(MAX_PRICES)]
            prices.change(1, lambda known: [*known, *many])
            assert elsewhere.prices(1) == many
