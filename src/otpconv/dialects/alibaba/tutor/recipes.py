"""The two signatures as recipes, whose parts can be changed to make the mistakes that people make."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote

from msgspec import Struct

Encode = Callable[[str], str]
Order = Literal["by name", "as sent", "by name, ignoring case", "by name and value"]


def encode(text: str) -> str:
    """Encode as both signatures want it."""
    return quote(text, safe="~")


class V1Recipe(Struct, frozen=True):
    """How V1 is signed; the defaults are right.

    Attributes:
        method: the HTTP method.
        parameters: in the order they were sent, without the signature.
        secret: the AccessKeySecret.
        order: of the parameters.
        encode: a name or a value.
        twice: whether the canonical query is encoded once more.
        suffix: what the secret is followed by.
        hash_name: of the hash function.
        left_out: parameters that are not signed.
        ending: what follows the string to sign.
    """

    method: str
    parameters: Mapping[str, str]
    secret: str
    order: Order = "by name"
    encode: Encode = encode
    twice: bool = True
    suffix: str = "&"
    hash_name: str = "sha1"
    left_out: frozenset[str] = frozenset()
    ending: str = ""

    def sign(self) -> bytes:
        """Return the signature, as bytes."""
        joined = query_of(self.parameters, self.order, self.encode, self.left_out)
        signed = (
            f"{self.method}&{self.encode('/')}&{self.encode(joined) if self.twice else joined}{self.ending}"
        )
        return hmac.digest(f"{self.secret}{self.suffix}".encode(), signed.encode(), self.hash_name)


class V3Recipe(Struct, frozen=True):
    """How V3 is signed; the defaults are right.

    Attributes:
        method: the HTTP method.
        parameters: of the query, in the order they were sent.
        headers: the signed ones by name, in the order of SignedHeaders.
        body_hash: hexadecimal.
        secret: the AccessKeySecret.
        order: of the parameters.
        encode: a name or a value.
        suffix: what the secret is followed by.
        hash_name: of the hash function.
        left_out: parameters that are not signed.
        algorithm: as the string to sign begins with it.
        path: as it is signed.
        sorted_headers: whether the headers are sorted by name.
        empty_line: whether one follows the headers.
        hashed: whether the canonical request is hashed.
        ending: what follows the string to sign.
        request_ending: what follows the canonical request.
    """

    method: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body_hash: str
    secret: str
    order: Order = "by name"
    encode: Encode = encode
    suffix: str = ""
    hash_name: str = "sha256"
    left_out: frozenset[str] = frozenset()
    algorithm: str = "ACS3-HMAC-SHA256\n"
    path: str = "/"
    sorted_headers: bool = True
    empty_line: bool = True
    hashed: bool = True
    ending: str = ""
    request_ending: str = ""

    def sign(self) -> bytes:
        """Return the signature, as bytes."""
        names = sorted(self.headers) if self.sorted_headers else list(self.headers)
        request = "\n".join(
            [
                self.method,
                self.path,
                query_of(self.parameters, self.order, self.encode, self.left_out),
                *(f"{name}:{self.headers[name]}" for name in names),
                *([""] if self.empty_line else []),
                ";".join(self.headers),
                self.body_hash,
            ]
        )
        request += self.request_ending
        if self.hashed:
            request = hashlib.new(self.hash_name, request.encode()).hexdigest()
        signed = f"{self.algorithm}{request}{self.ending}"
        return hmac.digest(f"{self.secret}{self.suffix}".encode(), signed.encode(), self.hash_name)


def query_of(
    parameters: Mapping[str, str], order: Order, encode_: Encode, left_out: frozenset[str] = frozenset()
) -> str:
    """Return `name=value&…` in an order and an encoding."""
    names = [name for name in parameters if name not in left_out]
    if order == "by name":
        names.sort()
    elif order == "by name, ignoring case":
        names.sort(key=str.lower)
    pairs = [f"{encode_(name)}={encode_(parameters[name])}" for name in names]
    return "&".join(sorted(pairs) if order == "by name and value" else pairs)
