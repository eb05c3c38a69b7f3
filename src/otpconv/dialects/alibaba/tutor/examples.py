"""An answer with each code, for people who look a code up: made by what makes the real ones."""

from otpconv import errors
from otpconv.clock import difference, iso_8601
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.dialects.alibaba.wire.misplaced import unread_body
from otpconv.dialects.alibaba.wire.refusal import GatewayError
from otpconv.dialects.alibaba.wire.response import failure
from otpconv.dialects.dialect import HttpResponse

_REQUEST_ID = "8D6A8F3C-5E0B-4C5B-9B7E-0000000004D2"
_HOST = "otp.example"
_TIME = 1_349_055_900_000
_LATE_MS = 17 * 60_000 + 3_000

_UNREAD = unread_body({b"content-type": b"application/json"}, b"{}")
_SIGNED = b"POST&%2F&AccessKeyId%3D...%26Action%3DSmsConversion%26..."


def example(code: str, recommend_base: str) -> HttpResponse:
    """Return an answer with this code, in JSON.

    Args:
        code: one of `CODES`.
        recommend_base: where this server's pages are, as `https://otp.example`.
    """
    plain = code.partition(".")[2] if code.startswith(("isv.", "isp.")) else code
    product = CODES[code].status == 200  # noqa: PLR2004 - the HTTP status
    call = _call("2017-05-25" if plain != code else "2018-05-01") if product else None
    return failure(_error(plain), _REQUEST_ID, call=call, host_id=_HOST, recommend_base=recommend_base)


def _error(code: str) -> Exception:
    if code in {"NoPermission", "RAM_PERMISSION_DENY"}:
        return _denied()
    if code == "Throttling.User":
        return errors.Throttled("This call is over a limit that the server's operator has set.", wait_ms=250)
    if code == "INVALID_PARAMETERS":
        return errors.InvalidTime(f"ConversionTime {_TIME} is not after {_TIME}, when the message was sent.")
    if code == "MOBILE_NUMBER_ILLEGAL":
        return errors.InvalidNumber("To is no telephone number; write it with its country code.")
    if code == "SignatureDoesNotMatch":
        return _mismatch()
    return _late(code) or GatewayError(code, _UNREAD if code == "MissingAction" else "")


def _mismatch() -> GatewayError:
    try:
        _call("2018-05-01").verify("")
    except GatewayError as error:
        return error
    raise AssertionError("an empty signature was taken")


def _late(code: str) -> errors.Refused | None:
    """Return the refusal of a request that came 17 min 3 s late, with a code that is about time."""
    late = difference(_TIME, _TIME + _LATE_MS)
    if code == "InvalidTimeStamp.Expired":
        return errors.StaleTimestamp(f"The request is {late}; at most 15 minutes either way are accepted.")
    if code == "SignatureNonceUsed":
        return errors.ReplayedNonce(f"The nonce of this request, signed {late}, was used before.")
    if code == "InvalidSecurityToken.Expired":
        return errors.ExpiredToken(f"The temporary credentials expired at {iso_8601(_TIME)}, {late}.")
    return None


def _call(version: str) -> Call:
    action = "SmsConversionIntl" if version == "2017-05-25" else "SmsConversion"
    return Call(action, version, "LTAI...", "nonce", _TIME, False, {}, "HMAC-SHA1", _SIGNED, b"")  # noqa: FBT003


def _denied() -> errors.AccessDenied:
    return errors.AccessDenied(
        "The user dashboard may not do dysms:SmsConversion: no statement of the attached policies allows it; "
        "attach one that does, or use another access key.",
        action="dysms:SmsConversion",
        kind="ImplicitDeny",
        policy_type="AccountLevelIdentityBasedPolicy",
        principal_type="SubUser",
        display_name="dashboard",
        account=1,
    )
