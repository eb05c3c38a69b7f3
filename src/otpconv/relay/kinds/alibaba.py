"""Alibaba Cloud Short Message Service: SmsConversion (2018-05-01) and SmsConversionIntl (2017-05-25).

Source: the vendor's API documentation; the signature is that of `dialects/alibaba`, proven by the official
SDKs. How the vendor takes a repeat is not documented: our own server takes it as the same report.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.credentials import Credentials
from otpconv.delivery.sms_conversion import outcome_of, signed_headers
from otpconv.delivery.transport import DELIVERED, Outcome
from otpconv.dialects.alibaba.receipts import ALIBABA_RECEIPTS
from otpconv.relay.kind import SENDING_SETTINGS, Call, Kind, Probe, Setting, Stamp
from otpconv.relay.kinds.alibaba_sending import sending_of
from otpconv.storage.relay.contract import Send

_INTERNATIONAL, _2017 = ("SmsConversion", "2018-05-01"), ("SmsConversionIntl", "2017-05-25")
_REMEDIES: Final = {
    "MESSAGE_ID_ILLEGAL": "Report messages with the id that SendMessage returned for them.",
    "isv.MESSAGE_ID_ILLEGAL": "Report messages with the BizId that SendSms returned for them.",
    "ID_NOT_FOUND": "The vendor does not know the message: check with which provider it was reported.",
}


def _call(vendor: VendorAccount, operation: tuple[str, str], parameters: dict[str, str], now: int) -> Call:
    action, version = operation
    key = Credentials(vendor.settings["access_key_id"], vendor.secrets["access_key_secret"])
    host = urlsplit(vendor.settings["endpoint"]).netloc
    headers = signed_headers(host, parameters, key, now, action=action, version=version)
    return Call(f"/?{urlencode(parameters)}", headers)


def _read(answer: Response, sends: Sequence[Send], now: int) -> list[Outcome]:
    return [outcome_of(answer, now)] * len(sends)


def _read_probe(answer: Response, now: int) -> Outcome:
    # The vendor checks the signature before the parameters, so this refusal proves the credentials.
    outcome = outcome_of(answer, now)
    return DELIVERED if outcome.code in {"MissingMessageId", "MissingParameter"} else outcome


def _kind(name: str, title: str, operation: tuple[str, str], endpoint: str) -> Kind:
    def make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
        (send,) = sends
        parameters = {
            "MessageId": send.message_id,
            "Delivered": "true" if send.feedback == "received" else "false",
            "ConversionTime": str(send.at),
        }
        return _call(vendor, operation, parameters, stamp.now)

    def probe(vendor: VendorAccount, stamp: Stamp) -> Call:
        return _call(vendor, operation, {"Delivered": "true", "ConversionTime": str(stamp.now)}, stamp.now)

    return Kind(
        name=name,
        title=title,
        settings=(
            Setting("endpoint", "URL of the service in your region", endpoint),
            Setting("access_key_id", "AccessKeyId of a RAM user that may report conversions"),
            Setting("access_key_secret", "AccessKeySecret of the same key", secret=True),
            *SENDING_SETTINGS,
        ),
        make=make,
        read=_read,
        probe=Probe(probe, _read_probe, f"calls {operation[0]} without a message id, which changes nothing"),
        per_second=500,
        concurrency=16,
        time_unit_ms=1,
        remedies=_REMEDIES,
        proven_by="the official SDKs",
        receipts=ALIBABA_RECEIPTS,
        sending=sending_of(operation[1]),
    )


ALIBABA: Final = _kind(
    "alibaba",
    "Alibaba Cloud Short Message Service (international)",
    _INTERNATIONAL,
    "https://dysmsapi.ap-southeast-1.aliyuncs.com",
)
ALIBABA_2017: Final = _kind(
    "alibaba-2017", "Alibaba Cloud Short Message Service (2017-05-25)", _2017, "https://dysmsapi.aliyuncs.com"
)
