"""What an error of the other side means for a report, as tables.

An error about this report sets it aside. An error about the caller (a key, a permission, the
account, a wrong address) keeps all reports in the spool, until the operator has fixed it.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from otpconv.delivery.transport import Fate, Outcome
from otpconv.dialects.alibaba.wire.codes.callers import CALLERS
from otpconv.dialects.alibaba.wire.codes.signatures import SIGNATURES

#: Beginnings of gateway codes about the caller: ours, and those that only the vendor's gateway has.
_CALLER = (
    *(error.code for error in (*CALLERS, *SIGNATURES)),
    "Forbidden",
    "IllegalTimestamp",
    "InvalidAccessKeyId",
    "InvalidAccessKeySecret",
    "InvalidAction.NotFound",
    "InvalidApi.NotFound",
    "InvalidProduct",
    "InvalidSecurityToken",
    "InvalidTimeStamp",
    "InvalidVersion",
    "MissingAccessKeyId",
    "NoSuchVersion",
    "UnsupportedHTTPMethod",
)
#: Product codes, without their prefix, about the account.
_ACCOUNT = {
    "ACCOUNT_ABNORMAL",
    "ACCOUNT_NOT_EXISTS",
    "AMOUNT_NOT_ENOUGH",
    "DENY_IP_RANGE",
    "FORBIDDEN_ACTION",
    "OUT_OF_SERVICE",
    "PRODUCT_UNSUBSCRIBE",
    "PRODUCT_UN_SUBSCRIPT",
    "RAM_PERMISSION_DENY",
}
_PRODUCT_FATES = {
    "SYSTEM_ERROR": Fate.FAILED,
    "BUSINESS_LIMIT_CONTROL": Fate.BUSY,
    "DAY_LIMIT_CONTROL": Fate.BUSY,
}
_BUSY_STATUS = {408, 425, 429}
_CALLER_STATUS = {401, 403, 404, 405, 407, 415}
_TOO_LARGE = 413
_SERVER_ERROR, _CLIENT_ERROR = 500, 400
#: Digits that are read of a number of seconds or ms: a longer one means days in both units.
_DIGITS = 9


def of_status(status: int, code: str, reason: str, wait_ms: int) -> Outcome:
    """Return the meaning of a failed response, by its HTTP status and the error code that it names."""
    if code.startswith("Throttling") or status in _BUSY_STATUS:
        fate = Fate.BUSY
    elif status >= _SERVER_ERROR or status < _CLIENT_ERROR or code == "SignatureNonceUsed":
        fate = Fate.FAILED
    elif code.startswith(_CALLER) or (
        status in _CALLER_STATUS and not code.startswith(("Missing", "Invalid"))
    ):
        fate = Fate.REFUSED
    elif not code and status != _TOO_LARGE:
        # Some proxy's own answer says nothing about a report.
        fate = Fate.REFUSED
    else:
        fate = Fate.REJECTED
    return Outcome(fate, code or f"HTTP {status}", reason, wait_ms)


def of_product(code: str, reason: str) -> Outcome:
    """Return what a product code in a successful answer means."""
    bare = code.removeprefix("isv.").removeprefix("isp.")
    fate = Fate.REFUSED if bare in _ACCOUNT else _PRODUCT_FATES.get(bare, Fate.REJECTED)
    return Outcome(fate, code, reason)


def wait_ms(headers: Mapping[str, str], now: int) -> int:
    """Return how long an answer asks to wait, ms, by `x-acs-retry-after` or `Retry-After`; or 0."""
    ours = headers.get("x-acs-retry-after", "")
    if ours.isdecimal():
        return int(ours[:_DIGITS])
    common = headers.get("retry-after", "").strip()
    if common.isdecimal():
        return int(common[:_DIGITS]) * 1000
    try:
        return max(0, int(parsedate_to_datetime(common).timestamp() * 1000) - now) if common else 0
    except (ValueError, OverflowError):
        return 0
