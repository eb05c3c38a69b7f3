"""Receipts in our own JSON, for vendors whose wire is not known here: `{"receipts": [{…}]}` by POST.

It may be signed as Standard Webhooks defines it.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from otpconv.dialects.dialect import HttpResponse, Outcome
from otpconv.dialects.native.answers import Problem, Recorded, Rejected
from otpconv.dialects.native.batches import rejected
from otpconv.dialects.native.fields import Channel, Country, MessageId, Number, Time, Value
from otpconv.dialects.receipts import (
    MAX_ERROR_CHARS,
    MAX_ITEMS,
    MAX_SEGMENTS,
    Delivery,
    Push,
    Pushed,
    ReceiptWire,
    Values,
    each,
    error_of,
    from_json,
    price_of,
)
from otpconv.dialects.responses import json_response, retry_after
from otpconv.dialects.webhook.signature import verify
from otpconv.errors import OtpconvError, Refused, SignatureMismatch
from otpconv.receipts import ReceiptStatus

#: By its word: a receipt without a status has a price alone.
STATUSES: Final = {
    status.name.lower(): status for status in ReceiptStatus if status is not ReceiptStatus.NONE
}
_PROBLEM: Final = ((b"content-type", b"application/problem+json"),)


class ReceiptIn(Struct, forbid_unknown_fields=True):
    """What happened to a message. The fields from `to` on make a message known that nobody reported."""

    message_id: MessageId
    status: Annotated[
        Literal["accepted", "sent", "expired", "rejected", "failed", "delivered"] | None,
        Meta(description="If absent, the receipt has a price alone"),
    ] = None
    time: Annotated[
        Time | None, Meta(description="When it happened, ms UTC; if absent: when the receipt arrives")
    ] = None
    error: Annotated[
        str, Meta(max_length=MAX_ERROR_CHARS, description="The vendor's error code, of a failure")
    ] = ""
    price: Annotated[str | None, Meta(description="What the message cost, decimal text")] = None
    currency: Annotated[str, Meta(description="ISO 4217; required with a price")] = ""
    segments: Annotated[int, Meta(ge=0, le=MAX_SEGMENTS, description="0 if unknown")] = 0
    sent_at: Time | None = None
    to: Number = ""
    country: Country | None = None
    carrier: Value = ""
    channel: Channel = "sms"


class Receipts(Struct, forbid_unknown_fields=True):
    """1 to 500 receipts."""

    receipts: Annotated[list[ReceiptIn], Meta(min_length=1, max_length=MAX_ITEMS)]


class _Loose(Struct, forbid_unknown_fields=True):
    receipts: list[msgspec.Raw]


_loose = msgspec.json.Decoder(_Loose)
_item = msgspec.json.Decoder(ReceiptIn)


def _verify(push: Push, values: Values) -> None:
    key = values.get("receipts_key", "")
    if key and not verify(key, push.fields, push.body, push.now):
        raise SignatureMismatch(
            "The signature does not fit, or is over 5 minutes old. Sign id.timestamp.body with receipts_key,"
            " as Standard Webhooks defines it."
        )


def _read(push: Push) -> Pushed:
    return Pushed(each(from_json(_loose, push.body).receipts, _delivery))


def _delivery(raw: object) -> Delivery:
    item = from_json(_item, bytes(raw))  # type: ignore[call-overload]
    status = ReceiptStatus.NONE if item.status is None else STATUSES[item.status]
    price, currency = price_of(item.price, item.currency)
    return Delivery(
        vendor_message_id=item.message_id,
        status=status,
        time=item.time,
        error=error_of(status, item.error),
        price=price,
        currency=currency,
        segments=item.segments,
        sent_at=item.sent_at,
        to=item.to,
        country=(item.country or "").upper(),
        carrier=item.carrier,
        channel=item.channel,
    )


def _success(outcomes: Sequence[Outcome]) -> HttpResponse:
    rejects: list[Rejected] = [
        rejected(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, Refused)
    ]
    return json_response(200, Recorded(outcomes.count("recorded"), outcomes.count("unchanged"), rejects))


def _failure(error: OtpconvError) -> HttpResponse:
    title = HTTPStatus(error.status).phrase
    problem = Problem("about:blank", title, error.status, error.code, error.text)
    response = json_response(error.status, problem, code=error.code, headers=retry_after(error))
    response.headers[0] = _PROBLEM[0]
    return response


OWN_RECEIPTS: Final = ReceiptWire(
    verify=_verify,
    read=_read,
    success=_success,
    failure=_failure,
    setup='POST {"receipts": [{"message_id": …, "status": …}]} to this URL.',
    proven_by="our own",
    names_items=True,
    key="key of the signature, if the receipts are signed as Standard Webhooks defines it",
)
