"""The delivery receipts of Vonage's SMS API: by GET, as a form or as JSON, as the account's settings say.

Source: "Delivery receipts" and "Signing messages", Vonage's documentation; the signature is that of the
official SDK. `msisdn` is the recipient, and `to` is the sender of the message. `scts` is in the carrier's
time, so the time of a receipt is `message-timestamp` (UTC). Prices are in EUR, as all of Vonage's.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from otpconv.dialects import bodies
from otpconv.dialects.dialect import HttpResponse, Outcome
from otpconv.dialects.receipts import (
    Delivery,
    Push,
    Pushed,
    ReceiptWire,
    Values,
    error_of,
    from_json,
    local_time,
    message_id,
    price_of,
    status_of,
)
from otpconv.dialects.responses import empty_response, json_response, retry_after
from otpconv.dialects.vonage import signature
from otpconv.errors import OtpconvError, SignatureMismatch
from otpconv.receipts import ReceiptStatus

_STATUSES: Final = {
    "accepted": ReceiptStatus.ACCEPTED,
    "buffered": ReceiptStatus.ACCEPTED,
    "delivered": ReceiptStatus.DELIVERED,
    "expired": ReceiptStatus.EXPIRED,
    "failed": ReceiptStatus.FAILED,
    "deleted": ReceiptStatus.FAILED,
    "rejected": ReceiptStatus.REJECTED,
    "unknown": ReceiptStatus.NONE,
}
_CURRENCY: Final = "EUR"
#: The error code of a message that was delivered.
_NO_ERROR: Final = "0"
#: `message-timestamp` may have a zone after its time.
_TIME_CHARS: Final = 19

_json = msgspec.json.Decoder(dict[str, str | int | None])


def _parameters(push: Push) -> dict[str, str]:
    if not push.body.lstrip().startswith(b"{"):
        return bodies.from_form(push.query, push.body)
    members = from_json(_json, push.body)
    return {name: str(value) for name, value in members.items() if value is not None}


def _verify(push: Push, values: Values) -> None:
    key = values.get("receipts_key", "")
    if key and not signature.verify(_parameters(push), key):
        raise SignatureMismatch(
            "The parameter sig does not fit. Ask the vendor's support to sign webhooks, and set receipts_key"
            " to the account's signature secret."
        )


def _read(push: Push) -> Pushed:
    given = _parameters(push)
    status = status_of(_STATUSES, given.get("status", "").lower())
    price, currency = price_of(given.get("price"), _CURRENCY)
    error, to = given.get("err-code", ""), given.get("msisdn", "")
    delivery = Delivery(
        vendor_message_id=message_id(given.get("messageId", "")),
        status=status,
        time=local_time(given.get("message-timestamp", "")[:_TIME_CHARS]),
        error=error_of(status, "" if error == _NO_ERROR else error),
        price=price,
        currency=currency,
        to=to and f"+{to.lstrip('+')}",
    )
    return Pushed([delivery])


def _success(_: Sequence[Outcome]) -> HttpResponse:
    return empty_response(200)


def _failure(error: OtpconvError) -> HttpResponse:
    body = {"title": error.code, "detail": error.text}
    return json_response(error.status, body, code=error.code, headers=retry_after(error))


VONAGE_RECEIPTS: Final = ReceiptWire(
    verify=_verify,
    read=_read,
    success=_success,
    failure=_failure,
    setup="Set this URL under API settings as the webhook of delivery receipts (DLR), method POST-JSON.",
    proven_by="the official SDK (signature), documentation (fields)",
    key="signature secret of the account, if the vendor signs webhooks",
    methods=("GET", "POST"),
)
