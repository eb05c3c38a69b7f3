"""AWS's Signature Version 4 in the header `Authorization`, as the SDKs of AWS make it.

Source: "Create a signed AWS API request", AWS Identity and Access Management. This page imports nothing of
the server, so a client can sign with it.
"""

from collections.abc import Mapping
from typing import Final

from otpconv.dialects.scoped_signature import Scheme, canonical_query, canonical_request

SCHEME: Final = Scheme("AWS4-HMAC-SHA256", "AWS4")
#: The name of End User Messaging SMS in signatures.
SERVICE: Final = "sms-voice"
#: The last word of the scope.
TERMINATOR: Final = "aws4_request"


def sign(
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key_id: str,
    secret: str,
    region: str,
    time: str,
    method: str = "POST",
    query: str = "",
) -> dict[str, str]:
    """Return the headers of a signed request: those given, `x-amz-date` and `authorization`.

    Args:
        headers: what to sign, names in lower case: `host`, `x-amz-target`, `content-type`, of temporary
            credentials `x-amz-security-token`, and whatever else.
        body: the exact body.
        access_key_id: the AccessKeyId.
        secret: the AccessKeySecret.
        region: the region, e.g. `us-east-1`.
        time: the time of signing, UTC, e.g. `20261126T215135Z`.
        method: the HTTP method, upper case.
        query: the query.
    """
    signed = {**headers, "x-amz-date": time}
    request = to_sign(method, query, signed, body)
    scope = (time[:8], region, SERVICE, TERMINATOR)
    signed["authorization"] = SCHEME.authorization(
        request, signed, access_key_id=access_key_id, secret=secret, time=time, scope=scope
    )
    return signed


def to_sign(method: str, query: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the canonical request; runs of spaces in the values of headers count as one."""
    trimmed = {name: " ".join(value.split()) for name, value in headers.items()}
    return canonical_request(method, canonical_query(query), trimmed, body)
