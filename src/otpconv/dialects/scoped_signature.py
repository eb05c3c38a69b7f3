"""Signatures whose key is derived from a secret and a scope: AWS's Signature Version 4 and its relatives.

Tencent Cloud's TC3 and Volcengine's HMAC-SHA256 follow it, with other names. Each hashes a canonical request
(method, path, query, signed headers, hash of the body), and signs the hash with a key that is valid for one
day and one service. The modules `signature` of these vendors add what differs; `scoped_call` verifies. This
module imports nothing of the server, so a client can sign with it.
"""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

#: The path of every operation.
PATH: Final = "/"


class Scheme(Struct, frozen=True):
    """One vendor's form of the signature.

    Attributes:
        algorithm: its name, the first word of `Authorization` and of the string to sign.
        key_prefix: stands before the secret when the key is derived.
    """

    algorithm: str
    key_prefix: str

    def string_to_sign(self, request: bytes, time: str, scope: Sequence[str]) -> str:
        """Return the string to sign.

        Args:
            request: the canonical request.
            time: the time of signing as the vendor writes it.
            scope: what the key is valid for: the date first, a fixed word last.
        """
        return f"{self.algorithm}\n{time}\n{'/'.join(scope)}\n{sha256(request).hexdigest()}"

    def signature(self, request: bytes, secret: str, time: str, scope: Sequence[str]) -> str:
        """Return the signature of a canonical request, lower-case hexadecimal; see `string_to_sign`."""
        key = f"{self.key_prefix}{secret}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, self.string_to_sign(request, time, scope).encode(), "sha256").hex()

    def authorization(
        self,
        request: bytes,
        headers: Mapping[str, str],
        *,
        access_key_id: str,
        secret: str,
        time: str,
        scope: Sequence[str],
    ) -> str:
        """Return the value of the header `Authorization`.

        Args:
            request: the canonical request.
            headers: the signed headers, names in lower case.
            access_key_id: the AccessKeyId.
            secret: the AccessKeySecret.
            time: as for `string_to_sign`.
            scope: as for `string_to_sign`.
        """
        credential = "/".join((access_key_id, *scope))
        signature = self.signature(request, secret, time, scope)
        names = signed_names(headers)
        return f"{self.algorithm} Credential={credential}, SignedHeaders={names}, Signature={signature}"


def canonical_request(method: str, query: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the canonical request.

    Args:
        method: the HTTP method, upper case.
        query: the query as the vendor signs it, e.g. from `canonical_query`.
        headers: the signed headers, with names in lower case and values as the vendor signs them.
        body: the exact body.
    """
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    text = f"{method}\n{PATH}\n{query}\n{lines}\n{signed_names(headers)}\n{sha256(body).hexdigest()}"
    return text.encode("latin-1")


def signed_names(headers: Mapping[str, str]) -> str:
    """Return the names of the signed headers as they are signed: sorted, with semicolons between them."""
    return ";".join(sorted(headers))


def canonical_query(query: str) -> str:
    """Return the parameters of a query, percent-encoded as signatures want it, sorted by name and value."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    encoded = sorted((_encode(name), _encode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encode(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")
