"""Twilio Message Feedback: `POST …/Messages/{MessageSid}/Feedback.json`.

Source: the vendor's API documentation, and its official SDK for the request. Twilio asks to confirm messages
even if it is late, and not to report a miss. A message must have been sent with `ProvideFeedback=true`.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.delivery.verdicts import of_status, wait_ms
from otpconv.relay.kind import SENDING_SETTINGS, Call, Kind, Probe, Setting, Stamp
from otpconv.relay.kinds.twilio_sending import SENDING, account_of
from otpconv.storage.relay.contract import Send

#: Answers about the message; any other refusal is about the caller.
_ABOUT_THE_MESSAGE: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}


class _Error(Struct):
    """The body of an error."""

    code: int = 0
    message: str = ""


_error = msgspec.json.Decoder(_Error).decode


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    path, headers = account_of(vendor)
    headers["content-type"] = "application/x-www-form-urlencoded"
    target = f"{path}/Messages/{quote(send.message_id, safe='')}/Feedback.json"
    return Call(target, headers, b"Outcome=confirmed")


def _outcome(answer: Response, now: int) -> Outcome:
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return DELIVERED
    try:
        error = _error(answer.body)
    except msgspec.MsgspecError:
        error = _Error()
    code = str(error.code or "")
    if code and answer.status in _ABOUT_THE_MESSAGE:
        return Outcome(Fate.REJECTED, code, error.message)
    return of_status(
        answer.status, code, error.message or f"HTTP {answer.status}", wait_ms(answer.headers, now)
    )


def _read(answer: Response, sends: Sequence[Send], now: int) -> list[Outcome]:
    return [_outcome(answer, now)] * len(sends)


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    path, headers = account_of(vendor)
    return Call(f"{path}.json", headers, method="GET")


TWILIO: Final = Kind(
    name="twilio",
    title="Twilio Messaging",
    settings=(
        Setting("endpoint", "URL of the API", "https://api.twilio.com"),
        Setting("account_sid", "the account's SID (AC…)"),
        Setting("api_key_sid", "SID of an API key (SK…); without it, auth_token is the account's", ""),
        Setting("auth_token", "auth token of the account, or secret of the API key", secret=True),
        *SENDING_SETTINGS,
    ),
    make=_make,
    read=_read,
    probe=Probe(_probe, _outcome, "reads the account"),
    feedbacks=frozenset({"received"}),
    per_second=50,
    remedies={"20404": "Twilio does not know the message: report messages with their MessageSid (SM…)."},
    needs="Send messages with ProvideFeedback=true.",
    sending=SENDING,
)
