"""The signature of Volcengine's and BytePlus's APIs, HMAC-SHA256.

It is AWS's Signature Version 4 with other names. Besides the headers, it signs the hash of the body twice: as
the header `x-content-sha256` and at the end of the canonical request.

Source: "Signing method" in Volcengine's API documentation, and the SDKs. This page imports nothing of the
server, so a client can sign with it.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from otpconv.dialects.scoped_signature import Scheme, canonical_query, canonical_request

SCHEME: Final = Scheme("HMAC-SHA256", "")
#: The name of the SMS service in signatures.
SERVICE: Final = "volcSMS"
#: The last word of the scope.
TERMINATOR: Final = "request"


def sign(
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key_id: str,
    secret: str,
    region: str,
    time: str,
    query: str,
) -> dict[str, str]:
    """Return the headers of a signed POST: those given, `x-date`, `x-content-sha256` and `authorization`.

    Args:
        headers: what to sign, names in lower case: `host`, `content-type`, of temporary credentials
            `x-security-token`, and whatever else.
        body: the exact body.
        access_key_id: the AccessKeyId.
        secret: the SecretAccessKey.
        region: the region, e.g. `cn-north-1`.
        time: the time of signing, UTC, e.g. `20261126T215142Z`.
        query: the query, e.g. `Action=Conversion&Version=2020-01-01`.
    """
    signed = {**headers, "x-date": time, "x-content-sha256": sha256(body).hexdigest()}
    signed["authorization"] = SCHEME.authorization(
        canonical_request("POST", canonical_query(query), signed, body),
        signed,
        access_key_id=access_key_id,
        secret=secret,
        time=time,
        scope=(time[:8], region, SERVICE, TERMINATOR),
    )
    return signed
