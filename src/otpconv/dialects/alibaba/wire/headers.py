"""The signed headers of a request, as the lines that V3 signs.

Source: "Signature method V3", step "canonicalized headers", Alibaba Cloud OpenAPI documentation.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter

from msgspec import Struct

from otpconv.dialects.alibaba.wire.refusal import CredentialsError, GatewayError
from otpconv.dialects.alibaba.wire.signature import V3_ALGORITHMS, Algorithm
from otpconv.dialects.dialect import Fields

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


class Authorization(Struct, frozen=True):
    """The Authorization header without its signature, and how to find the signed headers.

    Attributes:
        algorithm: the signature algorithm.
        access_key_id: the id of the access key that claims to have signed.
        signed_headers: the list of signed headers as the client wrote it, `h1;h2;…`.
        names: the names in that list.
        pick: takes the values of the signed headers out of the fields, in the order of `template`.
        template: one line per signed header, sorted by name, with a place for each value.
    """

    algorithm: Algorithm
    access_key_id: str
    signed_headers: bytes
    names: frozenset[bytes]
    pick: Callable[[Fields], tuple[bytes, ...]]
    template: bytes

    def lines(self, fields: Fields) -> bytes:
        """Return the canonical headers of a request."""
        return self.template % self.pick(fields)


# A client sends the same headers every time. Only the signature at the end of Authorization changes.
@lru_cache(maxsize=256)
def parse_authorization(authorization: bytes, present: tuple[bytes, ...]) -> Authorization:
    """Return what the Authorization header of a V3 request says.

    Args:
        authorization: the value of the header, up to and without `Signature=…`.
        present: the names of all headers of the request.

    Raises:
        GatewayError: the header is malformed or names an unknown algorithm; a header that must be signed is
            not; a signed header is missing from the request, or is listed twice.
    """
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise CredentialsError(
            "IncompleteSignature",
            "Authorization must be <algorithm> Credential=<id>,SignedHeaders=<h1;h2>,Signature=<hex>.",
        )
    algorithm = V3_ALGORITHMS.get(match[1].decode())
    if algorithm is None:
        raise GatewayError("InvalidSignatureMethod", f"Of V3 this server takes {', '.join(V3_ALGORITHMS)}.")
    names = sorted(match[3].split(b";"))
    unsigned = _MANDATORY.union(name for name in present if name.startswith(b"x-acs-")).difference(names)
    if unsigned:
        raise CredentialsError("IncompleteSignature", f"SignedHeaders must have {_listed(unsigned)}.")
    absent = set(names).difference(present)
    if absent:
        raise CredentialsError(
            "IncompleteSignature", f"These signed headers did not come: {_listed(absent)}."
        )
    if len(set(names)) != len(names):
        raise CredentialsError("IncompleteSignature", "SignedHeaders has a header twice.")
    template = b"".join(name.replace(b"%", b"%%") + b":%b\n" for name in names)
    return Authorization(
        algorithm, match[2].decode(), match[3], frozenset(names), itemgetter(*names), template
    )


def media_type(fields: Fields) -> bytes:
    """Return the media type of the body, lower case, without its parameters; empty if none is given."""
    return fields.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _listed(names: Iterable[bytes]) -> str:
    return ", ".join(name.decode(errors="replace") for name in sorted(names))
