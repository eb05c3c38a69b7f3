"""What a message of each route of a country costs on average, from its own prices and the price list."""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from otpconv.advice.route import past_of
from otpconv.money import MICROS
from otpconv.rates.cost import Cost
from otpconv.rates.costs import add_costs
from otpconv.rates.counted import Counted
from otpconv.rates.plan import plan
from otpconv.rates.price_list import PriceList
from otpconv.rates.question import RateQuery
from otpconv.storage.contract import LedgerReader


class MeanPrices(Struct, frozen=True):
    """The mean prices of a message, all in one currency.

    Attributes:
        currency: ISO 4217; empty if no price is known.
        by_provider: the mean price of a message, units of the currency; providers without a
            price are missing.
    """

    currency: str
    by_provider: Mapping[str, float]


def fetch_prices(ledger: LedgerReader, account: int, country: str, now: int, prices: PriceList) -> MeanPrices:
    """Return what a message to a country costs on average by each provider, over the last 28 days.

    Args:
        ledger: where to look.
        account: whose messages.
        country: ISO 3166 alpha-2; empty: unknown.
        now: the time now, ms.
        prices: for messages without a price of their own.

    Raises:
        AnswerTooLarge: there are too many combinations of dimensions in a quarter of an hour.
        Unavailable: the storage failed.
    """
    start, end = past_of(now)
    query = RateQuery(start, end, by=("provider",), filters={"country": [country]})
    counted = add_costs(ledger, account, Counted(plan(query, ledger.minutes_from()), {}), prices)
    return mean_prices((group[0], cell.costs) for (_, group), cell in counted.cells.items())


def mean_prices(costs: Iterable[tuple[str, tuple[Cost, ...]]]) -> MeanPrices:
    """Return the mean price of a message by provider, in the currency of the most messages.

    Prices in other currencies count as unknown, since amounts in different currencies can't be compared.

    Args:
        costs: of each provider, by its name.
    """
    by_provider = dict(costs)
    messages: Counter[str] = Counter()
    for cost in (cost for some in by_provider.values() for cost in some):
        messages[cost.currency] += cost.messages
    currency = min(messages, key=lambda code: (-messages[code], code), default="")
    return MeanPrices(
        currency,
        {
            provider: cost.micros / cost.messages / MICROS
            for provider, some in by_provider.items()
            for cost in some
            if cost.currency == currency
        },
    )
