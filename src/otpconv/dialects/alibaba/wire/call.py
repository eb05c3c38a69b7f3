"""A signed request that was read and is not verified yet."""

import hmac

from msgspec import Struct

from otpconv.dialects.alibaba.wire import signature
from otpconv.dialects.alibaba.wire.refusal import SignatureDoesNotMatch

_STS_VERSION = "2015-04-01"


class Call(Struct, frozen=True):
    """One call of an operation.

    Attributes:
        action: the operation; it exists in `version`.
        version: the version of the API, e.g. `2018-05-01`.
        access_key_id: the id of the access key that claims to have signed.
        nonce: a text that the caller uses once.
        signed_at: when the call was signed, ms UTC, by the caller's clock.
        xml: whether the response must be XML.
        parameters: all parameters, decoded. A parameter of the body replaces one of the query.
        method: the signature algorithm, e.g. `HMAC-SHA1` or `ACS3-HMAC-SHA256`.
        signed: the bytes that were signed: the string to sign of V1, the canonical request of V3.
        signature: the signature as it was sent.
        security_token: the token of temporary credentials; empty without.
        unread: a text that the body was not read and what to send instead; empty if it was read or is empty.
    """

    action: str
    version: str
    access_key_id: str
    nonce: str
    signed_at: int
    xml: bool
    parameters: dict[str, str]
    method: str
    signed: bytes
    signature: bytes
    security_token: str = ""
    unread: str = ""

    @property
    def permission(self) -> str:
        """The action that a policy must allow, e.g. `dysms:SmsConversion`."""
        return f"{'sts' if self.version == _STS_VERSION else 'dysms'}:{self.action}"

    def verify(self, secret: str) -> None:
        """Check in constant time that `secret`, the AccessKeySecret, made the signature.

        Raises:
            SignatureDoesNotMatch: another secret made it. The text shows what the server signed.
        """
        algorithm = signature.V3_ALGORITHMS.get(self.method)
        if algorithm is None:
            expected = signature.v1_signature(self.signed, secret, signature.V1_METHODS[self.method])
        else:
            string_to_sign = signature.v3_string_to_sign(self.signed, algorithm)
            expected = signature.v3_signature(string_to_sign, secret, algorithm)
        if not hmac.compare_digest(expected, self.signature):
            raise SignatureDoesNotMatch(self._mismatch())

    def _mismatch(self) -> str:
        """Return the documented sentence. Clients parse it by its colon (V1) or its brackets (V3)."""
        signed = self.signed.decode(errors="replace")
        algorithm = signature.V3_ALGORITHMS.get(self.method)
        if algorithm is None:
            return (
                f"Specified signature is not matched with our calculation. server string to sign is:{signed}"
            )
        string_to_sign = signature.v3_string_to_sign(self.signed, algorithm).decode()
        return (
            "Specified signature does not match our calculation. "
            f"server StringToSign is [{string_to_sign}] server CanonicalRequest is [{signed}]"
        )
