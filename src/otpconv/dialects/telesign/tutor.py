"""Telesign's Verify API for the explorer, the diagnosis and the pages of errors."""

from collections.abc import Iterator
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote

from msgspec import structs

from otpconv.dialects.telesign import signature
from otpconv.dialects.telesign.dialect import (
    HEADER_ERRORS,
    PERMISSION,
    HeaderError,
    SignedCompletion,
    TelesignDialect,
)
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter, Signer, Way, with_headers
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.request import ApiRequest, Step
from otpconv.dialects.tutor.variants import Variant
from otpconv.dialects.tutor.vendor import Vendor


def _sign(request: ApiRequest, signer: Signer) -> ApiRequest:
    headers = signature.sign(
        request.method,
        unquote(request.path),
        customer=signer.access_key_id,
        secret=signer.secret,
        date=formatdate(signer.now // 1_000, usegmt=True),
        nonce=signer.nonce,
        body=request.body,
    )
    return with_headers(request, headers)


def _texts(call: SignedCompletion) -> tuple[Step, ...]:
    how = "A line each: method, content type, date, the x-ts- headers, the body if there is one, the path."
    return (Step("String to sign", how, call.signed.decode(errors="replace")),)


def _variants(call: SignedCompletion) -> Iterator[Variant]:
    yield Variant(
        "A line feed follows the string to sign.",
        "Sign the string as it is: its last line, the path, ends without a line feed.",
        structs.replace(call, signed=call.signed + b"\n"),
    )


_TSA: Final = Way(
    "TSA",
    "HMAC-SHA256 with a nonce; the default of the SDK",
    "HMAC-SHA256 of the string to sign, keyed by what the API key encodes, the AccessKeySecret; base64.",
    _sign,
    signature=lambda call: call.signature.decode(),
)

TELESIGN: Final = Vendor(
    "telesign",
    "Telesign Verify",
    TelesignDialect(),
    (
        Operation(
            "Completion",
            PERMISSION,
            "Report that the user typed the code of a message back.",
            "PUT",
            "/v1/verify/completion/{reference_id}",
            (
                Parameter(
                    "reference_id",
                    "The message, as its sending was answered.",
                    "0123456789ABCDEF0123456789ABCDEF",
                    "path",
                    mandatory=True,
                ),
            ),
            (
                _TSA,
                logins.basic(
                    signature.api_key,
                    "API key",
                    '$(printf %s "$OTPCONV_ACCESS_KEY_SECRET" | base64 -w0)',
                ),
            ),
        ),
    ),
    (
        *refusals.EVERYWHERE,
        *refusals.SIGNED,
        refusals.WRONG_LOGIN,
        refusals.STALE,
        refusals.REPLAYED,
        *(
            Refusal(HeaderError(number), advice, f"The server can't read the signature: {sentence}")
            for number, (sentence, advice) in HEADER_ERRORS.items()
        ),
    ),
    sdks={"python": "Python"},
    texts=_texts,
    variants=_variants,
)
