"""AWS End User Messaging SMS: PutMessageFeedback.

Source: the service's API description of 2022-03-31; the official SDKs call our dialect of it. A message of
which nothing is reported becomes FAILED after an hour, but the vendor's metric does not move then: the relay
reports FAILED before. A later RECEIVED replaces it. That repeats and late reports are taken is inferred from
the vendor's documentation.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.dialects.aws.receipts import AWS_RECEIPTS
from otpconv.dialects.aws.signature import sign
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, compact, host_of
from otpconv.storage.relay.contract import Send

_TARGET: Final = "PinpointSMSVoiceV2.PutMessageFeedback"
#: The vendor takes a silent message for failed after an hour.
_NEGATIVE_AFTER_MS: Final = 55 * 60_000


class _Error(Struct, rename={"type": "__type", "text": "Message", "lower": "message"}):
    type: str = ""
    text: str = ""
    lower: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    found = _decode(body)
    return Named(found.type.rpartition("#")[2], found.text or found.lower)


_ANSWERS: Final = Answers(
    named=_named,
    fates={
        "ResourceNotFoundException": Fate.REJECTED,
        "ValidationException": Fate.REJECTED,
        "ConflictException": Fate.REJECTED,
        "Throttling": Fate.BUSY,
        "InternalServer": Fate.FAILED,
        "ServiceUnavailable": Fate.FAILED,
        # All other errors are about the caller: the key, its permission, the clock.
        "AccessDenied": Fate.REFUSED,
        "ExpiredToken": Fate.REFUSED,
        "IncompleteSignature": Fate.REFUSED,
        "InvalidClientTokenId": Fate.REFUSED,
        "InvalidSignature": Fate.REFUSED,
        "MissingAuthenticationToken": Fate.REFUSED,
        "NotAuthorized": Fate.REFUSED,
        "OptInRequired": Fate.REFUSED,
        "RequestExpired": Fate.REFUSED,
        "SignatureDoesNotMatch": Fate.REFUSED,
        "UnknownOperation": Fate.REFUSED,
        "UnrecognizedClient": Fate.REFUSED,
    },
    probed=frozenset({"ValidationException"}),
)


def _call(vendor: VendorAccount, parameters: dict[str, str], now: int) -> Call:
    body = json.encode(parameters)
    headers = sign(
        {
            "host": host_of(vendor),
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": _TARGET,
        },
        body,
        access_key_id=vendor.settings["access_key_id"],
        secret=vendor.secrets["secret_access_key"],
        region=vendor.settings["region"],
        time=compact(now),
    )
    return Call("/", headers, body)


def _make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
    (send,) = sends
    status = "RECEIVED" if send.feedback == "received" else "FAILED"
    return _call(vendor, {"MessageId": send.message_id, "MessageFeedbackStatus": status}, stamp.now)


def _probe(vendor: VendorAccount, stamp: Stamp) -> Call:
    return _call(vendor, {}, stamp.now)


AWS: Final = Kind(
    name="aws",
    title="AWS End User Messaging SMS",
    settings=(
        Setting("endpoint", "URL of the service, https://sms-voice.REGION.amazonaws.com"),
        Setting("region", "the region of the endpoint, e.g. eu-central-1"),
        Setting("access_key_id", "access key id of an identity that may call sms-voice:PutMessageFeedback"),
        Setting("secret_access_key", "secret access key of the same key", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(
        _probe, _ANSWERS.read_probe, "calls PutMessageFeedback without parameters, which changes nothing"
    ),
    silence="failed",
    negative_after_ms=_NEGATIVE_AFTER_MS,
    per_second=UNPUBLISHED_PER_SECOND,
    remedies={"ResourceNotFoundException": "AWS does not know the message: check its id and the region."},
    needs="Send messages with MessageFeedbackEnabled=true, or set it for the configuration set.",
    proven_by="the official SDKs",
    receipts=AWS_RECEIPTS,
    receipts_settings=(Setting("topic_arn", "ARN of the SNS topic that pushes receipts", ""),),
)
