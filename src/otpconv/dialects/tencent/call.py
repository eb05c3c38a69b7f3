"""Reads calls of Tencent Cloud's API with any of its three signatures.

TC3 signs the body or the query and the time, but not the headers that name the action, and has no nonce. The
two older signatures sign all parameters, and have a nonce. The Node SDK takes it from 65,536 numbers, so two
calls of one second may have the same. The signature stands for it here, as it differs with any parameter.
"""

import hmac
import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from otpconv.dialects import bodies
from otpconv.dialects.dialect import HttpRequest, UnknownOperation
from otpconv.dialects.scoped_call import ScopedCall, hosts, read_authorization
from otpconv.dialects.tencent import signature
from otpconv.dialects.tencent.signature import DEFAULT_METHOD, METHODS, SCHEME, SIGNED_HEADERS, TERMINATOR
from otpconv.errors import BadCredentials, InvalidRequest, SignatureMismatch

#: The action that a policy must allow.
PERMISSION: Final = "tencent:ReportConversion"
#: The operation.
ACTION: Final = "ReportConversion"
VERSION: Final = "2021-01-11"
_SCOPE: Final = f"DATE/SERVICE/{TERMINATOR}"
_SECONDS: Final = re.compile("[0-9]{1,11}")


class MissingParameter(InvalidRequest):
    """A parameter is missing."""


class UnknownVersion(InvalidRequest):
    """The API does not have this version here."""


class Tc3Call(ScopedCall, frozen=True, kw_only=True):
    """A call signed by TC3.

    Attributes:
        in_query: whether `parameters` is a query; else it is JSON.
    """

    in_query: bool


class ParametersCall(Struct, frozen=True):
    """A call signed by HmacSHA256 or HmacSHA1.

    Attributes:
        method: the HTTP method.
        hosts: the header `Host`, and the same without its port.
        parameters: all parameters, decoded.
        signed_at: when it was signed, ms UTC.
        permission: the action that a policy must allow.
    """

    method: str
    hosts: tuple[str, ...]
    parameters: dict[str, str]
    signed_at: int
    permission: str = PERMISSION

    @property
    def access_key_id(self) -> str:
        """The id of the access key that claims to have signed."""
        return self.parameters["SecretId"]

    @property
    def security_token(self) -> str:
        """The token of temporary credentials; empty without."""
        return self.parameters.get("Token", "")

    @property
    def nonce(self) -> str:
        """The signature, which covers the nonce and the time."""
        return self.parameters["Signature"]

    def verify(self, secret: str) -> None:
        """Check in constant time that `secret`, the AccessKeySecret, made the signature.

        Raises:
            SignatureMismatch: another secret made it, or the request was changed after it was signed.
        """
        sent = self.parameters["Signature"].encode()
        for host in self.hosts:
            expected = signature.sign_parameters(self.method, host, self.parameters, secret)
            if hmac.compare_digest(expected.encode(), sent):
                return
        text = signature.parameters_to_sign(self.method, self.hosts[0], self.parameters)
        raise SignatureMismatch(
            f"This server signs [{text}]. Compare it with yours; if they are the same, correct the SecretKey."
        )


def read_tc3(request: HttpRequest) -> Tc3Call:
    """Return a call signed by TC3, whose common parameters are headers.

    Raises:
        MissingParameter, UnknownOperation, UnknownVersion, InvalidRequest: because of a common parameter.
        BadCredentials: the signature is missing, or has another form.
    """
    fields = request.fields
    names = ("Action", "Version", "Timestamp", "Token")
    common = {name: fields.get(f"x-tc-{name.lower()}".encode(), b"").decode("latin-1") for name in names}
    seconds = _check(common)
    head = read_authorization(fields.get(b"authorization", b""), SCHEME, _SCOPE, signature.tc3_date(seconds))
    signed = head.signed(fields, SIGNED_HEADERS)
    query = request.query.decode("latin-1")
    requests = tuple(
        signature.tc3_request(request.method, query, {**signed, "host": host}, request.body)
        for host in hosts(signed["host"])
    )
    in_query = request.method == "GET"
    return Tc3Call(
        permission=PERMISSION,
        scheme=SCHEME,
        authorization=head,
        time=common["Timestamp"],
        signed_at=seconds * 1_000,
        requests=requests,
        parameters=request.query if in_query else request.body,
        security_token=common["Token"],
        in_query=in_query,
    )


def read_parameters(request: HttpRequest) -> ParametersCall:
    """Return a call signed by HmacSHA256 or HmacSHA1: a GET with a query, or a POST with a form.

    Raises:
        MissingParameter, UnknownOperation, UnknownVersion, InvalidRequest: because of a common parameter.
        BadCredentials: the signature method is unknown, or a parameter can't be signed unambiguously.
    """
    parameters = bodies.from_form(request.query if request.method == "GET" else request.body)
    seconds = _check(parameters)
    for name in ("SecretId", "Nonce", "Signature"):
        _require(parameters, name)
    method = parameters.get("SignatureMethod", DEFAULT_METHOD)
    if method not in METHODS:
        raise BadCredentials(f"The SignatureMethod {method[:40]!r} is unknown. Use {' or '.join(METHODS)}.")
    # The signed text has the values as they are: with these characters, two requests could have the same one.
    if any("&" in name or "=" in name or "&" in value for name, value in parameters.items()):
        raise BadCredentials("HmacSHA256 and HmacSHA1 can't sign a parameter with &. Use TC3-HMAC-SHA256.")
    host = request.fields.get(b"host", b"").decode("latin-1")
    return ParametersCall(request.method, hosts(host), parameters, seconds * 1_000)


def _check(common: Mapping[str, str]) -> int:
    """Check which operation is called, and return when the request was signed, seconds UTC."""
    action = _require(common, "Action")
    if action != ACTION:
        raise UnknownOperation(action)
    if _require(common, "Version") != VERSION:
        raise UnknownVersion(f"The version of {ACTION} must be {VERSION}.")
    timestamp = _require(common, "Timestamp")
    if not _SECONDS.fullmatch(timestamp):
        raise InvalidRequest("Timestamp must be the time of signing in seconds since 1970, UTC.")
    return int(timestamp)


def _require(common: Mapping[str, str], name: str) -> str:
    value = common.get(name, "")
    if not value:
        raise MissingParameter(f"The common parameter {name} is missing.")
    return value
