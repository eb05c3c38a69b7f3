"""The headers of a request: by name, and the signed ones as the lines V3 signs.

Source: "Signature method V3", step "canonicalized headers", Alibaba Cloud OpenAPI documentation.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter

from msgspec import Struct

from otpconv.dialects.alibaba.wire.refusal import GatewayError
from otpconv.dialects.alibaba.wire.signature import V3_ALGORITHMS, Algorithm

#: Names and values as ASGI gives them: names in lower case, values trimmed.
Headers = list[tuple[bytes, bytes]]

#: Headers by name.
Fields = dict[bytes, bytes]

_MANDATORY = frozenset(
    {
        b"host",
        b"x-acs-action",
        b"x-acs-version",
        b"x-acs-date",
        b"x-acs-signature-nonce",
        b"x-acs-content-sha256",
    }
)

_AUTHORIZATION = re.compile(
    rb"(ACS3-[A-Z0-9-]{1,32}) Credential=([!-+\--~]{1,128}), ?SignedHeaders=([!-+\--~]{1,2048}), ?"
)


class Layout(Struct, frozen=True):
    """What an Authorization header says before its signature, and where the signed headers are.

    Attributes:
        algorithm: of the signature.
        access_key_id: who claims to have signed.
        signed_headers: the client's own list, `h1;h2;…`.
        names: of the signed headers.
        pick: takes their values out of the fields, in the order of `template`.
        template: one line a header, sorted by name, with a place for each value.
    """

    algorithm: Algorithm
    access_key_id: str
    signed_headers: bytes
    names: frozenset[bytes]
    pick: Callable[[Fields], tuple[bytes, ...]]
    template: bytes

    def lines(self, fields: Fields) -> bytes:
        """Return the canonical headers of a request with these fields."""
        return self.template % self.pick(fields)


def by_name(headers: Headers) -> Fields:
    """Return the headers by name; values of repeated ones are sorted and comma-joined, as V3 signs them."""
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: b",".join(sorted(each)) for name, each in values.items()}


# A client sends the same headers every time, and the same Authorization but for the signature at its end.
@lru_cache(maxsize=256)
def layout(authorization: bytes, present: tuple[bytes, ...]) -> Layout:
    """Return the layout of a V3 request.

    Args:
        authorization: the header's value, up to and without `Signature=…`.
        present: the names of all headers that came.

    Raises:
        GatewayError: malformed; an algorithm not taken; a header that must be signed and is not, or is listed
            and did not come, or twice.
    """
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        raise GatewayError(
            "IncompleteSignature",
            "Authorization must be <algorithm> Credential=<id>,SignedHeaders=<h1;h2>,Signature=<hex>.",
        )
    algorithm = V3_ALGORITHMS.get(found[1].decode())
    if algorithm is None:
        raise GatewayError("InvalidSignatureMethod", f"Of V3 this server takes {', '.join(V3_ALGORITHMS)}.")
    names = sorted(found[3].split(b";"))
    unsigned = _MANDATORY.union(name for name in present if name.startswith(b"x-acs-")).difference(names)
    if unsigned:
        raise GatewayError("IncompleteSignature", f"SignedHeaders must have {_listed(unsigned)}.")
    absent = set(names).difference(present)
    if absent:
        raise GatewayError("IncompleteSignature", f"These signed headers did not come: {_listed(absent)}.")
    if len(set(names)) != len(names):
        raise GatewayError("IncompleteSignature", "SignedHeaders has a header twice.")
    template = b"".join(name.replace(b"%", b"%%") + b":%b\n" for name in names)
    return Layout(algorithm, found[2].decode(), found[3], frozenset(names), itemgetter(*names), template)


def media_type(fields: Fields) -> bytes:
    """Return the media type of the body, lower case, without its parameters; empty where none is told."""
    return fields.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _listed(names: Iterable[bytes]) -> str:
    return ", ".join(name.decode(errors="replace") for name in sorted(names))
