"""What a message of each route costs on average, to say what a pumped range costs."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress

from otpconv.errors import AnswerTooLarge
from otpconv.ranges.mixture import Judged
from otpconv.rates.cost import Cost, summed
from otpconv.rates.costs import add_costs
from otpconv.rates.counted import Counted
from otpconv.rates.plan import plan
from otpconv.rates.price_list import PriceList
from otpconv.rates.question import RateQuery
from otpconv.storage.contract import LedgerReader, Span

#: The mean price of a message by country and provider: its currency, and millionths of it.
MeanPrices = Mapping[tuple[str, str], tuple[str, float]]


def fetch_mean_prices(
    ledger: LedgerReader, account: int, span: Span, countries: Collection[str], prices: PriceList
) -> MeanPrices:
    """Return the mean price of a message of each route, in the currency of most of its messages.

    Args:
        ledger: where to look.
        account: whose messages.
        span: the window, ms.
        countries: of the routes.
        prices: of messages without a price of their own.

    Returns:
        Routes without any price are missing; all are if there are too many combinations of dimensions.

    Raises:
        Unavailable: the storage failed.
    """
    found: dict[tuple[str, str], tuple[str, float]] = {}
    if not countries:
        return found
    query = RateQuery(*span, by=("country", "provider"), filters={"country": countries})
    with suppress(AnswerTooLarge):
        counted = add_costs(ledger, account, Counted(plan(query, ledger.minutes_from()), {}), prices)
        for (_, (country, provider)), cell in counted.cells.items():
            if cell.costs:
                most = max(cell.costs, key=lambda cost: (cost.messages, cost.currency))
                found[country, provider] = most.currency, most.micros / most.messages
    return found


def cost_of(judged: Judged, prices: MeanPrices) -> tuple[Cost, ...]:
    """Return what the messages of a range cost that were not verified, beyond those that usually are not.

    They are divided among the providers like all messages of the range.
    """
    traffic = judged.traffic
    lost = max(0.0, judged.usual * traffic.requested - traffic.verified)
    costs: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for provider, (requested, _) in traffic.providers.items():
        if priced := prices.get((traffic.country, provider)):
            currency, micros = priced
            part = lost * requested / traffic.requested
            costs[currency][0] += part
            costs[currency][1] += part * micros
    return summed(
        tuple(Cost(currency, round(part), round(micros)) for currency, (part, micros) in costs.items())
    )
