"""A request made and signed step by step, for people to see, by the functions that verify real ones."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from otpconv.dialects.alibaba.wire.operations import Operation
from otpconv.dialects.alibaba.wire.signature import (
    V3_ALGORITHMS,
    canonical,
    sign_v3,
    v1_signature,
    v1_string_to_sign,
    v3_canonical_request,
    v3_string_to_sign,
)
from otpconv.dialects.tutor.request import Step

Signature = Literal["V1", "V3"]

_METHOD = "POST"
_V3 = V3_ALGORITHMS["ACS3-HMAC-SHA256"]


class Walkthrough(Struct, frozen=True):
    """A signed request without a body, and how it came to be.

    Attributes:
        method: the HTTP method.
        query: percent-encoded, without the `?`.
        headers: names in lower case.
        steps: in their order; the secret is in none.
    """

    method: str
    query: str
    headers: dict[str, str]
    steps: tuple[Step, ...]


def walk(
    signature: Signature,
    operation: Operation,
    parameters: Mapping[str, str],
    *,
    host: str,
    access_key_id: str,
    secret: str,
    now: int,
    nonce: str,
) -> Walkthrough:
    """Return a signed request.

    Args:
        signature: which of the two.
        operation: the operation to call.
        parameters: of the operation, by name.
        host: the host that is called, with its port.
        access_key_id: the AccessKeyId.
        secret: the AccessKeySecret.
        now: ms.
        nonce: a text that was never used before.
    """
    if signature == "V1":
        common = {
            "AccessKeyId": access_key_id,
            "Action": operation.action,
            "Format": "JSON",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureNonce": nonce,
            "SignatureVersion": "1.0",
            "Timestamp": timestamp(now),
            "Version": operation.version,
        }
        return _walk_v1({**parameters, **common}, host, secret)
    headers = {
        "host": host,
        "x-acs-action": operation.action,
        "x-acs-date": timestamp(now),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": operation.version,
    }
    return _walk_v3(parameters, headers, access_key_id, secret)


def timestamp(now: int) -> str:
    """Return a time (ms) as requests carry it, e.g. `2024-04-19T12:46:24Z`."""
    return datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _walk_v1(parameters: Mapping[str, str], host: str, secret: str) -> Walkthrough:
    encoded = canonical(parameters)
    string_to_sign = v1_string_to_sign(_METHOD, encoded)
    signature = v1_signature(string_to_sign, secret, "sha1").decode()
    sent = canonical({"Signature": signature})
    steps = (
        Step(
            "Parameters",
            "All parameters, of the operation and of the signature, sorted by name in byte order.",
            "\n".join(f"{name} = {parameters[name]}" for name in sorted(parameters)),
        ),
        Step(
            "Canonical query",
            "Names and values percent-encoded as UTF-8, all but letters, digits and - _ . ~; a space is %20. "
            "Joined by = and &.",
            encoded,
        ),
        Step(
            "String to sign",
            f"{_METHOD}, the path / encoded once, and the canonical query encoded once more, joined by &.",
            string_to_sign.decode(),
        ),
        Step(
            "Signature",
            "HMAC-SHA1 of the string to sign, keyed by the AccessKeySecret with & appended; base64.",
            signature,
        ),
        Step("Sent", "The signature is one more parameter, percent-encoded as the others.", sent),
    )
    return Walkthrough(_METHOD, f"{encoded}&{sent}", {"host": host}, steps)


def _walk_v3(
    parameters: Mapping[str, str], headers: Mapping[str, str], access_key_id: str, secret: str
) -> Walkthrough:
    query = canonical(parameters)
    signed = sign_v3(_METHOD, parameters, headers, b"", access_key_id=access_key_id, secret=secret)
    authorization = signed["authorization"]
    names = sorted(signed.keys() - {"authorization"})
    request = v3_canonical_request(
        _METHOD,
        query,
        "".join(f"{name}:{signed[name]}\n" for name in names).encode(),
        ";".join(names).encode(),
        _V3.empty_hash,
    )
    steps = (
        Step(
            "Hash of the body",
            "SHA-256 of the body, hexadecimal; there is no body here. It goes into x-acs-content-sha256.",
            _V3.empty_hash.decode(),
        ),
        Step(
            "Canonical request",
            "A line each: method, path, the query sorted and percent-encoded, the signed headers sorted by "
            "name, an empty line, the names of the signed headers, the hash of the body.",
            request.decode(),
        ),
        Step(
            "String to sign",
            "The name of the algorithm and, on the next line, SHA-256 of the canonical request.",
            v3_string_to_sign(request, _V3).decode(),
        ),
        Step(
            "Signature",
            "HMAC-SHA256 of the string to sign, keyed by the AccessKeySecret; hexadecimal.",
            authorization.rpartition("=")[2],
        ),
        Step("Sent", "The header Authorization names all of it.", authorization),
    )
    return Walkthrough(_METHOD, query, signed, steps)
