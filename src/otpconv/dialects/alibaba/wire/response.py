"""Writes the response to a call, in JSON or XML.

Version 2018-05-01 has the result in `ResponseCode` and `ResponseDescription`, 2017-05-25 in `Code` and
`Message`. A response only has the pair of its version: some clients treat a `Code` in a 2018-05-01 response
as an exception.

Source: "Response syntax" of RPC APIs, the "Common error codes" and the RAM documentation, Alibaba Cloud;
headers as the service was seen to send them.
"""

import html
import re
from functools import lru_cache

from msgspec import json

from otpconv import errors
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.dialects.alibaba.wire.misplaced import misnamed
from otpconv.dialects.alibaba.wire.refusal import GatewayError
from otpconv.dialects.dialect import HttpResponse

_CORS = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
# Some clients compare the whole content type.
_JSON_HEADERS = [(b"content-type", b"application/json;charset=utf-8"), *_CORS]
_XML_HEADERS = [(b"content-type", b"text/xml;charset=utf-8"), *_CORS]

_ALLOWED_HEADERS = (
    b"X-Requested-With, X-Sequence, _aop_secret, _aop_signature, x-acs-action, x-acs-version, "
    b"x-acs-date, Content-Type"
)
_PREFLIGHT_HEADERS = (
    *_CORS,
    (b"access-control-allow-methods", b"POST, GET, OPTIONS, PUT, DELETE"),
    (b"access-control-allow-headers", _ALLOWED_HEADERS),
    (b"access-control-max-age", b"172800"),
)

#: When a client may try again while the storage fails, ms.
_UNAVAILABLE_MS = 1_000

# Characters that "Extensible Markup Language (XML) 1.0", section 2.2, does not allow, e.g. lone surrogates.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Errors of the product, sent with HTTP 200: their codes in version 2018-05-01.
_PRODUCT: dict[type[Exception], str] = {
    errors.InvalidTime: "INVALID_PARAMETERS",
    errors.UnknownMessage: "INVALID_PARAMETERS",
    errors.InvalidNumber: "MOBILE_NUMBER_ILLEGAL",
    errors.NumberMismatch: "MOBILE_NUMBER_ILLEGAL",
}

# Errors of the gateway: the nearest class in the tree of errors decides.
_GATEWAY: dict[type[BaseException], str] = {
    errors.Refused: "InvalidParameter",
    errors.BadCredentials: "IncompleteSignature",
    errors.UnknownAccessKey: "InvalidAccessKeyId.NotFound",
    errors.InactiveAccessKey: "InvalidAccessKeyId.Inactive",
    errors.SignatureMismatch: "SignatureDoesNotMatch",
    errors.StaleTimestamp: "InvalidTimeStamp.Expired",
    errors.ReplayedNonce: "SignatureNonceUsed",
    errors.MalformedToken: "InvalidSecurityToken.Malformed",
    errors.MismatchedToken: "InvalidSecurityToken.MismatchWithAccessKey",
    errors.ExpiredToken: "InvalidSecurityToken.Expired",
    errors.AccessDenied: "NoPermission",
    errors.NeedsTls: "InvalidProtocol.NeedSsl",
    errors.Throttled: "Throttling.User",
    errors.NotFound: "InvalidAction.NotFound",
    errors.MethodNotAllowed: "UnsupportedHTTPMethod",
    errors.BodyTooLarge: "BodyTooLarge",
    errors.BodyTooSlow: "BodyTooSlow",
    errors.UnsupportedMediaType: "UnsupportedMediaType",
    errors.Unavailable: "ServiceUnavailable",
    errors.UnknownOutcome: "ServiceUnavailable",
}


def success(call: Call, request_id: str) -> HttpResponse:
    """Return the response to a call whose report is durable."""
    before, after, headers = _success_template(call.version, call.action, call.xml, len(request_id))
    identity = request_id.encode()
    return HttpResponse(200, [*headers, (b"x-acs-request-id", identity)], before + identity + after)


def failure(
    error: Exception,
    request_id: str,
    *,
    call: Call | None,
    host_id: str,
    recommend_base: str,
    xml: bool = False,
) -> HttpResponse:
    """Return the response to a call that was refused or failed.

    Args:
        error: the reason. An error that is not ours becomes InternalError, without its text.
        request_id: the id of the request in the log.
        call: the call; None if the request could not be read.
        host_id: the host that was called, shown to the reader of the message.
        recommend_base: the URL of this server's pages, e.g. `https://otp.example`.
        xml: whether to respond in XML if neither the call nor the error knows it.
    """
    if call is not None:
        xml = call.xml
        code = _product_code(error, call.version)
        if code is not None:
            return _product_failure(call, code, _sentence(code, error), request_id)
    elif isinstance(error, GatewayError) and error.xml is not None:
        xml = error.xml
    code, status, text = _gateway_outcome(error)
    if call is not None and isinstance(error, GatewayError) and error.missing:
        text = f"{text} {call.unread or misnamed(error.missing, call.parameters)}".rstrip()
    members: dict[str, object] = {
        "RequestId": request_id,
        "HostId": _legal(host_id),
        "Code": code,
        "Message": _legal(text),
    }
    if xml:
        body = _xml("Error", members, "<?xml version='1.0' encoding='UTF-8'?>")
    else:
        members["Recommend"] = _legal(f"{recommend_base}/errors/{code}")
        if isinstance(error, errors.AccessDenied):
            members["AccessDeniedDetail"] = _access_denied_detail(error)
        body = json.encode(members)
    response = _response(status, body, request_id, xml=xml)
    response.code = code
    if isinstance(error, (errors.Throttled, errors.Unavailable)):
        wait_ms = error.wait_ms if isinstance(error, errors.Throttled) else _UNAVAILABLE_MS
        response.headers.append((b"x-acs-retry-after", b"%d" % wait_ms))
    return response


def encode_response(
    status: int, members: dict[str, object], request_id: str, *, root: str, xml: bool
) -> HttpResponse:
    """Return a response with these members, which may be nested; `root` is the root element of XML."""
    body = _xml(root, members) if xml else json.encode(members)
    return _response(status, body, request_id, xml=xml)


def preflight() -> HttpResponse:
    """Return the response to OPTIONS: any page may call, with the headers that the service allows."""
    return HttpResponse(204, list(_PREFLIGHT_HEADERS), b"")


@lru_cache(maxsize=16)
def _success_template(
    version: str,
    action: str,
    xml: bool,  # noqa: FBT001
    id_length: int,
) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Return the body before and after a RequestId of `id_length` characters, and the headers."""
    code, text = _pair(version)
    members: dict[str, object] = {code: "OK", text: "OK", "RequestId": "@"}
    body = _xml(f"{action}Response", members) if xml else json.encode(members)
    before, after = body.split(b"@")
    length = (b"content-length", b"%d" % (len(before) + id_length + len(after)))
    return before, after, [*(_XML_HEADERS if xml else _JSON_HEADERS), length]


def _product_code(error: Exception, version: str) -> str | None:
    old = version == "2017-05-25"
    if isinstance(error, errors.AccessDenied):
        return "isp.RAM_PERMISSION_DENY" if old else None
    code = next((_PRODUCT[kind] for kind in type(error).__mro__ if kind in _PRODUCT), None)
    return f"isv.{code}" if code is not None and old else code


def _product_failure(call: Call, code: str, text: str, request_id: str) -> HttpResponse:
    code_name, text_name = _pair(call.version)
    members: dict[str, object] = {code_name: code, text_name: _legal(text), "RequestId": request_id}
    body = _xml(f"{call.action}Response", members) if call.xml else json.encode(members)
    response = _response(200, body, request_id, xml=call.xml)
    response.code = code
    return response


def _gateway_outcome(error: Exception) -> tuple[str, int, str]:
    """Return code, status and text."""
    if isinstance(error, GatewayError):
        return error.code, error.status, error.text
    code = next((_GATEWAY[kind] for kind in type(error).__mro__ if kind in _GATEWAY), "InternalError")
    text = CODES[code].text if code == "InternalError" else _sentence(code, error)
    return code, CODES[code].status, text


def _sentence(code: str, error: Exception) -> str:
    """Return the documented sentence, then ours."""
    ours = getattr(error, "text", "")
    return f"{CODES[code].text} {ours}".rstrip()


def _access_denied_detail(error: errors.AccessDenied) -> dict[str, str]:
    return {
        "AuthAction": _legal(error.action),
        "AuthPrincipalType": error.principal_type,
        "AuthPrincipalOwnerId": str(error.account),
        "AuthPrincipalDisplayName": _legal(error.display_name),
        "NoPermissionType": error.kind,
        "PolicyType": error.policy_type,
    }


def _pair(version: str) -> tuple[str, str]:
    return ("Code", "Message") if version == "2017-05-25" else ("ResponseCode", "ResponseDescription")


def _xml(
    root: str, members: dict[str, object], declaration: str = '<?xml version="1.0" encoding="UTF-8"?>'
) -> bytes:
    return f"{declaration}\n{_element(root, members)}".encode()


def _element(name: str, value: object) -> str:
    if isinstance(value, dict):
        inner = "".join(_element(member, inside) for member, inside in value.items())
    else:
        inner = html.escape(str(value), quote=False)
    return f"<{name}>{inner}</{name}>"


def _legal(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _response(status: int, body: bytes, request_id: str, *, xml: bool) -> HttpResponse:
    return HttpResponse(
        status,
        [
            *(_XML_HEADERS if xml else _JSON_HEADERS),
            (b"x-acs-request-id", request_id.encode()),
            (b"content-length", b"%d" % len(body)),
        ],
        body,
    )
