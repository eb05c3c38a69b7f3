"""The receipts of AWS End User Messaging SMS: events that an SNS topic pushes by HTTPS.

SNS signs each message with a key whose certificate it publishes on its own host. That proves that some topic
of AWS sent it, so only messages of the topic in the setting `topic_arn` are taken. SNS first asks to confirm
the subscription, by a URL on its own host.

A message that the carrier accepted is SUCCESSFUL. Where carriers send nothing more this is the final event,
`isFinal`, and counts as delivered. UNKNOWN is the end of 72 hours without news, which says nothing. The price
is what AWS charged and the carrier's fee, in USD.

Sources: "Verifying the signatures of Amazon SNS messages", "Example event data" and "Event types for SMS,
MMS, and voice", AWS's documentation.
"""

import re
from base64 import b64decode
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from otpconv.dialects.dialect import HttpResponse, Outcome
from otpconv.dialects.receipts import (
    Delivery,
    Push,
    Pushed,
    ReceiptWire,
    Sealed,
    Values,
    error_of,
    from_json,
    message_id,
    price_of,
    segments_of,
    status_of,
)
from otpconv.dialects.responses import empty_response, json_response, retry_after
from otpconv.errors import InvalidRequest, OtpconvError, SignatureMismatch
from otpconv.receipts import MAX_PRICE, ReceiptStatus

_NOTIFICATION: Final = "Notification"
_SUBSCRIPTION: Final = "SubscriptionConfirmation"

#: The members that are signed, in their order, by the type of a message; a subject may be missing.
_SIGNED: Final = {
    _NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    _SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
_OPTIONAL: Final = "Subject"
#: The hash of a signature by its version.
_DIGESTS: Final = {"1": "sha1", "2": "sha256"}

_HOST: Final = r"https://sns\.[a-z]{2}[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE: Final = re.compile(_HOST + r"/SimpleNotificationService-[0-9a-f]{1,64}\.pem")
_SUBSCRIBE: Final = re.compile(_HOST + r"/\?[!-~]{1,2000}")

_STATUSES: Final = {
    "QUEUED": ReceiptStatus.ACCEPTED,
    "PENDING": ReceiptStatus.ACCEPTED,
    "SENT": ReceiptStatus.SENT,
    "SUCCESSFUL": ReceiptStatus.SENT,
    "DELIVERED": ReceiptStatus.DELIVERED,
    "TTL_EXPIRED": ReceiptStatus.EXPIRED,
    "BLOCKED": ReceiptStatus.REJECTED,
    "CARRIER_BLOCKED": ReceiptStatus.REJECTED,
    "PROTECT_BLOCKED": ReceiptStatus.REJECTED,
    "INVALID": ReceiptStatus.REJECTED,
    "INVALID_MESSAGE": ReceiptStatus.REJECTED,
    "SPAM": ReceiptStatus.REJECTED,
    "UNREACHABLE": ReceiptStatus.FAILED,
    "CARRIER_UNREACHABLE": ReceiptStatus.FAILED,
    "UNKNOWN": ReceiptStatus.NONE,
}
_FINAL: Final = {"SUCCESSFUL": ReceiptStatus.DELIVERED}
#: The beginning of the types of events, and the channel of their messages.
_CHANNELS: Final = {"TEXT_": "sms", "MEDIA_": "mms"}
_CURRENCY: Final = "USD"


class _Event(Struct, rename="camel"):
    """An event; the fields that receipts have."""

    event_type: str = ""
    event_timestamp: int | None = None
    is_final: bool = False
    message_id: str = ""
    message_request_timestamp: int | None = None
    destination_phone_number: str = ""
    iso_country_code: str = ""
    carrier_name: str = ""
    total_message_parts: int | None = None
    total_message_price: Decimal | None = None
    total_carrier_fee: Decimal | None = None


_json = msgspec.json.Decoder(dict[str, object])
_event = msgspec.json.Decoder(_Event)


def _members(push: Push) -> dict[str, str]:
    """Return the members of a message of SNS.

    Raises:
        InvalidRequest: it is not a message of SNS.
    """
    members = {name: value for name, value in from_json(_json, push.body).items() if isinstance(value, str)}
    if members.get("Type") not in _SIGNED:
        raise InvalidRequest(
            "The body is not a signed message of SNS. Switch raw message delivery off for the subscription."
        )
    return members


def _verify(push: Push, values: Values) -> None:
    topic, expected = _members(push).get("TopicArn", ""), values.get("topic_arn", "")
    if not expected:
        raise SignatureMismatch(
            "The vendor account has no topic_arn, so no topic may push. Set it: otpconv vendors receipts NAME"
            " --setting topic_arn=ARN."
        )
    if topic != expected:
        raise SignatureMismatch("The message is of another topic than the topic_arn of the vendor account.")


def _sealed(push: Push) -> Sealed:
    members = _members(push)
    url, digest = members.get("SigningCertURL", ""), _DIGESTS.get(members.get("SignatureVersion", ""))
    if not _CERTIFICATE.fullmatch(url):
        raise SignatureMismatch("SigningCertURL is not on a host of SNS.")
    if digest is None:
        raise SignatureMismatch("SignatureVersion must be 1 or 2.")
    names = [name for name in _SIGNED[members["Type"]] if name in members or name != _OPTIONAL]
    text = "".join(f"{name}\n{members.get(name, '')}\n" for name in names)
    try:
        signature = b64decode(members.get("Signature", ""), validate=True)
    except ValueError:
        raise SignatureMismatch("Signature is not base64.") from None
    return Sealed(text.encode(), signature, digest, url)


def _read(push: Push) -> Pushed:
    members = _members(push)
    if members["Type"] == _SUBSCRIPTION:
        return Pushed((), _subscribe_url(members.get("SubscribeURL", "")))
    if members["Type"] != _NOTIFICATION:
        return Pushed(())
    event = from_json(_event, members.get("Message", "").encode())
    for beginning, channel in _CHANNELS.items():
        if event.event_type.startswith(beginning):
            return Pushed([_delivery(event, event.event_type.removeprefix(beginning), channel)])
    return Pushed(())  # e.g. of a voice message, or of a registration


def _subscribe_url(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    if not _SUBSCRIBE.fullmatch(url) or query.get("Action") != ["ConfirmSubscription"]:
        raise InvalidRequest("SubscribeURL does not confirm a subscription on a host of SNS.")
    return url


def _delivery(event: _Event, word: str, channel: str) -> Delivery:
    status = status_of(_STATUSES, word)
    if event.is_final:
        status = _FINAL.get(word, status)
    price, currency = price_of(event.total_message_price, _CURRENCY)
    fee, _ = price_of(event.total_carrier_fee, _CURRENCY)
    return Delivery(
        vendor_message_id=message_id(event.message_id),
        status=status,
        time=event.event_timestamp,
        error=error_of(status, word),
        price=price if price is None or fee is None else min(price + fee, MAX_PRICE),
        currency=currency,
        segments=segments_of(event.total_message_parts),
        sent_at=event.message_request_timestamp,
        to=event.destination_phone_number,
        country=event.iso_country_code.upper(),
        carrier=event.carrier_name,
        channel=channel,
    )


def _success(_: Sequence[Outcome]) -> HttpResponse:
    return empty_response(200)


def _failure(error: OtpconvError) -> HttpResponse:
    body = {"__type": error.code, "Message": error.text}
    return json_response(error.status, body, code=error.code, headers=retry_after(error))


AWS_RECEIPTS: Final = ReceiptWire(
    verify=_verify,
    read=_read,
    success=_success,
    failure=_failure,
    setup="Make an SNS topic the event destination of the configuration set, then subscribe this URL to it.",
    proven_by="documentation",
    sealed=_sealed,
)
