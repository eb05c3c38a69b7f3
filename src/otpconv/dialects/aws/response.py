"""Writes the responses of AWS End User Messaging SMS: JSON 1.0, with the kind of an error in `__type`.

The SDKs read the kind from `__type` alone, and raise an exception of the service if its API description has
the kind. They repeat a call that was throttled, or that failed in the server.

Sources: the service's API description of 2022-03-31; "Common error types" of AWS for all other kinds.
"""

from typing import Final

from msgspec import json

from otpconv import errors
from otpconv.dialects.dialect import HttpResponse, UnknownOperation
from otpconv.dialects.error_table import ErrorKind, ErrorTable


class MissingAuthentication(errors.BadCredentials):
    """A request has no signature."""


class InvalidField(errors.InvalidRequest):
    """A parameter is missing or malformed.

    Args:
        field: the name of the parameter.
        text: what it must be.
        missing: whether it is missing.
    """

    def __init__(self, field: str, text: str, *, missing: bool) -> None:
        super().__init__(f"{field} is {'missing' if missing else 'malformed'}. {text}")
        self.field = field
        self.missing = missing


_UNRECOGNIZED: Final = ErrorKind(
    "UnrecognizedClientException", 400, "The security token included in the request is invalid."
)
_INTERNAL: Final = ErrorKind("InternalServerException", 500, "The API encountered an unexpected error.")
_ERRORS: Final = ErrorTable(
    "aws",
    {
        errors.Refused: ErrorKind("ValidationException", 400),
        errors.UnknownMessage: ErrorKind("ResourceNotFoundException", 400),
        MissingAuthentication: ErrorKind("MissingAuthenticationTokenException", 400),
        errors.BadCredentials: ErrorKind("IncompleteSignatureException", 400),
        errors.UnknownAccessKey: _UNRECOGNIZED,
        errors.InactiveAccessKey: _UNRECOGNIZED,
        errors.MalformedToken: _UNRECOGNIZED,
        errors.MismatchedToken: _UNRECOGNIZED,
        errors.ExpiredToken: ErrorKind(
            "ExpiredTokenException", 400, "The security token included in the request is expired."
        ),
        errors.SignatureMismatch: ErrorKind(
            "InvalidSignatureException",
            400,
            "The request signature we calculated does not match the signature you provided. Check your AWS"
            " Secret Access Key and signing method. Consult the service documentation for details.",
        ),
        errors.StaleTimestamp: ErrorKind("RequestExpired", 400),
        errors.AccessDenied: ErrorKind("AccessDeniedException", 400),
        errors.NeedsTls: ErrorKind("AccessDeniedException", 400),
        errors.Throttled: ErrorKind("ThrottlingException", 400),
        errors.BodyTooLarge: ErrorKind("RequestEntityTooLargeException", 413),
        errors.BodyTooSlow: ErrorKind("RequestAbortedException", 400),
        errors.Unavailable: ErrorKind("ServiceUnavailableException", 503),
    },
    _INTERNAL,
)


def success(body: object, request_id: str) -> HttpResponse:
    """Return the response to a call whose report is durable."""
    return _response(200, json.encode(body), request_id)


def failure(error: Exception, request_id: str, message_id: str, public_url: str) -> HttpResponse:
    """Return the response to a call that was refused or failed.

    Args:
        error: the reason.
        request_id: the id of the request in the log.
        message_id: of the message that is unknown in strict mode.
        public_url: the URL of this server's pages, without a slash at the end.
    """
    kind, text = _ERRORS.find(error, public_url)
    members: dict[str, object] = {"__type": kind.code, "Message": text}
    if isinstance(error, errors.UnknownMessage):
        members |= {"ResourceType": "message", "ResourceId": message_id}
    elif isinstance(error, InvalidField):
        members["Reason"] = "MISSING_PARAMETER" if error.missing else "FIELD_VALIDATION_FAILED"
        members["Fields"] = [{"Name": error.field, "Message": error.text}]
    elif kind.code == "ValidationException":
        members["Reason"] = "UNKNOWN_OPERATION" if isinstance(error, UnknownOperation) else "INVALID_REQUEST"
    elif kind is _INTERNAL:
        members["RequestId"] = request_id
    response = _response(kind.status, json.encode(members), request_id)
    response.code = kind.code
    if isinstance(error, errors.Throttled):
        response.headers.append((b"x-amz-retry-after", b"%d" % error.wait_ms))
    return response


def _response(status: int, body: bytes, request_id: str) -> HttpResponse:
    headers = [
        (b"content-type", b"application/x-amz-json-1.0"),
        (b"x-amzn-requestid", request_id.encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    return HttpResponse(status, headers, body)
