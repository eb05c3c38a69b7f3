"""Requests as Volcengine's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@st.composite
def requests(draw: st.DrawFn) -> HttpRequest:
    """Return requests that only this dialect may claim: they are all signed in the header Authorization."""
    action = draw(st.sampled_from(["Conversion", "SendSms", "SendSmsVerifyCode"]))
    fields = {
        b"host": b"otp.example",
        b"x-date": draw(_TEXT).encode(),
        b"authorization": b"HMAC-SHA256 Credential=" + draw(_TEXT).encode(),
    }
    query = f"Action={action}&Version=2020-01-01".encode()
    return HttpRequest(draw(st.sampled_from(["GET", "POST"])), "/", query, fields, draw(_TEXT).encode())
