"""Telesign's signature, against a captured call of the official SDK and against the SDK itself."""

import base64

from hypothesis import given, strategies as st
from telesign.rest import RestClient

from otpconv.dialects.telesign.signature import api_key, sign, signature, string_to_sign

DATE, NONCE = "Thu, 26 Nov 2026 21:51:37 GMT", "d7604663-1978-4c8c-a2b7-a9920a473e9d"
PATH = "/v1/verify/completion/REF123"

lines = st.from_regex("[!-~]{1,40}", fullmatch=True)


def test_a_captured_call_verifies() -> None:
    headers = sign("PUT", PATH, customer="cust", secret="k" * 16, date=DATE, nonce=NONCE)
    assert headers["authorization"] == "TSA cust:6fAcygzC8g/tDwa07RCI/FzRHaYEcp0glOyRJCWrX5g="


@given(
    method=st.sampled_from(["PUT", "POST", "GET"]),
    reference=lines,
    secret=st.text(min_size=1),
    body=st.binary(max_size=30),
)
def test_signs_as_the_official_sdk_does(method: str, reference: str, secret: str, body: bytes) -> None:
    fields = base64.b16encode(body).decode() if method != "GET" else ""
    theirs = RestClient.generate_telesign_headers(
        "cust", api_key(secret), method, f"/{reference}", fields, date_rfc2616=DATE, nonce=NONCE
    )
    ours = sign(
        method, f"/{reference}", customer="cust", secret=secret, date=DATE, nonce=NONCE, body=fields.encode()
    )
    assert ours == {name.lower(): value for name, value in theirs.items()}


@given(
    signed=st.fixed_dictionaries(
        {"method": lines, "path": lines, "content_type": lines, "date": lines, "nonce": lines}
    ),
    body=st.binary(max_size=20),
    data=st.data(),
)
def test_any_changed_byte_is_noticed(signed: dict[str, str], body: bytes, data: st.DataObject) -> None:
    def made(body: bytes, **parts: str) -> bytes:
        return signature(string_to_sign(parts.pop("method"), parts.pop("path"), body=body, **parts), "secret")

    original = made(body, **signed)
    assert original != signature(string_to_sign(body=body, **signed), "secreT")
    name = data.draw(st.sampled_from(sorted(signed)))
    value = signed[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(lines.filter(lambda text: text[0] != value[place]))
    assert made(body, **signed | {name: value[:place] + other[0] + value[place + 1 :]}) != original
    assert made(body + b"x", **signed) != original
