"""Tencent Cloud's SMS API, version 2021-01-11, as a `Dialect`: ReportConversion.

Each response has HTTP 200: the SDKs read an error from the body, and take any other status for a failure of
the network. The Python SDK reads the body of an error only if its Content-Type is exactly `application/json`.

Source: "ReportConversion", "Common error codes" and the SDKs' list of error codes, Tencent Cloud.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, ValidationError, convert, json

from otpconv import errors
from otpconv.dialects import bodies
from otpconv.dialects.conversions import converted_now, message_id, past_time
from otpconv.dialects.dialect import HashNumber, HttpRequest, HttpResponse, Outcome, UnknownOperation
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.native.fields import in_words
from otpconv.dialects.responses import json_response
from otpconv.dialects.scoped_signature import PATH
from otpconv.dialects.server_api import ServerApi
from otpconv.dialects.tencent.call import (
    MissingParameter,
    ParametersCall,
    Tc3Call,
    UnknownVersion,
    read_parameters,
    read_tc3,
)
from otpconv.dialects.tencent.signature import SCHEME
from otpconv.model import Conversion

_ALGORITHM: Final = f"{SCHEME.algorithm} ".encode()
_TOKEN: Final = ErrorKind("AuthFailure.TokenFailure", sentence="Token error.")
_UNKNOWN_KEY: Final = ErrorKind("AuthFailure.SecretIdNotFound", sentence="The SecretId is not found.")
_INTERNAL: Final = ErrorKind("InternalError", sentence="An internal error has occurred.")
_ERRORS: Final = ErrorTable(
    "tencent",
    {
        errors.Refused: ErrorKind("InvalidParameter"),
        errors.InvalidRequest: ErrorKind("InvalidParameterValue"),
        MissingParameter: ErrorKind("MissingParameter"),
        UnknownVersion: ErrorKind("NoSuchVersion"),
        UnknownOperation: ErrorKind("InvalidAction"),
        errors.UnknownMessage: ErrorKind("FailedOperation.OtherError"),
        errors.BadCredentials: ErrorKind("AuthFailure.InvalidAuthorization"),
        errors.UnknownAccessKey: _UNKNOWN_KEY,
        errors.InactiveAccessKey: _UNKNOWN_KEY,
        errors.SignatureMismatch: ErrorKind(
            "AuthFailure.SignatureFailure",
            sentence="The provided credentials could not be validated."
            " Please ensure your signature is correct.",
        ),
        errors.ReplayedNonce: ErrorKind("AuthFailure.SignatureFailure"),
        errors.StaleTimestamp: ErrorKind("AuthFailure.SignatureExpire", sentence="Signature expired."),
        errors.MalformedToken: _TOKEN,
        errors.MismatchedToken: _TOKEN,
        errors.ExpiredToken: _TOKEN,
        errors.AccessDenied: ErrorKind("AuthFailure.UnauthorizedOperation"),
        errors.NeedsTls: ErrorKind("UnsupportedProtocol"),
        errors.MethodNotAllowed: ErrorKind("UnsupportedProtocol"),
        errors.Throttled: ErrorKind("RequestLimitExceeded"),
        errors.BodyTooLarge: ErrorKind("RequestSizeLimitExceeded"),
        errors.Unavailable: _INTERNAL,
    },
    _INTERNAL,
)

Call = Tc3Call | ParametersCall


class Parameters(Struct, frozen=True, rename="pascal"):
    """The parameters of ReportConversion; the time is in seconds UTC."""

    sms_sdk_app_id: str = ""
    serial_no: str = ""
    conversion_time: int | None = None


_JSON: Final = json.Decoder(Parameters)


class TencentDialect(ServerApi):
    """Reads ReportConversion, which says that the user typed the code of a message back."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether a request is signed by TC3, or has the header or the parameter of a Tencent client.

        Requests with the older signatures have no header `Authorization`. Those of the SDKs have the header
        X-TC-TraceId; all others are recognized by SecretId, in the query or, once it was read, in the form.
        """
        fields = request.fields
        authorization = fields.get(b"authorization", b"")
        if authorization:
            return authorization.startswith(_ALGORITHM) and request.path == PATH
        parameters = request.query if request.method == "GET" else request.body
        named = b"&SecretId=" in parameters or parameters.startswith(b"SecretId=")
        if named or b"x-tc-action" in fields or b"x-tc-traceid" in fields:
            return b"x-amz-target" not in fields and request.path == PATH
        return False

    def read(self, request: HttpRequest) -> Call:
        """Return the call; raises what `call.read_tc3` and `call.read_parameters` raise.

        Raises:
            MethodNotAllowed: it is not a GET or a POST.
        """
        if request.method not in {"GET", "POST"}:
            raise errors.MethodNotAllowed(f"The API does not accept {request.method}. Use GET or POST.")
        if b"authorization" in request.fields or b"x-tc-action" in request.fields:
            return read_tc3(request)
        return read_parameters(request)

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
            MissingParameter: a parameter is missing.
            InvalidRequest: a parameter is malformed.
            InvalidTime: the time is in the future.
        """
        parameters = _parameters(call)
        if not parameters.sms_sdk_app_id or not parameters.serial_no:
            raise MissingParameter("Send SmsSdkAppId and SerialNo.")
        known_id, seconds = message_id(parameters.serial_no, "SerialNo"), parameters.conversion_time
        if seconds is None:
            return (converted_now(account, known_id, now),)
        if seconds < 0:
            raise errors.InvalidRequest("ConversionTime must be in seconds since 1970, UTC.")
        time = past_time(seconds * 1_000, now, "ConversionTime, which is in seconds,")
        return (Conversion(account, delivered=True, conversion_time=time, message_id=known_id),)

    def success(self, call: Call, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002 - a repeat gets the same response
        """Return the response to a call whose report is durable."""
        status = {"Code": "ok", "Message": "success"}
        return json_response(200, {"Response": {"ReportConversionStatus": status, "RequestId": request_id}})

    def failure(
        self,
        error: Exception,
        request_id: str,
        *,
        request: HttpRequest,  # noqa: ARG002 - every error has one form
        call: Call | None,  # noqa: ARG002
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed."""
        kind, text = _ERRORS.find(error, public_url)
        members = {"Error": {"Code": kind.code, "Message": text}, "RequestId": request_id}
        return json_response(kind.status, {"Response": members}, code=kind.code)


def _parameters(call: Call) -> Parameters:
    if isinstance(call, Tc3Call) and not call.in_query:
        return bodies.from_json(_JSON, call.parameters)
    texts = call.parameters if isinstance(call, ParametersCall) else bodies.from_form(call.parameters)
    try:
        return convert(texts, Parameters, strict=False)
    except ValidationError as error:
        raise errors.InvalidRequest(f"A parameter is malformed: {in_words(error)}.") from None
