"""Reads and verifies calls that have a signature of `scoped_signature`.

These signatures have no nonce, and SDKs that try a call again in the same second send the same signature. So
a call is accepted again for as long as its time is: a conversion that is reported again changes nothing.
"""

import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from otpconv.dialects.dialect import Fields
from otpconv.dialects.scoped_signature import Scheme
from otpconv.errors import BadCredentials, SignatureMismatch

_AUTHORIZATION: Final = re.compile(
    r"[A-Z0-9-]{1,32} +Credential=([!-+\--~]{1,512}), *SignedHeaders=([!-+\--~]{1,2048}),"
    r" *Signature=([!-~]{1,128})"
)
_TIME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_PORT: Final = re.compile(r":[0-9]{1,5}\Z")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Authorization(Struct, frozen=True):
    """What the header `Authorization` of a call says.

    Attributes:
        access_key_id: the id of the access key that claims to have signed.
        scope: what the signing key is valid for: the date first, a fixed word last.
        signed_headers: the names of the signed headers, lower case.
        signature: the signature as it was sent.
    """

    access_key_id: str
    scope: tuple[str, ...]
    signed_headers: tuple[str, ...]
    signature: str

    def signed(self, fields: Fields, required: Iterable[str]) -> dict[str, str]:
        """Return the signed headers.

        Args:
            fields: the headers of the request.
            required: the names of headers that must be signed, besides `host`.

        Raises:
            BadCredentials: a header that must be signed is not, or a signed header is missing.
        """
        unsigned = {"host", *required}.difference(self.signed_headers)
        if unsigned:
            raise BadCredentials(f"SignedHeaders lacks {_listed(unsigned)}. Sign these headers too.")
        absent = {name for name in self.signed_headers if name.encode("latin-1") not in fields}
        if absent:
            raise BadCredentials(
                f"SignedHeaders names {_listed(absent)}, which did not come. Send each header that is signed."
            )
        return {name: fields[name.encode("latin-1")].decode("latin-1") for name in self.signed_headers}


class ScopedCall(Struct, frozen=True, kw_only=True):
    """A call that was read and whose signature is not verified yet.

    Attributes:
        permission: the action that a policy must allow.
        scheme: the vendor's form of the signature.
        authorization: the header `Authorization`.
        time: the time of signing as the client wrote it.
        signed_at: the same, ms UTC.
        requests: what the client may have signed: a canonical request for each form of the header `Host`.
        parameters: the query or the body that holds the parameters of the call.
        security_token: the token of temporary credentials; empty without.
        nonce: empty: there is none.
    """

    permission: str
    scheme: Scheme
    authorization: Authorization
    time: str
    signed_at: int
    requests: tuple[bytes, ...]
    parameters: bytes
    security_token: str = ""
    nonce: str = ""

    @property
    def access_key_id(self) -> str:
        """The id of the access key that claims to have signed."""
        return self.authorization.access_key_id

    def verify(self, secret: str) -> None:
        """Check in constant time that `secret`, the AccessKeySecret, made the signature.

        Raises:
            SignatureMismatch: another secret made it, or the request was changed after it was signed. The
                text shows what the server expects to be signed.
        """
        scope, sent = self.authorization.scope, self.authorization.signature.encode()
        for request in self.requests:
            if hmac.compare_digest(self.scheme.signature(request, secret, self.time, scope).encode(), sent):
                return
        request = self.requests[0]
        raise SignatureMismatch(
            f"This server signs the canonical request [{request.decode(errors='replace')}] by the string"
            f" [{self.scheme.string_to_sign(request, self.time, scope)}]. Compare them with yours; if they"
            " are the same, correct the AccessKeySecret."
        )


def read_authorization(value: bytes, scheme: Scheme, scope_form: str, date: str) -> Authorization:
    """Return what the header `Authorization` says.

    Args:
        value: the value of the header.
        scheme: the vendor's form of the signature.
        scope_form: the scope in words, e.g. `DATE/REGION/sms-voice/aws4_request`. Any text may stand for a
            word in capitals.
        date: the date of the time of signing, as the scope must have it.

    Raises:
        BadCredentials: the header is malformed, or its scope has another form or another date.
    """
    match = _AUTHORIZATION.fullmatch(value.decode("latin-1"))
    form = [date, *scope_form.split("/")[1:]]
    access_key_id, *scope = match[1].rsplit("/", len(form)) if match else [""]
    as_form = [part if word.isupper() else word for part, word in zip(scope, form, strict=False)]
    if match is None or not access_key_id or len(scope) != len(form) or scope != as_form:
        raise BadCredentials(
            f"Authorization must be {scheme.algorithm} Credential=ACCESS_KEY_ID/{scope_form},"
            f" SignedHeaders=NAMES, Signature=SIGNATURE. DATE is the date of signing, {date}."
        )
    return Authorization(access_key_id, tuple(scope), tuple(match[2].lower().split(";")), match[3])


def read_time(value: bytes, header: str) -> tuple[str, int]:
    """Return a time such as `20261126T215135Z`, as it is and in ms UTC.

    Args:
        value: the value of the header.
        header: the name of the header, for the text of the error.

    Raises:
        BadCredentials: the value is not such a time.
    """
    text = value.decode("latin-1")
    if _TIME.fullmatch(text):
        try:
            return text, (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
        except ValueError:
            pass
    raise BadCredentials(f"{header} must be the time of signing in UTC, e.g. 20261126T215135Z.")


def hosts(host: str) -> tuple[str, ...]:
    """Return the value of the header `Host`, and the same without its port, which some SDKs sign instead."""
    return tuple(dict.fromkeys((host, _PORT.sub("", host))))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
