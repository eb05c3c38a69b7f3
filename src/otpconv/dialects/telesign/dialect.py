"""Telesign's Verify API as a `Dialect`: `PUT /v1/verify/completion/REFERENCE_ID`.

Clients read the numbers in the body, not the HTTP status: `status.code` says what happened to the call, and
`errors` why it failed.

Source: "Report completion" and "All status and error codes", Telesign documentation; the requests of the
Python SDK `telesignenterprise` 4.1.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from otpconv import errors
from otpconv.clock import iso_8601
from otpconv.dialects import conversions
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
from otpconv.dialects.responses import json_response, retry_after
from otpconv.dialects.server_api import ServerApi
from otpconv.dialects.telesign import signature
from otpconv.model import Conversion

#: The action that a policy must allow.
PERMISSION: Final = "telesign:Completion"

_PATH: Final = re.compile("/v1/verify/completion/([^/]+)")
_AUTHORIZATION: Final = re.compile(rb"TSA ([!-9;-~]{1,128}):([A-Za-z0-9+/=]{1,128})")
_NONCE: Final = re.compile(rb"[!-~]{1,128}")

_COMPLETED: Final = (1900, "Verify completion successfully recorded")
_NOT_AUTHORIZED: Final = (501, "Not authorized")
_NOT_ATTEMPTED: Final = (500, "Transaction not attempted")

_ERRORS: Final = ErrorTable(
    "telesign",
    {
        errors.Refused: ErrorKind("-10001", 400, "Invalid parameter passed."),
        errors.UnknownMessage: ErrorKind("-10001", 404, "Reference ID not found."),
        errors.NotFound: ErrorKind("-40006", 404, "Bad request."),
        errors.MethodNotAllowed: ErrorKind("-40006", 405, "Bad request."),
        errors.BodyTooSlow: ErrorKind("-40006", 408, "Bad request."),
        errors.BodyTooLarge: ErrorKind("-40006", 413, "Bad request."),
        errors.BadCredentials: ErrorKind("-30015", 401, "Invalid API Key."),
        errors.UnknownAccessKey: ErrorKind("-30000", 401, "Invalid Customer ID."),
        errors.InactiveAccessKey: ErrorKind("-30001", 401, "Customer ID Account Suspended."),
        errors.SignatureMismatch: ErrorKind("-30006", 401, "Invalid Signature."),
        errors.StaleTimestamp: ErrorKind(
            "-30010", 401, "'Date' or 'x-ts-date' header is not within tolerable range."
        ),
        errors.ReplayedNonce: ErrorKind("-30012", 401, "'x-ts-nonce' header value has been used recently."),
        errors.AccessDenied: ErrorKind("-20002", 401, "This product is not enabled for this Customer ID."),
        errors.NeedsTls: ErrorKind("-40006", 403, "Bad request."),
        errors.Throttled: ErrorKind("-40007", 429, "Rate limit exceeded."),
        errors.Unavailable: ErrorKind("-90001", 503, "System Unavailable, Please try again later."),
    },
    ErrorKind("-90001", 500, "System Unavailable, Please try again later."),
)


#: By the vendor's code: the mistake in a header of a signed call, as the vendor says it, and what to do.
HEADER_ERRORS: Final = {
    -30004: ("Missing required 'Authorization' header.", "Sign the request, or use HTTP Basic."),
    -30005: (
        "Required 'Authorization' header is not in the correct format.",
        "It must be TSA CUSTOMER_ID:SIGNATURE.",
    ),
    -30007: ("Missing required 'Date' or 'x-ts-date' header.", "Send and sign Date."),
    -30008: ("Invalid 'x-ts-auth-method' header.", f"It must be {signature.METHOD}."),
    -30009: (
        "'Date' or 'x-ts-date' header is not RFC822 compliant.",
        "Send e.g. Thu, 26 Nov 2026 21:51:37 GMT.",
    ),
    -30011: ("'x-ts-nonce' header value is either too long or too short.", "Send a new UUID each time."),
}


class HeaderError(errors.BadCredentials):
    """A header of a signed call is missing or malformed.

    Args:
        number: the error code of the vendor, of `HEADER_ERRORS`.
    """

    def __init__(self, number: int) -> None:
        sentence, advice = HEADER_ERRORS[number]
        super().__init__(f"{sentence} {advice}")
        self.kind = ErrorKind(str(number), 401, sentence)


class Login(LoginCall, frozen=True, kw_only=True):
    """A completion by HTTP Basic; the password is the API key."""

    reference_id: str


class SignedCompletion(Struct, frozen=True):
    """A completion that was read and whose signature is not verified yet.

    Attributes:
        access_key_id: the customer id.
        reference_id: the id of the message.
        signed: the string to sign.
        signature: the signature as it was sent.
        nonce: a text that the caller uses once.
        signed_at: the header Date, ms UTC.
        permission: the action that a policy must allow.
        security_token: empty: temporary credentials have no place in the call.
    """

    access_key_id: str
    reference_id: str
    signed: bytes
    signature: bytes
    nonce: str
    signed_at: int
    permission: str = PERMISSION
    security_token: str = ""

    def verify(self, secret: str) -> None:
        """Check in constant time that `secret`, the AccessKeySecret, made the signature.

        Raises:
            SignatureMismatch: another secret made it, or the request was changed after it was signed.
        """
        if not hmac.compare_digest(signature.signature(self.signed, secret), self.signature):
            raise errors.SignatureMismatch(
                "Compare signature_string with what your client signs. If they are the same, use the base64"
                " of the AccessKeySecret as the API key."
            )


Call = Login | SignedCompletion


class TelesignDialect(ServerApi):
    """Reads completions: each says that the user typed the code of a message back."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is below `/v1/verify/`."""
        return request.path.startswith("/v1/verify/")

    def read(self, request: HttpRequest) -> Call:
        """Return the call.

        Raises:
            UnknownOperation: the request is for another operation.
            BadCredentials: it has no credentials, or a header of the signature is missing or malformed.
        """
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "PUT":
            raise UnknownOperation(f"{request.method} {request.path}")
        authorization = request.fields.get(b"authorization", b"")
        if not authorization:
            raise HeaderError(-30004)
        if authorization[:6].lower() == b"basic ":
            login = from_basic(authorization)
            return Login(
                access_key_id=login.access_key_id,
                secret=_secret_of(login.secret),
                permission=PERMISSION,
                reference_id=match[1],
            )
        return _signed(request, authorization, match[1])

    def reports(
        self,
        call: Call,
        account: int,
        now: int,
        number_hash: HashNumber,  # noqa: ARG002 - a message is known by its id
        region: str,  # noqa: ARG002
    ) -> Sequence[Conversion]:
        """Return the conversion, which happened when the call arrived.

        Raises:
            InvalidRequest: the reference id is not a message id.
        """
        message_id = conversions.message_id(call.reference_id, "The reference id")
        return (conversions.converted_now(account, message_id, now),)

    def success(self, call: Call, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002
        """Return the response to a completion that is durable."""
        return json_response(
            200, {"reference_id": call.reference_id, "errors": [], "status": _status(*_COMPLETED, now)}
        )

    def failure(
        self,
        error: Exception,
        request_id: str,  # noqa: ARG002 - the reference id is that of the message
        *,
        request: HttpRequest,
        call: Call | None,
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed."""
        if isinstance(error, HeaderError):
            kind, text = error.kind, _ERRORS.with_link(error.text, error.kind.code, public_url)
        else:
            kind, text = _ERRORS.find(error, public_url)
        match = _PATH.fullmatch(request.path)
        status = _NOT_AUTHORIZED if kind.status == HTTPStatus.UNAUTHORIZED else _NOT_ATTEMPTED
        members: dict[str, object] = {
            "reference_id": match[1] if match else None,
            "errors": [{"code": int(kind.code), "description": text}],
            "status": {"code": status[0], "description": status[1]},
        }
        if isinstance(error, errors.SignatureMismatch) and isinstance(call, SignedCompletion):
            members["signature_string"] = call.signed.decode(errors="replace")
        return json_response(kind.status, members, code=kind.code, headers=retry_after(error))


def _signed(request: HttpRequest, authorization: bytes, reference_id: str) -> SignedCompletion:
    fields = request.fields
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise HeaderError(-30005)
    if fields.get(b"x-ts-auth-method", b"").decode("latin-1") != signature.METHOD:
        raise HeaderError(-30008)
    nonce = fields.get(b"x-ts-nonce", b"")
    if not _NONCE.fullmatch(nonce):
        raise HeaderError(-30011)
    date = fields.get(b"date", b"").decode("latin-1")
    if not date:
        raise HeaderError(-30007)
    signed_at = _time(date)
    signed = signature.string_to_sign(
        request.method,
        request.path,
        content_type=fields.get(b"content-type", b"").decode("latin-1"),
        date=date,
        nonce=nonce.decode(),
        body=request.body,
    )
    return SignedCompletion(match[1].decode(), reference_id, signed, match[2], nonce.decode(), signed_at)


def _time(date: str) -> int:
    """Return a time such as `Thu, 26 Nov 2026 21:51:37 GMT`, ms UTC."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        raise HeaderError(-30009) from None
    if moment.tzinfo is None:  # as RFC 2822 has it: -0000 is UTC
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000


def _secret_of(api_key: str) -> str:
    """Return what an API key encodes; empty, which is not a secret, if it is not base64."""
    try:
        return base64.b64decode(api_key, validate=True).decode()
    except ValueError:
        return ""


def _status(code: int, description: str, now: int) -> dict[str, object]:
    return {"code": code, "description": description, "updated_on": iso_8601(now)}
