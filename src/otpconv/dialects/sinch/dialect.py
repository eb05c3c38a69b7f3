"""Sinch's SMS API as a `Dialect`: `POST /xms/v1/PLAN/batches/BATCH_ID/delivery_feedback`.

A feedback says that recipients received the message of a batch, and no feedback ever says that they did not.
A batch with a code has one recipient, so the id of the batch is the id of its message. A feedback about
several recipients is about the newest message to each of their numbers.

Clients send a token of their own, or first ask `POST /oauth2/token` for an access token.

Source: "Send delivery feedback for a message" and "HTTP status codes", Sinch SMS REST API documentation; the
requests of the Python SDK 2.3.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv import errors
from otpconv.clock import iso_8601
from otpconv.dialects import bodies, conversions
from otpconv.dialects.credentials import from_basic, from_token
from otpconv.dialects.dialect import (
    MAX_REPORTS,
    HashNumber,
    HttpRequest,
    HttpResponse,
    LoginCall,
    Outcome,
    UnknownOperation,
)
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.responses import empty_response, json_response, retry_after
from otpconv.dialects.server_api import ServerApi
from otpconv.dialects.sinch.tokens import LIFETIME_S, AccessToken, make_token, read_token
from otpconv.model import Conversion
from otpconv.phone import parse

#: The action that a policy must allow; a token allows no more.
PERMISSION: Final = "sinch:SendDeliveryFeedback"

TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105 - a path
_PATH: Final = re.compile("/xms/v1/[^/]+/batches/([^/]+)/delivery_feedback")

_UNAUTHORIZED: Final = "unauthorized"


class MalformedBody(errors.InvalidRequest):
    """A body is not a feedback as JSON."""


_ERRORS: Final = ErrorTable(
    "sinch",
    {
        errors.Refused: ErrorKind("syntax_constraint_violation", 400),
        errors.InvalidNumber: ErrorKind("syntax_invalid_parameter_format", 400),
        MalformedBody: ErrorKind("syntax_invalid_json", 400),
        errors.UnknownMessage: ErrorKind("unknown_batch", 403),
        errors.BadCredentials: ErrorKind(_UNAUTHORIZED, 401),
        errors.AccessDenied: ErrorKind("forbidden", 403),
        errors.NeedsTls: ErrorKind("forbidden", 403),
        errors.Throttled: ErrorKind("too_many_requests", 429),
        errors.NotFound: ErrorKind("not_found", 404),
        errors.MethodNotAllowed: ErrorKind("method_not_allowed", 405),
        errors.BodyTooSlow: ErrorKind("request_timeout", 408),
        errors.BodyTooLarge: ErrorKind("request_too_large", 413),
        errors.Unavailable: ErrorKind("service_unavailable", 503),
    },
    ErrorKind("internal_server_error", 500, "An unexpected internal error occurred."),
)


class Feedback(Struct, frozen=True):
    """The body of a feedback."""

    recipients: list[str]


_DECODER: Final = json.Decoder(Feedback)


class TokenRequest(LoginCall, frozen=True, kw_only=True):
    """A request for an access token, by HTTP Basic."""


class Login(LoginCall, frozen=True, kw_only=True):
    """A feedback with the token `AccessKeyId:AccessKeySecret`."""

    batch_id: str
    body: bytes


class TokenCall(Struct, frozen=True):
    """A feedback with an access token, which is not verified yet.

    Attributes:
        token: the access token.
        batch_id: the id of the batch.
        body: the body.
        permission: the action that a policy must allow.
        security_token: empty: temporary credentials have no place in the call.
        nonce: empty.
        signed_at: None.
    """

    token: AccessToken
    batch_id: str
    body: bytes
    permission: str = PERMISSION
    security_token: str = ""
    nonce: str = ""
    signed_at: None = None

    @property
    def access_key_id(self) -> str:
        """The id of the access key that the token stands for."""
        return self.token.access_key_id

    def verify(self, secret: str) -> None:
        """Check the token; raises `SignatureMismatch`."""
        self.token.verify(secret)


Call = TokenRequest | Login | TokenCall


class SinchDialect(ServerApi):
    """Reads delivery feedback, and gives out access tokens."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is below `/xms/v1/`, or is the one that gives out tokens."""
        return request.path.startswith("/xms/v1/") or request.path == TOKEN_PATH

    def read(self, request: HttpRequest) -> Call:
        """Return the call.

        Raises:
            UnknownOperation: the request is for another operation.
            BadCredentials: it has no credentials.
            InvalidRequest: a request for a token is not for client credentials.
        """
        authorization = request.fields.get(b"authorization", b"")
        match = _PATH.fullmatch(request.path)
        if request.method == "POST" and request.path == TOKEN_PATH:
            if bodies.from_form(request.body).get("grant_type") != "client_credentials":
                raise errors.InvalidRequest("grant_type must be client_credentials.")
            return TokenRequest(**from_basic(authorization)._asdict(), permission=PERMISSION)
        if request.method != "POST" or match is None:
            raise UnknownOperation(f"{request.method} {request.path}")
        token = read_token(authorization.decode("latin-1").partition(" ")[2].strip())
        if token is not None:
            return TokenCall(token, match[1], request.body)
        login = from_token(authorization)
        return Login(**login._asdict(), permission=PERMISSION, batch_id=match[1], body=request.body)

    def reports(
        self, call: Call, account: int, now: int, number_hash: HashNumber, region: str
    ) -> Sequence[Conversion]:
        """Return a conversion for each recipient, or for the batch as a whole; none for a token.

        Raises:
            ExpiredToken: the access token has expired.
            InvalidRequest: the body is malformed.
            InvalidNumber: a recipient is not a telephone number.
        """
        if isinstance(call, TokenRequest):
            return ()
        if isinstance(call, TokenCall) and now >= call.token.expires_at:
            raise errors.ExpiredToken(
                f"The access token expired at {iso_8601(call.token.expires_at)}. Ask for a new one."
            )
        message_id = conversions.message_id(call.batch_id, "The batch id")
        try:
            recipients = bodies.from_json(_DECODER, call.body).recipients
        except errors.InvalidRequest as error:
            raise MalformedBody(error.text) from None
        if len(recipients) > MAX_REPORTS:
            raise errors.InvalidRequest(
                f"There are {len(recipients)} recipients. Send at most {MAX_REPORTS} in a call."
            )
        numbers = [number_hash(account, parse(recipient, region).e164) for recipient in recipients]
        if len(numbers) > 1:
            return [conversions.converted_now(account, "", now, number) for number in dict.fromkeys(numbers)]
        return [conversions.converted_now(account, message_id, now, *numbers)]

    def success(self, call: Call, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002
        """Return the response to a feedback that is durable, or an access token.

        Raises:
            Refused: the feedback about one of several recipients is refused; the others are durable.
        """
        if isinstance(call, TokenRequest):
            token = make_token(call.access_key_id, call.secret, now)
            return json_response(
                200, {"access_token": token, "expires_in": LIFETIME_S, "scope": "", "token_type": "bearer"}
            )
        for outcome in outcomes:
            if isinstance(outcome, errors.Refused):
                raise outcome
        return empty_response(202)

    def failure(
        self,
        error: Exception,
        request_id: str,  # noqa: ARG002 - the vendor's errors have no id
        *,
        request: HttpRequest,
        call: Call | None,  # noqa: ARG002
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed."""
        kind, bare = _ERRORS.bare(error)
        headers = [*retry_after(error)]
        if kind.code == _UNAUTHORIZED:
            headers.append((b"www-authenticate", _challenge(error)))
        if request.path == TOKEN_PATH:
            code = "invalid_client" if kind.code == _UNAUTHORIZED else "invalid_request"
            text = _ERRORS.with_link(bare, code, public_url)
            return json_response(
                kind.status, {"error": code, "error_description": text}, code=code, headers=headers
            )
        text = _ERRORS.with_link(bare, kind.code, public_url)
        return json_response(kind.status, {"code": kind.code, "text": text}, code=kind.code, headers=headers)


def _challenge(error: Exception) -> bytes:
    """Return the header that says how to log in; clients ask for a new token if it says `expired`."""
    if isinstance(error, errors.ExpiredToken):
        return b'Bearer error="invalid_token", error_description="The access token expired"'
    return b"Bearer"
