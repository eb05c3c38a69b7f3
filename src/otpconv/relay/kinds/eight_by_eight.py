"""8x8's SMS API: `POST /api/v1/subaccounts/SUBACCOUNT/messages/UMID/feedback`.

Source: the vendor's documentation alone. The vendor wants a feedback within 15 minutes of sending. How errors
look in the body, and how the vendor takes a repeat, is not documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.clock import iso_8601
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, part
from otpconv.storage.relay.contract import Send

#: The vendor's.
_USEFUL_MS: Final = 15 * 60_000


class _Error(Struct):
    code: int | str = ""
    message: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    error = _decode(body)
    return Named(str(error.code or ""), error.message)


_ANSWERS: Final = Answers(named=_named)


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    headers = {"authorization": f"Bearer {vendor.secrets['api_key']}", "content-type": "application/json"}
    outcome = "success" if send.feedback == "received" else "failure"
    body = json.encode({"outcome": outcome, "timestamp": iso_8601(send.at)})
    path = f"/api/v1/subaccounts/{part(vendor.settings['subaccount'])}/messages/{part(send.message_id)}"
    return Call(f"{path}/feedback", headers, body)


EIGHT_BY_EIGHT: Final = Kind(
    name="8x8",
    title="8x8 SMS",
    settings=(
        Setting("endpoint", "URL of the API", "https://sms.8x8.com"),
        Setting("subaccount", "the subaccount that sent the messages"),
        Setting("api_key", "an API key", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    useful_ms=_USEFUL_MS,
    per_second=UNPUBLISHED_PER_SECOND,
    time_unit_ms=1_000,
    needs="Send messages by HTTP, not by SMPP.",
)
