"""Tencent Cloud's SMS API for the explorer, the diagnosis and the pages of errors."""

import json
from typing import Any, Final
from zlib import crc32

from msgspec import structs

from otpconv import errors
from otpconv.dialects.tencent import call, signature
from otpconv.dialects.tencent.dialect import TencentDialect
from otpconv.dialects.tutor import refusals, scoped
from otpconv.dialects.tutor.operation import Operation, Parameter, Signer, Way, as_form
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.request import ApiRequest, Step
from otpconv.dialects.tutor.variants import Variant
from otpconv.dialects.tutor.vendor import Vendor

_REGION: Final = "ap-guangzhou"


def _sign_tc3(request: ApiRequest, signer: Signer) -> ApiRequest:
    headers = signature.sign_tc3(
        request.headers,
        request.body,
        access_key_id=signer.access_key_id,
        secret=signer.secret,
        timestamp=signer.now // 1_000,
    )
    return structs.replace(request, headers=headers)


def _parameters_way(method: str, about: str) -> Way:
    """Return one of the two older signatures, by its SignatureMethod."""

    def _sign(request: ApiRequest, signer: Signer) -> ApiRequest:
        parameters = {
            **{name: str(value) for name, value in json.loads(request.body).items()},
            "Action": call.ACTION,
            "Nonce": str(crc32(signer.nonce.encode())),
            "Region": _REGION,
            "SecretId": signer.access_key_id,
            "SignatureMethod": method,
            "Timestamp": str(signer.now // 1_000),
            "Version": call.VERSION,
        }
        signed = signature.sign_parameters(request.method, signer.host, parameters, signer.secret)
        bare = structs.replace(request, headers={"host": signer.host})
        return as_form(bare, {**parameters, "Signature": signed})

    return Way(
        method,
        about,
        f"{method} of the string to sign, keyed by the SecretKey; base64.",
        _sign,
        signature=lambda read: str(read.parameters["Signature"]),
    )


def _texts(read: Any) -> tuple[Step, ...]:  # noqa: ANN401 - either kind of call
    if isinstance(read, call.Tc3Call):
        return scoped.texts(read)
    text = signature.parameters_to_sign(read.method, read.hosts[0], read.parameters)
    how = "Method, host, /? and all parameters but Signature, sorted by name; the values are not encoded."
    return (Step("String to sign", how, text),)


def _variants(read: Any) -> tuple[Variant, ...]:  # noqa: ANN401 - either kind of call
    return tuple(scoped.variants(read)) if isinstance(read, call.Tc3Call) else ()


TENCENT: Final = Vendor(
    "tencent",
    "Tencent Cloud SMS",
    TencentDialect(),
    (
        Operation(
            call.ACTION,
            call.PERMISSION,
            "Report that the user typed the code of a message back.",
            "POST",
            "/",
            (
                Parameter(
                    "SmsSdkAppId",
                    "Your application at Tencent Cloud; otpconv ignores it.",
                    "1400006666",
                    "json",
                    mandatory=True,
                ),
                Parameter(
                    "SerialNo",
                    "The message, as SendSms returned it in SendStatusSet.",
                    "5000:1045710669157053657849499619",
                    "json",
                    mandatory=True,
                ),
                Parameter(
                    "ConversionTime",
                    "When the user typed the code back, in seconds since 1970, UTC. Default: now.",
                    "1349055900",
                    "json",
                    kind="integer",
                ),
            ),
            (
                Way(
                    "TC3-HMAC-SHA256",
                    "the default of the SDKs",
                    scoped.rule("TC3", f"DATE/SERVICE/{signature.TERMINATOR}"),
                    _sign_tc3,
                    signature=scoped.signature,
                ),
                _parameters_way("HmacSHA256", "all parameters in a form, with a nonce"),
                _parameters_way("HmacSHA1", "the same with SHA-1; older SDKs"),
            ),
            headers={
                "x-tc-action": call.ACTION,
                "x-tc-version": call.VERSION,
                "x-tc-region": _REGION,
            },
        ),
    ),
    (
        *(each for each in refusals.EVERYWHERE if each is not refusals.THROTTLED),
        *refusals.SIGNED,
        refusals.STALE,
        refusals.REPLAYED,
        *refusals.TOKENS,
        Refusal(
            call.MissingParameter("The parameter is missing."), "Send the parameter that the text names."
        ),
        Refusal(
            call.UnknownVersion("The version is another one."),
            f"Send the version {call.VERSION}.",
        ),
        Refusal(
            errors.Throttled("The caller is over a rate limit.", wait_ms=250),
            "Wait as long as the text says, and send the same request again; the SDKs do not.",
        ),
    ),
    sdks={"python": "Python", "node": "Node.js"},
    texts=_texts,
    variants=_variants,
)
