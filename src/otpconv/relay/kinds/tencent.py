"""Tencent Cloud SMS: ReportConversion, version 2021-01-11, signed by TC3.

Source: the vendor's API documentation; the official SDKs call our dialect of it. A report says only that a
code was typed back. Errors have HTTP 200. The vendor must allow the account to report.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.dialects.tencent.receipts import TENCENT_RECEIPTS
from otpconv.dialects.tencent.signature import sign_tc3
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import host_of
from otpconv.storage.relay.contract import Send

_VERSION: Final = "2021-01-11"


class _Said(Struct, frozen=True, rename="pascal"):
    code: str = ""
    message: str = ""


class _Response(Struct, frozen=True, rename="pascal"):
    error: _Said = _Said()
    report_conversion_status: _Said = _Said()


class _Answer(Struct, rename="pascal"):
    response: _Response = _Response()


_decode = json.Decoder(_Answer).decode


def _named(body: bytes) -> Named:
    response = _decode(body).response
    said = response.error if response.error.code else response.report_conversion_status
    return Named(said.code, said.message)


_ANSWERS: Final = Answers(
    named=_named,
    in_body=True,
    fates={
        "ok": Fate.DELIVERED,
        "Ok": Fate.DELIVERED,
        "RequestLimitExceeded": Fate.BUSY,
        "LimitExceeded": Fate.BUSY,
        "InternalError.RequestTimeException": Fate.REFUSED,
        "InternalError": Fate.FAILED,
        "AuthFailure": Fate.REFUSED,
        "UnauthorizedOperation": Fate.REFUSED,
        "IpInBlacklist": Fate.REFUSED,
        "IpNotInWhitelist": Fate.REFUSED,
        "InvalidAction": Fate.REFUSED,
        "NoSuchVersion": Fate.REFUSED,
        "UnsupportedProtocol": Fate.REFUSED,
        "UnsupportedRegion": Fate.REFUSED,
    },
    probed=frozenset({"MissingParameter"}),
)


def _call(vendor: VendorAccount, parameters: dict[str, str | int], now: int) -> Call:
    body = json.encode({"SmsSdkAppId": vendor.settings["sms_sdk_app_id"], **parameters})
    headers = sign_tc3(
        {
            "host": host_of(vendor),
            "content-type": "application/json",
            "x-tc-action": "ReportConversion",
            "x-tc-version": _VERSION,
            "x-tc-region": vendor.settings["region"],
        },
        body,
        access_key_id=vendor.settings["secret_id"],
        secret=vendor.secrets["secret_key"],
        timestamp=now // 1000,
    )
    return Call("/", headers, body)


def _make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
    (send,) = sends
    return _call(vendor, {"SerialNo": send.message_id, "ConversionTime": send.at // 1000}, stamp.now)


def _probe(vendor: VendorAccount, stamp: Stamp) -> Call:
    return _call(vendor, {}, stamp.now)


TENCENT: Final = Kind(
    name="tencent",
    title="Tencent Cloud SMS",
    settings=(
        Setting(
            "endpoint",
            "URL of the API; https://sms.intl.tencentcloudapi.com for international accounts",
            "https://sms.tencentcloudapi.com",
        ),
        Setting("region", "the region that calls name", "ap-guangzhou"),
        Setting("sms_sdk_app_id", "SdkAppId of the SMS application"),
        Setting("secret_id", "SecretId of a key that may call sms:ReportConversion"),
        Setting("secret_key", "SecretKey of the same key", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(
        _probe, _ANSWERS.read_probe, "calls ReportConversion without a SerialNo, which changes nothing"
    ),
    feedbacks=frozenset({"received"}),
    per_second=1_000,
    concurrency=16,
    time_unit_ms=1_000,
    remedies={
        "UnauthorizedOperation": "Ask the vendor to allow the application to report conversions.",
        "FailedOperation.OtherError": "Report messages with the SerialNo that SendSms returned for them.",
    },
    needs="Ask the vendor to allow the application to report conversions.",
    proven_by="the official SDKs",
    receipts=TENCENT_RECEIPTS,
)
