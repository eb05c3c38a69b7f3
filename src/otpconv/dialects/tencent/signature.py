"""The three signatures of Tencent Cloud's API 3.0: TC3-HMAC-SHA256, HmacSHA256 and HmacSHA1.

TC3 signs two headers and the body; the action is a header that is not signed. HmacSHA256 and HmacSHA1 sign
all parameters of the query or of a form body, with a nonce among them.

Source: "Signature method v3" and "Signature method v1" in Tencent Cloud's API documentation. This page
imports nothing of the server, so a client can sign with it.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from otpconv.dialects.scoped_signature import Scheme, canonical_request

SCHEME: Final = Scheme("TC3-HMAC-SHA256", "TC3")
#: The last word of the scope.
TERMINATOR: Final = "tc3_request"
#: SignatureMethod of the other two -> the name of its hash function.
METHODS: Final = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}
#: The SignatureMethod of a request that names none.
DEFAULT_METHOD: Final = "HmacSHA1"
#: The headers that TC3 signs.
SIGNED_HEADERS: Final = ("content-type", "host")


def sign_tc3(
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key_id: str,
    secret: str,
    timestamp: int,
    service: str = "sms",
    method: str = "POST",
    query: str = "",
) -> dict[str, str]:
    """Return the headers of a request signed by TC3: those given, `x-tc-timestamp` and `authorization`.

    Args:
        headers: names in lower case: `host` and `content-type`, which are signed, and whatever else.
        body: the exact body.
        access_key_id: the SecretId.
        secret: the SecretKey.
        timestamp: the time of signing, seconds UTC.
        service: the name of the service.
        method: the HTTP method, upper case.
        query: the query as it is sent.
    """
    time = str(timestamp)
    signed = {name: headers[name] for name in SIGNED_HEADERS}
    authorization = SCHEME.authorization(
        tc3_request(method, query, signed, body),
        signed,
        access_key_id=access_key_id,
        secret=secret,
        time=time,
        scope=(tc3_date(timestamp), service, TERMINATOR),
    )
    return {**headers, "x-tc-timestamp": time, "authorization": authorization}


def tc3_request(method: str, query: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the canonical request, which has the values of headers in lower case and the query as it is."""
    lowered = {name: value.strip().lower() for name, value in headers.items()}
    return canonical_request(method, query, lowered, body)


def tc3_date(timestamp: int) -> str:
    """Return the date in the scope for a time of signing (seconds UTC).

    Raises:
        ValueError: the time is out of the range of dates.
    """
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")


def sign_parameters(method: str, host: str, parameters: Mapping[str, str], secret: str) -> str:
    """Return the value of `Signature` for HmacSHA256 and HmacSHA1, base64.

    Args:
        method: the HTTP method, upper case.
        host: the host of the URL, with its port.
        parameters: all parameters; `SignatureMethod` among them chooses the algorithm (HmacSHA1 if absent),
            and a `Signature` among them is left out.
        secret: the SecretKey.

    Raises:
        KeyError: `SignatureMethod` is not one of `METHODS`.
    """
    hash_name = METHODS[parameters.get("SignatureMethod", DEFAULT_METHOD)]
    digest = hmac.digest(secret.encode(), parameters_to_sign(method, host, parameters).encode(), hash_name)
    return base64.b64encode(digest).decode()


def parameters_to_sign(method: str, host: str, parameters: Mapping[str, str]) -> str:
    """Return what HmacSHA256 and HmacSHA1 sign: the values are not encoded."""
    pairs = (f"{name}={parameters[name]}" for name in sorted(parameters) if name != "Signature")
    return f"{method}{host}/?{'&'.join(pairs)}"
