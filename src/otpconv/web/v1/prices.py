"""`/v1/prices`: the price list of an account, for messages whose own price nobody reported."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otpconv.access.keys import AccessKey
from otpconv.access.prices import MAX_PRICES, Price, merged
from otpconv.dialects.native.fields import Channel, Country, Currency, Price as PriceText, Value, in_words
from otpconv.errors import InvalidRequest
from otpconv.ledger.judge import EARLIEST_MS
from otpconv.money import decimal_text, parse_price
from otpconv.storage.contract import HOUR_MS
from otpconv.times import parse_time
from otpconv.web.v1.handlers import ChangingHandlers, json_response

PRICES_PATH: Final = "/v1/prices"
#: Bytes of a list that is sent: it is read in one step.
MAX_LIST_BYTES: Final = 2 * 1024 * 1024

_GET, _MANAGE = "otpconv:GetPrices", "otpconv:ManagePrices"
_FROM: Final = "When it begins to hold, e.g. `2026-01-31` or in ms; rounded down to a whole hour of UTC"
#: What a deletion is chosen by.
_CHOICES: Final = ("provider", "country", "channel", "from")


class PriceIn(Struct, forbid_unknown_fields=True):
    """A price of messages. It is for any provider, country or channel that it leaves empty."""

    price: PriceText
    currency: Currency
    provider: Value = ""
    country: Annotated[Country | None, Meta(description="ISO 3166 alpha-2; null: any")] = None
    channel: Annotated[Channel, Meta(description="Empty: any")] = ""
    since: Annotated[int | str | None, Meta(extra_json_schema={"description": f"{_FROM}; null: always"})] = (
        field(default=None, name="from")
    )


class PricesIn(Struct, forbid_unknown_fields=True):
    """Prices to add to the list; those for the same provider, country, channel and time are replaced."""

    prices: Annotated[list[PriceIn], Meta(max_length=MAX_PRICES)]
    replace: Annotated[bool, Meta(description="Remove all other prices from the list")] = False


class PriceOut(Struct):
    """A price of the list; an empty provider, country or channel is any."""

    provider: str
    country: str
    channel: str
    price: str
    currency: str
    since: Annotated[int | None, Meta(description="ms, UTC; null: always")] = field(name="from")


class PricesOut(Struct):
    """The price list of an account."""

    prices: list[PriceOut]


class PricesChanged(Struct):
    """How many prices a change has added, replaced and removed, and how many the list has now."""

    added: int
    replaced: int
    removed: int
    prices: int


class PricesApi(ChangingHandlers):
    """The handlers of `/v1/prices`. The disk is used beside the event loop."""

    def routes(self) -> list[Route]:
        """Return the routes of the handlers."""
        return [
            Route(PRICES_PATH, self.get, methods=["GET"]),
            Route(PRICES_PATH, self.post, methods=["POST"]),
            Route(PRICES_PATH, self.delete, methods=["DELETE"]),
        ]

    async def get(self, request: Request) -> Response:
        """Answer with the price list."""
        key = self._caller(request, _GET)
        prices = await asyncio.to_thread(self._service.prices.prices, key.account)
        return json_response(PricesOut([_out(price) for price in prices]))

    async def post(self, request: Request) -> Response:
        """Add prices to the list, all of them or none."""
        key = self._caller(request, _MANAGE)
        async with self._bodies.read(request.scope, request.receive, key.access_key_id) as body:
            given = _read(body)
        now = self._service.clock()

        def make(known: list[Price]) -> list[Price]:
            return merged(() if given.replace else known, (_price(price, now) for price in given.prices))

        return await self._change(request, key, "ImportPrices", make)

    async def delete(self, request: Request) -> Response:
        """Delete the prices that the query chooses."""
        key = self._caller(request, _MANAGE)
        chosen = _chosen(request.query_params.multi_items(), self._service.clock())

        def make(known: list[Price]) -> list[Price]:
            return [price for price in known if not _is_chosen(price, chosen)]

        return await self._change(request, key, "DeletePrices", make)

    async def _change(
        self, request: Request, key: AccessKey, what: str, make: Callable[[list[Price]], list[Price]]
    ) -> Response:
        """Change the list in a thread, record that in the audit trail, and say what has changed."""

        def changed() -> PricesChanged:
            before: dict[tuple[str, str, str, int], Price] = {}

            def remembered(known: list[Price]) -> list[Price]:
                before.update((price.key, price) for price in known)
                return make(known)

            prices = self._service.prices.change(key.account, remembered)
            after = {price.key: price for price in prices}
            return PricesChanged(
                added=len(after.keys() - before.keys()),
                replaced=sum(after[each] != before[each] for each in after.keys() & before.keys()),
                removed=len(before.keys() - after.keys()),
                prices=len(after),
            )

        made = await self._make_change(request, key, what, "prices", changed, named=_in_words)
        return json_response(made)


def _in_words(made: PricesChanged) -> str:
    return f"prices: {made.added} added, {made.replaced} replaced, {made.removed} removed"


def _read(body: bytes | memoryview) -> PricesIn:
    if memoryview(body).nbytes > MAX_LIST_BYTES:
        raise InvalidRequest(
            f"The prices have over {MAX_LIST_BYTES // 1024**2} MiB. Send them in several calls."
        )
    try:
        return msgspec.json.decode(body, type=PricesIn)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else in_words(error)
        raise InvalidRequest(
            f'Invalid prices: {reason}. Send JSON, e.g. {{"prices": [{{"provider": "acme", "country": "DE",'
            ' "price": "0.075", "currency": "EUR", "from": "2026-01-01"}]}.'
        ) from None


def _price(given: PriceIn, now: int) -> Price:
    return Price(
        given.provider,
        (given.country or "").upper(),
        given.channel,
        0 if given.since is None else _hour(str(given.since), now),
        parse_price(given.price),
        given.currency.upper(),
    )


def _chosen(given: list[tuple[str, str]], now: int) -> dict[str, str | int]:
    """Return what a query chooses prices by; nothing if it chooses all of them."""
    values = dict(given)
    if given == [("all", "true")]:
        return {}
    if not given or len(values) < len(given) or not values.keys() <= set(_CHOICES):
        raise InvalidRequest(
            f"Choose the prices to delete by {', '.join(_CHOICES)}, each at most once, or give all=true."
        )
    chosen: dict[str, str | int] = {name: value for name, value in values.items() if name != "from"}
    if "country" in values:
        chosen["country"] = values["country"].upper()
    if "from" in values:
        chosen["since"] = _hour(values["from"], now) if values["from"] else 0
    return chosen


def _is_chosen(price: Price, chosen: dict[str, str | int]) -> bool:
    return all(getattr(price, name) == value for name, value in chosen.items())


def _hour(text: str, now: int) -> int:
    time = parse_time(text, "from", now=now)
    if 0 < time < EARLIEST_MS:  # e.g. 2026, which is milliseconds
        raise InvalidRequest(
            f"Invalid from {text[:40]!r}: it is before the year 2000. Use a day, e.g. 2026-01-31, or leave it"
            " empty for always."
        )
    return time - time % HOUR_MS


def _out(price: Price) -> PriceOut:
    return PriceOut(
        price.provider,
        price.country,
        price.channel,
        decimal_text(price.micros),
        price.currency,
        price.since or None,
    )
