"""A signed request that has been read and is not yet trusted."""

import hmac

from msgspec import Struct

from otpconv.dialects.alibaba.wire import signature
from otpconv.dialects.alibaba.wire.refusal import GatewayError

_STS_VERSION = "2015-04-01"


class Call(Struct, frozen=True):
    """One call of an operation.

    Attributes:
        action: the operation; one that exists in `version`.
        version: of the API, `2018-05-01` or `2017-05-25`.
        access_key_id: who claims to call.
        nonce: a text the caller uses once.
        signed_at: when it was signed, ms UTC, by the caller's clock.
        xml: whether the answer is wanted in XML.
        parameters: all parameters, decoded; those of the body before those of the query.
        method: the signature's algorithm, `HMAC-SHA1` or `ACS3-HMAC-SHA256` for example.
        signed: what the signature is over: V1's string to sign, V3's canonical request.
        signature: the signature as it came.
        security_token: of temporary credentials; empty without.
        unread: that the body was not read, and what to send instead; empty if it was or there is none.
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
        """What a policy has to allow for the call, as `dysms:SmsConversion`."""
        return f"{'sts' if self.version == _STS_VERSION else 'dysms'}:{self.action}"

    def verify(self, secret: str) -> None:
        """Return if `secret`, the AccessKeySecret, made the signature; takes the same time whether or not.

        Raises:
            GatewayError: SignatureDoesNotMatch, with what the server signed, to compare.
        """
        algorithm = signature.V3_ALGORITHMS.get(self.method)
        if algorithm is None:
            expected = signature.v1_signature(self.signed, secret, signature.V1_METHODS[self.method])
        else:
            string_to_sign = signature.v3_string_to_sign(self.signed, algorithm)
            expected = signature.v3_signature(string_to_sign, secret, algorithm)
        if not hmac.compare_digest(expected, self.signature):
            raise GatewayError("SignatureDoesNotMatch", text=self._mismatch())

    def _mismatch(self) -> str:
        """Return the documented sentence; clients cut it at its colon (V1) or brackets (V3)."""
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
