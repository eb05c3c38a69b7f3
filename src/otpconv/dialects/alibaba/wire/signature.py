"""The two signatures of Alibaba Cloud's RPC APIs, made and verified by the same code.

V1 (`SignatureVersion=1.0`; "Signature method V2 for RPC" in the documentation): HMAC-SHA1 or HMAC-SHA256 over
all parameters, base64. V3 (`Authorization: ACS3-…`): HMAC-SHA256 or HMAC-SM3 over method, query, signed
headers and the hash of the body, hexadecimal. Both are keyed by the AccessKeySecret; V1 appends `&` to it.

Source: "Request syntax and signature method V2 for RPC APIs" and "Signature method V3", Alibaba Cloud OpenAPI
documentation. This page imports nothing of the server, so a client can sign with it.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

#: SignatureMethod of V1 -> the name of its hash function.
V1_METHODS = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}

#: The block size of SHA-1, SHA-256 and SM3.
_BLOCK_BYTES = 64

_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*")


class Algorithm(Struct, frozen=True):
    """One signature algorithm of V3.

    Attributes:
        name: as `Authorization` spells it.
        hash_name: its hash function, as hashlib spells it.
        empty_hash: the hash of an empty body, hexadecimal.
        first_line: its name as the string to sign begins with it.
    """

    name: str
    hash_name: str
    empty_hash: bytes
    first_line: bytes

    def hash(self, data: bytes) -> bytes:
        """Return the hash of `data`, lower-case hexadecimal."""
        if not data:
            return self.empty_hash
        if self.hash_name == "sha256":
            return hashlib.sha256(data).hexdigest().encode()
        return hashlib.new(self.hash_name, data).hexdigest().encode()


def _algorithm(name: str, hash_name: str) -> Algorithm:
    return Algorithm(name, hash_name, hashlib.new(hash_name).hexdigest().encode(), f"{name}\n".encode())


#: The algorithms of V3 by name; SM3 is there only where this machine's OpenSSL has it.
V3_ALGORITHMS = {
    name: _algorithm(name, hash_name)
    for name, hash_name in (("ACS3-HMAC-SHA256", "sha256"), ("ACS3-HMAC-SM3", "sm3"))
    if hash_name in hashlib.algorithms_available
}


def sign_v1(method: str, parameters: Mapping[str, str], secret: str) -> str:
    """Return the value of `Signature` for a V1 request.

    Args:
        method: the HTTP method, upper case.
        parameters: all parameters of query and form body; `SignatureMethod` among them chooses the algorithm
            (HMAC-SHA1 when absent), a `Signature` among them is left out.
        secret: the AccessKeySecret.

    Raises:
        KeyError: `SignatureMethod` is none of `V1_METHODS`.
    """
    hash_name = V1_METHODS[parameters.get("SignatureMethod", "HMAC-SHA1")]
    string_to_sign = v1_string_to_sign(method, canonical(parameters, without="Signature"))
    return v1_signature(string_to_sign, secret, hash_name).decode()


def sign_v3(
    method: str,
    parameters: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key_id: str,
    secret: str,
    algorithm: str = "ACS3-HMAC-SHA256",
) -> dict[str, str]:
    """Return the headers of a V3 request: those given, `x-acs-content-sha256` and `authorization`.

    Args:
        method: the HTTP method, upper case.
        parameters: the parameters of the query.
        headers: what to sign, names in lower case: `host`, `x-acs-action`, `x-acs-version`, `x-acs-date`,
            `x-acs-signature-nonce`, `content-type` when there is a body, and whatever else.
        body: the exact body.
        access_key_id: the AccessKeyId.
        secret: the AccessKeySecret.
        algorithm: `ACS3-HMAC-SHA256` or `ACS3-HMAC-SM3`.

    Raises:
        KeyError: the algorithm is unknown, or SM3 and this machine has none.
    """
    chosen = V3_ALGORITHMS[algorithm]
    body_hash = chosen.hash(body)
    signed = {**headers, "x-acs-content-sha256": body_hash.decode()}
    names = sorted(signed)
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in names)
    request = v3_canonical_request(
        method, canonical(parameters), lines.encode(), ";".join(names).encode(), body_hash
    )
    signature = v3_signature(v3_string_to_sign(request, chosen), secret, chosen).decode()
    signed["authorization"] = (
        f"{algorithm} Credential={access_key_id},SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return signed


def canonical(parameters: Mapping[str, str], *, without: str | None = None) -> str:
    """Return `name=value&…` sorted by name and percent-encoded, as both signatures want it.

    Args:
        parameters: names and values, decoded.
        without: the name of a parameter to leave out.
    """
    # Code points sort as their UTF-8 bytes do. Joined pairs would not: "=" comes after "-", "." and digits.
    return "&".join(
        [f"{_encode(name)}={_encode(parameters[name])}" for name in sorted(parameters) if name != without]
    )


def v1_string_to_sign(method: str, canonical_parameters: str) -> bytes:
    """Return what V1 signs; it holds no colon, which clients rely on when they read an error text."""
    # The text is percent-encoded already: only these three of its characters need encoding.
    twice = canonical_parameters.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    return f"{method}&%2F&{twice}".encode()


def v1_signature(string_to_sign: bytes, secret: str, hash_name: str) -> bytes:
    """Return the V1 signature of `string_to_sign`, base64."""
    return base64.b64encode(_hmac(f"{secret}&", string_to_sign, hash_name).digest())


def v3_canonical_request(
    method: str, query: str, header_lines: bytes, signed_headers: bytes, body_hash: bytes
) -> bytes:
    """Return the canonical request of V3; the path is `/` for every RPC operation."""
    return b"%b\n/\n%b\n%b\n%b\n%b" % (
        method.encode(),
        query.encode(),
        header_lines,
        signed_headers,
        body_hash,
    )


def v3_string_to_sign(canonical_request: bytes, algorithm: Algorithm) -> bytes:
    """Return what V3 signs: the algorithm's name and the hash of the canonical request."""
    return algorithm.first_line + algorithm.hash(canonical_request)


def v3_signature(string_to_sign: bytes, secret: str, algorithm: Algorithm) -> bytes:
    """Return the V3 signature of `string_to_sign`, lower-case hexadecimal."""
    return _hmac(secret, string_to_sign, algorithm.hash_name).hexdigest().encode()


def _hmac(key: str, data: bytes, hash_name: str) -> "hashlib._Hash":
    """Return HMAC as RFC 2104 defines it, with the key taken in beforehand: a third of hmac.digest's time."""
    keyed_inner, keyed_outer = _keyed(key, hash_name)
    inner = keyed_inner.copy()
    inner.update(data)
    outer = keyed_outer.copy()
    outer.update(inner.digest())
    return outer


@lru_cache(maxsize=1024)
def _keyed(key: str, hash_name: str) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Return the inner and the outer hash of HMAC, each with its block of the key taken in."""
    block = key.encode()
    if len(block) > _BLOCK_BYTES:
        block = hashlib.new(hash_name, block).digest()
    block = block.ljust(_BLOCK_BYTES, b"\0")
    return (
        hashlib.new(hash_name, bytes(byte ^ 0x36 for byte in block)),
        hashlib.new(hash_name, bytes(byte ^ 0x5C for byte in block)),
    )


def _encode(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="~")
