"""Sinch's SMS API for the explorer, the diagnosis and the pages of errors."""

from typing import Any, Final

from msgspec import structs

from otpconv.dialects.sinch.dialect import PERMISSION, TOKEN_PATH, MalformedBody, SinchDialect, TokenCall
from otpconv.dialects.sinch.tokens import make_token
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter, Signer, Way, with_headers
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.request import ApiRequest, Step
from otpconv.dialects.tutor.vendor import Vendor


def _sign(request: ApiRequest, signer: Signer) -> ApiRequest:
    token = make_token(signer.access_key_id, signer.secret, signer.now)
    return with_headers(request, {"authorization": f"Bearer {token}"})


def _texts(call: TokenCall) -> tuple[Step, ...]:
    text = f"{call.access_key_id}\n{call.token.expires_at // 1_000}"
    return (Step("Token", f"{TOKEN_PATH} signs the AccessKeyId and the end of the token, s UTC.", text),)


def _shape(values: dict[str, Any]) -> object:
    return {"recipients": values.get("recipients", [])}


SINCH: Final = Vendor(
    "sinch",
    "Sinch SMS",
    SinchDialect(),
    (
        Operation(
            "SendDeliveryFeedback",
            PERMISSION,
            "Report that the user typed the code of a message back.",
            "POST",
            "/xms/v1/any/batches/{batch_id}/delivery_feedback",
            (
                Parameter(
                    "batch_id",
                    "The message: the batch with one recipient, as its sending was answered.",
                    "01FC66621XXXXX119Z8PMV1QPU",
                    "path",
                    mandatory=True,
                ),
                Parameter(
                    "recipients",
                    "Numbers, with commas between them. Of several, the newest message to each.",
                    "+4915112345670",
                    "json",
                    kind="list",
                ),
            ),
            (
                logins.token("Service plan", scheme="Bearer"),
                Way(
                    "Project",
                    "an access token, for which the SDK asks with the keys of a project; valid for an hour",
                    "The last part of the token: HMAC-SHA256 of the text, keyed by the AccessKeySecret.",
                    _sign,
                    signature=lambda call: str(call.token.signature),
                ),
            ),
            shape=_shape,
        ),
        Operation(
            "CreateAccessToken",
            PERMISSION,
            "Get an access token, as the SDK does with the keys of a project.",
            "POST",
            TOKEN_PATH,
            (),
            (logins.basic(),),
            form={"grant_type": "client_credentials"},
        ),
    ),
    (
        *refusals.EVERYWHERE,
        *refusals.SIGNED,
        refusals.WRONG_LOGIN,
        refusals.BAD_NUMBER,
        refusals.OTHER_NUMBER,
        Refusal(
            MalformedBody("The body is malformed."), 'Send JSON such as {"recipients": ["+4915112345670"]}.'
        ),
        Refusal(refusals.TOKENS[-1].error, "Ask for a new token; the SDK does."),
        *(structs.replace(each, path=TOKEN_PATH) for each in (*refusals.EVERYWHERE, refusals.WRONG_LOGIN)),
    ),
    sdks={"python": "Python"},
    texts=_texts,
)
