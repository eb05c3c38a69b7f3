"""Infobip's conversion tracking: `POST /ct/1/log/end/MESSAGE_ID`, with an API key.

Source: "Confirm conversion" and "Handling errors", Infobip documentation; `LogEndTag` of the vendor's older
clients. The call says only that the code was typed back, and has no time. How the vendor takes a repeat is
not documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, part
from otpconv.storage.relay.contract import Send


class _Exception(Struct, frozen=True, rename="camel"):
    message_id: str = ""
    text: str = ""


class _RequestError(Struct, frozen=True, rename="camel"):
    service_exception: _Exception = _Exception()


class _Answer(Struct, rename="camel"):
    request_error: _RequestError = _RequestError()


_decode = json.Decoder(_Answer).decode


def _named(body: bytes) -> Named:
    error = _decode(body).request_error.service_exception
    return Named(error.message_id, error.text)


_ANSWERS: Final = Answers(named=_named)


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    headers = {"authorization": f"App {vendor.secrets['api_key']}"}
    return Call(f"/ct/1/log/end/{part(send.message_id)}", headers)


INFOBIP: Final = Kind(
    name="infobip",
    title="Infobip conversion tracking",
    settings=(
        Setting("endpoint", "URL of the API, https://YOURS.api.infobip.com"),
        Setting("api_key", "an API key", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    feedbacks=frozenset({"received"}),
    per_second=UNPUBLISHED_PER_SECOND,
    remedies={"NOT_FOUND": "Report messages with the messageId that Infobip returned for them."},
    needs="Send messages with useConversionTracking=true.",
)
