"""Volcengine and BytePlus SMS: Conversion, version 2020-01-01, of up to 100 messages.

Source: the vendor's API documentation; the official SDKs call our dialect of it. A report says only that
codes were typed back, and has no time. Errors of the service have HTTP 200. The vendor's SDK sends a call
twice itself, so a repeat is safe. That BytePlus answers like Volcengine is inferred from its SDK.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.dialects.volcengine.signature import sign
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, compact, host_of
from otpconv.storage.relay.contract import Send

_QUERY: Final = "Action=Conversion&Version=2020-01-01"
#: Messages of one call at most.
_BATCH: Final = 100


class _Error(Struct, rename="pascal"):
    code: str = ""
    message: str = ""


class _Metadata(Struct, rename="pascal"):
    error: _Error | None = None


class _Answer(Struct, rename="pascal"):
    response_metadata: _Metadata


_decode = json.Decoder(_Answer).decode


def _named(body: bytes) -> Named:
    error = _decode(body).response_metadata.error
    return Named("OK") if error is None else Named(error.code, error.message)


_ANSWERS: Final = Answers(
    named=_named,
    in_body=True,
    fates={
        "OK": Fate.DELIVERED,
        "RE:0009": Fate.REJECTED,
        "RE:0500": Fate.FAILED,
        "RE:": Fate.REFUSED,  # the key, the service that is not opened, the IP address
        "FlowLimitExceeded": Fate.BUSY,
        "Internal": Fate.FAILED,
        "ServiceUnavailable": Fate.FAILED,
        "Invalid": Fate.REFUSED,
        "Missing": Fate.REFUSED,
        "SignatureDoesNotMatch": Fate.REFUSED,
        "AccessDenied": Fate.REFUSED,
    },
    probed=frozenset({"RE:0009"}),
)


def _call(vendor: VendorAccount, ids: list[str], now: int) -> Call:
    body = json.encode({"MessageIDs": ids})
    headers = sign(
        {"host": host_of(vendor), "content-type": "application/json"},
        body,
        access_key_id=vendor.settings["access_key_id"],
        secret=vendor.secrets["secret_access_key"],
        region=vendor.settings["region"],
        time=compact(now),
        query=_QUERY,
    )
    return Call(f"/?{_QUERY}", headers, body)


def _make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
    return _call(vendor, [send.message_id for send in sends], stamp.now)


def _probe(vendor: VendorAccount, stamp: Stamp) -> Call:
    return _call(vendor, [], stamp.now)


def _kind(name: str, title: str, endpoint: str, region: str, proven_by: str) -> Kind:
    return Kind(
        name=name,
        title=title,
        settings=(
            Setting("endpoint", "URL of the API", endpoint),
            Setting("region", "the region that calls are signed for", region),
            Setting("access_key_id", "AccessKeyId of a user that may use the SMS service"),
            Setting("secret_access_key", "SecretAccessKey of the same key", secret=True),
        ),
        make=_make,
        read=_ANSWERS.read,
        probe=Probe(_probe, _ANSWERS.read_probe, "calls Conversion without messages, which changes nothing"),
        feedbacks=frozenset({"received"}),
        batch=_BATCH,
        refused_whole=frozenset({"RE:0009"}),
        per_second=UNPUBLISHED_PER_SECOND,
        concurrency=4,
        remedies={"RE:0009": "Report messages with the id that the vendor returned for them."},
        proven_by=proven_by,
    )


VOLCENGINE: Final = _kind(
    "volcengine", "Volcengine SMS", "https://sms.volcengineapi.com", "cn-north-1", "the official SDK"
)
BYTEPLUS: Final = _kind(
    "byteplus", "BytePlus SMS", "https://sms.byteplusapi.com", "ap-singapore-1", "the official SDK"
)
