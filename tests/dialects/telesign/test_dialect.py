"""Telesign's completion, by its signature and by HTTP Basic."""

from email.utils import formatdate
from typing import Any

import pytest

from dialects.reading import ACCOUNT, KEY, NOW, SECRET, basic, read, refused, reports, request
from otpconv.dialects.telesign.dialect import TelesignDialect
from otpconv.dialects.telesign.signature import api_key, sign
from otpconv.model import Conversion, Timing

TELESIGN = TelesignDialect()
PATH = "/v1/verify/completion/0123456789ABCDEF0123456789ABCDEF"
DATE = formatdate(NOW // 1000, usegmt=True)
EXPECTED = [Conversion(ACCOUNT, True, NOW, PATH[22:], timing=Timing.ARRIVAL)]


def signed(path: str = PATH, body: bytes = b"", **changes: str) -> Any:  # noqa: ANN401 - a request
    headers = sign("PUT", path, customer=KEY, secret=SECRET, date=DATE, nonce="a-nonce", body=body)
    named = {name.replace("-", "_"): value for name, value in headers.items()} | changes
    return request(path, body, method="PUT", **{name: value for name, value in named.items() if value})


@pytest.mark.parametrize("body", [b"", b"verify_code=12345"])
def test_a_signed_completion_is_a_conversion(body: bytes) -> None:
    asked = signed(body=body)
    assert list(reports(TELESIGN, asked)) == EXPECTED
    call = read(TELESIGN, asked)
    assert (call.nonce, call.signed_at) == ("a-nonce", NOW)


def test_the_password_of_basic_is_the_api_key() -> None:
    asked = request(PATH, method="PUT", authorization=basic(KEY, api_key(SECRET)))
    assert list(reports(TELESIGN, asked)) == EXPECTED
    for password in (SECRET, "é", "//8="):
        call = TELESIGN.read(request(PATH, method="PUT", authorization=basic(KEY, password)))
        assert call.secret != SECRET


@pytest.mark.parametrize(
    ("asked", "status", "number", "says"),
    [
        (signed(authorization=""), 401, -30004, "Missing required 'Authorization' header."),
        (signed(authorization="TSA cust"), 401, -30005, "TSA CUSTOMER_ID:SIGNATURE"),
        (signed(authorization=f"TSA {KEY}:AAAA"), 401, -30006, "Invalid Signature."),
        (signed(x_ts_auth_method="HMAC-SHA1"), 401, -30008, "HMAC-SHA256"),
        (signed(x_ts_nonce=""), 401, -30011, "UUID"),
        (signed(x_ts_nonce="n" * 129), 401, -30011, "UUID"),
        (signed(x_ts_nonce="another"), 401, -30006, "Invalid Signature."),
        (signed(date=""), 401, -30007, "Missing required 'Date'"),
        (signed(date="yesterday"), 401, -30009, "RFC822"),
        (signed(date=formatdate(NOW // 1000 + 1, usegmt=True)), 401, -30006, "Invalid Signature."),
        (signed(content_type="text/plain"), 401, -30006, "Invalid Signature."),
        (signed("/v1/verify/completion/a b"), 400, -10001, "The reference id must be 1 to 255"),
        (request(PATH, method="GET", authorization=basic()), 404, -40006, "is not an operation"),
        (request("/v1/verify/sms", form={"phone_number": "1"}), 404, -40006, "does not send messages"),
    ],
)
def test_a_refused_call_gets_the_vendors_numbers(
    asked: Any,  # noqa: ANN401 - a request
    status: int,
    number: int,
    says: str,
) -> None:
    found, body = refused(TELESIGN, asked)
    (error,) = body["errors"]
    assert (found, error["code"]) == (status, number)
    assert says in error["description"]
    code, description = (501, "Not authorized") if status == 401 else (500, "Transaction not attempted")
    assert (body["status"]["code"], body["status"]["description"]) == (code, description)
    assert ("signature_string" in body) is (number == -30006)
