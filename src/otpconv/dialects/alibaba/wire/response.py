"""Outcome -> bytes: what a call is answered with, in JSON or XML.

Version 2018-05-01 says how it went in `ResponseCode` and `ResponseDescription`, 2017-05-25 in `Code` and
`Message`. Only the pair of its version is ever sent: some clients take a `Code` in a 2018-05-01 answer for an
exception.

Source: "Response syntax" of RPC APIs, the "Common error codes" and the RAM documentation, Alibaba Cloud;
header fields as the service was seen to send them.
"""

import html
import re
from functools import lru_cache

from msgspec import Struct, json

from otpconv import errors
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.dialects.alibaba.wire.misplaced import misnamed
from otpconv.dialects.alibaba.wire.refusal import GatewayError

_CORS = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
# Some clients compare the whole of it.
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

# What "Extensible Markup Language (XML) 1.0", section 2.2, does not allow; lone surrogates are among it.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Errors the product answers with HTTP 200, by their code in version 2018-05-01.
_PRODUCT: dict[type[Exception], str] = {
    errors.InvalidTime: "INVALID_PARAMETERS",
    errors.UnknownMessage: "INVALID_PARAMETERS",
    errors.InvalidNumber: "MOBILE_NUMBER_ILLEGAL",
    errors.NumberMismatch: "MOBILE_NUMBER_ILLEGAL",
}

# Errors the gateway answers; the class nearest in the family decides.
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
}


class Answer(Struct):
    """One HTTP response.

    Attributes:
        status: the HTTP status.
        headers: names in lower case; with Content-Length.
        body: the whole body.
        code: the error code in it, or `OK`.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    code: str = "OK"


def success(call: Call, request_id: str) -> Answer:
    """Return the answer to a call whose report is durable."""
    before, after, headers = _success_template(call.version, call.action, call.xml, len(request_id))
    identity = request_id.encode()
    return Answer(200, [*headers, (b"x-acs-request-id", identity)], before + identity + after)


def failure(
    error: Exception,
    request_id: str,
    *,
    call: Call | None,
    host_id: str,
    recommend_base: str,
    xml: bool = False,
) -> Answer:
    """Return the answer to a call that was refused or failed.

    Args:
        error: why; what is no error of ours becomes InternalError, and none of its text is shown.
        request_id: the same as in the log.
        call: the call, as far as it could be read.
        host_id: the host that was called, for the reader of the message.
        recommend_base: where this server's pages are, as `https://otp.example`.
        xml: the format to answer in, where neither the call nor the error knows it.
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
    answer = _answer(status, body, request_id, xml=xml)
    answer.code = code
    if isinstance(error, errors.Throttled):
        answer.headers.append((b"x-acs-retry-after", b"%d" % error.wait_ms))
    return answer


def answer(status: int, members: dict[str, object], request_id: str, *, root: str, xml: bool) -> Answer:
    """Return an answer of these members, some of which may be members of their own; `root` is XML's."""
    body = _xml(root, members) if xml else json.encode(members)
    return _answer(status, body, request_id, xml=xml)


def preflight() -> Answer:
    """Return the answer to OPTIONS: any page may call, with the headers the service allows."""
    return Answer(204, list(_PREFLIGHT_HEADERS), b"")


@lru_cache(maxsize=16)
def _success_template(
    version: str,
    action: str,
    xml: bool,  # noqa: FBT001
    id_length: int,
) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Return what comes before and after a RequestId of so many characters, and the headers."""
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
    code = next((_PRODUCT[each] for each in type(error).__mro__ if each in _PRODUCT), None)
    return f"isv.{code}" if code is not None and old else code


def _product_failure(call: Call, code: str, text: str, request_id: str) -> Answer:
    code_name, text_name = _pair(call.version)
    members: dict[str, object] = {code_name: code, text_name: _legal(text), "RequestId": request_id}
    body = _xml(f"{call.action}Response", members) if call.xml else json.encode(members)
    answer = _answer(200, body, request_id, xml=call.xml)
    answer.code = code
    return answer


def _gateway_outcome(error: Exception) -> tuple[str, int, str]:
    """Return code, status and text."""
    if isinstance(error, GatewayError):
        return error.code, error.status, error.text
    code = next((_GATEWAY[each] for each in type(error).__mro__ if each in _GATEWAY), "InternalError")
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


def _answer(status: int, body: bytes, request_id: str, *, xml: bool) -> Answer:
    return Answer(
        status,
        [
            *(_XML_HEADERS if xml else _JSON_HEADERS),
            (b"x-acs-request-id", request_id.encode()),
            (b"content-length", b"%d" % len(body)),
        ],
        body,
    )
