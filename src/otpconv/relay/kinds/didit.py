"""Didit's Messages API: `POST /v3/messages/MESSAGE_ID/feedback/`, with an API key.

Source: "Message feedback API", Didit documentation, version 3. The vendor answers a second feedback about a
message by 409 `feedback_exists`, and keeps the first. So a repeat is safe, and a failure is sent late: a
success after it would not count. How errors look in the body is not documented, so only `feedback_exists` and
the HTTP status are relied on.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.clock import iso_8601
from otpconv.delivery.transport import Fate
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, part
from otpconv.storage.relay.contract import Send

#: A code that was not typed back an hour after its message never is.
_NEGATIVE_AFTER_MS: Final = 60 * 60_000


class _Error(Struct):
    error: str = ""
    detail: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    error = _decode(body)
    return Named(error.error, error.detail)


_ANSWERS: Final = Answers(named=_named, fates={"feedback_exists": Fate.DELIVERED})


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    headers = {"x-api-key": vendor.secrets["api_key"], "content-type": "application/json"}
    outcome = "converted" if send.feedback == "received" else "not_converted"
    body = json.encode({"outcome": outcome, "occurred_at": iso_8601(send.at)})
    return Call(f"/v3/messages/{part(send.message_id)}/feedback/", headers, body)


DIDIT: Final = Kind(
    name="didit",
    title="Didit Messages",
    settings=(
        Setting("endpoint", "URL of the API", "https://verification.didit.me"),
        Setting("api_key", "API key of the application", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    negative_after_ms=_NEGATIVE_AFTER_MS,
    per_second=UNPUBLISHED_PER_SECOND,
    time_unit_ms=1_000,
    remedies={"not_found": "Report messages with the id that Didit returned for them."},
)
