"""Prelude's Watch API: `POST /v2/watch/feedback`, with up to 100 feedbacks and an API token.

Source: "Send feedbacks about verifications" and "Errors", Prelude API documentation, version 2; the official
SDK calls our dialect of it. Prelude knows a message by its phone number. It learns of each message that it is
requested (`verification.started`), and then that the code was typed back (`verification.completed`). How it
takes a repeat is not documented: a second start looks like a code that nobody typed, so nothing is repeated.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND
from otpconv.storage.relay.contract import Send

#: The vendor's.
_BATCH, _MAX_CORRELATION_ID_CHARS = 100, 64
_TYPES: Final = {"requested": "verification.started", "received": "verification.completed"}


class _Error(Struct):
    code: str = ""
    message: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    error = _decode(body)
    return Named(error.code, error.message)


_ANSWERS: Final = Answers(named=_named)


def _feedback(send: Send) -> dict[str, object]:
    target = {"type": "phone_number", "value": send.message_id}
    feedback: dict[str, object] = {"target": target, "type": _TYPES[send.feedback]}
    if len(send.reported_id) <= _MAX_CORRELATION_ID_CHARS:
        feedback["metadata"] = {"correlation_id": send.reported_id}
    return feedback


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    headers = {
        "authorization": f"Bearer {vendor.secrets['api_token']}",
        "content-type": "application/json",
    }
    body = json.encode({"feedbacks": [_feedback(send) for send in sends]})
    return Call("/v2/watch/feedback", headers, body)


PRELUDE: Final = Kind(
    name="prelude",
    title="Prelude Watch",
    settings=(
        Setting("endpoint", "URL of the API", "https://api.prelude.dev"),
        Setting("api_token", "API token of the account", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    feedbacks=frozenset(_TYPES),  # type: ignore[arg-type]
    known_by="number",
    batch=_BATCH,
    refused_whole=frozenset({"bad_request", "invalid_phone_number", "invalid_correlation_id"}),
    per_second=UNPUBLISHED_PER_SECOND,
    repeat="harmful",
    remedies={"invalid_phone_number": "Report messages with the number that they were sent to, as `to`."},
    needs="Report messages with their number (`to`), which is sealed and not stored in clear.",
    proven_by="the official SDK",
)
