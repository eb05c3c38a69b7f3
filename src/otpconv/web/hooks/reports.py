"""Turns what a vendor says about a message into the reports of the model; pure."""

from otpconv.access.vendors import VendorAccount
from otpconv.dialects.native.fields import MAX_TEXT_CHARS
from otpconv.dialects.receipts import Delivery
from otpconv.errors import InvalidNumber
from otpconv.model import Dimensions, Report, Requested
from otpconv.phone import NumberHash, Phone, parse
from otpconv.receipts import Receipt
from otpconv.relay.kind import MAKE_KNOWN

_COUNTRY_CHARS = 2


def reports_of(
    delivery: Delivery, vendor: VendorAccount, now: int, number_hash: NumberHash, region: str
) -> list[Report]:
    """Return the reports of a delivery; the receipt is the last.

    A vendor's clock may be ahead of ours: what it says has happened, so a time in the future becomes now.

    Args:
        delivery: what the vendor says.
        vendor: the vendor account to which it was pushed.
        now: when it arrived, ms.
        number_hash: hashes the recipient's number, which is not kept.
        region: the country whose national numbers are read; empty for none.
    """
    time = now if delivery.time is None else min(delivery.time, now)
    receipt = Receipt(
        vendor.account,
        delivery.vendor_message_id,
        delivery.status,
        time,
        delivery.error,
        delivery.price,
        delivery.currency,
        delivery.segments,
    )
    if vendor.settings.get(MAKE_KNOWN.name) != "on":
        return [receipt]
    sent_at = time if delivery.sent_at is None else min(delivery.sent_at, time)
    return [_requested(delivery, vendor, sent_at, number_hash, region), receipt]


def _requested(
    delivery: Delivery, vendor: VendorAccount, at: int, number_hash: NumberHash, region: str
) -> Requested:
    phone = _phone(delivery, region)
    country = delivery.country if _is_country(delivery.country) else phone.country if phone else ""
    return Requested(
        vendor.account,
        delivery.vendor_message_id,
        at,
        Dimensions(
            country=country,
            carrier=_clean(delivery.carrier) or (phone.carrier if phone else ""),
            provider=vendor.provider,
            channel=_clean(delivery.channel),
        ),
        number=number_hash(vendor.account, phone.e164) if phone else "",
        number_range=phone.number_range if phone else "",
    )


def _phone(delivery: Delivery, region: str) -> Phone | None:
    try:
        return parse(delivery.to, delivery.region or region) if delivery.to else None
    except InvalidNumber:  # some vendors hide digits
        return None


def _is_country(text: str) -> bool:
    return len(text) == _COUNTRY_CHARS and text.isascii() and text.isalpha()


def _clean(text: str) -> str:
    return text[:MAX_TEXT_CHARS] if text.isprintable() else ""
