"""Twilio Message Feedback: `POST …/Messages/{MessageSid}/Feedback.json`.

Source: the vendor's API documentation, and its official SDK for the request. Twilio asks to confirm messages
even if it is late, and not to report a miss. A message must have been sent with `ProvideFeedback=true`.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import FORM, UNPUBLISHED_PER_SECOND, basic, part
from otpconv.storage.relay.contract import Send

#: The settings of an account at Twilio.
ACCOUNT: Final = (
    Setting("account_sid", "the account's SID (AC…)"),
    Setting("api_key_sid", "SID of an API key (SK…); without it, auth_token is the account's", ""),
    Setting("auth_token", "auth token of the account, or secret of the API key", secret=True),
)


class _Error(Struct):
    code: int = 0
    message: str = ""


_decode = json.Decoder(_Error).decode


def named(body: bytes) -> Named:
    """Return what a body of Twilio's says. May raise `MsgspecError`."""
    error = _decode(body)
    return Named(str(error.code or ""), error.message)


def login(vendor: VendorAccount) -> dict[str, str]:
    """Return the header that proves who calls."""
    user = vendor.settings.get("api_key_sid") or vendor.settings["account_sid"]
    return {"authorization": basic(user, vendor.secrets["auth_token"])}


_ANSWERS: Final = Answers(named=named)


def _account(vendor: VendorAccount) -> str:
    return f"/2010-04-01/Accounts/{part(vendor.settings['account_sid'])}"


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    target = f"{_account(vendor)}/Messages/{part(send.message_id)}/Feedback.json"
    return Call(target, login(vendor) | {"content-type": FORM}, b"Outcome=confirmed")


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    return Call(f"{_account(vendor)}.json", login(vendor), method="GET")


TWILIO: Final = Kind(
    name="twilio",
    title="Twilio Messaging",
    settings=(Setting("endpoint", "URL of the API", "https://api.twilio.com"), *ACCOUNT),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(_probe, _ANSWERS.read_probe, "reads the account"),
    feedbacks=frozenset({"received"}),
    per_second=UNPUBLISHED_PER_SECOND,
    remedies={"20404": "Twilio does not know the message: report messages with their MessageSid (SM…)."},
    needs="Send messages with ProvideFeedback=true.",
)
