"""Prelude's Watch API as a `Dialect`: `POST /v2/watch/feedback`, with 1 to 100 feedbacks.

A feedback is about a telephone number. verification.started says that a message was requested, and
verification.completed that the user typed its code back. See `feedbacks.py` for how they become reports.

Source: "Send feedbacks about verifications" and "Errors", Prelude API documentation, version 2; the requests
of the Python SDK 0.16 and the Node SDK 0.10.
"""

import re
from collections.abc import Sequence
from typing import Final

from otpconv import errors
from otpconv.dialects.credentials import from_token
from otpconv.dialects.dialect import (
    HashNumber,
    HttpRequest,
    HttpResponse,
    LoginCall,
    Outcome,
    UnknownOperation,
)
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.prelude import feedbacks
from otpconv.dialects.responses import json_response
from otpconv.dialects.server_api import JsonApi
from otpconv.model import Conversion, Requested

#: The action that a policy must allow.
PERMISSION: Final = "prelude:SendFeedbacks"

#: The path of the operation.
PATH: Final = "/v2/watch/feedback"
_CLAIMED: Final = re.compile("/v2/(?:watch|verification|lookup|notify|transactional)(?:/.*)?", re.DOTALL)

#: By the HTTP status: the type of an error.
_TYPES: Final = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    429: "too_many_requests",
    500: "internal",
    503: "internal",
}
_ERRORS: Final = ErrorTable(
    "prelude",
    {
        errors.Refused: ErrorKind("bad_request", 400),
        errors.InvalidNumber: ErrorKind("invalid_phone_number", 400),
        feedbacks.EmptyBatch: ErrorKind("empty_batch", 400),
        feedbacks.LargeBatch: ErrorKind("batch_size_exceeded", 400),
        feedbacks.InvalidCorrelationId: ErrorKind("invalid_correlation_id", 400),
        errors.BadCredentials: ErrorKind(
            "invalid_bearer_token", 401, "The provided bearer token is invalid."
        ),
        errors.AccessDenied: ErrorKind("forbidden", 403),
        errors.NeedsTls: ErrorKind("forbidden", 403),
        errors.Throttled: ErrorKind("rate_limited", 429),
        errors.NotFound: ErrorKind("not_found", 404),
        errors.MethodNotAllowed: ErrorKind("method_not_allowed", 405),
        errors.BodyTooSlow: ErrorKind("bad_request", 408),
        errors.BodyTooLarge: ErrorKind("bad_request", 413),
        errors.Unavailable: ErrorKind("internal", 503),
    },
    ErrorKind("internal", 500, "An internal error occurred. Please try again later."),
)


class Login(LoginCall, frozen=True, kw_only=True):
    """A call with the token `AccessKeyId:AccessKeySecret`."""

    body: bytes


class PreludeDialect(JsonApi[Login]):
    """Reads feedbacks about verifications."""

    def __init__(self) -> None:
        super().__init__(_ERRORS, _error)

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is one of the vendor's API, version 2."""
        return _CLAIMED.fullmatch(request.path) is not None

    def read(self, request: HttpRequest) -> Login:
        """Return the call.

        Raises:
            UnknownOperation: the request is for another operation.
            BadCredentials: it has no bearer token `AccessKeyId:AccessKeySecret`.
        """
        if request.path != PATH or request.method != "POST":
            raise UnknownOperation(f"{request.method} {request.path}")
        login = from_token(request.fields.get(b"authorization", b""))
        return Login(**login._asdict(), permission=PERMISSION, body=request.body)

    def reports(
        self, call: Login, account: int, now: int, number_hash: HashNumber, region: str
    ) -> Sequence[Requested | Conversion]:
        """Return a report for each feedback; see `feedbacks.read_reports`."""
        return feedbacks.read_reports(
            call.body, account, now, access_key_id=call.access_key_id, number_hash=number_hash, region=region
        )

    def success(self, call: Login, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002
        """Return the response to feedbacks that are durable.

        Raises:
            Refused: one of them contradicts earlier reports about its message; the others are durable.
        """
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, errors.Refused):
                text = f"feedbacks[{index}]: {outcome.text} The other feedbacks were recorded."
                raise type(outcome)(text)
        return json_response(200, {"request_id": request_id, "status": "success"})


def _error(kind: ErrorKind, text: str, request_id: str, _: Login | None) -> dict[str, str]:
    error_type = _TYPES.get(kind.status, "bad_request")
    return {"code": kind.code, "message": text, "type": error_type, "request_id": request_id}
