"""Telesign's signature, `Authorization: TSA CUSTOMER:SIGNATURE`, made and verified by the same code.

HMAC-SHA256, base64, over the method, the content type, the date, the `x-ts-…` headers, the body and the
path, each on a line of its own. It is keyed by the API key, which is base64: the key is what that encodes.

Source: "Authentication", Telesign documentation; `generate_telesign_headers` of the Python SDK 4.1.
"""

import base64
import hashlib
import hmac
from typing import Final

#: The signature method, in the header `x-ts-auth-method`.
METHOD: Final = "HMAC-SHA256"


def api_key(secret: str) -> str:
    """Return the API key of a secret: its base64, as Telesign's clients want it."""
    return base64.b64encode(secret.encode()).decode()


def string_to_sign(
    method: str, path: str, *, content_type: str, date: str, nonce: str, body: bytes = b""
) -> bytes:
    """Return the string to sign.

    Args:
        method: the HTTP method, upper case.
        path: the path of the resource, not percent-encoded.
        content_type: the header Content-Type; may be empty.
        date: the header Date.
        nonce: the header `x-ts-nonce`.
        body: the body; it is signed only if there is a content type.
    """
    signed_body = b"\n" + body if content_type and body else b""
    head = f"{method}\n{content_type}\n{date}\nx-ts-auth-method:{METHOD}\nx-ts-nonce:{nonce}"
    return head.encode() + signed_body + f"\n{path}".encode()


def signature(string: bytes, secret: str | bytes) -> bytes:
    """Return the signature of a string to sign, base64; `secret` is what the API key encodes."""
    key = secret.encode() if isinstance(secret, str) else secret
    return base64.b64encode(hmac.digest(key, string, hashlib.sha256))


def sign(
    method: str, path: str, *, customer: str, secret: str | bytes, date: str, nonce: str, body: bytes = b""
) -> dict[str, str]:
    """Return the headers of a signed request.

    Args:
        method: the HTTP method, upper case.
        path: the path of the resource, not percent-encoded.
        customer: the customer id.
        secret: what the API key encodes; see `api_key`.
        date: the time of the request, as RFC 2822 writes it.
        nonce: a text that is used once.
        body: the form body.
    """
    content_type = "application/x-www-form-urlencoded" if method in {"POST", "PUT"} else ""
    string = string_to_sign(method, path, content_type=content_type, date=date, nonce=nonce, body=body)
    return {
        "authorization": f"TSA {customer}:{signature(string, secret).decode()}",
        "content-type": content_type,
        "date": date,
        "x-ts-auth-method": METHOD,
        "x-ts-nonce": nonce,
    }
