"""Vonage's Conversion API for the explorer, the diagnosis and the pages of errors."""

from typing import Final

from otpconv.dialects.bodies import from_form
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter, Signer, Way, as_form
from otpconv.dialects.tutor.request import ApiRequest, Step
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.dialects.vonage import signature
from otpconv.dialects.vonage.dialect import PERMISSIONS, SignedConversion, VonageDialect


def _sign(request: ApiRequest, signer: Signer) -> ApiRequest:
    parameters = {**from_form(request.body), "api_key": signer.access_key_id}
    return as_form(request, {**parameters, signature.SIGNATURE: signature.sign(parameters, signer.secret)})


def _texts(call: SignedConversion) -> tuple[Step, ...]:
    return (
        Step(
            "String to sign",
            "All parameters but sig as &name=value, sorted by name; & and = in values become _.",
            signature.string_to_sign(call.parameters),
        ),
    )


_WAYS: Final = (
    logins.basic(),
    Way(
        "sig",
        "a signature of the parameters; with signature_secret, as older clients sign",
        "HMAC-SHA256 of the string to sign, keyed by the AccessKeySecret; hexadecimal.",
        _sign,
        signature=lambda call: str(call.parameters[signature.SIGNATURE]),
    ),
)
_PARAMETERS: Final = (
    Parameter(
        "message-id",
        "The message, or the call, as its sending was answered.",
        "0A0000001",
        "form",
        mandatory=True,
    ),
    Parameter(
        "delivered",
        "Whether the user typed the code back.",
        "true",
        "form",
        kind="boolean",
        mandatory=True,
        choices=("true", "false"),
    ),
    Parameter("timestamp", "When, in UTC. Default: now.", "2025-11-26 21:51:34", "form"),
)

VONAGE: Final = Vendor(
    "vonage",
    "Vonage Conversion",
    VonageDialect(),
    (
        Operation(
            "SmsConversion",
            PERMISSIONS["sms"],
            "Report whether the user typed the code of a message back.",
            "POST",
            "/conversions/sms",
            _PARAMETERS,
            _WAYS,
        ),
        Operation(
            "VoiceConversion",
            PERMISSIONS["voice"],
            "Report whether the user typed the code of a call back.",
            "POST",
            "/conversions/voice",
            _PARAMETERS,
            _WAYS,
        ),
    ),
    (*refusals.EVERYWHERE, *refusals.SIGNED, refusals.WRONG_LOGIN),
    sdks={"python": "Python"},
    texts=_texts,
)
