"""Vonage's Conversion API: `POST /conversions/sms`, by HTTP Basic.

Source: "Conversion API" 1.0.2, Vonage's OpenAPI documents; the official SDK calls our dialect of it. How the
vendor takes a repeat is not documented.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.dialects.vonage.receipts import VONAGE_RECEIPTS
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import FORM, UNPUBLISHED_PER_SECOND, basic, moment
from otpconv.storage.relay.contract import Send


class _Error(Struct):
    type: str = ""
    title: str = ""
    detail: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    error = _decode(body)
    return Named(error.type.rpartition("#")[2], error.detail or error.title)


#: The code of a wrong parameter is 3. Statuses tell the other errors: 401 and 402 refuse the caller.
_ANSWERS: Final = Answers(named=_named, fates={"invalid": Fate.REFUSED}, probed=frozenset({"3"}))


def _call(vendor: VendorAccount, parameters: dict[str, str]) -> Call:
    login = basic(vendor.settings["api_key"], vendor.secrets["api_secret"])
    headers = {"authorization": login, "content-type": FORM}
    return Call("/conversions/sms", headers, urlencode(parameters).encode())


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    parameters = {
        "message-id": send.message_id,
        "delivered": "true" if send.feedback == "received" else "false",
        "timestamp": moment(send.at).strftime("%Y-%m-%d %H:%M:%S"),
    }
    return _call(vendor, parameters)


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    return _call(vendor, {"delivered": "true"})


VONAGE: Final = Kind(
    name="vonage",
    title="Vonage Conversion API",
    settings=(
        Setting("endpoint", "URL of the API", "https://api.nexmo.com"),
        Setting("api_key", "API key of the account that sends the codes"),
        Setting("api_secret", "API secret of the account", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(_probe, _ANSWERS.read_probe, "reports a conversion without a message id, changing nothing"),
    per_second=UNPUBLISHED_PER_SECOND,
    time_unit_ms=1_000,
    remedies={"forbidden": "Ask the vendor's support to enable conversions for the account."},
    needs="Ask the vendor's support to enable conversions; send codes with an API key of their own.",
    proven_by="the official SDK",
    receipts=VONAGE_RECEIPTS,
)
