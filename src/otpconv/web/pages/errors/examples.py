"""An example response for each code. The checks of this server raise the errors, so the texts are real."""

from collections.abc import Callable

from otpconv.access.authorize import authorize
from otpconv.access.keys import AccessKey
from otpconv.access.nonces import NonceGuard
from otpconv.access.policies.grants import Grants
from otpconv.access.sealing import Sealer
from otpconv.access.sts.tokens import MIN_DURATION_S, issue, open_token
from otpconv.dialects.alibaba import CODES, Call, GatewayError, failure, read_report
from otpconv.dialects.alibaba.wire.misplaced import unread_body
from otpconv.dialects.dialect import HttpResponse
from otpconv.errors import Refused
from otpconv.web.front.gate import over_limit

_REQUEST_ID = "8D6A8F3C-5E0B-4C5B-9B7E-0000000004D2"
_HOST = "otp.example"
_TIME = 1_349_055_900_000
_LATE_MS = 17 * 60_000 + 3_000
_SOON_MS = 2 * 60_000

_UNREAD = unread_body({b"content-type": b"application/json"}, b"{}")
_SIGNED = b"POST&%2F&AccessKeyId%3D...%26Action%3DSmsConversion%26..."


def example(code: str, recommend_base: str) -> HttpResponse:
    """Return a response with this code, in JSON.

    Args:
        code: a key of `CODES`.
        recommend_base: the URL of this server's pages, e.g. `https://otp.example`.
    """
    plain = code.partition(".")[2] if code.startswith(("isv.", "isp.")) else code
    product = CODES[code].status == 200  # noqa: PLR2004 - the HTTP status
    call = _call("2017-05-25" if plain != code else "2018-05-01") if product else None
    return failure(_error(plain), _REQUEST_ID, call=call, host_id=_HOST, recommend_base=recommend_base)


def _error(code: str) -> Exception:
    check = _CHECKS.get(code)
    if check is None:
        return GatewayError(code, _UNREAD if code == "MissingAction" else "")
    try:
        check()
    except Refused as error:
        return error
    raise AssertionError(f"the check for {code} did not fail")


def _denied() -> None:
    key = AccessKey(
        access_key_id="LTAI...",
        secret="",
        user="dashboard",
        account=1,
        account_name="default",
        grants=Grants(),
        active=True,
        created_at=_TIME,
    )
    authorize(key, "dysms:SmsConversion", dict)


def _throttled() -> None:
    raise over_limit(wait_ms=250)


def _future() -> None:
    _reported(MessageId="1008030300", ConversionTime=str(_TIME + _SOON_MS))


def _not_a_number() -> None:
    _reported(To="12")


def _reported(**parameters: str) -> None:
    call = _call("2018-05-01", {"Delivered": "true", **parameters})
    read_report(call, 1, _TIME, lambda _, number: number)


def _mismatch() -> None:
    _call("2018-05-01").verify("")


def _stale() -> None:
    NonceGuard().check_time(_TIME, _TIME + _LATE_MS)


def _replayed() -> None:
    guard = NonceGuard()
    for late_ms in (0, _SOON_MS):
        guard.admit("LTAI...", "nonce", _TIME, _TIME + late_ms)


def _expired() -> None:
    sealer = Sealer(bytes(32))
    issued_at = _TIME - MIN_DURATION_S * 1000
    token = issue(
        sealer, account=1, role="reporter", session_name="ci", now=issued_at, duration_s=MIN_DURATION_S
    )
    open_token(sealer, token.security_token, token.access_key_id, _TIME + _LATE_MS)


#: By code, a check of this server that fails with it.
_CHECKS: dict[str, Callable[[], None]] = {
    "NoPermission": _denied,
    "RAM_PERMISSION_DENY": _denied,
    "Throttling.User": _throttled,
    "INVALID_PARAMETERS": _future,
    "MOBILE_NUMBER_ILLEGAL": _not_a_number,
    "SignatureDoesNotMatch": _mismatch,
    "InvalidTimeStamp.Expired": _stale,
    "SignatureNonceUsed": _replayed,
    "InvalidSecurityToken.Expired": _expired,
}


def _call(version: str, parameters: dict[str, str] | None = None) -> Call:
    action = "SmsConversionIntl" if version == "2017-05-25" else "SmsConversion"
    return Call(
        action,
        version,
        "LTAI...",
        "nonce",
        _TIME,
        xml=False,
        parameters=parameters or {},
        method="HMAC-SHA1",
        signed=_SIGNED,
        signature=b"",
    )
