"""Twilio Message Feedback: `POST …/Messages/{MessageSid}/Feedback.json`.

Source: the vendor's API documentation, and its official SDK for the request. Twilio asks to confirm messages
even if it is late, and not to report a miss. A message must have been sent with `ProvideFeedback=true`.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.dialects.twilio.receipts import TWILIO_RECEIPTS
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import SENDING_SETTINGS, Call, Kind, Probe, Setting, Stamp
from otpconv.relay.kinds.twilio_sending import SENDING, account_of
from otpconv.relay.requests import FORM, UNPUBLISHED_PER_SECOND, part
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


_ANSWERS: Final = Answers(named=named)


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    path, headers = account_of(vendor)
    target = f"{path}/Messages/{part(send.message_id)}/Feedback.json"
    return Call(target, headers | {"content-type": FORM}, b"Outcome=confirmed")


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    path, headers = account_of(vendor)
    return Call(f"{path}.json", headers, method="GET")


TWILIO: Final = Kind(
    name="twilio",
    title="Twilio Messaging",
    settings=(Setting("endpoint", "URL of the API", "https://api.twilio.com"), *ACCOUNT, *SENDING_SETTINGS),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(_probe, _ANSWERS.read_probe, "reads the account"),
    feedbacks=frozenset({"received"}),
    per_second=UNPUBLISHED_PER_SECOND,
    remedies={"20404": "Twilio does not know the message: report messages with their MessageSid (SM…)."},
    needs="Send messages with ProvideFeedback=true.",
    receipts=TWILIO_RECEIPTS,
    sending=SENDING,
)
