"""Reads an HTTP request into a `Call`, whichever of the two signatures it has.

Nothing unsigned has any effect:

- V1 signs the parameters of query and form body as one set, in which the body wins. A query parameter that
  the body has too is not signed, and not used. Other bodies are neither signed nor read.
- V3 signs the query, and the body by its hash. Here too the body wins. The Content-Type decides how a body is
  read, so a request with a body must sign it. Every `x-acs-*` header of the request must be signed.
- A parameter that is twice in the query, or twice in a form body, is refused.

The order of checks: method; kind of authentication; action and version; the parameters of all requests;
SecurityToken; the encoding of the parameters. (V1 has its action among the parameters, so it checks the
encoding first.)

Source: "Request syntax and signature method V2 for RPC APIs" and "Signature method V3", Alibaba Cloud OpenAPI
documentation. Where this module is lenient, the official SDKs were seen to send such requests.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from otpconv.dialects.alibaba.wire.actions import check_action
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.headers import Authorization, media_type, parse_authorization
from otpconv.dialects.alibaba.wire.misplaced import FORM, JSON, is_v3, misplaced, unread_body
from otpconv.dialects.alibaba.wire.parameters import Query, from_form, from_json, from_query
from otpconv.dialects.alibaba.wire.refusal import CredentialsError, GatewayError, invalid, missing
from otpconv.dialects.alibaba.wire.signature import (
    V1_METHODS,
    v1_string_to_sign,
    v3_canonical_request,
)
from otpconv.dialects.dialect import Fields

_V1_COMMON = (
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureNonce",
    "Timestamp",
)
#: Other codes of requests whose parameters may have been sent in the wrong form or place.
_MAY_BE_MISPLACED = {"InvalidParameter", "IncompleteSignature"}
# Of texts with `&` before each parameter: a pattern that begins with plain bytes is 30 times as fast.
_FORMAT = re.compile(rb"&Format=([^&]*)")
_ACTION = b"&Action="

#: The SDKs send 32 to 64; the documentation sets no limit.
MAX_NONCE_CHARACTERS = 256

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(method: str, query: bytes, fields: Fields, body: bytes) -> Call:
    """Return the call that a request makes; `Call.verify` checks its signature.

    Args:
        method: the HTTP method, upper case.
        query: the query as it came, without the `?`.
        fields: the headers, from `by_name`.
        body: the whole body.

    Raises:
        GatewayError: the request is not a well-formed signed request. `xml` of the error says whether it asks
            for a response in XML.
    """
    try:
        if is_v3(fields):
            return _read_v3(method, query, fields, body)
        return _read_v1(method, query, fields, body)
    except GatewayError as error:
        error.xml = answers_xml(query, fields, body)
        if error.missing or error.code in _MAY_BE_MISPLACED:
            where = misplaced(error.missing, _readable(query, fields, body), fields, body)
            error.text = f"{error.text} {where}".rstrip()
        raise


def answers_xml(query: bytes, fields: Fields, body: bytes) -> bool:
    """Return whether a request wants XML: V1 without Format, or with Format=XML. Accepts any bytes."""
    if is_v3(fields):
        return False
    query, form = b"&" + query, b"&" + body if media_type(fields) == FORM else b""
    if b"x-acs-action" in fields and _ACTION not in query and _ACTION not in form:
        return False
    found = _FORMAT.search(form) or _FORMAT.search(query)
    return found is None or found[1].lower() in {b"", b"xml"}


def _read_v1(method: str, query: bytes, fields: Fields, body: bytes) -> Call:
    _check_method(method)
    asked = from_query(query)
    parameters = asked.parameters
    if body and media_type(fields) == FORM:
        parameters = parameters | from_form(body)
        asked = Query(parameters)
    get = parameters.get
    if (
        get("SignatureType", "").upper() == "BEARERTOKEN"
        or get("BearerToken")
        or b"x-acs-bearer-token" in fields
    ):
        raise GatewayError(
            "UnsupportedParameter", "Bearer tokens are not supported; sign with an AccessKeySecret."
        )
    action, version = get("Action", ""), get("Version", "")
    if not action and b"x-acs-action" in fields:
        raise CredentialsError(
            "IncompleteSignature",
            "V3 needs the header Authorization, V1 the parameter Action; both are missing.",
        )
    check_action(action, version)
    for name in _V1_COMMON:
        if not get(name):
            raise missing(name)
    wanted = get("Format", "").upper()
    if wanted not in {"", "JSON", "XML"}:
        raise GatewayError("InvalidParameter.Format", "Format must be JSON or XML.")
    if parameters["SignatureMethod"] not in V1_METHODS:
        raise GatewayError("InvalidSignatureMethod", "It must be HMAC-SHA1 or HMAC-SHA256.")
    if parameters["SignatureVersion"] != "1.0":
        raise invalid("SignatureVersion", "It must be 1.0.")
    return Call(
        action,
        version,
        parameters["AccessKeyId"],
        _nonce(parameters["SignatureNonce"]),
        _milliseconds(parameters["Timestamp"]),
        wanted != "JSON",
        parameters,
        parameters["SignatureMethod"],
        v1_string_to_sign(method, asked.canonical(without="Signature")),
        parameters["Signature"].encode(),
        _token(parameters["AccessKeyId"], get("SecurityToken", "")),
        unread_body(fields, body) if body else "",
    )


def _read_v3(method: str, query: bytes, fields: Fields, body: bytes) -> Call:
    _check_method(method)
    action, version = _operation(fields.get(b"x-acs-action", b""), fields.get(b"x-acs-version", b""))
    authorization, _, signature = fields[b"authorization"].rpartition(b"Signature=")
    head = parse_authorization(authorization, tuple(fields))
    body_hash = fields[b"x-acs-content-sha256"]
    if body_hash != head.algorithm.hash(body):
        raise GatewayError("ContentSha256NotMatched")
    nonce = _nonce(fields[b"x-acs-signature-nonce"].decode("latin-1"))
    signed_at = _milliseconds(fields[b"x-acs-date"].decode("latin-1"))
    asked = from_query(query)
    parameters = asked.parameters
    if body:
        parameters = parameters | _signed_body(fields, head, body)
    return Call(
        action,
        version,
        head.access_key_id,
        nonce,
        signed_at,
        False,  # noqa: FBT003 - responses to V3 are always JSON
        parameters,
        head.algorithm.name,
        v3_canonical_request(method, asked.canonical(), head.lines(fields), head.signed_headers, body_hash),
        signature,
        _token(head.access_key_id, fields.get(b"x-acs-security-token", b"").decode("latin-1")),
        unread_body(fields, body) if body else "",
    )


def _token(access_key_id: str, security_token: str) -> str:
    if access_key_id.startswith("STS.") and not security_token:
        raise missing("SecurityToken")
    return security_token


@lru_cache(maxsize=64)
def _operation(action: bytes, version: bytes) -> tuple[str, str]:
    operation = action.decode("latin-1"), version.decode("latin-1")
    check_action(*operation)
    return operation


def _check_method(method: str) -> None:
    if method not in {"GET", "POST"}:
        raise GatewayError("UnsupportedHTTPMethod", "Use GET or POST.")


def _signed_body(fields: Fields, signed: Authorization, body: bytes) -> dict[str, str]:
    if b"content-type" not in signed.names:
        raise CredentialsError("IncompleteSignature", "A request with a body must sign its Content-Type.")
    kind = media_type(fields)
    if kind == FORM:
        return from_form(body)
    return from_json(body) if kind == JSON else {}


def _readable(query: bytes, fields: Fields, body: bytes) -> dict[str, str]:
    """Return the parameters of a refused request, as far as they can be read."""
    parameters: dict[str, str] = {}
    for raw in (query, body if media_type(fields) == FORM else b""):
        with suppress(GatewayError):
            parameters |= from_form(raw)
    return parameters


def _nonce(text: str) -> str:
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= MAX_NONCE_CHARACTERS):
        raise invalid("SignatureNonce", "It must be 1 to 256 printable ASCII characters.")
    return text


# Requests of the same second carry the same text.
@lru_cache(maxsize=1024)
def _milliseconds(timestamp: str) -> int:
    if _TIMESTAMP.fullmatch(timestamp):
        try:
            return (datetime.fromisoformat(timestamp) - _EPOCH) // timedelta(milliseconds=1)
        except ValueError:
            pass
    raise GatewayError("InvalidTimeStamp.Format", "It must be a UTC time such as 2024-04-19T12:46:24Z.")
