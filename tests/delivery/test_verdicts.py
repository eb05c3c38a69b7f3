"""What errors mean: about the report, about the caller, or about the other side."""

import pytest

from otpconv.delivery.transport import Fate
from otpconv.delivery.verdicts import of_product, of_status, wait_ms
from otpconv.dialects.alibaba.wire.codes import CODES

GATEWAY = [
    (400, "InvalidMessageId", Fate.REJECTED),
    (400, "MissingDelivered", Fate.REJECTED),
    (400, "InvalidParameter.Format", Fate.REJECTED),
    (400, "InvalidRequest", Fate.REJECTED),
    (413, "", Fate.REJECTED),
    (400, "", Fate.REFUSED),
    (404, "InvalidAccessKeyId.NotFound", Fate.REFUSED),
    (400, "InvalidAccessKeyId.Inactive", Fate.REFUSED),
    (400, "SignatureDoesNotMatch", Fate.REFUSED),
    (400, "IncompleteSignature", Fate.REFUSED),
    (400, "InvalidTimeStamp.Expired", Fate.REFUSED),
    (400, "InvalidSecurityToken.Expired", Fate.REFUSED),
    (403, "NoPermission", Fate.REFUSED),
    (403, "Forbidden.RAM", Fate.REFUSED),
    (403, "Forbidden.RiskControl", Fate.REFUSED),
    (404, "InvalidAction.NotFound", Fate.REFUSED),
    (404, "InvalidProduct.NotFound", Fate.REFUSED),
    (400, "InvalidProtocol.NeedSsl", Fate.REFUSED),
    (401, "BadCredentials", Fate.REFUSED),
    (403, "AccessDenied", Fate.REFUSED),
    (404, "", Fate.REFUSED),
    (400, "Throttling.User", Fate.BUSY),
    (400, "Throttling", Fate.BUSY),
    (429, "Throttled", Fate.BUSY),
    (500, "InternalError", Fate.FAILED),
    (503, "ServiceUnavailable", Fate.FAILED),
    (302, "", Fate.FAILED),
    (204, "", Fate.FAILED),
    (400, "SignatureNonceUsed", Fate.FAILED),
]


@pytest.mark.parametrize(("status", "code", "fate"), GATEWAY)
def test_a_gateway_error_has_its_fate(status: int, code: str, fate: Fate) -> None:
    assert of_status(status, code, "why", 0).fate is fate


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        ("INVALID_PARAMETERS", Fate.REJECTED),
        ("isv.INVALID_PARAMETERS", Fate.REJECTED),
        ("MOBILE_NUMBER_ILLEGAL", Fate.REJECTED),
        ("SOMETHING_NEW", Fate.REJECTED),
        ("OUT_OF_SERVICE", Fate.REFUSED),
        ("isv.ACCOUNT_NOT_EXISTS", Fate.REFUSED),
        ("isp.RAM_PERMISSION_DENY", Fate.REFUSED),
        ("FORBIDDEN_ACTION", Fate.REFUSED),
        ("isp.SYSTEM_ERROR", Fate.FAILED),
        ("isv.BUSINESS_LIMIT_CONTROL", Fate.BUSY),
    ],
)
def test_a_product_code_has_its_fate(code: str, fate: Fate) -> None:
    outcome = of_product(code, "why")
    assert (outcome.fate, outcome.code, outcome.reason) == (fate, code, "why")


def test_no_code_of_our_own_server_is_taken_for_a_delivery() -> None:
    assert Fate.DELIVERED not in {of_status(each.status, each.code, "", 0).fate for each in CODES.values()}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 0),
        ({"x-acs-retry-after": "120"}, 120),
        ({"retry-after": "2"}, 2000),
        ({"x-acs-retry-after": "50", "retry-after": "2"}, 50),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 9000),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-1"}, 0),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], expected: int) -> None:
    assert wait_ms(headers, 1000) == expected
