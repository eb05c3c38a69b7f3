"""Vonage's Conversion API as a `Dialect`: `POST /conversions/sms` and `/conversions/voice`.

Source: "Conversion API" 1.0.2, Vonage's OpenAPI documents; the requests of the Python SDK 4.9 and of the .NET
SDK, which sends a form with an empty last parameter.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from otpconv import errors
from otpconv.dialects import bodies, conversions
from otpconv.dialects.credentials import from_basic
from otpconv.dialects.dialect import (
    HashNumber,
    HttpRequest,
    HttpResponse,
    LoginCall,
    Outcome,
    UnknownOperation,
)
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.responses import empty_response
from otpconv.dialects.server_api import JsonApi
from otpconv.dialects.vonage import signature
from otpconv.model import Conversion, Timing

#: By the last part of the path: the action that a policy must allow.
PERMISSIONS: Final = {"sms": "vonage:SmsConversion", "voice": "vonage:VoiceConversion"}

_PATH: Final = re.compile("/conversions/([a-z]+)")
_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_DELIVERED: Final = {"true": True, "1": True, "false": False, "0": False}

_INVALID: Final = "Invalid parameters. The value of one or more parameters is invalid."
_UNAUTHORIZED: Final = "You did not provide correct credentials."
_ERRORS: Final = ErrorTable(
    "vonage",
    {
        errors.Refused: ErrorKind("3", 420, _INVALID),
        errors.InvalidTime: ErrorKind("3", 423, _INVALID),
        errors.UnknownMessage: ErrorKind("3", 423, _INVALID),
        errors.BadCredentials: ErrorKind("unauthorized", 401, _UNAUTHORIZED),
        errors.AccessDenied: ErrorKind("forbidden", 402, "Conversion has not been enabled for your account"),
        errors.NeedsTls: ErrorKind(
            "forbidden", 403, "Your account does not have permission to perform this action."
        ),
        errors.Throttled: ErrorKind("throttled", 429, "You have exceeded your rate limit."),
        errors.NotFound: ErrorKind("invalid", 404, "The requested resource does not exist."),
        errors.MethodNotAllowed: ErrorKind("invalid", 405, "The method is not allowed."),
        errors.BodyTooSlow: ErrorKind("invalid", 408, "The request took too long."),
        errors.BodyTooLarge: ErrorKind("invalid", 413, "The request is too large."),
        errors.Unavailable: ErrorKind("internal", 503, "The service is unavailable."),
    },
    ErrorKind("internal", 500, "There was an error processing your request in the Platform."),
)


class Login(LoginCall, frozen=True, kw_only=True):
    """A call by HTTP Basic, or with `api_key` and `api_secret` among the parameters."""

    parameters: dict[str, str]


class SignedConversion(Struct, frozen=True):
    """A call whose parameters are signed. There is no nonce, and `timestamp` is the time of the conversion.

    Attributes:
        access_key_id: the `api_key`.
        permission: the action that a policy must allow.
        parameters: all parameters, decoded, with `sig`.
        security_token: empty: temporary credentials have no place in the call.
        nonce: empty.
        signed_at: None.
    """

    access_key_id: str
    permission: str
    parameters: dict[str, str]
    security_token: str = ""
    nonce: str = ""
    signed_at: None = None

    def verify(self, secret: str) -> None:
        """Check that `secret`, as the signature secret, made the signature.

        Raises:
            SignatureMismatch: another secret made it, or a parameter was changed.
        """
        if not signature.verify(self.parameters, secret):
            text = signature.string_to_sign(self.parameters)
            raise errors.SignatureMismatch(
                f"This server signs {text!r}. Compare it with yours; if they are the same, use the"
                " AccessKeySecret as the signature secret."
            )


Call = Login | SignedConversion


class VonageDialect(JsonApi[Call]):
    """Reads conversions of messages and calls: delivered says whether the user typed the code back."""

    def __init__(self) -> None:
        super().__init__(_ERRORS, _error)

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is below `/conversions/`."""
        return request.path.startswith("/conversions/")

    def read(self, request: HttpRequest) -> Call:
        """Return the call; its parameters are in the query, in a form body, or in both.

        Raises:
            UnknownOperation: the path is another one.
            MethodNotAllowed: it is not a POST.
            InvalidRequest: the parameters are not a form, or one is given twice.
            BadCredentials: it has no credentials.
        """
        match = _PATH.fullmatch(request.path)
        permission = PERMISSIONS.get(match[1], "") if match else ""
        if not permission:
            raise UnknownOperation(f"{request.method} {request.path}")
        if request.method != "POST":
            raise errors.MethodNotAllowed(f"{request.path} does not accept {request.method}. Use POST.")
        parameters = bodies.from_form(request.query, request.body)
        authorization = request.fields.get(b"authorization", b"")
        api_key = parameters.get("api_key", "")
        if authorization or not api_key:
            login = from_basic(authorization)
            return Login(**login._asdict(), permission=permission, parameters=parameters)
        if "sig" in parameters:
            return SignedConversion(api_key, permission, parameters)
        if "api_secret" not in parameters:
            raise errors.BadCredentials("Send api_key with api_secret or sig, or use HTTP Basic.")
        secret = parameters["api_secret"]
        return Login(access_key_id=api_key, secret=secret, permission=permission, parameters=parameters)

    def reports(
        self,
        call: Call,
        account: int,
        now: int,
        number_hash: HashNumber,  # noqa: ARG002 - a message is known by its id
        region: str,  # noqa: ARG002
    ) -> Sequence[Conversion]:
        """Return the conversion.

        Raises:
            InvalidRequest: a parameter is missing or malformed.
            InvalidTime: the time is in the future.
        """
        message_id = conversions.message_id(bodies.required(call.parameters, "message-id"), "message-id")
        if signature.is_ambiguous(message_id):
            raise errors.InvalidRequest(
                "message-id may not have & or =, which a signature does not tell apart."
            )
        delivered = _DELIVERED.get(bodies.required(call.parameters, "delivered").lower())
        if delivered is None:
            raise errors.InvalidRequest("delivered must be true, false, 1 or 0.")
        time = call.parameters.get("timestamp", "")
        if not time:
            return (Conversion(account, delivered, now, message_id, timing=Timing.ARRIVAL),)
        return (Conversion(account, delivered, _time(time, now), message_id),)

    def success(self, call: Call, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002 - always the same
        """Return the response to a conversion that is durable: 200 without a body."""
        return empty_response(200)


def _error(kind: ErrorKind, text: str, request_id: str, _: Call | None) -> dict[str, str]:
    members = {
        "type": f"https://developer.nexmo.com/api-errors#{kind.code}",
        "title": kind.sentence,
        "detail": text.removeprefix(kind.sentence).strip(),
        "instance": request_id,
    }
    if kind.code == "3":
        members["resolution"] = "Check your parameters and try again."
    return members


def _time(text: str, now: int) -> int:
    """Return a time such as `2026-11-26 21:51:34` (UTC), ms."""
    try:
        # Python reads other forms of ISO 8601 too; an empty text is none of them.
        moment = datetime.fromisoformat(text if _TIME.fullmatch(text) else "").replace(tzinfo=UTC)
    except ValueError:
        raise errors.InvalidRequest("timestamp must be a time in UTC, e.g. 2026-11-26 21:51:34.") from None
    return conversions.past_time(int(moment.timestamp()) * 1_000, now, "timestamp")
