"""Didit's Messages API as a `Dialect`: `POST /v3/messages/MESSAGE_ID/feedback/`.

A message has one outcome: a feedback that repeats a known one gets 409 `feedback_exists`. A feedback with
another outcome or time is recorded: a user may type a code after the message was given up.

Source: "Message feedback API", Didit documentation, version 3. The vendor has no client, and its
documentation does not show the bodies of errors: ours have its code in `error`, and a text in `detail`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, json

from otpconv import errors
from otpconv.dialects import bodies, conversions
from otpconv.dialects.credentials import from_api_key
from otpconv.dialects.dialect import (
    HashNumber,
    HttpRequest,
    HttpResponse,
    LoginCall,
    Outcome,
    UnknownOperation,
)
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.responses import json_response
from otpconv.dialects.server_api import JsonApi
from otpconv.model import Conversion, Timing

#: The action that a policy must allow.
PERMISSION: Final = "didit:SendMessageFeedback"

_PATH: Final = re.compile("/v3/messages/([^/]+)/feedback/?")


class FeedbackExists(errors.Refused):
    """The outcome of a message was reported before."""


_ERRORS: Final = ErrorTable(
    "didit",
    {
        errors.Refused: ErrorKind("invalid_request", 400),
        FeedbackExists: ErrorKind("feedback_exists", 409),
        errors.BadCredentials: ErrorKind("unauthorized", 401),
        errors.AccessDenied: ErrorKind("forbidden", 403),
        errors.NeedsTls: ErrorKind("forbidden", 403),
        errors.Throttled: ErrorKind("too_many_requests", 429),
        errors.NotFound: ErrorKind("not_found", 404),
        errors.UnknownMessage: ErrorKind("not_found", 404),
        errors.MethodNotAllowed: ErrorKind("method_not_allowed", 405),
        errors.BodyTooSlow: ErrorKind("request_timeout", 408),
        errors.BodyTooLarge: ErrorKind("request_too_large", 413),
        errors.Unavailable: ErrorKind("service_unavailable", 503),
    },
    ErrorKind("internal_error", 500, "Something went wrong. The reason is in the server's log."),
)


class Feedback(Struct, frozen=True):
    """The body of a feedback."""

    outcome: Literal["converted", "not_converted"]
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None


_DECODER: Final = json.Decoder(Feedback)


class Login(LoginCall, frozen=True, kw_only=True):
    """A feedback with an API key `AccessKeyId:AccessKeySecret`."""

    message_id: str
    body: bytes


class DiditDialect(JsonApi[Login]):
    """Reads the outcomes of messages."""

    def __init__(self) -> None:
        super().__init__(_ERRORS, _error)

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is below `/v3/messages/`."""
        return request.path.startswith("/v3/messages/")

    def read(self, request: HttpRequest) -> Login:
        """Return the call.

        Raises:
            UnknownOperation: the request is for another operation.
            BadCredentials: it has no API key `AccessKeyId:AccessKeySecret`.
        """
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            raise UnknownOperation(f"{request.method} {request.path}")
        login = from_api_key(request.fields.get(b"x-api-key", b""), "x-api-key")
        return Login(**login._asdict(), permission=PERMISSION, message_id=match[1], body=request.body)

    def reports(
        self,
        call: Login,
        account: int,
        now: int,
        number_hash: HashNumber,  # noqa: ARG002 - a message is known by its id
        region: str,  # noqa: ARG002
    ) -> Sequence[Conversion]:
        """Return the conversion.

        Raises:
            InvalidRequest: the id is not a message id, or the body is malformed.
            InvalidTime: the time is in the future.
        """
        message_id = conversions.message_id(call.message_id, "message_id")
        feedback = bodies.from_json(_DECODER, call.body)
        converted = feedback.outcome == "converted"
        if feedback.occurred_at is None:
            # That a code was not used has no time.
            timing = Timing.ARRIVAL if converted else Timing.UNKNOWN
            return (Conversion(account, converted, now, message_id, timing=timing),)
        time = int(feedback.occurred_at.timestamp() * 1_000)
        conversions.past_time(time, now, "occurred_at")
        return (Conversion(account, converted, time, message_id),)

    def success(self, call: Login, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002
        """Return the response to a feedback that is durable: the feedback.

        Raises:
            FeedbackExists: it was known before.
        """
        if "unchanged" in outcomes:
            raise FeedbackExists(f"Feedback about message {call.message_id} was recorded before.")
        feedback = _DECODER.decode(call.body)
        members = {"message_id": call.message_id, "outcome": feedback.outcome}
        return json_response(200, members | {"occurred_at": feedback.occurred_at})


def _error(kind: ErrorKind, text: str, *_: object) -> dict[str, str]:
    return {"error": kind.code, "detail": text}
