"""The SMS API of Volcengine and BytePlus, version 2020-01-01, as a `Dialect`: Conversion.

Errors of the gateway have an HTTP status, on which the Python SDKs send the call a second time. Errors of the
service have HTTP 200 and a code that begins with `RE:`.

Source: "Conversion" and "Common error codes" in Volcengine's documentation.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv import errors
from otpconv.dialects import bodies
from otpconv.dialects.conversions import converted_now, message_id
from otpconv.dialects.dialect import (
    MAX_REPORTS,
    HashNumber,
    HttpRequest,
    HttpResponse,
    Outcome,
    UnknownOperation,
)
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.responses import json_response
from otpconv.dialects.scoped_call import ScopedCall, hosts, read_authorization, read_time
from otpconv.dialects.scoped_signature import PATH, canonical_query, canonical_request
from otpconv.dialects.server_api import JsonApi
from otpconv.dialects.volcengine.signature import SCHEME, SERVICE, TERMINATOR
from otpconv.model import Conversion

#: The action that a policy must allow.
PERMISSION: Final = "volcengine:Conversion"
_OPERATION: Final = {"Action": "Conversion", "Version": "2020-01-01"}
#: The query of the operation.
QUERY: Final = "&".join(f"{name}={value}" for name, value in _OPERATION.items())
_ALGORITHM: Final = f"{SCHEME.algorithm} ".encode()
_SCOPE: Final = f"DATE/REGION/{SERVICE}/{TERMINATOR}"

_OPERATION_NOT_FOUND: Final = ErrorKind("InvalidActionOrVersion", 404, "Could not find operation.", 100008)
_ACCESS_KEY: Final = ErrorKind(
    "InvalidAccessKey", 401, "The accesskey included in the request is invalid.", 100009
)
_TOKEN: Final = ErrorKind("InvalidSecretToken", 401, "Invalid secret token.")
_ERRORS: Final = ErrorTable(
    "volcengine",
    {
        errors.Refused: ErrorKind("RE:0009"),
        UnknownOperation: _OPERATION_NOT_FOUND,
        errors.MethodNotAllowed: _OPERATION_NOT_FOUND,
        errors.BadCredentials: ErrorKind("InvalidAuthorization", 400, "Invalid 'Authorization' header."),
        errors.UnknownAccessKey: _ACCESS_KEY,
        errors.InactiveAccessKey: _ACCESS_KEY,
        errors.SignatureMismatch: ErrorKind(
            "SignatureDoesNotMatch",
            401,
            "The request signature we calculated does not match the signature you provided. Check your Secret"
            " Access Key and signing method. Consult the service documentation for details.",
            100010,
        ),
        errors.StaleTimestamp: ErrorKind(
            "InvalidTimestamp", 400, "The Signature of the request is expired.", 100006
        ),
        errors.MalformedToken: _TOKEN,
        errors.MismatchedToken: _TOKEN,
        errors.ExpiredToken: _TOKEN,
        errors.AccessDenied: ErrorKind("AccessDenied", 403, number=100013),
        errors.NeedsTls: ErrorKind("AccessDenied", 403, number=100013),
        errors.Throttled: ErrorKind("FlowLimitExceeded", 429, number=100018),
        errors.Unavailable: ErrorKind("ServiceUnavailableTemp", 503),
    },
    ErrorKind("InternalError", 500, "Service has some internal Error.", 100014),
)


class Parameters(Struct, frozen=True):
    """The parameters of Conversion."""

    MessageIDs: list[str] = []


_JSON: Final = json.Decoder(Parameters)


class VolcengineDialect(JsonApi[ScopedCall]):
    """Reads Conversion, which names messages whose codes were typed back."""

    def __init__(self) -> None:
        super().__init__(_ERRORS, _error)

    def claims(self, request: HttpRequest) -> bool:
        """Return whether a request is signed as for Volcengine."""
        return request.fields.get(b"authorization", b"").startswith(_ALGORITHM) and request.path == PATH

    def read(self, request: HttpRequest) -> ScopedCall:
        """Return the call.

        Raises:
            UnknownOperation: the request is for another operation.
            MethodNotAllowed: it is not a POST.
            BadCredentials: the signature has another form, or is of another service.
        """
        fields = request.fields
        parameters = bodies.from_form(request.query)
        if not parameters.items() >= _OPERATION.items():
            operation = f"{parameters.get('Action', '')} {parameters.get('Version', '')}".strip()
            raise UnknownOperation(operation or "A request without Action and Version")
        if request.method != "POST":
            raise errors.MethodNotAllowed(f"Conversion does not accept {request.method}. Use POST.")
        time, signed_at = read_time(fields.get(b"x-date", b""), "X-Date")
        head = read_authorization(fields.get(b"authorization", b""), SCHEME, _SCOPE, time[:8])
        token = fields.get(b"x-security-token", b"")
        signed = head.signed(fields, ("x-date", "x-security-token") if token else ("x-date",))
        query = canonical_query(request.query.decode("latin-1"))
        return ScopedCall(
            permission=PERMISSION,
            scheme=SCHEME,
            authorization=head,
            time=time,
            signed_at=signed_at,
            requests=tuple(
                canonical_request(request.method, query, {**signed, "host": host}, request.body)
                for host in hosts(signed["host"])
            ),
            parameters=request.body,
            security_token=token.decode("latin-1"),
        )

    def reports(
        self,
        call: ScopedCall,
        account: int,
        now: int,
        number_hash: HashNumber,  # noqa: ARG002 - a message is known by its id
        region: str,  # noqa: ARG002
    ) -> Sequence[Conversion]:
        """Return a conversion for each message, which happened when the call arrived.

        Raises:
            InvalidRequest: the list is missing or too long, or an id is malformed.
        """
        ids = bodies.from_json(_JSON, call.parameters).MessageIDs
        if not 1 <= len(ids) <= MAX_REPORTS:
            raise errors.InvalidRequest(f"MessageIDs must have 1 to {MAX_REPORTS} ids; it has {len(ids)}.")
        return [
            converted_now(account, message_id(text, "An id in MessageIDs"), now)
            for text in dict.fromkeys(ids)
        ]

    def success(
        self,
        call: ScopedCall,
        request_id: str,
        outcomes: Sequence[Outcome],
        now: int,  # noqa: ARG002 - the response has no time
    ) -> HttpResponse:
        """Return the response to a call whose reports are durable.

        Raises:
            InvalidRequest: a message is unknown in strict mode; the others are recorded.
        """
        refused = [outcome for outcome in outcomes if isinstance(outcome, errors.Refused)]
        if refused:
            raise errors.InvalidRequest(
                f"{len(refused)} of {len(outcomes)} messages are not recorded, the others are."
                f" {refused[0].text}"
            )
        return json_response(200, {"ResponseMetadata": _metadata(request_id, call), "Result": ""})


def _error(kind: ErrorKind, text: str, request_id: str, call: ScopedCall | None) -> dict[str, object]:
    described: dict[str, object] = {"Code": kind.code, "Message": text}
    if kind.number:
        described["CodeN"] = kind.number
    return {"ResponseMetadata": {**_metadata(request_id, call), "Error": described}}


def _metadata(request_id: str, call: ScopedCall | None) -> dict[str, object]:
    region = call.authorization.scope[1] if call else ""
    return {"RequestId": request_id, **_OPERATION, "Service": SERVICE, "Region": region}
