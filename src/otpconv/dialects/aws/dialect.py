"""AWS End User Messaging SMS (`pinpoint-sms-voice-v2`) as a `Dialect`: PutMessageFeedback.

Source: the service's API description of 2022-03-31, which the SDKs are made from.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.dialects import bodies
from otpconv.dialects.aws import response
from otpconv.dialects.aws.signature import SCHEME, SERVICE, TERMINATOR, to_sign
from otpconv.dialects.dialect import HashNumber, HttpRequest, HttpResponse, Outcome, UnknownOperation
from otpconv.dialects.scoped_call import ScopedCall, read_authorization, read_time
from otpconv.dialects.scoped_signature import PATH
from otpconv.dialects.server_api import ServerApi
from otpconv.errors import InvalidRequest, MethodNotAllowed, UnknownMessage
from otpconv.model import MESSAGE_ID_RULE, Conversion, Timing, is_message_id

#: The action that a policy must allow.
PERMISSION: Final = "pinpoint-sms-voice-v2:PutMessageFeedback"
#: The header `X-Amz-Target` of the operation.
TARGET: Final = "PinpointSMSVoiceV2.PutMessageFeedback"
_ALGORITHM: Final = f"{SCHEME.algorithm} ".encode()
_SCOPE: Final = f"DATE/REGION/{SERVICE}/{TERMINATOR}"
_DELIVERED: Final = {"RECEIVED": True, "FAILED": False}


class Feedback(Struct, frozen=True, rename="pascal"):
    """The parameters of PutMessageFeedback."""

    message_id: str = ""
    message_feedback_status: str = ""


_JSON: Final = json.Decoder(Feedback)


class AwsDialect(ServerApi):
    """Reads PutMessageFeedback: RECEIVED is a conversion, FAILED says that the code was not used."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether a request is signed as for AWS, or is not signed and has the header X-Amz-Target."""
        authorization = request.fields.get(b"authorization", b"")
        if authorization:
            return authorization.startswith(_ALGORITHM) and request.path == PATH
        return b"x-amz-target" in request.fields and request.path == PATH

    def read(self, request: HttpRequest) -> ScopedCall:
        """Return the call.

        Raises:
            MethodNotAllowed: it is not a POST.
            InvalidRequest: it has a query.
            UnknownOperation: the request is for another operation.
            BadCredentials: it has no signature, or one of another form or of another service.
        """
        fields = request.fields
        if request.method != "POST":
            raise MethodNotAllowed(f"PutMessageFeedback does not accept {request.method}. Use POST.")
        target = fields.get(b"x-amz-target", b"")
        if target != TARGET.encode():
            raise UnknownOperation(target.decode("latin-1") or "A request without the header X-Amz-Target")
        if request.query:
            raise InvalidRequest("PutMessageFeedback has no query. Send its parameters as JSON in the body.")
        authorization = fields.get(b"authorization", b"")
        if not authorization:
            raise response.MissingAuthentication(
                "Sign the request by Signature Version 4, with an access key of this server."
            )
        time, signed_at = read_time(fields.get(b"x-amz-date", b""), "X-Amz-Date")
        head = read_authorization(authorization, SCHEME, _SCOPE, time[:8])
        token = fields.get(b"x-amz-security-token", b"")
        required = ("x-amz-date", "x-amz-target", *(("x-amz-security-token",) if token else ()))
        return ScopedCall(
            permission=PERMISSION,
            scheme=SCHEME,
            authorization=head,
            time=time,
            signed_at=signed_at,
            requests=(to_sign(request.method, "", head.signed(fields, required), request.body),),
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
        """Return the conversion, which happened when the call arrived.

        Raises:
            InvalidField: a parameter is missing or malformed.
        """
        feedback = _feedback(call)
        known_id, status = feedback.message_id, feedback.message_feedback_status
        if not is_message_id(known_id):
            raise response.InvalidField("MessageId", f"It must be {MESSAGE_ID_RULE}.", missing=not known_id)
        delivered = _DELIVERED.get(status)
        if delivered is None:
            text = "It must be RECEIVED or FAILED."
            raise response.InvalidField("MessageFeedbackStatus", text, missing=not status)
        return (Conversion(account, delivered, now, known_id, timing=Timing.ARRIVAL),)

    def success(
        self,
        call: ScopedCall,
        request_id: str,
        outcomes: Sequence[Outcome],  # noqa: ARG002 - a repeat gets the same response
        now: int,  # noqa: ARG002
    ) -> HttpResponse:
        """Return the response: the two parameters."""
        return response.success(_feedback(call), request_id)

    def failure(
        self,
        error: Exception,
        request_id: str,
        *,
        request: HttpRequest,  # noqa: ARG002 - every error has one form
        call: ScopedCall | None,
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed."""
        unknown = _feedback(call).message_id if call and isinstance(error, UnknownMessage) else ""
        return response.failure(error, request_id, unknown, public_url)


def _feedback(call: ScopedCall) -> Feedback:
    return bodies.from_json(_JSON, call.parameters)
