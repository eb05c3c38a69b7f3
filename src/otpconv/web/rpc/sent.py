"""Turns what a vendor says about messages into reports. Pure."""

from typing import Final

from otpconv.access.keys import AccessKey
from otpconv.access.vendors import VendorAccount
from otpconv.dialects.native.fields import MAX_TEXT_CHARS
from otpconv.errors import InvalidNumber
from otpconv.model import OTHER, Dimensions, Requested, is_message_id
from otpconv.phone import NumberHash, Phone, parse
from otpconv.receipts import Receipt
from otpconv.relay.kind import Sent, Stated

#: Characters of a vendor's error code that are kept.
MAX_ERROR_CHARS: Final = 64
#: Up to so many numbers are read at once on the event loop: it takes a millisecond.
MAX_QUICK_NUMBERS: Final = 20


def requested_by(
    sent: Sent, vendor: VendorAccount, key: AccessKey, at: int, number_hash: NumberHash
) -> list[Requested]:
    """Return the reports of the messages that an access key has sent by a vendor account at a time, ms.

    A message to one number has that number's hash, range, country and carrier. Of messages to several, it is
    not known which is whose, so they only have the country, if it is the same. Malformed ids are left out.
    """
    phones = [_phone(text, sent.region) for text in sent.to]
    one = phones[0] if len(phones) == 1 else None
    countries = {phone.country if phone else "" for phone in phones}
    dimensions = Dimensions(
        country=countries.pop() if len(countries) == 1 else "",
        carrier=one.carrier if one else "",
        provider=vendor.provider,
        template=_value(sent.template),
        sender=_value(sent.sender),
        channel=_value(sent.channel),
        access_key=key.dimension,
    )
    number, number_range = (number_hash(key.account, one.e164), one.number_range) if one else ("", "")
    return [
        Requested(key.account, message_id, at, dimensions, number, number_range)
        for message_id in sent.message_ids
        if is_message_id(message_id)
    ]


def receipt_of(stated: Stated, account: int, now: int) -> Receipt | None:
    """Return the report of what a vendor said at a time, ms; None if its id can't be one."""
    if not is_message_id(stated.message_id):
        return None
    time = now if stated.time is None else stated.time
    return Receipt(account, stated.message_id, stated.status, time, stated.error[:MAX_ERROR_CHARS])


def _phone(text: str, region: str) -> Phone | None:
    try:
        return parse(text, region)
    except InvalidNumber:
        pass
    try:
        # Alibaba wants the country code without a +, so a number of a new range looks like this.
        return parse(f"+{text}") if text.isascii() and text.isdigit() else None
    except InvalidNumber:
        return None


def _value(text: str) -> str:
    """Return a value of a dimension; empty if it can't be one."""
    return text if len(text) <= MAX_TEXT_CHARS and text.isprintable() and text != OTHER else ""
