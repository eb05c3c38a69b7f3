"""AWS End User Messaging SMS for the explorer, the diagnosis and the pages of errors."""

from typing import Final

from msgspec import structs

from otpconv.dialects.aws import response
from otpconv.dialects.aws.dialect import PERMISSION, TARGET, AwsDialect
from otpconv.dialects.aws.signature import SERVICE, TERMINATOR, sign
from otpconv.dialects.tutor import refusals, scoped
from otpconv.dialects.tutor.operation import Operation, Parameter, Signer, Way
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.request import ApiRequest
from otpconv.dialects.tutor.vendor import Vendor

_REGION: Final = "eu-central-1"


def _sign(request: ApiRequest, signer: Signer) -> ApiRequest:
    headers = sign(
        request.headers,
        request.body,
        access_key_id=signer.access_key_id,
        secret=signer.secret,
        region=_REGION,
        time=scoped.time(signer.now),
    )
    return structs.replace(request, headers=headers)


_SIGV4: Final = Way(
    "Signature Version 4",
    "as the SDKs sign; any region will do",
    scoped.rule("AWS4", f"DATE/REGION/{SERVICE}/{TERMINATOR}"),
    _sign,
    signature=scoped.signature,
)
_FIELD: Final = "Send the parameter that `Fields` names, as the text says."

AWS: Final = Vendor(
    "aws",
    "AWS End User Messaging SMS",
    AwsDialect(),
    (
        Operation(
            "PutMessageFeedback",
            PERMISSION,
            "Report whether the user typed the code of a message back.",
            "POST",
            "/",
            (
                Parameter(
                    "MessageId",
                    "The message, as SendTextMessage returned it.",
                    "0a1b2c3d-aws",
                    "json",
                    mandatory=True,
                ),
                Parameter(
                    "MessageFeedbackStatus",
                    "RECEIVED: the user typed the code back. FAILED: the user did not.",
                    "RECEIVED",
                    "json",
                    mandatory=True,
                    choices=("RECEIVED", "FAILED"),
                ),
            ),
            (_SIGV4,),
            headers={"x-amz-target": TARGET, "content-type": "application/x-amz-json-1.0"},
        ),
    ),
    (
        *refusals.EVERYWHERE,
        *refusals.SIGNED,
        refusals.STALE,
        *refusals.TOKENS,
        Refusal(
            response.InvalidField("MessageId", "Send the id of the message.", missing=True),
            _FIELD,
        ),
        Refusal(
            response.MissingAuthentication("The request has no signature."),
            "Sign the request by Signature Version 4, with an access key of this server.",
        ),
        Refusal(
            refusals.THROTTLED.error,
            "Wait the milliseconds in `x-amz-retry-after`, and send the request again; the SDKs do so.",
        ),
    ),
    sdks={"python": "Python", "node": "Node.js"},
    texts=scoped.texts,
    variants=scoped.variants,
)
