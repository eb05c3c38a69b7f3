"""What the messages of a slot and group cost, by currency. Pure; amounts are whole millionths."""

from msgspec import Struct


class Cost(Struct, frozen=True, order=True):
    """What messages cost in one currency.

    Attributes:
        currency: ISO 4217.
        messages: those with a price in this currency.
        micros: the sum of their prices, millionths of the currency.
        listed_micros: the part of it that comes from the price list, because nobody reported a price.
    """

    currency: str
    messages: int
    micros: int
    listed_micros: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """Add the cost of other messages in the same currency."""
        return Cost(
            self.currency,
            self.messages + other.messages,
            self.micros + other.micros,
            self.listed_micros + other.listed_micros,
        )


def summed(costs: tuple[Cost, ...]) -> tuple[Cost, ...]:
    """Return one cost for each currency, in the order of the currencies; different ones are never added."""
    sums: dict[str, Cost] = {}
    for cost in costs:
        known = sums.get(cost.currency)
        sums[cost.currency] = cost if known is None else known + cost
    return tuple(sums[currency] for currency in sorted(sums))
