"""Infobip's conversion tracking as a `Dialect`: `POST /ct/1/log/end/MESSAGE_ID`.

Source: "Confirm conversion" and "Handling errors", Infobip API documentation; `LogEndTag` of the vendor's
Java, PHP and C# clients. No current client of the vendor has the call.
"""

import re
from collections.abc import Sequence
from typing import Final

from otpconv import errors
from otpconv.dialects import conversions
from otpconv.dialects.credentials import from_basic, from_token
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
from otpconv.model import Conversion

#: The action that a policy must allow.
PERMISSION: Final = "infobip:LogEndTag"

_PATH: Final = re.compile("/ct/1/log/end/([^/]+)")

_ERRORS: Final = ErrorTable(
    "infobip",
    {
        errors.Refused: ErrorKind("BAD_REQUEST", 400, "Bad request."),
        errors.BadCredentials: ErrorKind("UNAUTHORIZED", 401, "Invalid login details."),
        errors.AccessDenied: ErrorKind("FORBIDDEN", 403, "Forbidden."),
        errors.NeedsTls: ErrorKind("FORBIDDEN", 403, "Forbidden."),
        errors.Throttled: ErrorKind("TOO_MANY_REQUESTS", 429, "Too many requests."),
        errors.NotFound: ErrorKind("NOT_FOUND", 404, "Not found."),
        errors.UnknownMessage: ErrorKind("NOT_FOUND", 404, "Not found."),
        errors.MethodNotAllowed: ErrorKind("METHOD_NOT_ALLOWED", 405, "Method not allowed."),
        errors.BodyTooSlow: ErrorKind("BAD_REQUEST", 408, "Bad request."),
        errors.BodyTooLarge: ErrorKind("BAD_REQUEST", 413, "Bad request."),
        errors.Unavailable: ErrorKind("SERVICE_UNAVAILABLE", 503, "The service is unavailable."),
    },
    ErrorKind("GENERAL_ERROR", 500, "Something went wrong. The reason is in the server's log."),
)


class Login(LoginCall, frozen=True, kw_only=True):
    """A call with an API key `AccessKeyId:AccessKeySecret`, or by HTTP Basic."""

    message_id: str


class InfobipDialect(JsonApi[Login]):
    """Reads the end tags of conversion tracking."""

    def __init__(self) -> None:
        super().__init__(_ERRORS, _error)

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is below `/ct/1/`."""
        return request.path.startswith("/ct/1/")

    def read(self, request: HttpRequest) -> Login:
        """Return the call; a body is ignored, as the old clients send an empty one.

        Raises:
            UnknownOperation: the request is for another operation.
            BadCredentials: it has neither an API key nor HTTP Basic.
        """
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            raise UnknownOperation(f"{request.method} {request.path}")
        authorization = request.fields.get(b"authorization", b"")
        basic = authorization[:6].lower() == b"basic "
        login = from_basic(authorization) if basic else from_token(authorization, "App")
        return Login(**login._asdict(), permission=PERMISSION, message_id=match[1])

    def reports(
        self,
        call: Login,
        account: int,
        now: int,
        number_hash: HashNumber,  # noqa: ARG002 - a message is known by its id
        region: str,  # noqa: ARG002
    ) -> Sequence[Conversion]:
        """Return the conversion, which happened when the call arrived.

        Raises:
            InvalidRequest: the id is not a message id.
        """
        message_id = conversions.message_id(call.message_id, "messageId")
        return (conversions.converted_now(account, message_id, now),)

    def success(self, call: Login, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002 - a repeat gets the same response
        """Return the response to a conversion that is durable."""
        return json_response(200, {"processKey": request_id})


def _error(kind: ErrorKind, text: str, *_: object) -> dict[str, object]:
    return {"requestError": {"serviceException": {"messageId": kind.code, "text": text}}}
