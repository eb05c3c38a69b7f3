"""The receipts of Twilio: status callbacks of messages, and Event Streams.

Sources: "Track the Message Status of Outbound Messages" and "Outbound Message" of Event Streams, Twilio's
documentation; the signature is that of the official SDK. A callback has no time, so its time is that of its
arrival.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from otpconv.dialects import bodies
from otpconv.dialects.dialect import HttpResponse, Outcome
from otpconv.dialects.receipts import (
    Delivery,
    Push,
    Pushed,
    ReceiptWire,
    Values,
    each,
    error_of,
    from_json,
    message_id,
    price_of,
    segments_of,
    status_of,
)
from otpconv.dialects.responses import empty_response, json_response, retry_after
from otpconv.dialects.twilio.signature import (
    SETTINGS,
    SIGNATURE,
    digest_of,
    is_body_signed,
    verify,
)
from otpconv.errors import InvalidRequest, OtpconvError, SignatureMismatch
from otpconv.receipts import ReceiptStatus

_STATUSES: Final = {
    "accepted": ReceiptStatus.ACCEPTED,
    "scheduled": ReceiptStatus.ACCEPTED,
    "queued": ReceiptStatus.ACCEPTED,
    "sending": ReceiptStatus.ACCEPTED,
    "sent": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.DELIVERED,
    "undelivered": ReceiptStatus.FAILED,
    "failed": ReceiptStatus.FAILED,
    "canceled": ReceiptStatus.REJECTED,
}
#: The beginning of the types of events that are about outbound messages.
_MESSAGE_EVENTS: Final = "com.twilio.messaging.message."
#: No error.
_NO_ERROR: Final = "0"


class _Data(Struct, rename="camel"):
    """The data of an event, or the parameters of a callback; the fields that receipts have."""

    message_sid: str = ""
    message_status: str = ""
    to: str = ""
    timestamp: str = ""
    error_code: int | str | None = None
    number_of_segments: int | str | None = None
    price: str | None = None
    price_unit: str | None = None


class _Event(Struct):
    type: str
    data: msgspec.Raw


_events = msgspec.json.Decoder(list[_Event])
_data = msgspec.json.Decoder(_Data)


def _is_json(push: Push) -> bool:
    return push.fields.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"application/json"


def _key(values: Values) -> str:
    """Return what signs the pushes: the auth token of the account, and never the secret of an API key."""
    own = values.get("receipts_key", "")
    return own if own or values.get("api_key_sid") else values.get("auth_token", "")


def _verify(push: Push, values: Values) -> None:
    key = _key(values)
    if not key:
        return
    signature = push.fields.get(SIGNATURE, b"").decode("latin-1")
    digest = digest_of(push.fields.get(SETTINGS, b"").decode("latin-1"))
    of_json = _is_json(push)
    parameters = {} if of_json else bodies.from_form(push.body)
    if of_json and not is_body_signed(push.url, push.body):
        raise SignatureMismatch("The body is not signed: its hash is not the bodySHA256 of the URL.")
    if digest is None or not verify(push.url, parameters, key, signature, digest):
        raise SignatureMismatch(
            "The signature does not fit. Set public_url to the URL that the vendor calls, and receipts_key to"
            " the account's auth token."
        )


def _read(push: Push) -> Pushed:
    if not _is_json(push):
        return Pushed([_from_form(bodies.from_form(push.body))])
    events = [event for event in from_json(_events, push.body) if event.type.startswith(_MESSAGE_EVENTS)]
    return Pushed(each(events, _from_event))


def _from_form(form: Mapping[str, str]) -> Delivery:
    data = _Data(
        message_sid=form.get("MessageSid") or form.get("SmsSid", ""),
        message_status=form.get("MessageStatus") or form.get("SmsStatus", ""),
        to=form.get("To", ""),
        error_code=form.get("ErrorCode"),
        number_of_segments=form.get("NumSegments"),
        price=form.get("Price"),
        price_unit=form.get("PriceUnit"),
    )
    return _delivery(data)


def _from_event(event: object) -> Delivery:
    assert isinstance(event, _Event)  # noqa: S101 - the decoder's
    return _delivery(from_json(_data, bytes(event.data)))


def _delivery(data: _Data) -> Delivery:
    status = status_of(_STATUSES, data.message_status.lower())
    price, currency = price_of(data.price, data.price_unit or "")
    error = str(data.error_code or "")
    channel, _, number = data.to.rpartition(":")  # e.g. whatsapp:+14155550123
    return Delivery(
        vendor_message_id=message_id(data.message_sid),
        status=status,
        time=_time(data.timestamp),
        error=error_of(status, "" if error == _NO_ERROR else error),
        price=price,
        currency=currency,
        segments=segments_of(data.number_of_segments),
        to=number,
        channel=channel[:32] or "sms",
    )


def _time(text: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"Invalid timestamp {text[:40]!r}. Send ISO 8601.") from None
    if moment.tzinfo is None:
        raise InvalidRequest(f"The timestamp {text[:40]!r} has no zone. Send ISO 8601 with Z.")
    return int(moment.timestamp() * 1000)


def _success(_: Sequence[Outcome]) -> HttpResponse:
    return empty_response(204)


def _failure(error: OtpconvError) -> HttpResponse:
    body = {"code": error.code, "message": error.text}
    return json_response(error.status, body, code=error.code, headers=retry_after(error))


TWILIO_RECEIPTS: Final = ReceiptWire(
    verify=_verify,
    read=_read,
    success=_success,
    failure=_failure,
    setup="Send messages with this URL as StatusCallback, or set it for the Messaging Service.",
    proven_by="the official SDK (signature), documentation (fields)",
    key="auth token of the account, which signs the receipts; default: auth_token, unless api_key_sid is set",
)
