"""Turns the items of the native API into the reports of the model."""

from collections.abc import Iterable

from msgspec import UNSET

from otpconv.access.keys import AccessKey
from otpconv.dialects.native.answers import Ignored
from otpconv.dialects.native.batches import MAX_REASON_CHARS
from otpconv.dialects.native.reports import ConversionIn, MessageIn
from otpconv.errors import InvalidNumber, InvalidRequest, Refused
from otpconv.ledger.judge import Judgement
from otpconv.model import Conversion, Dimensions, Report, Requested, Timing
from otpconv.money import parse_price
from otpconv.phone import NumberHash, parse
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.service.numbers import Numbers


def requested_of(item: MessageIn, key: AccessKey, now: int, numbers: Numbers, region: str = "") -> Requested:
    """Return the report of one message, sent with an access key; national numbers are read as of `region`.

    Raises:
        InvalidNumber: `to` is not a phone number; see `without_number`.
    """
    country, carrier, number, number_range, sealed = item.country, item.carrier, "", "", ""
    if item.to is not None:
        phone = parse(item.to, region)
        country = phone.country if country is None else country
        carrier = phone.carrier if carrier is None else carrier
        number, number_range = numbers(key.account, phone.e164), phone.number_range
        sealed = numbers.sealed(key.account, item.message_id, item.provider, phone.e164)
    return Requested(
        key.account,
        item.message_id,
        now if item.requested_at is None else item.requested_at,
        Dimensions(
            (country or "").upper(),
            carrier or "",
            item.provider,
            item.template,
            item.sender,
            item.channel,
            key.dimension,
        ),
        number,
        number_range,
        item.session_id,
        item.attempt or 0,
        sealed or item.vendor_message_id or "",
    )


def message_reports(
    item: MessageIn, key: AccessKey, now: int, numbers: Numbers, region: str = ""
) -> tuple[Report, ...]:
    """Return the reports of one message: that it was requested, and a receipt with its price.

    Raises:
        InvalidNumber: `to` is not a phone number; see `without_number`.
        InvalidRequest: only one of `price` and `currency` is given.
    """
    requested = requested_of(item, key, now, numbers, region)
    if item.price is None and item.currency is None:
        return (requested,)
    if item.price is None or item.currency is None:
        raise InvalidRequest("price and currency belong together. Send both, or none of them.")
    receipt = Receipt(
        key.account,
        requested.vendor_message_id or item.message_id,
        ReceiptStatus.NONE,
        requested.requested_at,
        price=parse_price(item.price),
        currency=item.currency.upper(),
    )
    return requested, receipt


def conversion_reports(
    item: ConversionIn, key: AccessKey, now: int, numbers: Numbers, region: str = ""
) -> tuple[Report, ...]:
    """Return the report of one conversion; see `conversion_of`."""
    return (conversion_of(item, key, now, numbers, region),)


def combined(places: Iterable[int], outcomes: Iterable[Judgement]) -> dict[int, Judgement]:
    """Return what became of each item, given the outcome of each of its reports.

    An item is refused if one of its reports is, and otherwise recorded if one is.
    """
    items: dict[int, Judgement] = {}
    for place, outcome in zip(places, outcomes, strict=True):
        known = items.get(place, "unchanged")
        if not isinstance(known, Refused) and outcome != "unchanged":
            items[place] = outcome
        else:
            items.setdefault(place, known)
    return items


def conversion_of(
    item: ConversionIn, key: AccessKey, now: int, number_hash: NumberHash, region: str = ""
) -> Conversion:
    """Return the report of one conversion, sent with an access key; national numbers are read as of `region`.

    Raises:
        InvalidNumber: `to` is not a phone number; see `without_number`.
        InvalidRequest: `message_id` and `to` are both missing, or the time is unknown and only `to` is given.
    """
    number = ""
    if item.to is not None:
        number = number_hash(key.account, parse(item.to, region).e164)
    elif item.message_id is None:
        raise InvalidRequest("A conversion needs message_id, or to. Send one of them.")
    time = item.conversion_time
    if item.message_id is None:
        if time is None:
            raise InvalidRequest(
                "A conversion known only by to needs a conversion_time: the message is found by it. Give the"
                " message_id, or leave conversion_time out if it is now."
            )
        # The message is found by this time, so it counts as given.
        return Conversion(key.account, item.delivered, now if time is UNSET else time, "", number)
    timing = Timing.ARRIVAL if time is UNSET else Timing.UNKNOWN if time is None else Timing.GIVEN
    at = now if time is UNSET or time is None else time
    return Conversion(key.account, item.delivered, at, item.message_id, number, timing)


def without_number(index: int, item: MessageIn | ConversionIn, error: InvalidNumber) -> Ignored:
    """Remove the number from the item at `index`, so that the message still counts.

    Raises:
        InvalidNumber: the number is all that identifies the message of a conversion.
    """
    if item.message_id is None:
        raise error
    item.to = None
    return Ignored(index, "to", error.code, error.text[:MAX_REASON_CHARS])
